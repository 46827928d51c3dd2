"""Arrays of ranges, and structs."""

from __future__ import annotations

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.functions.rewrites.build import Arguments, call, check, literal_text


def make_range(arguments: Arguments) -> exp.Expr:
    """DuckDB's own range."""
    check("range", arguments, 1, 3, "range([start,] stop [, step])")
    return call("range", *arguments)


def named_struct(arguments: Arguments) -> exp.Expr:
    """`named_struct('a', 1)` is `{'a': 1}`."""
    if not arguments or len(arguments) % 2:
        raise DbError(ErrorKind.INVALID_ARGUMENT, "named_struct() takes names and values in turn")
    names = [literal_text(name) for name in arguments[::2]]
    if None in names:
        raise DbError(ErrorKind.INVALID_ARGUMENT, "named_struct() needs literal names")
    return _struct([str(name) for name in names], arguments[1::2])


def plain_struct(arguments: Arguments) -> exp.Expr:
    """Fields c0, c1, …"""
    check("struct", arguments, 1, None, "struct(value, …)")
    return _struct([f"c{n}" for n in range(len(arguments))], arguments)


def _struct(names: list[str], values: Arguments) -> exp.Expr:
    fields: list[exp.Expr] = [
        exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=value.copy())
        for name, value in zip(names, values, strict=True)
    ]
    return exp.Struct(expressions=fields)
