"""The value of duration expressions: `5m`, `step() * 2`, `min_of(range(), 1h)`.

Evaluated once per query, since `step()` and `range()` are the same at every step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sql.promql.lexer import MAX_DURATION_MS, syntax_error
from sql.promql.tree import Binary, DurationCall, Node, Number, Parens, Unary


@dataclass(frozen=True)
class Span:
    """The range query an expression is part of; step 0 for an instant query. Milliseconds."""

    start: int
    end: int
    step: int


def milliseconds(node: Node, span: Span) -> int:
    """The value of a duration expression. Raises: DbError(SYNTAX) if it is no duration."""
    seconds = _seconds(node, span)
    if not math.isfinite(seconds) or abs(seconds) * 1000 > MAX_DURATION_MS:
        raise syntax_error("duration out of range", node.start)
    return round(seconds * 1000)


def positive(node: Node, span: Span) -> int:
    """The same, of a range or step. Raises: DbError(SYNTAX) if it is not above zero."""
    found = milliseconds(node, span)
    if found <= 0:
        raise syntax_error("duration must be greater than 0", node.start)
    return found


def _seconds(node: Node, span: Span) -> float:
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Parens):
        return _seconds(node.inner, span)
    if isinstance(node, Unary):
        inner = _seconds(node.inner, span)
        return -inner if node.op == "-" else inner
    if isinstance(node, DurationCall):
        return _call(node, span)
    assert isinstance(node, Binary), node
    return _arithmetic(node, _seconds(node.left, span), _seconds(node.right, span))


def _call(node: DurationCall, span: Span) -> float:
    if node.name == "step":
        return span.step / 1000
    if node.name == "range":
        return (span.end - span.start) / 1000
    found = [_seconds(argument, span) for argument in node.arguments]
    return min(found) if node.name == "min_of" else max(found)


def _arithmetic(node: Binary, left: float, right: float) -> float:
    op = node.op
    if op in "/%" and right == 0:
        what = "division" if op == "/" else "modulo"
        raise syntax_error(f"{what} by zero", node.right.start)
    if op == "^":
        try:
            return math.pow(left, right)
        except (OverflowError, ValueError):
            return math.inf  # or no number: neither is a duration
    if op == "+":
        return left + right
    if op == "-":
        return left - right
    if op == "*":
        return left * right
    if op == "/":
        return left / right
    return math.fmod(left, right) if math.isfinite(left) else math.nan
