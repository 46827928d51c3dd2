"""COPY's text and CSV: protecting cells and joining them into lines.

Called by server/postgres/copy_out.py. The rules are PostgreSQL's (COPY, File Formats); the work is
done by kernels, one call per column.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.errors import DbError, ErrorKind
from server.encode import assemble
from server.encode.cells import Bytes, Mask, Offsets, VarCells, from_lengths
from server.encode.kernel import (
    BOOL,
    INT,
    READ_BYTES,
    READ_INT32,
    READ_MASK,
    VOID,
    WRITE_BYTES,
    WRITE_INT32,
    kernel,
)
from server.encode.row_kernels import put_lines
from sql.results import CopyFormat, CopyOptions

_NO_MASK = np.zeros(0, np.bool_)
_CONTROL_LETTERS = {8: b"b", 9: b"t", 10: b"n", 11: b"v", 12: b"f", 13: b"r", 92: b"\\"}


def escaped(cells: VarCells, options: CopyOptions) -> VarCells:
    """Text format: backslash before control letters, backslash and the delimiter."""
    letters = np.zeros(256, np.uint8)
    delimiter = single_byte(options.delimiter, "delimiter")
    letters[delimiter] = delimiter
    for byte, letter in _CONTROL_LETTERS.items():  # after: a tab is \t also as the delimiter
        letters[byte] = letter[0]
    offsets, out = _room(cells, 0)
    _escape(out, offsets, cells.offsets, cells.data, _mask(cells), letters)
    return VarCells(offsets, out, cells.valid)


def quoted(cells: VarCells, options: CopyOptions, *, force: bool) -> VarCells:
    """CSV: quotes around what would be misread (or everything that is not NULL)."""
    offsets, out = _room(cells, 2)
    _quote(
        out,
        offsets,
        cells.offsets,
        cells.data,
        _mask(cells),
        single_byte(options.delimiter, "delimiter"),
        single_byte(options.quote, "quote"),
        single_byte(options.escape, "escape"),
        np.frombuffer(options.null.encode(), np.uint8),
        force,
    )
    return VarCells(offsets, out, cells.valid)


def lines(columns: list[VarCells], rows: int, options: CopyOptions) -> Iterator[memoryview]:
    """CopyData messages of one line each.

    Requires: every column has `rows` cells, already protected.
    """
    null = np.frombuffer(options.null.encode(), np.uint8)
    delimiter = single_byte(options.delimiter, "delimiter")
    for block, _ in assemble.blocks(columns, rows, 6, 1 + len(null)):
        out = block.room(6, 1 + len(null))
        yield out[: put_lines(out, *block, null, delimiter)].data


def single_byte(text: str, name: str) -> int:
    """The byte of a one-byte option. Raises: DbError UNSUPPORTED for any other."""
    raw = text.encode()
    if len(raw) != 1:
        raise DbError(ErrorKind.UNSUPPORTED, f"COPY {name} must be a single one-byte character")
    return raw[0]


def _room(cells: VarCells, extra: int) -> tuple[Offsets, Bytes]:
    bound = 2 * int(cells.offsets[-1] - cells.offsets[0]) + extra * len(cells)
    if bound > np.iinfo(np.int32).max:
        raise DbError(ErrorKind.LIMIT_EXCEEDED, "a COPY batch holds more than 1 GiB in one column")
    return np.zeros(len(cells) + 1, np.int32), np.empty(bound, np.uint8)


def _mask(cells: VarCells) -> Mask:
    return _NO_MASK if cells.valid is None else cells.valid


@kernel(VOID(WRITE_BYTES, WRITE_INT32, READ_INT32, READ_BYTES, READ_MASK, READ_BYTES))
def _escape(
    out: Bytes, offsets: Offsets, starts: Offsets, data: Bytes, valid: Mask, letters: Bytes
) -> None:
    at = 0
    for row in range(starts.size - 1):
        if not valid.size or valid[row]:
            for k in range(starts[row], starts[row + 1]):
                byte = data[k]
                if letters[byte]:
                    out[at] = 92
                    at += 1
                    byte = letters[byte]
                out[at] = byte
                at += 1
        offsets[row + 1] = at


@kernel(BOOL(READ_BYTES, INT, INT, INT, INT, READ_BYTES))
def _must_quote(
    data: Bytes, start: int, stop: int, delimiter: int, quote: int, null: Bytes
) -> bool:
    """True if the text holds a special letter, is spelled like NULL, or is `\\.`."""
    if stop - start == null.size:
        same = True
        for k in range(null.size):
            if data[start + k] != null[k]:
                same = False
        if same:
            return True
    if stop - start == 2 and data[start] == 92 and data[start + 1] == 46:
        return True
    for k in range(start, stop):
        byte = data[k]
        if byte in (delimiter, quote, 10, 13):
            return True
    return False


@kernel(
    VOID(
        WRITE_BYTES,
        WRITE_INT32,
        READ_INT32,
        READ_BYTES,
        READ_MASK,
        INT,
        INT,
        INT,
        READ_BYTES,
        BOOL,
    )
)
def _quote(
    out: Bytes,
    offsets: Offsets,
    starts: Offsets,
    data: Bytes,
    valid: Mask,
    delimiter: int,
    quote: int,
    escape: int,
    null: Bytes,
    force: bool,
) -> None:
    at = 0
    for row in range(starts.size - 1):
        if not valid.size or valid[row]:
            start = int(starts[row])
            stop = int(starts[row + 1])
            quoted = force or _must_quote(data, start, stop, delimiter, quote, null)
            if quoted:
                out[at] = quote
                at += 1
            for k in range(start, stop):
                byte = data[k]
                if quoted and byte in (quote, escape):
                    out[at] = escape
                    at += 1
                out[at] = byte
                at += 1
            if quoted:
                out[at] = quote
                at += 1
        offsets[row + 1] = at


def warm() -> None:
    """Runs the kernels once, so that no client waits for them."""
    cells = VarCells(from_lengths(np.ones(1, np.int64)), np.full(1, 97, np.uint8))
    csv = CopyOptions(CopyFormat.CSV, ",", "")
    list(lines([escaped(cells, csv), quoted(cells, csv, force=True)], 1, csv))
