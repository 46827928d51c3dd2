"""The planning rule of function calls: what a client wrote becomes what DuckDB shall call.

It runs on trees whose table names are still the client's; calls it does not know are left to
DuckDB, whose refusal sql/functions/unknown.py words.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from sql.dialect.pieces import rewritten
from sql.functions.expansion import RETURNS, expand, is_aggregate, is_typed
from sql.functions.index import of_wire
from sql.functions.registry import PREFIX, Function, Kind, Macro, Native, Rewrite
from sql.functions.rewrites.aggregates import windowed_score
from sql.functions.rewrites.build import own
from sql.functions.rewrites.json_aggregates import gathered_json
from sql.functions.rewrites.json_changes import json_tables
from sql.functions.rewrites.mysql import OPERATORS as MYSQL_OPERATORS
from sql.functions.rewrites.mysql import mysql_operator
from sql.functions.rewrites.operators import OPERATORS, rewrite_operator
from sql.functions.rewrites.texts import trim_part
from sql.session import Wire


def function_calls(tree: exp.Expr, wire: Wire) -> exp.Expr:
    """Rewrites the calls of a statement in place; gives the tree, or what replaces it.

    Raises: DbError UNDEFINED_FUNCTION and INVALID_ARGUMENT for calls that cannot be.

    >>> from sqlglot import parse_one
    >>> function_calls(parse_one("SELECT LOCATE_('b', 'abc')"), Wire.MYSQL).sql("duckdb")
    "SELECT LOCATE_('b', 'abc')"
    """
    known = of_wire(wire)
    if wire is not Wire.MYSQL:
        tree = json_tables(tree)
    gathered_json(tree)
    for joined in tree.find_all(exp.GroupConcat):
        if isinstance(joined.args.get("separator"), exp.Null):
            joined.set("separator", exp.Literal.string(""))  # nothing stands between
    return rewritten(tree, _KINDS, lambda node: _made(node, known, wire))


_KINDS = (
    *OPERATORS,
    *MYSQL_OPERATORS,
    exp.Anonymous,
    exp.Substring,
    exp.Overlay,
    exp.Trim,
    exp.Window,
    exp.WithinGroup,
    exp.Format,
    exp.Soundex,
    exp.Chr,
)


def _made(node: exp.Expr, known: Mapping[str, Function], wire: Wire) -> exp.Expr | None:
    if isinstance(node, exp.Anonymous):
        entry = known.get(node.name.lower())
        return _called(node, entry) if entry is not None else None
    if isinstance(node, exp.Substring):
        parts = [node.this, node.args.get("start"), node.args.get("length")]
        return _by_name("substring", parts, known)
    if isinstance(node, exp.Overlay):
        parts = [node.this, node.expression, node.args.get("from_"), node.args.get("for_")]
        return _by_name("overlay", parts, known)
    if isinstance(node, exp.Format):
        return _by_name("format", [node.this, *node.expressions], known)
    if isinstance(node, exp.Soundex):
        return _by_name("soundex", [node.this], known)
    if isinstance(node, exp.Chr) and wire is Wire.MYSQL:
        return _by_name("char", node.expressions, known)
    if isinstance(node, exp.Trim):
        return trim_part(node) if wire is Wire.MYSQL else None
    if isinstance(node, exp.WithinGroup):
        return _within_group(node)
    if isinstance(node, exp.Window):
        return windowed_score(node)
    return rewrite_operator(node) if wire is not Wire.MYSQL else mysql_operator(node)


def _by_name(
    name: str, parts: list[exp.Expr | None], known: Mapping[str, Function]
) -> exp.Expr | None:
    """A call whose syntax is its own, as a plain call of the function."""
    entry = known.get(name)
    if entry is None:
        return None
    plain = exp.Anonymous(this=name, expressions=[p.copy() for p in parts if p is not None])
    return _called(plain, entry) or plain


def _called(node: exp.Anonymous, entry: Function) -> exp.Expr | None:
    how = entry.how
    if isinstance(how, Rewrite):
        if isinstance(node.parent, exp.WithinGroup):
            return None  # its value is in the order: _within_group
        return how.make(node.expressions)
    if isinstance(how, Native) and how.name is None:
        return None  # each of its names is DuckDB's, or the planner's
    if isinstance(how, Macro) and not is_typed(how.overloads):
        aggregate = entry.kind is Kind.AGGREGATE
        made = expand(entry.name, how.overloads, node.expressions, aggregate=aggregate)
        made.meta[RETURNS] = entry.returns
        return made
    if isinstance(how, Macro):
        plain = tuple(overload for overload in how.overloads if not is_typed((overload,)))
        if plain and any(is_aggregate(argument) for argument in node.expressions):
            return expand(entry.name, plain, node.expressions)  # DuckDB cannot choose by these
        return own(entry.engine_name.removeprefix(PREFIX), *node.expressions)
    node.set("this", entry.engine_name)
    return None


def _within_group(node: exp.WithinGroup) -> exp.Expr | None:
    """`f(q) WITHIN GROUP (ORDER BY x)` of ours is `f(x, q)`."""
    inner = node.this
    name = inner.name.lower() if isinstance(inner, exp.Anonymous) else ""
    if name != "approx_percentile_cont_with_weight":
        return None
    key = node.expression.expressions[0].this
    entry = of_wire(Wire.POSTGRES)[name]
    assert isinstance(entry.how, Rewrite)
    return entry.how.make([key, *inner.expressions])
