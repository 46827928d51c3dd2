"""QuestDB's `SAMPLE BY … FILL … ALIGN TO …` as a plain SELECT.

What the SELECT list has besides aggregates and the time index names the series. With FILL every
series gets every bucket between the first and last one of the whole result (or FROM … TO); rows
come in the order of time unless told otherwise. sql/plan/time_series.py calls this.

    https://questdb.com/docs/reference/sql/sample-by/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.plan.buckets import typed
from sql.plan.buckets_calendar import (
    MONDAY,
    WEEK,
    Calendar,
    in_zone,
    length_of,
    number,
    part,
    sample_width,
)
from sql.plan.gapfill import micros_of
from sql.plan.gapfill_grid import SLOT, Grid, Outer, copy_rows, outer_of, own_aggregates
from sql.plan.naming import name_outputs
from sql.plan.range_parts import has_window, inside_of, range_nodes, with_default_order
from sql.plan.range_source import Source, find_source
from sql.session import Wire

Resolve = Callable[[exp.Table], Table | None]


def rewrite_sample_by(
    select: exp.Select, resolve: Resolve, timezone: str, wire: Wire
) -> exp.Select:
    """A query with SAMPLE BY as a plain SELECT; any other query as it is.

    Raises: DbError (SYNTAX, PLAN, GROUPING, INVALID_ARGUMENT, UNSUPPORTED).
    """
    clause = select.args.get("sample_by")
    if clause is None:
        return select
    select = select.copy()
    if select.args.get("group") or select.args.get("align") or range_nodes(select):
        raise DbError(ErrorKind.SYNTAX, "SAMPLE BY cannot be used with GROUP BY, RANGE or ALIGN")
    if any(has_window(item) for item in select.expressions):
        raise DbError(
            ErrorKind.SYNTAX,
            "window functions cannot be used with SAMPLE BY",
            hint="use them in a query around this one",
        )
    name_outputs(select, wire)
    return _Query(select, clause, find_source(select, resolve), timezone).plan()


class _Query:
    """One SELECT under work."""

    def __init__(
        self, select: exp.Select, clause: nodes.SampleBy, source: Source, timezone: str
    ) -> None:
        self.select = select
        self.clause = clause
        self.source = source
        self.timezone = timezone
        self.outer: Outer = outer_of(select)
        self.time = source.time_column()
        self.fills = self._fills()
        self.grid = Grid(
            select,
            self._keys(),
            self._calendar(),
            self.time,
            carries_time=False,
            gaps=any(fill is not None for fill in self.fills),
        )

    # --- The clause -------------------------------------------------------------------------------

    def _calendar(self) -> Calendar:
        width = sample_width(self.clause.name)
        weeks = width.micros and width.micros % WEEK == 0
        calendar = Calendar(width, number(MONDAY if weeks else 0))
        if self.clause.args.get("first_observation"):
            if width.months:
                raise DbError(
                    ErrorKind.UNSUPPORTED,
                    "months and years cannot be aligned to the first observation",
                    hint="ALIGN TO CALENDAR, or a width in days",
                )
            return replace(calendar, origin=self._first())
        zone, offset = self.clause.args.get("zone"), self.clause.args.get("offset")
        if offset is not None:
            length = length_of(exp.Literal.string(offset.name), "WITH OFFSET")
            if length.months:
                message = "WITH OFFSET takes hours and minutes, such as '+01:30'"
                raise DbError(ErrorKind.INVALID_ARGUMENT, message)
            calendar = replace(calendar, offset=length.micros)
        return calendar if zone is None else in_zone(calendar, zone.name)

    def _first(self) -> exp.Expr:
        """The time of the query's first row."""
        first = exp.Select(expressions=[part("epoch_us(min({t}))", t=self.time)])
        copy_rows(self.select, first)
        return exp.Subquery(this=first)

    def _fills(self) -> list[exp.Expr | None]:
        """How each item with aggregates is filled."""
        count = sum(bool(own_aggregates(item)) for item in self.select.expressions)
        if not count:
            raise DbError(ErrorKind.SYNTAX, "SAMPLE BY needs an aggregate in the SELECT list")
        fills: list[exp.Expr | None] = list(self.clause.expressions)
        if not fills or all(_is_none(fill) for fill in fills):
            return [None] * count
        if len(fills) not in (1, count):
            raise DbError(
                ErrorKind.SYNTAX,
                f"FILL lists {len(fills)} values for {count} columns with aggregates",
                hint="one for all of them, or one for each",
            )
        plain = [exp.Null() if _is_none(fill) else fill for fill in fills]
        return plain * count if len(plain) == 1 else plain

    def _keys(self) -> list[exp.Expr]:
        keys: dict[str, exp.Expr] = {}
        for item in self.select.expressions:
            tree = item.unalias()
            columns = list(tree.find_all(exp.Column))
            timely = all(self.source.is_time(column) for column in columns)
            if not timely and not own_aggregates(tree) and not tree.is_star:
                keys.setdefault(self.outer.normal(tree), tree.copy())
        return list(keys.values())

    # --- The plan ---------------------------------------------------------------------------------

    def plan(self) -> exp.Select:
        items = self._items()
        self._order_by_time()
        having = self.select.args.get("having")
        if having is not None:
            self.grid.having = having.this
        self._ends()
        slot = typed(
            part("make_timestamp({s})", s=exp.column(SLOT, quoted=True)), self.source.time_type
        )
        names: dict[str, exp.Expr] = {self.outer.normal(self.time): slot}
        names[self.outer.normal(exp.column(self.source.time_index))] = slot
        for index, key in enumerate(self.grid.keys):
            names[self.outer.normal(key)] = exp.column(f"__b{index}", quoted=True)
        self.outer.names = names
        plan = self.grid.plan()
        finished = [exp.Alias(this=self.outer.finished(t), alias=name) for t, name in items]
        return self.outer.query(plan, finished, self._late)

    def _items(self) -> list[tuple[exp.Expr, exp.Identifier]]:
        fills = iter(self.fills)
        items = []
        for item in self.select.expressions:
            tree = item.unalias().copy()
            if own_aggregates(tree):
                tree = self._prepared(tree, next(fills))
            items.append((tree, exp.to_identifier(item.alias_or_name, quoted=True)))
        return items

    def _prepared(self, item: exp.Expr, fill: exp.Expr | None) -> exp.Expr:
        holder = exp.Paren(this=item)
        for node in own_aggregates(item):
            tree = with_default_order(node.copy(), self.time)
            node.replace(self.grid.reference(tree, fill))
        return inside_of(holder)

    def _late(self, item: exp.Expr) -> exp.Expr:
        """ORDER BY may use the aggregates of the SELECT list."""
        known = len(self.grid.aggregates)
        holder = exp.Paren(this=item)
        for node in own_aggregates(item):
            tree = with_default_order(node.copy(), self.time)
            found = [a.name for a in self.grid.aggregates[:known] if a.tree == tree]
            if not found:
                raise DbError(
                    ErrorKind.UNSUPPORTED,
                    "ORDER BY of a SAMPLE BY query may only use its selected aggregates",
                )
            node.replace(exp.column(found[0], quoted=True))
        return inside_of(holder)

    def _order_by_time(self) -> None:
        if self.select.args.get("order") is None and not self.select.args.get("distinct"):
            key = exp.Ordered(this=self.time.copy(), desc=False, nulls_first=False)
            self.select.set("order", exp.Order(expressions=[key]))

    def _ends(self) -> None:
        """FROM … TO choose rows, and the first and last bucket."""
        start, end = self.clause.args.get("start"), self.clause.args.get("end")
        for value, compare in ((start, exp.GTE), (end, exp.LT)):
            if value is not None:
                self.select.where(compare(this=self.time.copy(), expression=value), copy=False)
        low = None if start is None else micros_of(start, self.source.time_type, self.timezone)
        high = None if end is None else micros_of(end, self.source.time_type, self.timezone)
        if low is not None:
            self.grid.low = self.grid.calendar.bucket(low)
        if high is not None:
            self.grid.high = self.grid.calendar.bucket(part("({h}) - 1", h=high))


def _is_none(fill: exp.Expr | None) -> bool:
    return isinstance(fill, exp.Var) and fill.name == "NONE"
