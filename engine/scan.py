"""Scans: which files and which rows in memory make up a region, as one snapshot.

Called by `engine.regions`. Files are handed to DuckDB by name, but for selective scans, whose few
rows are read here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine import evolve
from engine.api import FileColumn, KeyValue, Op, ScanFacts, ScanFile, ScanRequest, TimeRange
from engine.clock import Clock
from engine.completion import complete
from engine.errors import DbError, ErrorKind
from engine.fulltext.picking import Picker
from engine.fulltext.search import Candidates
from engine.latest import LatestRows
from engine.memtable.memtable import Memtable
from engine.memtable.select import MemoryFilter
from engine.memtable.view import Chunk, Shape, View, during, keys_within, overlapping, stack
from engine.observe import EngineCounters
from engine.options import EngineOptions
from engine.region import Region, RegionState
from engine.replaced import Replaced
from engine.schema import RegionSchema
from engine.scrub import Scrubber
from engine.sst.deletion import Positions
from engine.sst.file import FileMeta
from engine.sst.reader import readable
from engine.sst.series import Effort, SeriesReader, Wanted
from engine.sst.vectors import VectorCache
from engine.sst.whole import WholeSeries, tags_of
from engine.store.store import ObjectStore
from engine.ttl import clamp, oldest_alive
from engine.wal.payload import RegionRows
from engine.write import staged as staged_rows


@dataclass
class RegionSnapshot:
    """Implements `engine.api.Snapshot`."""

    files: tuple[ScanFile, ...]
    memory: pa.Table
    selected: pa.Table | None
    shadow: pa.Table | None
    identity: tuple[str, ...]
    time_range: TimeRange
    facts: ScanFacts
    _region: Region
    _store: ObjectStore
    _pins: frozenset[str] = field(default_factory=frozenset)

    def close(self) -> None:
        """Releases the pins. A second call does nothing."""
        pins, self._pins = self._pins, frozenset()
        if pins:
            self._store.release(pins)
            self._region.unpin(pins)


@dataclass(frozen=True, slots=True)
class ScanTools:
    """What a scan works with; the same for all regions."""

    store: ObjectStore
    vectors: VectorCache
    series: SeriesReader
    clock: Clock
    counters: EngineCounters
    scrubber: Scrubber
    latest: LatestRows
    replaced: Replaced
    memory: MemoryFilter
    picker: Picker


def scan_tools(
    store: ObjectStore,
    vectors: VectorCache,
    clock: Clock,
    options: EngineOptions,
    counters: EngineCounters,
    scrubber: Scrubber,
) -> ScanTools:
    """The tools of an engine, with caches of their own."""
    series = SeriesReader(store, options.series_cache_bytes)
    latest = LatestRows(store, vectors, series, options.latest_cache_bytes)
    replaced, memory = Replaced(series), MemoryFilter()
    picker = Picker(store, options.text_cache_bytes)
    return ScanTools(
        store, vectors, series, clock, counters, scrubber, latest, replaced, memory, picker
    )


def scan(region: Region, request: ScanRequest, tools: ScanTools) -> RegionSnapshot:
    """Pins a snapshot. Raises: DbError REGION_NOT_FOUND, CORRUPTED."""
    staged = staged_rows(request.staged, region.state().shape) if request.staged else ()
    alive = _alive(region, request.time_range, tools.clock)
    if alive != request.time_range:
        request = replace(request, time_range=alive)
    if request.latest:
        found = _pinned(region, TimeRange(), request, tools, lambda scan: scan.newest(staged))
        if found is not None:
            return found
    found = None if staged or request.texts else _kept_series(region, request, tools)
    if found is not None:
        return found
    found = _pinned(region, request.time_range, request, tools, lambda scan: scan.snapshot(staged))
    assert found is not None
    return found


def _kept_series(region: Region, request: ScanRequest, tools: ScanTools) -> RegionSnapshot | None:
    """The rows of one series if no memtable has any for the range and those of files are kept.

    Nothing is pinned, as nothing is read. Raises: DbError REGION_NOT_FOUND, CORRUPTED.
    """
    state = region.state()
    schema, wanted = state.version.schema, request.time_range
    tags = tags_of(schema, request.keys)
    if tags is None or (request.schema or schema).version != schema.version:
        return None
    if any(not m.is_empty and _is_near(m.view(), wanted) for m in state.memtables):
        return None
    files = state.version.overlapping(wanted).files
    tools.scrubber.check(files)
    parts: list[WholeSeries] = []
    for file in files:
        series = tools.series.whole(file, tags, request.columns)
        if series is None or file.schema_version != schema.version:
            return None
        parts.append(series.within(wanted))
    parts = sorted((part for part in parts if len(part.times)), key=lambda part: part.first)
    if any(one.last > other.first for one, other in pairwise(parts)):
        return None
    fields = parts[0].rows.schema if parts else _fields(schema, request.columns)
    found = pa.Table.from_batches([part.rows for part in parts], fields)
    count = len(state.version.files)
    rows = sum(file.rows for file in files)
    tools.counters.scanned(files=len(files), pruned=count - len(files), rows=rows)
    return RegionSnapshot(
        files=(),
        memory=found.slice(0, 0),
        selected=found,
        shadow=None,
        identity=state.shape.identity,
        time_range=wanted,
        facts=ScanFacts(count, count - len(files), served=len(files), exact=True),
        _region=region,
        _store=tools.store,
    )


def _fields(schema: RegionSchema, columns: Sequence[str]) -> pa.Schema:
    return pa.schema([schema.arrow.field(name) for name in columns])


def _is_near(view: View, wanted: TimeRange) -> bool:
    """True if something in memory, rows or what replaces them, may be of the range."""
    return bool(overlapping((*view.puts, *view.deletes), wanted))


def _pinned(
    region: Region,
    wanted: TimeRange,
    request: ScanRequest,
    tools: ScanTools,
    run: Callable[[_Scan], RegionSnapshot | None],
) -> RegionSnapshot | None:
    """Runs a scan over the files of a range of times; they stay pinned if it finds something."""
    state, pins = region.pinned_state(wanted)
    tools.store.hold(pins)  # DuckDB opens files by name while it streams
    found = None
    try:
        found = run(_Scan(region, state, pins, request, tools))
        return found
    finally:
        if found is None:
            tools.store.release(pins)
            region.unpin(pins)


class _Scan:
    """One scan on its way; it lives as long as the call.

    The shape is that of the newer of the region's and the requested schema.
    """

    def __init__(
        self,
        region: Region,
        state: RegionState,
        pins: frozenset[str],
        request: ScanRequest,
        tools: ScanTools,
    ) -> None:
        self.region = region
        self.state = state
        self.pins = pins
        self.request = request
        self.tools = tools
        own = state.version.schema
        self.wanted = request.schema or own
        newer = self.wanted if self.wanted.version > own.version else own
        self.shape = Shape.of(newer, state.version.options)
        self.layouts: dict[int, tuple[FileColumn, ...] | None] = {}
        self.few = Wanted(request.columns, request.keys, request.time_range)
        self.effort = Effort()

    def snapshot(self, staged: Sequence[RegionRows]) -> RegionSnapshot:
        """Files, and the rows that are in memory."""
        shape, request = self.shape, self.request
        view = self._view(staged)
        files = self.state.version.files
        near = len(files)
        if request.keys:
            files = tuple(file for file in files if not self._is_excluded(file))
        self.tools.scrubber.check(files)
        total = sum(file.rows for file in files)
        self.effort.small_files = self.tools.series.affords(total, len(request.columns))
        keys = view.keys(shape)
        shadow = _shadow(keys, files, shape)
        self.tools.store.fetch(replace(self.state.version, files=files).row_paths())
        chosen = self._chosen(files)
        whole: list[ScanFile] = []
        selected: list[pa.Table] = []
        size = 0
        for file in files:
            found = self._file(file, keys if _shadows(shadow, file) else ())
            rows = self._picked(file, found, chosen.get(file.id))
            if rows is None:
                rows = self._selected(file, found)
            if rows is None:
                whole.append(found)
                size += file.bytes
            elif rows.num_rows:
                selected.append(rows)
        count = max(len(self.region.version.files), near)
        self.tools.counters.scanned(files=len(files), pruned=count - len(files), rows=total)
        facts = ScanFacts(count, count - near, near - len(files), len(files) - len(whole), size)
        facts = _with_search(facts, chosen)
        return RegionSnapshot(
            files=tuple(whole),
            memory=self._memory(view),
            selected=pa.concat_tables(selected) if selected else None,
            shadow=pa.Table.from_batches([p.rows for p in shadow]) if shadow else None,
            identity=shape.identity,
            time_range=request.time_range,
            facts=facts,
            _region=self.region,
            _store=self.tools.store,
            _pins=self.pins,
        )

    def newest(self, staged: Sequence[RegionRows]) -> RegionSnapshot | None:
        """The newest row of each series, None if that is not to be had cheaply.

        Requires: the state has all files.
        """
        version, request = self.state.version, self.request
        if self.wanted.version != version.schema.version:
            return None
        self.tools.scrubber.check(version.files)
        oldest = _alive(self.region, TimeRange(), self.tools.clock).start
        view, columns = self._view(staged), request.columns
        with readable(f"the files of region {self.region.id}"):
            found = self.tools.latest.rows(
                self.region.id, version, view, self.shape, columns, oldest
            )
        if found is None:
            return None
        rows, last = found
        end = request.time_range.end
        if end is not None and last >= end - 1:
            return None  # the end is rounded up: there are newer rows than may be wanted
        for key in request.keys:
            column = rows.column(key.column)
            rows = rows.filter(pc.is_in(column, value_set=pa.array(key.values, column.type)))
        if (start := request.time_range.start) is not None:
            times = rows.column(version.schema.time_index).combine_chunks().view(pa.int64())
            rows = rows.filter(pa.array(times.to_numpy() >= start))
        self.tools.counters.scanned(files=0, pruned=len(version.files), rows=0)
        return RegionSnapshot(
            files=(),
            memory=rows.schema.empty_table().select(columns),
            selected=rows.select(columns),
            shadow=None,
            identity=self.shape.identity,
            time_range=request.time_range,
            facts=ScanFacts(len(version.files), served=len(version.files), newest=True),
            _region=self.region,
            _store=self.tools.store,
            _pins=self.pins,
        )

    def _view(self, staged: Sequence[RegionRows]) -> View:
        """Everything in memory, the caller's own rows last, in the scan's shape."""
        own = self.state.version.schema
        views = [m.view() for m in self.state.memtables if not m.is_empty]
        if own.version != self.shape.schema.version:
            views = [_reshaped(view, own, self.shape) for view in views]
        if staged:
            views.append(_overlay([self._conformed(rows) for rows in staged], self.shape).view())
        return stack(views, self.shape) if views else View()

    def _conformed(self, rows: RegionRows) -> tuple[Op, pa.RecordBatch]:
        """Staged rows in the scan's shape."""
        schema, version = self.shape.schema, evolve.stamped(rows.rows)
        batch = rows.rows.replace_schema_metadata(None)
        if version == schema.version:
            return rows.op, batch
        names = self.shape.identity if rows.op is Op.DELETE else tuple(schema.arrow.names)
        return rows.op, _batch(batch, self.state.version.schema_of(version), schema, names)

    def _file(self, file: FileMeta, keys: Sequence[Chunk]) -> ScanFile:
        """A file as it is to be read, less the rows whose identity is among the keys."""
        layout = self._layout(file.schema_version)
        dead = self.tools.vectors.positions(file) if file.deletion else np.empty(0, np.int64)
        shadowed = bool(keys)
        if keys and layout is None and self.wanted.version == self.shape.schema.version:
            more = self._replaced(file, keys)
            if more is not None:
                dead, shadowed = np.union1d(dead, more) if len(dead) else more, False
        path = self.tools.store.local_path(file.path)
        deleted = pa.array(dead) if len(dead) else None
        covered = self.request.time_range.covers(file.time_min, file.time_max)
        return ScanFile(path, file.rows, deleted, shadowed, layout, covered)

    def _replaced(self, file: FileMeta, keys: Sequence[Chunk]) -> Positions | None:
        """Positions of the rows whose identity is among the keys, None if that is dear to find."""
        schema = self.state.version.schema_of(file.schema_version)
        if schema.version != self.shape.schema.version:
            return None
        with readable(file.path):
            return self.tools.replaced.positions(file, schema, keys, self.shape, self.effort)

    def _layout(self, version: int) -> tuple[FileColumn, ...] | None:
        """Where the columns of a file of that schema version are; None if as they are asked for."""
        if version == self.wanted.version == self.shape.schema.version:
            return None
        if version not in self.layouts:
            old = self.state.version.schema_of(version)
            found = evolve.layout(old, self.wanted, self.request.columns)
            rest = [n for n in self.shape.identity if n not in self.request.columns]
            found += evolve.layout(old, self.shape.schema, rest)
            self.layouts[version] = None if evolve.is_plain(found) else found
        return self.layouts[version]

    def _is_excluded(self, file: FileMeta) -> bool:
        """True if the bounds of the file's first key rule all of its rows out."""
        if file.key_min is None or file.key_max is None:
            return False
        old = self.state.version.schema_of(file.schema_version)
        first = old.by_id[old.ids[old.sort_key[0]]]
        for key in self.request.keys:
            column = self.wanted.by_id[self.wanted.ids[key.column]]
            same = self.wanted.ids[key.column] == old.ids[first.name] and column.type == first.type
            if same and not any(_between(v, file.key_min, file.key_max) for v in key.values):
                return True
        return False

    def _selected(self, meta: FileMeta, file: ScanFile) -> pa.Table | None:
        """The wanted rows of a file, None if it is better read whole."""
        if file.shadowed or file.layout:
            return None
        schema = self.state.version.schema_of(meta.schema_version)
        dead = np.empty(0, np.int64) if file.deleted is None else file.deleted.to_numpy()
        stored = self.tools.vectors.positions(meta)
        try:
            return self.tools.series.rows(meta, schema, self.few, dead, stored, self.effort)
        except (OSError, pa.ArrowException) as error:
            message = f"cannot read {file.path}: {error}"
            raise DbError(ErrorKind.CORRUPTED, message) from error

    def _chosen(self, files: Sequence[FileMeta]) -> dict[int, Candidates]:
        """The files whose wanted rows a text index tells."""
        if not self.request.texts:
            return {}
        return self.tools.picker.choose(files, self.state.version, self.wanted, self.request)

    def _picked(self, meta: FileMeta, file: ScanFile, found: Candidates | None) -> pa.Table | None:
        """The rows that a text index leaves over, None if it cannot serve the file."""
        if found is None or (file.shadowed and found.blocks.any()):
            return None
        schema = self.state.version.schema_of(meta.schema_version)
        dead = np.empty(0, np.int64) if file.deleted is None else file.deleted.to_numpy()
        with readable(file.path):
            return self.tools.picker.rows(meta, found, dead, schema, self.wanted, self.request)

    def _memory(self, view: View) -> pa.Table:
        """The wanted columns of the live chunks, shared with the memtable if possible."""
        names = list(self.request.columns)
        live, wanted, shape = self._live(view), self.request.time_range, self.shape
        if self.wanted.version != shape.schema.version:
            parts = [during(part, shape, wanted) for part in live]
            rows = pa.Table.from_batches(parts, shape.schema.arrow)
            return evolve.conform(rows, shape.schema, self.wanted, names)
        keys, memory = self.request.keys, self.tools.memory
        chosen = tuple(dict.fromkeys((*names, shape.schema.time_index, *(k.column for k in keys))))
        parts = [memory.rows(part, shape, chosen, keys, wanted) for part in live]
        schema = pa.schema([self.wanted.arrow.field(name) for name in names])
        return pa.Table.from_batches([part.select(names) for part in parts], schema)

    def _live(self, view: View) -> tuple[Chunk, ...]:
        """The chunks of memory that may be wanted; partial rows are completed from files."""
        parts = overlapping(view.puts, self.request.time_range)
        if not self.shape.partial or not parts:
            return parts
        names = list(self.request.columns)
        if self.wanted.version == self.shape.schema.version:
            names += [name for name in self.shape.identity if name not in names]
        else:
            names = list(self.shape.schema.arrow.names)
        narrow = tuple(replace(part, rows=part.rows.select(names)) for part in parts)
        tools, version = self.tools, self.state.version
        view = View(narrow, view.deletes)
        return complete(view, version, self.shape, tools.store, tools.vectors)


