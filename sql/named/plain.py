"""One value of a type without a name of its own, from text to the text PostgreSQL prints.

Called for bounds of ranges and fields of records. Columns of such types go through
sql/decode/text.py and server/encode/ instead, which read and print many values at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa

from engine.datatypes import TIMESTAMP_UNITS, UNITS_PER_SECOND, DataType, TypeId
from sql.decode.text import column_from_text


def plain_text(type_: DataType, text: str, timezone: str = "UTC") -> str:
    """The text as the type prints its value. Raises: DbError INVALID_TEXT, OUT_OF_RANGE, …

    >>> from engine import datatypes
    >>> plain_text(datatypes.BOOLEAN, " yes "), plain_text(datatypes.DATE, "2024-2-3")
    ('t', '2024-02-03')
    """
    if type_.id is TypeId.STRING:
        return text
    if type_.id is TypeId.DECIMAL:
        return _decimal(text, type_)
    if type_.id in _WORDS and _SHORT_INTEGER.fullmatch(text):
        return text  # as it is printed, without the price of a column
    timed = type_.is_timestamp or type_.id in (TypeId.TIMESTAMP_TZ, TypeId.DATE)
    if timed and text.strip().lower() in _ENDLESS:
        return _ENDLESS[text.strip().lower()]
    return show_value(type_, column_from_text(pa.array([text]), type_, timezone, column="")[0])


def show_value(type_: DataType, value: pa.Scalar) -> str:
    """A value as its type prints it; times with a zone in UTC. Requires: it is no NULL."""
    if type_.is_timestamp or type_.id is TypeId.TIMESTAMP_TZ:
        unit = TIMESTAMP_UNITS.get(type_.id, "us")
        if abs(value.value) >= _ENDLESS_COUNT:
            return "infinity" if value.value > 0 else "-infinity"
        return _moment(value.value, unit, zoned=type_.id is TypeId.TIMESTAMP_TZ)
    if type_.id is TypeId.DATE:
        if abs(value.value) >= _ENDLESS_DAYS:
            return "infinity" if value.value > 0 else "-infinity"
        return _day(value.value)
    shown = _SHOWN.get(type_.id, str)
    return shown(value.as_py())


def _decimal(text: str, type_: DataType) -> str:
    """As many digits after the point as were written, which `numeric` keeps."""
    word = text.strip()
    if word.lower() in _SPECIAL:
        return _SPECIAL[word.lower()]
    column_from_text(pa.array([text]), DataType(TypeId.FLOAT64), "UTC", column="")
    return f"{Decimal(word):f}"


_WORDS = frozenset({TypeId.INT32, TypeId.INT64})
_SHORT_INTEGER = re.compile("0|-?[1-9][0-9]{0,8}")
_ENDLESS_COUNT, _ENDLESS_DAYS = 2**63 - 1, 2**31 - 1
_ENDLESS = {"infinity": "infinity", "+infinity": "infinity", "-infinity": "-infinity"}
_SPECIAL = {"nan": "NaN", "infinity": "Infinity", "inf": "Infinity", "-infinity": "-Infinity"}
_SPECIAL |= {"-inf": "-Infinity"}


def show_float(value: float) -> str:
    """The shortest text that reads back equal, as float8 prints it."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    text = repr(value).removesuffix(".0")
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text
    return f"{mantissa}e{exponent[0]}{exponent[1:].zfill(2)}"


def _moment(count: int, unit: str, *, zoned: bool) -> str:
    seconds, fraction = divmod(count, UNITS_PER_SECOND[unit])
    days, of_day = divmod(seconds, 86_400)
    hours, rest = divmod(of_day, 3600)
    digits = f"{fraction:0{len(str(UNITS_PER_SECOND[unit])) - 1}}".rstrip("0") if fraction else ""
    clock = f"{hours:02}:{rest // 60:02}:{rest % 60:02}{'.' if digits else ''}{digits}"
    day, era = _civil(days)
    return f"{day} {clock}{'+00' if zoned else ''}{era}"


def _day(days: int) -> str:
    day, era = _civil(days)
    return day + era


def _civil(days: int) -> tuple[str, str]:
    """Year, month and day of a day counted from 1970, and the era if it is before Christ.

    Source: https://howardhinnant.github.io/date_algorithms.html#civil_from_days
    """
    era, of_era = divmod(days + 719_468, 146_097)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year += era * 400 + (month <= 2)
    if year <= 0:
        return f"{1 - year:04}-{month:02}-{day:02}", " BC"
    return f"{year:04}-{month:02}-{day:02}", ""


_SHOWN: dict[TypeId, Callable[[Any], str]] = {
    TypeId.BOOLEAN: lambda value: "t" if value else "f",
    TypeId.FLOAT32: show_float,
    TypeId.FLOAT64: show_float,
    TypeId.BINARY: lambda value: "\\x" + value.hex(),
    TypeId.TIME: lambda value: value.isoformat(),
}
