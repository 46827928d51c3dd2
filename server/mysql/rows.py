"""Column values as MySQL sends them: text for queries, binary for prepared statements.

Called by results.py once per column and batch; server/encode/assemble.py then lays rows out. The
types agree with columns.py. No value passes through Python.

Binary layouts (MySQL protocol page "Binary Protocol Resultset Row"):
    integers, FLOAT, DOUBLE   little endian, as wide as the type
    DATE                      4, year: 2, month, day
    TIMESTAMP                 7, DATE's fields, hour, minute, second; or 11, … , microsecond: 4
    TIME                      12, sign, days: 4, hour, minute, second, microsecond: 4
    everything else           its text, with its length in front
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import types as nt

from engine.datatypes import BINARY, STRING, TIME, UNITS_PER_SECOND, DataType, TypeId
from engine.errors import DbError, ErrorKind
from server.encode import text
from server.encode.cells import Cells, FixedCells, Mask, VarCells, validity, values
from server.encode.intervals import interval_parts, interval_text
from server.encode.kernel import INT, READ_INT64, READ_MASK, VOID, WRITE_MATRIX, kernel
from server.encode.style import MYSQL, IntervalText, TextStyle
from server.encode.zones import local
from sql.decode.spans import texts

_DAY_FIRST = -719_528  # 0000-01-01
_DAY_LAST = 2_932_896  # 9999-12-31
_SECONDS_PER_DAY = 86_400
_DAY_MICROS = 86_400_000_000
_CLOCK_TEXT = replace(MYSQL, interval=IntervalText.POSTGRES)
_CIVIL = nt.UniTuple(INT, 3)(INT)  # type: ignore[no-untyped-call]
_NO_MASK = np.zeros(0, np.bool_)
_NUMBERS = {
    TypeId.INT8: np.int8,
    TypeId.INT16: np.int16,
    TypeId.INT32: np.int32,
    TypeId.INT64: np.int64,
    TypeId.UINT8: np.uint8,
    TypeId.UINT16: np.uint16,
    TypeId.UINT32: np.uint32,
    TypeId.UINT64: np.uint64,
    TypeId.FLOAT32: np.float32,
    TypeId.FLOAT64: np.float64,
}


@lru_cache(maxsize=256)
def _style(timezone: str) -> TextStyle:
    return replace(MYSQL, timezone=timezone)


def text_cells(array: pa.Array, data_type: DataType, timezone: str) -> VarCells:
    """A column for the text protocol.

    Years outside 0 to 9999 have a sign, which clients show or refuse as they like.
    Raises: DbError LIMIT_EXCEEDED, INVALID_ARGUMENT as server/encode/text.py says.
    """
    return text.text_cells(array, data_type, _style(timezone))


def binary_cells(array: pa.Array, data_type: DataType, timezone: str) -> Cells:
    """A column for the binary protocol.

    Raises: DbError as `text_cells`; DATETIME_OVERFLOW for years outside 0 to 9999, for which the
    protocol has no room.
    """
    dtype = _NUMBERS.get(data_type.id)
    if dtype is not None:
        return _matrix(values(array, dtype), validity(array))
    _check_years(array, data_type)
    if data_type.is_timestamp:
        zone = "UTC" if data_type.wall else timezone
        return _timestamps(array, data_type.unit, zone)
    match data_type.id:
        case TypeId.BOOLEAN:
            return _matrix(values(array.cast(pa.uint8()), np.uint8), validity(array))
        case TypeId.TIMESTAMP_TZ:
            return _timestamps(array, "us", timezone)
        case TypeId.DATE:
            return _dates(array)
        case TypeId.TIME:
            return _times(array)
        case _:
            return text.text_cells(array, data_type, _style(timezone))


def clock_cells(array: pa.Array, digits: int | None, *, binary: bool) -> Cells:
    """A span as a TIME: `[-]HHH:MM:SS[.ffffff]`, with the digits it was declared with."""
    if not binary and digits:
        return text.text_cells(texts(array, digits), STRING, MYSQL)
    if not binary:
        return interval_text(array, _CLOCK_TEXT)
    _, days, nanos = interval_parts(array)
    return _spans(days * _DAY_MICROS + nanos // 1000, validity(array))


def time_cells(array: pa.Array, digits: int, *, binary: bool) -> Cells:
    """Times of day with so many digits of a second."""
    if not binary:
        return text.text_cells(array, TIME, replace(MYSQL, fraction_digits=digits))
    unit = 10 ** (6 - digits)
    return _spans(values(array, np.int64) // unit * unit, validity(array))


def bit_cells(array: pa.Array, bits: int) -> Cells:
    """Numbers of so many bits as bytes, the highest first: MySQL's BIT in both protocols."""
    width = (bits + 7) // 8
    raw = values(array, np.uint64).astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - width :]
    data = pa.py_buffer(np.ascontiguousarray(raw))
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(array), [None, data])
    found = fixed.cast(pa.binary())
    if array.null_count:
        found = pc.if_else(array.is_valid(), found, pa.scalar(None, pa.binary()))
    return text.text_cells(found, BINARY, _style("UTC"))


