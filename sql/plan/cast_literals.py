"""Casts of string literals, read when the statement is planned, as strictly as a column reads text.

DuckDB's own casts are lenient (`'0.5'` is the integer 1, `'1e400'` infinity), do not know vectors,
and word their errors otherwise. Whoever casts a column of text gets DuckDB's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from sqlglot import exp

from engine.datatypes import TIMESTAMP_UNITS, TypeId
from engine.errors import DbError, ErrorKind
from sql.decode.intervals import parse_interval
from sql.decode.spelled import iso_moment
from sql.decode.text import column_from_text
from sql.dialect.pieces import cast_to
from sql.plan.array_literals import read_array_literal
from sql.plan.eras import before_christ
from sql.plan.tables import NOW
from sql.types import from_sql


def cast_literals(tree: exp.Expr, order: str = "") -> exp.Expr:
    """Checks the literals of `'12'::int` and its kin, and replaces them where DuckDB would differ.

    `order` says which number of a date is the month (see `iso_moment`).

    Raises: DbError INVALID_TEXT, OUT_OF_RANGE, INVALID_DATETIME and DATETIME_OVERFLOW.
    """
    for node in list(tree.find_all(exp.Cast, exp.Interval)):
        if isinstance(node, exp.Interval):
            made = _interval(_interval_text(node))
            if made is not None:
                node.replace(exp.Interval(this=made))
        elif type(node) is exp.Cast and node.this.is_string and isinstance(node.to, exp.DataType):
            if node.to.this is exp.DType.ARRAY:
                _read_array(node)
                continue
            made = _special_day(node) or _read(node.this.name, node.to, order)
            if made is not None:
                node.this.replace(made)
    return tree


def _read_array(node: exp.Cast) -> None:
    try:
        type_ = from_sql(node.to)
    except DbError:
        return  # a type that only DuckDB knows
    read_array_literal(node, type_)


def _read(text: str, to: exp.DataType, order: str) -> exp.Expr | None:
    """The literal that DuckDB shall cast instead; None to leave it as it is."""
    try:
        type_ = from_sql(to)
    except DbError:
        return None  # a type that only DuckDB knows
    if type_.named is not None:
        return None  # see named_values
    show = _vector if type_.dimensions else _SHOWN.get(type_.id)
    if type_.is_integer:
        show = exp.convert
    if type_.id is TypeId.INTERVAL:
        return _interval(text)
    is_moment = type_.is_timestamp or type_.id is TypeId.DATE
    early = before_christ(text) if is_moment or type_.id is TypeId.TIMESTAMP_TZ else None
    if early is not None:
        return exp.Literal.string(early)
    spelled = iso_moment(text, order) if is_moment and not _YEAR_FIRST.match(text) else None
    if spelled is not None and type_.is_timestamp:
        return exp.Literal.string(spelled)
    if type_.is_timestamp and not _FAR.match(text.strip()):
        return None  # DuckDB reads years that no column can hold
    text = spelled or text
    if show is None or (type_.id in _DAYS and not text.strip()[:1].isdigit()):
        return None
    try:
        value = column_from_text(pa.array([text]), type_, "UTC", column="")[0]
    except DbError as error:
        raise DbError(error.kind, error.message) from error  # there is no column to speak of
    if show is _unchanged:
        return None
    try:
        return show(value.as_py())
    except OverflowError:
        return _days_away(value.cast(pa.int32()).as_py())


def _days_away(days: int) -> exp.Expr:
    """A date before Python's first or after its last, as so many days from the epoch."""
    epoch = cast_to(exp.Literal.string("1970-01-01"), "DATE")
    return exp.paren(exp.Add(this=epoch, expression=exp.convert(days)))


def _interval_text(node: exp.Interval) -> str:
    """`1 day 2:00` of `INTERVAL '1 day 2:00'`, `1 ns` of `INTERVAL '1' NS`, else nothing."""
    unit = node.args.get("unit")
    if not isinstance(node.this, exp.Literal):
        return ""
    if unit is None:
        return node.name if node.this.is_string else ""
    return f"{node.name} {unit.name}" if isinstance(unit, exp.Var) else ""


def _interval(text: str) -> exp.Expr | None:
    """Of more than one number and unit: DuckDB takes the hours of `1 day 2:00` for none.

    Raises: DbError INVALID_DATETIME for a unit that there is not.
    """
    one = _ONE_PART.fullmatch(text)
    if not text or (one is not None and (one[1].lower() in _UNITS or "_" in one[1])):
        return None
    try:
        found = parse_interval(text)
    except OverflowError:
        return None  # DuckDB refuses it, too
    if found is None:
        if one is None:
            return None
        raise DbError(
            ErrorKind.INVALID_DATETIME, f'invalid input syntax for type interval: "{text}"'
        )
    micros = round(found.nanos / 1000)
    shown = f"{found.months} months {found.days} days {micros} microseconds"
    return exp.Literal.string(shown)


_ONE_PART = re.compile(r"\s*-?\d+\s+([a-zA-Z_]+)\s*")
_WORDS = ("year", "month", "quarter", "week", "day", "hour", "minute", "second", "decade")
_SHORT = ("y", "yr", "mon", "w", "d", "h", "hr", "m", "min", "s", "sec", "ms", "us")
_UNITS = frozenset(  # that DuckDB knows, or its generator renames
    f"{unit}{plural}"
    for unit in (*_WORDS, *_SHORT, "millisecond", "microsecond")
    for plural in ("", "s")
) | {"century", "centuries", "millennium", "millennia"}
_YEAR_FIRST = re.compile(r"\s*[+-]?\d{4,}-\d")
_FAR = re.compile(r"[+-]?\d{5,}-|\d+-.*\(BC\)")
_SPECIAL_DAYS = {"now": 0, "today": 0, "tomorrow": 1, "yesterday": -1}


def _special_day(node: exp.Cast) -> exp.Expr | None:
    """`'today'::date` as a day beside the statement's; `'now'::timestamp` as its time."""
    word = node.this.name.strip().lower()
    shift = _SPECIAL_DAYS.get(word)
    if shift is None or not node.to.is_type(exp.DType.DATE, *_TIMESTAMPS):
        return None
    now = cast_to(exp.Literal.string(NOW), "TIMESTAMP")
    if word == "now":
        return now
    today = cast_to(now, "DATE")
    return exp.paren(exp.Add(this=today, expression=exp.convert(shift)))


_TIMESTAMPS = (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.DATETIME)


def _vector(value: bytes) -> exp.Expr:
    return exp.Anonymous(this="unhex", expressions=[exp.Literal.string(value.hex())])


def _unchanged(_value: object) -> None:
    """It was only to be checked."""


_DAYS = frozenset({TypeId.DATE, TypeId.TIME})  # `now` and its kin are no constants
_SHOWN: dict[TypeId, Callable[[Any], exp.Expr | None]] = {
    **dict.fromkeys(TIMESTAMP_UNITS, _unchanged),
    TypeId.FLOAT32: _unchanged,
    TypeId.FLOAT64: _unchanged,
    TypeId.DECIMAL: _unchanged,
    TypeId.JSON: _unchanged,
    TypeId.UUID: lambda value: exp.Literal.string(str(value)),
    TypeId.BOOLEAN: lambda value: exp.true() if value else exp.false(),
    TypeId.DATE: lambda value: exp.Literal.string(value.isoformat()),
    TypeId.TIME: lambda value: exp.Literal.string(value.isoformat()),
}
