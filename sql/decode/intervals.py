"""Text to intervals of months, days and nanoseconds.

Reads what PostgreSQL reads (`1 year 2 mons 3 days 04:05:06`, `1-2`, `P1Y2M`, `3 days ago`) and the
short form `3y2mon4h`. Months and days never turn into each other, but a fraction of a month is a
part of 30 days and a fraction of a day a part of 24 hours. A Python function for each distinct
value: columns of intervals are rare.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

NANOS_PER_DAY = 86_400_000_000_000


class Interval(NamedTuple):
    """What Arrow's month_day_nano holds."""

    months: int
    days: int
    nanos: int


# How many months, days and nanoseconds each unit has; exactly one is not zero.
_UNITS: dict[str, tuple[int, int, int]] = {
    name: amount
    for names, amount in (
        ("nanosecond nanoseconds nanos ns nsec", (0, 0, 1)),
        ("microsecond microseconds micros us usec usecs µs", (0, 0, 1_000)),
        ("millisecond milliseconds millis ms msec msecs", (0, 0, 1_000_000)),
        ("second seconds s sec secs", (0, 0, 1_000_000_000)),
        ("minute minutes m min mins", (0, 0, 60_000_000_000)),
        ("hour hours h hr hrs", (0, 0, 3_600_000_000_000)),
        ("day days d", (0, 1, 0)),
        ("week weeks w", (0, 7, 0)),
        ("month months mon mons", (1, 0, 0)),
        ("quarter quarters", (3, 0, 0)),
        ("year years y yr yrs", (12, 0, 0)),
        ("decade decades", (120, 0, 0)),
        ("century centuries c", (1_200, 0, 0)),
        ("millennium millenniums millennia mil mils", (12_000, 0, 0)),
    )
    for name in names.split()
}
_ISO_DATE = {"Y": "year", "M": "month", "W": "week", "D": "day"}
_ISO_TIME = {"H": "hour", "M": "minute", "S": "second"}
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_TOKEN = re.compile(
    rf"(?P<clock>[+-]?\d+:\d+(?::\d+(?:\.\d*)?)?)"
    rf"|(?P<years>[+-]?\d+-\d+)(?![\d.])"
    rf"|(?P<number>{_NUMBER})\s*(?P<unit>[a-zµ]+)?",
    re.A,
)
_ISO = re.compile(rf"P((?:{_NUMBER}[YMWD])*)(?:T((?:{_NUMBER}[HMS])+))?", re.A)
_ISO_PART = re.compile(rf"({_NUMBER})([A-Z])", re.A)


def parse_interval(text: str) -> Interval | None:
    """The interval, None for what is none. Raises: OverflowError when too large."""
    stripped = text.strip()
    if len(stripped) > 1000:
        return None
    iso = _ISO.fullmatch(stripped)
    total = _Sum()
    if iso is not None:
        return total.result() if _add_iso(total, iso[1], iso[2]) else None
    words = stripped.lower().removeprefix("@").strip()
    ago = words.endswith("ago")
    if ago:
        words = words[:-3].rstrip()
    if not _add_words(total, words):
        return None
    if ago:
        total.negate()
    return total.result()


class _Sum:
    """Adds parts exactly."""

    def __init__(self) -> None:
        self.months = Fraction(0)
        self.days = Fraction(0)
        self.nanos = Fraction(0)

    def add(self, number: str, unit: str) -> bool:
        """Adds a quantity of a unit; False if there is no such unit."""
        amount = _UNITS.get(unit)
        if amount is None:
            return False
        quantity = Fraction(Decimal(number))
        months, days, nanos = (quantity * part for part in amount)
        whole_months = Fraction(int(months))
        days += (months - whole_months) * 30
        whole_days = Fraction(int(days))
        self.months += whole_months
        self.days += whole_days
        self.nanos += nanos + (days - whole_days) * NANOS_PER_DAY
        return True

    def negate(self) -> None:
        """Turns the direction round."""
        self.months, self.days, self.nanos = -self.months, -self.days, -self.nanos

    def result(self) -> Interval:
        """The sum. Raises: OverflowError when a part does not fit."""
        months, days, nanos = int(self.months), int(self.days), round(self.nanos)
        if abs(months) >= 1 << 31 or abs(days) >= 1 << 31 or abs(nanos) >= 1 << 63:
            raise OverflowError("interval")
        return Interval(months, days, nanos)


def _add_iso(total: _Sum, dates: str, times: str | None) -> bool:
    if not dates and not times:
        return False
    for number, letter in _ISO_PART.findall(dates):
        total.add(number, _ISO_DATE[letter])
    for number, letter in _ISO_PART.findall(times or ""):
        total.add(number, _ISO_TIME[letter])
    return True


def _add_words(total: _Sum, words: str) -> bool:
    at, end = 0, len(words)
    if not end:
        return False
    while at < end:
        match = _TOKEN.match(words, at)
        if match is None:
            return False
        at = match.end()
        while at < end and words[at].isspace():
            at += 1
        if not _add_token(total, match, words[at:]):
            return False
    return True


def _add_token(total: _Sum, match: re.Match[str], rest: str) -> bool:
    if match["clock"]:
        sign = "-" if match["clock"].startswith("-") else ""
        hours, minutes, seconds = (*match["clock"].lstrip("+-").split(":"), "0")[:3]
        if int(minutes) > 59 or Decimal(seconds) >= 60:
            return False
        total.add(sign + hours, "hour")
        total.add(sign + minutes, "minute")
        return total.add(sign + seconds, "second")
    if match["years"]:
        sign = "-" if match["years"].startswith("-") else ""
        years, months = match["years"].lstrip("+-").split("-")
        total.add(sign + years, "year")
        return total.add(sign + months, "month")
    # A number without a unit counts days before a clock time, and seconds at the end.
    unit = match["unit"] or ("day" if ":" in rest else "second")
    return (bool(match["unit"]) or not rest or ":" in rest) and total.add(match["number"], unit)
