"""Short results of numbers and moments as PostgreSQL's DataRow messages, in one kernel.

Called by server/postgres/few.py. The encoders of columns and the layout of rows (text.py,
assemble.py) are made for thousands of rows; setting each of them up takes longer than writing a
hundred. The bytes are the same; what only those write is left to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import types as nt

from engine.datatypes import UNITS_PER_SECOND, DataType, TypeId
from engine.jit import loop_part, put_int32
from server.encode.cells import Bytes, validity, values
from server.encode.kernel import INT, WRITE_BYTES, kernel_unchecked
from server.encode.numbers import FLOAT_WIDTH_MAX, put_finite, put_integer
from server.encode.style import DateText, TextStyle
from server.encode.times import ERA_DAYS, put_clock_text, put_date

BINARY, MOMENT, INTEGER, FLOAT, MOMENT_TEXT = range(5)  # how a column is written
_CELL_MAX = 4 + max(FLOAT_WIDTH_MAX, 48) + 4  # a length, the longest text, one move more
_HEAD_BYTES = 7
_INFINITY = np.iinfo(np.int64).max
_ALL_VALID: npt.NDArray[np.bool_] = np.zeros((0, 0), np.bool_)

_WORDS = nt.Array(nt.int64, 2, "C", readonly=True)
_VALID = nt.Array(nt.boolean, 2, "C", readonly=True)
_Words = npt.NDArray[np.int64]


class WordColumn(NamedTuple):
    """How the values of a column, as 64-bit words, become cells."""

    native: str  # NumPy's type of the values as they lie in memory, floats as integers
    kind: int
    width: int = 0  # bytes of a binary cell
    factor: int = 1  # microseconds in a moment's unit; for its text, units in a second
    shift: int = 0  # of a moment: what is subtracted


def text_column(data_type: DataType, style: TextStyle) -> WordColumn | None:
    """The column for texts of such values; None if the kernel has none for them."""
    if data_type.is_integer:
        width = np.dtype(data_type.arrow.to_pandas_dtype())
        return None if width == np.uint64 else WordColumn(width.str, INTEGER)
    if data_type.id is TypeId.FLOAT64:
        return WordColumn("i8", FLOAT)
    plain = style.timezone == "UTC" and style.dates is DateText.ISO and style.fraction_digits >= 6
    if data_type.is_timestamp and plain and data_type.unit != "ns":
        return WordColumn("i8", MOMENT_TEXT, 0, UNITS_PER_SECOND[str(data_type.unit)])
    return None


class WordRows:
    """How rows of such columns are written."""

    def __init__(self, columns: Sequence[WordColumn], style: TextStyle) -> None:
        # Constant after construction.
        self._natives = [np.dtype(column.native) for column in columns]
        self._layout = np.array([column[1:] for column in columns], np.int64)
        self._low, self._high = style.exponent_low, style.exponent_high
        self._row_bytes = _HEAD_BYTES + len(columns) * _CELL_MAX

    def messages(self, rows: pa.RecordBatch) -> memoryview | None:
        """All rows; None if there is a value that the kernel does not write.

        Requires: the rows fit the columns.
        """
        count, arrays = rows.num_rows, rows.columns
        words = np.empty((len(arrays), count), np.int64)
        valid: npt.NDArray[np.bool_] = _ALL_VALID
        for number, (array, native) in enumerate(zip(arrays, self._natives, strict=True)):
            words[number] = values(array, native)
            if array.null_count:
                if not valid.size:
                    valid = np.ones(words.shape, np.bool_)
                valid[number] = validity(array)
        out = np.empty(count * self._row_bytes, np.uint8)
        end = _put_rows(out, words, valid, self._layout, self._low, self._high)
        return None if end < 0 else out[:end].data


@loop_part
def _put_binary(out: Bytes, at: int, word: int, width: int) -> int:
    put_int32(out, at, width)
    at += 4
    if width == 8:
        put_int32(out, at, word >> 32)
        put_int32(out, at + 4, word)
    elif width == 4:
        put_int32(out, at, word)
    else:
        assert width == 2
        out[at] = (word >> 8) & 255
        out[at + 1] = word & 255
    return at + width


@loop_part
def _put_text(out: Bytes, at: int, word: int, column: Any, low: int, high: int) -> int:
    """Writes a text, without its length; returns the position after it, -1 for what is unusual."""
    if column[0] == INTEGER:
        return put_integer(out, at, np.uint64(word), True)
    if column[0] == FLOAT:
        return put_finite(out, at, np.uint64(word), low, high)
    unit = column[2]
    seconds = word // unit
    days = seconds // 86_400
    if abs(word) >= _INFINITY or days < ERA_DAYS:
        return -1
    at = put_date(out, at, days, True)
    micros = (word - seconds * unit) * (1_000_000 // unit)
    return put_clock_text(out, at, seconds - days * 86_400, micros, 6, True)


@loop_part
def _put_cell(out: Bytes, at: int, word: int, column: Any, low: int, high: int) -> int:
    """Writes a cell with its length; returns the position after it, -1 for what is unusual."""
    if column[0] == BINARY:
        return _put_binary(out, at, word, column[1])
    if column[0] == MOMENT:
        if abs(word) >= (_INFINITY - abs(column[3])) // column[2]:
            return -1
        return _put_binary(out, at, word * column[2] - column[3], 8)
    end = _put_text(out, at + 4, word, column, low, high)
    put_int32(out, at, end - at - 4)
    return end


@kernel_unchecked(INT(WRITE_BYTES, _WORDS, _VALID, _WORDS, INT, INT))
def _put_rows(out: Bytes, words: _Words, valid: Any, layout: _Words, low: int, high: int) -> int:
    """Writes all rows. Returns: bytes written, -1 if a cell is left to others."""
    columns, rows = words.shape
    if layout.shape[0] != columns or out.size < rows * (_HEAD_BYTES + columns * _CELL_MAX):
        raise IndexError("no room for the rows")
    if valid.size and (valid.shape[0] != columns or valid.shape[1] != rows):
        raise IndexError("not every cell is said to be there or not")
    at = 0
    for row in range(rows):
        head = at
        at += _HEAD_BYTES
        for number in range(columns):
            if valid.size and not valid[number, row]:
                put_int32(out, at, -1)
                at += 4
                continue
            at = _put_cell(out, at, words[number, row], layout[number], low, high)
            if at < 0:
                return -1
        out[head] = 68  # D
        put_int32(out, head + 1, at - head - 1)
        out[head + 5] = (columns >> 8) & 255
        out[head + 6] = columns & 255
    return at
