"""COPY … FROM STDIN: a stream of bytes to Arrow tables.

The PostgreSQL wire feeds what the client sends and writes the tables that come back; HTTP uploads
of CSV may do the same. Rows are decoded in pieces of a few megabytes; a row that is not complete
waits for the next feed. It knows no sockets and never checks NOT NULL.
Source: PostgreSQL's COPY page, sections "File Formats".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from catalog.records import Column
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql.decode import copy_kernels as ck
from sql.decode import jit
from sql.decode.binary import checked_text, convert_binary
from sql.decode.cells import Cells, Place, Unescape, strings
from sql.decode.jit import Bytes, Int32s
from sql.decode.kernels import COPY_TEXT, CSV, MAX_COLUMNS, RAW_BYTES, STANDARD
from sql.decode.lenient import Rejected, sound_cells
from sql.decode.text import convert
from sql.results import CopyFormat, CopyOptions

PIECE = 4 << 20  # bytes decoded at once
MAX_ROW = 1 << 30  # bytes, PostgreSQL's limit as well
_SHOWN = 100  # characters of a value in an error's detail
_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_ALL_ROWS = 1 << 62
_EVERY = frozenset({"*"})


class _Scan(NamedTuple):
    """The cells of the complete rows in a window of bytes."""

    starts: Int32s
    ends: Int32s
    kinds: Bytes
    seen: Bytes
    rows: int
    next: int
    code: int
    column: int


Adjust = Callable[[Any, Column, int], Any]  # texts, their column, rows before them -> values


class CopyReader:
    """Reads one COPY.

    I1. `_waiting` holds the bytes behind the last decoded row, in order.
    I2. `_line` is the number of the line (binary: tuple) with which `_waiting` begins.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        options: CopyOptions,
        timezone: str,
        *,
        table: str = "",
        skip_ragged: bool = False,
        adjust: Adjust | None = None,
    ) -> None:
        """`table` is named in errors; `skip_ragged` passes over rows with the wrong field count;
        `adjust` makes something of texts of which a column cannot take all.

        Raises: DbError UNDEFINED_COLUMN for an option's column.
        """
        # Constant after construction.
        self._columns = tuple(columns)
        self._options = options
        self._table_name = table
        self._skips = skip_ragged and options.format is not CopyFormat.BINARY
        self._timezone = timezone
        self._schema = pa.schema([pa.field(c.name, c.type.arrow) for c in columns])
        self._binary = options.format is CopyFormat.BINARY
        self._adjust = adjust
        self._null = np.frombuffer(options.null.encode(), np.uint8)
        self._force = _forced(self._columns, options)
        self._unescape = _unescape(options)
        # Changing as data arrives.
        self._waiting: list[bytes] = []
        self._size = 0
        self._enough = PIECE  # decode when so many bytes wait
        self._line = 1
        self._newline = ck.UNKNOWN
        self._at_start = self._binary or options.header
        self._ended = False
        self.skipped = 0  # rows passed over so far
        self._given = 0  # rows decoded so far
        self.rejected = Rejected(options)  # by ON_ERROR ignore

    @property
    def ended(self) -> bool:
        """True once the end marker was read: what follows it is no data."""
        return self._ended

    def feed(self, data: bytes) -> list[Any]:
        """Takes more data. Returns the tables that became complete, often none.

        Raises: DbError BAD_COPY_DATA, INVALID_ENCODING, or what the conversion of a value raises;
        the reader is of no use then.
        """
        if len(data) > 16 * PIECE:
            parts = range(0, len(data), 16 * PIECE)
            return [table for at in parts for table in self.feed(data[at : at + 16 * PIECE])]
        if self._ended:
            self._refuse_more(data)
            return []
        self._waiting.append(data)
        self._size += len(data)
        return self._decode(final=False) if self._size >= self._enough else []

    def finish(self) -> list[Any]:
        """Ends the data. Returns the last tables. Raises like `feed`."""
        tables = [] if self._ended else self._decode(final=True)
        self._ended = True
        return tables

    def _refuse_more(self, data: bytes) -> None:
        """Text after the end marker is ignored, binary data after the trailer is an error."""
        if self._binary and data:
            raise self._bad("received copy data after EOF marker", self._line)

    def _decode(self, *, final: bool) -> list[Any]:
        """Decodes all complete rows that wait."""
        content = b"".join(self._waiting)
        data = np.frombuffer(content, np.uint8)
        at = self._skip_start(content, data, final=final) if self._at_start else 0
        tables: list[Any] = []
        window = PIECE
        while at < len(content) and not self._ended and not self._at_start:
            stop = min(at + window, len(content))
            scan = self._scan(data, at, stop, final and stop == len(content), _ALL_ROWS)
            if scan.next == at and scan.code == ck.OK:
                if stop == len(content):
                    break
                window *= 2  # not even one row
                continue
            if scan.rows:
                tables.append(self._table(data, scan, content[at : scan.next]))
            at = scan.next
            if self._skips and scan.code in (ck.MISSING, ck.EXTRA):
                after = self._pass_over(data, at, final=final)
                if after == at and not final:
                    break
                if after == at:  # no end even at the end: an open quote
                    raise self._bad(_MESSAGES[ck.UNTERMINATED], self._line)
                self._line += self._lines(content[at:after])
                at = after
                continue
            self._check(scan, content)
        self._keep(content[at:], final=final)
        return tables

    def _pass_over(self, data: Bytes, at: int, *, final: bool) -> int:
        """The index after the row at `at`, however many fields it has; `at` if it has no end."""
        scan = self._scan(data, at, len(data), final, 1)
        self.skipped += scan.rows
        return scan.next

    def _keep(self, rest: bytes, *, final: bool) -> None:
        if len(rest) > MAX_ROW:
            raise DbError(ErrorKind.LIMIT_EXCEEDED, "a COPY row is longer than 1 GiB")
        if self._binary and final and not self._ended and (rest or self._at_start):
            raise self._bad("unexpected EOF in COPY data", self._line)
        if self._ended:
            self._refuse_more(rest)
            rest = b""
        self._waiting = [rest] if rest else []
        self._size = len(rest)
        # A long row is looked at again only when twice as much of it is there.
        self._enough = max(PIECE, 2 * len(rest))

    def _scan(self, data: Bytes, at: int, stop: int, final: bool, most_rows: int) -> _Scan:
        width = len(self._columns) if most_rows == _ALL_ROWS else 0
        room = stop - at + 1
        starts, ends = np.empty(room, np.int32), np.empty(room, np.int32)
        kinds, seen = np.empty(room, np.uint8), np.zeros(MAX_COLUMNS, np.uint8)
        state = np.zeros(ck.STATE_SIZE, np.int64)
        state[ck.NEWLINE] = self._newline
        out = (starts, ends, kinds, seen, state)
        options = self._options
        if self._binary:
            ck.scan_binary(data, at, stop, width, *out)
        elif options.format is CopyFormat.TEXT:
            mark = ord(options.delimiter)
            ck.scan_text(data, at, stop, int(final), mark, self._null, width, most_rows, *out)
        else:
            mark, quote, escape = ord(options.delimiter), *self._unescape[1:]
            dialect = (mark, quote, escape, self._null, self._force, width, most_rows)
            ck.scan_csv(data, at, stop, int(final), *(*dialect, *out))
        self._newline = int(state[ck.NEWLINE])
        rows, after, code, column = (int(state[i]) for i in (ck.ROWS, ck.NEXT, ck.CODE, ck.COLUMN))
        return _Scan(starts, ends, kinds, seen, rows, after, code, column)

    # --- the beginning: header lines and the binary signature

    def _skip_start(self, content: bytes, data: Bytes, *, final: bool) -> int:
        """Reads what stands before the rows; `_at_start` stays set if it is not complete."""
        if self._binary:
            return self._skip_signature(content)
        scan = self._scan(data, 0, len(content), final, 1)
        if scan.code not in (ck.OK, ck.END):
            self._check(scan, content)
        if scan.rows == 0 and not (final or scan.code == ck.END):
            return 0
        self._at_start = False
        self._ended = scan.code == ck.END
        if self._options.match_header:
            self._match_header(data, scan)
        self._line += self._lines(content[: scan.next])
        return scan.next

    def _skip_signature(self, content: bytes) -> int:
        known = min(len(content), len(_SIGNATURE))
        if content[:known] != _SIGNATURE[:known]:
            raise self._bad("COPY file signature not recognized", 1)
        if len(content) < 19:
            return 0
        flags, length = struct.unpack_from(">Ii", content, 11)
        if flags >> 16:
            raise self._bad("unrecognized critical flags in COPY file header", 1)
        if not 0 <= length < MAX_ROW:
            raise self._bad("invalid COPY file header", 1)
        if len(content) < 19 + length:
            return 0
        self._at_start = False
        return int(19 + length)

    def _names(self, data: Bytes, scan: _Scan) -> list[bytes]:
        """The fields of a header line."""
        count = scan.column if scan.rows else 0
        names = []
        for index in range(count):
            cells = self._cells(data, scan, index, count, str)
            names.append(strings(cells, pa.binary())[0].as_py() or b"")
        return names

    def _match_header(self, data: Bytes, scan: _Scan) -> None:
        names = self._names(data, scan)
        count = len(names)
        if count != len(self._columns):
            message = f"wrong number of fields in header line: got {count}, expected "
            raise self._bad(message + str(len(self._columns)), 1)
        for index, (name, column) in enumerate(zip(names, self._columns, strict=True)):
            if name != column.name.encode():
                shown = name.decode(errors="replace")
                raise self._bad(
                    f"column name mismatch in header line field {index + 1}: "
                    f'got "{shown}", expected "{column.name}"',
                    1,
                )

    # --- rows to columns

    def _table(self, data: Bytes, scan: _Scan, content: bytes) -> Any:
        """Converts the rows of a scan; `content` is their bytes."""
        if not self._binary:
            self._check_encoding(content)
        width = len(self._columns)
        arrays = []
        bad: dict[int, DbError] = {}
        for index, column in enumerate(self._columns):
            place = self._place(data, scan, index, content)
            cells = self._cells(data, scan, index, width, place)
            make = partial(self._array, column=column)
            try:
                arrays.append(make(cells))
            except DbError as error:
                if self._adjust is not None:
                    arrays.append(self._adjusted(cells, column, error))
                    continue
                if not self._options.ignore_errors:
                    raise
                arrays.append(sound_cells(cells, column.type.arrow, make, bad))
        self._line += scan.rows if self._binary else self._lines(content)
        rows = pa.Table.from_arrays(arrays, schema=self._schema)
        self._given += scan.rows
        if bad:
            self.rejected.add(bad)
            kept = [row for row in range(scan.rows) if row not in bad]
            rows = rows.take(pa.array(kept, pa.int64()))
        return rows

    def _adjusted(self, cells: Cells, column: Column, error: DbError) -> Any:
        """Raises: `error`, which knows the line, if nothing can be made of a value."""
        assert self._adjust is not None
        try:
            return self._adjust(strings(cells), column, self._given)
        except DbError:
            raise error from None

    def _array(self, cells: Cells, column: Column) -> Any:
        if not cells.has_values:
            return pa.nulls(cells.size, column.type.arrow)
        if self._binary:
            return convert_binary(cells, column.type, self._timezone)
        if cells.seen & RAW_BYTES:  # \x and octal escapes may spell what is no text
            texts = checked_text(cells, strings(cells))
            if column.type.id is TypeId.STRING and column.type.named is None:
                return texts
        return convert(cells, column.type, self._timezone)

    def _cells(self, data: Bytes, scan: _Scan, index: int, width: int, place: Place) -> Cells:
        return Cells(
            data,
            scan.starts,
            scan.ends,
            scan.kinds,
            index,
            width,
            scan.rows,
            int(scan.seen[index]),
            self._unescape,
            place,
        )

    def _place(self, data: Bytes, scan: _Scan, index: int, content: bytes) -> Place:
        """Names line, column and value of a row, as PostgreSQL's CONTEXT line does."""
        width = len(self._columns)
        line, begin = self._line, scan.next - len(content)

        def place(row: int) -> str:
            cell = row * width + index
            before = (
                row if self._binary else self._lines(content[: scan.starts[row * width] - begin])
            )
            words = f"{self._copy_line(line + before)}, column {self._columns[index].name}"
            if self._binary:
                return words
            value = data[scan.starts[cell] : scan.ends[cell]].tobytes().decode(errors="replace")
            shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
            return f'{words}: "{shown}"'

        return place

    def _lines(self, content: bytes) -> int:
        """How many line breaks are in some text."""
        return content.count(b"\r" if self._newline == ck.CR else b"\n")

    # --- errors

    def _copy_line(self, line: int) -> str:
        return f"COPY {self._table_name}, line {line}" if self._table_name else f"line {line}"

    def _bad(self, message: str, line: int) -> DbError:
        return DbError(ErrorKind.BAD_COPY_DATA, message, detail=self._copy_line(line))

    def _check_encoding(self, content: bytes) -> None:
        """Raises INVALID_ENCODING, with the line, for bytes that are not UTF-8, and for zero."""
        at = content.find(b"\0")
        if at < 0 and not content.isascii():
            try:
                content.decode()
            except UnicodeDecodeError as error:
                at = error.start
        if at >= 0:
            line = self._line + self._lines(content[:at])
            message = f'invalid byte sequence for encoding "UTF8": 0x{content[at]:02x}'
            raise DbError(ErrorKind.INVALID_ENCODING, message, detail=self._copy_line(line))

    def _check(self, scan: _Scan, content: bytes) -> None:
        """Raises what stopped a scan, if it is an error; notes the end marker."""
        if scan.code == ck.OK:
            return
        if scan.code == ck.END:
            self._ended = True
            return
        line = self._line
        if scan.code == ck.MISSING:
            name = self._columns[scan.column].name
            raise self._bad(f'missing data for column "{name}"', line)
        if scan.code == ck.FIELD_COUNT:
            expected = len(self._columns)
            raise self._bad(f"row field count is {scan.column}, expected {expected}", line)
        raise self._bad(_MESSAGES[scan.code], line)


