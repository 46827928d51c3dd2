"""Functions that reduce the samples of a range to one: sum_over_time, quantile_over_time, ….

Registered in `functions.py`. Floats go through kernels; series with histograms are then looked at
again, window by window.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.errors import DbError, ErrorKind
from sql.promql import extended, histogram_windows, start_times
from sql.promql.context import Evaluation, Handler
from sql.promql.frame import Frame, Window
from sql.promql.kernels import over_time as kernels
from sql.promql.kernels import rates
from sql.promql.model import Samples, Times
from sql.promql.numbers import shown
from sql.promql.tree import Call
from sql.promql.windowed import applied, ignore_histograms

_REDUCTIONS = {
    "avg_over_time": kernels.AVG,
    "changes": kernels.CHANGES,
    "count_over_time": kernels.COUNT,
    "first_over_time": kernels.FIRST,
    "last_over_time": kernels.LAST,
    "mad_over_time": kernels.MAD,
    "max_over_time": kernels.MAX,
    "min_over_time": kernels.MIN,
    "present_over_time": kernels.PRESENT,
    "resets": kernels.RESETS,
    "stddev_over_time": kernels.STDDEV,
    "stdvar_over_time": kernels.STDVAR,
    "sum_over_time": kernels.SUM,
    "ts_of_first_over_time": kernels.TS_FIRST,
    "ts_of_last_over_time": kernels.TS_LAST,
    "ts_of_max_over_time": kernels.TS_MAX,
    "ts_of_min_over_time": kernels.TS_MIN,
}
# What counts a histogram like any sample.
_ANY_SAMPLE = frozenset(
    {"count_over_time", "present_over_time", "ts_of_first_over_time", "ts_of_last_over_time"}
)
# What keeps the metric's name, since it yields one of its samples.
_NAMED = frozenset({"first_over_time", "last_over_time"})


def reduced(ev: Evaluation, window: Window, samples: Samples, op: int) -> Frame:
    """One of the reductions of `kernels`."""
    resets = start_times.NOTHING.resets
    if op == kernels.RESETS:
        resets = start_times.of_samples(samples).resets
    return applied(
        ev,
        window,
        samples,
        lambda s, steps, out, present: kernels.reduce_windows(
            op, s.offsets, s.times, s.values, resets, steps, window.span, out, present
        ),
    )


def _reduce(ev: Evaluation, call: Call, times: Times) -> Frame:
    window = ev.window(call.arguments[0], times)
    if window.extension.value:
        return extended.counts(ev, call, window)
    op = _REDUCTIONS[call.name]
    if call.name in _ANY_SAMPLE or not len(window.histogram_rows):
        frame = reduced(ev, window, window.samples, op)
    else:
        frame = reduced(ev, window, window.float_samples, op)
        frame = histogram_windows.completed(ev, call, window, frame)
    if call.name in _NAMED:
        frame = replace(frame, nameless=window.nameless)
    return frame.compact()


def _quantile(ev: Evaluation, call: Call, times: Times) -> Frame:
    qs = ev.scalar(call.arguments[0], times)
    window = ev.window(call.arguments[1], times)
    frame = applied(
        ev,
        window,
        window.float_samples,
        lambda s, steps, out, present: kernels.quantiles(
            qs, s.offsets, s.times, s.values, steps, window.span, out, present
        ),
        steady=False,
    )
    if frame.present.any():
        for value in np.unique(qs[~((qs >= 0) & (qs <= 1))]):
            ev.notes.warn(
                f"quantile value should be between 0 and 1, got {shown(value)}", call.arguments[0]
            )
    ignore_histograms(ev, call, window, frame)
    return frame.compact()


def _regression(ev: Evaluation, call: Call, times: Times) -> Frame:
    window = ev.window(call.arguments[0], times)
    slope_only = call.name == "deriv"
    ahead = np.zeros(len(times)) if slope_only else ev.scalar(call.arguments[1], times)
    frame = applied(
        ev,
        window,
        window.float_samples,
        lambda s, steps, out, present: rates.regressions(
            s.offsets,
            s.times,
            s.values,
            steps,
            window.times,
            window.span,
            slope_only,
            ahead,
            out,
            present,
        ),
        steady=False,
    )
    ignore_histograms(ev, call, window, frame)
    return frame.compact()


def _smoothing(ev: Evaluation, call: Call, times: Times) -> Frame:
    window = ev.window(call.arguments[0], times)
    smoothing = ev.scalar(call.arguments[1], times)
    trends = ev.scalar(call.arguments[2], times)
    for what, short, values in (("smoothing", "sf", smoothing), ("trend", "tf", trends)):
        wrong = values[~((values > 0) & (values < 1))]
        if len(wrong) and window.labels.count:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f"invalid {what} factor. Expected: 0 < {short} < 1, got: {wrong[0]:f}",
            )
    frame = applied(
        ev,
        window,
        window.float_samples,
        lambda s, steps, out, present: rates.smooth(
            s.offsets,
            s.times,
            s.values,
            steps,
            window.span,
            smoothing,
            trends,
            out,
            present,
        ),
        steady=False,
    )
    ignore_histograms(ev, call, window, frame)
    return frame.compact()


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(_REDUCTIONS, _reduce),
    "deriv": _regression,
    "double_exponential_smoothing": _smoothing,
    "predict_linear": _regression,
    "quantile_over_time": _quantile,
}
