"""Sorted samples of some series: what a row group holds, what a part of memory holds.

Made by `engine.samples.files` and `runs`, laid over each other by `read`. Blocks are immutable and
shared between threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import TypeId
from engine.jit import Int32s, Int64s
from engine.memtable.order import Ranked, arranged
from engine.samples.kernels import DEAD, PLAIN, Floats
from engine.schema import RegionSchema, Semantic

NO_REFS: Int32s = np.empty(0, np.int32)
_NO_HISTOGRAMS = pa.array([], pa.binary())


def _no_refs() -> Int32s:
    return NO_REFS


def _no_histograms() -> pa.Array:
    return _NO_HISTOGRAMS


@dataclass(frozen=True, slots=True)
class Columns:
    """Where samples are in a region: the names of its columns."""

    series: str
    time: str
    value: str
    histogram: str | None  # binary: in place of a value
    whole: str | None = None  # values that are whole numbers; `value` is NULL there

    @classmethod
    def of(cls, schema: RegionSchema) -> Columns:
        """Requires: one INT64 tag, one DOUBLE field, at most one BINARY and one INT64 field."""
        fields = [column for column in schema.columns if column.semantic is Semantic.FIELD]
        values = [column.name for column in fields if column.type.id is TypeId.FLOAT64]
        histograms = [column.name for column in fields if column.type.id is TypeId.BINARY]
        assert len(schema.primary_key) == len(values) == 1, "not a region of samples"
        wholes = [column.name for column in fields if column.type.id is TypeId.INT64]
        histogram = histograms[0] if histograms else None
        whole = wholes[0] if wholes else None
        return cls(schema.primary_key[0], schema.time_index, values[0], histogram, whole)


@dataclass(frozen=True, slots=True)
class Rows:
    """Samples one by one, in any order; all arrays are equally long, but for NO_REFS."""

    series: Int64s
    times: Int64s
    values: Floats
    refs: Int32s = field(default_factory=_no_refs)  # see engine.samples.kernels
    histograms: pa.Array = field(default_factory=_no_histograms)

    @classmethod
    def of(cls, rows: pa.RecordBatch | pa.Table, columns: Columns) -> Rows:
        """Rows of a region. One without a value and without a histogram is dead."""
        value = _values(rows, columns)
        refs, histograms = NO_REFS, _NO_HISTOGRAMS
        has_column = columns.histogram in rows.schema.names
        given = rows.column(columns.histogram) if has_column else None
        has_histograms = given is not None and given.null_count < len(given)
        if value.null_count or has_histograms:
            refs = np.where(pc.is_null(value).to_numpy(zero_copy_only=False), DEAD, PLAIN)
            refs = refs.astype(np.int32)
            value = pc.fill_null(value, 0.0)
        if given is not None and has_histograms:
            places = np.flatnonzero(pc.is_valid(given).to_numpy(zero_copy_only=False))
            refs[places] = np.arange(len(places))
            histograms = one_array(given).drop_null()
        series, times = (_numbers(rows.column(n)) for n in (columns.series, columns.time))
        return cls(series, times, _plain(value), refs, histograms)

    @classmethod
    def dead(cls, keys: pa.RecordBatch, columns: Columns) -> Rows:
        """Rows that hide older ones. `keys` has the identity columns."""
        series, times = (_numbers(keys.column(n)) for n in (columns.series, columns.time))
        refs = np.full(len(series), DEAD, np.int32)
        return cls(series, times, np.zeros(len(series)), refs)

    def take(self, places: Int64s) -> Rows:
        """Some rows in this order."""
        refs = self.refs[places] if len(self.refs) else NO_REFS
        return replace(
            self,
            series=self.series[places],
            times=self.times[places],
            values=self.values[places],
            refs=refs,
        )

    def block(self) -> Block:
        """The rows as a block. Requires: in order of (series, time), none twice."""
        starts = np.flatnonzero(np.append(True, self.series[1:] != self.series[:-1]))
        starts = starts if len(self.series) else np.empty(0, np.int64)
        ids = self.series[starts]
        starts = np.append(starts, len(self.series))
        return Block(ids, starts, self.times, self.values, self.refs, self.histograms)


@dataclass(frozen=True)
class Block:
    """The samples of some series: ids[i] has those from starts[i] to starts[i + 1].

    I1. `ids` ascend, none is without rows; the times of one series ascend, none twice.
    `times` and `values` may hold more rows than the block's own.
    """

    ids: Int64s
    starts: Int64s
    times: Int64s
    values: Floats
    refs: Int32s = field(default_factory=_no_refs)
    histograms: pa.Array = field(default_factory=_no_histograms)

    @property
    def rows(self) -> int:
        """How many samples."""
        return int(self.starts[-1] - self.starts[0]) if len(self.starts) else 0

    @cached_property
    def extremes(self) -> tuple[int, int]:
        """The least and the greatest time. Requires: rows, all of the arrays' own."""
        return int(self.times.min()), int(self.times.max())

    @property
    def bytes(self) -> int:
        """Memory of its rows."""
        own = self.ids.nbytes + self.starts.nbytes + self.refs.nbytes + self.histograms.nbytes
        return int(own) + 16 * self.rows


def _values(rows: pa.RecordBatch | pa.Table, columns: Columns) -> pa.Array | pa.ChunkedArray:
    """The values of both columns, NULL where neither has one."""
    value = rows.column(columns.value)
    if columns.whole not in rows.schema.names:
        return value
    whole = rows.column(columns.whole)
    if whole.null_count == len(whole):
        return value
    whole = pc.cast(whole, pa.float64(), safe=False)
    return pc.coalesce(whole, value) if whole.null_count else whole


def together(parts: Sequence[Rows]) -> Rows:
    """The rows of all parts, one after the other. Requires: at least one part."""
    if len(parts) == 1:
        return parts[0]
    refs = NO_REFS
    if any(len(part.refs) for part in parts):
        shifts = np.cumsum([0, *(len(part.histograms) for part in parts)])
        refs = np.concatenate(
            [_shifted(part, shift) for part, shift in zip(parts, shifts[:-1], strict=True)]
        )
    return Rows(
        np.concatenate([part.series for part in parts]),
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.values for part in parts]),
        refs,
        pa.concat_arrays([part.histograms for part in parts]),
    )


def _shifted(part: Rows, shift: int) -> Int32s:
    if not len(part.refs):
        return np.full(len(part.series), PLAIN, np.int32)
    return np.where(part.refs >= 0, part.refs + shift, part.refs).astype(np.int32)


def newest(rows: Rows) -> Rows:
    """In order of (series, time); of rows with the same, the last one stays."""
    if len(rows.series) < 2:
        return rows
    return rows.take(arranged([_ranked(rows.series)], rows.times, unique=True)[0])


def _ranked(numbers: Int64s) -> Ranked:
    least = int(numbers.min())
    return Ranked(numbers - least, int(numbers.max()) - least + 1)


def _numbers(column: pa.Array | pa.ChunkedArray) -> Int64s:
    found: Int64s = one_array(column).view(pa.int64()).to_numpy()
    return found


def _plain(column: pa.Array | pa.ChunkedArray) -> Floats:
    found: Floats = one_array(column).to_numpy()
    return found


def one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
