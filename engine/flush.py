"""Flush: frozen memtables become files, and the rows they shadow in older files are marked dead.

Called by `engine.regions` (on request) and `engine.jobs` (in the background). Nothing is visible
before the edit that publishes everything at once. When several memtables wait, the files of the
next one are written while those of the one before are published: flushing then takes two cores.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from enum import Enum
from time import perf_counter

from engine.flush_files import Flushed, FlushTools, is_independent, write_files
from engine.memtable.memtable import Memtable
from engine.region import Region
from engine.shadow import Rows, shadowed
from engine.version import Edit

# Memtables that are sorted and written at once. Each needs about its own memory again.
_AT_ONCE = 2


class Which(Enum):
    """The memtables to flush."""

    ALL = "all"
    # Only the frozen ones, or else the active one. With both, each flush in the background would
    # end with a small file of what came in the meantime.
    FULL = "full"


def flush(
    region: Region, tools: FlushTools, freed: Callable[[int], None], which: Which = Which.ALL
) -> None:
    """Moves what is in memory to files; `freed` is told of the bytes that leave memory.

    Raises: DbError, and what is not flushed then stays in memory and in the log.
    """
    with region.maintenance:
        try:
            flush_held(region, tools, freed, which)
        except BaseException:
            tools.counters.flush_failed()
            raise


def flush_held(
    region: Region, tools: FlushTools, freed: Callable[[int], None], which: Which = Which.ALL
) -> None:
    """As `flush`. Requires: maintenance is held."""
    if region.is_dropped:
        return
    memtables = region.freeze() if which is Which.ALL else region.full()
    while memtables:
        several = is_independent(region.version)
        now = memtables if several else memtables[:1]
        _flush_in_order(region, now, tools, freed)
        memtables = memtables[len(now) :]
    region.health = None


def _flush_in_order(
    region: Region,
    memtables: Sequence[Memtable],
    tools: FlushTools,
    freed: Callable[[int], None],
) -> None:
    """Oldest first, each with an edit of its own. Requires: several only if independent."""
    waiting = deque(memtables)
    ahead: deque[tuple[Memtable, Future[Flushed]]] = deque()
    with ThreadPoolExecutor(_AT_ONCE, "flush") as pool:
        try:
            while waiting or ahead:
                while waiting and len(ahead) < _AT_ONCE:
                    memtable = waiting.popleft()
                    ahead.append((memtable, pool.submit(write_files, region, memtable, tools)))
                started = perf_counter()
                memtable, files = ahead.popleft()
                edit = _edit(region, memtable, files.result(), tools)
                region.publish(edit, memtable)
                freed(memtable.bytes)
                _count(edit, perf_counter() - started, tools)
        except BaseException:
            for _, files in ahead:
                _discard(files, tools)
            raise


def _edit(region: Region, memtable: Memtable, made: Flushed, tools: FlushTools) -> Edit:
    """What publishes the files, and marks dead what they shadow."""
    vectors, removed = shadowed(
        region.id, region.version, made.newer, made.first_id, tools.store, tools.vectors
    )
    if isinstance(made.newer, Rows):
        made.newer.remember(made.files, made.pieces)
    last = memtable.last_sequence
    return Edit(made.files, removed, vectors, last, window_ms=made.window_ms)


def _count(edit: Edit, seconds: float, tools: FlushTools) -> None:
    tools.counters.flushed(
        seconds,
        rows=sum(file.rows for file in edit.added),
        files=len(edit.added),
        written=sum(file.bytes for file in edit.added),
    )


def _discard(files: Future[Flushed], tools: FlushTools) -> None:
    """Removes files that were written ahead: on a full disk each attempt would leave some."""
    with suppress(Exception):  # the failure before it is told; what stays is an orphan
        for file in files.result().files:
            tools.store.delete(file.path)
            if file.index is not None:
                tools.store.delete(file.index.path)


__all__ = ["FlushTools", "Which", "flush", "flush_held"]
