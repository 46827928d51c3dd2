"""PostgreSQL's binary values to columns of any type.

Called by COPY … (FORMAT binary). Integers are as wide as the type that the wire announces for the
column: one step wider for unsigned ones, two bytes for 8-bit ones, numeric for UInt64.
Formats: the send and receive functions of PostgreSQL's types (src/backend/utils/adt).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from engine.datatypes import UNITS_PER_SECOND, DataType, TypeId
from engine.errors import DbError, ErrorKind
from sql.decode import binary_kernels, zones
from sql.decode.cells import Cells, Place, Unescape, array_of, strings, variable
from sql.decode.jit import Int64s
from sql.decode.kernels import KIND, NULL, STANDARD, STRING
from sql.decode.number_kernels import RANGE
from sql.decode.text import check_json, column_from_text

Converter = Callable[[Cells, DataType, str], Any]

_EPOCH_DAYS = 10_957  # 2000-01-01, PostgreSQL's epoch, in days since 1970
_EPOCH_SECONDS = _EPOCH_DAYS * 86_400
_WIDTHS = {
    TypeId.INT8: 2,
    TypeId.INT16: 2,
    TypeId.INT32: 4,
    TypeId.INT64: 8,
    TypeId.UINT8: 2,
    TypeId.UINT16: 4,
    TypeId.UINT32: 8,
}
_DAY_MICROS = 86_400_000_000
_INT64_MAX = (1 << 63) - 1


def convert_binary(cells: Cells, type_: DataType, timezone: str) -> Any:
    """Converts binary cells to a column type.

    Raises: DbError INVALID_BINARY, OUT_OF_RANGE, DATETIME_OVERFLOW, INVALID_ENCODING,
    INVALID_TEXT (JSON), UNSUPPORTED.
    """
    if type_.named is not None:
        return _named(cells, type_, timezone)
    converter = _CONVERTERS.get(type_.id)
    if converter is None:
        raise DbError(ErrorKind.UNSUPPORTED, f"type {type_.name} has no binary format")
    return converter(cells, type_, timezone)


def _named(cells: Cells, type_: DataType, timezone: str) -> Any:
    """Types that are carried as text: each value alone, then read as its text would be."""
    from sql.named.unpack import unpack

    assert type_.named is not None
    texts: list[str | None] = []
    for row, data in enumerate(strings(cells, pa.binary()).to_pylist()):
        try:
            texts.append(None if data is None else unpack(type_.named, data))
        except (ValueError, IndexError, struct.error):
            raise _malformed(cells, row, type_) from None
    return column_from_text(pa.array(texts, pa.string()), type_, timezone, column="")


def _malformed(cells: Cells, row: int, type_: DataType) -> DbError:
    message = f"incorrect binary data format for type {type_.name}"
    return DbError(ErrorKind.INVALID_BINARY, message, detail=cells.place(row))


def _out_of_range(cells: Cells, row: int, type_: DataType) -> DbError:
    message = f"value is out of range for type {type_.name}"
    return DbError(ErrorKind.OUT_OF_RANGE, message, detail=cells.place(row))


def _read(cells: Cells, type_: DataType, width: int) -> Int64s:
    out = np.empty(cells.size, np.int64)
    row = binary_kernels.read_integers(*cells.slices, width, out)
    if row >= 0:
        raise _malformed(cells, row, type_)
    return out


def _integers(cells: Cells, type_: DataType, timezone: str) -> Any:
    values = _read(cells, type_, _WIDTHS[type_.id])
    narrow = values.astype(type_.arrow.to_pandas_dtype())
    outside = np.flatnonzero(narrow != values)
    if len(outside):
        raise _out_of_range(cells, int(outside[0]), type_)
    return array_of(cells, type_.arrow, narrow)


def _numeric_words(cells: Cells, type_: DataType, precision: int, scale: int) -> Any:
    words = np.empty(2 * cells.size, np.uint64)
    limit = 10**precision
    low, high = np.uint64(limit & ((1 << 64) - 1)), np.uint64(limit >> 64)
    problem = binary_kernels.read_numerics(*cells.slices, scale, low, high, words)  # type: ignore[arg-type]
    if problem >= 0:
        row, code = divmod(problem, 4)
        raise (_out_of_range if code == RANGE else _malformed)(cells, row, type_)
    return words


def _decimals(cells: Cells, type_: DataType, timezone: str) -> Any:
    return array_of(cells, type_.arrow, _numeric_words(cells, type_, type_.precision, type_.scale))


def _uint64s(cells: Cells, type_: DataType, timezone: str) -> Any:
    words = _numeric_words(cells, type_, 20, 0)
    outside = np.flatnonzero(words[1::2])
    if len(outside):
        raise _out_of_range(cells, int(outside[0]), type_)
    return array_of(cells, type_.arrow, np.ascontiguousarray(words[0::2]))


def _floats(cells: Cells, type_: DataType, timezone: str) -> Any:
    if type_.id is TypeId.FLOAT32:
        return array_of(cells, type_.arrow, _read(cells, type_, 4).astype(np.int32))
    return array_of(cells, type_.arrow, _read(cells, type_, 8))


def _booleans(cells: Cells, type_: DataType, timezone: str) -> Any:
    values = _read(cells, type_, 1)
    return array_of(cells, type_.arrow, np.packbits(values != 0, bitorder="little"))


def _dates(cells: Cells, type_: DataType, timezone: str) -> Any:
    days = _read(cells, type_, 4) + _EPOCH_DAYS
    outside = np.flatnonzero(np.abs(days) > (1 << 31) - 1 - _EPOCH_DAYS)
    if len(outside):
        raise _no_time(cells, int(outside[0]), type_)
    return array_of(cells, type_.arrow, days.astype(np.int32))


def _no_time(cells: Cells, row: int, type_: DataType) -> DbError:
    message = f"date/time value is out of range for type {type_.name}"
    return DbError(ErrorKind.DATETIME_OVERFLOW, message, detail=cells.place(row))


def _times(cells: Cells, type_: DataType, timezone: str) -> Any:
    values = _read(cells, type_, 8)
    outside = np.flatnonzero((values < 0) | (values >= _DAY_MICROS))
    if len(outside):
        raise _no_time(cells, int(outside[0]), type_)
    return array_of(cells, type_.arrow, values)


def _timestamps(cells: Cells, type_: DataType, timezone: str) -> Any:
    """Microseconds since 2000; local time in the session's zone unless the type has one."""
    micros = _read(cells, type_, 8)
    unit = type_.arrow.unit
    bound = (
        _INT64_MAX // max(UNITS_PER_SECOND[unit] // 1_000_000, 1) - 2 * _EPOCH_SECONDS * 1_000_000
    )
    outside = np.flatnonzero((micros > bound) | (micros < -bound))
    if len(outside):
        raise _no_time(cells, int(outside[0]), type_)
    micros = micros + _EPOCH_SECONDS * 1_000_000
    if type_.id is not TypeId.TIMESTAMP_TZ and not type_.wall:
        micros = zones.to_utc(micros, "us", timezone)
    return array_of(cells, type_.arrow, _in_unit(micros, unit))


