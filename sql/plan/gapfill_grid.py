"""Aggregates of series in buckets, every bucket of every series present: one plan for all dialects.

gapfill.py (time_bucket_gapfill) and sample_by.py describe a `Grid`; `Grid.plan` is its SELECT for
DuckDB, with columns `__b0…` (keys), `__slot` (microseconds), `__a0…` (aggregates, filled).

    rows (FROM, joins, WHERE)
      → GROUP BY keys, slot                                    __grouped
      → every series and slot between the query's first and last one  only with `gaps`
      → fills                                                  windows over each series

Series are filled between the same two ends, unlike those of RANGE … FILL (range_align.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect.pieces import piece
from sql.plan.buckets_calendar import Calendar, part
from sql.plan.range_fill import fill_expression
from sql.plan.range_parts import aggregates_of, inside_of, text_of

SLOT = "__slot"
REAL = "__real"  # true where the bucket holds rows
TIME = "__time"  # carries the time's type where no declaration tells it


class Carry(Enum):
    """Fills that leave a NULL which is in the data alone, as TimescaleDB's functions do."""

    LOCF = "locf"
    LOCF_OR_LOOKUP = "locf with a lookup"  # the column is a struct: see `looked_up`
    INTERPOLATE = "interpolate"


@dataclass(frozen=True, slots=True)
class Filled:
    """One aggregate, and how its gaps are filled (an expression as in RANGE's FILL)."""

    name: str
    tree: exp.Expr
    fill: exp.Expr | Carry | None


@dataclass
class Grid:
    """A query over buckets. `low` and `high` are the ends' buckets; None means the data's own."""

    select: exp.Select
    keys: list[exp.Expr]
    calendar: Calendar
    time: exp.Expr
    carries_time: bool
    gaps: bool
    aggregates: list[Filled] = field(default_factory=list)
    low: exp.Expr | None = None
    high: exp.Expr | None = None
    having: exp.Expr | None = None

    def reference(self, tree: exp.Expr, fill: exp.Expr | Carry | None) -> exp.Column:
        """The column of an aggregate; equal ones share it."""
        for known in self.aggregates:
            if known.tree == tree and known.fill == fill:
                return exp.column(known.name, quoted=True)
        self.aggregates.append(Filled(f"__a{len(self.aggregates)}", tree.copy(), fill))
        return exp.column(self.aggregates[-1].name, quoted=True)

    def plan(self) -> exp.Expr:
        """The SELECT that makes the columns."""
        grouped = self._grouped()
        return self._with_gaps(grouped) if self.gaps else grouped

    # --- Grouping ---------------------------------------------------------------------------------

    def _grouped(self) -> exp.Select:
        grouped = exp.Select(expressions=[])
        for index, key in enumerate(self.keys):
            grouped.select(exp.alias_(key.copy(), f"__b{index}", quoted=True), copy=False)
        slot = self.calendar.bucket(part("epoch_us({t})", t=self.time))
        grouped.select(exp.alias_(slot, SLOT, quoted=True), copy=False)
        for aggregate in self.aggregates:
            item = exp.alias_(aggregate.tree.copy(), aggregate.name, quoted=True)
            grouped.select(item, copy=False)
        if self.carries_time:
            item = exp.alias_(exp.Min(this=self.time.copy()), TIME, quoted=True)
            grouped.select(item, copy=False)
        copy_rows(self.select, grouped)
        grouped.where(part("NOT {t} IS NULL", t=self.time), copy=False)
        ordinals = [exp.Literal.number(index + 1) for index in range(len(self.keys) + 1)]
        grouped.set("group", exp.Group(expressions=ordinals))
        if self.having is not None:
            grouped.set("having", exp.Having(this=self.having.copy()))
        return grouped

    # --- Gaps -------------------------------------------------------------------------------------

    def _with_gaps(self, grouped: exp.Select) -> exp.Select:
        keys = [f'"__b{index}"' for index in range(len(self.keys))]
        listed = "".join(f"{key}, " for key in keys)
        same = " AND ".join(
            [f's."{SLOT}" = g."{SLOT}"', *(f"s.{key} IS NOT DISTINCT FROM g.{key}" for key in keys)]
        )
        series = f"SELECT DISTINCT {', '.join(keys)} FROM __grouped" if keys else "SELECT 1"
        own = "".join(f', g."{name}"' for name in self._columns())
        text = f"""
            WITH "__grouped" AS MATERIALIZED (SELECT 1),
            "__ends" AS (SELECT
                coalesce(__low, (SELECT min("{SLOT}") FROM "__grouped")) AS "__lo",
                coalesce(__high, (SELECT max("{SLOT}") FROM "__grouped")) AS "__hi"),
            "__slots" AS (
                SELECT {listed}"{SLOT}" FROM ({series}) AS "__series" CROSS JOIN
                    (SELECT unnest(__list) AS "{SLOT}" FROM "__ends") AS "__each"
                UNION SELECT {listed}"{SLOT}" FROM "__grouped")
            SELECT {"".join(f"s.{key}, " for key in keys)}s."{SLOT}",
                g."{SLOT}" IS NOT NULL AS "{REAL}"{own}
            FROM "__slots" AS s LEFT JOIN "__grouped" AS g ON {same}
        """
        tree = _parse(text)
        tree.args["with_"].expressions[0].this.replace(grouped)
        low, high = exp.column("__lo", quoted=True), exp.column("__hi", quoted=True)
        parts: dict[str, exp.Expr] = {
            "__low": exp.Null() if self.low is None else self.low,
            "__high": exp.Null() if self.high is None else self.high,
            "__list": self.calendar.series(low, high),
        }
        for column in list(tree.find_all(exp.Column)):
            if column.name in parts and not column.this.quoted:
                column.replace(parts[column.name].copy())
        return self._filled(tree)

    def _columns(self) -> list[str]:
        return [a.name for a in self.aggregates] + ([TIME] if self.carries_time else [])

    def _filled(self, slots: exp.Select) -> exp.Select:
        keys = [f"__b{index}" for index in range(len(self.keys))]
        partition = "PARTITION BY " + ", ".join(f'"{key}"' for key in keys) + " " if keys else ""
        filled = exp.Select(expressions=[])
        for name in [*keys, SLOT, REAL]:
            filled.select(exp.column(name, quoted=True), copy=False)
        for aggregate in self.aggregates:
            if isinstance(aggregate.fill, Carry):
                value = _carried(aggregate.name, aggregate.fill, partition)
            else:
                value = fill_expression(aggregate.name, aggregate.fill, partition, SLOT)
            filled.select(exp.alias_(value, aggregate.name, quoted=True), copy=False)
        if self.carries_time:
            filled.select(exp.column(TIME, quoted=True), copy=False)
        alias = exp.TableAlias(this=exp.to_identifier("__gaps", quoted=True))
        filled.set("from_", exp.From(this=exp.Subquery(this=slots, alias=alias)))
        return filled


