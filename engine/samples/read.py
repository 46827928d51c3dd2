"""Reads samples of some series between two times: files and memory laid over each other.

Called by `engine.regions`. There is no Python per series and no query engine: what is wanted is
found by binary search in sorted arrays and copied by kernels, on two threads if it is much. What
lies together in one file is not even copied.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine import evolve
from engine.api import Op, SampleRequest, SampleRows, TimeRange
from engine.clock import Clock
from engine.errors import DbError, ErrorKind
from engine.jit import Int32s, Int64s
from engine.memtable.memtable import Memtable
from engine.memtable.view import Shape
from engine.options import EngineOptions
from engine.region import Region, RegionState
from engine.samples import kernels
from engine.samples.block import NO_REFS, Block, Columns
from engine.samples.files import SampleFiles
from engine.samples.kernels import Floats
from engine.samples.runs import blocks_of, ready_blocks_of
from engine.samples.survey import survey
from engine.scrub import Scrubber
from engine.sst.file import FileMeta
from engine.sst.vectors import VectorCache
from engine.store.store import ObjectStore
from engine.ttl import clamp, oldest_alive
from engine.version import Version
from engine.wal.payload import RegionRows
from engine.write import staged

_LEAST, _MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
# Below so many samples and series a second thread costs more than it brings.
_PARALLEL = 200_000
_THREADS = min(os.cpu_count() or 1, 4)


class SampleReader:
    """Reads samples of any region of an engine. Any thread."""

    def __init__(
        self,
        store: ObjectStore,
        vectors: VectorCache,
        clock: Clock,
        options: EngineOptions,
        scrubber: Scrubber,
    ) -> None:
        # Constant after construction.
        self._store = store
        self._vectors = vectors
        self._clock = clock
        self._scrubber = scrubber
        self._files = SampleFiles(store, vectors, options.sample_cache_bytes)

    def read(self, region: Region, request: SampleRequest) -> SampleRows:
        """The samples of the wanted series.

        Raises: DbError REGION_NOT_FOUND, CORRUPTED, STORAGE_UNAVAILABLE, LIMIT_EXCEEDED;
            NotResident.
        """
        at_once = request.resident and not request.staged
        known = region.state_at_once() if at_once else None
        version = region.version if known is None else known.version
        oldest = oldest_alive(version.schema, version.options, self._clock.now_ms())
        wanted = clamp(request.time_range, oldest)
        if request.survey:
            return self._survey(region, request.series, wanted)
        if known is not None:
            blocks = self._resident(known, wanted, request.series)
        else:
            blocks = self._decoded(region, wanted, request)
        if request.presence:
            return _present(blocks, request.series, wanted)
        return _read(blocks, request.series, wanted, request.rows_max)

    def _survey(self, region: Region, series: Int64s, wanted: TimeRange) -> SampleRows:
        state, pins = region.pinned_state(wanted)
        try:
            return _shown(survey(state, series, wanted, self._local, self._vectors.positions))
        finally:
            region.unpin(pins)

    def _decoded(self, region: Region, wanted: TimeRange, request: SampleRequest) -> list[Block]:
        state, pins = region.pinned_state(wanted)
        try:
            rows = staged(request.staged, state.shape)
            return self._blocks(state, wanted, request.series, rows)
        finally:
            region.unpin(pins)

    @contextmanager
    def _local(self, file: FileMeta) -> Iterator[str]:
        """The path of a pinned file while it is read."""
        paths = frozenset((file.path,))
        self._scrubber.check([file])
        self._store.hold(paths)
        try:
            self._store.fetch(paths)
            yield self._store.local_path(file.path)
        finally:
            self._store.release(paths)

    def _blocks(
        self, state: RegionState, wanted: TimeRange, series: Int64s, staged: Sequence[RegionRows]
    ) -> list[Block]:
        """What may hold wanted samples, older before newer. Requires: the files are pinned."""
        version, shape = state.version, state.shape
        assert not shape.append_mode
        assert not shape.partial
        columns = Columns.of(version.schema)
        files = [file for file in version.files if _meets(file.key_min, file.key_max, series)]
        self._scrubber.check(files)
        found: list[Block] = []
        if files:
            paths = frozenset(file.path for file in files)
            self._store.hold(paths)
            try:
                self._store.fetch(paths)
                # No two files hold the same sample; in order of time they follow each other.
                for file in sorted(files, key=lambda file: file.time_min):
                    schema = version.schema_of(file.schema_version)
                    found += self._files.blocks(file, schema, series)
            finally:
                self._store.release(paths)
        for memtable in state.memtables:
            found += [b for b in blocks_of(memtable, columns) if _during(b, wanted)]
        if staged:
            layer = Memtable(shape)
            layer.append([(rows.op, _conformed(rows, version, shape)) for rows in staged], 1, 1)
            found += blocks_of(layer, columns)
        return found

    def _resident(self, state: RegionState, wanted: TimeRange, series: Int64s) -> list[Block]:
        """As `_blocks`, of what is decoded and sorted. Raises: NotResident; it never waits."""
        near = state.version.overlapping(wanted).files
        files = [file for file in near if _meets(file.key_min, file.key_max, series)]
        self._scrubber.check(files)
        found: list[Block] = []
        for file in sorted(files, key=lambda file: file.time_min):
            found += self._files.resident(file, series)
        for memtable in state.memtables:
            found += [b for b in ready_blocks_of(memtable) if _during(b, wanted)]
        return found


def _conformed(rows: RegionRows, version: Version, shape: Shape) -> pa.RecordBatch:
    """Staged rows in the region's schema: a column of histograms may have come meanwhile."""
    stamped, schema = evolve.stamped(rows.rows), version.schema
    batch = rows.rows.replace_schema_metadata(None)
    names = shape.identity if rows.op is Op.DELETE else tuple(schema.arrow.names)
    if stamped not in version.older:  # it is the region's, or one that is still to come
        return batch.select([name for name in names if name in batch.schema.names])
    table = pa.Table.from_batches([batch])
    found = evolve.conform(table, version.older[stamped], schema, names)
    return found.combine_chunks().to_batches()[0]


