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
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.api import KeyFilter, TimeRange
from engine.schema import RegionSchema
from engine.sst.cache import ByteCache
from engine.sst.deletion import Positions
from engine.sst.file import FileMeta
from engine.sst.runs import SeriesIndex, build
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
# Rows of the files a single scan may index: the others wait for the next question.
_BUILD_ROWS_MAX = 6_000_000
# A column of a row group is kept as a dictionary if a sample of so many has few distinct values.
_SAMPLE_ROWS = 2048
_SAMPLE_DISTINCT_MAX = 256
_META_BYTES_PER_CHUNK = 400  # of Parquet metadata in memory, about


@dataclass(slots=True)
class Effort:
    """What one scan may still spend on making indexes."""

    rows: int = _BUILD_ROWS_MAX
    small_files: bool = True  # whether whole small files may be kept decoded


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
        effort: Effort,
    ) -> pa.Table | None:
        """Live rows of a file that pass the filters, within the range of times.

        `schema` is the file's own. None when the file is better read whole: it is asked for the
        first time, or too many rows are wanted. Raises: OSError, pa.ArrowException.
        """
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
        if not self._is_warm(file, schema, index, lows, highs, wanted.columns):
            return None
        lows, highs = self._within(file, schema, index, lows, highs, wanted.times)
        return _Gather(self, file, schema, index, series, lows, highs, dead).rows(wanted.columns)

    def _is_warm(
        self,
        file: FileMeta,
        schema: RegionSchema,
        index: SeriesIndex,
        lows: Positions,
        highs: Positions,
        columns: Sequence[str],
    ) -> bool:
        """False if row groups would have to be decoded that no one asked for before."""
        if file.rows <= SMALL_ROWS:
            return True
        names = [n for n in columns if n not in schema.primary_key]
        cold = [
            number
            for number in groups_of(index, lows, highs)
            if any(("column", file.path, number, name) not in self._cache for name in names)
        ]
        known = [self._is_known((file.path, number)) for number in cold]  # all are now asked for
        return all(known)

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
        if effort is not None:
            if not self._is_known((file.path, -1)) or effort.rows <= 0:
                return None  # one question does not pay for an index
            effort.rows -= file.rows
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
            array = self.column(file, schema, index, schema.time_index, low, high)
            times = array.view(pa.int64()).to_numpy()
            start, end = wanted.start, wanted.end
            first.append(low + (int(np.searchsorted(times, start)) if start is not None else 0))
            last.append(low + (int(np.searchsorted(times, end)) if end is not None else len(times)))
        return np.array(first, np.int64), np.maximum(first, np.array(last, np.int64))

    # Columns.

    def column(
        self,
        file: FileMeta,
        schema: RegionSchema,
        index: SeriesIndex,
        name: str,
        start: int,
        stop: int,
    ) -> pa.Array:
        """Rows start to stop of a column, from the decoded row groups that hold them."""
        groups = index.groups
        first = int(np.searchsorted(groups, start, side="right")) - 1
        last = int(np.searchsorted(groups, stop, side="left")) - 1
        parts = []
        for number in range(first, last + 1):
            array = self.group(file, schema, number, name)
            begin, end = max(start - int(groups[number]), 0), stop - int(groups[number])
            parts.append(array.slice(begin, min(end, len(array)) - begin))
        if not parts:
            return pa.nulls(0, schema.arrow.field(name).type)
        return _spelt(parts[0] if len(parts) == 1 else pa.concat_arrays(map(_spelt, parts)))

    def group(self, file: FileMeta, schema: RegionSchema, number: int, name: str) -> pa.Array:
        """A column of a row group, in its declared type or a dictionary of it."""
        key = ("column", file.path, number, name)
        array = self._cache.get(key)
        if array is None:
            array = self._decoded(file, schema, number, [name])[name]
        return array

    def prepare(
        self, file: FileMeta, schema: RegionSchema, numbers: Sequence[int], names: Sequence[str]
    ) -> None:
        """Decodes the columns that are missing, those of a row group in one go."""
        for number in numbers:
            missing = [n for n in names if ("column", file.path, number, n) not in self._cache]
            if missing:
                self._decoded(file, schema, number, missing)

    def _decoded(
        self, file: FileMeta, schema: RegionSchema, number: int, names: Sequence[str]
    ) -> dict[str, pa.Array]:
        with self._open(file) as parquet:
            table = parquet.read_row_group(number, columns=names, use_threads=len(names) > 1)
        found: dict[str, pa.Array] = {}
        for name in names:
            column = table.column(name).cast(schema.arrow.field(name).type)
            array = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
            array = array if name == schema.time_index else _compact(array)
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


