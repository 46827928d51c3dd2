"""Rows taken out of a region without being read: whole files, or all that no file holds yet.

Called by `engine.regions`. TRUNCATE … FILE RANGE removes files by the times of their rows: cheap,
and not exact, since rows in memory and files that reach beyond the ranges stay as they are. An
administrator may throw away what is in memory only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.errors import DbError, ErrorKind
from engine.region import Region
from engine.version import Edit

Range = tuple[int, int]  # first and last time, both included, in the unit of the time index


def remove_files(region: Region, ranges: Sequence[Range]) -> int:
    """Removes the files whose rows are all within one of the ranges, durably; how many.

    Rows they replaced in older files stay dead. Raises: DbError REGION_NOT_FOUND, REGION_BUSY (the
    region is being copied).
    """
    with region.maintenance:
        _check(region)
        gone = [
            file.id
            for file in region.version.files
            if any(first <= file.time_min and file.time_max <= last for first, last in ranges)
        ]
        if gone:
            region.publish(Edit(removed=tuple(gone)))
    return len(gone)


def discard_unflushed(region: Region, freed: Callable[[int], None]) -> None:
    """Forgets the rows (and deletions) that no file holds, durably: as if never written.

    What they replaced is there again. `freed` is told of the bytes that leave memory. Raises: as
    `remove_files`.
    """
    with region.maintenance:
        _check(region)
        for memtable in region.freeze():
            region.publish(Edit(flushed_sequence=memtable.last_sequence), memtable)
            freed(memtable.bytes)


def _check(region: Region) -> None:
    if region.is_dropped:
        raise DbError(ErrorKind.REGION_NOT_FOUND, f"region {region.id} does not exist")
    if region.is_held:
        message = f"region {region.id} is being copied"
        raise DbError(ErrorKind.REGION_BUSY, message, hint="try again")
