"""The door of the engine: what sql/ may ask of it, and the plain objects that cross it.

`engine.regions.LocalRegions` implements `Regions` on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.datatypes import DataType
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
    NULL equals NULL and NaN equals NaN). `schema` is what `rows` are in, None for the region's own:
    one planned before an ALTER is older, one of a transaction that alters the table newer.
    """

    region_id: int
    op: Op
    rows: pa.Table
    schema: RegionSchema | None = None


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A half-open range [start, end) in the unit of the time index; None is unbounded."""

    start: int | None = None
    end: int | None = None

    def covers(self, first: int, last: int) -> bool:
        """True if all times from `first` to `last`, both included, are in the range."""
        after = self.start is None or first >= self.start
        return after and (self.end is None or last < self.end)


ALWAYS = TimeRange()

KeyValue = str | int


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Only rows whose tag `column` has one of these values (text or integers) are wanted."""

    column: str
    values: tuple[KeyValue, ...]


@dataclass(frozen=True, slots=True)
class Needle:
    """A piece of text that a value of `column` must hold, byte for byte.

    `whole`: the value is the needle. `starts` and `ends`: an end of the needle that is an ASCII
    letter or digit has no such neighbour in the value. `folded`: the value's lower case holds it.
    """

    column: str
    text: str
    whole: bool = False
    starts: bool = False
    ends: bool = False
    folded: bool = False


@dataclass(frozen=True, slots=True)
class TextFilter:
    """Only rows are wanted that have all needles of one of the alternatives."""

    alternatives: tuple[tuple[Needle, ...], ...]


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """What a statement wants to read of a region.

    `staged` are writes of the caller's own open transaction, newest last; they shadow stored rows.
    `keys` and `texts`: what is wanted must pass all of these filters (rows that do not may come as
    well).
    `latest`: of the rows in the range, only the newest of each series are wanted (rows with the
    same tags and no later time; others may come as well).
    `schema`: how rows are to be shown, None for the region's own; it may be older or newer than the
    region's (columns are matched by id).
    """

    columns: tuple[str, ...]
    time_range: TimeRange = TimeRange()
    staged: tuple[Write, ...] = ()
    keys: tuple[KeyFilter, ...] = ()
    latest: bool = False
    schema: RegionSchema | None = None
    texts: tuple[TextFilter, ...] = ()


@dataclass(frozen=True, slots=True)
class FileColumn:
    """Where a column of a scan comes from in a file of another schema.

    `source` is its name in the file; None when the file has none, and rows read `initial` (None is
    NULL). `casts`: the file has another type, and values are converted to these one after the
    other; those that do not fit read as NULL.
    """

    name: str
    source: str | None
    casts: tuple[DataType, ...] = ()
    initial: pa.Scalar | None = None


@dataclass(frozen=True, slots=True)
class ScanFile:
    """One Parquet file to be read; `deleted` are sorted row positions (int64) to leave out.

    `layout` says where the requested and the identity columns come from; None when the file has
    them all under their own names and types.
    """

    path: str
    rows: int
    deleted: pa.Array | None
    shadowed: bool  # True: rows whose identity is in Snapshot.shadow must be left out
    layout: tuple[FileColumn, ...] | None = None
    is_covered: bool = False  # True: all of its rows are in Snapshot.time_range


@dataclass(frozen=True, slots=True)
class ScanFacts:
    """What a scan did with a region's files: each was pruned, served from memory, or is to be read.

    `bytes` are those of the files to be read. `newest`: the newest row of each series was known.
    `searched` files were looked up in text indexes, `blocks` (of rows) are theirs and
    `blocks_read` those in which the wanted rows may be. `exact`: all rows are in
    `Snapshot.selected`, which has only those of the one series and the times that were asked for,
    in order of time.
    """

    files: int
    pruned_by_time: int = 0
    pruned_by_keys: int = 0
    served: int = 0
    bytes: int = 0
    newest: bool = False
    searched: int = 0
    blocks: int = 0
    blocks_read: int = 0
    exact: bool = False


