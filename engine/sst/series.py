"""One series out of a file, without decoding whole row groups for it again and again.

Rows are sorted by the primary key, so all rows of one value of its first column lie together. For
files that are asked for such values more than once, the row range of each value is kept, and the
decoded columns of recently used row groups; a selective scan then slices them.

Called by `engine.scan`; what it cannot serve is left to DuckDB, which reads the file itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.api import TimeRange
from engine.schema import RegionSchema
from engine.sst.deletion import Positions

# A longer run is no selective read: DuckDB scans it in parallel.
RUN_ROWS_MAX = 262_144
# Distinct values an index holds; files with more are nearly keyed by that column alone.
INDEX_VALUES_MAX = 200_000
_INDEX_VALUE_BYTES = 150  # a dictionary entry and its text, about

Value = str | int


@dataclass(frozen=True, slots=True)
class RunIndex:
    """Where each value of the first key column lies: rows starts[i] to starts[i + 1]."""

    numbers: dict[Value, int]
    starts: Positions
    group_starts: Positions  # first row of each row group, then the number of rows

    @property
    def nbytes(self) -> int:
        """Memory it takes, about."""
        return len(self.numbers) * _INDEX_VALUE_BYTES + self.starts.nbytes


class SeriesReader:
    """Indexes and decoded columns of files, within a budget. Any thread."""

    def __init__(self, bytes_max: int) -> None:
        # Constant after construction.
        self._bytes_max = bytes_max
        # Guarded by _lock.
        self._lock = Lock()
        self._items: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._bytes = 0
        self._asked: OrderedDict[str, None] = OrderedDict()

    def rows(
        self,
        path: str,
        schema: RegionSchema,
        value: Value,
        columns: Sequence[str],
        wanted: TimeRange,
        dead: Positions,
    ) -> pa.Table | None:
        """Live rows of a file whose first key column is `value`, within a range of times.

        None when the file is better read whole: it is asked for the first time, or the value has
        too many rows. Raises: OSError.
        """
        index = self._index(path, schema.primary_key[0])
        if index is None:
            return None
        run = index.numbers.get(value)
        if run is None:
            return _empty(schema, columns)
        start, stop = int(index.starts[run]), int(index.starts[run + 1])
        if stop - start > RUN_ROWS_MAX:
            return None
        times = self._column(path, index, schema.time_index, start, stop)
        times = times.cast(schema.time_type.arrow).view(pa.int64())
        keep = _within(times.to_numpy(), wanted)
        if len(dead):
            keep &= ~np.isin(np.arange(start, stop), dead[np.searchsorted(dead, start) :])
        chosen = np.flatnonzero(keep)
        if not len(chosen):
            return _empty(schema, columns)
        low, high = int(chosen[0]), int(chosen[-1]) + 1
        rows = self._slice(path, index, schema, value, columns, (start + low, start + high))
        return rows if high - low == len(chosen) else rows.take(pa.array(chosen - low))

    def _slice(
        self,
        path: str,
        index: RunIndex,
        schema: RegionSchema,
        value: Value,
        columns: Sequence[str],
        bounds: tuple[int, int],
    ) -> pa.Table:
        start, stop = bounds
        arrays = []
        for name in columns:
            target = schema.arrow.field(name).type
            if name == schema.primary_key[0]:
                arrays.append(pa.repeat(pa.scalar(value, target), stop - start))
            else:
                arrays.append(self._column(path, index, name, start, stop).cast(target))
        fields = [schema.arrow.field(name) for name in columns]
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def _index(self, path: str, column: str) -> RunIndex | None:
        known = self._get(("index", path))
        if known is not None:
            return known if isinstance(known, RunIndex) else None
        with self._lock:
            if path not in self._asked:
                self._asked[path] = None
                if len(self._asked) > 100_000:
                    self._asked.popitem(last=False)
                return None  # one question does not pay for an index
        index = _build(path, column)
        self._put(("index", path), index or "none", index.nbytes if index is not None else 1)
        return index

    def _column(self, path: str, index: RunIndex, name: str, start: int, stop: int) -> pa.Array:
        """Rows start to stop of a column, from the decoded row groups that hold them."""
        groups = index.group_starts
        first = int(np.searchsorted(groups, start, side="right")) - 1
        last = int(np.searchsorted(groups, stop, side="left")) - 1
        parts = []
        for number in range(first, last + 1):
            array = self._group(path, number, name)
            begin, end = max(start - int(groups[number]), 0), stop - int(groups[number])
            parts.append(array.slice(begin, min(end, len(array)) - begin))
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)

    def _group(self, path: str, number: int, name: str) -> pa.Array:
        key = ("column", path, number, name)
        array = self._get(key)
        if array is None:
            with pq.ParquetFile(path) as file:
                table = file.read_row_group(number, columns=[name])
            array = pa.concat_arrays(table.column(0).chunks)
            self._put(key, array, array.nbytes)
        return array

    def _get(self, key: tuple[Any, ...]) -> Any:
        with self._lock:
            item = self._items.get(key)
            if item is None:
                return None
            self._items.move_to_end(key)
            return item[0]

    def _put(self, key: tuple[Any, ...], value: Any, size: int) -> None:
        with self._lock:
            if key not in self._items:
                self._items[key] = (value, size)
                self._bytes += size
            while self._bytes > self._bytes_max:
                self._bytes -= self._items.popitem(last=False)[1][1]


def _build(path: str, column: str) -> RunIndex | None:
    """The runs of a column, None when there are too many to keep."""
    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        counts = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        keys = file.read([column]).column(0)
    numbers: dict[Value, int] = {}
    starts: list[int] = []
    base = 0
    for chunk in keys.chunks:
        runs = pc.run_end_encode(chunk)
        begins = [0, *runs.run_ends.to_pylist()[:-1]]
        for value, begin in zip(runs.values.to_pylist(), begins, strict=True):
            if value not in numbers:
                numbers[value] = len(starts)
                starts.append(base + begin)
        base += len(chunk)
        if len(numbers) > INDEX_VALUES_MAX:
            return None
    groups = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return RunIndex(numbers, np.array([*starts, base], np.int64), groups)


def _within(times: Positions, wanted: TimeRange) -> Any:
    keep = np.ones(len(times), np.bool_)
    if wanted.start is not None:
        keep &= times >= wanted.start
    if wanted.end is not None:
        keep &= times < wanted.end
    return keep


def _empty(schema: RegionSchema, columns: Sequence[str]) -> pa.Table:
    return pa.schema([schema.arrow.field(name) for name in columns]).empty_table()
