"""Text to timestamps, dates and times of day."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.clock import SystemClock
from engine.datatypes import UNITS_PER_SECOND, DataType, TypeId
from engine.errors import DbError, ErrorKind
from sql.decode import jit, zones
from sql.decode.cells import Cells, array_of, from_strings, strings
from sql.decode.clock import from_number
from sql.decode.few_times import FEW, read_few
from sql.decode.jit import Bytes, Int64s
from sql.decode.kernels import DECIMAL, INTEGER, STRING
from sql.decode.number_kernels import RANGE
from sql.decode.spelled import iso_moment
from sql.decode.time_kernels import NAIVE, parse_dates, parse_times, parse_timestamps

# MySQL's drivers write spans with their days; those of less than a day are times of day.
_SPAN = re.compile(
    r"\s*(?P<sign>-?)(?:(?P<days>\d{1,3})\s+)?(?P<hours>\d{1,3}):(?P<minutes>[0-5]?\d)"
    r"(?::(?P<seconds>[0-5]?\d)(?:\.(?P<fraction>\d{0,6}))?)?\s*"
)
# A time of day, what is said of its zone, and an era.
_ZONE = (
    r"^(\s*[-+]?\d+-\d\d?-\d\d?[ T]+\d\d?:\d\d(?::\d\d(?:\.\d*)?)?)\s*"
    r"(?:[zZ]|[A-Za-z]{3,5}|[A-Za-z]+/[A-Za-z_/]+|[-+]\d\d?(?::?\d\d){0,2})(\s+(?:BC|bc))?\s*$"
)
_HOURS = 24
_SPECIAL_DAYS = {"today": 0, "tomorrow": 1, "yesterday": -1}
# As DuckDB has them, of days in 32 and of moments in 64 bits.
_INFINITIES = {"infinity": 1, "-infinity": -1}
_EPOCH_ORDINAL = 719_163  # date(1970, 1, 1).toordinal()


def timestamps(cells: Cells, type_: DataType, timezone: str) -> Any:
    """Timestamps of any unit; text without an offset is in the session's time zone."""
    unit = type_.arrow.unit
    read = _on_wall if type_.wall else _instants
    return array_of(cells, type_.arrow, read(cells, unit, timezone))


def dates(cells: Cells, type_: DataType, timezone: str) -> Any:
    """Dates; a time of day behind one is dropped."""
    out = np.empty(cells.size, np.int32)
    status = np.empty(cells.size, np.uint8)
    if parse_dates(*cells.slices, out, status):
        for row in np.flatnonzero(status):
            text = cells.text(int(row))
            days = _special_date(text, timezone)
            if days is None:
                seconds = _spelled(text, "s", "UTC")
                days = None if seconds is None else seconds // 86_400
            if days is None:
                raise _bad(cells, int(row), status, "date")
            out[row] = days
    return array_of(cells, type_.arrow, out)


def times(cells: Cells, type_: DataType, timezone: str) -> Any:
    """Times of day; an offset behind one is dropped. Days may stand in front as `0 12:34:56`."""
    out = np.empty(cells.size, np.int64)
    status = np.empty(cells.size, np.uint8)
    if parse_times(*cells.slices, out, status):
        numbers = np.isin(cells.row_kinds(), (INTEGER, DECIMAL))
        for row in np.flatnonzero(status):
            text = cells.text(int(row))
            micros = _of_number(text) if numbers[row] else None
            if micros is not None:
                out[row] = micros
                continue
            span = _SPAN.fullmatch(text)
            if span is None:
                raise _bad(cells, int(row), status, "time")
            if span["sign"] or int(span["days"] or 0) or int(span["hours"]) >= _HOURS:
                raise _no_time_of_day(cells, int(row))
            out[row] = _micros(span)
    return array_of(cells, type_.arrow, out)


def _of_number(text: str) -> int | None:
    """MySQL's `101112`; None for what is no time of day."""
    micros = from_number(Decimal(text))
    return micros if micros is not None and 0 <= micros < _HOURS * 3_600_000_000 else None


def _micros(span: re.Match[str]) -> int:
    seconds = (int(span["hours"]) * 60 + int(span["minutes"])) * 60 + int(span["seconds"] or 0)
    return seconds * 1_000_000 + int((span["fraction"] or "").ljust(6, "0"))


def _no_time_of_day(cells: Cells, row: int) -> DbError:
    message = "date/time field value out of range: {}"
    error = cells.fail(row, ErrorKind.DATETIME_OVERFLOW, message)
    error.hint = "a time column holds times of day, from 00:00:00 to 23:59:59.999999"
    return error


def _instants(cells: Cells, unit: str, timezone: str) -> Int64s:
    out = np.empty(cells.size, np.int64)
    status = np.empty(cells.size, np.uint8)
    together = _read(cells, UNITS_PER_SECOND[unit], out, status)
    if together & ~NAIVE:
        for row in np.flatnonzero(status & ~np.uint8(NAIVE)):
            value = _special_instant(cells.text(int(row)), unit, timezone)
            if value is None:
                raise _bad(cells, int(row), status, "timestamp")
            out[row] = value
            status[row] = 0
    if together & NAIVE and not zones.is_utc(timezone):
        naive = status == NAIVE
        if naive.all():
            return zones.to_utc(out, unit, timezone)
        out[naive] = zones.to_utc(out[naive], unit, timezone)
    return out