_MESSAGES = {
    ck.EXTRA: "extra data after last expected column",
    ck.STRAY_LF: "literal newline found in data: all lines must end alike",
    ck.STRAY_CR: "literal carriage return found in data: all lines must end alike",
    ck.MARKER: "end-of-copy marker is not alone on its line",
    ck.UNTERMINATED: "unterminated CSV quoted field",
    ck.LENGTH: "invalid field size",
}


def header_names(
    content: bytes, options: CopyOptions, *, final: bool, table: str = ""
) -> list[str] | None:
    """The fields of the first line of text or CSV; None if its end is not in `content`.

    `table` is named in errors. Raises: DbError BAD_COPY_DATA, INVALID_ENCODING.
    """
    reader = CopyReader((), options, "UTC", table=table)
    data = np.frombuffer(content, np.uint8)
    scan = reader._scan(data, 0, len(content), final, 1)
    reader._check(scan, content)
    if scan.rows == 0:
        return [] if final else None
    reader._check_encoding(content[: scan.next])
    return [name.decode() for name in reader._names(data, scan)]


def _forced(columns: tuple[Column, ...], options: CopyOptions) -> Bytes:
    """The CSV kernel's flags of each column. Raises: DbError UNDEFINED_COLUMN."""
    names = {column.name for column in columns}
    for name in sorted((options.force_null | options.force_not_null) - names - _EVERY):
        raise DbError(ErrorKind.UNDEFINED_COLUMN, f'column "{name}" is not copied')
    flags = np.zeros(MAX_COLUMNS, np.uint8)
    for index, column in enumerate(columns):
        named = _EVERY | {column.name}
        flags[index] = bool(options.force_not_null & named) + 2 * bool(options.force_null & named)
    return flags


def _unescape(options: CopyOptions) -> Unescape:
    if options.format is CopyFormat.CSV:
        return Unescape(CSV, ord(options.quote), ord(options.escape))
    return Unescape(COPY_TEXT if options.format is CopyFormat.TEXT else STANDARD)


def warm() -> None:
    """Compiles the kernels, or loads them from the cache, before the first use."""
    jit.warm()
