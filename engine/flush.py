"""Flush: frozen memtables become files, and the rows they shadow in older files are marked dead.

Called by `engine.regions` (on request) and `engine.jobs` (in the background). Nothing is visible
before the edit that publishes everything at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import pyarrow as pa

from engine.clock import Clock
from engine.compaction import windows
from engine.completion import complete
from engine.datatypes import UNITS_PER_SECOND
from engine.memtable.keys import KeySet
from engine.memtable.memtable import Memtable
from engine.memtable.view import Chunk, Shape, chunk, keys_within
from engine.observe import EngineCounters
from engine.options import EngineOptions
from engine.region import Region
from engine.sst import deletion, lookup
from engine.sst.encoding import choose, sample_positions
from engine.sst.file import DeletionVector, FileMeta, deletion_path, sst_path
from engine.sst.gather import SortedRows
from engine.sst.vectors import VectorCache
from engine.sst.writer import SstWriter
from engine.store.local import translated
from engine.store.store import ObjectStore, reading
from engine.version import Edit, Version


@dataclass(frozen=True, slots=True)
class FlushTools:
    """What a flush works with; the same for all regions."""

    store: ObjectStore
    vectors: VectorCache
    clock: Clock
    options: EngineOptions
    counters: EngineCounters = field(default_factory=EngineCounters)


def flush(region: Region, tools: FlushTools, freed: Callable[[int], None]) -> None:
    """Moves everything in memory to files; `freed` is told of the bytes that leave memory.

    Raises: DbError, and what is not flushed then stays in memory and in the log.
    """
    with region.maintenance:
        flush_held(region, tools, freed)


def flush_held(region: Region, tools: FlushTools, freed: Callable[[int], None]) -> None:
    """As `flush`. Requires: maintenance is held."""
    if region.is_dropped:
        return
    for memtable in region.freeze():
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
    parts, keys, is_unique = _live_rows(memtable, version, shape, tools)
    first_id = region.take_file_id()
    added: tuple[FileMeta, ...] = ()
    inferred = None
    if parts:
        table = pa.Table.from_batches(parts)
        rows = SortedRows.of(table, shape.schema, unique=not is_unique)
        del table, parts
        pieces, inferred = _pieces(rows, version)
        ids = [first_id, *(region.take_file_id() for _ in pieces[1:])]
        work = zip(ids, pieces, strict=True)
        added = tuple(_write_file(region, id_, piece, memtable, tools) for id_, piece in work)
    vectors, removed = _shadowed(region.id, version, keys, shape, first_id, tools)
    return Edit(added, removed, vectors, memtable.last_sequence, window_ms=inferred)


def _live_rows(
    memtable: Memtable, version: Version, shape: Shape, tools: FlushTools
) -> tuple[Sequence[pa.RecordBatch], tuple[Chunk, ...], bool]:
    """The rows to be written, the identities that shadow older rows, and whether rows are unique.

    Rows that are not unique are in order of arrival; sorting then drops what was replaced, which
    costs less than a view.
    """
    arrived = memtable.arrived()
    if arrived is not None:
        keys = () if shape.append_mode else tuple(chunk(part, shape) for part in arrived)
        return arrived, keys, shape.append_mode
    view = memtable.view()
    puts = view.puts
    if shape.partial and puts:
        puts = complete(view, version, shape, tools.store, tools.vectors)
    return [part.rows for part in puts], view.keys(shape), True


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


def _shadowed(
    region_id: int,
    version: Version,
    keys: tuple[Chunk, ...],
    shape: Shape,
    file_id: int,
    tools: FlushTools,
) -> tuple[dict[int, DeletionVector], tuple[int, ...]]:
    """New deletion vectors of older files, and the files of which no row is left."""
    vectors: dict[int, DeletionVector] = {}
    removed = []
    for file in version.files:
        near = keys_within(keys, shape, file.time_min, file.time_max)
        if not near:
            continue
        key_set = KeySet(pa.Table.from_batches(near), shape.identity)
        schema = version.schema_of(file.schema_version)
        with reading(tools.store, file.path) as name:
            found = lookup.positions(name, key_set, shape.identity, schema, shape.schema)
        old = tools.vectors.positions(file)
        dead = np.union1d(old, found)
        if len(dead) == file.rows:
            removed.append(file.id)
        elif len(dead) > len(old):
            path = deletion_path(region_id, file.id, file_id)
            tools.store.put(path, deletion.encode(dead))
            vectors[file.id] = DeletionVector(path, len(dead))
    return vectors, tuple(removed)
