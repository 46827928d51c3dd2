"""Flush: frozen memtables become files, and the rows they shadow in older files are marked dead.

Called by `engine.regions` (on request) and `engine.jobs` (in the background). Nothing is visible
before the edit that publishes everything at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import pyarrow as pa

from engine.clock import Clock
from engine.completion import complete
from engine.memtable.keys import KeySet
from engine.memtable.memtable import Memtable
from engine.memtable.order import sort_order
from engine.memtable.view import Chunk, Shape, keys_within
from engine.observe import EngineCounters
from engine.options import EngineOptions
from engine.region import Region
from engine.sst import deletion, lookup
from engine.sst.file import DeletionVector, FileMeta, deletion_path, sst_path
from engine.sst.vectors import VectorCache
from engine.sst.writer import write
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
    view = memtable.view()
    file_id = region.take_file_id()
    added: tuple[FileMeta, ...] = ()
    if view.puts:
        puts = view.puts
        if shape.partial:
            puts = complete(view, version, shape, tools.store, tools.vectors)
        rows = _sorted(puts, shape)
        added = (_write_file(region.id, file_id, rows, memtable, shape, tools),)
    vectors, removed = _shadowed(region.id, version, view.keys(shape), shape, file_id, tools)
    return Edit(added, removed, vectors, memtable.last_sequence)


def _sorted(parts: tuple[Chunk, ...], shape: Shape) -> pa.Table:
    """All rows in the order of an SST."""
    rows = pa.Table.from_batches([part.rows for part in parts])
    return rows.take(pa.array(sort_order(rows, shape.schema.sort_key)))


def _write_file(
    region_id: int,
    file_id: int,
    rows: pa.Table,
    memtable: Memtable,
    shape: Shape,
    tools: FlushTools,
) -> FileMeta:
    path = sst_path(region_id, file_id)
    with tools.store.create(path) as temporary, translated(f"write {path}"):
        written = write(rows, shape.schema, temporary, tools.options.row_group_rows)
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
        schema_version=shape.schema.version,
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
