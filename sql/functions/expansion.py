"""Calls that become a piece of DuckDB text, with the arguments in their places.

What a macro in DuckDB would do, done when the statement is planned: a store then has nothing to
create when it opens, and arguments keep their types for the functions inside.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect.pieces import cast_to

RETURNS = "returns"  # in a node's meta: the type that the registry tells
_HEAD = re.compile(r"\(([^()]*)\) AS (.*)", re.DOTALL)
_WORDS = re.compile(r"'(?:[^']|'')*'|\b[A-Za-z_]\w*\b")
_DIRECT = re.compile(r"gn_(\w+)\(\x00(\d+)\x00")
_HOLE = re.compile(r"\x00(\d+)\x00")


class Expansion(exp.Expression, exp.Condition):
    """DuckDB text (`template`) with holes that the `expressions` fill."""

    arg_types = {"expressions": True, "template": True, "aggregate": False}


def parameters_of(overload: str) -> list[str]:
    """The parameters of `(a, b) AS …`, with their types if they have any."""
    found = _HEAD.fullmatch(overload)
    assert found is not None, overload
    return [part.strip() for part in found[1].split(",") if part.strip()]


@cache
def _templates(overloads: tuple[str, ...]) -> dict[int, str]:
    """Number of parameters → text with numbered holes."""
    made = {}
    for overload in overloads:
        names = parameters_of(overload)
        body = overload.partition(") AS ")[2]

        def hole(found: re.Match[str], names: list[str] = names) -> str:
            word = found[0]
            return f"\x00{names.index(word)}\x00" if word in names else word

        made[len(names)] = f"({_WORDS.sub(hole, body)})"
    return made


def is_typed(overloads: Sequence[str]) -> bool:
    """True if the parameters' types choose the overload, which only DuckDB can do."""
    return any(" " in part for overload in overloads for part in parameters_of(overload))


def expand(
    name: str,
    overloads: tuple[str, ...],
    arguments: Sequence[exp.Expr],
    *,
    aggregate: bool = False,
) -> exp.Expr:
    """The call as an expansion. Raises: DbError UNDEFINED_FUNCTION for a wrong number of them."""
    template = _templates(overloads).get(len(arguments))
    if template is None:
        counts = " or ".join(str(n) for n in sorted(_templates(overloads)))
        raise DbError(
            ErrorKind.UNDEFINED_FUNCTION,
            f"function {name} does not take {len(arguments)} arguments, but {counts}",
        )
    direct = {int(n): helper for helper, n in _DIRECT.findall(template)}
    for n, helper in direct.items():
        instead = _OF_AGGREGATES.get(helper)
        if instead is not None and is_aggregate(arguments[n]):
            hole = f"\x00{n}\x00"
            template = template.replace(f"gn_{helper}({hole})", instead.replace("{}", hole))
    typed = [_typed(direct[n], a) if n in direct else a.copy() for n, a in enumerate(arguments)]
    made: Any = Expansion(expressions=typed, template=template, aggregate=aggregate or None)
    return made  # type: ignore[no-any-return]


# DuckDB cannot choose an overload by the type of an aggregate: what is done with one instead.
_TIMESTAMP = "CAST({} AS TIMESTAMP)"
_OF_AGGREGATES = {
    **dict.fromkeys(("moment", "as_moment", "any_time", "as_time", "any_moment"), _TIMESTAMP),
    **{
        f"part_of_{part}": f"date_part('{part}', {_TIMESTAMP})"
        for part in ("hour", "minute", "second", "microsecond")
    },
    "clock_us": "epoch_us(CAST({} AS TIME))",
    "scale_us": "epoch_us(CAST({} AS TIMESTAMP))",
    "unixtime": "CAST(floor(epoch(CAST({} AS TIMESTAMP))) AS BIGINT)",
    "from_seconds": "make_timestamp(CAST(round({} * 1000000) AS BIGINT))",
    "cell": "gn_any_cell(typeof({}), CAST({} AS VARCHAR))",
    "hex_mysql": "CASE WHEN typeof({}) LIKE '%INT%' THEN to_hex(TRY_CAST(CAST({} AS VARCHAR)"
    " AS HUGEINT)) ELSE hex(CAST({} AS VARCHAR)) END",
}
_NUMERIC = frozenset({"from_seconds", "cell", "hex_mysql", "unixtime"})
_AGGREGATES = frozenset(
    {"first", "last", "any_value", "arg_min", "arg_max", "arg_min_null", "arg_max_null", "list"}
    | {"median", "mode", "string_agg", "approx_quantile", "quantile_cont", "lag", "lead"}
)


def helper_call(helper: str, arguments: Sequence[exp.Expr]) -> exp.Expr:
    """A call of a helper that DuckDB chooses by type; NULL and parameters get one.

    >>> helper_call("moment", [exp.null()]).sql("duckdb")
    'GN_MOMENT(CAST(NULL AS TEXT))'
    """
    instead = _OF_AGGREGATES.get(helper)
    if instead is not None and len(arguments) == 1 and is_aggregate(arguments[0]):
        template = f"({instead})".replace("{}", "\x000\x00")
        made: Any = Expansion(expressions=[arguments[0].copy()], template=template)
        return made  # type: ignore[no-any-return]
    typed = [_typed(helper, argument) for argument in arguments]
    return exp.Anonymous(this=f"gn_{helper}", expressions=typed)


def _typed(helper: str, argument: exp.Expr) -> exp.Expr:
    if isinstance(argument, exp.Null):
        return cast_to(argument.copy(), "VARCHAR")
    if isinstance(argument, exp.Parameter):
        kind = "BIGINT" if helper in _NUMERIC else "VARCHAR"
        return cast_to(argument.copy(), kind)
    return argument.copy()


def is_aggregate(node: exp.Expr) -> bool:
    """True if an aggregate or window function is in the expression."""
    for part in node.find_all(exp.AggFunc, exp.Window, exp.Anonymous, Expansion):
        if isinstance(part, exp.Anonymous) and part.name.lower() not in _AGGREGATES:
            continue
        if isinstance(part, Expansion) and not part.args.get("aggregate"):
            continue
        return True
    return False


def expansion_sql(generator: Any, node: Expansion) -> str:
    """The text with the arguments' own."""
    arguments = [generator.sql(argument) for argument in node.expressions]
    if "gn_" in node.args["template"]:  # which choose by type: literals need one
        arguments = [f"CAST({a} AS VARCHAR)" if _UNTYPED.fullmatch(a) else a for a in arguments]
    shown = [a if _SIMPLE.fullmatch(a) else f"({a})" for a in arguments]
    return _HOLE.sub(lambda found: shown[int(found[1])], node.args["template"])


_UNTYPED = re.compile(r"NULL|'(?:[^']|'')*'")
_SIMPLE = re.compile(r"'(?:[^']|'')*'|\d+|\"[^\"]*\"")
