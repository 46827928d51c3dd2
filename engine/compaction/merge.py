"""A k-way merge of sorted streams of rows, one slice of the key space after the other.

Called by the job (run.py). Of each stream one block is in memory. The block that ends first bounds
a slice: all rows up to its last key are taken from every block and sorted together. No row is
compared by Python; keys are turned into numbers, one for each series of a slice and not for each
row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.compaction.source import times_of
from engine.errors import DbError, ErrorKind
from engine.memtable.keys import canonical
from engine.memtable.order import sort_order
from engine.schema import RegionSchema

Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
# Rows of each block that are compared with a bound at once: 64 ** 3 is more than a block has.
_PROBES = 64
_FUSED_MAX = 1 << 62


def merged(streams: Sequence[Iterator[pa.Table]], schema: RegionSchema) -> Iterator[pa.Table]:
    """All rows in order of the sort key; equal rows in order of their streams.

    Requires: each stream is sorted and has no empty table; all have the same Arrow schema, which
    is that of `schema` (text may be dictionary-encoded) and any further columns.
    Raises: DbError CORRUPTED if a stream is not in order; what the streams raise.
    """
    inputs = [_Stream(stream, schema) for stream in streams]
    while True:
        inputs = [one for one in inputs if one.fill()]
        if not inputs:
            return
        if len(inputs) == 1:
            yield inputs[0].take(inputs[0].waiting)
            continue
        counts = _counts_until(inputs, _first_to_end(inputs, schema), schema)
        parts = [one.take(count) for one, count in zip(inputs, counts, strict=True) if count]
        yield parts[0] if len(parts) == 1 else _sorted(parts, schema)


class _Stream:
    """One input: the rest of its current block."""

    def __init__(self, stream: Iterator[pa.Table], schema: RegionSchema) -> None:
        self._stream = stream
        self._schema = schema
        self._rows: pa.Table | None = None
        self._start = 0
        self.waiting = 0

    def fill(self) -> bool:
        """Reads on if nothing is left of the block; False at the end."""
        if not self.waiting:
            self._rows = None  # gone before the next one comes
            self._rows = next(self._stream, None)
            self._start = 0
            self.waiting = self._rows.num_rows if self._rows is not None else 0
        return self.waiting > 0

    def keys(self, positions: Codes) -> pa.Table:
        """The plain sort keys of some of the waiting rows."""
        assert self._rows is not None
        rows = self._rows.select(self._schema.sort_key).take(pa.array(self._start + positions))
        return _plain(rows, self._schema)

    def take(self, count: int) -> pa.Table:
        """The first of the waiting rows, which leave it."""
        assert self._rows is not None
        rows = self._rows.slice(self._start, count)
        self._start += count
        self.waiting -= count
        return rows


def _plain(rows: pa.Table, schema: RegionSchema) -> pa.Table:
    """Sort keys with their declared types."""
    return rows.cast(pa.schema([schema.arrow.field(name) for name in rows.column_names]))


def _first_to_end(inputs: Sequence[_Stream], schema: RegionSchema) -> int:
    """Which input has the smallest last key."""
    last = [one.keys(np.array([one.waiting - 1])) for one in inputs]
    return int(sort_order(pa.concat_tables(last), schema.sort_key)[0])


def _counts_until(inputs: Sequence[_Stream], bound: int, schema: RegionSchema) -> list[int]:
    """How many rows of each input are not above the last row of input number `bound`."""
    last = inputs[bound].keys(np.array([inputs[bound].waiting - 1]))
    lows = [0] * len(inputs)
    highs = [one.waiting for one in inputs]
    lows[bound] = highs[bound]
    while any(low < high for low, high in zip(lows, highs, strict=True)):
        open_ = [i for i in range(len(inputs)) if lows[i] < highs[i]]
        probes = [_probes(lows[i], highs[i]) for i in open_]
        keys = [inputs[i].keys(probe) for i, probe in zip(open_, probes, strict=True)]
        order = sort_order(pa.concat_tables([*keys, last]), schema.sort_key)
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        # The bound comes last of equal rows: they belong to the slice.
        below = ranks[:-1] < ranks[-1]
        for i, probe, is_below in zip(
            open_, probes, np.split(below, np.cumsum([len(p) for p in probes])[:-1]), strict=True
        ):
            count = int(np.count_nonzero(is_below))
            lows[i] = int(probe[count - 1]) + 1 if count else lows[i]
            highs[i] = int(probe[count]) if count < len(probe) else highs[i]
    return lows


def _probes(low: int, high: int) -> Codes:
    """Some positions in [low, high), ascending; all of them if they are few."""
    return np.unique(np.linspace(low, high - 1, min(_PROBES, high - low)).astype(np.int64))


def _sorted(parts: Sequence[pa.Table], schema: RegionSchema) -> pa.Table:
    """The rows of several sorted tables in order."""
    rows = pa.concat_tables(parts).combine_chunks()
    starts = np.cumsum([0, *(part.num_rows for part in parts[:-1])])
    series = _series(rows, starts, schema)
    times = times_of(rows, schema)
    least, span = int(times.min()), int(times.max()) - int(times.min()) + 1
    if (int(series.max()) + 1) * span >= _FUSED_MAX:
        order = np.lexsort((times, series))
    else:
        fused = series * span + (times - least)
        falls = fused[1:] < fused[:-1]
        falls[starts[1:] - 1] = False
        if falls.any():
            raise DbError(ErrorKind.CORRUPTED, "the rows of a file are not in order of its key")
        # Sorted stretches one after the other are what a stable sort is quickest with.
        order = np.argsort(fused, kind="stable")
    return rows.take(pa.array(order))


def _series(rows: pa.Table, starts: Codes, schema: RegionSchema) -> Codes:
    """For each row a number that sorts like its primary key. `starts`: where parts begin."""
    names = list(schema.primary_key)
    if not names:
        return np.zeros(rows.num_rows, np.int64)
    changed = np.zeros(rows.num_rows, np.bool_)
    changed[starts] = True
    changed |= _changes(rows.select(names))
    heads = np.flatnonzero(changed)
    keys = _plain(rows.select(names).take(pa.array(heads)), schema)
    order = sort_order(keys, names)
    ranks = np.empty(len(heads), np.int64)
    ranks[order] = np.cumsum(_changes(keys.take(pa.array(order)))) - 1
    return np.repeat(ranks, np.diff(np.append(heads, rows.num_rows)))


def _changes(rows: pa.Table) -> Mask:
    """For each row, whether it differs from the one before; the first one does."""
    changed = np.zeros(rows.num_rows, np.bool_)
    changed[:1] = True
    for column in rows.columns:
        codes = _codes(column)
        changed[1:] |= codes[1:] != codes[:-1]
    return changed


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.generic]:
    """Numbers that are equal exactly if the values are."""
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if not pa.types.is_dictionary(array.type):
        array = canonical(array).dictionary_encode(null_encoding="encode")
    indices = array.indices
    filled = pc.fill_null(indices, -1) if indices.null_count else indices
    codes: npt.NDArray[np.generic] = filled.to_numpy()
    return codes
