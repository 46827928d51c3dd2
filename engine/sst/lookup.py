"""Finds the rows of a file whose identity is in a set of keys: the reading half of merge on flush.

Called by `engine.flush`. It reads one row group's identity columns at a time and skips those whose
statistics exclude every key.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine import evolve
from engine.memtable.keys import KeySet
from engine.schema import RegionSchema
from engine.sst.deletion import Positions
from engine.sst.reader import opened, read_groups


def positions(
    path: str,
    keys: KeySet,
    identity: tuple[str, ...],
    old: RegionSchema,
    new: RegionSchema,
) -> Positions:
    """Row positions in the file, ascending. The file has schema `old`, the keys have `new`.

    Raises: DbError CORRUPTED if the file cannot be read as Parquet, STORAGE_UNAVAILABLE if it is
    not there.
    """
    first = evolve.layout(old, new, identity[:1])[0].source
    found = [np.empty(0, np.int64)]
    start = 0
    with opened(path) as file:
        column = None if first is None else _leaf(file.schema_arrow, first)
        for group in range(file.num_row_groups):
            metadata = file.metadata.row_group(group)
            if column is None or _may_hold(metadata, column, keys.first_column):
                rows = read_groups(file, [group], old, new, identity, path)
                found.append(start + np.flatnonzero(keys.contains(rows)))
            start += metadata.num_rows
    return np.concatenate(found)


def _leaf(schema: pa.Schema, name: str) -> int:
    """The number of a column's first leaf: Parquet counts the innermost parts of nested columns."""
    before = schema.get_field_index(name)
    return sum(_leaves(schema.field(index).type) for index in range(before))


def _leaves(kind: pa.DataType) -> int:
    if not pa.types.is_nested(kind):
        return 1
    return sum(_leaves(kind.field(index).type) for index in range(kind.num_fields))


def _may_hold(group: Any, column: int, values: pa.Array) -> bool:
    """False if statistics prove that the group has none of the values in the first key column."""
    if not (pa.types.is_string(values.type) or pa.types.is_integer(values.type)):
        return True
    statistics = group.column(column).statistics
    if statistics is None or not statistics.has_min_max or values.null_count:
        return True
    if isinstance(statistics.min, bool):
        return True
    least = pa.scalar(statistics.min, values.type)
    greatest = pa.scalar(statistics.max, values.type)
    inside = pc.and_(pc.greater_equal(values, least), pc.less_equal(values, greatest))
    return bool(pc.any(inside).as_py())
