"""VARCHAR(n) and CHAR(n): how long the text of a relational column may be.

Called by INSERT, UPDATE and COPY for whole rows before they are stored, for what ON CONFLICT sets,
and by ALTER TABLE for rows that are there. Spaces at the end that do not fit are dropped without a
word, of CHAR all of them: PostgreSQL's clients see it padded, MySQL's without. Whatever else does
not fit is an error, as the SQL standard has it
(https://www.postgresql.org/docs/15/datatype-character.html).
Time-series tables forget declared lengths, so they are never checked.
"""

from __future__ import annotations

import re
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from catalog.records import Column
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql.decode import clock
from sql.decode.interval_fields import kept_fields
from sql.decode.members import checked, checked_expression, members_of

_SIZED = re.compile(r"(VARCHAR|CHAR)\((\d{1,9})\)", re.IGNORECASE)
_FIRST_YEAR, _LAST_YEAR = 1901, 2155
_NAMES = {"VARCHAR": "character varying", "CHAR": "character"}
_BINARY = re.compile(r"binary(?:\((\d{1,9})\))?")
_BITS = re.compile(r"(VARBIT|BIT)\((\d{1,9})\)")


def length_max(column: Column) -> int | None:
    """How many characters a value may have; None without a declared length."""
    sized = _sized(column.declared) if column.type.id is TypeId.STRING else None
    return sized[1] if sized is not None else None


def char_length(column: Column) -> int:
    """The n of CHAR(n), whose blanks at the end mean nothing; 0 for other columns."""
    sized = _sized(column.declared) if column.declared else None
    return sized[1] if sized is not None and sized[0] == _NAMES["CHAR"] else 0


def literal_length_max(column: Column) -> int | None:
    """How long a literal may be that certainly fits; -1 if none does, None if all do."""
    changed = (clock.digits_declared, bytes_declared, bits_declared, members_of)
    return -1 if any(of(column) is not None for of in changed) else length_max(column)


def bits_declared(column: Column) -> tuple[int, bool] | None:
    """How many bits PostgreSQL's BIT or BIT VARYING has, and whether exactly; None for others."""
    named = column.type.named
    if named is None or named.name not in ("bit", "varbit"):
        return None
    found = _BITS.fullmatch(column.declared)
    return None if found is None else (int(found[2]), found[1] == "BIT")


def _check_bits(
    values: pa.Array | pa.ChunkedArray, limit: int, *, exact: bool
) -> pa.Array | pa.ChunkedArray:
    lengths = pc.utf8_length(values)
    wrong = pc.not_equal(lengths, limit) if exact else pc.greater(lengths, limit)
    row = pc.index(wrong, True).as_py()
    if row < 0:
        return values
    detail = f"row {row + 1} of the statement"
    raise _wrong_bits(limit, lengths[row].as_py(), detail, exact=exact)


def _wrong_bits(limit: int, length: int | str, detail: str, *, exact: bool) -> DbError:
    if exact:
        message = f"bit string length {length} does not match type bit({limit})"
        return DbError(ErrorKind.STRING_LENGTH, message, detail=detail)
    message = f"bit string too long for type bit varying({limit})"
    return DbError(ErrorKind.TEXT_TOO_LONG, message, detail=detail)


def declared_length(declared: str) -> int | None:
    """The length in a type's spelling; None if it has none."""
    sized = _sized(declared)
    return None if sized is None else sized[1]


@lru_cache(maxsize=1024)
def _sized(declared: str) -> tuple[str, int] | None:
    found = _SIZED.fullmatch(declared)
    return (_NAMES[found[1].upper()], int(found[2])) if found is not None else None