def copy_rows(source: exp.Select, target: exp.Select) -> None:
    """Gives a query the rows of another: its FROM, joins and WHERE."""
    for key in ("from_", "joins", "laterals", "where"):
        value: Any = source.args.get(key)
        if value:
            copied = [v.copy() for v in value] if isinstance(value, list) else value.copy()
            target.set(key, copied)


def looked_up(column: exp.Expr, lookup: exp.Expr) -> exp.Expr:
    """The value of a LOCF_OR_LOOKUP column: before the first bucket with rows, the lookup's."""
    return part(
        "struct_extract(coalesce({column}, struct_pack(v := {lookup})), 'v')",
        column=column,
        lookup=lookup,
    )


def _carried(name: str, fill: Carry, partition: str) -> exp.Expr:
    column = f'"{name}"'
    own = f'CASE WHEN "{REAL}" THEN struct_pack(v := {column}, at := "{SLOT}") END'
    order = f'OVER ({partition}ORDER BY "{SLOT}" ROWS BETWEEN'
    before = f"last_value({own} IGNORE NULLS) {order} UNBOUNDED PRECEDING AND CURRENT ROW)"
    after = f"first_value({own} IGNORE NULLS) {order} CURRENT ROW AND UNBOUNDED FOLLOWING)"
    if fill is Carry.LOCF_OR_LOOKUP:
        bare = f'CASE WHEN "{REAL}" THEN struct_pack(v := {column}) END'
        return part(f"last_value({bare} IGNORE NULLS) {order} UNBOUNDED PRECEDING AND CURRENT ROW)")
    if fill is Carry.LOCF:
        return part(f"struct_extract({before}, 'v')")
    low, high = (f"CAST(struct_extract({side}, 'v') AS DOUBLE)" for side in (before, after))
    start, end = (f"struct_extract({side}, 'at')" for side in (before, after))
    share = f'CAST("{SLOT}" - {start} AS DOUBLE) / ({end} - {start})'
    line = f"{low} + ({high} - {low}) * ({share})"
    return part(f'CASE WHEN "{REAL}" THEN CAST({column} AS DOUBLE) ELSE {line} END')


