"""Parameter types of the kernels, and the pieces they share: windows and exact summation.

Series lie one after the other in `times` and `values`; series i owns [offsets[i], offsets[i + 1]).
Steps are the times at which an expression is evaluated, never descending, so that a window's ends
only move forward.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numpy.typing import NDArray

from engine import jit
from engine.jit import INT, INT64S

__all__ = ["FLOAT", "FLOATS", "INT", "INT64S", "MATRIX", "OUT_CELLS", "OUT_MARKS", "OUT_PLACES"]

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Marks = NDArray[np.bool_]

FLOAT = types.float64
FLOATS = types.Array(types.float64, 1, "C", readonly=True)
MATRIX = types.Array(types.float64, 2, "C", readonly=True)
MARKS = types.Array(types.boolean, 2, "C", readonly=True)
OUT_CELLS = types.float64[:, ::1]
OUT_MARKS = types.boolean[:, ::1]
OUT_PLACES = types.int64[:, ::1]


def add_compensated(increment: float, total: float, lost: float) -> tuple[float, float]:
    """One addition of Neumaier's compensated sum: the new total and what rounding lost so far."""
    new = total + increment
    if math.isinf(new):
        lost = 0.0
    elif abs(total) >= abs(increment):
        lost += (total - new) + increment
    else:
        lost += (increment - new) + total
    return new, lost


kahan = jit.part(add_compensated)


@jit.part
def first_after(times: Times, place: int, end: int, bound: int) -> int:
    """The first place from `place` on whose time is greater than `bound`, else `end`."""
    while place < end and times[place] <= bound:
        place += 1
    return place


@jit.part
def longest(offsets: Times) -> int:
    """The number of samples of the longest series."""
    most = 0
    for row in range(len(offsets) - 1):
        most = max(most, offsets[row + 1] - offsets[row])
    return most


@jit.part
def mean_of(values: Floats, low: int, high: int) -> float:
    """The mean: compensated, and incremental from where the sum would overflow."""
    total = 0.0
    lost = 0.0
    mean = 0.0
    incremental = False
    for place in range(low, high):
        value = values[place]
        count = float(place - low + 1)
        if not incremental:
            new_total, new_lost = kahan(value, total, lost)
            if count == 1.0 or not math.isinf(new_total):
                total, lost = new_total, new_lost
                continue
            incremental = True
            mean = total / (count - 1.0)
            lost /= count - 1.0
        share = (count - 1.0) / count
        mean, lost = kahan(value / count, share * mean, share * lost)
    if incremental:
        return mean + lost
    number = float(high - low)
    return total / number + lost / number


@jit.part
def quantile_of_sorted(ascending: Floats, count: int, q: float) -> float:
    """The q-quantile of the first `count` values, between neighbours linearly."""
    if count == 0 or math.isnan(q):
        return math.nan
    if q < 0.0:
        return -math.inf
    if q > 1.0:
        return math.inf
    rank = q * (count - 1)
    lower = max(0, math.floor(rank))
    upper = min(count - 1, lower + 1)
    weight = rank - math.floor(rank)
    return float(ascending[lower] * (1.0 - weight) + ascending[upper] * weight)


@jit.array_part
def sort_nan_first(values: Floats, count: int) -> None:
    """Sorts the first `count` values in place; NaN count as the least."""
    part = values[:count]
    part.sort()
    nans = 0
    while nans < count and math.isnan(part[count - 1 - nans]):
        nans += 1
    if nans and nans < count:
        for place in range(count - 1, nans - 1, -1):
            part[place] = part[place - nans]
        for place in range(nans):
            part[place] = math.nan
