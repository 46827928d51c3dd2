"""Row identities as numbers: equality, deduplication and order of rows, vectorised.

Used wherever rows are compared: memtables, layers of a scan, flush. Columns are dictionary-encoded
and their codes are fused into one int64 per row; no Python runs per row. NULL equals NULL, NaN
equals NaN and 0.0 equals -0.0, as in DuckDB's IS NOT DISTINCT FROM.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_FUSED_MAX = 1 << 62  # the largest fused code, so that one multiplication never overflows int64
_SCATTER_FACTOR = 8  # a table of that many slots per row is still faster than sorting


def _array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column


def canonical(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The column with one spelling for each value, of a type that Arrow can hash."""
    array = _array(column)
    kind = array.type
    if pa.types.is_boolean(kind):
        return array.cast(pa.uint8())
    if pa.types.is_floating(kind):
        positive = pc.add(array, pa.scalar(0, kind))  # -0.0 becomes 0.0
        return pc.if_else(pc.is_nan(positive), pa.scalar(float("nan"), kind), positive)
    if pa.types.is_nested(kind) or pa.types.is_interval(kind):
        # Only DELETE on an append-only table gets here, with columns that nothing can hash.
        return pa.array([None if v is None else repr(v) for v in array.to_pylist()], pa.string())
    return array


def _encode(column: pa.Array | pa.ChunkedArray) -> tuple[Codes, pa.Array]:
    """Dense codes of the values, and the distinct values (NULL among them if it occurs)."""
    encoded = canonical(column).dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary


def _lookup(column: pa.Array | pa.ChunkedArray, distinct: pa.Array) -> Codes:
    """Codes of the values in `distinct`, -1 for those that are not there."""
    array = _array(column)
    if pa.types.is_dictionary(array.type):
        codes = np.append(_lookup(array.dictionary, distinct), _lookup_null(distinct))
        indices = pc.fill_null(array.indices, len(array.dictionary))
        found: Codes = codes[indices.to_numpy()]
        return found
    found_at = pc.index_in(canonical(array), value_set=distinct)
    places: Codes = pc.fill_null(found_at, -1).to_numpy().astype(np.int64)
    return places


def _lookup_null(distinct: pa.Array) -> int:
    return int(pc.fill_null(pc.index_in(pa.nulls(1, distinct.type), value_set=distinct), -1)[0])


class KeySet:
    """A set of row identities that rows can be tested against."""

    def __init__(self, keys: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> None:
        # Constant after construction.
        self._columns = tuple(columns)
        self._distinct: list[pa.Array] = []
        self._squeezed: dict[int, Codes] = {}  # by column index: the fused codes in use so far
        fused = np.zeros(keys.num_rows, np.int64)
        bound = 1
        for index, name in enumerate(self._columns):
            codes, distinct = _encode(keys.column(name))
            if bound * max(len(distinct), 1) > _FUSED_MAX:
                self._squeezed[index], fused = np.unique(fused, return_inverse=True)
                bound = len(self._squeezed[index])
            fused = fused * len(distinct) + codes
            bound *= max(len(distinct), 1)
            self._distinct.append(distinct)
        self._codes = fused
        self._bound = bound

    @property
    def first_column(self) -> pa.Array:
        """The distinct values of the first column."""
        return self._distinct[0]

    def distinct(self, column: str) -> pa.Array:
        """The distinct values of a column."""
        return self._distinct[self._columns.index(column)]

    def contains(self, rows: pa.Table | pa.RecordBatch) -> Mask:
        """For each row, whether its identity is in the set."""
        fused, known = self._fused(rows)
        found_rows = np.flatnonzero(known)
        if len(found_rows):
            codes = fused[found_rows]
            present = self._present
            known[found_rows] = (
                present[codes] if present is not None else _rank_in(codes, self._sorted)[1]
            )
        return known

    def _fused(self, rows: pa.Table | pa.RecordBatch) -> tuple[Codes, Mask]:
        """Codes of the rows as in the set, and which rows can be in it at all."""
        fused = np.zeros(rows.num_rows, np.int64)
        known = np.ones(rows.num_rows, np.bool_)
        for index, name in enumerate(self._columns):
            if index in self._squeezed:
                fused, found = _rank_in(fused, self._squeezed[index])
                known &= found
            codes = _lookup(rows.column(name), self._distinct[index])
            known &= codes >= 0
            fused = fused * len(self._distinct[index]) + np.maximum(codes, 0)
        return fused, known

    @cached_property
    def _sorted(self) -> Codes:
        return np.sort(self._codes)

    @cached_property
    def _present(self) -> Mask | None:
        """For each code whether it is in the set; None if there are too many codes."""
        if self._bound > self._scattered:
            return None
        present = np.zeros(self._bound, np.bool_)
        present[self._codes] = True
        return present

    @property
    def _scattered(self) -> int:
        """How many codes may have a place of their own."""
        return _SCATTER_FACTOR * len(self._codes) + 1024

    def positions(self, rows: pa.Table | pa.RecordBatch) -> Codes:
        """For each row, where in the set a row with its identity is; -1 if there is none."""
        fused, known = self._fused(rows)
        order = self._order
        places, found = _rank_in(fused, self._codes[order]) if len(order) else (fused, known)
        return np.where(known & found, order[places], -1) if len(order) else np.full(len(fused), -1)

    @cached_property
    def _order(self) -> Codes:
        return np.argsort(self._codes, kind="stable")

    def last_positions(self) -> Codes:
        """Position of the last row of each identity, ascending."""
        count = len(self._codes)
        if self._bound <= self._scattered:
            # Assignment by index is done in order, so the last row of a code stays.
            slots = np.full(self._bound, -1, np.int64)
            slots[self._codes] = np.arange(count)
            is_last = np.zeros(count, np.bool_)
            is_last[slots[slots >= 0]] = True
            return np.flatnonzero(is_last)
        order = np.argsort(self._codes, kind="stable")
        ordered = self._codes[order]
        last = np.append(ordered[1:] != ordered[:-1], True)
        return np.sort(order[last])

    def groups(self) -> Codes:
        """For each row, the dense number of its identity."""
        return np.unique(self._codes, return_inverse=True)[1].astype(np.int64)


def _rank_in(values: Codes, ordered: Codes) -> tuple[Codes, Mask]:
    """Positions of values in a sorted array, and whether each is there."""
    places = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return places, ordered[places] == values
