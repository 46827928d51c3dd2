"""rate, increase, delta, irate and idelta.

Registered in `functions.py`. Windows with histograms are computed in `histogram_windows.py`,
anchored and smoothed ones in `extended.py`.
"""

from __future__ import annotations

import numpy as np

from sql.promql import extended, histogram_windows, start_times
from sql.promql.context import Evaluation, Handler
from sql.promql.frame import Frame, Window
from sql.promql.kernels import rates as kernels
from sql.promql.labels import NAME
from sql.promql.model import Times
from sql.promql.tree import Call
from sql.promql.windowed import applied

_COUNTERS = ("_total", "_sum", "_count", "_bucket")  # how names of counters end


def _rate(ev: Evaluation, call: Call, times: Times) -> Frame:
    window = ev.window(call.arguments[0], times)
    counter, per_second = call.name != "delta", call.name == "rate"
    if window.extension.value:
        return extended.changes(ev, call, window, counter=counter, per_second=per_second)
    starts = start_times.of_samples(window.float_samples)
    if counter:
        start_times.warn_of_overlaps(ev, call.arguments[0], window)
    frame = applied(
        ev,
        window,
        window.float_samples,
        lambda s, steps, out, present: kernels.extrapolated(
            s.offsets,
            s.times,
            s.values,
            starts.resets,
            starts.times,
            steps,
            window.span,
            counter,
            per_second,
            out,
            present,
        ),
    )
    if counter:
        _doubt(ev, call, window, frame)
    if len(window.histogram_rows):
        frame = histogram_windows.completed(ev, call, window, frame)
    return frame.compact()


def _doubt(ev: Evaluation, call: Call, window: Window, frame: Frame) -> None:
    """Says so where a metric is not named like a counter."""
    column = window.labels.column(NAME)
    used = np.unique(column.codes[frame.present.any(axis=1)]).tolist()
    for name in (column.values[code] for code in used):
        if name and not name.endswith(_COUNTERS):
            ev.notes.info(
                "metric might not be a counter, name does not end in "
                f'{"/".join(_COUNTERS)}: "{name}"',
                call.arguments[0],
            )


def _instant(ev: Evaluation, call: Call, times: Times) -> Frame:
    window = ev.window(call.arguments[0], times)
    rate = call.name == "irate"
    resets = start_times.of_samples(window.float_samples).resets
    frame = applied(
        ev,
        window,
        window.float_samples,
        lambda s, steps, out, present: kernels.instant(
            s.offsets, s.times, s.values, resets, steps, window.span, rate, out, present
        ),
    )
    if len(window.histogram_rows):
        frame = histogram_windows.completed(ev, call, window, frame)
    return frame.compact()


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("rate", "increase", "delta"), _rate),
    **dict.fromkeys(("irate", "idelta"), _instant),
}
