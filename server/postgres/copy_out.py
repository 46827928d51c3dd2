"""COPY … TO STDOUT in text, CSV and binary: one CopyData message per row, made in bulk.

Called by conversation.py. Clients such as psycopg read one row per message, as PostgreSQL sends it.
https://www.postgresql.org/docs/current/sql-copy.html (File Formats)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from engine.datatypes import TypeId
from server.encode import assemble
from server.encode.cells import VarCells, from_arrow
from server.encode.delimited import escaped, lines, quoted
from server.encode.style import TextStyle
from server.postgres import replies
from server.postgres.encoded import encoded_cells
from server.postgres.rows import Piece, padded, style_for
from server.postgres.types.records import shown_cells
from server.postgres.types.results import column_cells
from sql.results import CopyFormat, CopyOptions, CopyOut, ResultColumn
from sql.session import SessionApi

_COPY_DATA = ord("d")
_BINARY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_BINARY_TRAILER = b"\xff\xff"
# Types whose text never needs protection, whatever the delimiter: checked per COPY.
_PLAIN = frozenset(
    {TypeId.BOOLEAN, TypeId.FLOAT32, TypeId.FLOAT64, TypeId.DECIMAL, TypeId.DATE, TypeId.UUID}
)
_PLAIN_LETTERS = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzINBC+-. :")


def copy_out(copy: CopyOut, session: SessionApi) -> Iterator[Piece]:
    """CopyOutResponse, the rows, CopyDone, CommandComplete; closes the rows in any case."""
    rows, options = copy.rows, copy.options
    binary = options.format is CopyFormat.BINARY
    # Nanoseconds are kept: what COPY writes out, COPY reads in.
    style = style_for(session.output, 9)
    if options.encoding:
        style = replace(style, encoding=options.encoding)
    sent = 0
    try:
        yield replies.copy_response(b"H", binary, len(rows.columns))
        before = _BINARY_HEADER if binary else _header(rows.columns, options, style)
        for batch in rows:
            if batch.num_rows == 0:
                continue
            sent += batch.num_rows
            pieces = _batch(batch, rows.columns, options, style)
            if binary and before:
                yield _with_prefix(next(pieces), before)
                before = b""
            elif before:
                yield _copy_data(before)
                before = b""
            yield from pieces
        if binary:  # readers expect the header not to come alone
            yield _copy_data(before + _BINARY_TRAILER)
        elif before:
            yield _copy_data(before)
        yield replies.COPY_DONE
        yield replies.command_complete("COPY", sent)
    finally:
        rows.close()


def _batch(
    batch: pa.RecordBatch,
    columns: Sequence[ResultColumn],
    options: CopyOptions,
    style: TextStyle,
) -> Iterator[memoryview]:
    if options.format is CopyFormat.BINARY:
        cells = [
            column_cells(array, column, style)
            for array, column in zip(padded(batch, columns), columns, strict=True)
        ]
        # A binary COPY row is a DataRow with another first letter.
        yield from assemble.postgres_rows(cells, batch.num_rows, _COPY_DATA)
        return
    texts = [
        encoded_cells(
            _protected(shown_cells(array, column.type, style), column, options), style.encoding
        )
        for array, column in zip(padded(batch, columns), columns, strict=True)
    ]
    yield from lines(texts, batch.num_rows, options)


def _copy_data(data: bytes) -> bytes:
    return b"d" + (len(data) + 4).to_bytes(4, "big") + data


def _with_prefix(piece: memoryview, prefix: bytes) -> bytes:
    """The first message of a piece with `prefix` before its data, then the rest."""
    length = int.from_bytes(piece[1:5], "big") + len(prefix)
    return b"d" + length.to_bytes(4, "big") + prefix + bytes(piece[5:])


def _header(columns: Sequence[ResultColumn], options: CopyOptions, style: TextStyle) -> bytes:
    """The line of column names, if asked for."""
    if not options.header:
        return b""
    names = [from_arrow(pa.array([column.name])) for column in columns]
    if options.format is CopyFormat.CSV:
        # As in PostgreSQL, FORCE_QUOTE is about values, not about names.
        cells = [quoted(name, options, force=False) for name in names]
    else:
        cells = [escaped(name, options) for name in names]
    shown_names = [encoded_cells(cell, style.encoding).cell(0) or b"" for cell in cells]
    return options.delimiter.encode().join(shown_names) + b"\n"


def _protected(cells: VarCells, column: ResultColumn, options: CopyOptions) -> VarCells:
    force = column.name in options.force_quote or "*" in options.force_quote
    plain_type = column.type.is_integer or column.type.is_timestamp or column.type.id in _PLAIN
    if options.format is CopyFormat.CSV:
        if plain_type and not force and _is_safe(options):
            return cells
        return quoted(cells, options, force=force)
    if plain_type and ord(options.delimiter) not in _PLAIN_LETTERS:
        return cells
    return escaped(cells, options)


def _is_safe(options: CopyOptions) -> bool:
    """True if no number or date can look like CSV's delimiter, quote or NULL."""
    special = (options.delimiter + options.quote).encode()
    null = options.null.encode()
    may_match = null != b"" and all(byte in _PLAIN_LETTERS for byte in null)
    return not may_match and not any(byte in _PLAIN_LETTERS for byte in special)
