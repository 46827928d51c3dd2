"""How time is cut into buckets: a width, an origin, an offset and perhaps a time zone.

`Calendar` makes the expressions; buckets.py, gapfill.py and sample_by.py decide what to cut. All
times in here are expressions of microseconds since the epoch (UTC), buckets are named by their
start. Pure: nothing is looked up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlglot import exp

from catalog import units
from engine.errors import DbError, ErrorKind
from sql.dialect.pieces import composed
from sql.plan.range_time import zone_of

_MS = 1_000
HOUR = units.HOUR_MS * _MS
DAY = units.DAY_MS * _MS
WEEK = units.WEEK_MS * _MS

# TimescaleDB's default origins: Monday 2000-01-03, for months 2000-01-01.
MONDAY = 946_857_600_000_000
MILLENNIUM = 946_684_800_000_000
_MONTHS = {
    **dict.fromkeys(("mon", "mons", "month", "months"), 1),
    **dict.fromkeys(("quarter", "quarters"), 3),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), 12),
    **dict.fromkeys(("decade", "decades"), 120),
    **dict.fromkeys(("century", "centuries"), 1200),
}
_MICROS = {
    **dict.fromkeys(("w", "week", "weeks"), WEEK),
    **dict.fromkeys(("d", "day", "days"), DAY),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), HOUR),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), units.MINUTE_MS * _MS),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), units.SECOND_MS * _MS),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), _MS),
    **dict.fromkeys(("us", "usec", "microsecond", "microseconds"), 1),
}
_PART = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*([a-z]+)\s*,?")
_CLOCK = re.compile(r"\s*([+-]?)(\d+):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?\s*")
_LONGEST = 2**62


@dataclass(frozen=True, slots=True)
class Width:
    """A length of time: whole months, or microseconds; the other one is 0."""

    months: int = 0
    micros: int = 0

    @property
    def seconds(self) -> float:
        """At least as long as any bucket of this width."""
        return self.months * 31 * 86_400.0 + self.micros / 1_000_000


@dataclass(frozen=True, slots=True)
class Calendar:
    """Buckets of `width` that begin at `origin` (+ `offset`).

    `origin` is in microseconds of wall-clock time: UTC, or `zone`'s. None means the default of
    the width. With a zone, buckets of more than an hour begin at round wall-clock times, so that a
    day may have 23 or 25 hours; shorter ones keep their length when clocks change.
    """

    width: Width
    origin: exp.Expr | None = None
    offset: int = 0
    zone: str | None = None

    def bucket(self, micros: exp.Expr) -> exp.Expr:
        """The start of the bucket that holds a time."""
        if self.zone is None:
            return self._wall_bucket(micros)
        if self.width.months or self.width.micros > HOUR:
            return self._instant(self._wall_bucket(self._wall(micros)))
        return part("({m}) - ({inside})", m=micros, inside=self._inside(self._wall(micros)))

    def series(self, low: exp.Expr, high: exp.Expr) -> exp.Expr:
        """A list of all bucket starts from one bucket's start to another's, both included."""
        if self.zone is None and not self.width.months:
            width = number(self.width.micros)
            return part("generate_series({low}, {high}, {width})", low=low, high=high, width=width)
        if self.zone is not None and not self.width.months and self.width.micros <= HOUR:
            width = number(self.width.micros)
            return part("generate_series({low}, {high}, {width})", low=low, high=high, width=width)
        if self.zone is not None:
            low, high = self._wall(low), self._wall(high)
        shift = number(self.offset)
        listed = part(
            "generate_series("
            "make_timestamp(({low}) - ({o})), make_timestamp(({high}) - ({o})), {w})",
            low=low,
            high=high,
            o=shift,
            w=self._interval(),
        )
        each = part("epoch_us(x) + ({o})", o=shift)
        if self.zone is not None:
            each = self._instant(each)
        return part("list_transform({listed}, LAMBDA x : {each})", listed=listed, each=each)

    # --- Wall-clock time --------------------------------------------------------------------------

    def _wall(self, micros: exp.Expr) -> exp.Expr:
        zone = exp.Literal.string(self.zone)
        return part(
            "epoch_us(timezone({zone}, timezone('UTC', make_timestamp({m}))))", zone=zone, m=micros
        )

    def _instant(self, micros: exp.Expr) -> exp.Expr:
        zone = exp.Literal.string(self.zone)
        return part("epoch_us(timezone({zone}, make_timestamp({m})))", zone=zone, m=micros)

    def _wall_bucket(self, micros: exp.Expr) -> exp.Expr:
        if not self.width.months:
            return part("({m}) - ({inside})", m=micros, inside=self._inside(micros))
        origin = self.origin if self.origin is not None else number(MILLENNIUM)
        made = part("make_timestamp({m} - ({o}))", m=micros, o=number(self.offset))
        bucket = exp.Anonymous(
            this="time_bucket", expressions=[self._interval(), made, _timestamp(origin)]
        )
        bucket.meta["native"] = True  # DuckDB's own, see buckets.py
        return part("epoch_us({b}) + ({o})", b=bucket, o=number(self.offset))

    def _inside(self, micros: exp.Expr) -> exp.Expr:
        """How far a wall-clock time is into its bucket; never negative."""
        width = number(self.width.micros)
        if self.origin is None or isinstance(self.origin, exp.Literal):
            origin = MONDAY if self.origin is None else int(self.origin.name)
            shift = (origin + self.offset) % self.width.micros
            moved = part("({m}) - {s}", m=micros, s=number(shift)) if shift else micros
        else:
            moved = part("({m}) - ({o}) - ({s})", m=micros, o=self.origin, s=number(self.offset))
        return part("((({m}) % {w}) + {w}) % {w}", m=moved, w=width)

    def _interval(self) -> exp.Expr:
        if self.width.months:
            return part("to_months({n})", n=number(self.width.months))
        if self.width.micros % DAY == 0:  # days by the calendar, whatever their length
            return part("to_days({n})", n=number(self.width.micros // DAY))
        return part("to_microseconds({n})", n=number(self.width.micros))


def _timestamp(micros: exp.Expr) -> exp.Expr:
    return part("make_timestamp({m})", m=micros)


# --- Lengths of time ------------------------------------------------------------------------------


def width_of(node: exp.Expr, name: str) -> Width:
    """A constant positive length: `'1h'`, `INTERVAL '1 month'`, `INTERVAL 5 MINUTE`, sums of them.

    `name` is the function or clause, for messages.
    Raises: DbError INVALID_ARGUMENT if it is no such length, or mixes months with smaller units.
    """
    width = length_of(node, name)
    if width.months and width.micros:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"{name}: a width of months and smaller units has no fixed place in the calendar",
            hint="months or years alone, or weeks and smaller units",
        )
    if width.months < 0 or width.micros < 0 or width == Width():
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"{name}: the width must be greater than 0")
    if width.micros > _LONGEST or width.months > 120_000:
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"{name}: the width is too long")
    return width


def is_constant_length(node: exp.Expr) -> bool:
    """True if `length_of` could read it; a column or parameter is none."""
    return next(node.find_all(exp.Column, exp.Parameter, exp.Query), None) is None


def length_of(node: exp.Expr, name: str) -> Width:
    """As `width_of`, of either sign or mixed."""
    if isinstance(node, exp.Paren):
        return length_of(node.this, name)
    if isinstance(node, exp.Neg):
        width = length_of(node.this, name)
        return Width(-width.months, -width.micros)
    if isinstance(node, (exp.Add, exp.Sub)):
        sign = 1 if isinstance(node, exp.Add) else -1
        left, right = length_of(node.left, name), length_of(node.right, name)
        return Width(left.months + sign * right.months, left.micros + sign * right.micros)
    if isinstance(node, exp.Cast) and node.is_type(exp.DType.INTERVAL):
        return length_of(node.this, name)
    if isinstance(node, exp.Literal) and node.is_string:
        return words(node.name, name)
    if isinstance(node, exp.Interval) and node.this is not None:
        unit = node.args.get("unit")
        amount = node.this.name or node.this.sql()
        if isinstance(node.this, exp.Neg):
            amount = f"-{node.this.this.name}"
        return words(amount if unit is None else f"{amount} {unit.name}", name)
    raise _no_length(node.sql(), name)


def words(text: str, name: str) -> Width:
    """A length in words. Raises: DbError INVALID_ARGUMENT.

    >>> words("1 hour 30 min", "f")
    Width(months=0, micros=5400000000)
    """
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        return Width(micros=_clock_micros(clock))
    months, micros, at = 0, 0.0, 0
    lowered = text.lower()
    while at < len(lowered.rstrip()):
        match = _PART.match(lowered, at)
        if match is None:
            raise _no_length(text, name)
        amount, unit = float(match[1]), match[2]
        if unit in _MONTHS and amount == int(amount):
            months += int(amount) * _MONTHS[unit]
        elif unit in _MICROS:
            micros += amount * _MICROS[unit]
        else:
            raise _no_length(text, name)
        at = match.end()
    if not at or micros != int(micros):
        raise _no_length(text, name)
    return Width(months, int(micros))


def sample_width(text: str) -> Width:
    """A width of SAMPLE BY, whose units are one letter: `T` milliseconds, `U` microseconds,
    `M` months. Raises: DbError INVALID_ARGUMENT.

    >>> sample_width("1M")
    Width(months=1, micros=0)
    """
    match = re.fullmatch(r"\s*(\d+)([UTMy])\s*", text)
    if match is None:
        return width_of(exp.Literal.string(text), "SAMPLE BY")
    unit = {"U": "us", "T": "ms", "M": "month", "y": "year"}[match[2]]
    return width_of(exp.Literal.string(f"{match[1]} {unit}"), "SAMPLE BY")


def _clock_micros(clock: re.Match[str]) -> int:
    seconds = int(clock[2]) * 3600 + int(clock[3]) * 60 + int(clock[4] or 0)
    micros = seconds * 1_000_000 + int((clock[5] or "0").ljust(6, "0"))
    return -micros if clock[1] == "-" else micros


def _no_length(text: str, name: str) -> DbError:
    return DbError(
        ErrorKind.INVALID_ARGUMENT,
        f"{name}: not a constant length of time: {text}",
        hint="such as '5 minutes', '1h30m' or INTERVAL '1 month'",
    )


def in_zone(calendar: Calendar, name: str) -> Calendar:
    """The calendar in a time zone: an IANA name or `+08:00`.

    Raises: DbError INVALID_ARGUMENT for an unknown one.
    """
    found = zone_of(name)
    if isinstance(found, ZoneInfo) and found.key != "UTC":
        return replace(calendar, zone=found.key)
    ahead = found.utcoffset(None) or timedelta()
    return replace(calendar, offset=calendar.offset - ahead // timedelta(microseconds=1))


# --- Pieces of trees ------------------------------------------------------------------------------


def number(value: int) -> exp.Expr:
    """An integer."""
    return exp.Literal.number(value) if value >= 0 else exp.Neg(this=exp.Literal.number(-value))


def part(text: str, **parts: exp.Expr) -> exp.Expr:
    """A DuckDB expression with sub-trees in place of its `{names}`."""
    return composed(text, **parts)
