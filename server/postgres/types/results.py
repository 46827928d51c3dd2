"""Result columns in PostgreSQL's binary format.

Called by rows.py once per column and batch. Fixed-width types are one byte swap by NumPy, the
others a kernel. Sources: the `*send` functions of PostgreSQL's src/backend/utils/adt.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import UNITS_PER_SECOND, DataType, TypeId
from engine.errors import DbError, ErrorKind
from server.encode import zones
from server.encode.cells import (
    Bytes,
    Cells,
    FixedCells,
    Mask,
    Offsets,
    VarCells,
    from_arrow,
    validity,
    values,
)
from server.encode.intervals import interval_parts
from server.encode.kernel import (
    BOOL,
    INT,
    READ_BYTES,
    READ_INT32,
    READ_MASK,
    READ_UINT64,
    VOID,
    WRITE_BYTES,
    WRITE_INT32,
    WRITE_MATRIX,
    array_kernel,
    kernel,
)
from server.encode.numbers import decimal_digits, values_128
from server.encode.style import TextStyle
from server.encode.text import text_cells
from server.postgres.types.arrays import array_cells
from server.postgres.types.named import named_cells
from server.postgres.types.oids import CHAR, INT2, INT2VECTOR, OID, describe_column, is_record
from server.postgres.types.records import record_binary
from sql.results import ResultColumn

_EPOCH_DAYS = 10957  # 2000-01-01, PostgreSQL's day and second zero, in days since 1970-01-01
EPOCH_MICROS = _EPOCH_DAYS * 86_400_000_000
_INFINITY = np.iinfo(np.int64).max
_NEGATIVE = np.iinfo(np.int64).min  # PostgreSQL's -infinity
_NO_MASK = np.zeros(0, np.bool_)
_NUMERIC_WIDTH_MAX = 32  # 8 bytes of header and 11 groups of digits

WIDTHS: dict[TypeId, tuple[str, str]] = {  # native type, wire type
    TypeId.INT8: ("i1", ">i2"),
    TypeId.INT16: ("i2", ">i2"),
    TypeId.INT32: ("i4", ">i4"),
    TypeId.INT64: ("i8", ">i8"),
    TypeId.UINT8: ("u1", ">i2"),
    TypeId.UINT16: ("u2", ">i4"),
    TypeId.UINT32: ("u4", ">i8"),
    TypeId.FLOAT32: ("f4", ">f4"),
    TypeId.FLOAT64: ("f8", ">f8"),
    TypeId.TIME: ("i8", ">i8"),
}


def binary_cells(array: pa.Array, data_type: DataType, style: TextStyle) -> Cells:
    """The binary form of every value of a column; timestamps in the style's time zone.

    Requires: the array has the Arrow type of `data_type`.
    Raises: DbError LIMIT_EXCEEDED, or INVALID_BINARY for a value without a binary form.
    """
    widths = WIDTHS.get(data_type.id)
    if widths is not None:
        return _swapped(values(array, widths[0]), widths[1], validity(array))
    if data_type.element is not None:
        return array_cells(array, data_type, style, binary_cells)
    if data_type.is_timestamp:
        zone = "UTC" if data_type.wall else style.timezone
        return _timestamps(array, data_type.unit, zone)
    match data_type.id:
        case TypeId.BOOLEAN:
            truth = array.fill_null(False).to_numpy(zero_copy_only=False)
            return FixedCells(truth.astype(np.uint8).reshape(-1, 1), validity(array))
        case TypeId.TIMESTAMP_TZ:
            return _timestamps(array, "us", "UTC")
        case TypeId.DATE:
            return _dates(array)
        case TypeId.INTERVAL:
            return _intervals(array)
        case TypeId.UUID:
            return _uuids(array)
        case TypeId.DECIMAL:
            return _numeric(values_128(array), validity(array), data_type.scale)
        case TypeId.UINT64:
            halves = np.zeros(2 * len(array), np.uint64)
            halves[0::2] = values(array, np.uint64)
            return _numeric(halves, validity(array), 0)
        case TypeId.BINARY:
            return from_arrow(array)
        case _:
            return _as_text(array, data_type, style)


def _as_text(array: pa.Array, data_type: DataType, style: TextStyle) -> Cells:
    """Text and json are sent as they are, structs and maps as JSON, if they are nothing more."""
    if data_type.named is not None:
        return named_cells(array, data_type.named, style, binary_cells)
    if is_record(data_type):
        return record_binary(array, data_type, style, binary_cells)
    return text_cells(array, data_type, style)


def column_cells(array: pa.Array, column: ResultColumn, style: TextStyle) -> Cells:
    """As `binary_cells`; numbers of pg_catalog have 32 bits on the wire."""
    if column.vector_oid:
        element, width = (INT2, "h") if column.vector_oid == INT2VECTOR else (OID, "I")
        packed = [None if t is None else _vector(t, element, width) for t in array.to_pylist()]
        return from_arrow(pa.array(packed, pa.binary()))
    if column.type.id is TypeId.INT64 and describe_column(column).length == 4:
        return _swapped(values(array, "i8"), ">u4", validity(array))
    if describe_column(column).oid == CHAR:  # an empty "char" is a byte of zero
        array = pc.replace_with_mask(array, pc.fill_null(pc.equal(array, ""), False), "\0")
    return binary_cells(array, column.type, style)


def _vector(text: str, element: int, width: str) -> bytes:
    """An int2vector or oidvector: an array that counts from 0. Index columns: a few."""
    items = [struct.pack(f"!{width}", int(word)) for word in text.split()]
    head = struct.pack("!iiIii", 1, 0, element, len(items), 0)
    return head + b"".join(struct.pack("!i", len(item)) + item for item in items)


def _swapped(numbers: npt.NDArray[Any], wire: str, valid: Mask | None) -> FixedCells:
    swapped = np.ascontiguousarray(numbers.astype(wire))
    return FixedCells(swapped.view(np.uint8).reshape(len(numbers), swapped.itemsize), valid)


def _timestamps(array: pa.Array, unit: str, timezone: str) -> FixedCells:
    utc = values(array, np.int64)
    local = zones.local(utc, UNITS_PER_SECOND[unit], timezone)
    per_second = UNITS_PER_SECOND[unit]
    micros = local // 1000 if unit == "ns" else local * (1_000_000 // per_second)
    shifted = micros - EPOCH_MICROS
    shifted = np.where(utc >= _INFINITY, _INFINITY, shifted)
    shifted = np.where(utc <= -_INFINITY, _NEGATIVE, shifted)
    return _swapped(shifted, ">i8", validity(array))


def _dates(array: pa.Array) -> FixedCells:
    days = values(array, np.int32).astype(np.int64)
    high = np.iinfo(np.int32).max
    shifted = np.clip(days - _EPOCH_DAYS, -high, high)
    shifted = np.where(days >= high, high, shifted)
    shifted = np.where(days <= -high, np.iinfo(np.int32).min, shifted)
    return _swapped(shifted.astype(np.int32), ">i4", validity(array))


def _intervals(array: pa.Array) -> FixedCells:
    months, days, nanos = interval_parts(array)
    parts = np.empty(len(array), np.dtype([("us", ">i8"), ("days", ">i4"), ("months", ">i4")]))
    parts["us"] = np.sign(nanos) * (np.abs(nanos) // 1000)  # towards zero, as in text
    parts["days"] = days
    parts["months"] = months
    return FixedCells(parts.view(np.uint8).reshape(len(array), 16), validity(array))


def _uuids(array: pa.Array) -> FixedCells:
    cells = from_arrow(array)
    matrix = np.zeros((len(array), 16), np.uint8)
    mask = _NO_MASK if cells.valid is None else cells.valid
    if not _read_uuids(matrix, cells.offsets, cells.data, mask):
        raise DbError(ErrorKind.INVALID_BINARY, "a UUID column holds a text that is no UUID")
    return FixedCells(matrix, cells.valid)


def _numeric(halves: npt.NDArray[np.uint64], valid: Mask | None, scale: int) -> VarCells:
    rows = len(halves) // 2
    out = np.empty(rows * _NUMERIC_WIDTH_MAX, np.uint8)
    offsets = np.zeros(rows + 1, np.int32)
    _write_numeric(out, offsets, halves, _NO_MASK if valid is None else valid, scale)
    return VarCells(offsets, out, valid)


@kernel("int64(uint8)")
def _nibble(byte: int) -> int:
    if 48 <= byte <= 57:
        return byte - 48
    if 97 <= byte <= 102:
        return byte - 87
    if 65 <= byte <= 70:
        return byte - 55
    return -1


@kernel(BOOL(WRITE_MATRIX, READ_INT32, READ_BYTES, READ_MASK))
def _read_uuids(matrix: Bytes, offsets: Offsets, data: Bytes, valid: Mask) -> bool:
    for row in range(matrix.shape[0]):
        if valid.size and not valid[row]:
            continue
        count = 0
        for k in range(offsets[row], offsets[row + 1]):
            if data[k] == 45:
                continue
            nibble = _nibble(data[k])
            if nibble < 0 or count >= 32:
                return False
            matrix[row, count // 2] = matrix[row, count // 2] * 16 + nibble
            count += 1
        if count != 32:
            return False
    return True


@kernel("int64(uint8[::1], int64, int64, int64)")
def _group(digits: Bytes, count: int, padding: int, index: int) -> int:
    """The index-th group of four digits, lowest first, after `padding` zeros below the digits."""
    group = 0
    for k in range(3, -1, -1):
        place = index * 4 - padding + k
        group *= 10
        if 0 <= place < count:
            group += digits[place]
    return group


@kernel(INT(WRITE_BYTES, INT, INT))
def _put_int16(out: Bytes, at: int, number: int) -> int:
    out[at] = (number >> 8) & 255
    out[at + 1] = number & 255
    return at + 2


@array_kernel(VOID(WRITE_BYTES, WRITE_INT32, READ_UINT64, READ_MASK, INT))
def _write_numeric(
    out: Bytes, offsets: Offsets, halves: npt.NDArray[np.uint64], valid: Mask, scale: int
) -> None:
    """int16 groups, weight, sign, decimals; then the groups in base 10000, highest first."""
    digits = np.zeros(48, np.uint8)
    below = (scale + 3) // 4  # groups after the point
    padding = below * 4 - scale
    at = 0
    for row in range(offsets.size - 1):
        if not valid.size or valid[row]:
            negative = halves[2 * row + 1] >> np.uint64(63)
            count = decimal_digits(halves[2 * row], halves[2 * row + 1], digits)
            high = (count + padding + 3) // 4
            while high > 0 and _group(digits, count, padding, high - 1) == 0:
                high -= 1
            low = 0
            while low < high and _group(digits, count, padding, low) == 0:
                low += 1
            at = _put_int16(out, at, high - low)
            at = _put_int16(out, at, high - below - 1 if high > low else 0)
            at = _put_int16(out, at, 0x4000 if negative else 0)
            at = _put_int16(out, at, scale)
            for index in range(high - 1, low - 1, -1):
                at = _put_int16(out, at, _group(digits, count, padding, index))
        offsets[row + 1] = at


def warm() -> None:
    """Runs the kernels once, so that no client waits for them."""
    for type_id in (TypeId.UINT64, TypeId.UUID):
        data_type = DataType(type_id)
        binary_cells(pa.nulls(1, data_type.arrow), data_type, TextStyle())
