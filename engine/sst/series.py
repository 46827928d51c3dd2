"""Few rows out of a file, without decoding whole row groups for them again and again.

Rows of a series lie together in order of time, so the rows of some series, or of a short time, are
found by binary search. For files that are asked more than once, a `SeriesIndex` and the decoded
columns of recently used row groups are kept in memory; a selective scan then slices them.

Called by `engine.scan` and `engine.latest`; what it cannot serve cheaply is left to DuckDB, which
reads the file itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.api import KeyFilter, KeyValue, TimeRange
from engine.schema import RegionSchema
from engine.sst.cache import ByteCache
from engine.sst.compact import Kept, compact
from engine.sst.deletion import Positions
from engine.sst.file import FileMeta
from engine.sst.picked import Held, Picked, groups_of, pieces_of
from engine.sst.runs import SeriesIndex, build
from engine.sst.whole import ROWS_MAX as WHOLE_ROWS_MAX
from engine.sst.whole import WholeSeries, name_of, tags_of
from engine.store.store import ObjectStore

Bound = int | Positions
# More rows are no selective read: DuckDB scans them in parallel.
ROWS_MAX = 262_144
# Up to here the times of each series are sliced out of their row groups; for more series the times
# of the whole file are kept as one array, which a vectorised search needs.
_FEW_SERIES = 64
_TIMES_ROWS_MAX = 16_000_000
# A range of less than this share of a file's time is worth a search in every series.
_NARROW_SHARE = 0.25
# A file this small costs DuckDB more to open than to read.
SMALL_ROWS = 20_000
# Rows, and number, of the files a single scan may index or decode whole: the others wait for the
# next question.
_BUILD_ROWS_MAX = 6_000_000
_BUILD_FILES_MAX = 8
# A series of so few rows is kept as soon as it is asked for; of longer ones one question tells
# nothing.
_SHORT_ROWS_MAX = 4096
_META_BYTES_PER_CHUNK = 400  # of Parquet metadata in memory, about


@dataclass(slots=True)
class Effort:
    """What one scan may still spend on making indexes."""

    rows: int = _BUILD_ROWS_MAX
    files: int = _BUILD_FILES_MAX
    small_files: bool = True  # whether whole small files may be kept decoded

    def spend(self, file: FileMeta) -> bool:
        """True if a file may be opened for it, which is then spent."""
        if self.rows <= 0 or self.files <= 0:
            return False
        self.rows -= file.rows
        self.files -= 1
        return True


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a scan wants of every file."""

    columns: tuple[str, ...]
    keys: tuple[KeyFilter, ...]
    times: TimeRange


