"""What compaction should do next. Pure: a version, the time and the options in, a task out.

Files are clean: no two live rows of all files share an identity, because every flush marks the
rows it replaces as dead. So any set of files may be merged in any order, and neither the order of
sequences nor neighbourhood matters, as it would in an engine whose newer files shadow older ones.
What is chosen is a matter of cost only:

  * Runs of a window are merged when several (`trigger_files`) of about one size have gathered; a
    row is then rewritten about log(window bytes / flush bytes) times, to the base of the trigger.
  * A window that has been left alone for a while becomes one run, if that is worth it.
  * Files whose rows are all expired are dropped. Those with many dead rows, or whose expired rows
    would stay for long, are rewritten alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.api import ALWAYS, TimeRange
from engine.compaction import windows
from engine.compaction.task import Drop, Merge, Run, Task, Widen, row_bytes, runs
from engine.datatypes import UNITS_PER_SECOND
from engine.options import EngineOptions
from engine.sst.file import FileMeta
from engine.ttl import oldest_alive
from engine.version import Version

# Runs below this are of one size: opening them costs more than reading them.
SMALL_BYTES = 1 << 20
# More inputs than this at once cost more in bookkeeping than a second pass.
RUNS_MAX = 64
# A settled window becomes one run when what would join the largest run is this share of it all.
SETTLED_SHARE = 0.05
NEWEST_SHARE = 0.25
# A file is rewritten alone when it has so many dead rows, and they are this share of it.
DEAD_ROWS_MIN = 1024
DEAD_SHARE = 0.25
DEAD_SHARE_SETTLED = 0.05
# Or when that share is expired, and the rest will live for so long (as a share of the ttl).
EXPIRED_SHARE = 0.5
EXPIRED_REST = 0.25


@dataclass(frozen=True)
class _Picker:
    """One decision on its way."""

    version: Version
    now_ms: int
    options: EngineOptions
    window: int  # in the unit of the time index
    sparse_rows: int = windows.SPARSE_ROWS

    def merge(self, chosen: Sequence[Run], reason: str, *, settled: bool = True) -> Merge:
        """The smallest of the runs that fit into memory together; at least two, if there are."""
        row = row_bytes(self.version.schema)
        default = self.version.options.row_group_rows or self.options.row_group_rows
        ordered = sorted(chosen, key=lambda run: run.bytes)
        used, count = 0, 0
        for run in ordered[:RUNS_MAX]:
            used += run.group_rows(default) * row
            if count >= 2 and used > self.options.compaction_memory_bytes:
                break
            count += 1
        return Merge(tuple(ordered[:count]), self.window, self.sparse_rows, reason, settled)

    def tiered(self, group: Sequence[Run]) -> Merge | None:
        """Runs of about one size, once there are enough of them.

        From the smallest on, a run belongs to them if it is at most twice as large as those before
        it are on average, or much smaller than all of them together.
        """
        alike: list[Run] = []
        total = 0
        for run in sorted(group, key=lambda run: run.bytes):
            alike_bytes = max(SMALL_BYTES, 2 * total // max(1, len(alike)), total // 3)
            if alike and run.bytes > alike_bytes:
                break
            if total + run.bytes > self.options.compaction_bytes_max:
                break
            alike.append(run)
            total += run.bytes
        enough = max(2, self.version.options.trigger_files)
        if len(alike) < enough:
            return None
        return self.merge(alike, "several files of one size", settled=False)

    def settled(self, group: Sequence[Run], *, newest: bool) -> Merge | None:
        """All runs of a window of which no file is new."""
        if any(self._is_recent(run.created_ms) for run in group):
            return None
        total = sum(run.bytes for run in group)
        rest = total - max(run.bytes for run in group)
        share = NEWEST_SHARE if newest else SETTLED_SHARE
        if len(group) < 2 or rest < share * total or total > self.options.compaction_bytes_max:
            return None
        return self.merge(group, "a settled window")

    def fold(self, group: Sequence[Run], oldest: int | None) -> Merge | None:
        """One file with many rows that are dead or expired."""
        for run in group:
            least = DEAD_SHARE if self._is_recent(run.created_ms) else DEAD_SHARE_SETTLED
            for file in run.files:
                dead = file.rows - file.live_rows
                if dead >= max(DEAD_ROWS_MIN, least * file.rows):
                    return self.merge([Run((file,))], "many dead rows")
                if oldest is not None and self._expires(file, oldest):
                    return self.merge([Run((file,))], "many expired rows")
        return None

    def _is_recent(self, moment_ms: int) -> bool:
        return moment_ms > self.now_ms - self.options.compaction_settle_seconds * 1000

    def _expires(self, file: FileMeta, oldest: int) -> bool:
        """True if much of a file is expired and the rest keeps it from being dropped for long."""
        ttl_ms = self.version.options.ttl_ms or 0
        ttl = ttl_ms * UNITS_PER_SECOND[self.version.schema.time_type.unit] // 1000
        share = (oldest - file.time_min) / (file.time_max - file.time_min + 1)
        return share >= EXPIRED_SHARE and file.time_max - oldest > EXPIRED_REST * ttl


def pick(version: Version, now_ms: int, options: EngineOptions) -> Task | None:
    """The next task in the background, None if all is well."""
    oldest = oldest_alive(version.schema, version.options, now_ms)
    if expired := _expired(version.files, oldest):
        return Drop(expired)
    if not version.files:
        return None
    window_ms = windows.chosen(version.options, version.window_ms)
    if window_ms is None:
        return Widen(infer(version))
    picker = _Picker(version, now_ms, options, _ticks(version, window_ms))
    if (longer := _wider(version, window_ms, picker.window)) is not None:
        return Widen(longer)
    groups = by_window(version.files, picker.window)
    for group in groups:
        if task := picker.tiered(group):
            return task
    for number, group in enumerate(groups):
        if task := picker.settled(group, newest=number == 0) or picker.fold(group, oldest):
            return task
    return None


@dataclass(frozen=True, slots=True)
class Demand:
    """What someone asked to be compacted now, whether or not it is worth it.

    Only what was there at the start: files with sequences up to `sequence`, for dead rows those
    with ids below `file_id`. `window_ms` None is the region's own; `strict`: every file is to hold
    rows of one window only. `time_range`: files without rows in it are left alone.
    """

    sequence: int
    file_id: int
    window_ms: int | None = None
    strict: bool = False
    time_range: TimeRange = ALWAYS


def pick_demanded(
    version: Version, now_ms: int, options: EngineOptions, demand: Demand
) -> Task | None:
    """The next task of a demand, None when it is met."""
    oldest = oldest_alive(version.schema, version.options, now_ms)
    files = [f for f in version.files if f.last_sequence <= demand.sequence]
    files = [f for f in files if f.overlaps(demand.time_range)]
    if expired := _expired(files, oldest):
        return Drop(expired)
    if not files:
        return None
    window_ms = demand.window_ms or windows.chosen(version.options, version.window_ms)
    if window_ms is None:
        return Widen(infer(version))
    window = _ticks(version, window_ms)
    sparse_rows = 1 if demand.strict else windows.SPARSE_ROWS
    picker = _Picker(version, now_ms, options, window, sparse_rows)
    if demand.strict:
        for run in runs(files):
            if any(file.time_min // window != file.time_max // window for file in run.files):
                return picker.merge([run], "files across windows")
    for group in by_window(files, window):
        if len(group) > 1:
            return picker.merge(group, "asked for")
    for file in files:
        is_old = file.id < demand.file_id
        if is_old and (file.deletion or (oldest is not None and file.time_min < oldest)):
            return picker.merge([Run((file,))], "asked for")
    return None


def by_window(files: Sequence[FileMeta], window: int) -> list[list[Run]]:
    """The runs of each window, newest window first."""
    groups: dict[int, list[Run]] = {}
    for run in runs(files):
        groups.setdefault(run.time_max // window, []).append(run)
    return [groups[number] for number in sorted(groups, reverse=True)]


def infer(version: Version) -> int:
    """A window for files that were written before one was known. Requires: there are files."""
    largest = max(version.files, key=lambda file: file.rows)
    span = np.array([largest.time_min, largest.time_max], np.int64)
    return windows.infer(span, UNITS_PER_SECOND[version.schema.time_type.unit])


def _wider(version: Version, window_ms: int, window: int) -> int | None:
    inferred = version.window_ms
    if version.options.window_ms is not None or inferred != window_ms:
        return None
    times = [file.time_max for file in version.files]
    longer = windows.wider(window_ms, times, sum(f.bytes for f in version.files), window)
    if longer is None or windows.chosen(version.options, longer) != longer:
        return None
    return longer


def _ticks(version: Version, window_ms: int) -> int:
    return windows.ticks(window_ms, UNITS_PER_SECOND[version.schema.time_type.unit])


def _expired(files: Sequence[FileMeta], oldest: int | None) -> tuple[FileMeta, ...]:
    return () if oldest is None else tuple(file for file in files if file.time_max < oldest)
