"""Columns of types with a name of their own as DuckDB gives them: unions of one member, as it is.

Called for results and for values on their way into a table; see `sql.types.duckdb_name`.
"""

from __future__ import annotations

import pyarrow as pa


def plain(array: pa.Array) -> pa.Array:
    """The array, every union in it replaced by its member; others as they are."""
    if pa.types.is_union(array.type):
        return array.field(0)
    if not pa.types.is_list(array.type) or not _holds_union(array.type):
        return array
    items = plain(array.values)
    offsets = pa.array(array.offsets.to_numpy())
    mask = pa.array(array.is_null().to_numpy(zero_copy_only=False)) if array.null_count else None
    return pa.ListArray.from_arrays(offsets, items, mask=mask)


def _holds_union(type_: pa.DataType) -> bool:
    while pa.types.is_list(type_):
        type_ = type_.value_type
    return bool(pa.types.is_union(type_))
