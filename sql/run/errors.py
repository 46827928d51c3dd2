"""DuckDB's exceptions as our one error type: the only place that reads DuckDB's error texts."""

from __future__ import annotations

import re

from engine.errors import DbError, ErrorKind
from sql.functions.unknown import function_error

_K = ErrorKind

# The first words of DuckDB's message → kind, unless a pattern below says more. (A failure while
# rows stream arrives as an OSError with the same text, so the text is what counts.)
_PREFIXES: dict[str, ErrorKind] = {
    "interrupt": _K.CANCELLED,
    "out of memory": _K.OUT_OF_MEMORY,
    "parser": _K.SYNTAX,
    "syntax": _K.SYNTAX,
    "constraint": _K.UNIQUE_VIOLATION,
    "conversion": _K.INVALID_TEXT,
    "out of range": _K.OUT_OF_RANGE,
    "mismatch type": _K.DATATYPE_MISMATCH,
    "transactioncontext": _K.SERIALIZATION_FAILURE,
    "catalog": _K.UNDEFINED_TABLE,
    "binder": _K.PLAN,
    "permission": _K.ACCESS_DENIED,
    "not implemented": _K.UNSUPPORTED,
    "invalid input": _K.INVALID_ARGUMENT,
    "invalid type": _K.DATATYPE_MISMATCH,
    "io": _K.STORAGE_UNAVAILABLE,
}

# What a message says more precisely than its class. First match wins; group 1 is a name whose place
# in the statement becomes the error position.
_PATTERNS: tuple[tuple[re.Pattern[str], ErrorKind], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), kind)
    for pattern, kind in (
        (r'Referenced table "([^"]+)" not found', _K.UNDEFINED_TABLE),
        (r'relation "(.+)" does not exist', _K.UNDEFINED_TABLE),
        (
            r'Ambiguous reference to column name "[^"]+" \(use: \'(\w+)\.\w+\' or \'\1\.',
            _K.DUPLICATE_ALIAS,
        ),
        (r'type "(.+)" does not exist', _K.UNDEFINED_OBJECT),
        (r"value for domain .+ violates check", _K.CHECK_VIOLATION),
        (r"domain .+ does not allow null values", _K.NOT_NULL_VIOLATION),
        (r'Ambiguous reference to column name "([^"]+)"', _K.AMBIGUOUS_COLUMN),
        (r'Referenced column "([^"]+)" (?:was )?not found', _K.UNDEFINED_COLUMN),
        (r"Referenced update column (\w+) not found", _K.UNDEFINED_COLUMN),
        (r'does not have a column named "([^"]+)"', _K.UNDEFINED_COLUMN),
        (r'column "([^"]+)" must appear in the GROUP BY', _K.GROUPING),
        (r'Table "[^"]*" does not have a column with name "([^"]+)"', _K.UNDEFINED_COLUMN),
        (r"Function with name \"?(\w+)\"? does not exist", _K.UNDEFINED_FUNCTION),
        (r"No function matches the given name and argument types '(\w+)", _K.UNDEFINED_FUNCTION),
        (r"Could not choose a best candidate function", _K.UNDEFINED_FUNCTION),
        (r"Type with name (\w+) does not exist", _K.UNDEFINED_OBJECT),
        (r"Table with name \"?(\w+)\"? does not exist", _K.UNDEFINED_TABLE),
        (r"(?:Table|View) with name \"(\w+)\" already exists", _K.DUPLICATE_TABLE),
        (
            r"aggregate functions? (?:calls )?cannot|WHERE clause cannot contain",
            _K.MISPLACED_AGGREGATE,
        ),
        (r"window functions? (?:are|is|calls)", _K.WINDOWING),
        (r"value too long for type character", _K.TEXT_TOO_LONG),
        (r"requested length too large", _K.LIMIT_EXCEEDED),
        (r"Division by zero", _K.DIVISION_BY_ZERO),
        (r"NOT NULL constraint failed", _K.NOT_NULL_VIOLATION),
        (r"CHECK constraint failed", _K.CHECK_VIOLATION),
        (r"Violates foreign key|foreign key constraint", _K.FOREIGN_KEY_VIOLATION),
        (r"Duplicate key|duplicate key", _K.UNIQUE_VIOLATION),
        (r"More than one row returned by a subquery", _K.CARDINALITY),
        (
            r"set operations can only apply|same number of result columns",
            _K.SET_OPERATION_COLUMNS,
        ),
        (r"Subquery returns \d+ columns", _K.SUBQUERY_COLUMNS),
        (r"Duplicate alias \"([^\"]+)\" in query", _K.DUPLICATE_ALIAS),
        (r"(?:ORDER|GROUP BY) term out of range", _K.NO_SUCH_KEY),
        (r"out of range for the destination|out of range|Overflow in", _K.OUT_OF_RANGE),
        (r"date field value out of range|timestamp field value out", _K.DATETIME_OVERFLOW),
        (
            r"invalid (?:date|timestamp|time) field format|to (?:DATE|TIMESTAMP)",
            _K.INVALID_DATETIME,
        ),
        (r"Current transaction is aborted", _K.FAILED_TRANSACTION),
        (r"Values were not provided for the following prepared", _K.UNDEFINED_PARAMETER),
        (r"Cannot compare values of type|Cannot mix values of type", _K.DATATYPE_MISMATCH),
        (r"No space left on device", _K.DISK_FULL),
    )
)

_CONTEXT = re.compile(r"\n\s*\n?LINE \d+:.*", re.DOTALL)
_PREFIX = re.compile(r"^([A-Za-z ]+) Error: ")
_DID_YOU_MEAN = re.compile(r"\n+(Did you mean .*|Candidate (?:bindings|functions):.*)", re.DOTALL)
_SCAN_NAME = re.compile(r'"?__(?:scan|system|arrow)_\w+"?\.?')


def translate(error: Exception, text: str = "") -> DbError:
    """What the client sees of a DuckDB error; `text` is its statement, to find the position."""
    message = str(error)
    refused = function_error(message, text)
    if refused is not None:
        return refused
    kind, name = _classify(message)
    message = _CONTEXT.sub("", message)
    message = _PREFIX.sub("", message)
    hint = None
    if (found := _DID_YOU_MEAN.search(message)) is not None:
        hint = " ".join(found.group(1).split())
        message = message[: found.start()]
    message = _SCAN_NAME.sub("", message).strip()
    if kind is ErrorKind.DIVISION_BY_ZERO:
        message = "division by zero"  # DuckDB goes on about settings that nobody can set here
    if kind is ErrorKind.UNDEFINED_COLUMN and name and message.startswith("Referenced column"):
        message = f'column "{name}" does not exist'
    return DbError(kind, message, hint=_visible(hint), position=position_of(name, text))


def position_of(name: str | None, text: str) -> int | None:
    """1-based offset of an identifier in the statement, None when it is not there."""
    if not name:
        return None
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE)
    return found.start() + 1 if found else None


def _classify(message: str) -> tuple[ErrorKind, str | None]:
    found = _PREFIX.match(message)
    prefix = found.group(1).lower() if found else ""
    if prefix not in ("interrupt", "internal", "fatal"):
        for pattern, kind in _PATTERNS:
            if (match := pattern.search(message)) is not None:
                return kind, match.group(1) if pattern.groups else None
    return _PREFIXES.get(prefix, ErrorKind.INTERNAL), None


def _visible(hint: str | None) -> str | None:
    """No hint may name what only our plan contains."""
    return None if hint is None or "__" in hint else hint


def strip_internal(text: str) -> str:
    """DuckDB's text without the names that only our plans contain."""
    return _SCAN_NAME.sub("", text)
