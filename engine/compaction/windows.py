"""Compaction windows: the stretches of time whose files are merged with each other.

Called by flush (one file for each window) and by the picker. Pure: it reads no file and no clock.
A file belongs to the window of its last row. Times are int64 in the unit of the time index.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.schema import RegionOptions

HOUR_MS = 3_600_000
# What the engine chooses from; an option may name any other length.
WINDOWS_MS = (HOUR_MS, 2 * HOUR_MS, 12 * HOUR_MS, 24 * HOUR_MS, 168 * HOUR_MS)
# Neighbouring windows with fewer rows share a file: a file costs two syncs and a footer, and a
# thousand rows spread over ten years must not become five hundred files.
SPARSE_ROWS = 10_000
# Rows that are looked at to infer a window.
_SAMPLE_ROWS = 10_000
# The share of rows at either end that may be stray (a clock at 1970) without widening the window.
_STRAY_SHARE = 0.01
# An inferred window becomes longer when so many windows hold less than that on average.
_WIDEN_WINDOWS = 8
_WIDEN_BYTES = 2 << 20

Times = npt.NDArray[np.int64]


def chosen(options: RegionOptions, inferred_ms: int | None) -> int | None:
    """The window of a region in milliseconds: the option, else what was inferred, else None.

    An inferred one is at most a quarter of the time to live, so that files can be dropped whole.
    """
    if options.window_ms or inferred_ms is None or not options.ttl_ms:
        return options.window_ms or inferred_ms
    short = [window for window in WINDOWS_MS if window <= options.ttl_ms // 4]
    return min(inferred_ms, max(short, default=WINDOWS_MS[0]))


def infer(times: Times, units_per_second: int) -> int:
    """A window in milliseconds for a region whose first rows have these times (in any order).

    The shortest of `WINDOWS_MS` that covers nearly all of them. Requires: at least one time.
    """
    step = max(1, len(times) // _SAMPLE_ROWS)
    sample = np.sort(times[::step])
    stray = int(len(sample) * _STRAY_SHARE)
    span = int(sample[len(sample) - 1 - stray]) - int(sample[stray])
    span_ms = span * 1000 // units_per_second
    return next((window for window in WINDOWS_MS if window >= span_ms), WINDOWS_MS[-1])


def ticks(window_ms: int, units_per_second: int) -> int:
    """A window in the unit of the time index, at least one tick."""
    return max(1, window_ms * units_per_second // 1000)


def split(times: Times, window: int, sparse_rows: int = SPARSE_ROWS) -> list[Times]:
    """The positions of the rows of each file to be written, ascending, in order of time.

    `window` is in the unit of the times. A window with at least `sparse_rows` rows is alone in its
    file; runs of neighbouring windows with fewer share files of about that many rows. With
    `sparse_rows` 1 every window is alone. Requires: at least one time.
    """
    first, last = int(times.min()) // window, int(times.max()) // window
    if first == last:
        return [np.arange(len(times))]
    numbers, inverse, counts = np.unique(times // window, return_inverse=True, return_counts=True)
    pieces = np.array(join(counts.tolist(), sparse_rows), np.int64)
    piece = pieces[inverse]
    order = np.argsort(piece, kind="stable")
    bounds = np.cumsum(np.bincount(piece, minlength=int(pieces[-1]) + 1))[:-1]
    assert len(numbers) == len(pieces)
    return np.split(order, bounds)


def join(counts: Sequence[int], sparse_rows: int) -> list[int]:
    """For each window, by its number of rows in order of time, the number of its file, from 0."""
    pieces: list[int] = []
    piece, filled = -1, sparse_rows
    for count in counts:
        if filled >= sparse_rows or count >= sparse_rows:
            piece, filled = piece + 1, 0
        filled += count
        pieces.append(piece)
    return pieces


def wider(window_ms: int, times_max: Sequence[int], total_bytes: int, window: int) -> int | None:
    """A longer window than the inferred one, when files would stay many and tiny; else None.

    `times_max` are the last times of the files, `window` is `window_ms` in their unit.
    """
    longer = next((length for length in WINDOWS_MS if length > window_ms), None)
    used = len({time // window for time in times_max})
    if longer is None or used < _WIDEN_WINDOWS or total_bytes > used * _WIDEN_BYTES:
        return None
    return longer
