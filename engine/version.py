"""A region's files at one moment, and how that changes.

`Version` is immutable and shared by readers without a lock; `Edit` is what the manifest logs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from engine.api import Extent, TimeRange
from engine.schema import RegionOptions, RegionSchema
from engine.sst.file import DeletionVector, FileMeta, IndexFile

Times = npt.NDArray[np.int64]

_FEW_FILES = 32  # are looked at one by one more quickly than as arrays
_FIRST, _LAST = -(2**63), 2**63


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a Version: files that come and go, deletion vectors that are replaced.

    `deletions` maps a file's id to its new vector, `indexes` to its new text index.
    `flushed_sequence` rises to the given value.
    `schema`, `options` and `window_ms` replace what the version has, unless they are None.
    """

    added: tuple[FileMeta, ...] = ()
    removed: tuple[int, ...] = ()
    deletions: dict[int, DeletionVector] = field(default_factory=dict)
    flushed_sequence: int = 0
    schema: RegionSchema | None = None
    options: RegionOptions | None = None
    window_ms: int | None = None
    indexes: dict[int, IndexFile] = field(default_factory=dict)


@dataclass(frozen=True)
class Version:
    """What a region is made of.

    `older` are earlier schemas that files (or log records) may still be in, by version.
    `window_ms` is the compaction window that was inferred, None before there is data.

    I1. Never changes after it is published.
    I2. `files` are ordered by sequence; every log record up to `flushed_sequence` is in them,
        but for what an administrator has discarded.
    I3. No two live rows of all files share an identity in upsert mode (deletion vectors see to it).
    """

    schema: RegionSchema
    options: RegionOptions
    files: tuple[FileMeta, ...] = ()
    flushed_sequence: int = 0
    next_file_id: int = 1
    older: dict[int, RegionSchema] = field(default_factory=dict)
    window_ms: int | None = None

    def schema_of(self, version: int) -> RegionSchema:
        """The schema with that number; the current one if it is unknown (and thus newer)."""
        return self.older.get(version, self.schema)

    def apply(self, edit: Edit) -> Version:
        """The version after an edit. Requires: the edit names only files that are there."""
        known = {file.id for file in self.files}
        assert known.issuperset(edit.removed)
        assert known.issuperset(edit.deletions)
        assert known.issuperset(edit.indexes)
        kept = [file for file in self.files if file.id not in edit.removed]
        files = [
            replace(file, deletion=edit.deletions[file.id]) if file.id in edit.deletions else file
            for file in kept
        ]
        files = [
            replace(file, index=edit.indexes[file.id]) if file.id in edit.indexes else file
            for file in files
        ]
        files += edit.added
        schema = edit.schema or self.schema
        older = self.older
        if schema.version != self.schema.version:
            older = {**older, self.schema.version: self.schema}
        return replace(
            self,
            schema=schema,
            options=edit.options or self.options,
            older=older,
            window_ms=edit.window_ms or self.window_ms,
            files=tuple(sorted(files, key=lambda file: (file.last_sequence, file.id))),
            flushed_sequence=max(self.flushed_sequence, edit.flushed_sequence),
            next_file_id=max([self.next_file_id, *(file.id + 1 for file in edit.added)]),
        )

    @cached_property
    def _times(self) -> tuple[Times, Times]:
        """First and last time of each file: a loop over thousands of files would take longer."""
        first = np.array([file.time_min for file in self.files], np.int64)
        return first, np.array([file.time_max for file in self.files], np.int64)

    @cached_property
    def extent(self) -> Extent:
        """About how many rows the files hold, and their times."""
        first, last = self._times
        rows = sum(file.live_rows for file in self.files)
        if not len(first):
            return Extent(0, np.iinfo(np.int64).max, np.iinfo(np.int64).min)
        return Extent(rows, int(first.min()), int(last.max()))

    def overlapping(self, wanted: TimeRange) -> Version:
        """The part of the version that may hold rows of a range."""
        if len(self.files) <= _FEW_FILES:
            start = wanted.start if wanted.start is not None else _FIRST
            end = wanted.end if wanted.end is not None else _LAST
            near = tuple(f for f in self.files if f.time_max >= start and f.time_min < end)
            return self if len(near) == len(self.files) else replace(self, files=near)
        first, last = self._times
        keep = np.ones(len(first), np.bool_)
        if wanted.start is not None:
            keep &= last >= wanted.start
        if wanted.end is not None:
            keep &= first < wanted.end
        if keep.all():
            return self
        return replace(self, files=tuple(self.files[i] for i in np.flatnonzero(keep)))

    def paths(self) -> frozenset[str]:
        """Every path the version needs: files, deletion vectors and text indexes."""
        indexes = (file.index.path for file in self.files if file.index)
        return self.row_paths() | frozenset(indexes)

    def row_paths(self) -> frozenset[str]:
        """The paths that tell its rows: files and deletion vectors."""
        vectors = (file.deletion.path for file in self.files if file.deletion)
        return frozenset(file.path for file in self.files) | frozenset(vectors)
