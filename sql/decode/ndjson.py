"""Lines of JSON objects to Arrow columns: a stream of bytes in, tables out.

Used by COPY FROM json files. Keys are matched with column names; values become columns by the same
rules as text in INSERT (numbers and strings alike), JSON columns keep a value as it is written.
Lines are decoded in pieces of a few megabytes; it knows no files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from catalog.records import Column
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql.decode import jit, kernels
from sql.decode import ndjson_kernels as nk
from sql.decode.arrays import Item
from sql.decode.cells import Cells, Place, Unescape, from_strings, strings, variable
from sql.decode.jit import Bytes, Int32s
from sql.decode.text import convert, lists_of

PIECE = 4 << 20  # bytes decoded at once
MAX_LINE = 1 << 30  # bytes
_RAW = frozenset({TypeId.JSON, TypeId.LIST})  # types whose strings keep their quotes


class Objects(NamedTuple):
    """Some rows: the columns' values, and where (by column) an object had no such key."""

    rows: pa.Table
    absent: dict[str, pa.Array]  # booleans; a column without an absent key is not in it


class ObjectReader:
    """Reads one stream of lines.

    I1. `_rest` is the line, as far as it has come, with which line number `_line` begins.
    """

    def __init__(self, columns: Sequence[Column], timezone: str, *, name: str = "") -> None:
        """`name` is told in errors."""
        # Constant after construction.
        self._columns = tuple(columns)
        self._timezone = timezone
        self._name = name
        keys = [column.name.encode() for column in columns]
        self._keys = np.frombuffer(b"".join(keys), np.uint8)
        self._bounds = np.cumsum([0, *map(len, keys)]).astype(np.int64)
        self._raw = np.array([c.type.id in _RAW for c in columns], np.uint8)
        self._schema = pa.schema([pa.field(c.name, c.type.arrow) for c in columns])
        # Changing as data arrives.
        self._waiting: list[bytes] = []
        self._size = 0
        self._line = 1

    def feed(self, data: bytes) -> list[Objects]:
        """Takes more data. Returns the rows that became complete, often none.

        Raises: DbError BAD_COPY_DATA, INVALID_ENCODING, or what the conversion of a value raises;
        the reader is of no use then.
        """
        self._waiting.append(data)
        self._size += len(data)
        if self._size < PIECE:
            return []
        if b"\n" not in data:
            if self._size > MAX_LINE:
                raise DbError(ErrorKind.LIMIT_EXCEEDED, "a line of JSON is longer than 1 GiB")
            return []
        content = b"".join(self._waiting)
        end = content.rfind(b"\n") + 1
        self._waiting = [content[end:]]
        self._size = len(content) - end
        return self._decode(content[:end])

    def finish(self) -> list[Objects]:
        """Ends the data. Returns the last rows. Raises like `feed`."""
        content = b"".join(self._waiting)
        self._waiting = []
        return self._decode(content)

    def _decode(self, content: bytes) -> list[Objects]:
        """Decodes whole lines, no more than PIECE at a time if lines are shorter."""
        found: list[Objects] = []
        at = 0
        while at < len(content):
            stop = content.rfind(b"\n", at, at + PIECE) + 1
            if stop <= at:
                stop = content.find(b"\n", at) + 1 or len(content)
            piece = content[at:stop]
            objects = self._piece(piece)
            if objects.rows.num_rows:
                found.append(objects)
            self._line += piece.count(b"\n")
            at = stop
        return found

    def _piece(self, content: bytes) -> Objects:
        self._check_encoding(content)
        width = len(self._columns)
        data = np.frombuffer(content, np.uint8)
        most = content.count(b"\n") + 1
        starts, ends = np.empty(most * width, np.int32), np.empty(most * width, np.int32)
        kinds, seen = np.empty(most * width, np.uint8), np.zeros(max(width, 1), np.uint8)
        lines, state = np.empty(most, np.int32), np.zeros(nk.STATE_SIZE, np.int64)
        out = (starts, ends, kinds, seen, lines, state)
        nk.scan_objects(data, self._keys, self._bounds, self._raw, *out)
        if state[nk.CODE] != nk.OK:
            raise self._malformed(content, int(state[nk.CODE]), int(state[nk.AT]))
        rows = int(state[nk.ROWS])
        arrays, absent = [], {}
        for index, column in enumerate(self._columns):
            place = self._place(content, lines, column.name)
            mask = kinds[index : rows * width : width] & nk.ABSENT != 0
            if mask.any():
                absent[column.name] = pa.array(mask)
            cells = Cells(
                data, starts, ends, kinds, index, width, rows, int(seen[index]), Unescape(0), place
            )
            arrays.append(self._array(cells, column))
        if not self._columns:
            return Objects(pa.table({}), {})
        return Objects(pa.Table.from_arrays(arrays, schema=self._schema), absent)

    def _array(self, cells: Cells, column: Column) -> Any:
        if not cells.has_values:
            return pa.nulls(cells.size, column.type.arrow)
        if column.type.id is TypeId.LIST:
            return lists_of(_items(cells), column.type, self._timezone, cells.place)
        return convert(_unescaped(cells), column.type, self._timezone)

    def _place(self, content: bytes, lines: Int32s, column: str) -> Place:
        def place(row: int) -> str:
            line = self._line + content.count(b"\n", 0, int(lines[row]))
            return f'{self._where(line)}, column "{column}"'

        return place

    def _where(self, line: int) -> str:
        return f'"{self._name}", line {line}' if self._name else f"line {line}"

    def _malformed(self, content: bytes, code: int, at: int) -> DbError:
        line = self._line + content.count(b"\n", 0, at)
        begin = content.rfind(b"\n", 0, at) + 1
        shown = content[begin : begin + 100].split(b"\n")[0].decode(errors="replace")
        if code == nk.NO_OBJECT:
            return DbError(
                ErrorKind.BAD_COPY_DATA,
                f'a line of a JSON file must be one object: "{shown}"',
                detail=self._where(line),
                hint="an array of objects, or an object over several lines, is not read",
            )
        column = len(content[begin:at].decode(errors="replace")) + 1
        return DbError(
            ErrorKind.BAD_COPY_DATA,
            f'malformed JSON at character {column}: "{shown}"',
            detail=self._where(line),
        )

    def _check_encoding(self, content: bytes) -> None:
        at = content.find(b"\0")
        if at < 0 and not content.isascii():
            try:
                content.decode()
            except UnicodeDecodeError as error:
                at = error.start
        if at >= 0:
            line = self._line + content.count(b"\n", 0, at)
            message = f'invalid byte sequence for encoding "UTF8": 0x{content[at]:02x}'
            raise DbError(ErrorKind.INVALID_ENCODING, message, detail=self._where(line))


