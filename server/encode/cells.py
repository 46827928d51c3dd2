"""A column of encoded cells: the form between Arrow columns and rows of bytes.

Type encoders (text.py and each wire's binary encoders) make cells, assemble.py lays them out as
rows. Cells never hold Python objects, so a million of them cost three buffers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import DbError, ErrorKind

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class VarCells:
    """Cells of any width: cell i is data[offsets[i]:offsets[i + 1]]; `valid` None: none is NULL."""

    offsets: Offsets
    data: Bytes
    valid: Mask | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def slice(self, start: int, stop: int) -> VarCells:
        """The cells of rows start to stop, sharing memory."""
        valid = None if self.valid is None else self.valid[start:stop]
        return VarCells(self.offsets[start : stop + 1], self.data, valid)

    def lengths(self) -> npt.NDArray[np.int64]:
        """Bytes per cell, 0 for NULL."""
        lengths = (self.offsets[1:] - self.offsets[:-1]).astype(np.int64)
        if self.valid is not None:
            lengths[~self.valid] = 0
        return lengths

    def cell(self, row: int) -> bytes | None:
        """One cell (for tests and rare paths)."""
        if self.valid is not None and not self.valid[row]:
            return None
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes()

    def to_list(self) -> list[bytes | None]:
        """All cells (for tests and rare paths)."""
        return [self.cell(row) for row in range(len(self))]

    def to_arrow(self) -> pa.Array:
        """The cells as an Arrow binary array, sharing the bytes."""
        validity = None if self.valid is None else pa.array(self.valid).buffers()[1]
        buffers = [validity, pa.py_buffer(self.offsets), pa.py_buffer(self.data)]
        return pa.Array.from_buffers(pa.binary(), len(self), buffers)


@dataclass(frozen=True, slots=True)
class FixedCells:
    """Cells of one width: an n x width matrix of bytes, already in the wire's byte order."""

    matrix: npt.NDArray[np.uint8]
    valid: Mask | None = None

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def width(self) -> int:
        """Bytes per cell."""
        return int(self.matrix.shape[1])

    def slice(self, start: int, stop: int) -> FixedCells:
        """The cells of rows start to stop, sharing memory."""
        valid = None if self.valid is None else self.valid[start:stop]
        return FixedCells(self.matrix[start:stop], valid)

    def lengths(self) -> npt.NDArray[np.int64]:
        """Bytes per cell, 0 for NULL."""
        if self.valid is None:
            return np.full(len(self), self.width, np.int64)
        return self.valid * np.int64(self.width)

    def cell(self, row: int) -> bytes | None:
        """One cell (for tests and rare paths)."""
        if self.valid is not None and not self.valid[row]:
            return None
        return bytes(self.matrix[row].tobytes())

    def to_list(self) -> list[bytes | None]:
        """All cells (for tests and rare paths)."""
        return [self.cell(row) for row in range(len(self))]


Cells = VarCells | FixedCells


def validity(array: pa.Array) -> Mask | None:
    """Which rows are not NULL; None when all are."""
    if array.null_count == 0:
        return None
    if isinstance(array, pa.NullArray):
        return np.zeros(len(array), np.bool_)
    mask: Mask = array.is_valid().to_numpy(zero_copy_only=False)
    return mask


def values(array: pa.Array, dtype: Any) -> npt.NDArray[Any]:
    """The value buffer of a fixed-width Arrow array as numpy; NULL slots hold anything."""
    buffer = array.buffers()[1]
    item = np.dtype(dtype)
    if buffer is None or len(array) == 0:
        return np.zeros(len(array), item)
    return np.frombuffer(buffer, item, len(array), array.offset * item.itemsize)


def to_arrow(cells: VarCells) -> pa.Array:
    """The cells as an Arrow string array, sharing memory. Requires: they hold UTF-8."""
    valid = None
    if cells.valid is not None:
        valid = pa.array(cells.valid).buffers()[1]
    offsets = pa.py_buffer(np.ascontiguousarray(cells.offsets))
    return pa.StringArray.from_buffers(len(cells), offsets, pa.py_buffer(cells.data), valid)


def from_arrow(array: pa.Array) -> VarCells:
    """The cells of a string or binary Arrow array, sharing its memory.

    Raises: DbError LIMIT_EXCEEDED when a 64-bit layout holds more than 2 GiB.
    """
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type):
        array = _narrow(array)
    elif not (pa.types.is_string(array.type) or pa.types.is_binary(array.type)):
        array = array.cast(pa.binary())
    offsets = values_at(array, 1, np.int32, len(array) + 1)
    data = array.buffers()[2]
    content = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return VarCells(offsets, content, validity(array))


def values_at(array: pa.Array, index: int, dtype: Any, count: int) -> npt.NDArray[Any]:
    """One buffer of an Arrow array from its offset on, e.g. the offsets of strings or lists."""
    buffer = array.buffers()[index]
    item = np.dtype(dtype)
    if buffer is None or buffer.size == 0:
        return np.zeros(count, item)
    return np.frombuffer(buffer, item, count, array.offset * item.itemsize)


def _narrow(array: pa.Array) -> pa.Array:
    try:
        return array.cast(pa.binary())
    except pa.ArrowInvalid as error:
        raise DbError(
            ErrorKind.LIMIT_EXCEEDED, "a result batch holds more than 2 GiB in one column"
        ) from error


def from_lengths(lengths: npt.NDArray[np.int64]) -> Offsets:
    """Offsets of cells with these lengths. Raises: DbError LIMIT_EXCEEDED above 2 GiB."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    if offsets[-1] > np.iinfo(np.int32).max:
        raise DbError(
            ErrorKind.LIMIT_EXCEEDED, "a result batch holds more than 2 GiB in one column"
        )
    return offsets.astype(np.int32)
