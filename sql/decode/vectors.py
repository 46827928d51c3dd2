"""VECTOR columns: texts such as `[1.0, 2.5]` and lists of numbers to rows of 32-bit floats.

Called by sql/decode/text.py and sql/decode/assign.py. A vector is stored as the bytes of its
little-endian 32-bit floats, as GreptimeDB does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.decode.cells import Cells, strings

_BYTES = 4  # of one number


def vectors(cells: Cells, type_: DataType) -> Any:
    """The texts as vectors of the type's length. Raises: DbError INVALID_TEXT."""
    texts = strings(cells)
    trimmed = pc.utf8_trim_whitespace(texts)
    enclosed = pc.match_substring_regex(trimmed, r"^\[[^\[\]]*\]$")
    if not pc.all(enclosed, skip_nulls=True).as_py():
        raise _unreadable(cells, _first_false(enclosed))
    parts = pc.split_pattern(pc.utf8_slice_codeunits(trimmed, 1, -1), ",")
    row = _wrong_length(parts, type_.dimensions)
    if row >= 0:
        message = f"a vector of {type_.dimensions} numbers is needed, not {{}}"
        raise cells.fail(row, ErrorKind.INVALID_TEXT, message)
    items = pc.utf8_trim_whitespace(parts.flatten())
    try:
        numbers = items.cast(pa.float32())
    except pa.ArrowInvalid:
        bad = pc.invert(pc.match_substring_regex(items, _NUMBER))
        at = pc.index(bad, True).as_py()
        place = pc.list_parent_indices(parts)[max(at, 0)].as_py()
        raise _unreadable(cells, place) from None
    return packed(numbers, parts, type_)


_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def vectors_of_lists(lists: pa.Array, type_: DataType, column: str) -> Any:
    """Lists of numbers as vectors. Raises: DbError INVALID_ARGUMENT for another length."""
    if _wrong_length(lists, type_.dimensions) >= 0:
        raise wrong_length(type_, column)
    return packed(lists.flatten().cast(pa.float32(), safe=False), lists, type_)


def check_bytes(array: pa.Array, type_: DataType, column: str) -> None:
    """Raises: DbError INVALID_ARGUMENT for bytes that are no vector of the type's length."""
    lengths = pc.binary_length(array)
    if not pc.all(pc.equal(lengths, type_.dimensions * _BYTES), skip_nulls=True).as_py():
        raise wrong_length(type_, column)


def wrong_length(type_: DataType, column: str) -> DbError:
    """The error for a value that has not as many numbers as its column."""
    return DbError(
        ErrorKind.INVALID_ARGUMENT,
        f'column "{column}" holds vectors of {type_.dimensions} numbers',
        hint="every vector of a column has the same number of elements",
    )


def packed(numbers: pa.Array, lists: pa.Array, type_: DataType) -> Any:
    """The numbers of every list that is not NULL as one binary value each."""
    sizes = np.asarray(pc.is_valid(lists).cast(pa.int32())) * (type_.dimensions * _BYTES)
    offsets = np.zeros(len(lists) + 1, np.int32)
    np.cumsum(sizes, out=offsets[1:])
    data = np.ascontiguousarray(numbers.to_numpy(zero_copy_only=False), "<f4")
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    made = pa.Array.from_buffers(pa.binary(), len(lists), buffers)
    return pc.if_else(pc.is_valid(lists), made, pa.scalar(None, pa.binary()))


def _wrong_length(lists: pa.Array, dimensions: int) -> int:
    """The first row that has another number of elements, -1 if none has."""
    fits = pc.equal(pc.list_value_length(lists), dimensions)
    return -1 if pc.all(fits, skip_nulls=True).as_py() else _first_false(fits)


def _first_false(flags: pa.Array) -> int:
    return int(pc.index(flags, False).as_py())


def _unreadable(cells: Cells, row: int) -> DbError:
    return cells.fail(row, ErrorKind.INVALID_TEXT, "invalid input syntax for type vector: {}")
