"""What information_schema and metrics tell of a region's files. Reads, never changes.

Called by `engine.regions`. `files` is made from the version alone; `filters` opens footers.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from engine.api import FileInfo, FilterInfo, TimeRange
from engine.errors import DbError, ErrorKind
from engine.region import Region
from engine.sst.deletion import size
from engine.sst.file import FileMeta
from engine.store.store import ObjectStore, reading
from engine.version import Version


def files(version: Version) -> Sequence[FileInfo]:
    """The files of a version, oldest first."""
    return [_info(file) for file in version.files]


def _info(file: FileMeta) -> FileInfo:
    return FileInfo(
        id=file.id,
        path=file.path,
        bytes=file.bytes,
        rows=file.rows,
        row_groups=file.row_groups,
        level=file.level,
        time_min=file.time_min,
        time_max=file.time_max,
        sequence=file.last_sequence,
        created_ms=file.created_ms,
        key_min=file.key_min,
        key_max=file.key_max,
        vector_path=file.deletion.path if file.deletion else None,
        vector_bytes=size(file.deletion.count) if file.deletion else 0,
        index_path=file.index.path if file.index else None,
        index_bytes=file.index.bytes if file.index else 0,
    )


def filters(region: Region, store: ObjectStore) -> Sequence[FilterInfo]:
    """Every bloom filter of a region, summed over the row groups of a file.

    Raises: DbError CORRUPTED for a footer that cannot be read.
    """
    state, pins = region.pinned_state(TimeRange())
    try:
        return [found for file in state.version.files for found in _filters(file, store)]
    finally:
        region.unpin(pins)


def _filters(file: FileMeta, store: ObjectStore) -> list[FilterInfo]:
    try:
        with reading(store, file.path) as path:
            footer = pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise DbError(ErrorKind.CORRUPTED, f"cannot read {file.path}: {error}") from error
    groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
    found = []
    for column in range(footer.num_columns):
        chunks = [group.column(column) for group in groups]
        lengths = [chunk.bloom_filter_length for chunk in chunks if chunk.bloom_filter_length]
        if lengths:
            name = chunks[0].path_in_schema
            found.append(FilterInfo(file.id, name, len(lengths), sum(lengths)))
    return found