class SeriesReader:
    """Indexes and decoded columns of files, within a budget. Any thread."""

    def __init__(self, store: ObjectStore, bytes_max: int) -> None:
        # Constant after construction.
        self._store = store
        self._cache = ByteCache(bytes_max)
        # Guarded by _lock.
        self._lock = Lock()
        self._asked: OrderedDict[tuple[str, int], None] = OrderedDict()

    def affords(self, rows: int, columns: int) -> bool:
        """True if so many decoded rows may be kept without driving out everything else."""
        return rows * columns * 8 <= self._cache.bytes_max // 2

    def rows(
        self,
        file: FileMeta,
        schema: RegionSchema,
        wanted: Wanted,
        dead: Positions,
        stored_dead: Positions,
        effort: Effort,
    ) -> pa.Table | None:
        """Live rows of a file that pass the filters, within the range of times.

        `schema` is the file's own, `stored_dead` those of the dead rows that everybody sees dead:
        what is kept for later questions has all others. None when the file is better read whole:
        it is asked for the first time, or too many rows are wanted.
        Raises: OSError, pa.ArrowException.
        """
        if file.rows <= SMALL_ROWS and file.row_groups == 1 and not wanted.keys:
            return self._of_small(file, schema, wanted, dead, effort)
        if not self._is_selective(file, wanted, effort):
            return None
        index = self.index(file, schema, effort)
        if index is None:
            return None
        series = index.matching(wanted.keys)
        if series is None:
            series = np.arange(len(index.starts) - 1)
        lows, highs = index.starts[series], index.starts[series + 1]
        share = _share(file, wanted.times)
        count = int((highs - lows).sum())
        if count * share > ROWS_MAX or (len(series) > _FEW_SERIES and not self.has_times(file)):
            return None
        fields = [name for name in wanted.columns if name not in schema.primary_key]
        held = self._held(file, groups_of(index.groups, lows, highs), fields)
        if held is None:
            return None
        self._keep(
            file, schema, wanted, Picked(index, series, lows, highs, stored_dead), held, count
        )
        lows, highs = self._within(file, schema, index, lows, highs, wanted.times)
        picked = Picked(index, series, lows, highs, dead)
        self._complete(held, file, schema, picked.groups, fields)
        return picked.rows(schema, wanted.columns, held)

    def whole(
        self, file: FileMeta, tags: tuple[KeyValue, ...], columns: tuple[str, ...]
    ) -> WholeSeries | None:
        """A series of a file without its dead rows, if it is kept: nothing is read."""
        found = self._cache.get(name_of(file, tags, columns))
        return found if isinstance(found, WholeSeries) else None

    def _keep(
        self,
        file: FileMeta,
        schema: RegionSchema,
        wanted: Wanted,
        picked: Picked,
        held: Held,
        count: int,
    ) -> None:
        """Keeps the one series that is wanted, if it is short or was wanted before.

        Raises: as `rows`.
        """
        tags = tags_of(schema, wanted.keys)
        if tags is None or count > WHOLE_ROWS_MAX:
            return
        name = name_of(file, tags, wanted.columns)
        known = self._cache.get(name)
        if isinstance(known, WholeSeries):
            return
        if known is None and count > _SHORT_ROWS_MAX:
            self._cache.put(name, "asked", 200)
            return
        columns = tuple(dict.fromkeys((*wanted.columns, schema.time_index)))
        fields = [name for name in columns if name not in schema.primary_key]
        self._complete(held, file, schema, picked.groups, fields)
        rows = picked.rows(schema, columns, held)
        arrays = [column.combine_chunks() for column in rows.columns]
        batch = pa.RecordBatch.from_arrays(arrays, schema=rows.schema)
        times = batch.column(schema.time_index).view(pa.int64()).to_numpy()
        series = WholeSeries(times, batch.select(list(wanted.columns)))
        self._cache.put(name, series, series.nbytes)

    def _of_small(
        self,
        file: FileMeta,
        schema: RegionSchema,
        wanted: Wanted,
        dead: Positions,
        effort: Effort,
    ) -> pa.Table | None:
        """As `rows`, for a file of one row group, which needs no index."""
        if not effort.small_files:
            return None
        names = list(dict.fromkeys((*wanted.columns, schema.time_index)))
        held = {n: self._cache.get(("column", file.path, 0, n)) for n in names}
        missing = [name for name, array in held.items() if array is None]
        if missing:
            if not self._is_known((file.path, -1)) or not effort.spend(file):
                return None
            held |= self._decoded(file, schema, 0, missing)
        keep = _within(held[schema.time_index].view(pa.int64()).to_numpy(), wanted.times, dead)
        arrays = [
            held[name].slice(0, file.rows) if keep is None else held[name].take(keep)
            for name in wanted.columns
        ]
        fields = [schema.arrow.field(name) for name in wanted.columns]
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def _held(self, file: FileMeta, numbers: Sequence[int], names: Sequence[str]) -> Held | None:
        """The columns of row groups that are decoded already.

        None if some would have to be that no one asked for before.
        """
        held: Held = {}
        is_cold = False
        for number in numbers:
            missing = False
            for name in names:
                array = self._cache.get(("column", file.path, number, name))
                missing |= array is None
                if array is not None:
                    held[number, name] = array
            is_cold |= missing and not self._is_known((file.path, number))
        return None if is_cold and file.rows > SMALL_ROWS else held

    def _complete(
        self,
        held: Held,
        file: FileMeta,
        schema: RegionSchema,
        numbers: Sequence[int],
        names: Sequence[str],
    ) -> None:
        """Decodes what is missing, the columns of a row group in one go."""
        for number in numbers:
            missing = [name for name in names if (number, name) not in held]
            if missing:
                found = self._decoded(file, schema, number, missing)
                held.update({(number, name): array for name, array in found.items()})

    def _is_selective(self, file: FileMeta, wanted: Wanted, effort: Effort) -> bool:
        """Whether it may pay to look, from what is known without opening anything."""
        if wanted.keys:
            return True
        if file.rows <= SMALL_ROWS and effort.small_files:
            return True
        share = _share(file, wanted.times)
        return (
            share <= _NARROW_SHARE
            and share * file.rows <= ROWS_MAX
            and self.has_times(file)
            and self.affords(file.rows, len(wanted.columns))
        )

    def has_times(self, file: FileMeta) -> bool:
        """True if the times of the whole file may be kept."""
        return file.rows <= _TIMES_ROWS_MAX and self.affords(file.rows, 1)

    def index(
        self, file: FileMeta, schema: RegionSchema, effort: Effort | None = None
    ) -> SeriesIndex | None:
        """The index of a file; None if it has too many series or is asked for the first time.

        Without an `effort` it is made at once. Raises: OSError, pa.ArrowException.
        """
        known = self._cache.get(("index", file.path))
        if known is not None:
            return known if isinstance(known, SeriesIndex) else None
        if effort is not None and not (self._is_known((file.path, -1)) and effort.spend(file)):
            return None  # one question does not pay for an index
        texts = [n for n in schema.primary_key if pa.types.is_string(schema.arrow.field(n).type)]
        with self._open(file, texts) as parquet:
            index = build(parquet, schema)
        size = index.nbytes if index is not None else 1
        self._cache.put(("index", file.path), index or "none", size)
        return index

    def _is_known(self, place: tuple[str, int]) -> bool:
        """False when a file (-1) or a row group of it is asked for the first time."""
        with self._lock:
            if place in self._asked:
                return True
            self._asked[place] = None
            if len(self._asked) > 100_000:
                self._asked.popitem(last=False)
            return False

    def _open(self, file: FileMeta, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
        path = self._store.local_path(file.path)
        metadata = self._cache.get(("meta", file.path))
        opened = pq.ParquetFile(path, metadata=metadata, read_dictionary=list(dictionaries))
        if metadata is None:
            found = opened.metadata
            size = found.num_row_groups * found.num_columns * _META_BYTES_PER_CHUNK
            self._cache.put(("meta", file.path), found, size)
        return opened

    # Times.

    def times(self, file: FileMeta, schema: RegionSchema) -> Positions:
        """The time index of a whole file. Requires: not too many rows. Raises: OSError."""
        key = ("times", file.path)
        found: Positions | None = self._cache.get(key)
        if found is None:
            name = schema.time_index
            with self._open(file) as parquet:
                column = parquet.read([name], use_threads=False).column(0)
            found = column.cast(schema.time_type.arrow).combine_chunks().view(pa.int64()).to_numpy()
            self._cache.put(key, found, found.nbytes)
        return found

    def _within(
        self,
        file: FileMeta,
        schema: RegionSchema,
        index: SeriesIndex,
        lows: Positions,
        highs: Positions,
        wanted: TimeRange,
    ) -> tuple[Positions, Positions]:
        """The part of each run of rows that is within the range of times."""
        if not len(lows) or _share(file, wanted) == 1.0:
            return lows, highs
        if len(lows) <= _FEW_SERIES and self._cache.get(("times", file.path)) is None:
            return self._sliced(file, schema, index, lows, highs, wanted)
        times = self.times(file, schema)
        if wanted.end is not None:
            highs = search(times, lows, highs, min(wanted.end, file.time_max + 1))
        if wanted.start is not None:
            lows = search(times, lows, highs, max(wanted.start, file.time_min))
        return lows, highs

    def _sliced(
        self,
        file: FileMeta,
        schema: RegionSchema,
        index: SeriesIndex,
        lows: Positions,
        highs: Positions,
        wanted: TimeRange,
    ) -> tuple[Positions, Positions]:
        first, last = [], []
        for low, high in zip(lows.tolist(), highs.tolist(), strict=True):
            times = self._moments(file, schema, index, low, high)
            start, end = wanted.start, wanted.end
            first.append(low + (int(np.searchsorted(times, start)) if start is not None else 0))
            last.append(low + (int(np.searchsorted(times, end)) if end is not None else len(times)))
        return np.array(first, np.int64), np.maximum(first, np.array(last, np.int64))

    # Columns.

    def _moments(
        self, file: FileMeta, schema: RegionSchema, index: SeriesIndex, low: int, high: int
    ) -> Positions:
        """The times of neighbouring rows, from the row groups that hold them."""
        name = schema.time_index
        parts = []
        for number, start, count in pieces_of(index.groups, low, high):
            array = self._cache.get(("column", file.path, number, name))
            if array is None:
                array = self._decoded(file, schema, number, [name])[name]
            parts.append(array.slice(start, count).view(pa.int64()).to_numpy())
        found: Positions = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return found

    def _decoded(
        self, file: FileMeta, schema: RegionSchema, number: int, names: Sequence[str]
    ) -> dict[str, Kept]:
        with self._open(file) as parquet:
            table = parquet.read_row_group(number, columns=names, use_threads=len(names) > 1)
        found: dict[str, Kept] = {}
        for name in names:
            column = table.column(name).cast(schema.arrow.field(name).type)
            array = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
            array = array if name == schema.time_index else compact(array)
            self._cache.put(("column", file.path, number, name), array, array.nbytes)
            found[name] = array
        return found


def search(times: Positions, lows: Positions, highs: Positions, bound: Bound) -> Positions:
    """In each sorted run times[low:high], the first position whose time is at least its bound.

    `bound` is one for all, or one per run.
    """
    low, high = lows.copy(), highs.copy()
    while (searching := low < high).any():
        middle = (low + high) >> 1
        before = searching & (times[np.minimum(middle, len(times) - 1)] < bound)
        low = np.where(before, middle + 1, low)
        high = np.where(searching & ~before, middle, high)
    return low


def _within(times: Positions, wanted: TimeRange, dead: Positions) -> pa.Array | None:
    """The places of the live rows in a range of times, None if that is all rows."""
    keep = np.ones(len(times), np.bool_)
    if wanted.start is not None:
        keep &= times >= wanted.start
    if wanted.end is not None:
        keep &= times < wanted.end
    keep[dead] = False
    return None if keep.all() else pa.array(np.flatnonzero(keep))


def _share(file: FileMeta, wanted: TimeRange) -> float:
    """The part of a file's time that is wanted, from 0 to 1; exactly 1.0 if all of it is."""
    start = file.time_min if wanted.start is None else max(wanted.start, file.time_min)
    stop = file.time_max + 1 if wanted.end is None else min(wanted.end, file.time_max + 1)
    return max(0, stop - start) / (file.time_max + 1 - file.time_min)
