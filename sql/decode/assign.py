"""Assignment: values of any Arrow type into a column's declared type.

Used by every way of writing that is not text (INSERT … SELECT, UPDATE, expressions in VALUES);
text goes through sql/decode/text.py. Numbers assigned to timestamps are epochs in the column's
unit; floats become integers rounded half to even and decimals half away from zero, as PostgreSQL
does on assignment.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.records import Column
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql.decode import clock
from sql.decode.bits import bits_of, from_bytes
from sql.decode.rows import plain
from sql.decode.text import column_from_text
from sql.decode.vectors import check_bytes, vectors_of_lists
from sql.decode.zones import is_utc, to_local

_INFINITY = (1 << 63) - 1  # and its negative: what DuckDB stores for ±infinity


def assign(values: pa.ChunkedArray | pa.Array, column: Column, timezone: str) -> pa.Array:
    """The values as the column's type. Raises: DbError (OUT_OF_RANGE, DATATYPE_MISMATCH, …)."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(array, pa.ChunkedArray):  # combine_chunks keeps several chunks of long strings
        array = pa.concat_arrays(array.chunks)
    array = plain(array)
    target = column.type.arrow
    if array.type == target and column.type.id is not TypeId.JSON and not column.type.named:
        if column.type.dimensions:
            check_bytes(array, column.type, column.name)
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), target)
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    is_text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
    if (is_text or pa.types.is_binary(array.type)) and bits_of(column):
        return from_bytes(array, column)
    if is_text:
        return column_from_text(array.cast(pa.string()), column.type, timezone, column=column.name)
    try:
        return _cast(array, column, timezone)
    except pa.ArrowInvalid as error:
        raise DbError(
            ErrorKind.OUT_OF_RANGE,
            f'value out of range for type {column.type.name} of column "{column.name}"',
            detail=str(error).split("\n", 1)[0],
        ) from error
    except pa.ArrowNotImplementedError as error:  # how Arrow says: no cast between these types
        raise DbError(
            ErrorKind.DATATYPE_MISMATCH,
            f'column "{column.name}" is of type {column.type.name}'
            f" but expression is of type {array.type}",
            hint="you will need to rewrite or cast the expression",
        ) from error


def _cast(array: pa.Array, column: Column, timezone: str) -> pa.Array:
    source, target = array.type, column.type.arrow
    if column.type.dimensions and pa.types.is_list(source):
        return vectors_of_lists(array, column.type, column.name)
    if column.type.is_timestamp:
        if pa.types.is_integer(source):
            return array.cast(pa.int64()).cast(target)
        if pa.types.is_floating(source) or pa.types.is_decimal(source):
            # An epoch too; its fraction is below the column's unit.
            return pc.trunc(array).cast(pa.int64()).cast(target)
        if pa.types.is_timestamp(source):
            if source.tz is not None:
                array = _unzoned(array, timezone if column.type.wall else "UTC")
            return array.cast(target, safe=False)
    is_time = column.type.id is TypeId.TIME or column.type.is_span
    if is_time and (made := clock.from_other(array, column)) is not None:
        return made
    if column.type.is_integer and pa.types.is_floating(source):
        return pc.round(array, round_mode="half_to_even").cast(target)
    if column.type.is_integer and pa.types.is_decimal(source):
        return pc.round(array, round_mode="half_towards_infinity").cast(target)
    is_floats = pa.types.is_list(target) and pa.types.is_floating(target.value_type)
    if is_floats or pa.types.is_floating(target):
        return floats(array, target)
    if pa.types.is_decimal(target):
        return _decimal(array, target)
    return array.cast(target)


def floats(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Numbers, or lists of them, as the nearest floats.

    Arrow multiplies decimals by a power of ten that no float holds: 42.23 became
    42.230000000000004. Their texts are read exactly.
    """
    if _holds_decimals(array.type):
        array = array.cast(pa.list_(pa.string()) if pa.types.is_list(array.type) else pa.string())
    return array.cast(target, safe=False)


def _holds_decimals(type_: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(type_.value_type if pa.types.is_list(type_) else type_))


def _unzoned(array: pa.Array, timezone: str) -> pa.Array:
    """Moments with a zone as a zone's clocks show them; NULL stays NULL."""
    unit = array.type.unit
    naive = array.cast(pa.timestamp(unit, "UTC")).cast(pa.timestamp(unit))
    if is_utc(timezone):
        return naive
    moments = naive.cast(pa.int64())
    shown = to_local(np.asarray(pc.fill_null(moments, 0)), unit, timezone)
    ends = pc.greater_equal(pc.abs_checked(pc.fill_null(moments, 0)), _INFINITY)
    kept = pc.if_else(ends, moments, pa.array(shown))
    return pc.if_else(moments.is_valid(), kept, None).cast(pa.timestamp(unit))


def _decimal(array: pa.Array, target: pa.DataType) -> pa.Array:
    if pa.types.is_integer(array.type):
        array = array.cast(pa.decimal128(38, 0))
    if pa.types.is_floating(array.type):
        array = array.cast(pa.string()).cast(pa.decimal256(76, 30))
    rounded = pc.round(array, ndigits=target.scale, round_mode="half_towards_infinity")
    return rounded.cast(target)