def _meets(least: object, most: object, series: Int64s) -> bool:
    """False if no wanted series is within the bounds of a file's keys."""
    if not len(series):
        return False
    if not isinstance(least, int) or not isinstance(most, int):
        return True
    first = int(np.searchsorted(series, least))
    return first < len(series) and int(series[first]) <= most


def _during(block: Block, wanted: TimeRange) -> bool:
    first, last = block.extremes
    after = wanted.start is None or last >= wanted.start
    return after and (wanted.end is None or first < wanted.end)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Where a block's wanted rows are: of series from `first` on, rows lows[i] to highs[i]."""

    block: Block
    first: int
    lows: Int64s
    highs: Int64s


@dataclass(slots=True)
class _Part:
    """The part of the wanted series that one thread works on."""

    series: Int64s
    begin: int  # the place of its first series among all
    pieces: list[_Piece]
    counts: Int64s


def _present(blocks: Sequence[Block], series: Int64s, wanted: TimeRange) -> SampleRows:
    """A row for each series that has samples."""
    part = _Part(series, 0, [], np.zeros(len(series), np.int64))
    _locate(blocks, part, wanted)
    has_rows = part.counts > 0
    doubtful = np.zeros(len(series), np.bool_)
    for piece in part.pieces:
        if len(piece.block.refs):  # some of its rows may be dead, and hide others
            doubtful[piece.first :][np.flatnonzero(piece.highs > piece.lows)] = True
    if doubtful.any():
        found = _read(blocks, series[doubtful], wanted)
        has_rows[doubtful] = np.diff(found.offsets) > 0
    return _shown(has_rows)


def _shown(has_rows: NDArray[np.bool_]) -> SampleRows:
    """A row for each series that has some."""
    offsets = _offsets(has_rows)
    return SampleRows(offsets, np.zeros(offsets[-1], np.int64), np.zeros(offsets[-1]))


def _offsets(counts: np.ndarray) -> Int64s:
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _read(
    blocks: Sequence[Block], series: Int64s, wanted: TimeRange, rows_max: int = 2**62
) -> SampleRows:
    parts = _parts(blocks, series)
    _each(parts, lambda part: _locate(blocks, part, wanted))
    offsets = _offsets(np.concatenate([part.counts for part in parts]))
    if offsets[-1] > rows_max:
        raise DbError(
            ErrorKind.LIMIT_EXCEEDED,
            f"{offsets[-1]} samples would be read, more than {rows_max}",
            hint="select fewer series or a shorter time",
        )
    shared = _shared(parts, offsets)
    if shared is not None:
        return shared
    pieces = [piece for part in parts for piece in part.pieces]
    has_refs = any(len(piece.block.refs) for piece in pieces)
    shifts, histograms = _histograms(pieces) if has_refs else ({}, pa.array([], pa.binary()))
    times = np.empty(offsets[-1], np.int64)
    values = np.empty(offsets[-1])
    refs = np.empty(offsets[-1], np.int32) if has_refs else NO_REFS
    mixed = np.zeros(len(series), np.uint8)

    def fill(part: _Part) -> None:
        own = slice(part.begin, part.begin + len(part.series))
        cursors = offsets[own].copy()
        for piece in part.pieces:
            block, count = piece.block, len(piece.lows)
            shift = shifts.get(id(block), 0)
            places = slice(piece.first, piece.first + count)
            kernels.append(
                *(piece.lows, piece.highs, block.times, block.values, block.refs, shift),
                *(offsets[own][places], cursors[places], times, values, refs),
                mixed[own][places],
            )

    _each(parts, fill)
    rows = _Filled(offsets, times, values, refs)
    if mixed.any():
        rows = _settled(rows, mixed)
    return _with_histograms(rows, histograms)


