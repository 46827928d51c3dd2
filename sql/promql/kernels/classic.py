"""Kernels of classic histograms: buckets that are series of their own, told apart by `le`.

`classic.py` calls them with the rows of all buckets sorted by histogram and upper bound. Inside a
bucket observations are taken to be spread evenly.
"""

from __future__ import annotations

import math

import numpy as np

from engine import jit
from sql.promql.kernels.common import (
    FLOATS,
    INT64S,
    MARKS,
    MATRIX,
    OUT_CELLS,
    OUT_MARKS,
    Floats,
    Marks,
    Times,
)

_TOLERANCE = 1e-12


@jit.part
def _almost_equal(left: float, right: float) -> bool:
    if left == right:
        return True
    total = abs(left) + abs(right)
    difference = abs(left - right)
    if left == 0 or right == 0 or total < 2.2250738585072014e-308:
        return difference < _TOLERANCE * 2.2250738585072014e-308
    return difference / min(total, 1.7976931348623157e308) < _TOLERANCE


@jit.part
def _gather(
    order: Times,
    low: int,
    high: int,
    column: int,
    uppers: Floats,
    values: Floats,
    present: Marks,
    bounds: Floats,
    counts: Floats,
) -> int:
    """The buckets present at a step; those of equal bounds are added up."""
    found = 0
    for place in range(low, high):
        row = order[place]
        if not present[row, column]:
            continue
        if found and bounds[found - 1] == uppers[row]:
            counts[found - 1] += values[row, column]
            continue
        bounds[found] = uppers[row]
        counts[found] = values[row, column]
        found += 1
    return found


@jit.part
def _make_monotonic(counts: Floats, found: int) -> bool:
    """Removes decreases; returns whether one was larger than rounding explains."""
    forced = False
    before = counts[0]
    for place in range(1, found):
        now = counts[place]
        if now == before:
            continue
        if _almost_equal(before, now):
            counts[place] = before
        elif now < before:
            counts[place] = before
            forced = True
        else:
            before = now
    return forced


@jit.part
def _quantile(q: float, bounds: Floats, counts: Floats, found: int) -> float:
    if found < 2 or counts[found - 1] == 0.0 or math.isnan(counts[found - 1]):
        return math.nan
    rank = q * counts[found - 1]
    place = 0
    while place < found - 1 and not counts[place] >= rank:
        place += 1
    if place == found - 1:
        return float(bounds[found - 2])
    if place == 0 and bounds[0] <= 0:
        return float(bounds[0])
    start = 0.0
    count = counts[place]
    if place > 0:
        start = bounds[place - 1]
        count -= counts[place - 1]
        rank -= counts[place - 1]
    if count == 0.0:  # only of the lowest rank
        return math.nan
    return float(start + (bounds[place] - start) * (rank / count))


@jit.kernel(FLOATS, INT64S, INT64S, FLOATS, MATRIX, MARKS, OUT_CELLS, OUT_MARKS, OUT_MARKS)
def quantiles(
    qs: Floats,
    order: Times,
    offsets: Times,
    uppers: Floats,
    values: Floats,
    present: Marks,
    out: Floats,
    out_present: Marks,
    forced: Marks,
) -> None:
    """histogram_quantile; histogram i owns the rows order[offsets[i]:offsets[i + 1]]."""
    bounds, counts = np.empty(len(order)), np.empty(len(order))
    for group in range(len(offsets) - 1):
        low, high = offsets[group], offsets[group + 1]
        for column in range(values.shape[1]):
            found = _gather(order, low, high, column, uppers, values, present, bounds, counts)
            if not found:
                continue
            out_present[group, column] = True
            q = qs[column]
            if math.isnan(q):
                out[group, column] = math.nan
            elif q < 0.0:
                out[group, column] = -math.inf
            elif q > 1.0:
                out[group, column] = math.inf
            elif bounds[found - 1] != math.inf:
                out[group, column] = math.nan
            else:
                forced[group, column] = _make_monotonic(counts, found)
                out[group, column] = _quantile(q, bounds, counts, found)


@jit.part
def _rank(value: float, bounds: Floats, counts: Floats, found: int) -> float:
    """How many observations are estimated to lie below a value."""
    before = 0.0
    for place in range(found):
        start = -math.inf if place == 0 else bounds[place - 1]
        end = bounds[place]
        if place == 0 and end > 0:
            start = 0.0
        if start >= value:
            return before
        if end > value:
            if math.isinf(start):
                return float(counts[place])
            if math.isinf(end):
                return before
            return float(before + (counts[place] - before) * (value - start) / (end - start))
        before = counts[place]
    return float(counts[found - 1])


@jit.kernel(FLOATS, FLOATS, INT64S, INT64S, FLOATS, MATRIX, MARKS, OUT_CELLS, OUT_MARKS)
def fractions(
    lowers: Floats,
    highers: Floats,
    order: Times,
    offsets: Times,
    uppers: Floats,
    values: Floats,
    present: Marks,
    out: Floats,
    out_present: Marks,
) -> None:
    """histogram_fraction: the share of observations between two values, given per step."""
    bounds, counts = np.empty(len(order)), np.empty(len(order))
    for group in range(len(offsets) - 1):
        low, high = offsets[group], offsets[group + 1]
        for column in range(values.shape[1]):
            found = _gather(order, low, high, column, uppers, values, present, bounds, counts)
            if not found:
                continue
            out_present[group, column] = True
            lower, higher = lowers[column], highers[column]
            total = counts[found - 1]
            if (
                bounds[found - 1] != math.inf
                or total == 0.0
                or math.isnan(lower)
                or math.isnan(higher)
            ):
                out[group, column] = math.nan
            elif lower >= higher:
                out[group, column] = 0.0
            else:
                below = _rank(higher, bounds, counts, found)
                out[group, column] = (below - _rank(lower, bounds, counts, found)) / total
