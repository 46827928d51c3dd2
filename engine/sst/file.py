"""What the engine remembers of a file without opening it.

`FileMeta` is part of a Version and of the manifest; paths are relative to the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_hex

from engine.api import TimeRange

# Longer text bounds are not kept: they would bloat the manifest and prune hardly better.
KEY_BOUND_CHARACTERS_MAX = 128
KeyBound = str | int


@dataclass(frozen=True, slots=True)
class DeletionVector:
    """Where the positions of a file's dead rows are."""

    path: str
    count: int


@dataclass(frozen=True, slots=True)
class IndexFile:
    """Where a file's text index is; `columns` are ids and options of what is in it."""

    path: str
    bytes: int
    columns: str


@dataclass(frozen=True, slots=True)
class FileMeta:
    """One SST. Times are in the unit of the time index, both ends included.

    `key_min` and `key_max` bound the first identity column's non-NULL values (text or integer);
    None if unknown or if there are none. `first_sequence` to `last_sequence` are the log records
    its rows come from: of two files with the same identity the higher range is the newer.
    `schema_version`: the region schema whose columns it has. `level` is 0 for what a flush wrote,
    1 for what compaction wrote. `row_groups`: 0 if it was written before that was recorded.
    Files with the same `run`, unless it is 0, are one sorted sequence, in order of their ids.
    """

    id: int
    path: str
    rows: int
    bytes: int
    time_min: int
    time_max: int
    first_sequence: int
    last_sequence: int
    created_ms: int
    key_min: KeyBound | None = None
    key_max: KeyBound | None = None
    deletion: DeletionVector | None = None
    schema_version: int = 0
    level: int = 0
    row_groups: int = 0
    run: int = 0
    index: IndexFile | None = None

    @property
    def live_rows(self) -> int:
        """Rows that are not deleted."""
        return self.rows - (self.deletion.count if self.deletion else 0)

    def overlaps(self, wanted: TimeRange) -> bool:
        """True if some row may be in the half-open range."""
        return (wanted.end is None or self.time_min < wanted.end) and (
            wanted.start is None or self.time_max >= wanted.start
        )


def region_folder(region_id: int) -> str:
    """The folder of everything a region keeps."""
    return f"regions/{region_id}"


def sst_folder(region_id: int) -> str:
    """The folder of a region's files."""
    return f"{region_folder(region_id)}/sst"


def sst_path(region_id: int, file_id: int) -> str:
    """A path for an SST, never given before.

    Its random part matters after a crash, when a file id is given again: a write of the process
    before may reach a remote store late, and must not replace another file then.
    """
    return f"{sst_folder(region_id)}/{file_id:010}-{token_hex(4)}.parquet"


def index_path(region_id: int, file_id: int) -> str:
    """A path for the text index of a file. Never given before, as `sst_path`."""
    return f"{sst_folder(region_id)}/{file_id:010}-{token_hex(4)}.txt-index"


def deletion_path(region_id: int, file_id: int, by_file_id: int) -> str:
    """A path for the deletion vector of a file, written by the flush that made another file.

    Never given before, as `sst_path`.
    """
    return f"{sst_folder(region_id)}/{file_id:010}.{by_file_id:010}-{token_hex(4)}.dv"
