"""Partial rows (merge mode last_non_null): every field keeps its latest value that is not NULL.

Called by `engine.memtable.view` for rows in memory, and by flush and scan to fill such rows from
files. Vectorised: one pass per column that has NULLs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.memtable.keys import Codes, KeySet


def filled(rows: pa.Table, identity: Sequence[str]) -> pa.Table:
    """One row per identity, in place of its last; other columns have their latest non-NULL value.

    Requires: rows in order of their writing, oldest first.
    """
    keys = KeySet(rows, identity)
    last = keys.last_positions()
    if len(last) == rows.num_rows:
        return rows
    groups = keys.groups()
    columns = [
        column.take(pa.array(last))
        if name in identity or not column.null_count
        else _latest(column, groups, last)
        for name, column in zip(rows.column_names, rows.columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=rows.schema)


def _latest(column: pa.ChunkedArray, groups: Codes, last: Codes) -> pa.ChunkedArray:
    """The latest non-NULL value of each group, in the order of the groups' last rows."""
    valid = np.flatnonzero(pc.is_valid(column).to_numpy())
    at = np.full(int(groups.max()) + 1, -1, np.int64)
    at[groups[valid]] = valid  # assignment by index is done in order: the latest stays
    found = at[groups[last]]
    return column.take(pa.array(found, mask=found < 0))


def fill(rows: pa.Table, older: pa.Table, identity: Sequence[str]) -> pa.Table:
    """The rows with their NULLs filled from older ones of the same identity.

    Requires: `older` has the same columns; no identity occurs twice in either.
    """
    same = older.filter(pa.array(KeySet(rows, identity).contains(older)))
    if not same.num_rows:
        return rows
    return filled(pa.concat_tables([same, rows]), identity)
