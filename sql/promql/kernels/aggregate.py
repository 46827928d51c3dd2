"""Kernels of aggregations: many rows of a matrix to one row per group.

`aggregate.py` calls them. Rows are taken in order, so that rounding is reproducible.
"""

from __future__ import annotations

import math

import numpy as np

from engine import jit
from sql.promql.kernels.common import (
    FLOATS,
    INT,
    INT64S,
    MARKS,
    MATRIX,
    OUT_CELLS,
    OUT_MARKS,
    OUT_PLACES,
    Floats,
    Marks,
    Times,
    kahan,
    quantile_of_sorted,
    sort_nan_first,
)

SUM, AVG, MIN, MAX, COUNT, STDVAR, GROUP = range(7)


@jit.part
def _add(
    op: int, value: float, group: int, column: int, count: float, out: Floats, extra: Floats
) -> None:
    """Takes one value into its group's cell; `extra` holds what rounding lost, or the mean."""
    old = out[group, column]
    if op == SUM:
        out[group, column], extra[group, column] = kahan(value, old, extra[group, column])
    elif op == MIN:
        if count == 1.0 or value < old or math.isnan(old):
            out[group, column] = value
    elif op == MAX:
        if count == 1.0 or value > old or math.isnan(old):
            out[group, column] = value
    elif op == STDVAR:
        delta = value - extra[group, column]
        extra[group, column] += delta / count
        out[group, column] = old + delta * (value - extra[group, column])
        if count == 1.0:
            out[group, column] = 0.0 if math.isfinite(value) else math.nan


@jit.part
def _add_mean(
    value: float,
    group: int,
    column: int,
    count: float,
    out: Floats,
    extra: Floats,
    incremental: Marks,
) -> None:
    """Takes one value into a mean: a compensated sum as long as it does not overflow."""
    if not incremental[group, column]:
        total, lost = kahan(value, out[group, column], extra[group, column])
        if count == 1.0 or not math.isinf(total):
            out[group, column], extra[group, column] = total, lost
            return
        incremental[group, column] = True
        out[group, column] /= count - 1.0
        extra[group, column] /= count - 1.0
    share = (count - 1.0) / count
    out[group, column], extra[group, column] = kahan(
        value / count, share * out[group, column], share * extra[group, column]
    )


@jit.part
def _finish(
    op: int, count: float, out: Floats, extra: Floats, incremental: Marks, group: int, column: int
) -> None:
    total, lost = out[group, column], extra[group, column]
    if op == SUM:
        if not math.isinf(total):
            out[group, column] = total + lost
    elif op == AVG:
        if incremental[group, column]:
            out[group, column] = total + lost
        else:
            out[group, column] = total / count + lost / count
    elif op == STDVAR:
        out[group, column] = total / count
    elif op == COUNT:
        out[group, column] = count
    elif op == GROUP:
        out[group, column] = 1.0


@jit.kernel(INT, INT64S, MATRIX, MARKS, OUT_CELLS, OUT_CELLS, OUT_MARKS)
def reduce_groups(
    op: int,
    groups: Times,
    values: Floats,
    present: Marks,
    out: Floats,
    counts: Floats,
    found: Marks,
) -> None:
    """Reduces the present cells of each group; `out` and `counts` come as zeros."""
    extra = np.zeros(out.shape)
    incremental = np.zeros(out.shape, np.bool_)
    for row in range(len(groups)):
        group = groups[row]
        for column in range(values.shape[1]):
            if not present[row, column]:
                continue
            counts[group, column] += 1.0
            count = counts[group, column]
            if op == AVG:
                _add_mean(values[row, column], group, column, count, out, extra, incremental)
            else:
                _add(op, values[row, column], group, column, count, out, extra)
    for group in range(out.shape[0]):
        for column in range(out.shape[1]):
            if counts[group, column] > 0.0:
                found[group, column] = True
                _finish(op, counts[group, column], out, extra, incremental, group, column)


@jit.kernel(FLOATS, INT64S, INT64S, MATRIX, MARKS, OUT_CELLS, OUT_MARKS)
def group_quantiles(
    qs: Floats,
    order: Times,
    offsets: Times,
    values: Floats,
    present: Marks,
    out: Floats,
    found: Marks,
) -> None:
    """The quantile of each group; group i owns the rows order[offsets[i]:offsets[i + 1]]."""
    buffer = np.empty(len(order))
    for group in range(len(offsets) - 1):
        for column in range(values.shape[1]):
            count = 0
            for place in range(offsets[group], offsets[group + 1]):
                row = order[place]
                if present[row, column]:
                    buffer[count] = values[row, column]
                    count += 1
            if count:
                sort_nan_first(buffer, count)
                out[group, column] = quantile_of_sorted(buffer, count, qs[column])
                found[group, column] = True


@jit.kernel(INT64S, MARKS, OUT_PLACES)
def count_marks(groups: Times, marks: Marks, out: Times) -> None:
    """Adds up how many marked rows each group has in each column; `out` comes as zeros."""
    for row in range(len(groups)):
        for column in range(marks.shape[1]):
            if marks[row, column]:
                out[groups[row], column] += 1
