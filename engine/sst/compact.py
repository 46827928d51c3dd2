"""Decoded columns of few distinct values, kept as codes: an eighth of the memory, or less.

Used by `engine.sst.series` for what it keeps of row groups.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.sst.deletion import Positions

# A column of a row group is kept as codes if a sample of so many values has few distinct ones.
_SAMPLE_ROWS = 2048
_SAMPLE_DISTINCT_MAX = 256
_DISTINCT_MAX = 32_000  # codes of two bytes


class Codes:
    """A column of fixed-width values without NULL, as places in a list of its values."""

    def __init__(
        self, type_: pa.DataType, values: npt.NDArray[np.generic], codes: pa.Array
    ) -> None:
        self._type = type_
        self._values = values
        self._codes = codes.to_numpy()
        self.nbytes = int(self._values.nbytes + self._codes.nbytes)

    def __len__(self) -> int:
        return len(self._codes)

    def slice(self, start: int, length: int) -> pa.Array:
        """Some neighbouring values, as Arrow has them."""
        return self._array(self._codes[start : start + length])

    def take(self, places: pa.Array) -> pa.Array:
        """The values at some places."""
        return self._array(self._codes[places.to_numpy()])

    def _array(self, codes: npt.NDArray[np.generic]) -> pa.Array:
        values = self._values[codes]
        return pa.Array.from_buffers(self._type, len(values), [None, pa.py_buffer(values)])


Kept: TypeAlias = "Codes | pa.Array"


def compact(array: pa.Array) -> Kept:
    """The values in the form that takes less memory."""
    type_ = array.type
    if len(array) < _SAMPLE_ROWS or array.null_count or not pa.types.is_primitive(type_):
        return array
    if type_.bit_width < 32:
        return array
    places: Positions = np.arange(_SAMPLE_ROWS) * (len(array) // _SAMPLE_ROWS)
    plain = array.view(pa.int64() if type_.bit_width == 64 else pa.int32())  # NaN is a value too
    if pc.count_distinct(plain.take(pa.array(places))).as_py() > _SAMPLE_DISTINCT_MAX:
        return array
    found = plain.dictionary_encode()
    if len(found.dictionary) > _DISTINCT_MAX:
        return array
    narrow = pa.uint8() if len(found.dictionary) <= 256 else pa.int16()
    return Codes(type_, found.dictionary.to_numpy(), found.indices.cast(narrow))