def _parse(text: str) -> exp.Select:
    tree = piece(text)
    assert isinstance(tree, exp.Select)
    return tree


# --- The result -----------------------------------------------------------------------------------


@dataclass
class Outer:
    """The query over a grid's columns: keys and the time in place of what they stand for."""

    select: exp.Select
    names: dict[str, exp.Expr]  # normal text of a key or of the bucket → its column
    aliases: frozenset[str]  # how the only relation may be called; empty with joins

    def normal(self, node: exp.Expr) -> str:
        """Text by which equal expressions are known, however names are qualified and quoted."""

        def plain(inner: exp.Expr) -> exp.Expr:
            if isinstance(inner, exp.Column) and not isinstance(inner.this, exp.Star):
                table = None if inner.table in self.aliases else inner.table
                return exp.column(inner.name, table=table, quoted=True)
            return inner

        return text_of(node.copy().transform(plain))

    def finished(self, item: exp.Expr) -> exp.Expr:
        """An item over the grid's columns. Raises: DbError GROUPING for another column."""
        holder = exp.Paren(this=item)
        self._walk(item, inside=False)
        return inside_of(holder)

    def _walk(self, node: exp.Expr, inside: bool) -> None:
        if isinstance(node, (exp.Alias, exp.Ordered)):
            self._walk(node.this, inside)
            return
        found = self.names.get(self.normal(node)) if not isinstance(node, exp.Query) else None
        if found is not None:
            node.replace(found.copy())
        elif isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
            raise DbError(
                ErrorKind.GROUPING,
                "SELECT * is not possible in a query over buckets",
                hint="list the columns to group by and the aggregates",
            )
        elif isinstance(node, exp.Column) and not inside:
            if not node.name.startswith("__"):
                raise DbError(
                    ErrorKind.GROUPING,
                    f'column "{node.name}" must be grouped by or be used in an aggregate',
                )
        else:
            for child in list(node.iter_expressions()):
                self._walk(child, inside or isinstance(node, exp.Subquery))

    def query(self, plan: exp.Expr, items: Sequence[exp.Expr], late: Any) -> exp.Select:
        """The SELECT list over a plan; `late` takes aggregates out of ORDER BY's expressions."""
        outer = exp.Select(expressions=[])
        for item in items:
            outer.select(item, copy=False)
        alias = exp.TableAlias(this=exp.to_identifier("__buckets", quoted=True))
        outer.set("from_", exp.From(this=exp.Subquery(this=plan, alias=alias)))
        outputs = {item.alias for item in items}
        order = self.select.args.get("order")
        if order is not None:
            keys = [self._order_key(key.copy(), outputs, late) for key in order.expressions]
            outer.set("order", exp.Order(expressions=keys))
        for key in ("limit", "offset", "distinct", "with_"):
            value = self.select.args.get(key)
            if value is not None:
                outer.set(key, value.copy())
        return outer

    def _order_key(self, key: exp.Expr, outputs: set[str], late: Any) -> exp.Expr:
        inner = key.this if isinstance(key, exp.Ordered) else key
        named = isinstance(inner, exp.Column) and not inner.table and inner.name in outputs
        if not named and not inner.is_int:
            inner.replace(self.finished(late(inner.copy())))
        return key


def outer_of(select: exp.Select) -> Outer:
    """An `Outer` without names yet."""
    from_ = select.args.get("from_")
    alone = from_ is not None and not select.args.get("joins")
    aliases = {"", from_.this.alias_or_name} if alone and from_ is not None else {""}
    return Outer(select, {}, frozenset(aliases))


def own_aggregates(node: exp.Expr) -> list[exp.Expr]:
    """The outermost aggregates, looking into window functions for theirs."""
    if isinstance(node, exp.Window):
        inner = [found for child in node.this.iter_expressions() for found in own_aggregates(child)]
        for key in ("partition_by", "order"):
            value: Any = node.args.get(key) or []
            for child in value if isinstance(value, list) else [value]:
                inner += own_aggregates(child)
        return inner
    if isinstance(node, exp.Subquery):
        return []
    if aggregates_of(node, itself=True):
        return [node]
    return [found for child in node.iter_expressions() for found in own_aggregates(child)]
