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

_HEAD = re.compile(r"\(([^()]*)\) AS (.*)", re.DOTALL)
_WORDS = re.compile(r"'(?:[^']|'')*'|\b[A-Za-z_]\w*\b")
_HOLE = re.compile(r"\x00(\d+)\x00")


class Expansion(exp.Expression, exp.Condition):
    """DuckDB text (`template`) with holes that the `expressions` fill."""

    arg_types = {"expressions": True, "template": True}


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


def expand(name: str, overloads: tuple[str, ...], arguments: Sequence[exp.Expr]) -> exp.Expr:
    """The call as an expansion. Raises: DbError UNDEFINED_FUNCTION for a wrong number of them."""
    template = _templates(overloads).get(len(arguments))
    if template is None:
        counts = " or ".join(str(n) for n in sorted(_templates(overloads)))
        raise DbError(
            ErrorKind.UNDEFINED_FUNCTION,
            f"function {name} does not take {len(arguments)} arguments, but {counts}",
        )
    made: Any = Expansion(expressions=[a.copy() for a in arguments], template=template)
    return made  # type: ignore[no-any-return]


def expansion_sql(generator: Any, node: Expansion) -> str:
    """The text with the arguments' own."""
    arguments = [generator.sql(argument) for argument in node.expressions]
    if "gn_" in node.args["template"]:  # which choose by type: literals need one
        arguments = [f"CAST({a} AS VARCHAR)" if _UNTYPED.fullmatch(a) else a for a in arguments]
    shown = [a if _SIMPLE.fullmatch(a) else f"({a})" for a in arguments]
    return _HOLE.sub(lambda found: shown[int(found[1])], node.args["template"])


_UNTYPED = re.compile(r"NULL|'(?:[^']|'')*'")
_SIMPLE = re.compile(r"'(?:[^']|'')*'|\d+|\"[^\"]*\"")
