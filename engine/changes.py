"""Following a region: all of its rows first, then again and again what has changed since.

Called by `engine.regions` for whoever copies a region that is being written to. Only files are
read: each round begins with a flush. Files are told apart by id, and dead rows by their positions,
so nothing may merge files meanwhile: a followed region is not compacted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from engine.api import Op, TimeRange
from engine.errors import DbError, ErrorKind
from engine.memtable.view import Shape
from engine.region import Region
from engine.sst.deletion import Positions
from engine.sst.file import FileMeta
from engine.sst.reader import opened, read_groups
from engine.sst.vectors import VectorCache
from engine.store.store import ObjectStore, reading
from engine.version import Version


class RegionChanges:
    """Implements `engine.api.Changes`.

    I1. What `advance` gave, applied in order to an empty region, makes one with the same rows as
        the version that was pinned.
    """

    def __init__(
        self,
        region: Region,
        store: ObjectStore,
        vectors: VectorCache,
        flush: Callable[[Region], None],
        is_undecided: Callable[[int], bool],
    ) -> None:
        # Constant after construction.
        self._region = region
        self._store = store
        self._vectors = vectors
        self._flush = flush
        self._is_undecided = is_undecided
        # Changed by the owner's calls only.
        self._seen: Version | None = None
        self._pins: frozenset[str] = frozenset()
        self._open = True
        region.hold()

    def advance(self, *, last: bool = False) -> Iterator[tuple[Op, pa.Table]]:
        """See `Changes.advance`."""
        assert self._open
        if last and self._is_undecided(self._region.id):
            raise DbError(
                ErrorKind.REGION_BUSY,
                f"rows of region {self._region.id} wait for the end of a transaction",
                hint="restart the server: it decides them",
            )
        self._flush(self._region)
        state, pins = self._region.pinned_state(TimeRange())
        try:
            self._check(state.version)
            yield from self._gone(state.version)
            yield from self._come(state.version)
        except BaseException:
            self._region.unpin(pins)
            raise
        self._region.unpin(self._pins)
        self._seen, self._pins = state.version, pins

    def close(self) -> None:
        """See `Changes.close`. A second call does nothing."""
        if self._open:
            self._open = False
            self._region.unpin(self._pins)
            self._region.release()

    def _check(self, version: Version) -> None:
        """Raises REGION_BUSY if files were merged: what is new in them cannot be told then."""
        if self._seen is None:
            return
        known = {file.id for file in self._seen.files}
        for file in version.files:
            if file.id not in known and file.first_sequence <= self._seen.flushed_sequence:
                raise DbError(
                    ErrorKind.REGION_BUSY,
                    f"region {self._region.id} was compacted while it was copied",
                    hint="try again",
                )

    def _gone(self, version: Version) -> Iterator[tuple[Op, pa.Table]]:
        """Identities of rows that were there the last time and are not any more."""
        if self._seen is None:
            return
        names = Shape.of(version.schema, version.options).identity
        now = {file.id: file for file in version.files}
        for file in self._seen.files:
            here = now.get(file.id)
            if here is not None and here.deletion == file.deletion:
                continue
            dead = self._vectors.positions(here) if here else np.arange(file.rows)
            fresh = np.setdiff1d(dead, self._vectors.positions(file), assume_unique=True)
            for rows in self._rows(version, file, names, fresh):
                yield Op.DELETE, rows

    def _come(self, version: Version) -> Iterator[tuple[Op, pa.Table]]:
        """Live rows of files that were not there the last time."""
        known = {file.id for file in self._seen.files} if self._seen else frozenset()
        names = version.schema.arrow.names
        for file in version.files:
            if file.id not in known:
                dead = self._vectors.positions(file)
                live = np.setdiff1d(np.arange(file.rows), dead, assume_unique=True)
                for rows in self._rows(version, file, names, live):
                    yield Op.PUT, rows

    def _rows(
        self, version: Version, file: FileMeta, names: Sequence[str], positions: Positions
    ) -> Iterator[pa.Table]:
        """The rows at ascending positions, one row group at a time, in the version's columns."""
        if not len(positions):
            return
        old = version.schema_of(file.schema_version)
        start = 0
        with reading(self._store, file.path) as path, opened(path) as parquet:
            for group in range(parquet.num_row_groups):
                count = parquet.metadata.row_group(group).num_rows
                first, end = np.searchsorted(positions, (start, start + count))
                if end > first:
                    rows = read_groups(parquet, [group], old, version.schema, names, path)
                    whole = end - first == count
                    yield rows if whole else rows.take(pa.array(positions[first:end] - start))
                start += count
