"""Small results as DataRow messages, without the set-up that kernels need.

Called by extended.py for rows that were in memory; rows.py encodes all others, and these too if
there is anything unusual about them. The bytes are the same.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from engine import jit
from engine.datatypes import UNITS_PER_SECOND, DataType, TypeId
from server.encode import word_rows
from server.encode.row_kernels import put_postgres
from server.encode.style import DateText, TextStyle
from server.encode.word_rows import WordColumn, WordRows, text_column
from server.postgres import replies
from server.postgres.rows import BINARY, Piece, encode_batch, is_text
from server.postgres.types.oids import describe, describe_column, read_as
from server.postgres.types.results import EPOCH_MICROS, WIDTHS
from sql.encodings import UTF8
from sql.results import ResultColumn

CELLS_MAX = 16  # more are worth a kernel
_PENDING_CELLS_MAX = 10_000  # … but not one that is compiled for them
_BODY_MAX = 1 << 20  # of a row whose cells are put together one by one
_FLOAT_PLAIN_MAX = 1e15  # from here on PostgreSQL writes an exponent
_FLOAT_PLAIN_MIN = 1e-4
_INFINITY = np.iinfo(np.int64).max

# A cell that is not NULL as its bytes; None if only a kernel knows.
Cell = Callable[[Any], bytes | None]


def encoded(
    batch: pa.RecordBatch,
    columns: tuple[ResultColumn, ...],
    codes: tuple[int, ...],
    style: TextStyle,
) -> Iterator[Piece]:
    """DataRow messages for a batch of any size, without kernels while these are being compiled.

    Requires: the batch fits the columns.
    """
    if jit.is_pending(put_postgres) and batch.num_rows * len(columns) <= _PENDING_CELLS_MAX:
        cells = _cells(columns, codes, style)
        found = None if cells is None else _by_cells(batch, cells)
        if found is not None:
            yield from found
            return
    yield from encode_batch(batch, columns, codes, style)


class Encoder(NamedTuple):
    """How a result's rows are made into messages, and what is said before them."""

    columns: tuple[ResultColumn, ...]
    codes: tuple[int, ...]
    style: TextStyle
    heading: bytes  # RowDescription
    cells: tuple[Cell, ...] | None
    words: WordRows | None

    def messages(self, rows: pa.RecordBatch) -> Sequence[Piece]:
        """DataRow messages. Requires: the rows fit the columns."""
        count = rows.num_rows
        if not count:
            return ()
        if self.cells is not None and count * len(self.cells) <= CELLS_MAX:
            found = _by_cells(rows, self.cells)
            if found is not None:
                return found
        if self.words is not None:
            written = self.words.messages(rows)
            if written is not None:
                return (written,)
        return tuple(encode_batch(rows, self.columns, self.codes, self.style))


def encoder_of(
    columns: tuple[ResultColumn, ...], codes: tuple[int, ...], style: TextStyle
) -> Encoder:
    """The encoder of a result."""
    return Encoder(
        columns,
        codes,
        style,
        replies.row_description(columns, codes, style.encoding),
        _cells(columns, codes, style),
        WordRows(words, style) if (words := _words(columns, codes, style)) else None,
    )


# Cell by cell.


def _cells(
    columns: Sequence[ResultColumn], codes: Sequence[int], style: TextStyle
) -> tuple[Cell, ...] | None:
    """How the cells of each column are written; None if only a kernel knows."""
    cells = [_cell(column, code, style) for column, code in zip(columns, codes, strict=True)]
    known = [cell for cell in cells if cell is not None]
    return tuple(known) if len(known) == len(cells) else None


def _by_cells(rows: pa.RecordBatch, cells: Sequence[Cell]) -> Sequence[bytes] | None:
    arrays = rows.columns
    head = struct.pack("!H", len(cells))
    found: list[bytes] = []
    for row in range(rows.num_rows):
        parts = [head]
        for array, cell in zip(arrays, cells, strict=True):
            scalar = array[row]
            if not scalar.is_valid:
                parts.append(b"\xff\xff\xff\xff")
                continue
            data = cell(scalar)
            if data is None:
                return None
            parts.append(len(data).to_bytes(4, "big"))
            parts.append(data)
        body = b"".join(parts)
        if len(body) > _BODY_MAX:
            return None
        found.append(b"D" + (len(body) + 4).to_bytes(4, "big") + body)
    return found


