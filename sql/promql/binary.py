"""Binary operators between scalars and vectors; `matching.py` pairs the series of two vectors.

Called by `evaluator.py`, which hands in its own way to evaluate the sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sql.promql import arithmetic, histogram_math, matching
from sql.promql.cells import Cells, operate
from sql.promql.context import Evaluation
from sql.promql.frame import Frame
from sql.promql.model import Floats, Times
from sql.promql.tree import COMPARISONS, SETS, TRIMS, Binary, Node

Value = Callable[[Node, Times], Frame | Floats]


def negate(value: Frame | Floats, op: str) -> Frame | Floats:
    """Unary minus; plus changes nothing."""
    if op == "+":
        return value
    if not isinstance(value, Frame):
        return -value
    histograms = value.histograms
    if histograms is not None:
        histograms = histograms.copy()
        for place in zip(*np.nonzero(value.is_histogram), strict=True):
            histograms[place] = histogram_math.negated(histograms[place])
    return replace(value, values=-value.values, histograms=histograms).marked_nameless()


def evaluate(ev: Evaluation, node: Binary, times: Times, value: Value) -> Frame | Floats:
    """The operator on both sides, of whatever types. Raises: DbError(INVALID_ARGUMENT)."""
    left, right = value(node.left, times), value(node.right, times)
    if isinstance(left, Frame) and isinstance(right, Frame):
        if node.op in SETS:
            return matching.set_operation(node, left, right)
        return matching.paired(ev, node, left, right)
    if isinstance(left, Frame) or isinstance(right, Frame):
        return _with_scalar(ev, node, left, right)
    if node.op in COMPARISONS:
        return arithmetic.compare(node.op, left, right).astype(np.float64)
    return arithmetic.compute(node.op, left, right)


def keeps_names(node: Binary) -> bool:
    """Whether the operator only leaves cells, or parts of them, out."""
    return node.op in TRIMS or (node.op in COMPARISONS and not node.boolean)


def _with_scalar(
    ev: Evaluation, node: Binary, left: Frame | Floats, right: Frame | Floats
) -> Frame:
    frame = left if isinstance(left, Frame) else right
    assert isinstance(frame, Frame)
    found = operate(
        node, _cells(left), _cells(right), ev.notes, keep_right=isinstance(right, Frame)
    )
    histograms = found.histograms
    filters = keeps_names(node)
    if filters and frame.histograms is not None and histograms is None:
        histograms = frame.histograms
    result = replace(frame, values=found.values, present=found.present, histograms=histograms)
    return result if filters else result.marked_nameless()


def _cells(side: Frame | Floats) -> Cells:
    if isinstance(side, Frame):
        return Cells(side.values, side.present, side.histograms)
    row = side.reshape(1, -1)
    return Cells(row, np.ones(row.shape, np.bool_))
