"""What is said of a text that a type does not read."""

from __future__ import annotations

from engine.errors import DbError, ErrorKind


def invalid(type_: str, text: str, detail: str | None = None) -> DbError:
    """The text is no value of the type."""
    message = f'invalid input syntax for type {type_}: "{text}"'
    return DbError(ErrorKind.INVALID_TEXT, message, detail=detail)


def out_of_range(type_: str, text: str) -> DbError:
    """The text is a value that the type cannot hold."""
    return DbError(ErrorKind.OUT_OF_RANGE, f'value "{text}" is out of range for type {type_}')


def malformed(kind: str, text: str, detail: str) -> DbError:
    """The text is not built as a range, a multirange or a record is."""
    return DbError(ErrorKind.INVALID_TEXT, f'malformed {kind} literal: "{text}"', detail=detail)
