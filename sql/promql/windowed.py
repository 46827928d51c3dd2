"""What all functions of range vectors share: running a kernel, finding windows with histograms.

Called by `over_time.py`, `rates.py` and `extended.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sql.promql.context import Evaluation
from sql.promql.frame import Frame, Marks, Window
from sql.promql.kernels.windows import bounds
from sql.promql.model import Floats, Samples
from sql.promql.tree import Call

Kernel = Callable[[Samples, Floats, Marks], None]


def applied(window: Window, samples: Samples, run: Kernel) -> Frame:
    """A frame filled by a kernel, without names except those the window keeps."""
    out = np.zeros(window.shape)
    present = np.zeros(window.shape, np.bool_)
    run(samples, out, present)
    return Frame.of(window.labels, out, present, nameless=True)


def ignore_histograms(ev: Evaluation, call: Call, window: Window, frame: Frame) -> None:
    """Says so if a window had floats and histograms, of which the latter were ignored."""
    rows = window.histogram_rows
    if not len(rows):
        return
    part = window.take(rows)
    both = windows_with_histograms(part) & frame.present[rows]
    if both.any():
        ev.notes.info(
            "ignored histograms in a range containing both floats and histograms"
            f"{about(part, both)}",
            call.arguments[-1 if call.name == "quantile_over_time" else 0],
        )


def about(window: Window, marks: Marks) -> str:
    """` for metric name "x"` of the first marked row."""
    row = np.flatnonzero(marks.any(axis=1))[:1]
    name = window.labels.take(row).column("__name__").strings()[0]
    return f' for metric name "{name}"' if name else ""


def windows_with_histograms(
    window: Window,
) -> Marks:
    """Which windows hold any histogram."""
    low, high = (np.empty(window.shape, np.int64) for _ in range(2))
    samples = window.samples
    bounds(samples.offsets, samples.times, window.steps, window.span, low, high)
    before = np.concatenate([[0], np.cumsum(window.histogram_marks)])
    marks: Marks = before[high] > before[low]
    return marks
