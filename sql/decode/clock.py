"""MySQL's TIME columns: values of other types as times of day, and their digits of a second.

Called by assignment (assign.py), by readers of literals (times.py) and before rows are stored
(lengths.py). Times are held as microseconds of a day; MySQL's negative ones and those of a day and
more are refused.
Source: MySQL 8.4 reference, "The TIME Type".
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.records import Column
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind

_DECLARED = re.compile(r"time(?:\((\d)\))?")
_DAY = 86_400_000_000
_PARTS = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])
_TIME = pa.time64("us")


def digits_declared(column: Column) -> int | None:
    """The digits of a second of a TIME that was declared on MySQL's wire; None for others."""
    found = _DECLARED.fullmatch(column.declared) if column.type.id is TypeId.TIME else None
    return None if found is None else int(found[1] or 0)


def rounded(
    values: pa.Array | pa.ChunkedArray, digits: int, name: str
) -> pa.Array | pa.ChunkedArray:
    """Times of a column of that name with so many digits, half up. Raises: DbError OUT_OF_RANGE."""
    unit = 10 ** (6 - digits)
    if unit == 1:
        return values
    micros = values.cast(pa.int64())
    whole = pc.multiply(pc.divide(pc.add(micros, unit // 2), unit), unit)
    return _of_day(whole, name)


def from_number(value: Decimal) -> int | None:
    """Microseconds of a number whose digits are hours, minutes and seconds; None if it is none.

    >>> from_number(Decimal(101112)), from_number(Decimal("1.5")), from_number(Decimal(61))
    (36672000000, 1500000, None)
    """
    whole, fraction = divmod(value, 1)
    hours, rest = divmod(int(whole), 10_000)
    minutes, seconds = divmod(rest, 100)
    if value < 0 or minutes > 59 or seconds > 59:
        return None
    return ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + int(fraction * 1_000_000)


def from_other(array: pa.Array, column: Column) -> pa.Array | None:
    """Intervals and numbers as times of day; None for values of other types.

    Raises: DbError OUT_OF_RANGE.
    """
    if pa.types.is_interval(array.type):
        parts = np.frombuffer(array.buffers()[1], np.dtype(_PARTS), len(array), array.offset * 16)
        micros = pa.array(parts["days"] * np.int64(_DAY) + parts["nanos"] // 1000)
        if pc.any(pc.and_(array.is_valid(), pa.array(parts["months"] != 0))).as_py():
            raise _out_of_range(column.name)
        return _of_day(pc.if_else(array.is_valid(), micros, None), column.name)
    is_number = pa.types.is_integer(array.type) or pa.types.is_floating(array.type)
    if (is_number or pa.types.is_decimal(array.type)) and digits_declared(column) is not None:
        found = [_checked(value, column.name) for value in array.to_pylist()]
        return _of_day(pa.array(found, pa.int64()), column.name)
    return None


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
    if ends["min"] is not None and not (ends["min"] >= 0 and ends["max"] < _DAY):
        raise _out_of_range(name)
    return micros.cast(_TIME)


def _out_of_range(name: str) -> DbError:
    return DbError(
        ErrorKind.OUT_OF_RANGE,
        f"Out of range value for column '{name}'",
        hint="a time column holds times of day, from 00:00:00 to 23:59:59.999999",
    )
