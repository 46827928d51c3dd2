"""Anchored and smoothed selectors: values at the very ends of a range instead of extrapolation.

Called by `rates.py`, `over_time.py` and, for `metric smoothed`, by `evaluator.py`.
"""

from __future__ import annotations

from sql.promql import histogram_extended
from sql.promql.context import Evaluation
from sql.promql.frame import Frame, Window
from sql.promql.kernels import extended as kernels
from sql.promql.tree import Call, Extension
from sql.promql.windowed import applied


def changes(
    ev: Evaluation, call: Call, window: Window, *, counter: bool, per_second: bool
) -> Frame:
    """rate, increase and delta."""
    smoothed = window.extension is Extension.SMOOTHED
    frame = applied(
        ev,
        window,
        window.float_samples,
        lambda s, steps, out, present: kernels.changes(
            s.offsets,
            s.times,
            s.values,
            steps,
            window.span,
            window.lookback,
            smoothed,
            counter,
            per_second,
            out,
            present,
        ),
    )
    if len(window.histogram_rows):
        frame = histogram_extended.completed(ev, call, window, frame)
    return frame.compact()


def counts(ev: Evaluation, call: Call, window: Window) -> Frame:
    """resets and changes of anchored ranges."""
    frame = applied(
        ev,
        window,
        window.float_samples,
        lambda s, steps, out, present: kernels.counts(
            s.offsets,
            s.times,
            s.values,
            steps,
            window.span,
            window.lookback,
            call.name == "resets",
            out,
            present,
        ),
    )
    if len(window.histogram_rows):
        frame = histogram_extended.completed(ev, call, window, frame)
    return frame.compact()


def smoothed_instant(ev: Evaluation, window: Window) -> Frame:
    """`metric smoothed`: its value between the samples around each step."""
    frame = applied(
        ev,
        window,
        window.float_samples,
        lambda s, steps, out, present: kernels.at_steps(
            s.offsets, s.times, s.values, steps, window.lookback, out, present
        ),
    )
    frame = Frame(frame.labels, frame.values, frame.present, window.nameless)
    if len(window.histogram_rows):
        frame = histogram_extended.smoothed_instant(ev, window, frame)
    return frame.compact()
