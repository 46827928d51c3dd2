"""Local wall-clock times to UTC, for whole columns.

A local time that occurs twice is the earlier one; one that is skipped moves forward by the skipped
hour, that is, it is read with the offset from before the change.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import UNITS_PER_SECOND
from engine.errors import DbError, ErrorKind
from sql.decode.jit import Int64s

_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d{2})?(?::?(\d{2}))?")
_UTC = frozenset({"", "UTC", "utc", "Z", "GMT", "Etc/UTC", "+00:00"})
# The Gregorian calendar repeats after 400 years; zone rules are known to Arrow for fewer years.
_CYCLE = 12_622_780_800
_YEAR_9999, _YEAR_1 = 253_402_300_799, -62_135_596_800


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
    low, high = _YEAR_1 * UNITS_PER_SECOND[unit], _YEAR_9999 * UNITS_PER_SECOND[unit]
    if unit == "ns" or (values.min() > low and values.max() < high):
        return _by_rules(values, unit, timezone)
    cycle = _CYCLE * UNITS_PER_SECOND[unit]
    folded = values % cycle
    return _by_rules(folded, unit, timezone) + (values - folded)


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
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f'time zone "{timezone}" is not known',
            hint="use a name like Europe/Berlin or an offset like +08:00",
        ) from None
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
