"""What the start times of counters tell: resets that values do not show, and first increases.

Sources may know when the counter behind a sample began (created timestamps, OTLP start times).
`rates.py`, `over_time.py` and `histogram_windows.py` use it; without start times nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sql.promql.context import Evaluation
from sql.promql.frame import Marks, Window
from sql.promql.histogram import Hint
from sql.promql.model import Samples, Times
from sql.promql.tree import Node


@dataclass(frozen=True)
class Starts:
    """Per sample: whether the counter began anew since the sample before, and when it began.

    Attributes:
        resets: a new counter, though its value may not be lower.
        times: 0 where unknown. A start at or after the sample itself says nothing.
        overlaps: a start before the previous sample but after that one's own start.
    """

    resets: Marks
    times: Times
    overlaps: Marks


NOTHING = Starts(np.zeros(0, np.bool_), np.zeros(0, np.int64), np.zeros(0, np.bool_))


def of_samples(samples: Samples) -> Starts:
    """What the samples' start times tell; NOTHING without any."""
    if samples.starts is None or not samples.starts.any():
        return NOTHING
    usable = (samples.starts != 0) & (samples.starts < samples.times)
    times = np.where(usable, samples.starts, 0)
    before, after = slice(None, -1), slice(1, None)
    inside = np.ones(len(times), np.bool_)
    inside[samples.offsets[:-1][samples.offsets[:-1] < len(times)]] = False
    resets, overlaps = (np.zeros(len(times), np.bool_) for _ in range(2))
    known = usable[after] & inside[after]
    # A start at the very time of the sample before is a reset only if that one's start is known:
    # else it is how a sender says that it does not know when the counter began.
    later = times[after] > samples.times[before]
    at_once = (times[after] == samples.times[before]) & usable[before]
    resets[after] = known & (later | at_once)
    differs = (times[after] != times[before]) & usable[before]
    overlaps[after] = known & ~resets[after] & differs
    return Starts(resets, times, overlaps)


def warn_of_overlaps(ev: Evaluation, node: Node, window: Window) -> None:
    """Says so where start times contradict the samples before them."""
    places = np.flatnonzero(of_samples(window.samples).overlaps)
    if not len(places):
        return
    rows = np.unique(np.searchsorted(window.samples.offsets, places, "right") - 1)
    for name in sorted(set(window.labels.column("__name__").take(rows).strings())):
        ev.notes.warn(
            "sample has start time that overlaps with previous sample timestamp "
            f'for metric "{name}"',
            node,
        )


def with_hints(window: Window) -> Window:
    """The window with histograms marked as resets where start times say so."""
    found = of_samples(window.samples).resets
    histograms = window.samples.histograms
    if histograms is None or not found.any():
        return window
    histograms = histograms.copy()
    for place in np.flatnonzero(found).tolist():
        item = histograms[place]
        if item is not None and item.hint is not Hint.GAUGE:
            histograms[place] = item.with_hint(Hint.RESET)
    return replace(window, samples=replace(window.samples, histograms=histograms))