def _cell(column: ResultColumn, code: int, style: TextStyle) -> Cell | None:
    """How one cell of a column is written; None if only a kernel knows."""
    data_type, id_ = column.type, column.type.id
    if data_type.named is not None or column.vector_oid or style.encoding != UTF8:
        return None
    if read_as(describe_column(column).oid) != describe(data_type).oid:
        return None  # a type that only the wire tells from others
    if is_text(data_type):
        return _text
    if _is_as_stored(data_type, style):
        per_second = UNITS_PER_SECOND[str(data_type.unit)]
        if data_type.unit == "ns":
            return None
        if code == BINARY:
            return _binary_moment(1_000_000 // per_second)
        return _moment_text(1_000_000 // per_second) if style.dates is DateText.ISO else None
    if code != BINARY:
        if data_type.is_integer:
            return _integer_text
        return _TEXTS.get(id_)
    if id_ is TypeId.BOOLEAN:
        return _boolean_binary
    widths = WIDTHS.get(id_)
    return _packed(struct.Struct(_STRUCTS[widths[1]])) if widths and id_ in _PLAIN else None


def _is_as_stored(data_type: DataType, style: TextStyle) -> bool:
    """True for timestamps that are shown as they are stored."""
    return data_type.is_timestamp and (data_type.wall or style.timezone == "UTC")


def _text(scalar: Any) -> bytes:
    found: bytes = scalar.as_py().encode()
    return found


def _integer_text(scalar: Any) -> bytes:
    return b"%d" % scalar.as_py()


def _float_text(scalar: Any) -> bytes | None:
    value: float = scalar.as_py()
    if value == 0 or not _FLOAT_PLAIN_MIN <= abs(value) < _FLOAT_PLAIN_MAX:
        return b"0" if value == 0 and math.copysign(1, value) > 0 else None
    text = repr(value)
    return text.removesuffix(".0").encode()


def _boolean_text(scalar: Any) -> bytes:
    return b"t" if scalar.as_py() else b"f"


def _boolean_binary(scalar: Any) -> bytes:
    return b"\1" if scalar.as_py() else b"\0"


_TEXTS: dict[TypeId, Cell] = {TypeId.FLOAT64: _float_text, TypeId.BOOLEAN: _boolean_text}
_PLAIN = frozenset(
    {TypeId.INT8, TypeId.INT16, TypeId.INT32, TypeId.INT64, TypeId.FLOAT32, TypeId.FLOAT64}
    | {TypeId.UINT8, TypeId.UINT16, TypeId.UINT32}
)
_STRUCTS = {">i2": "!h", ">i4": "!i", ">i8": "!q", ">f4": "!f", ">f8": "!d"}


def _packed(packer: struct.Struct) -> Cell:
    return lambda scalar: packer.pack(scalar.as_py())


def _binary_moment(factor: int) -> Cell:
    packer = struct.Struct("!q")

    def write(scalar: Any) -> bytes | None:
        value: int = scalar.value
        if abs(value) >= _INFINITY // factor:
            return None  # infinite, or beyond what microseconds hold
        shifted = value * factor - EPOCH_MICROS
        return packer.pack(shifted) if abs(shifted) < _INFINITY else None

    return write


def _moment_text(factor: int) -> Cell:
    def write(scalar: Any) -> bytes | None:
        micros: int = scalar.value * factor
        if not _FIRST_MICROS <= micros < _END_MICROS:
            return None
        text = str(np.datetime64(micros, "us"))
        day, _, clock = text.partition("T")
        if "." in clock:
            clock = clock.rstrip("0").removesuffix(".")
        return f"{day} {clock}".encode()

    return write


_FIRST_MICROS = -62_135_596_800_000_000  # of year 1
_END_MICROS = 253_402_300_800_000_000  # of year 9999


# Rows of numbers and moments.


def _words(
    columns: Sequence[ResultColumn], codes: Sequence[int], style: TextStyle
) -> list[WordColumn] | None:
    """How a result of such columns is written; None if one of them is of another kind."""
    found: list[WordColumn] = []
    for column, code in zip(columns, codes, strict=True):
        data_type = column.type
        if column.vector_oid or describe_column(column).oid != describe(data_type).oid:
            return None
        word = _binary(data_type, style) if code == BINARY else text_column(data_type, style)
        if word is None or data_type.named is not None:
            return None
        found.append(word)
    return found or None


def _binary(data_type: DataType, style: TextStyle) -> WordColumn | None:
    if _is_as_stored(data_type, style) and data_type.unit != "ns":
        factor = 1_000_000 // UNITS_PER_SECOND[str(data_type.unit)]
        return WordColumn("i8", word_rows.MOMENT, 8, factor, EPOCH_MICROS)
    if data_type.id not in WIDTHS:
        return None
    native, wire = WIDTHS[data_type.id]
    return WordColumn(native.replace("f", "i"), word_rows.BINARY, np.dtype(wire).itemsize)
