"""Local wall-clock times to UTC, for whole columns.

A local time that occurs twice is the earlier one; one that is skipped moves forward by the skipped
hour, that is, it is read with the offset from before the change.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import UNITS_PER_SECOND
from engine.errors import DbError, ErrorKind
from sql.decode.jit import Int64s

_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d{2})?(?::?(\d{2}))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)  # local times are naive
_UTC = frozenset({"", "UTC", "utc", "Z", "GMT", "Etc/UTC", "+00:00"})
_YEAR_1980 = 315_532_800
_YEAR_2037 = 2_114_380_800  # from here on Arrow's zone tables may have no rules
_YEAR_2 = -62_104_060_800  # before it Python has no times of all zones
_YEAR_9000 = 221_845_392_000
_CYCLE = 12_622_780_800  # the Gregorian calendar repeats after 400 years
_QUARTER = 900  # seconds; offsets change at quarters of an hour


def is_utc(timezone: str) -> bool:
    """True if local time needs no conversion."""
    return timezone in _UTC


def to_utc(values: Int64s, unit: str, timezone: str) -> Int64s:
    """Local times, in units since the epoch as if they were UTC, to real UTC.

    Raises: DbError INVALID_ARGUMENT for an unknown time zone.
    """
    if is_utc(timezone) or not len(values):
        return values
    offset = _fixed_offset(timezone)
    if offset is not None:
        return values - offset * UNITS_PER_SECOND[unit]
    late = values >= _YEAR_2037 * UNITS_PER_SECOND[unit]
    if not late.any():
        return _by_buckets(values, unit, timezone)
    result = np.empty_like(values)
    result[~late] = _by_rules(values[~late], unit, timezone)
    result[late] = _by_zone_info(values[late], unit, timezone)
    return result


def to_local(values: Int64s, unit: str, timezone: str) -> Int64s:
    """What clocks of a zone show at moments of UTC, as if that were UTC.

    Raises: DbError INVALID_ARGUMENT for an unknown time zone.
    """
    if is_utc(timezone) or not len(values):
        return values
    per_second = UNITS_PER_SECOND[unit]
    offset = _fixed_offset(timezone)
    if offset is not None:
        return values + offset * per_second
    zone = _zone(timezone)
    quarters, which = np.unique(values // (_QUARTER * per_second), return_inverse=True)
    offsets = np.empty(len(quarters), np.int64)
    for index, quarter in enumerate(quarters.tolist()):
        moment = datetime.fromtimestamp(_in_rules(quarter * _QUARTER), zone)
        offsets[index] = (moment.utcoffset() or timedelta()) // timedelta(seconds=1)
    return values + offsets[which] * per_second


def _in_rules(seconds: int) -> int:
    """A moment that Python's datetime holds, with the same offset by the calendar's rules."""
    if seconds >= _YEAR_9000:
        return _YEAR_2037 + (seconds - _YEAR_2037) % _CYCLE
    return max(seconds, _YEAR_2)


def _zone(timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _unknown(timezone) from None


def _fixed_offset(timezone: str) -> int | None:
    """Seconds east of UTC of a zone like `+08:00`, None for a named one."""
    match = _OFFSET.fullmatch(timezone)
    if match is None:
        return None
    sign, *parts = match.groups()
    hours, minutes, seconds = (int(part or 0) for part in parts)
    total = hours * 3600 + minutes * 60 + seconds
    return -total if sign == "-" else total


def _assume(values: Int64s, unit: str, timezone: str, nonexistent: str) -> Int64s:
    local = pa.array(values, pa.int64()).cast(pa.timestamp(unit))
    try:
        known: Any = pc.assume_timezone(
            local, timezone, ambiguous="earliest", nonexistent=nonexistent
        )
    except pa.ArrowInvalid:
        raise _unknown(timezone) from None
    return np.asarray(known.cast(pa.int64()))


def _local(values: Int64s, unit: str, timezone: str) -> Int64s:
    zoned = pa.array(values, pa.int64()).cast(pa.timestamp(unit, timezone))
    return np.asarray(pc.local_timestamp(zoned).cast(pa.int64()))


def _by_rules(values: Int64s, unit: str, timezone: str) -> Int64s:
    result = _assume(values, unit, timezone, "latest")
    skipped = np.flatnonzero(_local(result, unit, timezone) != values)
    if len(skipped):
        before = _assume(values[skipped], unit, timezone, "earliest")
        offset = _local(before, unit, timezone) - before
        result = result.copy()
        result[skipped] = values[skipped] - offset
    return result


def _by_buckets(values: Int64s, unit: str, timezone: str) -> Int64s:
    """Like `_by_rules`, but each quarter of an hour only once where rows are close in time."""
    width = _QUARTER * UNITS_PER_SECOND[unit]
    lowest, highest = int(values.min()) // width, int(values.max()) // width
    buckets = highest - lowest + 1
    # Before 1980 some zones changed their offsets at odd minutes.
    if 4 * buckets > len(values) or lowest * _QUARTER < _YEAR_1980:
        return _by_rules(values, unit, timezone)
    begins = np.arange(lowest, highest + 1) * width
    offsets = begins - _by_rules(begins, unit, timezone)
    return values - offsets[values // width - lowest]


def _by_zone_info(values: Int64s, unit: str, timezone: str) -> Int64s:
    """The same by Python's rules, which have no end, for each quarter of an hour that occurs."""
    zone = _zone(timezone)
    per_second = UNITS_PER_SECOND[unit]
    quarters, which = np.unique(values // (_QUARTER * per_second), return_inverse=True)
    offsets = np.empty(len(quarters), np.int64)
    for index, quarter in enumerate(quarters.tolist()):
        seconds = _in_rules(quarter * _QUARTER)
        # fold=0: the earlier of two readings, and the offset from before a gap.
        local = _EPOCH + timedelta(seconds=seconds)
        offset = zone.utcoffset(local)
        assert offset is not None
        offsets[index] = offset // timedelta(seconds=1)
    return values - offsets[which] * per_second


def _unknown(timezone: str) -> DbError:
    return DbError(
        ErrorKind.INVALID_ARGUMENT,
        f'time zone "{timezone}" is not known',
        hint="use a name like Europe/Berlin or an offset like +08:00",
    )
