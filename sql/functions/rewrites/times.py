"""Functions of time whose units and patterns are read when the statement is planned."""

from __future__ import annotations

import re

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.functions.expansion import expand
from sql.functions.rewrites import mysql, templates
from sql.functions.rewrites.build import (
    Arguments,
    call,
    cast,
    check,
    literal_number,
    literal_text,
    own,
    text,
)

_UNITS = frozenset(
    {"microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter"}
    | {"year", "decade", "century", "millennium"}
)


def _unit(node: exp.Expr) -> str | None:
    """A unit given as a word or as text, in lower case and singular."""
    found = literal_text(node)
    if found is None and isinstance(node, (exp.Column, exp.Var, exp.Identifier)):
        found = node.name
    if found is None:
        return None
    plain = found.lower().removeprefix("sql_tsi_")
    plain = {"us": "microsecond", "ms": "millisecond", "frac_second": "microsecond"}.get(
        plain, plain
    )
    return plain[:-1] if plain.endswith("s") and plain[:-1] in _UNITS else plain


def _moment(node: exp.Expr) -> exp.Expr:
    """Text as a time; other values as they are."""
    return own("moment", node) if node.is_string else node.copy()


def date_trunc(arguments: Arguments) -> exp.Expr:
    """Keeps timestamps timestamps: DuckDB's own gives a date for whole days."""
    check("date_trunc", arguments, 2, 3, "date_trunc('unit', timestamp)")
    unit = _unit(arguments[0])
    if unit is not None and unit not in _UNITS:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"date_trunc does not know the unit {unit!r}",
            hint=f"it is one of {', '.join(sorted(_UNITS))}",
        )
    first = text(unit) if unit is not None else arguments[0].copy()
    at = _moment(arguments[1])
    if len(arguments) == 2:
        return call("date_trunc", first, own("as_time", at))
    zone = arguments[2]  # cut off as clocks there show it
    there = call("timezone", zone, call("timezone", text("UTC"), at))
    back = call("timezone", zone, call("date_trunc", first, there))
    return call("timezone", text("UTC"), back)


_FRACTIONS = {"second": "1.0", "millisecond": "1000.0"}
_NANOSECONDS = frozenset({"nanosecond", "nanoseconds", "ns"})


def date_part(arguments: Arguments) -> exp.Expr:
    """As EXTRACT; seconds have their fraction."""
    check("date_part", arguments, 2, 2, "date_part('unit', timestamp)")
    unit, at = _unit(arguments[0]), _moment(arguments[1])
    if unit in _FRACTIONS:
        return own(f"part_{unit}", at)
    if unit in _NANOSECONDS:  # of the minute, as microseconds are
        return call("nanosecond", at)
    if unit == "day" or unit is None:
        return call("date_part", arguments[0] if unit is None else text(unit), at)
    known = unit in _UNITS or unit in ("dow", "doy", "isodow", "isoyear", "epoch", "era", "julian")
    if not known and unit not in ("timezone", "timezone_hour", "timezone_minute", "dayofweek"):
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"date_part does not know the unit {unit!r}")
    return call("date_part", text(unit), at)


def age(arguments: Arguments) -> exp.Expr:
    """The age of a transaction id is nothing; of a time, an interval."""
    check("age", arguments, 1, 2, "age(timestamp [, timestamp])")
    first = arguments[0]
    if isinstance(first, exp.Column) and first.name.lower().endswith("xid"):
        return exp.Literal.number(0)
    if len(arguments) == 1:
        today = cast(exp.CurrentDate(), "TIMESTAMP")
        return call("age", today, own("as_time", _moment(first)))
    return call("age", *(own("as_time", _moment(a)) for a in arguments))


_INTERVAL = ("years", "months", "weeks", "days", "hours", "mins", "secs")
_TO_INTERVAL = ("years", "months", "weeks", "days", "hours", "minutes", "seconds")


def make_interval(arguments: Arguments) -> exp.Expr:
    """`make_interval(days => 10)`: a sum of DuckDB's to_<unit>."""
    check("make_interval", arguments, 0, 7, "make_interval(days => 10, hours => 2)")
    total: exp.Expr = cast(text("0 seconds"), "INTERVAL")
    for at, argument in enumerate(arguments):
        name, value = _INTERVAL[at], argument
        if isinstance(argument, (exp.Kwarg, exp.PropertyEQ, exp.EQ)):
            name, value = argument.this.name.lower(), argument.expression
        if name not in _INTERVAL:
            raise DbError(ErrorKind.UNDEFINED_FUNCTION, f"make_interval has no parameter {name}")
        kind = "DOUBLE" if name == "secs" else "INTEGER"
        unit = _TO_INTERVAL[_INTERVAL.index(name)]
        total = exp.Add(this=total, expression=call(f"to_{unit}", cast(value, kind)))
    return exp.paren(total)


def to_unixtime(arguments: Arguments) -> exp.Expr:
    """Seconds since 1970."""
    check("to_unixtime", arguments, 1, 2, "to_unixtime(value)")
    if len(arguments) == 2:
        pattern = templates.postgres_strptime(literal_text(arguments[1]) or "")
        return own("unixtime", call("strptime", arguments[0], text(pattern)))
    return own("unixtime", arguments[0])


def unix_timestamp(arguments: Arguments) -> exp.Expr:
    """MySQL's; of nothing, the statement's time."""
    check("unix_timestamp", arguments, 0, 1, "unix_timestamp([time])")
    at = own("any_moment", arguments[0]) if arguments else exp.CurrentTimestamp()
    return own("unixtime", at)


