"""What all functions of range vectors share: running a kernel, finding windows with histograms.

Called by `over_time.py`, `rates.py` and `extended.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np

from sql.promql.context import Evaluation
from sql.promql.frame import Frame, Marks, Window
from sql.promql.kernels import windows
from sql.promql.model import Floats, Samples, Times
from sql.promql.tree import Call

# Fills out and present for these series and steps.
Kernel = Callable[[Samples, Times, Floats, Marks], None]


# Steps of a kernel's innermost loop per block: a few hundred milliseconds at most.
_BLOCK = 20_000_000
# Below this a second thread costs more than it brings.
_PARALLEL = 2_000_000


def applied(
    ev: Evaluation, window: Window, samples: Samples, run: Kernel, *, steady: bool = True
) -> Frame:
    """A frame filled by a kernel, some series at a time, its rows nameless.

    Between blocks the evaluation may be ended; large ones run on several threads. With `steady`
    the result depends on nothing but the windows, so that `@` needs to be evaluated once.
    """
    if steady and len(window.steps) > 1 and window.steps[0] == window.steps[-1]:
        once = replace(window, steps=window.steps[:1], times=window.times[:1])
        return repeated(applied(ev, once, samples, run), len(window.steps))
    out = np.zeros(window.shape)
    present = np.zeros(window.shape, np.bool_)
    work = _work(window, samples)
    total = int(work[-1]) if len(work) else 0
    threads = min(4, os.cpu_count() or 1) if total > _PARALLEL else 1

    def fill(first: int, last: int) -> None:
        ev.check()
        part = replace(samples, offsets=samples.offsets[first : last + 1])
        run(part, window.steps, out[first:last], present[first:last])

    if threads == 1 and total <= _BLOCK:
        fill(0, samples.count)
        return Frame.of(window.labels, out, present, nameless=True)
    pairs = list(pairwise(_bounds(work, min(_BLOCK, total // threads + 1))))
    if threads == 1:
        for first, last in pairs:
            fill(first, last)
    else:
        with ThreadPoolExecutor(threads) as pool:
            for task in [pool.submit(fill, first, last) for first, last in pairs]:
                task.result()
    return Frame.of(window.labels, out, present, nameless=True)


def _bounds(work: Times, block: int) -> list[int]:
    """Places between series, so that about a block's work lies between two."""
    total = int(work[-1])
    ends = np.searchsorted(work, np.arange(block, total + block, block), "left") + 1
    found: list[int] = np.unique(np.append(np.minimum(ends, len(work)), 0)).tolist()
    return found


def repeated(frame: Frame, columns: int) -> Frame:
    """A frame of one step as one of many."""
    return replace(
        frame,
        values=np.repeat(frame.values, columns, axis=1),
        present=np.repeat(frame.present, columns, axis=1),
    )


def _work(window: Window, samples: Samples) -> Times:
    """Up to each series, about how many samples its windows look at in all."""
    counts = np.diff(samples.offsets)
    steps = window.steps
    covered = int(steps[-1] - steps[0]) + window.span if len(steps) else 1
    share = min(1.0, window.span / max(covered, 1))
    found: Times = np.cumsum((counts * (1 + share * len(steps))).astype(np.int64) + len(steps))
    return found


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
    windows.bounds(samples.offsets, samples.times, window.steps, window.span, low, high)
    before = np.concatenate([[0], np.cumsum(window.histogram_marks)])
    marks: Marks = before[high] > before[low]
    return marks
