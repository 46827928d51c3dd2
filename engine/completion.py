"""Partial rows in memory are completed from files (merge mode last_non_null).

Called by flush, so that a file's rows are whole, and by scans, so that memory's are. Files need no
merging among each other: of one identity at most one row is live in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from engine.memtable.keys import KeySet
from engine.memtable.view import Chunk, Shape, View, completed, keys_within
from engine.sst import lookup
from engine.sst.file import FileMeta
from engine.sst.reader import read_rows
from engine.sst.vectors import VectorCache
from engine.store.store import ObjectStore, reading
from engine.version import Version


def complete(
    view: View, version: Version, shape: Shape, store: ObjectStore, vectors: VectorCache
) -> tuple[Chunk, ...]:
    """The rows of a view, their NULL fields filled from the version's files.

    The view's rows may have fewer columns than the region: only those are filled.
    Requires: shape.partial. Raises: DbError CORRUPTED, STORAGE_UNAVAILABLE.
    """
    whole = tuple(part for part in view.puts if not _has_gaps(part, shape))
    gaps = View(tuple(part for part in view.puts if _has_gaps(part, shape)), view.deletes)
    if not gaps.puts:
        return whole
    names = gaps.puts[0].rows.schema.names
    older: list[pa.RecordBatch] = []
    for file in version.files:
        rows = _rows_of(file, gaps.puts, names, version, shape, store, vectors)
        older += [batch for batch in rows.to_batches() if batch.num_rows]
    return whole + completed(gaps, older, shape)


def _has_gaps(part: Chunk, shape: Shape) -> bool:
    columns = zip(part.rows.schema.names, part.rows.columns, strict=True)
    return any(column.null_count for name, column in columns if name not in shape.identity)


def _rows_of(
    file: FileMeta,
    parts: Sequence[Chunk],
    names: Sequence[str],
    version: Version,
    shape: Shape,
    store: ObjectStore,
    vectors: VectorCache,
) -> pa.Table:
    """The live rows of a file that have an identity of the parts."""
    near = keys_within(parts, shape, file.time_min, file.time_max)
    if not near:
        return pa.table([])
    keys = KeySet(pa.Table.from_batches(near), shape.identity)
    old = version.schema_of(file.schema_version)
    with reading(store, file.path) as path:
        found = lookup.positions(path, keys, shape.identity, old, shape.schema)
        live = np.setdiff1d(found, vectors.positions(file), assume_unique=True)
        return read_rows(path, live, old, shape.schema, names) if len(live) else pa.table([])
