"""Row groups of files as blocks of samples, decoded once and kept while there is room.

Called by `engine.samples.read`. The times and values of a file lie in two arrays as long as the
file, of which only what was decoded takes memory: runs of a series that cross row groups, and
series that follow each other, are one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

import numpy as np
import pyarrow.parquet as pq

from engine.api import NotResident
from engine.jit import Int64s
from engine.samples.block import Block, Columns, Rows
from engine.samples.kernels import Floats
from engine.schema import RegionSchema
from engine.sst.cache import ByteCache
from engine.sst.deletion import Positions
from engine.sst.file import FileMeta
from engine.sst.reader import opened, readable
from engine.sst.vectors import VectorCache
from engine.store.store import ObjectStore

# Row groups decoded in one go: more would need much memory on the way.
_AT_ONCE = 16
_LEAST, _MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
_BYTES_MIN = 1000  # of a file of which nothing was decoded


class DecodedFile:
    """What was decoded of one file with one deletion vector. Any thread.

    I1. Blocks and the rows of `times` and `values` they name never change once they are there.
    """

    def __init__(self, file: FileMeta, parquet: pq.ParquetFile, columns: Columns) -> None:
        # Constant after construction.
        self._file = file
        self._columns = columns
        self._metadata = parquet.metadata
        count = parquet.num_row_groups
        sizes = [self._metadata.row_group(group).num_rows for group in range(count)]
        self._first = np.cumsum([0, *sizes])
        self._bounds = _key_bounds(parquet, columns.series)
        self._times: Int64s = np.empty(file.rows, np.int64)
        self._values: Floats = np.empty(file.rows)
        # Guarded by _lock.
        self._lock = Lock()
        self._blocks: dict[int, Block] = {}
        self.bytes = _BYTES_MIN + count * 100

    def groups(self, wanted: Int64s) -> Int64s:
        """The row groups that may hold one of the ascending series."""
        least, most = self._bounds
        first = np.searchsorted(wanted, least)
        return np.flatnonzero(first < np.searchsorted(wanted, most, "right"))

    def blocks(self, groups: Int64s, path: str, dead: Positions) -> list[Block]:
        """The blocks of some row groups, less the rows at dead positions. Raises: DbError."""
        with self._lock:
            missing = [group for group in groups.tolist() if group not in self._blocks]
            if missing:
                with opened(path) as parquet:
                    for at in range(0, len(missing), _AT_ONCE):
                        self._decode(parquet, path, missing[at : at + _AT_ONCE], dead)
            return [self._blocks[group] for group in groups.tolist()]

    def known(self, groups: Int64s) -> list[Block] | None:
        """The blocks of some row groups, None unless all were decoded before."""
        # Without _lock, which whoever decodes holds for long: a block that is there is whole.
        found = [self._blocks.get(group) for group in groups.tolist()]
        blocks = [block for block in found if block is not None]
        return blocks if len(blocks) == len(found) else None

    def _decode(
        self, parquet: pq.ParquetFile, path: str, groups: Sequence[int], dead: Positions
    ) -> None:
        columns = self._columns
        names = [columns.series, columns.time, columns.value]
        names += [columns.whole] if columns.whole is not None else []
        if columns.histogram is not None and self._has_histograms(parquet, groups):
            names.append(columns.histogram)
        else:
            columns = replace(columns, histogram=None)
        with readable(path):
            table = parquet.read_row_groups(groups, columns=names, use_threads=len(groups) > 1)
        begin = 0
        for group in groups:
            first, last = int(self._first[group]), int(self._first[group + 1])
            part = table.slice(begin, last - first)
            begin += last - first
            low, high = np.searchsorted(dead, (first, last))
            block = self._placed(Rows.of(part, columns), first, dead[low:high] - first)
            self._blocks[group] = block
            self.bytes += block.bytes

    def _placed(self, rows: Rows, first: int, dead: Positions) -> Block:
        """The rows of a row group as a block of the file's arrays, or of its own."""
        if len(dead):
            live = np.ones(len(rows.series), np.bool_)
            live[dead] = False
            return rows.take(np.flatnonzero(live)).block()
        block = rows.block()
        if len(rows.refs):
            return block
        last = first + len(rows.series)
        self._times[first:last] = rows.times
        self._values[first:last] = rows.values
        return Block(block.ids, block.starts + first, self._times, self._values)

    def _has_histograms(self, parquet: pq.ParquetFile, groups: Sequence[int]) -> bool:
        assert self._columns.histogram is not None
        leaf = parquet.schema_arrow.get_field_index(self._columns.histogram)
        if leaf < 0:
            return False
        for group in groups:
            statistics = self._metadata.row_group(group).column(leaf).statistics
            if statistics is None or statistics.num_values > 0:
                return True
        return False


class SampleFiles:
    """Decoded files within a budget. Any thread."""

    def __init__(self, store: ObjectStore, vectors: VectorCache, bytes_max: int) -> None:
        # Constant after construction.
        self._store = store
        self._vectors = vectors
        self._cache = ByteCache(bytes_max)

    def blocks(self, file: FileMeta, schema: RegionSchema, wanted: Int64s) -> list[Block]:
        """The live samples of a file, in order of series: at least those of the wanted ones.

        `schema` is the file's own, `wanted` ascends. Raises: DbError CORRUPTED,
        STORAGE_UNAVAILABLE.
        """
        key = _key_of(file)
        path = self._store.local_path(file.path)
        decoded: DecodedFile | None = self._cache.get(key)
        if decoded is None:
            with opened(path) as parquet:
                decoded = DecodedFile(file, parquet, Columns.of(schema))
        groups = decoded.groups(wanted)
        before = decoded.bytes
        dead = self._vectors.positions(file) if file.deletion else np.empty(0, np.int64)
        blocks = decoded.blocks(groups, path, dead)
        if decoded.bytes > before or key not in self._cache:
            self._cache.put(key, decoded, decoded.bytes)
        return [block for block in blocks if block.rows]

    def resident(self, file: FileMeta, wanted: Int64s) -> list[Block]:
        """The same if it was decoded before. Raises: NotResident."""
        decoded: DecodedFile | None = self._cache.get(_key_of(file))
        blocks = None if decoded is None else decoded.known(decoded.groups(wanted))
        if blocks is None:
            raise NotResident
        return [block for block in blocks if block.rows]


def _key_of(file: FileMeta) -> tuple[str, str | None]:
    """What decoded rows are kept under: they are of the file less its dead rows."""
    return file.path, file.deletion.path if file.deletion else None


def _key_bounds(parquet: pq.ParquetFile, series: str) -> tuple[Int64s, Int64s]:
    """The least and the greatest series of each row group, from the footer."""
    leaf = parquet.schema_arrow.get_field_index(series)
    least, most = [], []
    for group in range(parquet.num_row_groups):
        statistics = parquet.metadata.row_group(group).column(leaf).statistics
        known = statistics is not None and statistics.has_min_max
        least.append(statistics.min if known else _LEAST)
        most.append(statistics.max if known else _MOST)
    return np.array(least, np.int64), np.array(most, np.int64)