def fitted(column: Column, values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The values, without spaces beyond the column's length, of CHAR without any at the end; years
    with their century.

    MySQL's TIME has the digits that were declared, its BINARY(n) zeros up to n, its ENUM and SET
    the words they were declared with.
    Raises: DbError TEXT_TOO_LONG, OUT_OF_RANGE, INVALID_TEXT; INVALID_ARGUMENT for JSON2 that is no
    object.
    """
    if column.type.id is not TypeId.STRING and column.type.id is not TypeId.JSON:
        return _of_numbers(column, values)
    bits = bits_declared(column)
    if bits is not None:
        return _check_bits(values, bits[0], exact=bits[1])
    if column.type.id is TypeId.JSON and column.declared.startswith("JSON2"):
        return _objects(values)
    limit = length_max(column)
    if limit is None:
        members = members_of(column)
        return values if members is None else checked(members, column.name, values)
    if char_length(column) and pc.any(pc.ends_with(values, " ")).as_py():
        values = pc.utf8_rtrim(values, characters=" ")
    lengths = pc.utf8_length(values)
    if (pc.max(lengths).as_py() or 0) <= limit:
        return values
    words = pc.utf8_length(pc.utf8_rtrim(values, characters=" "))
    row = pc.index(pc.greater(words, limit), True).as_py()
    if row >= 0:
        raise too_long(column, f"row {row + 1} of the statement has {words[row]} characters")
    return pc.utf8_slice_codeunits(values, 0, limit)


def _of_numbers(column: Column, values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """What is no text: intervals, MySQL's YEAR, TIME and BINARY; others as they are."""
    if column.declared.lower() == "year":
        return _years(column, values)
    digits = clock.digits_declared(column)
    if digits is not None:
        return clock.rounded(values, digits, column.name)
    if column.type.id is TypeId.INTERVAL:
        return kept_fields(column.declared, values)
    size = bytes_declared(column)
    return values if size is None else _with_zeros(column, values, size)


def _objects(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Requires: texts of valid JSON. Raises: DbError INVALID_ARGUMENT for what is no object."""
    first = pc.utf8_slice_codeunits(pc.utf8_ltrim_whitespace(values), 0, 1)
    row = pc.index(pc.not_equal(first, "{"), True).as_py()
    if row >= 0:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            "Non-object json is not supported currently",
            detail=f"row {row + 1} of the statement: a JSON2 column holds objects",
        )
    return values


def bytes_declared(column: Column) -> int | None:
    """How many bytes values of MySQL's BINARY(n) have; None for other columns."""
    found = _BINARY.fullmatch(column.declared) if column.type.id is TypeId.BINARY else None
    return None if found is None else int(found[1] or 1)


def _with_zeros(
    column: Column, values: pa.Array | pa.ChunkedArray, size: int
) -> pa.Array | pa.ChunkedArray:
    """All values with as many bytes (MySQL 8.4, "The BINARY and VARBINARY Types")."""
    ends = pc.min_max(pc.binary_length(values)).as_py()
    if ends["min"] is None or ends["min"] == ends["max"] == size:
        return values
    if ends["max"] > size:
        error = DbError(ErrorKind.TEXT_TOO_LONG, f"Data too long for column '{column.name}'")
        error.mysql = (1406, "22001")
        raise error
    lacking = pc.subtract(size, pc.binary_length(values))
    zeros = pc.binary_repeat(pa.scalar(b"\0", values.type), lacking)
    return pc.binary_join_element_wise(values, zeros, pa.scalar(b"", values.type))


def _years(column: Column, values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """MySQL's YEAR: 1 to 69 are of this century, 70 to 99 of the last. 0 stays.

    Source: MySQL 8.4 reference, "The YEAR Type".
    """
    short = pc.and_(pc.greater(values, 0), pc.less(values, 100))
    century = pc.if_else(pc.less(values, 70), pa.scalar(2000, values.type), 1900)
    years = pc.if_else(short, pc.add(values, century.cast(values.type)), values)
    ends = pc.min_max(pc.if_else(pc.equal(years, 0), _FIRST_YEAR, years)).as_py()
    if ends["min"] is not None and not (ends["min"] >= _FIRST_YEAR and ends["max"] <= _LAST_YEAR):
        raise DbError(
            ErrorKind.OUT_OF_RANGE,
            f"Out of range value for column '{column.name}'",
            detail=f"a year is 0 or between {_FIRST_YEAR} and {_LAST_YEAR}",
        )
    return years.cast(values.type)


def fitted_expression(column: Column, value: exp.Expr) -> exp.Expr:
    """The same of a value that DuckDB computes: too long, it is an error there."""
    limit = length_max(column)
    if limit is None:
        members = members_of(column)
        return value if members is None else checked_expression(members, column.name, value)
    text = exp.cast(exp.paren(value), "TEXT")
    words = exp.Length(this=exp.func("RTRIM", text, exp.Literal.string(" ")))
    refusal = exp.Literal.string(too_long(column, "").message)
    error = exp.cast(exp.Anonymous(this="error", expressions=[refusal]), "TEXT")
    short: exp.Expr = exp.Left(this=text.copy(), expression=exp.Literal.number(limit))
    if char_length(column):
        short = exp.func("RTRIM", short, exp.Literal.string(" "))
    return exp.Case().when(words > limit, error).else_(short)


def too_long(column: Column, detail: str) -> DbError:
    """The error for text that does not fit. Requires: the column has a declared length."""
    sized = _sized(column.declared)
    assert sized is not None
    return DbError(
        ErrorKind.TEXT_TOO_LONG,
        f'value too long for type {sized[0]}({sized[1]}) of column "{column.name}"',
        detail=detail,
    )
