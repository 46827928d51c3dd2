"""From UTC to the wall clock of a time zone, a whole column at a time.

Called by text.py's families and the binary encoders. Each zone's changes of offset are found once,
by asking `zoneinfo`; after that a column costs one binary search per value at most. (Arrow's own
conversion knows no daylight saving after 2037.)
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from engine.errors import DbError, ErrorKind

INFINITY = int(np.iinfo(np.int64).max)  # and -INFINITY: what DuckDB stores for ±infinity

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CYCLE_SECONDS = 146097 * 86400  # 400 Gregorian years: dates and weekdays repeat exactly
_YEAR_FIRST, _YEAR_LAST = 1840, 2110  # one offset before; after, rules repeat every 400 years
_PROBE = timedelta(days=7)  # no zone changed its offset twice within a week
_FIXED = re.compile(r"([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?")

Seconds = npt.NDArray[np.int64]


def shifts(utc: npt.NDArray[np.int64], per_second: int, timezone_name: str) -> Any:
    """Seconds to add to each UTC value to get the zone's wall clock: a scalar or an array.

    Raises: DbError INVALID_ARGUMENT when the time zone is unknown.
    """
    zone = find_zone(timezone_name)
    if isinstance(zone, timezone) or len(utc) == 0:
        return np.int64(_offset(zone, _EPOCH))
    seconds = utc // per_second
    last = _seconds(datetime(_YEAR_LAST, 1, 1, tzinfo=UTC))
    if int(seconds.max()) >= last:
        beyond = seconds >= last
        seconds = np.where(beyond, last + (seconds - last) % _CYCLE_SECONDS, seconds)
        starts, offsets = _changes(timezone_name, _YEAR_LAST + 400)
    else:
        starts, offsets = _changes(timezone_name, _YEAR_LAST)
    first, final = np.searchsorted(starts, [seconds.min(), seconds.max()], side="right")
    if first == final:
        return offsets[first]
    return offsets[np.searchsorted(starts, seconds, side="right")]


def local(utc: npt.NDArray[np.int64], per_second: int, timezone_name: str) -> Seconds:
    """UTC values as the zone's wall clock shows them; infinities stay.

    Raises: DbError INVALID_ARGUMENT when the time zone is unknown.
    """
    shift = shifts(utc, per_second, timezone_name) * per_second
    if np.isscalar(shift) and shift == 0:
        return utc
    return np.where((utc >= INFINITY) | (utc <= -INFINITY), utc, utc + shift)


@lru_cache(maxsize=256)
def find_zone(name: str) -> tzinfo:
    """A time zone by its IANA name or as `+HH:MM`. Raises: DbError INVALID_ARGUMENT."""
    if name in ("UTC", "Etc/UTC", "GMT"):
        return UTC
    match = _FIXED.fullmatch(name)
    if match is not None:
        sign, hours, minutes, seconds = match.groups("0")
        offset = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
        if offset < timedelta(days=1):
            return timezone(-offset if sign == "-" else offset)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"unknown time zone {name!r}") from error


@lru_cache(maxsize=64)
def _changes(name: str, year_end: int) -> tuple[Seconds, Seconds]:
    """When the zone's offset changes (UTC seconds), and its offsets before and after each."""
    zone = find_zone(name)
    moment = datetime(_YEAR_FIRST, 1, 1, tzinfo=UTC)
    end = datetime(year_end, 1, 1, tzinfo=UTC)
    starts: list[int] = []
    offsets = [_offset(zone, moment)]
    while moment < end:
        after = moment + _PROBE
        offset = _offset(zone, after)
        if offset != offsets[-1]:
            starts.append(_first_with(zone, moment, after, offset))
            offsets.append(offset)
        moment = after
    return np.array(starts, np.int64), np.array(offsets, np.int64)


def _first_with(zone: tzinfo, before: datetime, after: datetime, offset: int) -> int:
    """The first UTC second in (before, after] whose offset is the one of `after`."""
    low, high = _seconds(before), _seconds(after)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, _EPOCH + timedelta(seconds=middle)) == offset:
            high = middle
        else:
            low = middle
    return high


def _offset(zone: tzinfo, moment: datetime) -> int:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _seconds(moment: datetime) -> int:
    return int((moment - _EPOCH).total_seconds())
