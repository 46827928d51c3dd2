"""Rows of some tags out of memory, without comparing text row by row for each question.

Called by `engine.scan`. The codes of a tag in a part of memory are found once and kept with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.api import KeyFilter
from engine.memo import BatchMemo

# Smaller parts are filtered by whoever asked.
_ROWS_MIN = 4096

_Coded = tuple[pa.Array, npt.NDArray[np.int32]]


class MemoryFilter:
    """Tells which rows of a part of memory pass filters on tags. Any thread."""

    def __init__(self) -> None:
        self._memo: BatchMemo[_Coded] = BatchMemo()

    def rows(self, rows: pa.RecordBatch, keys: Sequence[KeyFilter]) -> pa.RecordBatch:
        """The rows that may pass; all of a small part."""
        if rows.num_rows < _ROWS_MIN:
            return rows
        keep: npt.NDArray[np.bool_] | None = None
        for key in keys:
            make = partial(_coded, rows, key.column)
            values, codes = self._memo.get(rows, key.column, make)
            wanted = pc.index_in(pa.array(key.values, values.type), value_set=values).drop_null()
            some = np.zeros(len(values) + 1, np.bool_)
            some[wanted.to_numpy()] = True
            keep = some[codes] if keep is None else keep & some[codes]
        return rows if keep is None else rows.take(pa.array(np.flatnonzero(keep)))


def _coded(rows: pa.RecordBatch, column: str) -> _Coded:
    """The distinct values of a column, and for each row the place of its own (NULL: behind all)."""
    array = rows.column(column)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    values = array.dictionary
    return values, pc.fill_null(array.indices, len(values)).to_numpy().astype(np.int32)