def _with_search(facts: ScanFacts, chosen: dict[int, Candidates]) -> ScanFacts:
    """The facts with what text indexes ruled out."""
    blocks = sum(len(found.blocks) for found in chosen.values())
    read = sum(int(np.count_nonzero(found.blocks)) for found in chosen.values())
    return replace(facts, searched=len(chosen), blocks=blocks, blocks_read=read)


def _between(value: KeyValue, least: KeyValue, most: KeyValue) -> bool:
    """True if the value, if of the bounds' type, is within them."""
    if isinstance(value, str):
        return not isinstance(least, str) or not isinstance(most, str) or least <= value <= most
    return isinstance(least, str) or isinstance(most, str) or least <= value <= most


def _alive(region: Region, wanted: TimeRange, clock: Clock) -> TimeRange:
    """The range without what the time to live has ended."""
    version = region.version
    return clamp(wanted, oldest_alive(version.schema, version.options, clock.now_ms()))


def _reshaped(view: View, old: RegionSchema, shape: Shape) -> View:
    """A view of memory in another schema."""
    schema = shape.schema
    rows = tuple(schema.arrow.names)
    return View(
        tuple(replace(p, rows=_batch(p.rows, old, schema, rows)) for p in view.puts),
        tuple(replace(p, rows=_batch(p.rows, old, schema, shape.identity)) for p in view.deletes),
    )


