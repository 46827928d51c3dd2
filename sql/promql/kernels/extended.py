"""Kernels of anchored and smoothed ranges: changes measured between the very ends of the range.

`extended.py` calls them. Anchored takes the newest sample at or before each end, smoothed draws a
straight line between the samples around it.
"""

from __future__ import annotations

import math

from numba import types

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
)

BOOL = types.boolean


@jit.part
def _line(before: float, after: float, share: float) -> float:
    return before + (after - before) * share


@jit.part
def _left(
    times: Times, values: Floats, place: int, bound: int, smoothed: bool, counter: bool
) -> float:
    """The value at the range's start; a counter reset just before it starts from zero."""
    value = values[place]
    if not smoothed or times[place] >= bound:
        return float(value)
    after = values[place + 1]
    share = (bound - times[place]) / (times[place + 1] - times[place])
    if counter and after < value:
        value = 0.0
    return float(_line(value, after, share))


@jit.part
def _right(
    times: Times,
    values: Floats,
    place: int,
    bound: int,
    smoothed: bool,
    counter: bool,
    same_gap: bool,
) -> float:
    """The value at the range's end; a reset just after it goes on from the value before."""
    value = values[place]
    if not smoothed or times[place] <= bound:
        return float(value)
    before = values[place - 1]
    share = (bound - times[place - 1]) / (times[place] - times[place - 1])
    if counter and value < before:
        if same_gap:
            before = 0.0
        else:
            value += before
    return float(_line(before, value, share))


@jit.part
def _resets(values: Floats, low: int, high: int, left: float, right: float) -> float:
    """What the counter had reached before each reset in the range."""
    total = 0.0
    before = left
    for place in range(low, high):
        if values[place] < before:
            total += before
        before = values[place]
    if right < before:
        total += before
    return total


@jit.part
def _change(
    times: Times,
    values: Floats,
    first: int,
    last: int,
    start: int,
    end: int,
    smoothed: bool,
    counter: bool,
) -> float:
    left = _left(times, values, first, start, smoothed, counter)
    same_gap = last == first + 1 and times[first] < start and times[last] > end
    right = _right(times, values, last, end, smoothed, counter, same_gap)
    change = right - left
    if counter:
        low = first + 1 if times[first] <= start else first
        high = last if times[last] >= end else last + 1
        change += _resets(values, low, high, left, right)
    return change


@jit.part
def edges(
    times: Times, low: int, end: int, start_ms: int, end_ms: int, lookback: int, smoothed: bool
) -> tuple[int, int]:
    """The places of the first and last sample that matter, (-1, -1) if there is no answer."""
    first = -1
    place = low
    while place < end and times[place] <= start_ms:
        if times[place] > start_ms - lookback:
            first = place
        place += 1
    last = -1
    while place < end and times[place] <= end_ms:
        last = place
        place += 1
    if first < 0 and last >= 0:
        first = first_after(times, low, end, start_ms)
    exact = last >= 0 and times[last] == end_ms
    ahead = smoothed and not exact and place < end and times[place] <= end_ms + lookback
    if ahead and first >= 0:
        last = place
    if first < 0 or last < 0 or times[last] <= start_ms:
        return -1, -1
    return first, last


@jit.kernel(INT64S, INT64S, FLOATS, INT64S, INT, INT, BOOL, BOOL, BOOL, OUT_CELLS, OUT_MARKS)
def changes(
    offsets: Times,
    times: Times,
    values: Floats,
    steps: Times,
    span: int,
    lookback: int,
    smoothed: bool,
    counter: bool,
    per_second: bool,
    out: Floats,
    present: Marks,
) -> None:
    """rate, increase and delta between the ends of each range."""
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        low = offsets[row]
        for column in range(len(steps)):
            start_ms, end_ms = steps[column] - span, steps[column]
            low = first_after(times, low, end, start_ms - lookback)
            first, last = edges(times, low, end, start_ms, end_ms, lookback, smoothed)
            if first < 0:
                continue
            change = _change(times, values, first, last, start_ms, end_ms, smoothed, counter)
            out[row, column] = change / (span / 1000.0) if per_second else change
            present[row, column] = True


@jit.kernel(INT64S, INT64S, FLOATS, INT64S, INT, INT, BOOL, OUT_CELLS, OUT_MARKS)
def counts(
    offsets: Times,
    times: Times,
    values: Floats,
    steps: Times,
    span: int,
    lookback: int,
    resets: bool,
    out: Floats,
    present: Marks,
) -> None:
    """resets or changes, the sample at or before the range's start included."""
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        low = offsets[row]
        for column in range(len(steps)):
            start_ms, end_ms = steps[column] - span, steps[column]
            low = first_after(times, low, end, start_ms - lookback)
            first, last = edges(times, low, end, start_ms, end_ms, lookback, False)
            if first < 0:
                continue
            count = 0
            for place in range(first + 1, last + 1):
                value, before = values[place], values[place - 1]
                if resets:
                    count += value < before
                elif value != before and not (math.isnan(value) and math.isnan(before)):
                    count += 1
            out[row, column] = float(count)
            present[row, column] = True


@jit.kernel(INT64S, INT64S, FLOATS, INT64S, INT, OUT_CELLS, OUT_MARKS)
def at_steps(
    offsets: Times,
    times: Times,
    values: Floats,
    steps: Times,
    lookback: int,
    out: Floats,
    present: Marks,
) -> None:
    """The value at each step, drawn between the samples around it."""
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        high = offsets[row]
        for column in range(len(steps)):
            step = steps[column]
            high = first_after(times, high, end, step)
            before = high - 1
            if before < offsets[row] or times[before] <= step - lookback:
                continue
            value = values[before]
            if times[before] < step and high < end and times[high] < step + lookback:
                share = (step - times[before]) / (times[high] - times[before])
                value = _line(value, values[high], share)
            out[row, column] = value
            present[row, column] = True
