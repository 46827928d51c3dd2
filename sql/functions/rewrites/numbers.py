"""Mathematical and conditional functions with any number of arguments, and casts by name."""

from __future__ import annotations

import re

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.functions.rewrites.build import (
    Arguments,
    call,
    case,
    check,
    is_null,
    literal_text,
    number,
)


def _unless_null(name: str, arguments: Arguments) -> exp.Expr:
    check(name, arguments, 1, None, f"{name}(value, …)")
    missing = is_null(arguments[0])
    for argument in arguments[1:]:
        missing = exp.Or(this=missing, expression=is_null(argument))
    return exp.paren(case((missing, exp.null()), default=call(name, *arguments)))


def greatest(arguments: Arguments) -> exp.Expr:
    """MySQL's: NULL if any argument is."""
    return _unless_null("greatest", arguments)


def least(arguments: Arguments) -> exp.Expr:
    """MySQL's: NULL if any argument is."""
    return _unless_null("least", arguments)


def _count(arguments: Arguments, when_null: int) -> exp.Expr:
    total: exp.Expr = number(0)
    for argument in arguments:
        one = case((is_null(argument), number(when_null)), default=number(1 - when_null))
        total = exp.Add(this=total, expression=one)
    return exp.paren(total)


def count_nulls(arguments: Arguments) -> exp.Expr:
    """How many arguments are NULL."""
    return _count(arguments, 1)


def count_values(arguments: Arguments) -> exp.Expr:
    """How many arguments are not NULL."""
    return _count(arguments, 0)


def rate(arguments: Arguments) -> exp.Expr:
    """The difference to the row before, divided by that of the times."""
    check("rate", arguments, 2, 2, "rate(value, ts)")
    value, at = arguments
    change = exp.Sub(this=value.copy(), expression=_before(value))
    span = exp.Sub(this=call("epoch_ms", at), expression=_before(call("epoch_ms", at)))
    return exp.Div(this=exp.paren(change), expression=exp.paren(span), typed=False, safe=False)


def _before(value: exp.Expr) -> exp.Expr:
    return exp.Window(this=call("lag", value))


# Names of Arrow types, as DataFusion spells them.
_ARROW = {
    "boolean": "BOOLEAN",
    **{f"int{bits}": name for bits, name in
       ((8, "TINYINT"), (16, "SMALLINT"), (32, "INTEGER"), (64, "BIGINT"))},
    **{f"uint{bits}": name for bits, name in
       ((8, "UTINYINT"), (16, "USMALLINT"), (32, "UINTEGER"), (64, "UBIGINT"))},
    "float32": "FLOAT", "float64": "DOUBLE", "float16": "FLOAT",
    "utf8": "VARCHAR", "largeutf8": "VARCHAR", "utf8view": "VARCHAR",
    "binary": "BLOB", "largebinary": "BLOB", "binaryview": "BLOB",
    "date32": "DATE", "date64": "DATE",
}  # fmt: skip
_UNITS = {"s": "_S", "ms": "_MS", "us": "", "ns": "_NS"}
_UNITS |= {"second": "_S", "millisecond": "_MS", "microsecond": "", "nanosecond": "_NS"}


def _arrow_type(name: str) -> exp.DataType:
    plain = re.sub(r"\s", "", name).lower()
    if (found := re.fullmatch(r"timestamp\((\w+)(?:,.*)?\)", plain)) and found[1] in _UNITS:
        return exp.DataType.build(f"TIMESTAMP{_UNITS[found[1]]}", dialect="duckdb")
    if found := re.fullmatch(r"decimal(?:128|256)?\((\d+),(\d+)\)", plain):
        return exp.DataType.build(f"DECIMAL({found[1]},{found[2]})", dialect="duckdb")
    if plain.startswith(("time32", "time64")):
        return exp.DataType.build("TIME", dialect="duckdb")
    if plain.startswith(("interval", "duration")):
        return exp.DataType.build("INTERVAL", dialect="duckdb")
    if plain in _ARROW:
        return exp.DataType.build(_ARROW[plain], dialect="duckdb")
    raise DbError(
        ErrorKind.UNDEFINED_OBJECT,
        f"there is no Arrow type {name!r}",
        hint="for example Int64, Utf8, Float64, Timestamp(Nanosecond, None)",
    )


def arrow_cast(arguments: Arguments) -> exp.Expr:
    """A plain cast: the type's name is a literal."""
    return _arrow_cast(arguments, exp.Cast)


def arrow_try_cast(arguments: Arguments) -> exp.Expr:
    """As arrow_cast, NULL where it fails."""
    return _arrow_cast(arguments, exp.TryCast)


def _arrow_cast(arguments: Arguments, node: type[exp.Cast]) -> exp.Expr:
    check("arrow_cast", arguments, 2, 2, "arrow_cast(value, 'Type')")
    name = literal_text(arguments[1])
    if name is None:
        raise DbError(ErrorKind.INVALID_ARGUMENT, "arrow_cast() needs the type's name as a literal")
    return node(this=arguments[0].copy(), to=_arrow_type(name))
