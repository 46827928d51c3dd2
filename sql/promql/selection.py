"""Which samples a query needs, found before it is evaluated.

`evaluator.py` walks the tree once with the times at which each part is evaluated, and asks the
source once per selector.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sql.promql import durations
from sql.promql.durations import Span
from sql.promql.model import Selector
from sql.promql.tree import (
    Aggregate,
    Binary,
    Call,
    Edge,
    Extension,
    MatrixSelector,
    Node,
    Parens,
    Shift,
    Subquery,
    Unary,
    VectorSelector,
)


@dataclass(frozen=True)
class Bounds:
    """The first and last time at which an expression is evaluated, milliseconds."""

    first: int
    last: int


def children(node: Node) -> tuple[Node, ...]:
    """The expressions a node is made of, durations left out."""
    if isinstance(node, (Parens, Unary, Subquery)):
        return (node.inner,)
    if isinstance(node, Binary):
        return (node.left, node.right)
    if isinstance(node, Call):
        return node.arguments
    if isinstance(node, Aggregate):
        return (node.inner,) if node.parameter is None else (node.parameter, node.inner)
    return ()


def fixed_time(shift: Shift, span: Span) -> int | None:
    """The time `@` names, None without one."""
    if shift.at is Edge.START:
        return span.start
    if shift.at is Edge.END:
        return span.end
    return shift.at if isinstance(shift.at, int) else None


def offset_of(shift: Shift, span: Span) -> int:
    """The milliseconds `offset` goes back."""
    return 0 if shift.offset is None else durations.milliseconds(shift.offset, span)


def shifted(bounds: Bounds, shift: Shift, span: Span) -> Bounds:
    """The bounds with `@` and `offset` applied."""
    at = fixed_time(shift, span)
    if at is not None:
        bounds = Bounds(at, at)
    offset = offset_of(shift, span)
    return Bounds(bounds.first - offset, bounds.last - offset)


def selectors(
    node: Node, bounds: Bounds, span: Span, lookback: int, function: str = ""
) -> Iterator[tuple[VectorSelector, Selector]]:
    """Every selector of the tree with the samples it needs."""
    if isinstance(node, VectorSelector):
        at = shifted(bounds, node.shift, span)
        ahead = lookback if node.extension is Extension.SMOOTHED else 0
        yield (
            node,
            Selector(node.matchers, at.first - lookback + 1, at.last + ahead, function),
        )
    elif isinstance(node, MatrixSelector):
        inner = node.selector
        at = shifted(bounds, inner.shift, span)
        back = durations.positive(node.range, span) - 1
        ahead = 0
        if inner.extension is not Extension.NONE:
            back += lookback
        if inner.extension is Extension.SMOOTHED:
            ahead = lookback
        yield inner, Selector(inner.matchers, at.first - back, at.last + ahead, function)
    elif isinstance(node, Subquery):
        at = shifted(bounds, node.shift, span)
        inner_bounds = Bounds(at.first - durations.positive(node.range, span), at.last)
        yield from selectors(node.inner, inner_bounds, span, lookback)
    else:
        below = node.name if isinstance(node, Call) else ""
        parts = children(node)
        if below == "info":
            parts = parts[:1]  # its second argument is no selector of its own
        for part in parts:
            yield from selectors(part, bounds, span, lookback, below)


def fineness(node: Node, span: Span, default_step: int) -> float:
    """How many times more steps than the query itself its finest subquery is evaluated at."""
    below = max((fineness(part, span, default_step) for part in children(node)), default=1.0)
    if not isinstance(node, Subquery):
        return below
    step = default_step if node.step is None else durations.positive(node.step, span)
    return max(1.0, span.step / step) * below
