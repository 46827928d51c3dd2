"""Defaults of columns when a definition is made or changed; their use in writes is in target.py."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from catalog.records import Column
from engine import evolve
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql.decode.assign import assign
from sql.statements.sequence import settled_default
from sql.statements.target import SEQUENCE, clock_text

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_CLOCKS = frozenset({"now()", "current_timestamp()"})
_ZONED = re.compile(r":\d\d.*([+-]\d\d(:?\d\d)?|[zZ]|UTC)'$")  # a moment that names its zone
_BARE = frozenset({TypeId.BOOLEAN})  # with the numbers: what needs no quotes


def default_value(session: ClientSession, column: Column) -> pa.Scalar | None:
    """A column's default as its value, None for NULL, none or a sequence's next number.

    Raises: DbError if it cannot be a value of the column: now, not at the first INSERT.
    """
    if column.default is None or SEQUENCE in column.default:
        return None
    value = assign(session.evaluate(clock_text(column), 1), column, session.timezone)[0]
    return value if value.is_valid else None


def settled(session: ClientSession, column: Column) -> Column:
    """The column with a default that means the same in every session: moments are in UTC, names
    of sequences have their database.

    Raises: as `default_value`.
    """
    if column.default is not None and SEQUENCE in column.default.lower():
        return replace(column, default=settled_default(session, column.default))
    value = default_value(session, column)
    is_moment = column.type.is_timestamp or column.type.id is TypeId.TIMESTAMP_TZ
    is_text = column.default is not None and column.default.startswith("'")
    if value is None or not (is_moment and is_text) or _ZONED.search(column.default or ""):
        return column
    return replace(column, default=_text(value, column))


def converted(session: ClientSession, old: Column, new: Column) -> Column:
    """A time-series column of another type: its default and its initial value follow.

    Raises: DbError DATATYPE_MISMATCH for a default that does not fit the new type.
    """
    initial = None if old.initial is None else _cast(old.initial, new)
    default = old.default
    if default in _CLOCKS:
        fits = new.type.is_timestamp or new.type.id in (TypeId.TIMESTAMP_TZ, TypeId.DATE)
    elif default is not None:
        before = default_value(session, old)
        value = None if before is None else _cast(before, new)
        fits = value is not None
        default = None if value is None else _text(value, new)
    else:
        fits = True
    if not fits:
        raise DbError(
            ErrorKind.DATATYPE_MISMATCH,
            f'the default of column "{old.name}" cannot be cast to {new.type.name}',
            hint="DROP DEFAULT first",
        )
    return replace(new, default=default, initial=initial)


def _cast(value: pa.Scalar, column: Column) -> pa.Scalar | None:
    """As stored values are cast."""
    found = evolve.convert(pa.chunked_array([pa.repeat(value, 1)]), [column.type])[0]
    return found if found.is_valid else None


def _text(value: pa.Scalar, column: Column) -> str:
    """The value as SQL text."""
    if column.type.id is TypeId.TIMESTAMP_TZ:
        value = value.cast(pa.timestamp(value.type.unit))
    text = str(value.cast(pa.string()).as_py())
    if column.type.is_timestamp or column.type.id is TypeId.TIMESTAMP_TZ:
        seconds, _, fraction = text.partition(".")
        fraction = fraction.rstrip("0")
        text = f"{seconds}.{fraction}+00:00" if fraction else f"{seconds}+00:00"
    is_plain = column.type.is_numeric or column.type.id in _BARE
    if is_plain and text.lower() not in ("nan", "inf", "-inf"):
        return text
    return "'" + text.replace("'", "''") + "'"