def _parts(blocks: Sequence[Block], series: Int64s) -> list[_Part]:
    """One part, or as many as threads pay, with about as many series each."""
    threads = _THREADS
    rows = sum(block.rows for block in blocks) if len(series) > 1 else 0
    if rows < _PARALLEL or len(series) < threads:
        return [_Part(series, 0, [], np.zeros(len(series), np.int64))]
    bounds = np.linspace(0, len(series), threads + 1).astype(np.int64).tolist()
    return [
        _Part(series[begin:end], begin, [], np.zeros(end - begin, np.int64))
        for begin, end in pairwise(bounds)
    ]


def _each(parts: Sequence[_Part], work: Callable[[_Part], None]) -> None:
    if len(parts) == 1:
        work(parts[0])
        return
    with ThreadPoolExecutor(len(parts)) as pool:
        for task in [pool.submit(work, part) for part in parts]:
            task.result()


def _locate(blocks: Sequence[Block], part: _Part, wanted: TimeRange) -> None:
    """Finds the wanted rows of each block."""
    start = _LEAST if wanted.start is None else max(wanted.start, _LEAST)
    end = _MOST if wanted.end is None else min(wanted.end, _MOST)
    for block in blocks:
        if not len(block.ids):
            continue
        first, last = np.searchsorted(part.series, (block.ids[0], block.ids[-1] + 1))
        if first == last:
            continue
        lows, highs = np.empty(last - first, np.int64), np.empty(last - first, np.int64)
        found = kernels.locate(
            *(block.ids, block.starts, block.times, part.series[first:last], start, end),
            *(lows, highs, part.counts[first:last]),
        )
        if found:
            part.pieces.append(_Piece(block, int(first), lows, highs))


def _shared(parts: Sequence[_Part], offsets: Int64s) -> SampleRows | None:
    """The wanted rows as a slice of a file's arrays, if that is where they all lie together."""
    pieces = [piece for part in parts for piece in part.pieces]
    if not pieces:
        return SampleRows(offsets, np.empty(0, np.int64), np.empty(0))
    block = pieces[0].block
    if any(p.block.times is not block.times or len(p.block.refs) for p in pieces):
        return None
    begin = end = -1
    for piece in pieces:
        there = np.flatnonzero(piece.highs > piece.lows)
        lows, highs = piece.lows[there], piece.highs[there]
        if (end >= 0 and lows[0] != end) or np.any(lows[1:] != highs[:-1]):
            return None
        begin, end = int(lows[0]) if end < 0 else begin, int(highs[-1])
    return SampleRows(offsets, block.times[begin:end], block.values[begin:end])


def _histograms(pieces: Sequence[_Piece]) -> tuple[dict[int, int], pa.Array]:
    """All histograms of the blocks, and at which number those of each block begin."""
    blocks = {id(piece.block): piece.block for piece in pieces}
    shifts, total = {}, 0
    for key, block in blocks.items():
        shifts[key] = total
        total += len(block.histograms)
    return shifts, pa.concat_arrays([block.histograms for block in blocks.values()])


@dataclass(frozen=True, slots=True)
class _Filled:
    """Samples with their references; series i has those from offsets[i] to offsets[i + 1]."""

    offsets: Int64s
    times: Int64s
    values: Floats
    refs: Int32s


def _settled(rows: _Filled, mixed: np.ndarray) -> _Filled:
    """The samples in order, of equal times the newest, without dead ones."""
    counts = np.diff(rows.offsets)
    longest = int(counts[mixed.astype(np.bool_)].max())
    spare = np.empty(longest, np.int64), np.empty(longest), np.empty(longest, np.int32)
    kernels.settle(rows.offsets, mixed, rows.times, rows.values, rows.refs, *spare, counts)
    offsets = _offsets(counts)
    if offsets[-1] == rows.offsets[-1]:
        return rows
    total = kernels.squeeze(rows.offsets, counts, rows.times, rows.values, rows.refs)
    return _Filled(offsets, rows.times[:total], rows.values[:total], rows.refs[:total])


def _with_histograms(rows: _Filled, histograms: pa.Array) -> SampleRows:
    if not len(histograms):
        return SampleRows(rows.offsets, rows.times, rows.values)
    places = np.flatnonzero(rows.refs >= 0)
    chosen = histograms.take(pa.array(rows.refs[places]))
    return SampleRows(rows.offsets, rows.times, rows.values, places, chosen)
