"""Lists, structs and maps as text: PostgreSQL array literals and JSON.

Called by text.py, and calls it back for the elements. Element cells are joined by a kernel, so the
cost is per byte, not per Python object.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import TIMESTAMP_UNITS, DataType, TypeId
from engine.errors import DbError, ErrorKind
from server.encode.cells import (
    Bytes,
    Mask,
    Offsets,
    VarCells,
    from_arrow,
    validity,
    values_at,
)
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
from server.encode.style import NestedText, TextStyle
from sql.types import from_arrow as type_of

Encoder = Callable[[pa.Array, DataType, TextStyle], VarCells]


class Quote(IntEnum):
    """How an element's text is protected inside the list's."""

    NONE = 0
    ARRAY = 1  # PostgreSQL: double quotes when needed, backslash escapes
    JSON = 2  # always double quotes
    WORDS = 3  # double quotes when needed, escapes as in JSON


_PLAIN_IN_ARRAYS = frozenset(
    {TypeId.BOOLEAN, TypeId.FLOAT32, TypeId.FLOAT64, TypeId.DECIMAL, TypeId.DATE, TypeId.UUID}
    | {TypeId.TIME, TypeId.LIST, TypeId.NULL}
)
_WORDS = frozenset({TypeId.STRING, TypeId.UUID, TypeId.DATE, TypeId.TIME, *TIMESTAMP_UNITS})
_RAW_IN_JSON = frozenset({TypeId.BOOLEAN, TypeId.DECIMAL, TypeId.JSON, TypeId.NULL})
_FLOATS = (TypeId.FLOAT32, TypeId.FLOAT64)
_NO_MASK = np.zeros(0, np.bool_)
_BOUND_MAX = np.iinfo(np.int32).max


def list_text(array: pa.Array, element: DataType, style: TextStyle, encode: Encoder) -> VarCells:
    """Lists as `{1,NULL,"a b"}`, `[1,null,"a b"]` or `[a b,null,"c,d"]`."""
    if style.nested is NestedText.BRACKETS and element.id in _WORDS:
        offsets, items = list_parts(array)
        words = encode(items, element, style)
        return _joined(offsets, validity(array), words, Quote.WORDS, b"[]")
    if style.nested is not NestedText.ARRAY:
        return json_cells(array, DataType(TypeId.LIST, element=element), style, encode)
    offsets, items = list_parts(array)
    plain = element.is_integer or element.id in _PLAIN_IN_ARRAYS
    quote = Quote.NONE if plain else Quote.ARRAY
    return _joined(offsets, validity(array), encode(items, element, style), quote, b"{}")


def list_parts(array: pa.Array) -> tuple[Offsets, pa.Array]:
    """A list array's offsets (from 0) and just the elements they cover."""
    if not pa.types.is_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    offsets = values_at(array, 1, np.int32, len(array) + 1)
    first = int(offsets[0])
    return offsets - np.int32(first), array.values.slice(first, int(offsets[-1]) - first)


def json_cells(array: pa.Array, data_type: DataType, style: TextStyle, encode: Encoder) -> VarCells:
    """Any value as JSON text; SQL NULL stays NULL."""
    if data_type.id is TypeId.STRUCT:
        return _struct_json(array, style, encode)
    if data_type.id is TypeId.MAP:
        return _map_json(array, style, encode)
    if data_type.id is TypeId.LIST:
        assert data_type.element is not None
        offsets, items = list_parts(array)
        cells = json_cells(items, data_type.element, style, encode)
        return _joined(offsets, validity(array), cells, Quote.NONE, b"[]")
    if data_type.id is TypeId.BOOLEAN:
        return from_arrow(pc.if_else(array, "true", "false"))
    if data_type.id in _FLOATS:  # JSON has no NaN and no infinity
        array = pc.if_else(pc.is_finite(array), array, pa.scalar(None, array.type))
        return encode(array, data_type, style)
    if data_type.is_integer or data_type.id in _RAW_IN_JSON:
        return encode(array, data_type, style)
    return _quoted(encode(array, data_type, style))


def _quoted(cells: VarCells) -> VarCells:
    """Each cell as a JSON string: a list of one element between no brackets."""
    one_each = np.arange(len(cells) + 1, dtype=np.int32)
    return _joined(one_each, cells.valid, cells, Quote.JSON, b"")


def _struct_json(array: pa.Array, style: TextStyle, encode: Encoder) -> VarCells:
    parts: list[object] = []
    for index, field in enumerate(array.type):
        child = array.field(index)
        cells = json_cells(child, type_of(field.type), style, encode)
        name = _quoted(from_arrow(pa.array([field.name]))).cell(0)
        assert name is not None
        parts += [(b"," if index else b"{") + name + b":", _or_null(cells)]
    if not parts:
        parts = [pa.array([b"{"] * len(array), pa.binary())]
    parts.append(b"}")
    bound = [pa.scalar(part) if isinstance(part, bytes) else part for part in parts]
    joined = pc.binary_join_element_wise(*bound, b"")
    return from_arrow(_with_validity(joined, array))


def _map_json(array: pa.Array, style: TextStyle, encode: Encoder) -> VarCells:
    offsets = values_at(array, 1, np.int32, len(array) + 1)
    first, count = int(offsets[0]), int(offsets[-1]) - int(offsets[0])
    keys, items = array.keys.slice(first, count), array.items.slice(first, count)
    key_cells = encode(keys, type_of(keys.type), style)
    item_cells = json_cells(items, type_of(items.type), style, encode)
    entries = pc.binary_join_element_wise(
        _quoted(key_cells).to_arrow(), pa.scalar(b":"), _or_null(item_cells), b""
    )
    shifted = offsets - np.int32(first)
    return _joined(shifted, validity(array), from_arrow(entries), Quote.NONE, b"{}")