class NotResident(Exception):  # noqa: N818 - no error, an outcome
    """What a `resident` request asks for is not all in memory, ready to be read."""


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Samples of some series, from a region with one INT64 tag (the series) and one DOUBLE field;
    an INT64 field beside it has the values that are whole numbers.

    `series` ascend, none is named twice. `staged`: as in `ScanRequest`. `presence`: it only matters
    which series have samples; these get a row each that means nothing. `survey`: the same for all
    series there are, cheaply and without `staged`; it may take series for present that lost their
    last sample in memory. Beyond `rows_max` samples is LIMIT_EXCEEDED. `resident`: only if all of
    it was decoded and sorted for an earlier request, else NotResident; no file is opened.
    """

    series: NDArray[np.int64]
    time_range: TimeRange = TimeRange()
    staged: tuple[Write, ...] = ()
    presence: bool = False
    rows_max: int = 2**62
    survey: bool = False
    resident: bool = False


@dataclass(frozen=True, slots=True)
class SampleRows:
    """The samples of the series of a request, to be read only.

    Those of series i are at the places from offsets[i] to offsets[i + 1], in order of time; times
    are in the unit of the time index. At `histogram_places` (ascending) there is a histogram, one
    of `histograms` (the region's BINARY field), in place of a value.
    """

    offsets: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    histogram_places: NDArray[np.int64] | None = None
    histograms: pa.Array | None = None


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """The rows of one series: `tags` are its values of the primary key, in its order.

    `schema_version` is that of the schema which the columns are meant in; `shown` are those of the
    answer, in that order, if they are not all.
    """

    tags: tuple[KeyValue, ...]
    columns: tuple[str, ...]
    time_range: TimeRange
    schema_version: int
    shown: tuple[str, ...] = ()


class Snapshot(Protocol):
    """A consistent view of one region, pinned until `close`.

    The rows of the region are: every file's rows, less its `deleted` positions, less (for files
    with `shadowed`) those whose `identity` columns equal a row of `shadow` (NULL-safe, NaN-safe);
    plus all rows of `memory` and of `selected`. Files may hold rows outside `time_range`: the
    caller filters those. It is the requested range, less what the time to live has ended.
    """

    files: tuple[ScanFile, ...]
    memory: pa.Table  # the requested columns; already deduplicated, no deleted rows
    selected: pa.Table | None  # the requested columns of rows read from files already
    shadow: pa.Table | None  # identity columns; None when nothing is shadowed
    identity: tuple[str, ...]
    time_range: TimeRange
    facts: ScanFacts

    def close(self) -> None:
        """Releases the pin; files of the snapshot may then be removed."""


@dataclass(frozen=True, slots=True)
class Extent:
    """About how many rows there are; none of them has a time before `first` or after `last`.

    Times are in the unit of the time index; `first` is above `last` if there are no rows.
    """

    rows: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class RegionStatistics:
    """Sizes and state of one region, for information_schema and metrics.

    `vector_bytes` are deletion vectors, `written_bytes` the memory of all rows that came in since
    the engine was opened (rows that recovery found in the log among them). `committed_sequence` is
    the last log record the region shows, `flushed_sequence` the last one that its files hold.
    `window_ms` is the compaction window in use, None as long as there is none.
    """

    region_id: int
    rows: int  # stored rows, before merging with memtables
    files: int
    file_bytes: int
    memtable_rows: int
    memtable_bytes: int
    vector_bytes: int = 0
    manifest_bytes: int = 0
    manifest_version: int = 0
    written_bytes: int = 0
    committed_sequence: int = 0
    flushed_sequence: int = 0
    window_ms: int | None = None
    options: RegionOptions = RegionOptions()  # noqa: RUF009 - frozen
    index_bytes: int = 0


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One file of a region as its manifest knows it.

    Times are in the unit of the time index, both ends included; `key_min` and `key_max` bound the
    first identity column, None if that is not known. `row_groups` is 0 for files that were written
    before it was recorded.
    """

    id: int
    path: str  # below the engine's directory
    bytes: int
    rows: int  # deleted ones among them
    row_groups: int
    level: int
    time_min: int
    time_max: int
    sequence: int  # the last log record its rows come from
    created_ms: int
    key_min: str | int | None
    key_max: str | int | None
    vector_path: str | None
    vector_bytes: int
    index_path: str | None = None
    index_bytes: int = 0


