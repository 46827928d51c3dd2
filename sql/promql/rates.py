"""rate, increase, delta, irate and idelta.

Registered in `functions.py`. Windows with histograms are computed in `histogram_windows.py`,
anchored and smoothed ones in `extended.py`.
"""

from __future__ import annotations

from sql.promql import extended, histogram_windows, start_times
from sql.promql.context import Evaluation, Handler
from sql.promql.frame import Frame
from sql.promql.kernels import rates as kernels
from sql.promql.model import Times
from sql.promql.tree import Call
from sql.promql.windowed import applied


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
    if len(window.histogram_rows):
        frame = histogram_windows.completed(ev, call, window, frame)
    return frame.compact()


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
