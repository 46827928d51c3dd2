"""Anchored and smoothed ranges over native histograms.

`extended.py` hands over what the kernels made of the floats; windows with histograms are computed
here, one by one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import replace

import numpy as np

from sql.promql import histogram_math
from sql.promql.context import Evaluation
from sql.promql.frame import Frame, Window
from sql.promql.histogram import Hint, Histogram
from sql.promql.histogram_groups import mixed_schemas
from sql.promql.histogram_math import MixedSchemasError, is_reset
from sql.promql.histogram_windows import (
    Points,
    Value,
    differs,
    mixed_values,
    note_kind,
    resets,
)
from sql.promql.tree import Call, Extension, Node


def completed(ev: Evaluation, call: Call, window: Window, frame: Frame) -> Frame:
    """The frame with the cells of windows that hold histograms."""
    smoothed = window.extension is Extension.SMOOTHED

    def compute(points: Points) -> Value | None:
        return _of_points(call, points, smoothed)

    return _filled(ev, call.arguments[0], window, frame, compute)


def smoothed_instant(ev: Evaluation, window: Window, frame: Frame) -> Frame:
    """The frame with histograms between the samples around each step."""
    return _filled(ev, window.node, window, frame, _between)


def _filled(ev: Evaluation, node: Node, window: Window, frame: Frame, compute: object) -> Frame:
    assert callable(compute)
    values, present = frame.values.copy(), frame.present.copy()
    histograms = np.full(window.shape, None, np.object_)
    for row in window.histogram_rows.tolist():
        for column in range(len(window.steps)):
            points = _points(ev, node, window, row, column)
            found = compute(points) if points.values else None
            histograms[row, column] = found if isinstance(found, Histogram) else None
            present[row, column] = found is not None
            if isinstance(found, float):
                values[row, column] = found
    return replace(frame, values=values, present=present, histograms=histograms)


def _points(ev: Evaluation, node: Node, window: Window, row: int, column: int) -> Points:
    """The samples that matter for a cell: of the range, and around its ends."""
    samples = window.samples
    assert samples.histograms is not None
    low, high = int(samples.offsets[row]), int(samples.offsets[row + 1])
    end = int(window.steps[column])
    start = end - window.span
    times = samples.times[low:high].tolist()
    first = bisect_right(times, start) - 1
    if first < 0 or times[first] <= start - window.lookback:
        first += 1
    last = bisect_right(times, end) - 1
    if window.extension is Extension.SMOOTHED and (last < 0 or times[last] < end):
        ahead = last + 1
        if ahead < len(times) and times[ahead] < end + window.lookback and first <= last:
            last = ahead
    places = slice(low + first, low + last + 1)
    names = window.labels.column("__name__")
    return Points(
        ev,
        node,
        names.values[names.codes[row]],
        times[first : last + 1],
        mixed_values(samples.values[places], samples.histograms[places]),
        start,
        end,
    )


def _of_points(call: Call, points: Points, smoothed: bool) -> Value | None:
    if points.times[-1] <= points.start:
        return None
    pairs = zip(points.values[1:], points.values, strict=False)
    if call.name == "changes":
        return float(sum(differs(now, before) for now, before in pairs))
    if call.name == "resets":
        return float(sum(resets(now, before) for now, before in pairs))
    if points.mixed:
        if points.histograms:
            points.warn_mixed()
            return None
        return _float_change(call, points, smoothed)
    return _histogram_change(call, points, smoothed)


def _float_change(call: Call, points: Points, smoothed: bool) -> float | None:
    """A window without histograms in a series that has some elsewhere."""
    from sql.promql.kernels import extended as kernels

    out, present = np.zeros((1, 1)), np.zeros((1, 1), np.bool_)
    kernels.changes(
        np.array([0, len(points.times)]),
        np.array(points.times, np.int64),
        np.array(points.values, np.float64),
        np.array([points.end]),
        points.end - points.start,
        2**40,
        smoothed,
        call.name != "delta",
        call.name == "rate",
        out,
        present,
    )
    return float(out[0, 0]) if present[0, 0] else None


def _histogram_change(call: Call, points: Points, smoothed: bool) -> Histogram | None:
    found, counter = points.histograms, call.name != "delta"
    if len({item.is_custom for item in found}) > 1:
        points.warn(mixed_schemas(points.name))
        return None
    note_kind(points, found, counter=counter)
    try:
        total = _change(points, found, smoothed=smoothed, counter=counter)
    except MixedSchemasError:
        points.warn(mixed_schemas(points.name))
        return None
    if call.name == "rate":
        total = histogram_math.divided(total, (points.end - points.start) / 1000)
    return histogram_math.compact(total).with_hint(Hint.GAUGE)


def _change(points: Points, found: list[Histogram], *, smoothed: bool, counter: bool) -> Histogram:
    """The sum of what happened between neighbours, of the outer ones only the part inside."""
    total = histogram_math.scaled(found[-1], 0.0).with_hint(Hint.GAUGE)
    for place in range(1, len(found)):
        before, now = found[place - 1], found[place]
        step = now
        if not (counter and is_reset(now, before)):
            step = histogram_math.add(now, before, -1.0).histogram
        share = 1.0
        if smoothed:
            earlier, later = points.times[place - 1], points.times[place]
            inside = min(later, points.end) - max(earlier, points.start)
            share = inside / (later - earlier)
        part = histogram_math.scaled(step.with_hint(Hint.GAUGE), share)
        total = histogram_math.add(total, part).histogram
    return total


def _between(points: Points) -> Value | None:
    """The value at the end of a window of no width."""
    at = points.end
    if points.times[0] > at:
        return None
    place = bisect_left(points.times, at)
    if place < len(points.times) and points.times[place] == at:
        return points.values[place]
    if place == len(points.times):
        return points.values[-1]
    before, after = points.values[place - 1], points.values[place]
    share = (at - points.times[place - 1]) / (points.times[place] - points.times[place - 1])
    if isinstance(before, float) and isinstance(after, float):
        return before + (after - before) * share
    if isinstance(before, float) or isinstance(after, float):
        points.warn_mixed()
        return None
    if before.is_custom != after.is_custom:
        points.warn(mixed_schemas(points.name))
        return None
    if is_reset(after, before):
        return histogram_math.scaled(after, share)
    step = histogram_math.add(after, before, -1.0).histogram
    return histogram_math.add(before, histogram_math.scaled(step, share)).histogram
