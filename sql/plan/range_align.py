"""RANGE … ALIGN … queries as plain SELECTs for DuckDB.

`rewrite_ranges` is a planning rule: it comes before functions and pushdown are looked at and leaves
trees without our nodes. Times are counted in a *tick*, the time index's unit (milliseconds for
seconds); slots start at `origin + k * step` and hold the rows in `[slot, slot + width)`.

    rows (FROM, WHERE; times offsets 0..n-1 if a width exceeds the step; or panes, range_panes.py)
      → GROUP BY series, slot           one pass; smaller widths by FILTER
      → missing slots of each series    only with FILL: up to the series' next slot
      → fills                           windows over each series
      → the SELECT list, ORDER BY, LIMIT
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.dialect.pieces import composed, piece
from sql.plan.range_fill import check_fill, fill_expression
from sql.plan.range_names import expression_name
from sql.plan.range_panes import Split, Wrap, pane_width, split
from sql.plan.range_parts import (
    aggregates_of,
    distribute,
    has_window,
    inside_of,
    interval_ms,
    range_nodes,
    text_of,
    with_default_order,
)
from sql.plan.range_source import Source, find_source
from sql.plan.range_time import origin_ticks

Resolve = Callable[[exp.Table], Table | None]

# A row lands in width / step slots; beyond this many the query cannot be meant.
OFFSETS_MAX = 100_000

_SLOT = "__slot"
_PANE = "__pane"


def rewrite_ranges(tree: exp.Expr, resolve: Resolve, timezone: str) -> exp.Expr:
    """Rewrites every range query in a tree, innermost first; the argument may be changed.

    Raises: DbError.
    """
    selects = list(tree.find_all(exp.Select))
    for select in reversed(selects):  # breadth first, so the reverse meets inner ones first
        rewritten = rewrite_range(select, resolve, timezone)
        if rewritten is select:
            continue
        if select is tree:
            tree = rewritten
        else:
            select.replace(rewritten)
    return tree


def rewrite_range(select: exp.Select, resolve: Resolve, timezone: str) -> exp.Expr:
    """One range query as a plain SELECT; any other query as it is.

    `resolve` gives the table a name stands for (None: unknown, or the name of a CTE). `timezone` is
    the session's and sets the default origin. `TO NOW` becomes CURRENT_TIMESTAMP.
    Raises: DbError (SYNTAX, PLAN, GROUPING, UNSUPPORTED, LIMIT_EXCEEDED).
    """
    align = select.args.get("align")
    ranged = range_nodes(select)
    if align is None:
        if ranged:
            raise DbError(
                ErrorKind.SYNTAX, "ALIGN argument cannot be omitted in the range select query"
            )
        return select
    if not ranged:
        raise DbError(
            ErrorKind.SYNTAX, "Illegal Range select, no RANGE keyword found in any SelectItem"
        )
    _check_clauses(select, ranged)
    query = _Query(select, align, find_source(select, resolve))
    return query.plan(timezone)


def _check_clauses(select: exp.Select, ranged: list[nodes.RangeAggregate]) -> None:
    if any(has_window(item) for item in select.expressions):
        raise DbError(
            ErrorKind.SYNTAX, "Range Query: Window functions is not allowed in Range Query"
        )
    if any(node.this.find(nodes.RangeAggregate) for node in ranged):
        raise DbError(ErrorKind.SYNTAX, "Range Query: Nest Range Query is not allowed")
    if select.args.get("group"):
        raise DbError(
            ErrorKind.SYNTAX, "GROUP BY cannot be used in a range query", hint="use BY (…)"
        )


@dataclass(frozen=True)
class _Aggregate:
    """One aggregate of the query: what is computed over which width, and how gaps are filled."""

    tree: exp.Expr
    width: int  # ticks
    fill: exp.Expr | None
    name: str

    @property
    def key(self) -> tuple[str, int, str]:
        """Equal for aggregates that can share a column."""
        return text_of(self.tree), self.width, "" if self.fill is None else text_of(self.fill)


@dataclass
class _Query:
    """A range query under work."""

    select: exp.Select
    align: nodes.Align
    source: Source
    aggregates: list[_Aggregate] = field(default_factory=list)
    filled: bool = False

    def plan(self, timezone: str) -> exp.Expr:
        ticks = self.source.ticks_per_ms
        step = interval_ms(self.align.this) * ticks
        default_fill = self.align.args.get("fill")
        names = [self._output_name(item, default_fill) for item in self.select.expressions]
        items = [self._prepare(item, default_fill) for item in self.select.expressions]
        self.filled = any(aggregate.fill is not None for aggregate in self.aggregates)
        by = self._by()
        origin = origin_ticks(self.align.args.get("to"), timezone, ticks)
        plan = self._group(by, step, origin)
        if self.filled:
            plan = self._fill_gaps(plan, len(by), step)
        return self._outer(plan, items, names, by)

    # --- The SELECT list --------------------------------------------------------------------------

    def _output_name(self, item: exp.Expr, default_fill: exp.Expr | None) -> exp.Identifier:
        if isinstance(item, exp.Alias):
            return item.args["alias"].copy()  # type: ignore[no-any-return]
        if isinstance(item, exp.Column):
            return exp.to_identifier(item.name, quoted=True)
        shown = distribute(item.copy())
        for node in range_nodes(shown):
            if default_fill is not None and node.args.get("fill") is None:
                node.set("fill", default_fill.copy())
        name = expression_name(shown, self.source.qualified_name)
        return exp.to_identifier(name, quoted=True)

    def _prepare(self, item: exp.Expr, default_fill: exp.Expr | None) -> exp.Expr:
        """Takes the aggregates out of an item; each leaves a reference to its column."""
        item = distribute((item.this if isinstance(item, exp.Alias) else item).copy())
        holder = exp.Paren(this=item)
        for node in range_nodes(holder):
            fill = node.args.get("fill") or default_fill
            node.replace(self._reference(node, fill))
        return inside_of(holder)

    def _reference(self, node: nodes.RangeAggregate, fill: exp.Expr | None) -> exp.Column:
        check_fill(node.this, fill, self.source)
        tree = with_default_order(node.this.copy(), self.source.time_column())
        width = interval_ms(node.args["range"]) * self.source.ticks_per_ms
        aggregate = _Aggregate(tree, width, fill, f"__a{len(self.aggregates)}")
        for known in self.aggregates:
            if known.key == aggregate.key:
                return exp.column(known.name, quoted=True)
        self.aggregates.append(aggregate)
        return exp.column(aggregate.name, quoted=True)

    def _by(self) -> list[exp.Expr]:
        if not self.align.args.get("by"):
            return list(self.source.default_by())
        aliases = {i.alias: i.this for i in self.select.expressions if isinstance(i, exp.Alias)}
        by: list[exp.Expr] = []
        for item in self.align.expressions:
            alias = isinstance(item, exp.Column) and not item.table and aliases.get(item.name)
            by.append(alias if alias and not self.source.has_column(item.name) else item)
        return by

    # --- Grouping ---------------------------------------------------------------------------------

    def _group(self, by: list[exp.Expr], step: int, origin: exp.Expr) -> exp.Select:
        """Series, slot and aggregates of every slot that holds a row."""
        widest = max(aggregate.width for aggregate in self.aggregates)
        offsets = -(-widest // step)
        if offsets > OFFSETS_MAX:
            raise DbError(
                ErrorKind.LIMIT_EXCEEDED,
                f"every row would fall into {offsets} windows, more than {OFFSETS_MAX}",
                hint="a longer ALIGN or a shorter RANGE",
            )
        panes = self._panes(by, step, origin)
        epoch = self.source.epoch() if panes is None else exp.column(_PANE, quoted=True)
        if panes is not None:
            by = [exp.column(f"__b{index}", quoted=True) for index in range(len(by))]
        inside = _inside(epoch, origin, step)
        if offsets > 1:
            inside = composed(
                "{inside} + {offset} * {step}",
                inside=inside,
                offset=exp.column("j", table="__offset", quoted=True),
                step=_number(step),
            )
        slot = composed("{epoch} - ({inside})", epoch=epoch, inside=inside)
        grouped = exp.Select(expressions=[])
        for index, item in enumerate(by):
            grouped.select(exp.alias_(item.copy(), f"__b{index}", quoted=True), copy=False)
        grouped.select(exp.alias_(slot, _SLOT, quoted=True), copy=False)
        for index, aggregate in enumerate(self.aggregates):
            if panes is None:
                tree = self._filtered(aggregate.tree, aggregate.width, widest, inside)
            else:
                tree = panes.combined(index, self._filter(aggregate.width, widest, inside))
            grouped.select(exp.alias_(tree, aggregate.name, quoted=True), copy=False)
        if panes is None:
            self._add_rows(grouped)
        else:
            panes.add_to(grouped)
        self._add_offsets(grouped, offsets, widest, step, inside)
        ordinals = [_number(index + 1) for index in range(len(by) + 1)]
        grouped.set("group", exp.Group(expressions=ordinals))
        return grouped

    def _filter(self, width: int, widest: int, inside: exp.Expr) -> Wrap:
        return lambda tree: self._filtered(tree, width, widest, inside)

    def _filtered(self, tree: exp.Expr, width: int, widest: int, inside: exp.Expr) -> exp.Expr:
        """A narrower aggregate sees only the rows in its own part of the slot."""
        if width == widest:
            return tree
        near = exp.LT(this=exp.Paren(this=inside.copy()), expression=_number(width))
        if isinstance(tree, exp.Filter):
            both = exp.and_(tree.expression.this.copy(), near, copy=False)
            return exp.Filter(this=tree.this.copy(), expression=exp.Where(this=both))
        return exp.Filter(this=tree.copy(), expression=exp.Where(this=near))

    def _panes(self, by: list[exp.Expr], step: int, origin: exp.Expr) -> _Panes | None:
        """The rows grouped by short pieces of time; None if windows are made of rows."""
        pane = pane_width(
            step, [aggregate.width for aggregate in self.aggregates], self.source.ticks_per_ms
        )
        splits = [split(a.tree, self.source) for a in self.aggregates] if pane else []
        known = [found for found in splits if found is not None]
        if pane is None or len(known) < len(splits):
            return None
        epoch = self.source.epoch()
        rows = exp.Select(expressions=[])
        for index, item in enumerate(by):
            rows.select(exp.alias_(item.copy(), f"__b{index}", quoted=True), copy=False)
        start = composed("{epoch} - ({i})", epoch=epoch, i=_inside(epoch, origin, pane))
        rows.select(exp.alias_(start, _PANE, quoted=True), copy=False)
        for index, found in enumerate(known):
            for place, partial in enumerate(found.partials):
                name = f"__p{index}_{place}"
                rows.select(exp.alias_(partial, name, quoted=True), copy=False)
        self._add_rows(rows)
        ordinals = [_number(index + 1) for index in range(len(by) + 1)]
        rows.set("group", exp.Group(expressions=ordinals))
        return _Panes(rows, known)

    def _add_rows(self, grouped: exp.Select) -> None:
        """FROM, joins and WHERE of the query."""
        for key in ("from_", "joins", "laterals", "where"):
            value: Any = self.select.args.get(key)
            if value:
                copied = [v.copy() for v in value] if isinstance(value, list) else value.copy()
                grouped.set(key, copied)
        if self.source.table is None or self.select.args.get("joins"):
            grouped.where(self.source.time_column().is_(exp.Null()).not_(), copy=False)

    def _add_offsets(
        self, grouped: exp.Select, offsets: int, widest: int, step: int, inside: exp.Expr
    ) -> None:
        """Every row once for each window it is in."""
        if offsets > 1:
            series = composed(
                "SELECT * FROM x CROSS JOIN UNNEST(range(0, {n})) AS __offset(j)",
                n=_number(offsets),
            )
            grouped.append("joins", series.args["joins"][0])
        if offsets * step != widest:  # the last part of each step is a gap
            near = exp.LT(this=exp.Paren(this=inside.copy()), expression=_number(widest))
            grouped.where(near, copy=False)

    # --- Filling ----------------------------------------------------------------------------------

    def _fill_gaps(self, grouped: exp.Select, keys: int, step: int) -> exp.Select:
        """All slots between the first and the last of each series, then the fills."""
        by = ", ".join(f'"__b{index}"' for index in range(keys))
        partition = f"PARTITION BY {by} " if keys else ""
        listed = "".join(f', "{a.name}"' for a in self.aggregates)
        own = "".join(
            f', CASE WHEN "__at" = "{_SLOT}" THEN "{a.name}" END AS "{a.name}"'
            for a in self.aggregates
        )
        select_by = f"{by}, " if keys else ""
        text = f"""
            SELECT {select_by}"__at" AS "{_SLOT}"{own}
            FROM (
                SELECT {select_by}"{_SLOT}"{listed},
                    lead("{_SLOT}") OVER ({partition}ORDER BY "{_SLOT}") AS "__next"
                FROM __grouped
            ) AS "__gaps", UNNEST(generate_series(
                "{_SLOT}", coalesce("__next" - {step}, "{_SLOT}"), {step})) AS "__all"("__at")
        """
        gaps = _parse(text)
        inner = gaps.find(exp.Table)
        assert inner is not None
        inner.replace(exp.Subquery(this=grouped, alias=_table_alias("__grouped")))
        filled = exp.Select(expressions=[])
        for index in range(keys):
            filled.select(exp.column(f"__b{index}", quoted=True), copy=False)
        filled.select(exp.column(_SLOT, quoted=True), copy=False)
        for aggregate in self.aggregates:
            value = fill_expression(aggregate.name, aggregate.fill, partition, _SLOT)
            filled.select(exp.alias_(value, aggregate.name, quoted=True), copy=False)
        filled.set("from_", exp.From(this=exp.Subquery(this=gaps, alias=_table_alias("__slots"))))
        return filled

    # --- The result -------------------------------------------------------------------------------

    def _outer(
        self,
        plan: exp.Select,
        items: list[exp.Expr],
        names: list[exp.Identifier],
        by: list[exp.Expr],
    ) -> exp.Select:
        outer = exp.Select(expressions=[])
        finish = _Finish(self.source, by, self.source.slot_time(exp.column(_SLOT, quoted=True)))
        for item, name in zip(items, names, strict=True):
            outer.select(exp.Alias(this=finish.finished(item), alias=name), copy=False)
        outer.set("from_", exp.From(this=exp.Subquery(this=plan, alias=_table_alias("__range"))))
        having = self.select.args.get("having")
        if having is not None:
            outer.where(finish.finished(self._late(having.this)), copy=False)
        order = self.select.args.get("order")
        if order is not None:
            outputs = {name.name for name in names}
            keys = [self._order_key(key, outputs, finish) for key in order.expressions]
            outer.set("order", exp.Order(expressions=keys))
        for key in ("limit", "offset", "distinct", "with_"):
            value = self.select.args.get(key)
            if value is not None:
                outer.set(key, value.copy())
        return outer

    def _order_key(self, key: exp.Expr, outputs: set[str], finish: _Finish) -> exp.Expr:
        key = key.copy()
        inner = key.this if isinstance(key, exp.Ordered) else key
        named = isinstance(inner, exp.Column) and not inner.table and inner.name in outputs
        if not named and not inner.is_int:
            inner.replace(finish.finished(self._late(inner.copy())))
        return key

    def _late(self, node: exp.Expr) -> exp.Expr:
        """ORDER BY and HAVING may use aggregates of the SELECT list, but no new ones."""
        known = len(self.aggregates)
        prepared = self._prepare(node, self.align.args.get("fill"))
        if len(self.aggregates) > known:
            raise DbError(
                ErrorKind.UNSUPPORTED,
                "ORDER BY and HAVING of a range query may only use its selected aggregates",
            )
        return prepared


@dataclass(frozen=True)
class _Panes:
    """Rows grouped by panes, and how windows are made of them."""

    rows: exp.Select
    splits: list[Split]

    def combined(self, index: int, wrap: Wrap) -> exp.Expr:
        """An aggregate of a window."""
        found = self.splits[index]
        columns = [
            exp.column(f"__p{index}_{place}", quoted=True) for place in range(len(found.partials))
        ]
        return found.combine(columns, wrap)

    def add_to(self, grouped: exp.Select) -> None:
        """Makes the panes what a query reads."""
        panes = exp.Subquery(this=self.rows, alias=_table_alias("__panes"))
        grouped.set("from_", exp.From(this=panes))


@dataclass(frozen=True)
class _Finish:
    """Replaces the time index and the BY expressions by the result's own columns."""

    source: Source
    by: list[exp.Expr]
    slot_time: exp.Expr

    def finished(self, item: exp.Expr) -> exp.Expr:
        keys = {self._normal(expression): index for index, expression in enumerate(self.by)}
        holder = exp.Paren(this=item)
        self._walk(item, keys)
        return inside_of(holder)

    def _walk(self, node: exp.Expr, keys: dict[str, int]) -> None:
        index = keys.get(self._normal(node))
        if index is not None:
            node.replace(exp.column(f"__b{index}", quoted=True))
        elif isinstance(node, exp.Column):
            self._column(node)
        elif isinstance(node, exp.Star):
            raise DbError(
                ErrorKind.GROUPING,
                "SELECT * is not possible in a range query",
                hint="list the time index and the BY columns",
            )
        elif aggregates_of(node, itself=True):
            name = expression_name(node, self.source.qualified_name)
            raise DbError(
                ErrorKind.GROUPING, f'No field named "{name}"', hint="every aggregate needs a RANGE"
            )
        else:
            for child in list(node.iter_expressions()):
                self._walk(child, keys)

    def _column(self, column: exp.Column) -> None:
        if self.source.is_time(column):
            column.replace(self.slot_time.copy())
        elif not column.name.startswith("__a") or column.table:
            raise DbError(
                ErrorKind.GROUPING,
                f'column "{column.name}" must appear in the BY clause or be used in an aggregate',
            )

    def _normal(self, node: exp.Expr) -> str:
        return text_of(self.source.without_qualifier(node))


def _inside(epoch: exp.Expr, origin: exp.Expr, width: int) -> exp.Expr:
    """How far a time is into its piece of time; never negative."""
    return composed(
        "(({epoch} - {origin}) % {width} + {width}) % {width}",
        epoch=epoch,
        origin=exp.Paren(this=origin),
        width=_number(width),
    )


def _table_alias(name: str) -> exp.TableAlias:
    return exp.TableAlias(this=exp.to_identifier(name, quoted=True))


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def _parse(text: str) -> exp.Select:
    tree = piece(text)
    assert isinstance(tree, exp.Select)
    return tree


__all__ = ["OFFSETS_MAX", "Resolve", "rewrite_range", "rewrite_ranges"]
