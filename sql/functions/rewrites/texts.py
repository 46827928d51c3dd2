"""String functions with any number of arguments, and those whose pattern is read when planning."""

from __future__ import annotations

import re

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.functions.rewrites.build import (
    Arguments,
    as_text,
    call,
    case,
    check,
    is_null,
    joined,
    literal_text,
    number,
    own,
    text,
)
from sql.system.pg_functions import format_call


def concat_skipping_nulls(arguments: Arguments) -> exp.Expr:
    """DuckDB's own concat, which leaves out NULLs."""
    return call("concat", *arguments) if arguments else text("")


def concat_with_nulls(arguments: Arguments) -> exp.Expr:
    """MySQL's: NULL if any argument is."""
    check("concat", arguments, 1, None, "concat(value, …)")
    return joined([as_text(argument) for argument in arguments])


def char(arguments: Arguments) -> exp.Expr:
    """MySQL's CHAR(n, …)."""
    check("char", arguments, 1, None, "char(code, …)")
    return joined([call("chr", argument) for argument in arguments])


def elt(arguments: Arguments) -> exp.Expr:
    """`elt(n, a, b)`: a CASE over n."""
    check("elt", arguments, 2, None, "elt(place, text, …)")
    place, values = arguments[0], arguments[1:]
    branches = [
        (exp.EQ(this=place.copy(), expression=number(at)), as_text(value))
        for at, value in enumerate(values, 1)
    ]
    return case(*branches)


def field(arguments: Arguments) -> exp.Expr:
    """`field(s, a, b)`: the first place with an equal text."""
    check("field", arguments, 2, None, "field(value, text, …)")
    wanted, values = as_text(arguments[0]), arguments[1:]
    branches = [
        (exp.EQ(this=wanted.copy(), expression=as_text(value)), number(at))
        for at, value in enumerate(values, 1)
    ]
    return case(*branches, default=number(0))


def format_text(arguments: Arguments) -> exp.Expr:
    """PostgreSQL's format(); with two numbers, MySQL's, as GreptimeDB has it."""
    check("format", arguments, 1, None, "format(pattern, value, …)")
    pattern = literal_text(arguments[0])
    if pattern is None and len(arguments) == 2:
        return own("thousands", *arguments)
    if pattern is None:
        raise DbError(ErrorKind.UNSUPPORTED, "format() needs a pattern that is a string literal")
    node = exp.Format(this=text(pattern), expressions=[a.copy() for a in arguments[1:]])
    made = format_call(node)
    if made is node:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"format() cannot read the pattern {pattern!r}",
            hint="it knows %s, %I, %L, %% and %n$s, without widths",
        )
    return made


def regexp_match(arguments: Arguments) -> exp.Expr:
    """The groups of the first match: how many there are is read off the pattern."""
    check("regexp_match", arguments, 2, 3, "regexp_match(text, pattern [, flags])")
    subject, pattern = arguments[0], literal_text(arguments[1])
    flags = literal_text(arguments[2]) if len(arguments) > 2 else ""
    if pattern is None or flags is None:
        matched, found = own("regexp_first", *arguments[:2]), arguments[1].copy()
        made = call("list_value", matched)
    else:
        prefix = f"(?{kept})" if (kept := re.sub("[^ims]", "", flags)) else ""
        found = text(prefix + pattern)
        groups = [number(n) for n in range(1, _groups(pattern) + 1)] or [number(0)]
        made = call("list_value", *(call("regexp_extract", subject, found, n) for n in groups))
    return case((call("regexp_matches", subject, found), made), default=exp.null())


def regexp_matches(arguments: Arguments) -> exp.Expr:
    """PostgreSQL's, which gives rows: with flag g one for each match."""
    check("regexp_matches", arguments, 2, 3, "regexp_matches(text, pattern [, flags])")
    pattern = literal_text(arguments[1])
    flags = literal_text(arguments[2]) if len(arguments) > 2 else ""
    if pattern is None or flags is None or "g" not in flags:
        first = call("list_value", regexp_match(arguments))
        return exp.Unnest(expressions=[_each(first, "list_filter", exp.Not(this=is_null(_ITEM)))])
    prefix = f"(?{kept})" if (kept := re.sub("[^ims]", "", flags)) else ""
    found = text(prefix + pattern)
    groups = range(1, _groups(pattern) + 1) or range(1)
    columns = [call("regexp_extract_all", arguments[0], found, number(n)) for n in groups]
    row = call("list_value", *(call("list_extract", column, _ITEM) for column in columns))
    end = exp.Add(this=call("len", columns[0]), expression=number(1))
    rows = _each(call("range", number(1), end), "list_transform", row)
    return exp.Unnest(expressions=[rows])


_ITEM = exp.column("_m")


def _each(values: exp.Expr, function: str, body: exp.Expr) -> exp.Expr:
    made = exp.Lambda(this=body, expressions=[exp.to_identifier("_m")])
    return exp.Anonymous(this=function, expressions=[values, made])


def regexp_split_to_table(arguments: Arguments) -> exp.Expr:
    """A row for each part."""
    check("regexp_split_to_table", arguments, 2, 2, "regexp_split_to_table(text, pattern)")
    return exp.Unnest(expressions=[call("string_split_regex", *arguments)])


def string_to_table(arguments: Arguments) -> exp.Expr:
    """A row for each part."""
    check("string_to_table", arguments, 2, 2, "string_to_table(text, separator)")
    return exp.Unnest(expressions=[call("string_split", *arguments)])


def _groups(pattern: str) -> int:
    """The capturing groups of a regular expression."""
    plain = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "", pattern)
    return len(re.findall(r"\((?!\?)|\(\?P?<(?![=!])", plain))


def trim_part(node: exp.Trim) -> exp.Expr:
    """MySQL's `TRIM(LEADING 'bar' FROM s)` takes off the whole text, not its characters."""
    removed = node.args.get("expression")
    where = str(node.args.get("position") or "BOTH").upper()
    if removed is None:
        return node
    pattern = call("regexp_escape", as_text(removed))
    subject = as_text(node.this)
    if where in ("BOTH", "LEADING"):
        whole = joined([text("^(?:"), pattern, text(")+")])
        subject = call("regexp_replace", subject, whole, text(""))
    if where in ("BOTH", "TRAILING"):
        whole = joined([text("(?:"), pattern.copy(), text(")+$")])
        subject = call("regexp_replace", subject, whole, text(""))
    empty = exp.EQ(this=as_text(removed), expression=text(""))
    missing = exp.Or(this=is_null(removed), expression=empty)
    return exp.paren(case((missing, as_text(node.this)), default=subject))