def _read(cells: Cells, per_second: int, out: Int64s, status: Bytes) -> int:
    """As `parse_timestamps`."""
    if cells.size <= FEW and jit.is_pending(parse_timestamps):
        together = read_few(cells, per_second, out, status)
        if together is not None:
            return together
    return parse_timestamps(*cells.slices, per_second, out, status)


def _on_wall(cells: Cells, unit: str, timezone: str) -> Int64s:
    """Times as they are written: whatever is said of a zone is passed over, as in PostgreSQL.

    `now` and the days around it are those of the session's clock.
    """
    out = np.empty(cells.size, np.int64)
    status = np.empty(cells.size, np.uint8)
    _read(cells, UNITS_PER_SECOND[unit], out, status)
    if cells.has(STRING) and (status != NAIVE).any():
        cut = pc.replace_substring_regex(strings(cells), _ZONE, "\\1\\2")
        cells = from_strings(cut, cells.place)
        _read(cells, UNITS_PER_SECOND[unit], out, status)
    for row in np.flatnonzero(status & ~np.uint8(NAIVE)):
        word = cells.text(int(row)).strip().lower()
        if word == "now" or word in _SPECIAL_DAYS:
            out[row] = _shown_now(word, unit, timezone)
            continue
        value = _special_instant(word, unit, "UTC")
        if value is None:
            raise _bad(cells, int(row), status, "timestamp")
        out[row] = value
    return out


def _shown_now(word: str, unit: str, timezone: str) -> int:
    """`now` and its kin on the session's clock."""
    per_second = UNITS_PER_SECOND[unit]
    if word != "now":
        return (_special_date(word, timezone) or 0) * 86_400 * per_second
    now = np.array([SystemClock().now_ms()], np.int64)
    return int(zones.to_local(now, "ms", timezone)[0]) * per_second // 1_000


def _bad(cells: Cells, row: int, status: Bytes, name: str) -> DbError:
    if int(status[row]) & 3 == RANGE:
        message = "date/time field value out of range: {}"
        return cells.fail(row, ErrorKind.DATETIME_OVERFLOW, message)
    message = f"invalid input syntax for type {name}: {{}}"
    return cells.fail(row, ErrorKind.INVALID_DATETIME, message)


def _special_instant(text: str, unit: str, timezone: str) -> int | None:
    """A timestamp by name (`now`, `epoch`, `today`) or with a zone by name; None if neither."""
    word = text.strip().lower()
    if word == "epoch":
        return 0
    if word in _INFINITIES:
        return _INFINITIES[word] * ((1 << 63) - 1)
    if word == "now":
        return SystemClock().now_ms() * UNITS_PER_SECOND[unit] // 1_000
    day = _special_date(word, timezone)
    if day is not None:
        midnight = np.array([day * 86_400 * UNITS_PER_SECOND[unit]])
        return int(zones.to_utc(midnight, unit, timezone)[0])
    named = _with_named_zone(text, unit)
    return _spelled(text, unit, timezone) if named is None else named


def _spelled(text: str, unit: str, timezone: str) -> int | None:
    """`Jan 5, 2023 10:11 PM` as an instant; None if it is not of such a form."""
    iso = iso_moment(text)
    if iso is None or iso == text:
        return None
    try:
        return int(_instants(from_strings(pa.array([iso]), str), unit, timezone)[0])
    except DbError:  # told by the caller, who knows where the text stands
        return None


def _special_date(text: str, timezone: str) -> int | None:
    """`today` and its neighbours as days since 1970, `infinity`; None for any other text."""
    sign = _INFINITIES.get(text.strip().lower())
    if sign is not None:
        return sign * ((1 << 31) - 1)
    shift = _SPECIAL_DAYS.get(text.strip().lower())
    if shift is None:
        return None
    now = datetime.fromtimestamp(SystemClock().now_ms() // 1000, UTC)
    try:
        local = now.astimezone(ZoneInfo(timezone))
    except (ZoneInfoNotFoundError, ValueError):  # a fixed offset
        local = now - timedelta(seconds=int(zones.to_utc(np.array([0]), "s", timezone)[0]))
    return local.date().toordinal() - _EPOCH_ORDINAL + shift


def _with_named_zone(text: str, unit: str) -> int | None:
    """`2024-01-01 00:00:00 Europe/Berlin` as an instant; None if it is not of that form."""
    head, _, name = text.strip().rpartition(" ")
    if not head or not name[:1].isalpha():
        return None
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
    out, status = np.empty(1, np.int64), np.empty(1, np.uint8)
    cells = from_strings(pa.array([head]), str)
    together = parse_timestamps(*cells.slices, UNITS_PER_SECOND[unit], out, status)
    if together != NAIVE:
        return None
    return int(zones.to_utc(out, unit, name)[0])


CONVERTERS = {
    TypeId.TIMESTAMP_SECOND: timestamps,
    TypeId.TIMESTAMP_MILLISECOND: timestamps,
    TypeId.TIMESTAMP_MICROSECOND: timestamps,
    TypeId.TIMESTAMP_NANOSECOND: timestamps,
    TypeId.TIMESTAMP_TZ: timestamps,
    TypeId.DATE: dates,
    TypeId.TIME: times,
}
