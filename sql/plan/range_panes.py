"""Overlapping windows by panes: aggregate short pieces of time first, then put windows together.

With `RANGE '1h' ALIGN '1m'` every row is in 60 windows. Where each aggregate can be made of partial
ones, range_align.py groups the rows by minute once and spreads the minutes, not the rows.

    J. Li et al., No Pane, No Gain: Efficient Evaluation of Sliding-Window Aggregates. SIGMOD 2005
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd

from sqlglot import exp

from sql.plan.buckets_calendar import part
from sql.plan.range_source import Source

# Below this many windows per row one pass over the rows is as fast (measured with six rows a pane).
OFFSETS_MIN = 8
# A pane of this length has many rows of nearly every series: grouping twice then costs little.
LONG_PANE_MS = 600_000
OFFSETS_OF_LONG_MIN = 2
PANES_PER_STEP_MAX = 4

Wrap = Callable[[exp.Expr], exp.Expr]  # adds the FILTER that a narrower window needs


@dataclass(frozen=True)
class Split:
    """An aggregate as partial ones, and what makes it of their columns."""

    partials: tuple[exp.Expr, ...]
    combine: Callable[[Sequence[exp.Expr], Wrap], exp.Expr]


def pane_width(step: int, widths: Sequence[int], ticks_per_ms: int) -> int | None:
    """The length of a pane in ticks; None if windows are better made of rows."""
    pane = gcd(step, *widths)
    least = OFFSETS_OF_LONG_MIN if pane >= LONG_PANE_MS * ticks_per_ms else OFFSETS_MIN
    many = -(-max(widths) // step) >= least
    return pane if many and step // pane <= PANES_PER_STEP_MAX else None


def split(aggregate: exp.Expr, source: Source) -> Split | None:
    """The parts of an aggregate; None if it has none that are sure to give the same."""
    if isinstance(aggregate, exp.Filter):
        inner = split(aggregate.this, source)
        if inner is None:
            return None
        where = aggregate.expression
        filtered = (exp.Filter(this=p, expression=where.copy()) for p in inner.partials)
        return Split(tuple(filtered), inner.combine)
    argument = aggregate.this
    if isinstance(argument, exp.Distinct) or aggregate.expressions:
        return None
    if isinstance(aggregate, exp.Count):
        return Split((aggregate.copy(),), _counted)
    if isinstance(aggregate, (exp.Sum, exp.Min, exp.Max)):
        kind = type(aggregate)
        return Split((aggregate.copy(),), lambda columns, wrap: wrap(kind(this=columns[0].copy())))
    if isinstance(aggregate, exp.Avg) and _is_number(argument, source):
        return Split((exp.Sum(this=argument.copy()), exp.Count(this=argument.copy())), _averaged)
    if isinstance(aggregate, (exp.FirstValue, exp.LastValue)):
        return _edge(aggregate, source)
    return None


def _counted(columns: Sequence[exp.Expr], wrap: Wrap) -> exp.Expr:
    return part("CAST(coalesce({c}, 0) AS BIGINT)", c=wrap(exp.Sum(this=columns[0].copy())))


def _averaged(columns: Sequence[exp.Expr], wrap: Wrap) -> exp.Expr:
    total, count = (wrap(exp.Sum(this=column.copy())) for column in columns)
    return part("CAST({t} AS DOUBLE) / CAST({c} AS DOUBLE)", t=total, c=count)


def _edge(aggregate: exp.Expr, source: Source) -> Split | None:
    """The first or last value by time."""
    order = aggregate.this
    keys = order.expressions if isinstance(order, exp.Order) else []
    if len(keys) != 1 or keys[0].args.get("desc"):
        return None
    if not isinstance(keys[0].this, exp.Column) or not source.is_time(keys[0].this):
        return None
    kind = type(aggregate)
    time = exp.Min if isinstance(aggregate, exp.FirstValue) else exp.Max

    def combine(columns: Sequence[exp.Expr], wrap: Wrap) -> exp.Expr:
        key = exp.Ordered(this=columns[1].copy(), desc=False, nulls_first=False)
        return wrap(kind(this=exp.Order(this=columns[0].copy(), expressions=[key])))

    return Split((aggregate.copy(), time(this=keys[0].this.copy())), combine)


def _is_number(node: exp.Expr, source: Source) -> bool:
    """True for arithmetic on columns that are declared as numbers: an average may be of times."""
    if source.table is None:
        return False
    for column in node.find_all(exp.Column):
        declared = source.table.column(column.name)
        if (
            declared is None
            or not declared.type.is_numeric
            or column.table not in ("", source.alias)
        ):
            return False
    plain = (exp.Column, exp.Identifier, exp.Literal, exp.Add, exp.Sub, exp.Mul, exp.Paren, exp.Neg)
    return all(isinstance(inner, plain) for inner in node.walk())
