"""Which clock an expression's times are of: a wall's, UTC's or one that is told with them.

DuckDB's TIMESTAMP carries both times on a wall and moments (engine.datatypes.DataType.wall); which
it is follows from the columns that an expression is made of, looked up here also through
sub-queries. Called by local_clock.py, which brings both together, and by plan.py, which tells
clients and new tables what the outputs are. It changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from sqlglot import exp

from engine.datatypes import DataType, TypeId
from sql.plan.scopes import Scopes
from sql.plan.tables import NOW
from sql.plan.typed import inner_name, query_of
from sql.session import Wire

KIND = "clock"  # in a node's meta: what a rewritten call gives
_DEPTH_MAX = 64
_OFFSET = re.compile(r":\d\d(\.\d+)?\s*([zZ]|[-+]\d\d?(:?\d\d)?)\s*$")
_D = exp.DType
_PLAIN = (
    *(_D.TIMESTAMP, _D.TIMESTAMPNTZ, _D.DATETIME),
    *(_D.TIMESTAMP_S, _D.TIMESTAMP_MS, _D.TIMESTAMP_NS),
)
_NONE = (exp.Predicate, exp.Connector, exp.Not, exp.Literal, exp.Interval, exp.Count, exp.Star)
_FIRST = (exp.Filter, exp.Window, exp.Ordered, exp.WithinGroup, exp.Alias, exp.Paren)


class Clock(Enum):
    """What kind of time an expression is; of several kinds in one, the first here counts."""

    SERIES = "series"  # a moment of a time-series table, whose clock is UTC's
    MOMENT = "moment"  # any other moment without a zone
    WALL = "wall"
    ZONED = "timestamptz"


@dataclass(frozen=True, slots=True)
class Walls:
    """Which outputs are times on a wall, if they are timestamps without a zone.

    `rest` is said of all if a star's columns are not known (`outputs` is empty).
    """

    outputs: tuple[bool, ...]
    rest: bool

    def shown(self, position: int, count: int, type_: DataType) -> DataType:
        """The type of one of `count` outputs."""
        known = len(self.outputs) == count
        return type_.on_wall if (self.outputs[position] if known else self.rest) else type_


class Clocks:
    """Answers for one statement, after its tables were resolved."""

    def __init__(self, scopes: Scopes, wire: Wire) -> None:
        self._scopes = scopes
        self._wire = wire

    def of(self, node: exp.Expr | None, depth: int = 0) -> Clock | None:
        """None for what is no time, and where it is unknown."""
        if node is None or depth > _DEPTH_MAX:
            return None
        if KIND in node.meta:
            return Clock(node.meta[KIND])
        if isinstance(node, _NONE):
            return None
        if isinstance(node, exp.Column):
            return self._column(node, depth)
        if isinstance(node, exp.Cast):
            return self._cast(node, depth)
        if isinstance(node, exp.AtTimeZone):
            shown = self.of(node.this, depth + 1)
            return Clock.WALL if shown is Clock.ZONED else Clock.ZONED
        found = [self.of(part, depth + 1) for part in _parts(node)]
        if Clock.SERIES in found:  # buckets are counted from differences, too
            return Clock.SERIES
        if isinstance(node, exp.Sub) and None not in found:
            return None  # an interval
        return next((clock for clock in Clock if clock in found), None)

    def is_wall(self, node: exp.Expr) -> bool:
        """True if the timestamp without a zone that an output is, is one on a wall."""
        clock = self.of(node)
        if clock is Clock.ZONED or clock is None:
            return self._wire is Wire.POSTGRES
        return clock is Clock.WALL

    def _cast(self, node: exp.Cast, depth: int) -> Clock | None:
        if node.to.is_type(exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ):
            return Clock.ZONED
        if not is_plain(node):
            return None
        if node.this.is_string:
            is_moment = NOW in node.this.name or _OFFSET.search(node.this.name)
            return Clock.MOMENT if is_moment else Clock.WALL
        inner = self.of(node.this, depth + 1)
        if inner in (Clock.SERIES, Clock.MOMENT):
            return inner
        return Clock.WALL

    def _column(self, node: exp.Column, depth: int) -> Clock | None:
        source = self._scopes.source(node)
        if source is not None:
            return clock_of(source[1].type, is_series=source[2].is_time_series)
        holder = node.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Merge)
        if holder is None:
            return None
        for relation in _relations(holder):
            if node.table and relation.alias_or_name != node.table:
                continue
            query = query_of(relation, holder)
            name = query and inner_name(relation, query, node.name)
            found = query and name and self._projected(query, name, depth + 1)
            if isinstance(found, Clock):
                return found
        return None

    def _projected(self, query: exp.Select, name: str, depth: int) -> Clock | None:
        for item in query.expressions:
            if item.alias_or_name == name:
                return self.of(item, depth + 1)
            if item.is_star:
                column = exp.column(name)
                column.parent = query  # only to be looked up from here
                return self._column(column, depth + 1)
        return None

    # --- Outputs ----------------------------------------------------------------------------------

    def outputs(self, tree: exp.Expr) -> tuple[bool, ...]:
        """Of each output whether it is on a wall, should it be a timestamp without a zone.

        Empty if a star cannot be told.
        """
        found = self._outputs(tree, 0)
        return () if found is None else tuple(is_wall for _, is_wall in found)

    def _outputs(self, tree: exp.Expr | None, depth: int) -> list[tuple[str, bool]] | None:
        while isinstance(tree, exp.SetOperation | exp.Subquery):
            tree = tree.this
        if isinstance(tree, exp.Values) and tree.expressions:
            row = tree.expressions[0]
            items = row.expressions if isinstance(row, exp.Tuple) else [row]
            return [("", self.is_wall(item)) for item in items]
        if not isinstance(tree, exp.Select) or depth > _DEPTH_MAX:
            return None
        found: list[tuple[str, bool]] = []
        for item in tree.expressions:
            columns = self._starred(tree, item, depth) if item.is_star else None
            if item.is_star and columns is None:
                return None
            found += columns or [(item.alias_or_name, self.is_wall(item))]
        return found

    def columns(self, select: exp.Select) -> list[exp.Expr] | None:
        """What `*` stands for, as columns of tables; None if that is not certain."""
        if type(select.expressions[0]) is not exp.Star or select.args.get("joins"):
            return None
        tables = list(self._scopes.sources(select).items())
        alias, table = tables[0] if len(tables) == 1 else ("", None)
        return (
            None
            if table is None
            else [exp.column(column.name, alias, quoted=True) for column in table.columns]
        )

    def _starred(
        self, select: exp.Select, item: exp.Expr, depth: int
    ) -> list[tuple[str, bool]] | None:
        wanted = item.table if isinstance(item, exp.Column) else ""
        tables = self._scopes.sources(select)
        found: list[tuple[str, bool]] = []
        for relation in _relations(select):
            name = relation.alias_or_name
            if wanted and name != wanted:
                continue
            table = tables.get(name)
            if table is not None:
                found += [(c.name, c.type.wall and c.type.is_timestamp) for c in table.columns]
                continue
            columns = self._outputs(query_of(relation, select), depth + 1)
            if columns is None:
                return None
            found += columns
        return found


def clock_of(type_: DataType | None, *, is_series: bool = False) -> Clock | None:
    """What values of a type are."""
    if type_ is None:
        return None
    if type_.id is TypeId.TIMESTAMP_TZ:
        return Clock.ZONED
    if not type_.is_timestamp:
        return None
    if type_.wall:
        return Clock.WALL
    return Clock.SERIES if is_series else Clock.MOMENT


def is_plain(node: exp.Cast) -> bool:
    """True for a cast to a timestamp without a zone."""
    return bool(node.to.is_type(*_PLAIN))


def _relations(select: exp.Expr) -> list[exp.Expr]:
    from_ = select.args.get("from_")
    found = [] if from_ is None else [from_.this]
    return [*found, *(join.this for join in select.args.get("joins") or [])]


def _parts(node: exp.Expr) -> list[exp.Expr]:
    """The operands whose times become the expression's own."""
    if isinstance(node, exp.Subquery | exp.Select):
        query = node.this if isinstance(node, exp.Subquery) else node
        return query.expressions[:1] if isinstance(query, exp.Select) else []
    if isinstance(node, exp.Case):
        results = [branch.args.get("true") for branch in node.args["ifs"]]
        return [one for one in (*results, node.args.get("default")) if one is not None]
    if isinstance(node, exp.If):
        return [one for one in (node.args.get("true"), node.args.get("false")) if one is not None]
    if isinstance(node, _FIRST):
        return [node.this]
    return list(node.iter_expressions())
