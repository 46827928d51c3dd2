"""Whole files taken out of a region by the times of their rows.

Called by `engine.regions` for TRUNCATE … FILE RANGE: cheap, since no row is read, and not exact,
since rows in memory and files that reach beyond the ranges stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

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
        if region.is_dropped:
            raise DbError(ErrorKind.REGION_NOT_FOUND, f"region {region.id} does not exist")
        if region.is_held:
            message = f"region {region.id} is being copied"
            raise DbError(ErrorKind.REGION_BUSY, message, hint="try again")
        gone = [
            file.id
            for file in region.version.files
            if any(first <= file.time_min and file.time_max <= last for first, last in ranges)
        ]
        if gone:
            region.publish(Edit(removed=tuple(gone)))
    return len(gone)
