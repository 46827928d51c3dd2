"""Text to columns of any type, by PostgreSQL's input rules.

Called by the readers of VALUES and COPY, by casts of literals and by parameters sent as text. The
work on each value is done by kernels, but for intervals and arrays, which are rare.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from sql.decode import jit, kernels, numbers, spans, text_kernels, times
from sql.decode.arrays import Item, MalformedArrayError, parse_array
from sql.decode.cells import Cells, Place, array_of, from_strings, strings, variable
from sql.decode.intervals import parse_interval
from sql.decode.vectors import vectors

Converter = Callable[[Cells, DataType, str], Any]

_INTERVAL_LAYOUT = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])


def column_from_text(strings: Any, type_: DataType, timezone: str, *, column: str) -> Any:
    """Converts an Arrow string array to a column type; NULL stays NULL.

    Timestamps without an offset are in `timezone`; integers are timestamps in the column's unit.
    Raises: DbError INVALID_TEXT, INVALID_DATETIME, OUT_OF_RANGE or DATETIME_OVERFLOW, which names
    the value and, in its detail, the column and the 1-based row.
    """
    return convert(from_strings(strings, row_place(column)), type_, timezone)


def row_place(column: str) -> Place:
    """Says where a value stands: its column and 1-based row."""
    return lambda row: f'column "{column}", row {row + 1}'


def convert(cells: Cells, type_: DataType, timezone: str) -> Any:
    """Converts cells to a column type; see `column_from_text`."""
    converter = _CONVERTERS.get(type_.id)
    if converter is None:
        raise DbError(
            ErrorKind.UNSUPPORTED, f"a value of type {type_.name} cannot be written as text"
        )
    if type_.id is not TypeId.STRING:
        cells = cells.plain()
    return converter(cells, type_, timezone)


def warm() -> None:
    """Compiles the kernels, or loads them from the cache, before the first use."""
    jit.warm()


def _texts(cells: Cells, type_: DataType, timezone: str) -> Any:
    texts = strings(cells)
    if type_.named is None:
        return texts
    from sql.named.read import read_column

    def failed(row: int, error: DbError) -> DbError:
        return DbError(error.kind, error.message, detail=error.detail or cells.place(row))

    return read_column(texts, type_.named, timezone, failed)


def _nulls(cells: Cells, type_: DataType, timezone: str) -> Any:
    return pa.nulls(cells.size)


def _invalid(cells: Cells, row: int, name: str) -> DbError:
    message = f"invalid input syntax for type {name}: {{}}"
    return cells.fail(row, ErrorKind.INVALID_TEXT, message)


def _json(cells: Cells, type_: DataType, timezone: str) -> Any:
    check_json(cells)
    return strings(cells)


def check_json(cells: Cells) -> None:
    """Raises: DbError INVALID_TEXT for the first cell that is not JSON."""
    row = text_kernels.check_json(*cells.slices)
    if row >= 0:
        raise _invalid(cells, row, "json")


def _uuids(cells: Cells, type_: DataType, timezone: str) -> Any:
    out = np.empty(cells.size * 36, np.uint8)
    offsets = np.zeros(cells.size + 1, np.int32)
    row = text_kernels.parse_uuids(*cells.slices, out, offsets)
    if row >= 0:
        raise _invalid(cells, row, "uuid")
    return variable(cells, type_.arrow, offsets, out)


def _bytea(cells: Cells, type_: DataType, timezone: str) -> Any:
    if type_.dimensions:
        return vectors(cells, type_)
    out = np.empty(kernels.total_length(*cells.slices), np.uint8)
    offsets = np.zeros(cells.size + 1, np.int32)
    row = text_kernels.parse_bytea(*cells.slices, out, offsets)
    if row >= 0:
        raise _invalid(cells, row, "bytea")
    return variable(cells, type_.arrow, offsets, out)


def _intervals(cells: Cells, type_: DataType, timezone: str) -> Any:
    if type_.is_span:
        return spans.of_cells(cells)
    distinct = strings(cells).dictionary_encode()
    values = np.zeros(len(distinct.dictionary) + 1, _INTERVAL_LAYOUT)
    codes = pc.fill_null(distinct.indices, len(distinct.dictionary)).to_numpy()
    for code, text in enumerate(distinct.dictionary.to_pylist()):
        try:
            interval = parse_interval(text)
        except OverflowError:
            kind, message = ErrorKind.DATETIME_OVERFLOW, "interval field value out of range: {}"
            raise cells.fail(int(np.argmax(codes == code)), kind, message) from None
        if interval is None:
            message = "invalid input syntax for type interval: {}"
            raise cells.fail(int(np.argmax(codes == code)), ErrorKind.INVALID_DATETIME, message)
        values[code] = interval
    return array_of(cells, type_.arrow, values[codes].view(np.uint8))


def _lists(cells: Cells, type_: DataType, timezone: str) -> Any:
    rows: list[list[Item] | None] = []
    for row, text in enumerate(strings(cells).to_pylist()):
        try:
            rows.append(None if text is None else parse_array(text))
        except MalformedArrayError:
            message = "malformed array literal: {}"
            raise cells.fail(row, ErrorKind.INVALID_TEXT, message) from None
    return lists_of(rows, type_, timezone, cells.place)


def lists_of(rows: list[list[Item] | None], type_: DataType, timezone: str, place: Place) -> Any:
    """A list array from the items of each row, texts or lists again. Raises: DbError."""
    try:
        return _nested(rows, type_, timezone, place)
    except MalformedArrayError as bad:
        message = f"array with the wrong number of dimensions for {type_.name}"
        raise DbError(ErrorKind.INVALID_TEXT, message, detail=str(bad)) from None


def _nested(rows: list[list[Item] | None], type_: DataType, timezone: str, place: Place) -> Any:
    """A list array from the parsed items of each row."""
    assert type_.element is not None
    lengths = [0 if items is None else len(items) for items in rows]
    origin = np.repeat(np.arange(len(rows)), lengths)
    flat = [item for items in rows if items is not None for item in items]

    def inner(index: int) -> str:
        return place(int(origin[index]))

    nested = type_.element.id is TypeId.LIST
    for index, item in enumerate(flat):
        if item is not None and isinstance(item, list) != nested:
            raise MalformedArrayError(inner(index))
    if nested:
        lists = [item if isinstance(item, list) else None for item in flat]
        elements = _nested(lists, type_.element, timezone, inner)
    else:
        elements = convert(
            from_strings(pa.array(flat, pa.string()), inner), type_.element, timezone
        )
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    mask = pa.array([items is None for items in rows], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(offsets), elements, type=type_.arrow, mask=mask)


_CONVERTERS: dict[TypeId, Converter] = {
    TypeId.NULL: _nulls,
    **numbers.CONVERTERS,
    TypeId.STRING: _texts,
    TypeId.BINARY: _bytea,
    TypeId.JSON: _json,
    TypeId.UUID: _uuids,
    **times.CONVERTERS,
    TypeId.INTERVAL: _intervals,
    TypeId.LIST: _lists,
}
