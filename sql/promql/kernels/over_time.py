"""Kernels of the functions that reduce the floats of a window to one: sum_over_time and its like.

`over_time.py` calls them. Sums are compensated as Prometheus compensates them, so that results
agree to the last digit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numpy.typing import NDArray

from engine import jit
from sql.promql.kernels.common import (
    FLOATS,
    INT,
    INT64S,
    OUT_CELLS,
    OUT_MARKS,
    Floats,
    Marks,
    Times,
    first_after,
    kahan,
    longest,
    mean_of,
    quantile_of_sorted,
    sort_nan_first,
)

FLAGS = types.Array(types.boolean, 1, "C", readonly=True)
Resets = NDArray[np.bool_]

SUM, AVG, MIN, MAX, COUNT, STDVAR, STDDEV, LAST, FIRST, PRESENT, CHANGES, RESETS = range(12)
TS_MIN, TS_MAX, TS_FIRST, TS_LAST, MAD = range(12, 17)


@jit.part
def _sum(values: Floats, low: int, high: int) -> float:
    total = 0.0
    lost = 0.0
    for place in range(low, high):
        total, lost = kahan(values[place], total, lost)
    return total if math.isinf(total) else total + lost


@jit.part
def _variance(values: Floats, low: int, high: int) -> float:
    mean = 0.0
    mean_lost = 0.0
    squares = 0.0
    squares_lost = 0.0
    for place in range(low, high):
        value = values[place]
        count = float(place - low + 1)
        delta = value - (mean + mean_lost)
        mean, mean_lost = kahan(delta / count, mean, mean_lost)
        squares, squares_lost = kahan(delta * (value - (mean + mean_lost)), squares, squares_lost)
    return (squares + squares_lost) / float(high - low)


@jit.part
def _extreme(values: Floats, low: int, high: int, op: int) -> int:
    """The place of the extreme: the first of equals, for the timestamps of extremes the last."""
    best = low
    for place in range(low + 1, high):
        value = values[place]
        old = values[best]
        if (
            math.isnan(old)
            or (op == MIN and value < old)
            or (op == MAX and value > old)
            or (op == TS_MIN and value <= old)
            or (op == TS_MAX and value >= old)
        ):
            best = place
    return best


@jit.part
def _count_changes(values: Floats, low: int, high: int, op: int, resets: Resets) -> float:
    count = 0
    for place in range(low + 1, high):
        value, before = values[place], values[place - 1]
        if op == RESETS:
            count += value < before or (len(resets) > 0 and resets[place])
        elif value != before and not (math.isnan(value) and math.isnan(before)):
            count += 1
    return float(count)


@jit.part
def _mad(values: Floats, low: int, high: int, buffer: Floats) -> float:
    count = high - low
    for place in range(count):
        if math.isnan(values[low + place]):
            return math.nan
        buffer[place] = values[low + place]
    sort_nan_first(buffer, count)
    median = quantile_of_sorted(buffer, count, 0.5)
    for place in range(count):
        buffer[place] = abs(values[low + place] - median)
    sort_nan_first(buffer, count)
    return quantile_of_sorted(buffer, count, 0.5)


@jit.part
def _moment(op: int, values: Floats, low: int, high: int) -> float:
    if op == SUM:
        return _sum(values, low, high)
    if op == AVG:
        return mean_of(values, low, high)
    if op == STDVAR:
        return _variance(values, low, high)
    return math.sqrt(_variance(values, low, high))


@jit.part
def _place(op: int, times: Times, values: Floats, low: int, high: int) -> float:
    if op == LAST:
        return float(values[high - 1])
    if op == FIRST:
        return float(values[low])
    if op == TS_FIRST:
        return float(times[low] / 1000.0)
    if op == TS_LAST:
        return float(times[high - 1] / 1000.0)
    best = _extreme(values, low, high, op)
    if op in (MIN, MAX):
        return float(values[best])
    return float(times[best] / 1000.0)


@jit.part
def _reduce(
    op: int,
    times: Times,
    values: Floats,
    resets: Resets,
    low: int,
    high: int,
    buffer: Floats,
) -> float:
    if op == COUNT:
        return float(high - low)
    if op == PRESENT:
        return 1.0
    if op in (CHANGES, RESETS):
        return _count_changes(values, low, high, op, resets)
    if op == MAD:
        return _mad(values, low, high, buffer)
    if op in (SUM, AVG, STDVAR, STDDEV):
        return _moment(op, values, low, high)
    return _place(op, times, values, low, high)


@jit.kernel(INT, INT64S, INT64S, FLOATS, FLAGS, INT64S, INT, OUT_CELLS, OUT_MARKS)
def reduce_windows(
    op: int,
    offsets: Times,
    times: Times,
    values: Floats,
    resets: Resets,
    steps: Times,
    span: int,
    out: Floats,
    present: Marks,
) -> None:
    """Reduces (step - span, step] of each series; a window without samples stays absent.

    `resets` is empty, or says of each sample whether its counter began anew since the one before.
    """
    buffer = np.empty(longest(offsets) if op == MAD else 0)
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        low = offsets[row]
        high = low
        for column in range(len(steps)):
            low = first_after(times, low, end, steps[column] - span)
            high = first_after(times, max(low, high), end, steps[column])
            if high > low:
                out[row, column] = _reduce(op, times, values, resets, low, high, buffer)
                present[row, column] = True


@jit.kernel(FLOATS, INT64S, INT64S, FLOATS, INT64S, INT, OUT_CELLS, OUT_MARKS)
def quantiles(
    qs: Floats,
    offsets: Times,
    times: Times,
    values: Floats,
    steps: Times,
    span: int,
    out: Floats,
    present: Marks,
) -> None:
    """quantile_over_time; `qs` holds the quantile of each step."""
    buffer = np.empty(longest(offsets))
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        low = offsets[row]
        high = low
        for column in range(len(steps)):
            low = first_after(times, low, end, steps[column] - span)
            high = first_after(times, max(low, high), end, steps[column])
            count = high - low
            if count:
                buffer[:count] = values[low:high]
                sort_nan_first(buffer, count)
                out[row, column] = quantile_of_sorted(buffer, count, qs[column])
                present[row, column] = True
