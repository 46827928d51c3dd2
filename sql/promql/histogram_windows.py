"""Range functions over windows that hold native histograms.

`over_time.py` and `rates.py` hand over what the kernels made of the floats; the cells of windows
with histograms are computed here, one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sql.promql import histogram_math, start_times
from sql.promql.context import Evaluation
from sql.promql.frame import Frame, Window
from sql.promql.histogram import Hint, Histogram, equal
from sql.promql.histogram_groups import combined, mixed_schemas
from sql.promql.histogram_math import MixedSchemasError
from sql.promql.kernels.rates import stretch
from sql.promql.kernels.windows import bounds
from sql.promql.tree import Call, Node
from sql.promql.windowed import ignore_histograms

Value = float | Histogram
ABOUT = ' for metric name "{}"'


@dataclass(frozen=True)
class Points:
    """The samples of one window, at least one of them a histogram."""

    ev: Evaluation
    node: Node  # the range vector, for annotations
    name: str
    times: list[int]
    values: list[Value]
    start: int
    end: int
    began: int = 0  # when the first sample's counter began, 0 if unknown

    @property
    def histograms(self) -> list[Histogram]:
        """The samples, if all are histograms."""
        return [value for value in self.values if isinstance(value, Histogram)]

    @property
    def mixed(self) -> bool:
        """Whether there are floats too."""
        return len(self.histograms) < len(self.values)

    def warn(self, message: str) -> None:
        """A warning about this series."""
        self.ev.notes.warn(message, self.node)

    def warn_mixed(self) -> None:
        """A warning that floats and histograms cannot be computed with together."""
        about = ABOUT.format(self.name) if self.name else ""
        self.warn("encountered a mix of histograms and floats" + about)

    def info(self, message: str) -> None:
        """An info about this series."""
        self.ev.notes.info(message, self.node)


def completed(ev: Evaluation, call: Call, window: Window, frame: Frame) -> Frame:
    """The frame with the cells of windows that hold histograms."""
    compute = _FUNCTIONS.get(call.name)
    if compute is None:
        ignore_histograms(ev, call, window, frame)
        return frame
    values, present = frame.values.copy(), frame.present.copy()
    histograms = np.full(window.shape, None, np.object_)
    for row, column, points in windows_of(ev, call.arguments[0], window):
        found = compute(call, points)
        histograms[row, column] = found if isinstance(found, Histogram) else None
        present[row, column] = found is not None
        if isinstance(found, float):
            values[row, column] = found
    return replace(frame, values=values, present=present, histograms=histograms)


def windows_of(ev: Evaluation, node: Node, window: Window) -> list[tuple[int, int, Points]]:
    """Row, column and samples of every window that holds a histogram."""
    window = start_times.with_hints(window)
    samples, marks = window.samples, window.histogram_marks
    starts = start_times.of_samples(samples).times
    assert samples.histograms is not None
    before = np.concatenate([[0], np.cumsum(marks)])
    low, high = (np.empty(window.shape, np.int64) for _ in range(2))
    bounds(samples.offsets, samples.times, window.steps, window.span, low, high)
    names = window.labels.column("__name__")
    found = []
    for row, column in zip(*np.nonzero(before[high] > before[low]), strict=True):
        first, last = low[row, column], high[row, column]
        step = int(window.steps[column])
        found.append(
            (
                int(row),
                int(column),
                Points(
                    ev,
                    node,
                    names.values[names.codes[row]],
                    samples.times[first:last].tolist(),
                    mixed_values(samples.values[first:last], samples.histograms[first:last]),
                    step - window.span,
                    step,
                    int(starts[first]) if len(starts) else 0,
                ),
            )
        )
    return found


def mixed_values(
    floats: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    histograms: np.ndarray[tuple[int, ...], np.dtype[np.object_]],
) -> list[Value]:
    """Floats and histograms in one list."""
    return [
        number if item is None else item
        for number, item in zip(floats.tolist(), histograms.tolist(), strict=True)
    ]


def _sum(call: Call, points: Points) -> Value | None:
    if points.mixed:
        points.warn_mixed()
        return None
    return combined(
        points.ev,
        points.node,
        points.histograms,
        mean=call.name == "avg_over_time",
        name=points.name,
    )


def _last(call: Call, points: Points) -> Value | None:
    return points.values[-1]


def _first(call: Call, points: Points) -> Value | None:
    return points.values[0]


def differs(now: Value, before: Value) -> bool:
    """Whether a sample is another than the one before, in kind or value."""
    if isinstance(now, Histogram) and isinstance(before, Histogram):
        return not equal(now, before)
    if isinstance(now, Histogram) or isinstance(before, Histogram):
        return True
    return now != before and not (now != now and before != before)


def resets(now: Value, before: Value) -> bool:
    """Whether a counter was reset; a change of kind counts as one."""
    if isinstance(now, Histogram) and isinstance(before, Histogram):
        return histogram_math.is_reset(now, before)
    if isinstance(now, Histogram) or isinstance(before, Histogram):
        return True
    return now < before


def _changes(call: Call, points: Points) -> Value | None:
    pairs = zip(points.values[1:], points.values, strict=False)
    return float(sum(differs(now, before) for now, before in pairs))


def _resets(call: Call, points: Points) -> Value | None:
    pairs = zip(points.values[1:], points.values, strict=False)
    return float(sum(resets(now, before) for now, before in pairs))


def _rate(call: Call, points: Points) -> Value | None:
    if points.mixed:
        if len(points.values) > 1:
            points.warn_mixed()
        return None
    found, times = points.histograms, points.times
    counter = call.name != "delta"
    if counter and points.began and points.began > points.start:
        # A counter that began inside the window was empty then.
        found = [histogram_math.empty_like(found[0]), *found]
        times = [points.began, *times]
    if len(found) < 2:
        return None
    change = increase(points, found, counter=counter)
    if change is None:
        return None
    zero = -1.0
    if counter and change.count > 0 and found[0].count >= 0:
        zero = found[0].count / change.count
    factor = stretch(times[0], times[-1], len(times), points.start, points.end, zero)
    if call.name == "rate":
        factor /= (points.end - points.start) / 1000
    return histogram_math.compact(histogram_math.scaled(change, factor)).with_hint(Hint.GAUGE)


def increase(points: Points, found: list[Histogram], *, counter: bool) -> Histogram | None:
    """The change from the first to the last, of a counter across its resets."""
    note_kind(points, found, counter=counter)
    before = found[0]
    if counter and histogram_math.is_reset(found[1], before):
        before = histogram_math.empty_like(found[1])
    rest = found[1:]
    if any(item.is_custom != before.is_custom for item in (rest if counter else rest[-1:])):
        points.warn(mixed_schemas(points.name))
        return None
    schema = min(item.schema for item in (before, *(rest if counter else rest[-1:])))
    try:
        total = _step(points, histogram_math.to_schema(rest[-1], schema), before, -1.0)
        for item in rest if counter else ():
            if histogram_math.is_reset(item, before):
                total = _step(points, total, before, 1.0)
            before = item
    except MixedSchemasError:
        points.warn(mixed_schemas(points.name))
        return None
    return total.with_hint(Hint.GAUGE)


def _step(points: Points, total: Histogram, other: Histogram, sign: float) -> Histogram:
    found = histogram_math.add(total, other, sign)
    if found.reconciled:
        what = "addition" if sign > 0 else "subtraction"
        points.info(f"mismatched custom buckets were reconciled during {what}")
    return found.histogram


def note_kind(points: Points, found: list[Histogram], *, counter: bool) -> None:
    """Warns of gauges taken for counters and the other way round."""
    gauges = [item.hint is Hint.GAUGE for item in found]
    if counter and any(gauges):
        points.warn(f'this native histogram metric is not a counter: "{points.name}"')
    if not counter and not (gauges[0] and gauges[-1]):
        points.warn(f'this native histogram metric is not a gauge: "{points.name}"')


def _instant(call: Call, points: Points) -> Value | None:
    if len(points.values) < 2:
        return None
    before, now = points.values[-2:]
    seconds = (points.times[-1] - points.times[-2]) / 1000
    rate = call.name == "irate"
    if not isinstance(now, Histogram) and not isinstance(before, Histogram):
        if rate:
            return (now if now < before else now - before) / seconds
        return now - before
    if not isinstance(now, Histogram) or not isinstance(before, Histogram):
        points.warn_mixed()
        return None
    note_kind(points, [before, now], counter=rate)
    change = now
    try:
        if not rate or not histogram_math.is_reset(now, before):
            change = _step(points, now, before, -1.0)
    except MixedSchemasError:
        points.warn(mixed_schemas(points.name))
        return None
    if rate:
        change = histogram_math.divided(change, seconds)
    return histogram_math.compact(change).with_hint(Hint.GAUGE)


_FUNCTIONS: dict[str, Callable[[Call, Points], Value | None]] = {
    "avg_over_time": _sum,
    "changes": _changes,
    "delta": _rate,
    "first_over_time": _first,
    "idelta": _instant,
    "increase": _rate,
    "irate": _instant,
    "last_over_time": _last,
    "rate": _rate,
    "resets": _resets,
    "sum_over_time": _sum,
}