@dataclass(frozen=True, slots=True)
class FilterInfo:
    """The bloom filters of one column in one file; `bytes` of all its row groups."""

    file_id: int
    column: str
    row_groups: int
    bytes: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the store, needed or not."""

    path: str
    bytes: int
    modified_ms: int


class Changes(Protocol):
    """A region followed by someone who copies it. One thread at a time."""

    def advance(self, *, last: bool = False) -> Iterator[tuple[Op, pa.Table]]:
        """What changed since the last call, in bounded tables; the first gives all rows.

        Deletions (their identities, as in `Write`) come before rows. To be read to its end. `last`:
        nobody writes to the region now. Raises: DbError REGION_NOT_FOUND after a drop; REGION_BUSY
        if the changes cannot be told, or (when `last`) while prepared writes are undecided.
        """

    def close(self) -> None:
        """Lets go of the region, which may be compacted again."""


class Regions(Protocol):
    """Stores rows by region id. Every method may be called from any thread."""

    def create(self, region_id: int, schema: RegionSchema, options: RegionOptions) -> None:
        """Makes an empty region, durably. Raises: DbError if it exists or the store fails."""

    def alter(self, region_id: int, schema: RegionSchema, options: RegionOptions) -> None:
        """Gives a region exactly these columns and options, durably; the same again is no error.

        Columns are matched by id; rows that are there already are shown in the new schema. A schema
        with a lower version than the region's changes nothing but the options.
        Raises: DbError REGION_NOT_FOUND, INVALID_ARGUMENT (a change of the time index's type, of
        the merge mode, or from append mode), DISK_FULL, STORAGE_UNAVAILABLE.
        """

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

    def glance(self, region_id: int, request: SeriesRequest) -> Sequence[pa.RecordBatch] | None:
        """The rows in order of time if all of them are in memory as they are, else None.

        It neither reads nor waits: an event loop may call it. What `scan` had to read or make for
        a series is kept for it, if it is asked for again.
        Raises: DbError REGION_NOT_FOUND, CORRUPTED.
        """

    def samples(self, region_id: int, request: SampleRequest) -> SampleRows:
        """The samples of some series: those without value and histogram are none.

        Requires: an upsert region as `SampleRequest` says.
        Raises: DbError REGION_NOT_FOUND, CORRUPTED, STORAGE_UNAVAILABLE, LIMIT_EXCEEDED;
            NotResident.
        """

    def scanning_several(self) -> AbstractContextManager[None]:
        """Scans begun inside see rows that one record moves between regions in exactly one place.

        To be left soon: such a record waits for it, and all later writes with it.
        """

    def flush(self, region_id: int) -> None:
        """Moves everything in memory to files; returns when durable."""

    def remove_files(self, region_id: int, ranges: Sequence[tuple[int, int]]) -> int:
        """Removes files whose rows all have times within one of the ranges; how many.

        Both ends are included, in the unit of the time index. Rows in memory and of other files
        stay. Raises: DbError REGION_NOT_FOUND, REGION_BUSY (being copied), STORAGE_UNAVAILABLE.
        """

    def discard_unflushed(self, region_id: int) -> None:
        """Forgets the rows and deletions that no file holds, durably, as if never written.

        Only an administrator asks for it: acknowledged writes are lost. Raises: DbError
        REGION_NOT_FOUND, REGION_BUSY (being copied), STORAGE_UNAVAILABLE.
        """

    def compact(
        self,
        region_id: int,
        window_ms: int | None = None,
        *,
        strict: bool = False,
        time_range: TimeRange = ALWAYS,
    ) -> int:
        """Merges the files that are there now, so that each window is one sorted run of files.

        Dead and expired rows go. `window_ms` is used in place of the region's own window this
        time; `strict`: no file holds rows of two windows afterwards. Files without rows in the
        time range are left alone. Returns how many files were replaced.
        Raises: DbError REGION_NOT_FOUND; REGION_BUSY (being copied, or changing all the time).
        """

    def build_indexes(self, region_id: int) -> int:
        """Makes the text indexes that files lack; of how many files.

        Raises: DbError REGION_NOT_FOUND, DISK_FULL, STORAGE_UNAVAILABLE, CORRUPTED.
        """

    def collect(self, region_id: int) -> int:
        """Removes files that nothing needs and that are past the grace period; how many.

        Raises: DbError REGION_NOT_FOUND, STORAGE_UNAVAILABLE.
        """

    def follow(self, region_id: int) -> Changes:
        """Begins to follow a region; it is not compacted until the changes are closed."""

    def statistics(self, region_id: int) -> RegionStatistics:
        """Current sizes and state of a region. Raises: DbError REGION_NOT_FOUND."""

    def extent(self, region_id: int) -> Extent:
        """About how many rows a region has, and their times. Raises: DbError REGION_NOT_FOUND."""

    def files(self, region_id: int) -> Sequence[FileInfo]:
        """The files of a region, oldest first; opens none. Raises: DbError REGION_NOT_FOUND."""

    def filters(self, region_id: int) -> Sequence[FilterInfo]:
        """The bloom filters in a region's files, from their footers.

        Raises: DbError REGION_NOT_FOUND, CORRUPTED.
        """

    def stored(self, region_id: int) -> Sequence[StoredFile]:
        """What lies in the store for a region, by path."""

    def region_ids(self) -> frozenset[int]:
        """Every region that exists here (to find those the catalog no longer names)."""

    def close(self) -> None:
        """Ends background work and closes the log. Further calls raise DbError SHUTTING_DOWN."""
