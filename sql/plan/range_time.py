"""Origins of ALIGN: `TO NOW`, `TO '2023-01-01'`, `TO (expr)`, or midnight of the session's zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from sqlglot import exp

from engine.errors import DbError, ErrorKind

_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d{2})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def origin_ticks(to: exp.Expr | None, zone: str, ticks_per_ms: int) -> exp.Expr:
    """Where slot 0 starts, in ticks since the epoch, as an expression.

    Raises: DbError INVALID_DATETIME for an unreadable timestamp, INVALID_ARGUMENT for a zone.
    """
    if to is None:
        midnight = datetime(1970, 1, 1, tzinfo=zone_of(zone))
        return _number(_micros(midnight) * ticks_per_ms // 1000)
    if isinstance(to, exp.Var) and to.name.upper() == "NOW":
        to = exp.CurrentTimestamp()
    while isinstance(to, exp.Paren):
        to = to.this
    if to.is_string:
        return _number(_micros(timestamp_of(to.name, zone)) * ticks_per_ms // 1000)
    micros = exp.func("epoch_us", exp.cast(to.copy(), exp.DType.TIMESTAMP))
    return micros if ticks_per_ms == 1000 else exp.Mul(this=micros, expression=_number(1000))


def zone_of(name: str) -> tzinfo:
    """An IANA name, `SYSTEM` or `+08:00`. Raises: DbError INVALID_ARGUMENT."""
    match = _OFFSET.fullmatch(name.strip())
    if match is not None:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        return timezone(offset if match[1] == "+" else -offset)
    if name.strip().upper() in ("", "SYSTEM", "UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name.strip())
    except (KeyError, ValueError, OSError) as error:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT, f'invalid value for parameter "TimeZone": "{name}"'
        ) from error


def timestamp_of(text: str, zone: str) -> datetime:
    """RFC 3339 or ISO 8601; without an offset it is in the session's zone."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise DbError(
            ErrorKind.INVALID_DATETIME, f"invalid timestamp in ALIGN TO: {text!r}"
        ) from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone_of(zone))


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)