def _in_unit(micros: Int64s, unit: str) -> Int64s:
    """Microseconds in another unit, halves rounded up."""
    if unit == "ns":
        return micros * 1_000
    step = 1_000_000 // UNITS_PER_SECOND[unit]
    return micros if step == 1 else (micros + step // 2) // step


def _intervals(cells: Cells, type_: DataType, timezone: str) -> Any:
    out = np.empty(cells.size * 16, np.uint8)
    row = binary_kernels.read_blocks(*cells.slices, 16, out)
    if row >= 0:
        raise _malformed(cells, row, type_)
    sent = out.view(np.dtype([("micros", ">i8"), ("days", ">i4"), ("months", ">i4")]))
    micros = sent["micros"].astype(np.int64)
    outside = np.flatnonzero((micros > _INT64_MAX // 1_000) | (micros < -_INT64_MAX // 1_000))
    if len(outside):
        raise _no_time(cells, int(outside[0]), type_)
    values = np.empty(cells.size, np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")]))
    values["months"], values["days"], values["nanos"] = sent["months"], sent["days"], micros * 1_000
    return array_of(cells, type_.arrow, values.view(np.uint8))


def _texts(cells: Cells, type_: DataType, timezone: str) -> Any:
    return checked_text(cells, strings(cells))


def checked_text(cells: Cells, texts: Any) -> Any:
    """The texts if all are UTF-8 without zero bytes. Raises: DbError INVALID_ENCODING."""
    content = texts.buffers()[2]
    if b"\0" not in memoryview(content).tobytes():
        try:
            texts.validate(full=True)
        except pa.ArrowInvalid:
            pass
        else:
            return texts
    for row, value in enumerate(texts.cast(pa.binary()).to_pylist()):
        if value is not None and not _is_text(value):
            raise DbError(
                ErrorKind.INVALID_ENCODING,
                'invalid byte sequence for encoding "UTF8"',
                detail=cells.place(row),
            )
    return texts


def _is_text(value: bytes) -> bool:
    try:
        return "\0" not in value.decode()
    except UnicodeDecodeError:
        return False


def _json(cells: Cells, type_: DataType, timezone: str) -> Any:
    """JSON text; the version byte of jsonb is skipped."""
    filled = cells.row_kinds() != NULL
    rows = cells.take(np.arange(cells.size))
    versioned = filled & (rows.ends > rows.starts)
    versioned[versioned] = rows.data[rows.starts[versioned]] == 1
    rows = rows._replace(starts=rows.starts + versioned.astype(np.int32))
    texts = checked_text(rows, strings(rows))
    check_json(rows)
    return texts


def _binaries(cells: Cells, type_: DataType, timezone: str) -> Any:
    return strings(cells, pa.binary())


def _uuids(cells: Cells, type_: DataType, timezone: str) -> Any:
    out = np.empty(cells.size * 36, np.uint8)
    offsets = np.zeros(cells.size + 1, np.int32)
    row = binary_kernels.read_uuids(*cells.slices, out, offsets)
    if row >= 0:
        raise _malformed(cells, row, type_)
    return variable(cells, type_.arrow, offsets, out)


def _lists(cells: Cells, type_: DataType, timezone: str) -> Any:
    """Arrays: dimensions, flags, element type, (size, lower bound) each, then elements."""
    depth = 1
    element = type_.element
    while element is not None and element.id is TypeId.LIST:
        depth, element = depth + 1, element.element
    assert element is not None
    sizes: list[tuple[int, ...] | None] = []
    slices: list[tuple[int, int, int]] = []
    owners: list[int] = []
    for row in range(cells.size):
        at = cells.first + row * cells.step
        if cells.kinds[at] & KIND == NULL:
            sizes.append(None)
            continue
        try:
            shape, items = _array(cells.data, int(cells.starts[at]), int(cells.ends[at]), depth)
        except (struct.error, ValueError):
            raise _malformed(cells, row, type_) from None
        sizes.append(shape)
        slices.extend(items)
        owners.extend([row] * len(items))
    flat = _element_cells(cells, slices, lambda index: cells.place(owners[index]))
    elements = convert_binary(flat, element, timezone)
    return _folded(sizes, elements, type_)


def _array(data: Any, start: int, end: int, depth: int) -> tuple[tuple[int, ...], list[Any]]:
    """One array: (sizes, slices of its elements). Raises: struct.error, ValueError."""
    raw = data[start:end].tobytes()
    dimensions, _, _ = struct.unpack_from(">iiI", raw)
    if dimensions == 0:
        return (0,) * depth, []
    if dimensions != depth:
        raise ValueError("dimensions")
    header = struct.unpack_from(f">{2 * dimensions}i", raw, 12)
    shape, at = header[0::2], 12 + 8 * dimensions
    slices = []
    if min(shape) < 0:  # this also bounds the work below
        raise ValueError("size")
    if 0 in shape:  # PostgreSQL writes no dimensions then, ADBC one of size 0
        shape = (0,) * depth
    for _ in range(int(np.prod([float(size) for size in shape]))):
        (length,) = struct.unpack_from(">i", raw, at)
        at += 4
        size = max(length, 0)
        if length < -1 or at + size > len(raw):
            raise ValueError("length")
        slices.append((start + at, start + at + size, NULL if length == -1 else STRING))
        at += size
    if at != len(raw):
        raise ValueError("rest")
    return shape, slices


def _element_cells(cells: Cells, slices: list[tuple[int, int, int]], place: Place) -> Cells:
    table = np.array(slices, np.int64).reshape(-1, 3)
    kinds = table[:, 2].astype(np.uint8)
    seen = int(np.bitwise_or.reduce(1 << table[:, 2])) if len(table) else 0
    starts, ends = table[:, 0].astype(np.int32), table[:, 1].astype(np.int32)
    return Cells(cells.data, starts, ends, kinds, 0, 1, len(table), seen, Unescape(STANDARD), place)


def _folded(sizes: list[tuple[int, ...] | None], elements: Any, type_: DataType) -> Any:
    """Elements as lists of lists, by the sizes of each row."""
    assert type_.element is not None
    lengths = [0 if shape is None else shape[0] for shape in sizes]
    if type_.element.id is TypeId.LIST:
        inner = [shape[1:] for shape in sizes if shape is not None for _ in range(shape[0])]
        elements = _folded(list(inner), elements, type_.element)
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))).astype(np.int32))
    mask = pa.array([shape is None for shape in sizes], pa.bool_())
    return pa.ListArray.from_arrays(offsets, elements, type=type_.arrow, mask=mask)


def _nulls(cells: Cells, type_: DataType, timezone: str) -> Any:
    return pa.nulls(cells.size)


_CONVERTERS: dict[TypeId, Converter] = {
    TypeId.NULL: _nulls,
    **dict.fromkeys(_WIDTHS, _integers),
    TypeId.UINT64: _uint64s,
    TypeId.FLOAT32: _floats,
    TypeId.FLOAT64: _floats,
    TypeId.DECIMAL: _decimals,
    TypeId.BOOLEAN: _booleans,
    TypeId.DATE: _dates,
    TypeId.TIME: _times,
    TypeId.TIMESTAMP_SECOND: _timestamps,
    TypeId.TIMESTAMP_MILLISECOND: _timestamps,
    TypeId.TIMESTAMP_MICROSECOND: _timestamps,
    TypeId.TIMESTAMP_NANOSECOND: _timestamps,
    TypeId.TIMESTAMP_TZ: _timestamps,
    TypeId.INTERVAL: _intervals,
    TypeId.STRING: _texts,
    TypeId.JSON: _json,
    TypeId.BINARY: _binaries,
    TypeId.UUID: _uuids,
    TypeId.LIST: _lists,
}
