"""One text form for values, whichever wire they came by.

Called by the clients (raw wire values in) and by the runner (text out). Wires differ in spelling
only: `t`, `1` and `true` are one boolean, `20` and `20.0` one real. They must agree on the rest.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"^(-?\d{4,}-\d\d-\d\d[ T]\d\d:\d\d:\d\d|-?\d+:\d\d:\d\d)\.(\d+)(.*)$", re.DOTALL
)
_BOOLEANS = {"t": "true", "true": "true", "1": "true", "f": "false", "false": "false", "0": "false"}


class ValueShapeError(Exception):
    """A value cannot be what the query's types say."""


def canonical(raw: str | None, letter: str) -> str:
    """The text of one value as .slt files show it. Raises: ValueShapeError."""
    if raw is None:
        return "NULL"
    try:
        return _FORMS[letter](raw)
    except (KeyError, ValueError):
        raise ValueShapeError(f"{raw!r} is no value of type {letter}") from None


def _integer(raw: str) -> str:
    return str(int(raw))


def _real(raw: str) -> str:
    value = float(raw)
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def _decimal(raw: str) -> str:
    if not re.fullmatch(r"-?\d+(\.\d+)?", raw):
        raise ValueError(raw)
    return raw


def _boolean(raw: str) -> str:
    return _BOOLEANS[raw.lower()]


def _text(raw: str) -> str:
    if raw == "":
        return "(empty)"
    raw = trim_fraction(raw)
    text = raw.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "\\n").replace("\t", "\\t")
    inner = text.strip(" ")
    lead, trail = len(text) - len(text.lstrip(" ")), len(text) - len(text.rstrip(" "))
    return "\\s" * lead + inner + "\\s" * trail if inner else "\\s" * len(text)


_FORMS = {"I": _integer, "R": _real, "D": _decimal, "B": _boolean, "T": _text}


def trim_fraction(text: str) -> str:
    """Drops trailing zeros of a time's fraction: wires show 3, 6 or 9 digits or the fewest.

    >>> trim_fraction("2024-01-01 00:00:00.500"), trim_fraction("10:00:00.000")
    ('2024-01-01 00:00:00.5', '10:00:00')
    """
    found = _TIME.match(text)
    if not found:
        return text
    whole, fraction, rest = found.groups()
    fraction = fraction.rstrip("0")
    return whole + ("." + fraction if fraction else "") + rest


def zone(name: str) -> tzinfo:
    """A time zone by its IANA name or as `+08:00`."""
    found = re.fullmatch(r"([+-])(\d\d):(\d\d)", name)
    if not found:
        return ZoneInfo(name)
    sign = -1 if found[1] == "-" else 1
    return timezone(sign * timedelta(hours=int(found[2]), minutes=int(found[3])))


def timestamp_text(value: int, digits: int, tz: tzinfo) -> str:
    """A count of 10**-digits seconds since 1970 as text in a time zone.

    >>> timestamp_text(1500, 3, UTC)
    '1970-01-01 00:00:01.5'
    """
    seconds, fraction = divmod(value, 10**digits)
    moment = (EPOCH + timedelta(seconds=seconds)).astimezone(tz)
    text = moment.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0")
    return trim_fraction(f"{text}.{fraction:0{digits}d}" if digits else text)
