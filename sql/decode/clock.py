"""MySQL's TIME columns: values of other types as times, and their digits of a second.

Called by assignment (assign.py), by readers of literals (times.py) and before rows are stored
(lengths.py). Columns of ordinary tables are spans (spans.py); those of time-series tables, and of
tables made before there were spans, are microseconds of a day and refuse all else.
Source: MySQL 8.4 reference, "The TIME Type".
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalog.records import Column
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql.decode import spans

_DECLARED = re.compile(r"time(?:\((\d)\))?")
_ALL_DIGITS = 6
_TIME = pa.time64("us")
_MICROS = pa.int64()


def digits_declared(column: Column) -> int | None:
    """The digits of a second of a TIME that was declared on MySQL's wire; None for others."""
    is_time = column.type.id is TypeId.TIME or column.type.is_span
    found = _DECLARED.fullmatch(column.declared) if is_time else None
    if found is None:
        return _ALL_DIGITS if column.type.is_span else None
    return int(found[1] or 0)


def rounded(
    values: pa.Array | pa.ChunkedArray, digits: int, name: str
) -> pa.Array | pa.ChunkedArray:
    """Times of a column of that name with so many digits, half up. Raises: DbError OUT_OF_RANGE."""
    if pa.types.is_interval(values.type):
        return spans.fitted(values, digits, name)
    unit = 10 ** (6 - digits)
    if unit == 1:
        return values
    micros = values.cast(pa.int64())
    whole = pc.multiply(pc.divide(pc.add(micros, unit // 2), unit), unit)
    return _of_day(whole, name)


def from_number(value: Decimal) -> int | None:
    """Microseconds of a number whose digits are hours, minutes and seconds; None if it is none.

    >>> from_number(Decimal(101112)), from_number(Decimal("-1.5")), from_number(Decimal(61))
    (36672000000, -1500000, None)
    """
    whole, fraction = divmod(abs(value), 1)
    hours, rest = divmod(int(whole), 10_000)
    minutes, seconds = divmod(rest, 100)
    if minutes > 59 or seconds > 59:
        return None
    micros = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + int(fraction * 1_000_000)
    return -micros if value < 0 else micros


def from_other(array: pa.Array, column: Column) -> pa.Array | None:
    """Intervals, numbers and (for spans) times as times; None for values of other types.

    Raises: DbError OUT_OF_RANGE.
    """
    made = _of_day if column.type.id is TypeId.TIME else _of_span
    if pa.types.is_interval(array.type):
        micros = spans.micros_of(array)
        if micros.null_count > array.null_count:
            raise _out_of_range(column.name)
        return made(micros, column.name)
    if column.type.is_span and (pa.types.is_temporal(array.type)):
        return made(_since_midnight(array), column.name)
    is_number = pa.types.is_integer(array.type) or pa.types.is_floating(array.type)
    if (is_number or pa.types.is_decimal(array.type)) and digits_declared(column) is not None:
        found = [_checked(value, column.name) for value in array.to_pylist()]
        return made(pa.array(found, pa.int64()), column.name)
    return None


def _since_midnight(array: pa.Array) -> pa.Array:
    """Microseconds of times of day, and of moments since their day began."""
    if not pa.types.is_timestamp(array.type):
        return (array if pa.types.is_time(array.type) else pc.subtract(array, array)).cast(_MICROS)
    days = pc.floor_temporal(array, unit="day")
    return pc.subtract(array, days).cast(pa.duration("us")).cast(_MICROS)


def _checked(value: Any, name: str) -> int | None:
    """What a number stands for. Raises: DbError OUT_OF_RANGE."""
    if value is None:
        return None
    micros = from_number(Decimal(str(value)))
    if micros is None:
        raise _out_of_range(name)
    return micros


def _of_day(micros: pa.Array | pa.ChunkedArray, name: str) -> pa.Array | pa.ChunkedArray:
    ends = pc.min_max(micros).as_py()
    if ends["min"] is not None and not (ends["min"] >= 0 and ends["max"] < spans.DAY):
        raise _out_of_range(name)
    return micros.cast(_TIME)


def _of_span(micros: pa.Array, name: str) -> pa.Array:
    return spans.fitted(spans.of_micros(micros), _ALL_DIGITS, name)


def _out_of_range(name: str) -> DbError:
    return DbError(
        ErrorKind.OUT_OF_RANGE,
        f"Out of range value for column '{name}'",
        hint="a time column holds times of day, from 00:00:00 to 23:59:59.999999",
    )
