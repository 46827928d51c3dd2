"""Durations as PromQL, RANGE and TQL write them. Pure; lengths are whole milliseconds."""

from __future__ import annotations

import re

from catalog.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WEEK_MS
from engine.errors import DbError, ErrorKind

# https://prometheus.io/docs/prometheus/latest/querying/basics/#float-literals-and-time-durations
_PROMQL = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?"
)
_PROMQL_MS = (365 * DAY_MS, WEEK_MS, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, 1)

_LONGEST_MS = 2**62


def parse_promql(text: str) -> int:
    """The milliseconds of a PromQL duration.

    >>> parse_promql("1h30m")
    5400000

    Raises: DbError SYNTAX if it is none, PLAN if it is not positive.
    """
    match = _PROMQL.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise DbError(
            ErrorKind.SYNTAX,
            f"not a valid duration string: {text}",
            hint="write it as in PromQL: 30s, 5m, 1h30m, 1d",
        )
    length = sum(
        int(count) * unit for count, unit in zip(match.groups(), _PROMQL_MS, strict=True) if count
    )
    if not 0 < length < _LONGEST_MS:
        raise DbError(ErrorKind.PLAN, "duration must be greater than 0")
    return length
