"""Durations and sizes as option values write them: humantime's `7d`, and `512MB`.

Called by catalog/options.py. All functions are pure; lengths are whole milliseconds, sizes bytes.
"""

from __future__ import annotations

import re
from fractions import Fraction

from engine.errors import DbError, ErrorKind

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS

# https://docs.rs/humantime/latest/humantime/fn.parse_duration.html: a month is 30.44 days and a
# year 365.25 days. Nanoseconds each.
_HUMAN_NS = {
    name: length
    for length, names in (
        (1, "nsec ns nanos"),
        (1_000, "usec us µs micros"),
        (1_000_000, "msec ms millis"),
        (10**9, "seconds second secs sec s"),
        (60 * 10**9, "minutes minute mins min m"),
        (3_600 * 10**9, "hours hour hrs hr h"),
        (86_400 * 10**9, "days day d"),
        (604_800 * 10**9, "weeks week wks wk w"),
        (2_630_016 * 10**9, "months month M"),
        (31_557_600 * 10**9, "years year yrs yr y"),
    )
    for name in names.split()
}
_HUMAN = re.compile(r"(\d+)\s*([^\d\s]+)\s*")
_HUMAN_SHOWN = (
    (31_557_600_000, "year", "s"),
    (2_630_016_000, "month", "s"),
    (DAY_MS, "day", "s"),
    (HOUR_MS, "h", ""),
    (MINUTE_MS, "m", ""),
    (SECOND_MS, "s", ""),
    (1, "ms", ""),
)
_LONGEST_MS = 2**62


def parse_human(text: str) -> int:
    """The milliseconds of a humantime duration, rounded down.

    >>> parse_human("1hour 12min 5s")
    4325000

    Raises: DbError INVALID_ARGUMENT.
    """
    at, total_ns = 0, 0
    stripped = text.strip()
    while at < len(stripped):
        match = _HUMAN.match(stripped, at)
        if match is None or match[2] not in _HUMAN_NS:
            raise _invalid(text)
        total_ns += int(match[1]) * _HUMAN_NS[match[2]]
        at = match.end()
    if not stripped or total_ns // 1_000_000 >= _LONGEST_MS:
        raise _invalid(text)
    return total_ns // 1_000_000


def _invalid(text: str) -> DbError:
    return DbError(
        ErrorKind.INVALID_ARGUMENT,
        f"invalid duration: {text!r}",
        hint="write it as 7d, 1hour 30min or 1 month",
    )


def format_human(length_ms: int) -> str:
    """The canonical text of a duration.

    >>> format_human(7 * DAY_MS), format_human(90 * MINUTE_MS)
    ('7days', '1h 30m')
    """
    parts = []
    for unit_ms, name, plural in _HUMAN_SHOWN:
        count, length_ms = divmod(length_ms, unit_ms)
        if count:
            parts.append(f"{count}{name}{plural if count > 1 else ''}")
    return " ".join(parts) or "0s"


def canonical_ttl(text: str) -> str:
    """A ttl option in canonical form: `forever`, `instant` or a duration.

    Raises: DbError INVALID_ARGUMENT.
    """
    lowered = text.strip().lower()
    if lowered in ("", "forever", "null"):
        return "forever"
    if lowered == "instant":
        return "instant"
    length_ms = parse_human(text)
    return format_human(length_ms) if length_ms else "forever"


def ttl_ms(text: str | None) -> int | None:
    """How long rows live by a ttl option: None for ever, 0 not at all (`instant`)."""
    canonical = "forever" if text is None else canonical_ttl(text)
    if canonical == "forever":
        return None
    return 0 if canonical == "instant" else parse_human(canonical)


# The peer counts KB as KiB.
_SIZES = {"": 1, "B": 1} | {
    f"{prefix}{suffix}": 1 << 10 * (power + 1)
    for power, prefix in enumerate("KMGT")
    for suffix in ("B", "IB")
}
_SIZE = re.compile(r"(\d+)(\.\d+)?\s*([A-Za-z]*)")


def parse_size(text: str) -> int:
    """The bytes of a size such as `512MB`, `1.5GiB` or `1KiB`.

    Raises: DbError INVALID_ARGUMENT.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[3].upper() not in _SIZES:
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"invalid size: {text!r}", hint="512MB, 1GiB")
    unit = _SIZES[match[3].upper()]
    return int(match[1]) * unit + int(Fraction(f"0{match[2] or '.0'}") * unit)


def format_size(size: int) -> str:
    """A size as people read it, with one digit after the point: `1.0KiB`."""
    for unit, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f}{name}"
    return f"{size}B"


def canonical_size(text: str) -> str:
    """The canonical text of a size if that loses nothing, else its bytes.

    >>> canonical_size("64MB"), canonical_size("1000001")
    ('64.0MiB', '1000001B')

    Raises: DbError INVALID_ARGUMENT.
    """
    size = parse_size(text)
    shown = format_size(size)
    return shown if parse_size(shown) == size else f"{size}B"
