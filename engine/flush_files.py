"""The files of one memtable, written while older memtables may still be on their way.

Called by `engine.flush`, which decides when they count. With whole rows nothing here depends on
what other flushes do.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from engine.clock import Clock
from engine.compaction import windows
from engine.completion import complete
from engine.datatypes import UNITS_PER_SECOND
from engine.fulltext.build import build, wanted_columns
from engine.memtable.memtable import Memtable
from engine.memtable.view import Chunk, Shape, View
from engine.observe import EngineCounters
from engine.options import EngineOptions
from engine.region import Region
from engine.shadow import Keys, Newer, Rows
from engine.sst.encoding import choose, sample_positions
from engine.sst.file import FileMeta, index_path, sst_path
from engine.sst.fingerprints import FingerprintCache
from engine.sst.gather import SortedRows
from engine.sst.vectors import VectorCache
from engine.sst.writer import SstWriter
from engine.store.local import translated
from engine.store.store import ObjectStore
from engine.ttl import oldest_alive
from engine.version import Version


@dataclass(frozen=True, slots=True)
class FlushTools:
    """What a flush works with; the same for all regions."""

    store: ObjectStore
    vectors: VectorCache
    clock: Clock
    options: EngineOptions
    counters: EngineCounters = field(default_factory=EngineCounters)
    fingerprints: FingerprintCache = field(default_factory=lambda: FingerprintCache(64 << 20))


@dataclass(frozen=True, slots=True)
class Flushed:
    """Files that nothing names yet, and what else a memtable changes.

    `pieces` are the rows of each file. `window_ms` is the compaction window if it was inferred just
    now. `first_id` is a file number of its own, even without files.
    """

    files: tuple[FileMeta, ...]
    pieces: list[SortedRows]
    newer: Newer
    window_ms: int | None
    first_id: int


def is_independent(version: Version) -> bool:
    """True if the files of a memtable can be written before those of an older one are published.

    Partial rows are completed from published files, and the first flush chooses the window.
    """
    is_partial = Shape.of(version.schema, version.options).partial
    return not is_partial and windows.chosen(version.options, version.window_ms) is not None


def write_files(region: Region, memtable: Memtable, tools: FlushTools) -> Flushed:
    """Writes the rows of a frozen memtable. Raises: DbError."""
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
    if not parts:
        return Flushed((), [], newer, None, first_id)
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
    files = tuple(_write_file(region, id_, piece, memtable, tools) for id_, piece in work)
    return Flushed(files, pieces, newer, inferred, first_id)


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
    indexed = region.version.options.indexed
    encodings = choose(sample, rows.schema, size, settled=False, indexed=indexed)
    texts = wanted_columns(region.version.options, rows.schema)
    with tools.store.create(path) as temporary, translated(f"write {path}"):
        with SstWriter(temporary, rows.schema, size, encodings, paged=bool(texts)) as writer:
            for start in range(0, count, size):
                writer.add(rows.rows(slice(start, start + size), encodings.dictionary))
        written = writer.written()
    file = FileMeta(
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
    index = build(tools.store, index_path(region.id, file_id), file, rows.schema, texts)
    return replace(file, index=index)
