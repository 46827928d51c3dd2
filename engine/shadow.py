"""Merge on flush: the rows of older files that newer rows or deletions replace are marked dead.

Called by `engine.flush`. It writes deletion vectors, which mean nothing until an edit names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa

from engine.evolve import layout
from engine.memtable.keys import Codes, KeySet
from engine.memtable.order import Ranked, ascending
from engine.memtable.view import Chunk, Shape, keys_within
from engine.schema import RegionSchema
from engine.sst import deletion, fingerprints, lookup, series_lookup
from engine.sst.deletion import Positions
from engine.sst.file import DeletionVector, FileMeta, deletion_path
from engine.sst.fingerprints import FingerprintCache, Fingerprints
from engine.sst.gather import SortedRows
from engine.sst.reader import opened, read_groups
from engine.sst.vectors import VectorCache
from engine.store.store import ObjectStore, reading
from engine.version import Version

# Below this share of a file's rows, its keys near the newer rows are read each time: mostly only
# the last moments of a file meet the next flush. Above, its fingerprints are made and kept.
_MANY = 16
# With fewer rows for each value of some tag, on average, fingerprints are kept from the beginning.
_ROWS_EACH_MAX = 8
# A file whose fingerprints would take more of the cache is not worth the rest of it.
_CACHE_SHARE = 4


class Newer(Protocol):
    """Identities that replace or delete those of older files."""

    def near(self, file: FileMeta) -> pa.Table:
        """All that the file has, and maybe more: columns of the identity."""


class Keys:
    """Identities as a view gives them, deletions among them."""

    def __init__(self, parts: tuple[Chunk, ...], shape: Shape) -> None:
        self._parts = parts
        self._shape = shape

    def near(self, file: FileMeta) -> pa.Table:
        """Those within the file's times."""
        near = keys_within(self._parts, self._shape, file.time_min, file.time_max)
        return pa.Table.from_batches(near) if near else pa.table([])


class Rows:
    """Identities of the very rows that are flushed, in upsert mode."""

    def __init__(
        self, rows: SortedRows, version: Version, cache: FingerprintCache, store: ObjectStore
    ) -> None:
        self._rows = rows
        self._version = version
        self._cache = cache
        self._store = store
        self._is_hashed = False
        self._is_series = series_lookup.applies(rows.schema, rows.schema.sort_key)

    def near(self, file: FileMeta) -> pa.Table:
        """Those within the file's times, less those whose fingerprint the file has not."""
        times = self._rows.times
        if file.time_max < self._span[0] or file.time_min > self._span[1]:
            return pa.table([])  # at once: there may be thousands of files
        places = np.flatnonzero((times >= file.time_min) & (times <= file.time_max))
        if len(places) * _MANY >= file.rows and not self._is_series:
            places = self._matching(places, file)
        return self._rows.identities(places)

    def remember(self, files: Sequence[FileMeta], rows: Sequence[SortedRows]) -> None:
        """Keeps the fingerprints of new files if the next flush is likely to ask for them.

        So it is if this one did, or with few rows for each of many series: other series of the same
        moments are still to come.
        """
        widest = max((key.size for key in self._rows.keys.values()), default=0)
        is_wide = widest * _ROWS_EACH_MAX > len(self._rows.order)
        if not (is_wide or self._is_hashed) or self._own is None:
            return
        for file, part in zip(files, rows, strict=True):
            if self._is_small(file):
                own = np.sort(self._own[part.order])
                self._cache.put(file.path, file.schema_version, own)

    def _matching(self, places: Codes, file: FileMeta) -> Codes:
        if not len(places) or not self._is_small(file) or self._own is None:
            return places
        stored = self._stored(file)
        if stored is None:
            return places
        found = fingerprints.matches(self._own, self._own_order, stored)
        return places[found[self._rows.order[places]]]

    @cached_property
    def _span(self) -> tuple[int, int]:
        times = self._rows.times
        return (int(times.min()), int(times.max())) if len(times) else (0, -1)

    @cached_property
    def _own_order(self) -> Codes:
        assert self._own is not None
        return ascending([Ranked(self._own, 1 << 63)])

    @cached_property
    def _own(self) -> Fingerprints | None:
        self._is_hashed = True
        return self._rows.fingerprints()

    def _stored(self, file: FileMeta) -> Fingerprints | None:
        """The fingerprints of a file, read from it if they are not known."""
        schema = self._rows.schema
        found = self._cache.get(file.path, schema.version)
        if found is None:
            old = self._version.schema_of(file.schema_version)
            with reading(self._store, file.path) as path, opened(path) as parquet:
                groups = range(parquet.num_row_groups)
                rows = read_groups(parquet, groups, old, schema, schema.sort_key, path)
            found = fingerprints.of_table(rows)
            if found is not None:
                self._cache.put(file.path, schema.version, found)
        return found

    def _is_small(self, file: FileMeta) -> bool:
        return 8 * file.rows * _CACHE_SHARE <= self._cache.bytes_max


def shadowed(
    region_id: int,
    version: Version,
    newer: Newer,
    file_id: int,
    store: ObjectStore,
    vectors: VectorCache,
) -> tuple[dict[int, DeletionVector], tuple[int, ...]]:
    """New deletion vectors of older files, and the files of which no row is left.

    `file_id` is a number of the flush; it tells its deletion vectors from others.
    Raises: DbError.
    """
    shape = Shape.of(version.schema, version.options)
    found: dict[int, DeletionVector] = {}
    removed = []
    for file in version.files:
        near = newer.near(file)
        if not near.num_rows:
            continue
        schema = version.schema_of(file.schema_version)
        with reading(store, file.path) as path:
            positions = _positions(path, near, schema, shape)
        old = vectors.positions(file)
        dead = np.union1d(old, positions)
        if len(dead) == file.rows:
            removed.append(file.id)
        elif len(dead) > len(old):
            name = deletion_path(region_id, file.id, file_id)
            store.put(name, deletion.encode(dead))
            found[file.id] = DeletionVector(name, len(dead))
    return found, tuple(removed)


def _positions(path: str, near: pa.Table, schema: RegionSchema, shape: Shape) -> Positions:
    """Where the file, which has this schema, has rows of these identities."""
    identity = shape.identity
    plain = all(not c.casts and c.source for c in layout(schema, shape.schema, identity))
    if plain and series_lookup.applies(shape.schema, identity):
        keys = series_lookup.SeriesKeys.of(near, identity)
        return series_lookup.positions(path, keys, identity, schema, shape.schema)
    return lookup.positions(path, KeySet(near, identity), identity, schema, shape.schema)