def groups_of(index: SeriesIndex, lows: Positions, highs: Positions) -> list[int]:
    """The row groups that runs of rows touch, ascending."""
    groups = index.groups
    first = np.searchsorted(groups, lows, side="right") - 1
    last = np.searchsorted(groups, highs, side="left") - 1
    touched = np.zeros(len(groups) + 1, np.int64)
    np.add.at(touched, first, 1)
    np.add.at(touched, last + 1, -1)
    return [int(number) for number in np.flatnonzero(np.cumsum(touched)[: len(groups) - 1] > 0)]


def _share(file: FileMeta, wanted: TimeRange) -> float:
    """The part of a file's time that is wanted, from 0 to 1; exactly 1.0 if all of it is."""
    start = file.time_min if wanted.start is None else max(wanted.start, file.time_min)
    stop = file.time_max + 1 if wanted.end is None else min(wanted.end, file.time_max + 1)
    return max(0, stop - start) / (file.time_max + 1 - file.time_min)


def _compact(array: pa.Array) -> pa.Array:
    """A dictionary of the values if few of them repeat: an eighth of the memory, or less."""
    if (
        len(array) < _SAMPLE_ROWS
        or pa.types.is_nested(array.type)
        or pa.types.is_dictionary(array.type)
    ):
        return array
    if not (pa.types.is_primitive(array.type) or pa.types.is_string(array.type)):
        return array
    step = len(array) // _SAMPLE_ROWS
    places = np.arange(_SAMPLE_ROWS) * step
    if pc.count_distinct(array.take(pa.array(places))).as_py() > _SAMPLE_DISTINCT_MAX:
        return array
    found = array.dictionary_encode()
    size = 8 if len(found.dictionary) < 128 else 16
    if len(found.dictionary) > 32_000:
        return array
    indices = found.indices.cast(pa.int8() if size == 8 else pa.int16())
    return pa.DictionaryArray.from_arrays(indices, found.dictionary)


def _spelt(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


class _Gather:
    """The rows of some runs, one for each series, taken together."""

    def __init__(
        self,
        reader: SeriesReader,
        file: FileMeta,
        schema: RegionSchema,
        index: SeriesIndex,
        series: Positions,
        lows: Positions,
        highs: Positions,
        dead: Positions,
    ) -> None:
        self.reader = reader
        self.file = file
        self.schema = schema
        self.index = index
        some = lows < highs
        self.series, self.lows, self.highs = series[some], lows[some], highs[some]
        self.counts = self.highs - self.lows
        self.positions: Positions | None = None
        if len(self.lows) > _FEW_SERIES or self._any_dead(dead):
            self._make_positions(dead)

    def _any_dead(self, dead: Positions) -> bool:
        return len(dead) > 0 and bool(
            np.any(np.searchsorted(dead, self.lows) < np.searchsorted(dead, self.highs))
        )

    def _make_positions(self, dead: Positions) -> None:
        """Spells the runs out, less the rows that are dead."""
        number = np.repeat(np.arange(len(self.lows)), self.counts)
        before = np.cumsum(self.counts) - self.counts
        positions = np.arange(len(number)) + (self.lows - before)[number]
        if len(dead):
            at = np.minimum(np.searchsorted(dead, positions), len(dead) - 1)
            live = dead[at] != positions
            positions, number = positions[live], number[live]
        self.positions = positions
        self.counts = np.bincount(number, minlength=len(self.lows))

    def rows(self, columns: Sequence[str]) -> pa.Table:
        """The named columns, in their declared types."""
        schema = pa.schema([self.schema.arrow.field(name) for name in columns])
        fields = [name for name in columns if name not in self.schema.primary_key]
        touched = groups_of(self.index, self.lows, self.highs)
        self.reader.prepare(self.file, self.schema, touched, fields)
        return pa.Table.from_arrays([self._column(name) for name in columns], schema=schema)

    def _column(self, name: str) -> pa.ChunkedArray:
        type_ = self.schema.arrow.field(name).type
        if name in self.schema.primary_key:
            heads = self.index.tags.column(name)
            if len(self.series) == 1:
                value = heads[int(self.series[0])]
                return pa.chunked_array([pa.repeat(value, int(self.counts[0]))])
            return heads.take(pa.array(np.repeat(self.series, self.counts)))
        if self.positions is None:
            bounds = zip(self.lows.tolist(), self.highs.tolist(), strict=True)
            parts = [
                self.reader.column(self.file, self.schema, self.index, name, low, high)
                for low, high in bounds
            ]
        else:
            parts = self._taken(name, self.positions)
        return pa.chunked_array(parts, type_)

    def _taken(self, name: str, positions: Positions) -> list[pa.Array]:
        groups = self.index.groups
        cuts = np.searchsorted(positions, groups)
        parts = []
        for number in np.flatnonzero(cuts[1:] > cuts[:-1]).tolist():
            array = self.reader.group(self.file, self.schema, number, name)
            places = positions[cuts[number] : cuts[number + 1]] - groups[number]
            parts.append(_spelt(array.take(pa.array(places))))
        return parts
