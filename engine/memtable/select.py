"""Rows of some tags out of memory, without looking at all rows for each question.

Called by `engine.scan`. Where the rows of each value of a tag are in a part of memory is found once
and kept with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.api import KeyFilter, KeyValue, TimeRange
from engine.memo import BatchMemo
from engine.memtable.keys import Codes
from engine.memtable.view import Chunk, Shape, during, times

# Smaller parts are filtered by whoever asked.
_ROWS_MIN = 4096

_SHORT_MAX = 1 << 16  # numpy sorts so many different values without comparing them


@dataclass(frozen=True, slots=True)
class _Coded:
    """A column as codes: those of `code_of`'s values, NULL behind all.

    The rows of code c are order[starts[c]:starts[c + 1]], as they came.
    """

    codes: npt.NDArray[np.int32]
    code_of: dict[KeyValue, int]
    order: Codes
    starts: Codes

    def places(self, values: Sequence[KeyValue]) -> Codes:
        """The rows with one of the values, in order."""
        found = {self.code_of[value] for value in values if value in self.code_of}
        parts = [self.order[self.starts[code] : self.starts[code + 1]] for code in found]
        if len(parts) == 1:
            return parts[0]
        return np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)

    def among(self, places: Codes, values: Sequence[KeyValue]) -> Codes:
        """Those of the places with one of the values."""
        some = np.zeros(len(self.starts), np.bool_)
        some[[self.code_of[value] for value in values if value in self.code_of]] = True
        return places[some[self.codes[places]]]


class MemoryFilter:
    """Tells which rows of a part of memory pass filters on tags. Any thread."""

    def __init__(self) -> None:
        self._memo: BatchMemo[_Coded] = BatchMemo()

    def indexes(self, part: Chunk) -> bool:
        """True if rows of a part are found by codes of its tags, not by comparing all of them."""
        return bool(part.rows.num_rows >= _ROWS_MIN)

    def known_places(self, part: Chunk, keys: Sequence[KeyFilter]) -> Codes | None:
        """Which rows pass, in order, if that was asked of the part before. Requires: keys."""
        if any(self._memo.known(part.rows, key.column) is None for key in keys):
            return None
        return self._places(part.rows, keys)

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
        if not keys or not self.indexes(part):
            return during(Chunk(narrow, part.first, part.last), shape, wanted)
        places = self._places(part.rows, keys)
        moments = times(part.rows, shape)[places]
        if wanted.start is not None and part.first < wanted.start:
            places, moments = _kept(moments >= wanted.start, places, moments)
        if wanted.end is not None and part.last >= wanted.end:
            places, moments = _kept(moments < wanted.end, places, moments)
        return narrow.take(pa.array(places))

    def _places(self, rows: pa.RecordBatch, keys: Sequence[KeyFilter]) -> Codes:
        """Which rows pass. Requires: there are keys."""
        places: Codes | None = None  # None: all of them
        for key in keys:
            make = partial(_coded, rows, key.column)
            coded = self._memo.get(rows, key.column, make)
            values = key.values
            places = coded.places(values) if places is None else coded.among(places, values)
        assert places is not None
        return places


def _kept(keep: npt.NDArray[np.bool_], places: Codes, moments: Codes) -> tuple[Codes, Codes]:
    return places[keep], moments[keep]


def _coded(rows: pa.RecordBatch, column: str) -> _Coded:
    """Where the rows of each value of a column are."""
    array = rows.column(column)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    values = array.dictionary.to_pylist()
    filled = pc.fill_null(array.indices, len(values)) if array.null_count else array.indices
    codes = filled.to_numpy().astype(np.int32)
    short = codes.astype(np.uint16) if len(values) < _SHORT_MAX else codes
    counts = np.bincount(codes, minlength=len(values) + 1)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    order = np.argsort(short, kind="stable")
    return _Coded(codes, {value: code for code, value in enumerate(values)}, order, starts)
