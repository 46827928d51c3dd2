"""Kernels of functions about change: rate, irate, deriv, predict_linear, smoothing.

`rates.py` and `over_time.py` call them.
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
)

BOOL = types.boolean
FLAGS = types.Array(types.boolean, 1, "C", readonly=True)
Resets = NDArray[np.bool_]


def stretch(
    first_time: int,
    last_time: int,
    samples: int,
    range_start: int,
    range_end: int,
    zero_share: float,
) -> float:
    """By how much a change between samples is stretched to the whole range.

    `zero_share` is first value / increase of a counter, which cannot have been below zero: it
    bounds how far back the change may reach; -1 if nothing bounds it.
    """
    sampled = (last_time - first_time) / 1000.0
    average = sampled / (samples - 1)
    to_start = (first_time - range_start) / 1000.0
    to_end = (range_end - last_time) / 1000.0
    threshold = average * 1.1
    if to_start >= threshold:
        to_start = average / 2.0
    if zero_share >= 0.0:
        to_start = min(to_start, sampled * zero_share)
    if to_end >= threshold:
        to_end = average / 2.0
    return (sampled + to_start + to_end) / sampled


extrapolation = jit.part(stretch)


@jit.part
def _change(values: Floats, low: int, high: int, counter: bool, resets: Resets) -> float:
    change = values[high - 1] - values[low]
    if counter:
        before = values[low]
        for place in range(low + 1, high):
            value = values[place]
            if value < before or (len(resets) and resets[place]):
                change += before
            before = value
    return float(change)


@jit.kernel(INT64S, INT64S, FLOATS, FLAGS, INT64S, INT64S, INT, BOOL, BOOL, OUT_CELLS, OUT_MARKS)
def extrapolated(
    offsets: Times,
    times: Times,
    values: Floats,
    resets: Resets,
    starts: Times,
    steps: Times,
    span: int,
    counter: bool,
    per_second: bool,
    out: Floats,
    present: Marks,
) -> None:
    """rate (counter, per second), increase (counter) and delta of the floats in each window.

    `resets` and `starts` are empty, or tell of each sample whether its counter began anew since
    the one before, and when (0: unknown). A counter that began inside a window was zero then.
    """
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        low = offsets[row]
        high = low
        for column in range(len(steps)):
            step = steps[column]
            low = first_after(times, low, end, step - span)
            high = first_after(times, max(low, high), end, step)
            if high <= low:
                continue
            first, samples, zero = times[low], high - low, -1.0
            began = counter and len(starts) > 0 and starts[low] != 0
            began = began and starts[low] > step - span
            if began:
                first, samples = starts[low], samples + 1
            if samples < 2:
                continue
            change = _change(values, low, high, counter, resets)
            if began:
                change, zero = change + values[low], 0.0
            elif counter and change > 0.0 and values[low] >= 0.0:
                zero = values[low] / change
            factor = extrapolation(first, times[high - 1], samples, step - span, step, zero)
            if per_second:
                factor /= span / 1000.0
            out[row, column] = change * factor
            present[row, column] = True


@jit.kernel(INT64S, INT64S, FLOATS, FLAGS, INT64S, INT, BOOL, OUT_CELLS, OUT_MARKS)
def instant(
    offsets: Times,
    times: Times,
    values: Floats,
    resets: Resets,
    steps: Times,
    span: int,
    rate: bool,
    out: Floats,
    present: Marks,
) -> None:
    """irate (of a counter, per second) or idelta of the last two floats of each window."""
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        low = offsets[row]
        high = low
        for column in range(len(steps)):
            low = first_after(times, low, end, steps[column] - span)
            high = first_after(times, max(low, high), end, steps[column])
            if high - low < 2:
                continue
            value, before = values[high - 1], values[high - 2]
            reset = value < before or (len(resets) > 0 and resets[high - 1])
            change = value if rate and reset else value - before
            if rate:
                change /= (times[high - 1] - times[high - 2]) / 1000.0
            out[row, column] = change
            present[row, column] = True


@jit.part
def _line(times: Times, values: Floats, low: int, high: int, origin: int) -> tuple[float, float]:
    """Slope per second and value at `origin` of the least-squares line."""
    count = float(high - low)
    xs = xs_lost = ys = ys_lost = xys = xys_lost = xxs = xxs_lost = 0.0
    constant = True
    for place in range(low, high):
        x = (times[place] - origin) / 1000.0
        y = values[place]
        if y != values[low]:
            constant = False
        xs, xs_lost = kahan(x, xs, xs_lost)
        ys, ys_lost = kahan(y, ys, ys_lost)
        xys, xys_lost = kahan(x * y, xys, xys_lost)
        xxs, xxs_lost = kahan(x * x, xxs, xxs_lost)
    if constant:
        if math.isinf(values[low]):
            return math.nan, math.nan
        return 0.0, values[low]
    xs += xs_lost
    ys += ys_lost
    xys += xys_lost
    xxs += xxs_lost
    slope = (xys - xs * ys / count) / (xxs - xs * xs / count)
    return slope, ys / count - slope * xs / count


@jit.kernel(INT64S, INT64S, FLOATS, INT64S, INT64S, INT, BOOL, FLOATS, OUT_CELLS, OUT_MARKS)
def regressions(
    offsets: Times,
    times: Times,
    values: Floats,
    steps: Times,
    origins: Times,
    span: int,
    slope_only: bool,
    ahead: Floats,
    out: Floats,
    present: Marks,
) -> None:
    """deriv, or predict_linear `ahead` seconds after the origin of each step."""
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        low = offsets[row]
        high = low
        for column in range(len(steps)):
            low = first_after(times, low, end, steps[column] - span)
            high = first_after(times, max(low, high), end, steps[column])
            if high - low < 2:
                continue
            if slope_only:
                slope, _ = _line(times, values, low, high, times[low])
                out[row, column] = slope
            else:
                slope, intercept = _line(times, values, low, high, origins[column])
                out[row, column] = slope * ahead[column] + intercept
            present[row, column] = True


@jit.kernel(INT64S, INT64S, FLOATS, INT64S, INT, FLOATS, FLOATS, OUT_CELLS, OUT_MARKS)
def smooth(
    offsets: Times,
    times: Times,
    values: Floats,
    steps: Times,
    span: int,
    smoothing: Floats,
    trends: Floats,
    out: Floats,
    present: Marks,
) -> None:
    """double_exponential_smoothing with the factors of each step (Holt's linear method)."""
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        low = offsets[row]
        high = low
        for column in range(len(steps)):
            low = first_after(times, low, end, steps[column] - span)
            high = first_after(times, max(low, high), end, steps[column])
            if high - low < 2:
                continue
            level = values[low]
            before = 0.0
            trend = values[low + 1] - values[low]
            for place in range(low + 1, high):
                if place > low + 1:
                    trend = trends[column] * (level - before) + (1.0 - trends[column]) * trend
                smoothed = smoothing[column] * values[place] + (1.0 - smoothing[column]) * (
                    level + trend
                )
                before, level = level, smoothed
            out[row, column] = level
            present[row, column] = True
