"""Queries of plain columns of some rows of one table: rows in memory answer them without DuckDB.

`SELECT v, ts FROM cpu WHERE host = 'a' AND ts >= … [ORDER BY ts [DESC]] [LIMIT n]`: for one row or
a hundred, DuckDB's reading, binding and starting takes longer than all the rest. What is found here
is all that the query says: where anything else stands in it, it is DuckDB's. sql/run/direct.py runs
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from catalog.records import Table
from engine.datatypes import TypeId
from sql.plan.literals import Bound, bounds_of, conjuncts, references_of
from sql.plan.parameters import parameter_number
from sql.plan.scopes import Scopes
from sql.plan.tables import NOW, Reference

_CLAUSES = frozenset({"expressions", "from_", "where", "order", "limit"})
# Types that rows in memory have as results show them.
PLAIN = frozenset(
    {TypeId.BOOLEAN, TypeId.INT8, TypeId.INT16, TypeId.INT32, TypeId.INT64, TypeId.STRING}
    | {TypeId.UINT8, TypeId.UINT16, TypeId.UINT32, TypeId.FLOAT32, TypeId.FLOAT64}
    | {TypeId.TIMESTAMP_SECOND, TypeId.TIMESTAMP_MILLISECOND, TypeId.TIMESTAMP_MICROSECOND}
    | {TypeId.TIMESTAMP_NANOSECOND, TypeId.DATE}
)


@dataclass(frozen=True, slots=True)
class Direct:
    """All that such a query says."""

    columns: tuple[str, ...]
    equal: tuple[tuple[str, exp.Expr], ...]  # tag, literal or parameter
    bounds: tuple[Bound, ...]  # literals and parameters
    descending: bool | None  # ORDER BY time; None: in any order
    limit: exp.Expr | None


def direct_of(
    tree: exp.Expr,
    scopes: Scopes,
    scans: Sequence[Reference],
    outputs: Sequence[tuple[Table, str] | None],
) -> Direct | None:
    """What a planned query says, if it is of this kind.

    Requires: the tree is what DuckDB would run.
    """
    if not isinstance(tree, exp.Select) or len(scans) != 1 or not outputs:
        return None
    if any(value for name, value in tree.args.items() if name not in _CLAUSES):
        return None
    (scan,) = scans
    references = references_of(tree, {scan.node_id: scan})
    if not references or not is_bare(tree.args["from_"].this):
        return None
    columns = tuple(output[1] for output in outputs if output is not None)
    if len(columns) < len(outputs) or not all(_is_plain(scan.table, name) for name in columns):
        return None
    conditions = _conditions(tree, scopes, references, scan)
    order = _order(tree, scopes, scan)
    if conditions is None or order is _UNKNOWN:
        return None
    limit = tree.args.get("limit")
    if limit is not None and (not isinstance(limit, exp.Limit) or limit.expressions):
        return None
    equal, bounds = conditions
    descending = order if isinstance(order, bool) else None
    return Direct(columns, equal, bounds, descending, limit.expression if limit else None)


def is_bare(node: exp.Expr, parts: Sequence[str] = ("this", "alias")) -> bool:
    """True if a table of FROM is a name and nothing more."""
    return not any(value for name, value in node.args.items() if name not in parts)


def _is_plain(table: Table, name: str) -> bool:
    column = table.column(name)
    return column is not None and column.type.id in PLAIN


def _conditions(
    tree: exp.Select, scopes: Scopes, references: dict[str, Reference], scan: Reference
) -> tuple[tuple[tuple[str, exp.Expr], ...], tuple[Bound, ...]] | None:
    """Every condition of WHERE; None if one of them is neither of a tag nor of the time."""
    where = tree.args.get("where")
    equal: list[tuple[str, exp.Expr]] = []
    bounds: list[Bound] = []
    for part in conjuncts(where.this) if where is not None else ():
        tag = _tag(part, scopes, scan)
        found = bounds_of(part, scopes, references) if tag is None else []
        if tag is not None:
            equal.append(tag)
        elif found and all(_is_known(bound.value) for bound in found):
            bounds += found
        else:
            return None
    return (tuple(equal), tuple(bounds)) if equal else None


def _tag(node: exp.Expr, scopes: Scopes, scan: Reference) -> tuple[str, exp.Expr] | None:
    if type(node) is not exp.EQ or not isinstance(node.right, exp.Literal | exp.Parameter):
        return None
    source = scopes.source(node.left)
    if source is None or source[2] is not scan.table:
        return None
    column = source[1]
    mine = column.name in scan.table.primary_key and column.type.id in PLAIN
    return (column.name, node.right) if mine else None


def _is_known(value: exp.Expr) -> bool:
    """True for a parameter, and for a literal as the rule of timestamps makes them."""
    if parameter_number(value) is not None:
        return True
    text = value.this if type(value) is exp.Cast else None
    return isinstance(text, exp.Literal) and text.is_string and NOW not in text.name


_UNKNOWN = "unknown"


def _order(tree: exp.Select, scopes: Scopes, scan: Reference) -> bool | str | None:
    """True if the newest come first, False if the oldest do, None if nothing is asked for."""
    order = tree.args.get("order")
    if order is None:
        return None
    item = order.expressions[0]
    plain = isinstance(item, exp.Ordered) and not item.args.get("with_fill")
    if len(order.expressions) != 1 or not plain:
        return _UNKNOWN
    source = scopes.source(scopes.item(tree, item.this) or item)
    is_time = source is not None and source[1].name == scan.table.time_index
    return bool(item.args.get("desc")) if is_time else _UNKNOWN