def warm() -> None:
    """Runs the kernels once: this pays what first calls cost."""
    for type_id in (TypeId.TIMESTAMP_SECOND, TypeId.TIMESTAMP_NANOSECOND, TypeId.DATE):
        data_type = DataType(type_id)
        binary_cells(pa.nulls(1, data_type.arrow), data_type, "UTC")


def _check_years(array: pa.Array, data_type: DataType) -> None:
    if data_type.id is TypeId.DATE:
        per_day, raw = 1, pa.int32()
    elif data_type.is_timestamp:
        per_day, raw = _SECONDS_PER_DAY * UNITS_PER_SECOND[data_type.unit], pa.int64()
    elif data_type.id is TypeId.TIMESTAMP_TZ:
        per_day, raw = _SECONDS_PER_DAY * UNITS_PER_SECOND["us"], pa.int64()
    else:
        return
    extremes = pc.min_max(array.view(raw)).as_py()
    if extremes["min"] is None:
        return
    if extremes["min"] < _DAY_FIRST * per_day or extremes["max"] >= (_DAY_LAST + 1) * per_day:
        raise DbError(
            ErrorKind.DATETIME_OVERFLOW,
            f"a {data_type.name} value is outside the years 0 to 9999 of the MySQL protocol",
            hint="cast the column to a string or an integer",
        )


def _matrix(numbers: npt.NDArray[Any], valid: Mask | None) -> FixedCells:
    """Numbers as little-endian bytes (which is how Arrow holds them)."""
    little = np.ascontiguousarray(numbers, numbers.dtype.newbyteorder("<"))
    return FixedCells(little.view(np.uint8).reshape(len(numbers), little.itemsize), valid)


def _timestamps(array: pa.Array, unit: str, timezone: str) -> FixedCells:
    out = np.empty((len(array), 8 if unit == "s" else 12), np.uint8)
    valid = validity(array)
    shown = local(values(array, np.int64), UNITS_PER_SECOND[unit], timezone)
    _put_timestamps(out, shown, _NO_MASK if valid is None else valid, UNITS_PER_SECOND[unit])
    return FixedCells(out, valid)


def _dates(array: pa.Array) -> FixedCells:
    out = np.empty((len(array), 5), np.uint8)
    valid = validity(array)
    days = values(array, np.int32).astype(np.int64)
    _put_dates(out, days, _NO_MASK if valid is None else valid)
    return FixedCells(out, valid)


def _times(array: pa.Array) -> FixedCells:
    return _spans(values(array, np.int64), validity(array))


def _spans(micros: npt.NDArray[np.int64], valid: Mask | None) -> FixedCells:
    fields = np.zeros(
        len(micros),
        np.dtype(
            [
                ("length", "u1"),
                ("sign", "u1"),
                ("days", "<u4"),
                ("hour", "u1"),
                ("minute", "u1"),
                ("second", "u1"),
                ("microsecond", "<u4"),
            ]
        ),
    )
    seconds, fields["microsecond"] = np.divmod(np.abs(micros), 1_000_000)
    fields["length"] = 12
    fields["sign"] = micros < 0
    fields["days"] = seconds // _SECONDS_PER_DAY
    fields["hour"] = seconds // 3600 % 24
    fields["minute"] = seconds // 60 % 60
    fields["second"] = seconds % 60
    return FixedCells(fields.view(np.uint8).reshape(len(micros), 13), valid)


@kernel(_CIVIL)
def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of a day number, by the arithmetic that times.py describes."""
    shifted = days + 719_468
    era = shifted // 146_097
    day_of_era = shifted - era * 146_097
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    index = (5 * day_of_year + 2) // 153
    month = index + 3 if index < 10 else index - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    return year, month, day_of_year - (153 * index + 2) // 5 + 1


@kernel(VOID(WRITE_MATRIX, INT, INT))
def _put_date(out: npt.NDArray[np.uint8], row: int, days: int) -> None:
    year, month, day = _civil(days)
    out[row, 0] = out.shape[1] - 1
    out[row, 1] = year & 255
    out[row, 2] = year >> 8
    out[row, 3] = month
    out[row, 4] = day


@kernel(VOID(WRITE_MATRIX, READ_INT64, READ_MASK))
def _put_dates(out: npt.NDArray[np.uint8], days: npt.NDArray[np.int64], valid: Mask) -> None:
    for row in range(days.size):
        if not valid.size or valid[row]:
            _put_date(out, row, days[row])


@kernel(VOID(WRITE_MATRIX, READ_INT64, READ_MASK, INT))
def _put_timestamps(
    out: npt.NDArray[np.uint8], shown: npt.NDArray[np.int64], valid: Mask, unit: int
) -> None:
    for row in range(shown.size):
        if valid.size and not valid[row]:
            continue
        seconds = shown[row] // unit
        days = seconds // 86_400
        second = seconds - days * 86_400
        _put_date(out, row, days)
        out[row, 5] = second // 3_600
        out[row, 6] = second // 60 % 60
        out[row, 7] = second % 60
        if out.shape[1] > 8:
            micro = (shown[row] - seconds * unit) * 1_000_000 // unit
            for k in range(4):
                out[row, 8 + k] = (micro >> (8 * k)) & 255
