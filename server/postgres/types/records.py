"""Rows without a type, `ROW(1, 'a')`, as text and in PostgreSQL's binary format.

They come as structs whose fields are f1, f2, … . Rows are rare in results, so each is put together
by itself, from the cells of its fields.
https://www.postgresql.org/docs/15/rowtypes.html#ROWTYPES-IO-SYNTAX
"""

from __future__ import annotations

import struct

import pyarrow as pa

from engine.datatypes import DataType, TypeId
from server.encode.cells import VarCells, from_arrow
from server.encode.nested import list_text
from server.encode.style import TextStyle
from server.encode.text import text_cells
from server.postgres.types.arrays import Encoder
from server.postgres.types.oids import describe, is_record
from sql.named.records import show_record
from sql.types import from_arrow as type_of


def record_text(array: pa.Array, data_type: DataType, style: TextStyle) -> VarCells:
    """Rows as `(1,a,)`. Requires: `is_record(data_type)`."""
    columns = [
        shown_cells(array.field(n), _type(array, n), style).to_list()
        for n in range(array.type.num_fields)
    ]
    fields = [[None if c is None else bytes(c).decode() for c in column] for column in columns]
    return _whole(array, [show_record(row).encode() for row in zip(*fields, strict=True)])


def shown_cells(array: pa.Array, data_type: DataType, style: TextStyle) -> VarCells:
    """The text of any column, rows without a type among them."""
    if is_record(data_type):
        return record_text(array, data_type, style)
    if data_type.element is not None and is_record(data_type.innermost):
        return list_text(array, data_type.element, style, shown_cells)
    return text_cells(array, data_type, style)


def record_binary(
    array: pa.Array, data_type: DataType, style: TextStyle, encode: Encoder
) -> VarCells:
    """Rows in binary. Requires: `is_record(data_type)`."""
    types = [_type(array, n) for n in range(array.type.num_fields)]
    columns = [encode(array.field(n), type_, style).to_list() for n, type_ in enumerate(types)]
    heads = [struct.pack("!I", describe(type_).oid) for type_ in types]
    rows = []
    for row in zip(*columns, strict=True):
        out = struct.pack("!i", len(row))
        for head, cell in zip(heads, row, strict=True):
            size = -1 if cell is None else len(cell)
            out += head + struct.pack("!i", size) + bytes(cell or b"")
        rows.append(out)
    return _whole(array, rows)


def _type(array: pa.Array, place: int) -> DataType:
    found = type_of(array.type.field(place).type)
    return DataType(TypeId.STRING) if found.id is TypeId.NULL else found


def _whole(array: pa.Array, rows: list[bytes]) -> VarCells:
    present = array.is_valid().to_pylist()
    shown = [row if there else None for row, there in zip(rows, present, strict=True)]
    return from_arrow(pa.array(shown, pa.binary()))
