"""Queries that want only the first or last moments: `… ORDER BY time DESC LIMIT n`.

Such a query may be run over the newest part of the time first, and over more of it until there are
n rows: rows outside that part would come after them. The same holds for groups of a bucket of time,
as long as only whole buckets are read. A `Front` says that a query is of this kind;
sql/run/front.py runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from sql.dialect.duckdb import to_duckdb
from sql.plan.literals import references_of
from sql.plan.parameters import parameter_number
from sql.plan.scopes import Scopes
from sql.plan.tables import Reference

MARK = "__front"  # the column in the text of a bucket
_UNUSUAL = ("joins", "laterals", "pivots", "sample", "windows", "qualify", "distinct", "kind")
_SECONDS = {
    "MILLISECOND": 0.001,
    "SECOND": 1.0,
    "MINUTE": 60.0,
    "HOUR": 3600.0,
    "DAY": 86_400.0,
    "WEEK": 604_800.0,
    "MONTH": 2_678_400.0,
    "QUARTER": 7_948_800.0,
    "YEAR": 31_622_400.0,
}


@dataclass(frozen=True)
class Front:
    """A query of the first `limit` rows in order of time, or of a bucket of it.

    `bucket` is DuckDB text of a function of time that never falls when time rises, with `"MARK"`
    for the time; None for time itself. `seconds` is how much time one bucket spans, None if that is
    not known.
    """

    placeholder: str
    descending: bool
    limit: exp.Expr
    offset: exp.Expr | None
    bucket: str | None = None
    seconds: float | None = None

    def count(self, parameters: Sequence[object]) -> tuple[int, int] | None:
        """LIMIT and OFFSET, None if they are not plain numbers."""
        limit = _number(self.limit, parameters)
        offset = 0 if self.offset is None else _number(self.offset, parameters)
        return None if limit is None or offset is None else (limit, offset)


def _number(node: exp.Expr, parameters: Sequence[object]) -> int | None:
    number = parameter_number(node)
    value = parameters[number - 1] if number is not None else node.name
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value >= 0 else None
    return int(value) if isinstance(value, str) and value.isdigit() else None


def front_of(tree: exp.Expr, scopes: Scopes, scans: Sequence[Reference]) -> Front | None:
    """What kind of front a planned query wants, if any."""
    limit, order = tree.args.get("limit"), tree.args.get("order")
    if not isinstance(tree, exp.Select) or not isinstance(limit, exp.Limit) or order is None:
        return None
    references = references_of(tree, {r.node_id: r for r in scans})
    if len(references) != 1 or any(tree.args.get(name) for name in _UNUSUAL):
        return None
    ((alias, reference),) = references.items()
    node = tree.args["from_"].this
    if id(node) != reference.node_id or any(node.args.get(n) for n in (*_UNUSUAL, "when")):
        return None
    if limit.expressions or any(True for _ in tree.find_all(exp.Window)):
        return None
    item = order.expressions[0]
    offset = tree.args.get("offset")
    place = _Place(tree, scopes, alias, reference)
    found = place.bucket(item.this) if isinstance(item, exp.Ordered) else None
    if found is None:
        return None
    return Front(
        reference.placeholder,
        bool(item.args.get("desc")),
        limit.expression,
        offset.expression if offset is not None else None,
        *found,
    )


class _Place:
    """Where the first item of ORDER BY stands."""

    def __init__(
        self, select: exp.Select, scopes: Scopes, alias: str, reference: Reference
    ) -> None:
        self.select = select
        self.scopes = scopes
        self.alias = alias
        self.reference = reference

    def bucket(self, node: exp.Expr) -> tuple[str | None, float | None] | None:
        """The text and the span of the bucket that the query is sorted by; None if it is none."""
        wanted = self.scopes.item(self.select, node)
        group = self.select.args.get("group")
        if wanted is None:
            return None
        if group is not None:
            if any(value for name, value in group.args.items() if name != "expressions"):
                return None
            if wanted not in [self.scopes.item(self.select, key) for key in group.expressions]:
                return None
        elif any(True for _ in self.select.find_all(exp.AggFunc)):
            return None
        if self._is_time(wanted):
            return None, None
        if group is None:
            return None  # sorted by a bucket, but rows of a bucket may be cut: time would do
        argument, seconds = _bucket(wanted)
        if argument is None or not self._is_time(argument):
            return None
        text = wanted.copy()
        for column in list(text.find_all(exp.Column)):
            column.replace(exp.column(exp.to_identifier(MARK, quoted=True)))
        return to_duckdb(text), seconds

    def _is_time(self, node: exp.Expr) -> bool:
        source = self.scopes.source(node)
        mine = source is not None and source[0] == self.alias
        table = self.reference.table
        return mine and source is not None and source[1].name == table.time_index


def _bucket(node: exp.Expr) -> tuple[exp.Expr | None, float | None]:
    """What a function truncates, and how much time it makes one of."""
    if "bucket_seconds" in node.meta:  # of time_bucket or date_bin, see buckets.py
        return node.find(exp.Column), node.meta["bucket_seconds"]
    if isinstance(node, exp.TimestampTrunc | exp.DateTrunc):
        unit = node.args.get("unit")
        seconds = _SECONDS.get(unit.name.upper()) if unit is not None else None
        return (None, None) if seconds is None or node.args.get("zone") else (node.this, seconds)
    if isinstance(node, exp.DateBin):
        origin = node.args.get("unit") or node.args.get("origin")
        fixed, argument = [node.this, origin], node.expression
    elif isinstance(node, exp.Anonymous) and node.name.lower() == "time_bucket":
        if len(node.expressions) not in (2, 3):
            return None, None
        fixed, argument = [node.expressions[0], *node.expressions[2:]], node.expressions[1]
    else:
        return None, None
    if not all(part is None or _is_fixed(part) for part in fixed):
        return None, None
    return argument, _span(node.expressions[0] if isinstance(node, exp.Anonymous) else node.this)


def _is_fixed(node: exp.Expr) -> bool:
    """True for literals, and casts and intervals of them."""
    plain = (exp.Literal, exp.Cast, exp.Interval, exp.DataType, exp.Var, exp.DataTypeParam)
    return all(isinstance(part, plain) for part in node.walk())


def _span(width: exp.Expr) -> float | None:
    """The seconds of an interval of one number and one unit."""
    inner = width.this if isinstance(width, exp.Cast) else width
    unit = ""
    if isinstance(inner, exp.Interval):
        unit = inner.args["unit"].name if inner.args.get("unit") is not None else ""
        inner = inner.this
    words = f"{inner.name} {unit}".split()
    if len(words) != 2 or not words[0].isdigit():
        return None
    seconds = _SECONDS.get(words[1].upper().rstrip("S"))
    return seconds * int(words[0]) if seconds is not None else None
