"""List columns in PostgreSQL's binary array format.

Called by results.py for results; parameters.py reads the same layout:
    int32 dimensions, int32 1 if an element is NULL, int32 element OID,
    per dimension int32 size and int32 lower bound (1), then per element int32 length and bytes
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from server.encode.cells import (
    Bytes,
    Cells,
    Mask,
    Offsets,
    VarCells,
    from_arrow,
    from_lengths,
    validity,
)
from server.encode.kernel import (
    INT,
    READ_BYTES,
    READ_INT32,
    READ_MASK,
    VOID,
    WRITE_BYTES,
    kernel,
)
from server.encode.nested import list_parts
from server.encode.style import TextStyle
from server.postgres.types.oids import describe

Encoder = Callable[[pa.Array, DataType, TextStyle], Cells]
_NO_MASK = np.zeros(0, np.bool_)


def array_cells(
    array: pa.Array, data_type: DataType, style: TextStyle, encode: Encoder
) -> VarCells:
    """Lists as arrays. Raises: DbError INVALID_BINARY when lists of lists are not rectangular."""
    element = data_type.element
    assert element is not None
    if element.element is not None:
        return _nested_cells(array, data_type, style, encode)
    lists, items = list_parts(array)
    cells = variable(encode(items, element, style))
    valid = validity(array)
    counts = np.diff(lists).astype(np.int64)
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(cells.lengths())])
    payload = ends[lists[1:]] - ends[lists[:-1]]
    lengths = np.where(counts > 0, 20 + 4 * counts + payload, 12)
    if valid is not None:
        lengths[~valid] = 0
    offsets = from_lengths(lengths)
    out = np.empty(int(offsets[-1]), np.uint8)
    _write_arrays(
        out,
        offsets,
        lists,
        _NO_MASK if valid is None else valid,
        cells.offsets,
        cells.data,
        _NO_MASK if cells.valid is None else cells.valid,
        describe(element).oid,
    )
    return VarCells(offsets, out, valid)


def variable(cells: Cells) -> VarCells:
    """Any cells as variable ones."""
    if isinstance(cells, VarCells):
        return cells
    offsets = from_lengths(np.full(len(cells), cells.width, np.int64))
    data = np.ascontiguousarray(cells.matrix).reshape(-1)
    return VarCells(offsets, data, cells.valid)


def _nested_cells(
    array: pa.Array, data_type: DataType, style: TextStyle, encode: Encoder
) -> VarCells:
    """Arrays of several dimensions, which are rare: row by row."""
    inner = data_type
    flat = array
    depth = 0
    while inner.element is not None:
        flat, inner, depth = flat.flatten(), inner.element, depth + 1
    cells = encode(flat, inner, style).to_list()
    position = 0
    rows: list[bytes | None] = []
    for value in array.to_pylist():
        if value is None:
            rows.append(None)
            continue
        sizes = _sizes(value, depth)
        count = int(np.prod(sizes))
        rows.append(_one_array(cells[position : position + count], sizes, describe(inner).oid))
        position += count
    return from_arrow(pa.array(rows, pa.binary()))


def _sizes(value: object, depth: int) -> list[int]:
    """The size of each dimension of a rectangular list of lists."""
    assert isinstance(value, list)
    if depth == 1:
        return [len(value)]
    inner = [_sizes(item, depth - 1) if item is not None else None for item in value]
    if not inner:
        return [0] * depth
    if inner[0] is None or any(sizes != inner[0] for sizes in inner):
        raise DbError(
            ErrorKind.INVALID_BINARY,
            "lists of lists of different lengths have no binary array format",
            hint="ask for this column in text format",
        )
    return [len(value), *inner[0]]


def _one_array(cells: list[bytes | None], sizes: list[int], oid: int) -> bytes:
    if not cells:
        return struct.pack("!iiI", 0, 0, oid)
    out = struct.pack("!iiI", len(sizes), int(None in cells), oid)
    out += b"".join(struct.pack("!ii", size, 1) for size in sizes)
    for cell in cells:
        out += struct.pack("!i", -1) if cell is None else struct.pack("!i", len(cell)) + cell
    return out


@kernel(INT(WRITE_BYTES, INT, INT))
def _put_int32(out: Bytes, at: int, number: int) -> int:
    out[at] = (number >> 24) & 255
    out[at + 1] = (number >> 16) & 255
    out[at + 2] = (number >> 8) & 255
    out[at + 3] = number & 255
    return at + 4


@kernel(
    VOID(
        WRITE_BYTES,
        READ_INT32,
        READ_INT32,
        READ_MASK,
        READ_INT32,
        READ_BYTES,
        READ_MASK,
        INT,
    )
)
def _write_arrays(
    out: Bytes,
    offsets: Offsets,
    lists: Offsets,
    list_valid: Mask,
    starts: Offsets,
    data: Bytes,
    valid: Mask,
    oid: int,
) -> None:
    for row in range(lists.size - 1):
        if list_valid.size and not list_valid[row]:
            continue
        first = int(lists[row])
        stop = int(lists[row + 1])
        has_null = 0
        if valid.size:
            for item in range(first, stop):
                if not valid[item]:
                    has_null = 1
        at = _put_int32(out, int(offsets[row]), 1 if stop > first else 0)
        at = _put_int32(out, at, has_null)
        at = _put_int32(out, at, oid)
        if stop > first:
            at = _put_int32(out, at, stop - first)
            at = _put_int32(out, at, 1)
        for item in range(first, stop):
            if valid.size and not valid[item]:
                at = _put_int32(out, at, -1)
                continue
            at = _put_int32(out, at, int(starts[item + 1]) - int(starts[item]))
            for k in range(starts[item], starts[item + 1]):
                out[at] = data[k]
                at += 1
