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

from engine.api import KeyFilter, TimeRange
from engine.memo import BatchMemo
from engine.memtable.keys import Codes
from engine.memtable.view import Chunk, Shape, during

# Smaller parts are filtered by whoever asked.
_ROWS_MIN = 4096

_Coded = tuple[pa.Array, npt.NDArray[np.int32]]


class MemoryFilter:
    """Tells which rows of a part of memory pass filters on tags. Any thread."""

    def __init__(self) -> None:
        self._memo: BatchMemo[_Coded] = BatchMemo()

    def rows(
        self,
        part: Chunk,
        shape: Shape,
        columns: Sequence[str],
        keys: Sequence[KeyFilter],
        wanted: TimeRange,
    ) -> pa.RecordBatch:
        """The rows within the range of times that may pass, with these columns.

        Requires: the time index and the keys' columns are among them.
        """
        narrow = part.rows.select(columns)
        if part.rows.num_rows < _ROWS_MIN or not keys:
            return during(Chunk(narrow, part.first, part.last), shape, wanted)
        found = narrow.take(pa.array(self._places(part.rows, keys)))
        return during(Chunk(found, part.first, part.last), shape, wanted)

    def _places(self, rows: pa.RecordBatch, keys: Sequence[KeyFilter]) -> Codes:
        """Which rows pass. Requires: there are keys."""
        places: Codes | None = None  # None: all of them
        for key in keys:
            make = partial(_coded, rows, key.column)
            values, codes = self._memo.get(rows, key.column, make)
            wanted = pc.index_in(pa.array(key.values, values.type), value_set=values).drop_null()
            some = np.zeros(len(values) + 1, np.bool_)
            some[wanted.to_numpy()] = True
            places = np.flatnonzero(some[codes]) if places is None else places[some[codes[places]]]
        assert places is not None
        return places


def _coded(rows: pa.RecordBatch, column: str) -> _Coded:
    """The distinct values of a column, and for each row the place of its own (NULL: behind all)."""
    array = rows.column(column)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    values = array.dictionary
    return values, pc.fill_null(array.indices, len(values)).to_numpy().astype(np.int32)
