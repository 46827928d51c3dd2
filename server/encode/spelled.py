"""Dates, timestamps and intervals in PostgreSQL's older spellings: DateStyle, IntervalStyle.

Called by text.py once a session has asked for a style other than ISO. Row by row, from the ISO
text: nobody reads many rows in these styles.
https://www.postgresql.org/docs/15/datatype-datetime.html#DATATYPE-DATETIME-OUTPUT
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pyarrow as pa

from server.encode.cells import VarCells, from_arrow
from server.encode.intervals import interval_parts
from server.encode.style import DateText, IntervalText, TextStyle
from sql.settings import zone_of

_ISO = re.compile(r"(\d+)-(\d\d)-(\d\d)(?: ([\d:.]+))?([+-][\d:]+)?( BC)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = ("Sat", "Sun", "Mon", "Tue", "Wed", "Thu", "Fri")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def spelled_times(
    iso: VarCells, array: pa.Array, style: TextStyle, *, zoned: bool = False
) -> VarCells:
    """The style's spelling of dates or timestamps. Requires: `iso` is their ISO text."""
    zones = _abbreviations(array, style) if zoned else [None] * len(iso)
    shown: list[bytes | None] = []
    for cell, zone in zip(iso.to_list(), zones, strict=True):
        found = _ISO.fullmatch(cell.decode()) if cell is not None else None
        shown.append(cell if found is None else _spelled(found, style, zone).encode())
    return from_arrow(pa.array(shown, pa.binary()))


def _spelled(found: re.Match[str], style: TextStyle, zone: str | None) -> str:
    year, month, day, clock, offset, era = (found[n] or "" for n in range(1, 7))
    if zone is None:
        zone = offset
    elif zone:
        zone = " " + zone
    if style.dates is DateText.POSTGRES and clock:
        middle = [_MONTHS[int(month) - 1], day]
        if style.day_first:
            middle.reverse()
        name = _DAYS[_weekday(int(year) if not era else 1 - int(year), int(month), int(day))]
        return f"{name} {' '.join(middle)} {clock} {year}{zone}{era}"
    sign = {DateText.SQL: "/", DateText.POSTGRES: "-", DateText.GERMAN: "."}[style.dates]
    first = [month, day]
    if style.day_first or style.dates is DateText.GERMAN:
        first.reverse()
    return sign.join([*first, year]) + (f" {clock}{zone}" if clock else "") + era


def _weekday(year: int, month: int, day: int) -> int:
    """Zeller's congruence: 0 is Saturday. Any year of the proleptic Gregorian calendar."""
    if month < 3:
        year, month = year - 1, month + 12
    return (day + 13 * (month + 1) // 5 + year + year // 4 - year // 100 + year // 400) % 7


def _abbreviations(array: pa.Array, style: TextStyle) -> list[str | None]:
    """The zone's short name at each moment; None where only its offset can be told."""
    zone = zone_of(style.timezone)
    if style.timezone[0] in "+-":
        return [None] * len(array)
    return [_abbreviation(micros, zone) for micros in array.cast(pa.int64()).to_pylist()]


def _abbreviation(micros: int | None, zone: tzinfo) -> str | None:
    if micros is None:
        return None
    try:
        return (_EPOCH + timedelta(microseconds=micros)).astimezone(zone).tzname()
    except OverflowError:  # beyond Python's years
        return None


def spelled_intervals(array: pa.Array, style: TextStyle) -> VarCells:
    """Intervals in the style's spelling. Requires: it is VERBOSE or SQL."""
    write: Callable[[int, int, int], str] = (
        _verbose if style.interval is IntervalText.VERBOSE else _standard
    )
    months, days, nanos = interval_parts(array)
    rows: list[Any] = [
        write(int(m), int(d), int(n) // 1000) if there else None
        for m, d, n, there in zip(months, days, nanos, array.is_valid().to_pylist(), strict=True)
    ]
    return from_arrow(pa.array(rows, pa.string()))


def _clock(micros: int) -> tuple[int, int, str]:
    """Hours, minutes and the text of the seconds of a length >= 0."""
    seconds, fraction = divmod(micros, 1_000_000)
    text = f"{fraction:06}".rstrip("0")
    return seconds // 3600, seconds // 60 % 60, f"{seconds % 60}" + (f".{text}" if text else "")


def _verbose(months: int, days: int, micros: int) -> str:
    """`@ 1 year 2 mons -3 days 4 hours ago`: the first part's sign decides about `ago`."""
    first = next((part for part in (months, days, micros) if part), 0)
    sign = -1 if first < 0 else 1
    years, rest = divmod(abs(months), 12)
    hours, minutes, seconds = _clock(abs(micros))
    parts: list[tuple[bool, str, str]] = [
        (months < 0, str(years), "year"),
        (months < 0, str(rest), "mon"),
        (days < 0, str(abs(days)), "day"),
        (micros < 0, str(hours), "hour"),
        (micros < 0, str(minutes), "min"),
        (micros < 0, seconds, "sec"),
    ]
    words = ["@"]
    for negative, number, unit in parts:
        if number == "0":
            continue
        shown = f"-{number}" if negative != (sign < 0) else number
        is_one = shown == "1" or (shown == "-1" and unit == "sec")  # as PostgreSQL has it
        words += [shown, unit if is_one else unit + "s"]
    if len(words) == 1:
        return "@ 0"
    return " ".join([*words, "ago"] if sign < 0 else words)


def _standard(months: int, days: int, micros: int) -> str:
    """`1-2`, `3 4:05:06`, or with signs everywhere if it is neither: `+1-2 -3 +4:05:06`."""
    if not (months or days or micros):
        return "0"
    parts = (months, days, micros)
    mixed = any(part < 0 for part in parts) and any(part > 0 for part in parts)
    years, rest = divmod(abs(months), 12)
    hours, minutes, seconds = _clock(abs(micros))
    whole, _, fraction = seconds.partition(".")
    clock = f"{hours}:{minutes:02}:{int(whole):02}" + (f".{fraction}" if fraction else "")
    if mixed or (months and (days or micros)):
        signs = ["-" if part < 0 else "+" for part in parts]
        return f"{signs[0]}{years}-{rest} {signs[1]}{abs(days)} {signs[2]}{clock}"
    sign = "-" if any(part < 0 for part in parts) else ""
    if months:
        return f"{sign}{years}-{rest}"
    return f"{sign}{abs(days)} {clock}" if days else f"{sign}{clock}"
