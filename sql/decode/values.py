"""The fast path of INSERT … VALUES: literals straight from the statement's text to columns.

Called by the INSERT statement before it parses anything. Whatever is not a plain literal (a call,
a cast, DEFAULT, a placeholder, a comment) makes it decline, and the statement takes the usual way
over the syntax tree. It never looks at the catalog and never checks NOT NULL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.records import Column
from engine.datatypes import BINARY, DataType, TypeId
from engine.errors import DbError, ErrorKind
from sql.decode import jit, kernels
from sql.decode.cells import Cells, Unescape, strings
from sql.decode.jit import Bytes, Int32s
from sql.decode.kernels import BACKSLASH, DECIMAL, FALSE, INTEGER, NULL, STANDARD, TRUE
from sql.decode.text import convert, row_place
from sql.session import Wire


class InsertHead(NamedTuple):
    """What stands before the rows of an INSERT."""

    table: tuple[str, ...]  # one to three names, the table last
    columns: tuple[str, ...] | None  # None: all columns of the table, in order
    start: int  # offset of the first row's `(` in the text
    replace: bool  # REPLACE INTO


@dataclass(frozen=True, slots=True)
class LiteralRows:
    """The literals of all rows, as cells in row-major order (see kernels.py)."""

    data: Bytes
    starts: Int32s
    ends: Int32s
    kinds: Bytes
    seen: Bytes  # kinds that occur in each column
    count: int
    width: int
    wire: Wire


_PLAIN = r"[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*+"
# No group is possessive: Python before 3.11.5 does not go back over the last one's half of a match.
_DOUBLE = r'"(?:[^"]|"")+"'
_BACKTICK = r"`(?:[^`]|``)+`"
_QUOTINGS = {
    Wire.POSTGRES: (_DOUBLE, _BACKTICK),
    Wire.MYSQL: (_BACKTICK,),
    Wire.HTTP: (_DOUBLE, _BACKTICK),
}


def _head_pattern(wire: Wire) -> re.Pattern[str]:
    name = f"(?:{'|'.join((_PLAIN, *_QUOTINGS[wire]))})"
    return re.compile(
        r"\s*+(?P<verb>INSERT|REPLACE)\s++INTO\s++(?:TABLE\s++)?"
        rf"(?P<table>{name}(?:\s*+\.\s*+{name}){{0,2}})\s*+"
        rf"(?:\(\s*+(?P<columns>{name}(?:\s*+,\s*+{name})*)\s*+\)\s*+)?"
        r"(?<![\w$])VALUES\s*+(?=\()",
        re.IGNORECASE,
    )


_HEADS = {wire: _head_pattern(wire) for wire in Wire}
_NAME = re.compile(rf"{_PLAIN}|{_DOUBLE}|{_BACKTICK}")
_MAX_TEXT = (1 << 31) - 16  # bytes; offsets have 32 bits
_SHORT = 10_000  # characters, which take sqlglot a tenth of a second


def match_insert(text: str, wire: Wire) -> InsertHead | None:
    """Recognises `INSERT INTO t [(columns)] VALUES` up to the first row; None for all else.

    Unquoted names are folded to lower case.
    """
    match = _HEADS[wire].match(text)
    if match is None:
        return None
    columns = match["columns"]
    return InsertHead(
        table=_names(match["table"]),
        columns=None if columns is None else _names(columns),
        start=match.end(),
        replace=match["verb"].lower() == "replace",
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(_unquote(name) for name in _NAME.findall(text))


def _unquote(name: str) -> str:
    quote = name[0]
    if quote in '"`':
        return name[1:-1].replace(quote * 2, quote)
    return name.lower() if name.isascii() else "".join(c.lower() if c < "\x80" else c for c in name)


def read_values(text: str, start: int, wire: Wire) -> LiteralRows | None:
    """Splits the rows from `start` (a character offset) to the end of the text into literals.

    Strings follow the wire: on MySQL backslashes escape, "…" is a string and TRUE is 1.
    Returns: None when anything but plain literals and an optional `;` stands there, and for a short
    text as long as another process compiles the kernel.
    Raises: DbError COLUMN_COUNT when rows differ in width, LIMIT_EXCEEDED above 2 GiB,
    INVALID_ENCODING for a lone surrogate.
    """
    if len(text) <= _SHORT and jit.is_pending(kernels.scan_values):
        return None
    content = _encode(text)
    end = len(content)
    if end > _MAX_TEXT:
        raise DbError(ErrorKind.LIMIT_EXCEEDED, "the statement is longer than 2 GiB")
    mysql = wire is Wire.MYSQL
    # TRUE and FALSE are the numbers 1 and 0 on MySQL; these bytes are their text.
    data = np.frombuffer(content + b"10" if mysql else content, np.uint8)
    first = start if text.isascii() else len(text[:start].encode())
    room = (end - first) // 2 + 1
    starts, ends = np.empty(room, np.int32), np.empty(room, np.int32)
    kinds = np.empty(room, np.uint8)
    seen = np.zeros(kernels.MAX_COLUMNS, np.uint8)
    rows, width = kernels.scan_values(data, first, end, int(mysql), starts, ends, kinds, seen)
    if rows == kernels.RAGGED:
        raise DbError(
            ErrorKind.COLUMN_COUNT,
            "VALUES lists must all be the same length",
            detail=f"row {width + 1} differs from the rows before it",
        )
    if rows < 0:
        return None
    cells = rows * width
    return LiteralRows(
        data, starts[:cells], ends[:cells], kinds[:cells], seen[:width], rows, width, wire
    )


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DbError(
            ErrorKind.INVALID_ENCODING,
            "the statement contains a lone surrogate, which UTF-8 cannot encode",
            position=error.start + 1,
        ) from None


def to_table(rows: LiteralRows, columns: Sequence[Column], timezone: str) -> Any:
    """Converts the literals to an Arrow table with exactly these columns, in this order.

    NULL is allowed everywhere. Literals are assigned as PostgreSQL assigns them: a decimal rounds
    half away from zero into an integer column, an integer is a timestamp in the column's unit, a
    string is read by the column's type.
    Raises: DbError COLUMN_COUNT, DATATYPE_MISMATCH, or what `column_from_text` raises.
    """
    if len(columns) != rows.width:
        raise DbError(
            ErrorKind.COLUMN_COUNT,
            f"column count mismatch, columns: {len(columns)}, values: {rows.width}",
        )
    arrays = [_column(rows, index, column, timezone) for index, column in enumerate(columns)]
    fields = [pa.field(column.name, column.type.arrow) for column in columns]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def warm() -> None:
    """Compiles the kernels, or loads them from the cache, before the first use."""
    jit.warm()


def _column(rows: LiteralRows, index: int, column: Column, timezone: str) -> Any:
    seen = int(rows.seen[index])
    if seen == 1 << NULL:
        return pa.nulls(rows.count, column.type.arrow)
    cells = Cells(
        rows.data,
        rows.starts,
        rows.ends,
        rows.kinds,
        index,
        rows.width,
        rows.count,
        seen,
        Unescape(BACKSLASH if rows.wire is Wire.MYSQL else STANDARD),
        row_place(column.name),
    )
    if column.type.id is TypeId.STRING and column.type.named is None:
        return _as_text(cells)
    _check_kinds(cells, column, rows.wire)
    if column.type == BINARY and rows.wire is Wire.MYSQL:
        return strings(cells, pa.binary())
    return convert(cells, column.type, timezone)


_NAMES = {INTEGER: "integer", DECIMAL: "numeric", TRUE: "boolean", FALSE: "boolean"}
_NUMBERS = (1 << INTEGER) | (1 << DECIMAL)
_BOOLEANS = (1 << TRUE) | (1 << FALSE)


@lru_cache(maxsize=256)
def _refused(type_: DataType, wire: Wire) -> int:
    """Kinds of literal, as bits, that a column does not take: all of `_NAMES` but a few."""
    accepted = 0
    if type_.is_numeric:
        accepted = _NUMBERS
    elif type_.id is TypeId.BOOLEAN:
        # PostgreSQL wants a cast here; for MySQL's drivers a boolean is the number 1 or 0.
        accepted = _BOOLEANS if wire is Wire.POSTGRES else _BOOLEANS | 1 << INTEGER
    elif type_.is_timestamp or type_.id is TypeId.TIMESTAMP_TZ:
        accepted = 1 << INTEGER
    elif wire is Wire.MYSQL and (type_.id is TypeId.TIME or type_.is_span):
        accepted = _NUMBERS
    return (_NUMBERS | _BOOLEANS) & ~accepted


def _check_kinds(cells: Cells, column: Column, wire: Wire) -> None:
    """Raises DATATYPE_MISMATCH for the first literal that the column does not take."""
    wrong = cells.seen & _refused(column.type, wire)
    if wrong:
        row = cells.first_of(*(kind for kind in _NAMES if wrong & (1 << kind)))
        raise DbError(
            ErrorKind.DATATYPE_MISMATCH,
            f'column "{column.name}" is of type {column.type.name} '
            f"but expression is of type {_NAMES[int(cells.row_kinds()[row])]}",
            detail=cells.place(row),
            hint="write the value as a string literal or cast it",
        )


# Numbers whose text differs from how the number is written back.
_ODD_NUMBER = r"^[+]|^-?0\d|^-?0$|[eE]|^-?\.|\.$"


def _as_text(cells: Cells) -> Any:
    """Literals of any kind as text: numbers canonical, booleans in lower case."""
    texts = strings(cells)
    if cells.has(TRUE, FALSE):
        texts = _patched(texts, cells, (TRUE, FALSE), str.lower)
    if cells.has(INTEGER, DECIMAL) and pc.any(pc.match_substring_regex(texts, _ODD_NUMBER)).as_py():
        texts = _patched(texts, cells, (INTEGER, DECIMAL), _canonical)
    return texts


def _patched(texts: Any, cells: Cells, kinds: tuple[int, ...], edit: Callable[[str], str]) -> Any:
    """The texts with those of some kinds edited."""
    mask = pa.array(np.isin(cells.row_kinds(), kinds))
    edited = [edit(text) for text in pc.filter(texts, mask).to_pylist()]
    return pc.replace_with_mask(texts, mask, pa.array(edited, pa.string()))


def _canonical(number: str) -> str:
    value = Decimal(number)
    if value.adjusted() > 10_000 or value.adjusted() < -10_000:
        raise DbError(ErrorKind.OUT_OF_RANGE, f'value "{number[:120]}" overflows numeric format')
    return f"{value:f}" if value else f"{abs(value):f}"