def _or_null(cells: VarCells) -> pa.Array:
    return pc.fill_null(cells.to_arrow(), b"null")


def _with_validity(cells: pa.Array, array: pa.Array) -> pa.Array:
    if array.null_count == 0:
        return cells
    return pc.if_else(array.is_valid(), cells, pa.scalar(None, cells.type))


def _joined(
    offsets: Offsets, valid: Mask | None, items: VarCells, quote: Quote, brackets: bytes
) -> VarCells:
    """Elements joined with commas; a NULL element is NULL (arrays) or null (JSON)."""
    growth = {Quote.NONE: 1, Quote.ARRAY: 2, Quote.JSON: 6, Quote.WORDS: 6}[quote]
    used = int(items.offsets[-1]) - int(items.offsets[0])
    bound = growth * used + 7 * len(items) + 2 * (len(offsets) - 1)
    if bound > _BOUND_MAX:
        raise DbError(
            ErrorKind.LIMIT_EXCEEDED, "a result batch holds more than 2 GiB in one column of lists"
        )
    out = np.empty(bound, np.uint8)
    ends = np.zeros(len(offsets), np.int32)
    _join(
        out,
        ends,
        offsets,
        _NO_MASK if valid is None else valid,
        items.offsets,
        items.data,
        _NO_MASK if items.valid is None else items.valid,
        int(quote),
        np.frombuffer(brackets, np.uint8),
        brackets != b"{}" or quote is Quote.JSON,
    )
    return VarCells(ends, out, valid)


@kernel("boolean(Array(uint8, 1, 'C', readonly=True), int64, int64)")
def _needs_quotes(data: Bytes, start: int, stop: int) -> bool:
    """PostgreSQL's rule: empty, NULL, or a brace, comma, quote, backslash or white space inside."""
    if start == stop:
        return True
    if stop - start == 4:
        is_null = True
        for k in range(4):
            if data[start + k] & 0xDF != (78, 85, 76, 76)[k]:
                is_null = False
        if is_null:
            return True
    for k in range(start, stop):
        byte = data[k]
        if byte in (34, 44, 92, 123, 125, 32) or 9 <= byte <= 13:
            return True
    return False


@kernel("boolean(Array(uint8, 1, 'C', readonly=True), int64, int64)")
def _is_ambiguous(data: Bytes, start: int, stop: int) -> bool:
    """True for text that could be mistaken: a mark of lists or JSON inside, or blank at an end."""
    if start == stop or data[start] == 32 or data[stop - 1] == 32:
        return True
    null = stop - start == 4
    if null and data[start] == 110 and data[start + 1] == 117 and data[start + 2] == 108:
        return True
    for k in range(start, stop):
        byte = data[k]
        if byte < 32 or byte in (34, 44, 91, 92, 93, 123, 125):
            return True
    return False


@kernel("int64(uint8[::1], int64, Array(uint8, 1, 'C', readonly=True), int64, int64, boolean)")
def _put_quoted(out: Bytes, at: int, data: Bytes, start: int, stop: int, json: bool) -> int:
    out[at] = 34
    at += 1
    for k in range(start, stop):
        byte = data[k]
        if byte in (34, 92):
            out[at] = 92
            out[at + 1] = byte
            at += 2
        elif json and byte < 32:
            out[at] = 92
            at += 1
            short = 0
            if byte == 10:
                short = 110
            elif byte == 9:
                short = 116
            elif byte == 13:
                short = 114
            elif byte == 8:
                short = 98
            elif byte == 12:
                short = 102
            if short:
                out[at] = short
                at += 1
            else:
                for digit in (117, 48, 48, 48 + byte // 16):  # u00 and two hex digits
                    out[at] = digit
                    at += 1
                low = byte % 16
                out[at] = 48 + low if low < 10 else 87 + low
                at += 1
        else:
            out[at] = byte
            at += 1
    out[at] = 34
    return at + 1


@kernel("int64(uint8[::1], int64, Array(uint8, 1, 'C', readonly=True), int64, int64, int64)")
def _put_element(out: Bytes, at: int, data: Bytes, start: int, stop: int, quote: int) -> int:
    needed = quote == 1 and _needs_quotes(data, start, stop)
    if quote == 2 or needed or (quote == 3 and _is_ambiguous(data, start, stop)):
        return _put_quoted(out, at, data, start, stop, quote != 1)
    for k in range(start, stop):
        out[at] = data[k]
        at += 1
    return at


@kernel(
    VOID(
        WRITE_BYTES,
        WRITE_INT32,
        READ_INT32,
        READ_MASK,
        READ_INT32,
        READ_BYTES,
        READ_MASK,
        INT,
        READ_BYTES,
        BOOL,
    )
)
def _join(
    out: Bytes,
    ends: Offsets,
    lists: Offsets,
    list_valid: Mask,
    offsets: Offsets,
    data: Bytes,
    valid: Mask,
    quote: int,
    brackets: Bytes,
    lower_null: bool,
) -> None:
    at = 0
    case = 32 if lower_null else 0
    for row in range(lists.size - 1):
        if not list_valid.size or list_valid[row]:
            if brackets.size:
                out[at] = brackets[0]
                at += 1
            for item in range(lists[row], lists[row + 1]):
                if item > lists[row]:
                    out[at] = 44
                    at += 1
                if valid.size and not valid[item]:
                    for letter in (78, 85, 76, 76):
                        out[at] = letter | case
                        at += 1
                else:
                    at = _put_element(
                        out, at, data, int(offsets[item]), int(offsets[item + 1]), quote
                    )
            if brackets.size:
                out[at] = brackets[1]
                at += 1
        ends[row + 1] = at
