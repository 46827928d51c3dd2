"""A result column as text cells, in any wire's style.

Called by the wires once per column and batch, and by COPY. One entry per type family; nothing
here loops over values in Python.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import DataType, TypeId
from server.encode import intervals, nested, numbers, times
from server.encode.cells import Bytes, Mask, Offsets, VarCells, from_arrow, from_lengths, validity
from server.encode.kernel import (
    READ_BYTES,
    READ_INT32,
    READ_MASK,
    VOID,
    WRITE_BYTES,
    WRITE_INT32,
    kernel,
)
from server.encode.spelled import spelled_intervals, spelled_times
from server.encode.style import (
    MYSQL,
    POSTGRES,
    BinaryText,
    DateText,
    IntervalText,
    TextStyle,
    unzoned,
)

_NO_MASK = np.zeros(0, np.bool_)
_PLAIN = frozenset({TypeId.STRING, TypeId.JSON, TypeId.UUID})


def text_cells(array: pa.Array, data_type: DataType, style: TextStyle) -> VarCells:
    """The text of every value of a column.

    Requires: the array has the Arrow type of `type`.
    Raises: DbError LIMIT_EXCEEDED when the text of one batch's column exceeds 2 GiB,
        INVALID_ARGUMENT when the style's time zone is unknown.
    """
    if data_type.is_integer:
        return numbers.integer_text(array)
    if data_type.is_timestamp:
        shown = unzoned(style) if data_type.wall else style
        return _moments(array, data_type.unit, shown, zoned=False)
    if data_type.id in (TypeId.FLOAT32, TypeId.FLOAT64):
        return numbers.float_text(array, style, single=data_type.id is TypeId.FLOAT32)
    if data_type.id in _PLAIN:
        return from_arrow(array)
    if data_type.id is TypeId.LIST:
        assert data_type.element is not None
        return nested.list_text(array, data_type.element, style, text_cells)
    return _other(array, data_type, style)


def _other(array: pa.Array, data_type: DataType, style: TextStyle) -> VarCells:
    match data_type.id:
        case TypeId.BOOLEAN:
            return _boolean_text(array, style)
        case TypeId.DECIMAL:
            return numbers.decimal_text(array, data_type.scale)
        case TypeId.BINARY:
            return _binary_text(array, style)
        case TypeId.TIMESTAMP_TZ:
            return _moments(array, "us", style, zoned=True)
        case TypeId.DATE:
            iso = times.date_text(array, style)
            return iso if style.dates is DateText.ISO else spelled_times(iso, array, style)
        case TypeId.TIME:
            return times.time_text(array, style)
        case TypeId.INTERVAL:
            if style.interval in (IntervalText.VERBOSE, IntervalText.SQL):
                return spelled_intervals(array, style)
            return intervals.interval_text(array, style)
        case TypeId.STRUCT | TypeId.MAP:
            return nested.json_cells(array, data_type, style, text_cells)
        case _:
            assert data_type.id is TypeId.NULL
            nothing = np.zeros(len(array) + 1, np.int32)
            return VarCells(nothing, np.zeros(0, np.uint8), np.zeros(len(array), np.bool_))


def _moments(array: pa.Array, unit: str, style: TextStyle, *, zoned: bool) -> VarCells:
    iso = times.timestamp_text(array, unit, style, zoned=zoned)
    if style.dates is DateText.ISO:
        return iso
    return spelled_times(iso, array, style, zoned=zoned)


def warm() -> None:
    """Runs the kernels behind `text_cells` once: this pays what first calls cost."""
    for style in (POSTGRES, MYSQL, TextStyle(binary=BinaryText.ESCAPE)):
        for type_id in _WARM:
            data_type = DataType(type_id)
            text_cells(pa.nulls(1, data_type.arrow), data_type, style)


_WARM = (TypeId.TIMESTAMP_SECOND, TypeId.DATE, TypeId.TIME, TypeId.INTERVAL, TypeId.BINARY)


def _boolean_text(array: pa.Array, style: TextStyle) -> VarCells:
    valid = validity(array)
    truth = array.fill_null(False).to_numpy(zero_copy_only=False)
    if len(style.true) == len(style.false) == 1:
        data = np.where(truth, np.uint8(style.true[0]), np.uint8(style.false[0]))
        return VarCells(np.arange(len(array) + 1, dtype=np.int32), data, valid)
    return from_arrow(pc.if_else(array, pa.scalar(style.true), pa.scalar(style.false)))


def _binary_text(array: pa.Array, style: TextStyle) -> VarCells:
    cells = from_arrow(array)
    if style.binary is BinaryText.RAW:
        return cells
    if style.binary is BinaryText.HEX:
        offsets = from_lengths(np.where(_mask_all(cells), cells.lengths() * 2 + 2, 0))
        write = _hex
    else:
        offsets = from_lengths(cells.lengths() * 4)  # an upper bound, the kernel tightens it
        write = _escape
    out = np.empty(int(offsets[-1]), np.uint8)
    write(out, offsets, cells.offsets, cells.data, _NO_MASK if cells.valid is None else cells.valid)
    return VarCells(offsets, out, cells.valid)


def _mask_all(cells: VarCells) -> Mask:
    return np.ones(len(cells), np.bool_) if cells.valid is None else cells.valid


_BINARY = VOID(WRITE_BYTES, WRITE_INT32, READ_INT32, READ_BYTES, READ_MASK)


@kernel(_BINARY)
def _hex(out: Bytes, offsets: Offsets, starts: Offsets, data: Bytes, valid: Mask) -> None:
    at = 0
    for row in range(starts.size - 1):
        if not valid.size or valid[row]:
            out[at] = 92
            out[at + 1] = 120
            at += 2
            for k in range(starts[row], starts[row + 1]):
                high = data[k] >> 4
                low = data[k] & 15
                out[at] = 48 + high if high < 10 else 87 + high
                out[at + 1] = 48 + low if low < 10 else 87 + low
                at += 2
        offsets[row + 1] = at


@kernel(_BINARY)
def _escape(out: Bytes, offsets: Offsets, starts: Offsets, data: Bytes, valid: Mask) -> None:
    at = 0
    for row in range(starts.size - 1):
        if not valid.size or valid[row]:
            for k in range(starts[row], starts[row + 1]):
                byte = data[k]
                if byte == 92:
                    out[at] = 92
                    out[at + 1] = 92
                    at += 2
                elif byte < 32 or byte > 126:
                    out[at] = 92
                    out[at + 1] = 48 + (byte >> 6)
                    out[at + 2] = 48 + ((byte >> 3) & 7)
                    out[at + 3] = 48 + (byte & 7)
                    at += 4
                else:
                    out[at] = byte
                    at += 1
        offsets[row + 1] = at
