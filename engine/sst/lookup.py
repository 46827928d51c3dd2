"""Finds the rows of a file whose identity is in a set of keys: the reading half of merge on flush.

Called by `engine.flush`. It reads one row group's identity columns at a time and skips those whose
statistics exclude every key.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

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
    with opened(path) as plain:
        encoded = _with_dictionary(plain, old)
    with opened(path, encoded) as file:
        column = None if first is None else _leaf(file.schema_arrow, first)
        for group in range(file.num_row_groups):
            metadata = file.metadata.row_group(group)
            if column is None or _may_hold(metadata, column, keys.first_column):
                near = _near(file, group, keys, old, new, path)
                rows = read_groups(file, [group], old, new, identity, path, near)
                places = np.flatnonzero(keys.contains(rows))
                found.append(start + (places if near is None else near[places]))
            start += metadata.num_rows
    return np.concatenate(found)


def _with_dictionary(file: pq.ParquetFile, schema: RegionSchema) -> list[str]:
    """Text columns that have a dictionary in the file: read so, only what is chosen is decoded."""
    if not file.num_row_groups:
        return []
    group = file.metadata.row_group(0)
    texts = [c.name for c in schema.columns if pa.types.is_string(c.type.arrow)]
    arrow = file.schema_arrow
    return [name for name in texts if group.column(_leaf(arrow, name)).has_dictionary_page]


def _near(
    file: pq.ParquetFile,
    group: int,
    keys: KeySet,
    old: RegionSchema,
    new: RegionSchema,
    path: str,
) -> Positions | None:
    """Rows of the group whose time is between the keys' first and last; None: most of them.

    A late batch meets every row group of a file, but in each only the end of every series.
    """
    rows = read_groups(file, [group], old, new, [new.time_index], path)
    times = rows.column(0).combine_chunks().view(pa.int64()).to_numpy()
    bounds = pc.min_max(keys.distinct(new.time_index).view(pa.int64()))
    inside = (times >= bounds["min"].as_py()) & (times <= bounds["max"].as_py())
    count = np.count_nonzero(inside)
    return np.flatnonzero(inside) if count < len(times) // 2 else None


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