def _batch(
    rows: pa.RecordBatch, old: RegionSchema, new: RegionSchema, names: Sequence[str]
) -> pa.RecordBatch:
    found = evolve.conform(pa.Table.from_batches([rows]), old, new, names)
    return found.combine_chunks().to_batches()[0]


def _overlay(staged: Sequence[tuple[Op, pa.RecordBatch]], shape: Shape) -> Memtable:
    """The caller's own uncommitted rows as the newest layer."""
    layer = Memtable(shape)
    layer.append(staged, sequence=1, log_sequence=1)
    return layer


def _shadow(keys: Sequence[Chunk], files: Sequence[FileMeta], shape: Shape) -> list[Chunk]:
    """The keys that can meet a row of the files: those within their range of times."""
    if not keys or not files:
        return []
    first, last = min(f.time_min for f in files), max(f.time_max for f in files)
    near = keys_within(keys, shape, first, last)
    return [_key_chunk(batch, shape) for batch in near]


def _key_chunk(keys: pa.RecordBatch, shape: Shape) -> Chunk:
    values = keys.column(shape.schema.time_index).view(pa.int64()).to_numpy()
    return Chunk(keys, int(values.min()), int(values.max()))


def _shadows(keys: Sequence[Chunk], file: FileMeta) -> bool:
    return any(part.overlaps(file.time_min, file.time_max) for part in keys)
