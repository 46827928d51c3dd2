"""Rows without a type as DuckDB gives them, with the names that PostgreSQL gives their fields."""

from __future__ import annotations

import pyarrow as pa


def plain(array: pa.Array) -> pa.Array:
    """The array, fields of rows in it called f1, f2, …; others as they are."""
    if pa.types.is_struct(array.type) and array.type.num_fields:
        return _plain_fields(array)
    if not pa.types.is_list(array.type) or not pa.types.is_struct(_innermost(array.type)):
        return array
    items = plain(array.values)
    offsets = pa.array(array.offsets.to_numpy())
    mask = pa.array(array.is_null().to_numpy(zero_copy_only=False)) if array.null_count else None
    return pa.ListArray.from_arrays(offsets, items, mask=mask)


def _innermost(type_: pa.DataType) -> pa.DataType:
    while pa.types.is_list(type_):
        type_ = type_.value_type
    return type_


def _plain_fields(array: pa.Array) -> pa.Array:
    """The fields of a row without names, called as PostgreSQL calls them; others keep theirs."""
    count = array.type.num_fields
    names = [field.name for field in array.type]
    if names == [f"element{n}" for n in range(1, count + 1)]:
        names = [f"f{n}" for n in range(1, count + 1)]
    fields = [plain(array.field(n)) for n in range(count)]
    mask = pa.array(array.is_null().to_numpy(zero_copy_only=False)) if array.null_count else None
    return pa.StructArray.from_arrays(fields, names, mask=mask)
