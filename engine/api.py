"""The door of the engine: what sql/ may ask of it, and the plain objects that cross it.

`engine.regions.LocalRegions` implements `Regions` on this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import pyarrow as pa

from engine.schema import RegionOptions, RegionSchema


class Op(Enum):
    """What a write does to the rows it names."""

    PUT = 0
    DELETE = 1


@dataclass(frozen=True, slots=True)
class Write:
    """Rows for one region.

    PUT: `rows` has the region's Arrow schema. DELETE: `rows` has the identity columns only: tags
    and time index, or, in append mode, every column (all rows equal to a given one are deleted;
    NULL equals NULL and NaN equals NaN).
    """

    region_id: int
    op: Op
    rows: pa.Table


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A half-open range [start, end) in the unit of the time index; None is unbounded."""

    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """What a statement wants to read of a region.

    `staged` are writes of the caller's own open transaction, newest last; they shadow stored rows.
    `first_key`: only rows with this value in the first primary key column are wanted (others may
    come as well).
    """

    columns: tuple[str, ...]
    time_range: TimeRange = TimeRange()
    staged: tuple[Write, ...] = ()
    first_key: str | int | None = None


@dataclass(frozen=True, slots=True)
class ScanFile:
    """One Parquet file to be read; `deleted` are sorted row positions (int64) to leave out."""

    path: str
    rows: int
    deleted: pa.Array | None
    shadowed: bool  # True: rows whose identity is in Snapshot.shadow must be left out


class Snapshot(Protocol):
    """A consistent view of one region, pinned until `close`.

    The rows of the region are: every file's rows, less its `deleted` positions, less (for files
    with `shadowed`) those whose `identity` columns equal a row of `shadow` (NULL-safe, NaN-safe);
    plus all rows of `memory` and of `selected`. Rows outside the requested time range may be
    present: the caller filters.
    """

    files: tuple[ScanFile, ...]
    memory: pa.Table  # the requested columns; already deduplicated, no deleted rows
    selected: pa.Table | None  # the requested columns of rows read from files already
    shadow: pa.Table | None  # identity columns; None when nothing is shadowed
    identity: tuple[str, ...]

    def close(self) -> None:
        """Releases the pin; files of the snapshot may then be removed."""


@dataclass(frozen=True, slots=True)
class RegionStatistics:
    """Sizes of one region, for information_schema and metrics."""

    region_id: int
    rows: int  # stored rows, before merging with memtables
    files: int
    file_bytes: int
    memtable_rows: int
    memtable_bytes: int


class Regions(Protocol):
    """Stores rows by region id. Every method may be called from any thread."""

    def create(self, region_id: int, schema: RegionSchema, options: RegionOptions) -> None:
        """Makes an empty region, durably. Raises: DbError if it exists or the store fails."""

    def drop(self, region_id: int) -> None:
        """Removes a region and its files. A missing region is no error."""

    def write(self, writes: Sequence[Write]) -> None:
        """Applies all writes or none; they are durable and visible when this returns.

        Raises: DbError REGION_NOT_FOUND, REGION_BUSY (retry), DISK_FULL, STORAGE_UNAVAILABLE.
        """

    def prepare(self, transaction: str, writes: Sequence[Write]) -> None:
        """Logs the writes durably without showing them: the first half of a two-store commit.

        `transaction` is an id that is not in use (1 to 512 bytes of UTF-8).
        Raises: as `write`; INVALID_ARGUMENT if the id is in use.
        """

    def commit_prepared(self, transaction: str) -> None:
        """Makes prepared writes visible, durably.

        Raises: DbError INVALID_ARGUMENT for an unknown id. After any other error the writes are
        still prepared: try again.
        """

    def abort_prepared(self, transaction: str) -> None:
        """Forgets prepared writes, durably. Raises: as `commit_prepared`."""

    def prepared(self) -> frozenset[str]:
        """Ids prepared and not yet decided; after a restart the caller must decide each."""

    def scan(self, region_id: int, request: ScanRequest) -> Snapshot:
        """Pins a snapshot. Raises: DbError REGION_NOT_FOUND, CORRUPTED."""

    def flush(self, region_id: int) -> None:
        """Moves everything in memory to files; returns when durable."""

    def statistics(self, region_id: int) -> RegionStatistics:
        """Current sizes of a region."""

    def region_ids(self) -> frozenset[int]:
        """Every region that exists here (to find those the catalog no longer names)."""

    def close(self) -> None:
        """Ends background work and closes the log. Further calls raise DbError SHUTTING_DOWN."""