def from_unixtime(arguments: Arguments) -> exp.Expr:
    """A time, or its text by MySQL's pattern."""
    check("from_unixtime", arguments, 1, 2, "from_unixtime(seconds [, pattern])")
    at = own("from_seconds", arguments[0])
    return at if len(arguments) == 1 else date_format([at, arguments[1]])


def to_char(arguments: Arguments) -> exp.Expr:
    """A time or a number by a template."""
    check("to_char", arguments, 2, 2, "to_char(value, 'pattern')")
    value, pattern = arguments[0], _pattern("to_char", arguments[1])
    if "%" in pattern:
        return templates.strftime(own("any_time", _moment(value)), pattern)
    if templates.is_numeric(pattern):
        return templates.number_text(value, pattern)
    return templates.postgres_text(own("any_time", _moment(value)), pattern)


def strftime(arguments: Arguments) -> exp.Expr:
    """GreptimeDB's date_format."""
    check("date_format", arguments, 2, 2, "date_format(time, 'pattern')")
    return templates.strftime(
        own("any_time", _moment(arguments[0])), _pattern("date_format", arguments[1])
    )


def date_format(arguments: Arguments) -> exp.Expr:
    """MySQL's date_format."""
    check("date_format", arguments, 2, 2, "date_format(time, 'pattern')")
    if isinstance(arguments[1], exp.Null):
        return cast(exp.null(), "VARCHAR")
    at = own("any_moment", arguments[0])
    return templates.mysql_text(at, _pattern("date_format", arguments[1]))


def str_to_date(arguments: Arguments) -> exp.Expr:
    """MySQL's: a date, a time of day or a time, as the pattern has it; NULL of other text."""
    check("str_to_date", arguments, 2, 2, "str_to_date(text, 'pattern')")
    pattern = _pattern("str_to_date", arguments[1])
    close = "(s) AS regexp_replace(s, '([,/.:-])\\s+', '\\1', 'g')"  # spaces mean nothing there
    read = call(
        "try_strptime",
        expand("str_to_date", (close,), [arguments[0]]),
        text(templates.mysql_strptime(re.sub(r"([,/.:-])\s+", r"\1", pattern))),
    )
    has_time, has_date = templates.mysql_fields(pattern)
    if has_time and has_date:
        return read
    return cast(read, "TIME" if has_time else "DATE")


def to_date(arguments: Arguments) -> exp.Expr:
    """PostgreSQL's; without a pattern, a cast."""
    check("to_date", arguments, 1, 2, "to_date(text, 'pattern')")
    if len(arguments) == 1:
        return cast(own("any_time", _moment(arguments[0])), "DATE")
    return cast(_read_time("to_date", arguments), "DATE")


def to_timestamp(arguments: Arguments) -> exp.Expr:
    """By a template; of a number, seconds since 1970."""
    check("to_timestamp", arguments, 1, 2, "to_timestamp(text, 'pattern')")
    if len(arguments) == 1:
        return own("from_seconds", arguments[0])
    return _read_time("to_timestamp", arguments)


def _read_time(name: str, arguments: Arguments) -> exp.Expr:
    pattern = _pattern(name, arguments[1])
    made = pattern if "%" in pattern else templates.postgres_strptime(pattern)
    return call("strptime", arguments[0], text(made))


def _pattern(name: str, node: exp.Expr) -> str:
    found = literal_text(node)
    if found is None:
        raise DbError(ErrorKind.UNSUPPORTED, f"{name}() needs a pattern that is a string literal")
    return found


def date_add(arguments: Arguments) -> exp.Expr:
    """The time plus an interval; text is an interval, a number counts days."""
    return _shifted("date_add", arguments, exp.Add)


def date_sub(arguments: Arguments) -> exp.Expr:
    """The time minus an interval."""
    return _shifted("date_sub", arguments, exp.Sub)


def _shifted(name: str, arguments: Arguments, node: type[exp.Binary]) -> exp.Expr:
    check(name, arguments, 2, 2, f"{name}(time, interval)")
    at, step = own("as_moment", arguments[0]), arguments[1]
    whole_days = mysql.is_day(arguments[0]) and mysql.keeps_day(step)
    if literal_number(step) is not None:
        day = literal_text(arguments[0])
        if day is not None and len(day) == len("2024-01-01"):
            return exp.paren(node(this=cast(arguments[0], "DATE"), expression=step.copy()))
        return exp.paren(node(this=at, expression=call("to_days", cast(step, "INTEGER"))))
    if step.is_string:
        step = cast(step, "INTERVAL")
    made = exp.paren(node(this=at, expression=step.copy()))
    return cast(made, "DATE") if whole_days else made


def timestampdiff(arguments: Arguments) -> exp.Expr:
    """Whole units between."""
    check("timestampdiff", arguments, 3, 3, "timestampdiff(unit, from, to)")
    unit = _unit(arguments[0])
    return call("date_sub", text(unit or "day"), *(own("as_moment", a) for a in arguments[1:]))


def timestampadd(arguments: Arguments) -> exp.Expr:
    """So many units later."""
    check("timestampadd", arguments, 3, 3, "timestampadd(unit, count, time)")
    unit = _unit(arguments[0]) or "day"
    step = call(f"to_{unit}s", cast(arguments[1], "BIGINT" if unit == "microsecond" else "INTEGER"))
    made = exp.paren(exp.Add(this=own("as_moment", arguments[2]), expression=step))
    days = unit in ("day", "week", "month", "quarter", "year")
    return cast(made, "DATE") if days and mysql.is_day(arguments[2]) else made


def timeofday(arguments: Arguments) -> exp.Expr:
    """The statement's time as PostgreSQL words it."""
    check("timeofday", arguments, 0, 0, "timeofday()")
    return templates.strftime(exp.CurrentTimestamp(), "%a %b %d %H:%M:%S.%f %Y UTC")