def _unescaped(cells: Cells) -> Cells:
    """The same cells without escapes. Raises: DbError INVALID_TEXT for what no text can hold."""
    if not cells.seen & kernels.ESCAPED:
        return cells
    out: Bytes = np.empty(kernels.total_length(*cells.slices), np.uint8)
    offsets = np.zeros(cells.size + 1, np.int32)
    row = nk.unescape(*cells.slices, out, offsets)
    if row >= 0:
        kinds = cells.kinds & np.uint8(kernels.KIND)
        bad = cells._replace(seen=cells.seen & ~kernels.ESCAPED, kinds=kinds)
        message = "an escape in {} spells no character"
        raise bad.fail(row, ErrorKind.INVALID_TEXT, message)
    array = variable(cells, pa.string(), offsets, out[: offsets[-1]])
    return from_strings(array, cells.place)._replace(
        kinds=cells.row_kinds(), seen=cells.seen & ~kernels.ESCAPED
    )


def _items(cells: Cells) -> list[list[Item] | None]:
    """The items of JSON arrays. A Python call for each row: columns of lists are rare."""
    rows: list[list[Item] | None] = []
    for row, text in enumerate(strings(cells).to_pylist()):
        value = None if text is None else json.loads(text, parse_int=str, parse_float=str)
        if value is not None and not isinstance(value, list):
            raise cells.fail(row, ErrorKind.INVALID_TEXT, "{} is not a JSON array")
        rows.append(None if value is None else [_item(item) for item in value])
    return rows


def _item(value: object) -> Item:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return [_item(item) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def warm() -> None:
    """Compiles the kernels, or loads them from the cache, before the first use."""
    jit.warm()
