"""Binary operators on cells that may hold floats or histograms.

`binary.py` brings both sides into one shape and calls `operate`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sql.promql import arithmetic, histogram_math
from sql.promql.frame import Marks
from sql.promql.histogram import Histogram
from sql.promql.model import Floats, Objects, holds_histogram
from sql.promql.notes import Notes
from sql.promql.tree import COMPARISONS, TRIMS, Binary


@dataclass(frozen=True)
class Cells:
    """One side: floats, and histograms where there are any. Shapes broadcast."""

    values: Floats
    present: Marks
    histograms: Objects | None = None


def operate(
    node: Binary, left: Cells, right: Cells, notes: Notes, *, keep_right: bool = False
) -> Cells:
    """The operator where both sides are present.

    A comparison without `bool` keeps the left side's cells where it holds (the right side's with
    `keep_right`, for a vector compared with a scalar before it).
    """
    both = left.present & right.present
    if left.histograms is None and right.histograms is None:
        return _floats(node, left, right, both, keep_right=keep_right)
    shape = both.shape
    left_objects, right_objects = _objects(left, shape), _objects(right, shape)
    any_histogram = holds_histogram(left_objects) | holds_histogram(right_objects)
    plain = _floats(node, left, right, both & ~any_histogram, keep_right=keep_right)
    values, present = plain.values.copy(), plain.present.copy()
    histograms = np.full(shape, None, np.object_)
    left_values = np.broadcast_to(left.values, shape)
    right_values = np.broadcast_to(right.values, shape)
    for row, column in zip(*np.nonzero(both & any_histogram), strict=True):
        place = (row, column)
        found = _operate_one(
            node,
            left_values[place] if left_objects[place] is None else left_objects[place],
            right_values[place] if right_objects[place] is None else right_objects[place],
            notes,
        )
        if isinstance(found, Histogram):
            histograms[place] = found
        elif found is not None:
            values[place] = found
        present[place] = found is not None
    return Cells(values, present, histograms)


def _objects(side: Cells, shape: tuple[int, ...]) -> Objects:
    if side.histograms is None:
        return np.full(shape, None, np.object_)
    return np.broadcast_to(side.histograms, shape)


def _floats(node: Binary, left: Cells, right: Cells, both: Marks, *, keep_right: bool) -> Cells:
    shape = both.shape
    if node.op in TRIMS:
        return Cells(np.zeros(shape), np.zeros(shape, np.bool_))
    if node.op not in COMPARISONS:
        return Cells(arithmetic.compute(node.op, left.values, right.values), both)
    holds = arithmetic.compare(node.op, left.values, right.values)
    if node.boolean:
        return Cells(np.broadcast_to(holds, shape).astype(np.float64), both)
    kept = right.values if keep_right else left.values
    return Cells(np.broadcast_to(kept, shape), both & holds)


def _operate_one(
    node: Binary, left: float | Histogram, right: float | Histogram, notes: Notes
) -> float | Histogram | None:
    """One cell of which at least one side is a histogram; None if the result is absent."""
    found = histogram_math.operate(node, left, right, notes)
    if isinstance(found, histogram_math.Incompatible):
        names = ["histogram" if isinstance(side, Histogram) else "float" for side in (left, right)]
        notes.info(
            f'incompatible sample types encountered for binary operator "{node.op}": '
            f"{names[0]} {node.op} {names[1]}",
            node,
        )
        return None
    return found
