"""Flush: frozen memtables become files, and the rows they shadow in older files are marked dead.

Called by `engine.regions` (on request) and `engine.jobs` (in the background). Nothing is visible
before the edit that publishes everything at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from time import perf_counter

import numpy as np
import pyarrow as pa

from engine.clock import Clock
from engine.compaction import windows
from engine.completion import complete
from engine.datatypes import UNITS_PER_SECOND
from engine.memtable.memtable import Memtable
from engine.memtable.view import Chunk, Shape, View
from engine.observe import EngineCounters
from engine.options import EngineOptions
from engine.region import Region
from engine.shadow import Keys, Newer, Rows, shadowed
from engine.sst.encoding import choose, sample_positions
from engine.sst.file import FileMeta, sst_path
from engine.sst.fingerprints import FingerprintCache
from engine.sst.gather import SortedRows
from engine.sst.vectors import VectorCache
from engine.sst.writer import SstWriter
from engine.store.local import translated
from engine.store.store import ObjectStore
from engine.ttl import oldest_alive
from engine.version import Edit, Version


@dataclass(frozen=True, slots=True)
class FlushTools:
    """What a flush works with; the same for all regions."""

    store: ObjectStore
    vectors: VectorCache
    clock: Clock
    options: EngineOptions
    counters: EngineCounters = field(default_factory=EngineCounters)
    fingerprints: FingerprintCache = field(default_factory=lambda: FingerprintCache(64 << 20))


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
    for memtable in region.freeze() if which is Which.ALL else region.full():
        started = perf_counter()
        edit = _edit(region, memtable, tools)
        region.publish(edit, memtable)
        freed(memtable.bytes)
        tools.counters.flushed(
            perf_counter() - started,
            rows=sum(file.rows for file in edit.added),
            files=len(edit.added),
            written=sum(file.bytes for file in edit.added),
        )
    region.health = None


def _edit(region: Region, memtable: Memtable, tools: FlushTools) -> Edit:
    """Writes the files of a flush; they mean nothing until the edit is published."""
    version = region.version
    shape = Shape.of(version.schema, version.options)
    first_id = region.take_file_id()
    arrived = memtable.arrived()
    if arrived is None:
        view = memtable.view()
        newer: Newer = Keys(view.keys(shape), shape)
        parts = [part.rows for part in _whole(view, version, shape, tools)]
    else:
        newer = Keys((), shape)
        parts = arrived
    added: tuple[FileMeta, ...] = ()
    inferred = None
    pieces: list[SortedRows] = []
    if parts:
        # Sorting drops what was replaced, which costs less than a view.
        unique = arrived is not None and not shape.append_mode
        rows = SortedRows.of(pa.Table.from_batches(parts), shape.schema, unique=unique)
        if unique:
            newer = Rows(rows, version, tools.fingerprints, tools.store)
        # What is expired is not stored, but it replaces older rows, should they ever show again.
        now_ms = tools.clock.now_ms()
        alive = _alive(rows, oldest_alive(version.schema, version.options, now_ms))
        pieces, inferred = _pieces(alive, version) if len(alive.order) else ([], None)
        ids = [first_id, *(region.take_file_id() for _ in pieces[1:])][: len(pieces)]
        work = zip(ids, pieces, strict=True)
        added = tuple(_write_file(region, id_, piece, memtable, tools) for id_, piece in work)
    vectors, removed = shadowed(region.id, version, newer, first_id, tools.store, tools.vectors)
    if isinstance(newer, Rows):
        newer.remember(added, pieces)
    return Edit(added, removed, vectors, memtable.last_sequence, window_ms=inferred)


def _whole(view: View, version: Version, shape: Shape, tools: FlushTools) -> tuple[Chunk, ...]:
    """The rows of a view, partial ones completed from files."""
    if shape.partial and view.puts:
        return complete(view, version, shape, tools.store, tools.vectors)
    return view.puts


def _alive(rows: SortedRows, oldest: int | None) -> SortedRows:
    """The rows that are not expired."""
    if oldest is None or int(rows.times.min()) >= oldest:
        return rows
    return rows.part(np.flatnonzero(rows.times >= oldest))


def _pieces(rows: SortedRows, version: Version) -> tuple[list[SortedRows], int | None]:
    """The rows of each file, and the compaction window if it was inferred just now.

    A file stays in one window, so that compaction and the time to live find whole files.
    """
    units = UNITS_PER_SECOND[version.schema.time_type.unit]
    inferred = None
    window_ms = windows.chosen(version.options, version.window_ms)
    if window_ms is None:
        inferred = windows.infer(rows.times, units)
        window_ms = windows.chosen(version.options, inferred)
        assert window_ms is not None
    split = windows.split(rows.times, windows.ticks(window_ms, units))
    return [rows.part(places) for places in split] if len(split) > 1 else [rows], inferred


def _write_file(
    region: Region, file_id: int, rows: SortedRows, memtable: Memtable, tools: FlushTools
) -> FileMeta:
    path = sst_path(region.id, file_id)
    size = region.version.options.row_group_rows or tools.options.row_group_rows
    count = len(rows.order)
    sample = rows.rows(sample_positions(count), rows.keys.keys())
    encodings = choose(sample, rows.schema, size, settled=False)
    with tools.store.create(path) as temporary, translated(f"write {path}"):
        with SstWriter(temporary, rows.schema, size, encodings) as writer:
            for start in range(0, count, size):
                writer.add(rows.rows(slice(start, start + size), encodings.dictionary))
        written = writer.written()
    return FileMeta(
        id=file_id,
        path=path,
        rows=written.rows,
        bytes=written.bytes,
        time_min=written.time_min,
        time_max=written.time_max,
        first_sequence=memtable.first_sequence,
        last_sequence=memtable.last_sequence,
        created_ms=tools.clock.now_ms(),
        key_min=written.key_min,
        key_max=written.key_max,
        schema_version=rows.schema.version,
        row_groups=written.row_groups,
    )
