"""The rows of files that text filters leave over, read by their pages.

Called by `engine.scan`. Files in which too much may be wanted are left to DuckDB, which scans them
faster than single pages are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import pyarrow as pa

from engine import evolve
from engine.api import ScanRequest, TimeRange
from engine.errors import DbError
from engine.fulltext.postings import BLOCK_SHIFT
from engine.fulltext.search import Candidates, IndexReader
from engine.jit import Int64s
from engine.schema import RegionSchema
from engine.sst import pages
from engine.sst.deletion import Positions
from engine.sst.file import FileMeta
from engine.sst.reader import read_rows
from engine.store.store import ObjectStore
from engine.version import Version

# More rows are no selective read, nor are more in the pages that have to be decoded for them.
_ROWS_MAX = 262_144
_DECODED_ROWS_MAX = 1_048_576
# From this share of a file's blocks on, reading all of it in parallel is as fast.
_SHARE_MAX = 0.3


class Picker:
    """Chooses and reads. Any thread."""

    def __init__(self, store: ObjectStore, bytes_max: int) -> None:
        # Constant after construction.
        self._store = store
        self._reader = IndexReader(store, bytes_max)

    def choose(
        self,
        files: Sequence[FileMeta],
        version: Version,
        wanted: RegionSchema,
        request: ScanRequest,
    ) -> dict[int, Candidates]:
        """What may be wanted of each file, by id; files to be read whole are not named."""
        indexes = [file.index.path for file in files if file.index is not None]
        with suppress(DbError):  # an index that cannot be had is not used
            self._store.fetch(indexes)
        found: dict[int, Candidates] = {}
        for file in files:
            old = version.schema_of(file.schema_version)
            times = request.time_range
            some = self._reader.candidates(file, old, wanted, request.texts, times)
            if some is not None and self._is_selective(file, some):
                found[file.id] = some
        total = decoded = 0
        for id_, some in sorted(found.items(), key=lambda item: int(item[1].blocks.sum())):
            size = int(some.blocks.sum()) << BLOCK_SHIFT
            decoded += size
            total += size if some.rows is None else len(some.rows)
            if total > _ROWS_MAX or decoded > _DECODED_ROWS_MAX:
                del found[id_]
        return found

    def _is_selective(self, file: FileMeta, found: Candidates) -> bool:
        count = np.count_nonzero(found.blocks)
        if not count:
            return True
        assert file.index is not None
        if self._reader.pages(file.index) is None:  # whole row groups would be read
            touched = np.flatnonzero(found.blocks) * max(1, file.row_groups) // len(found.blocks)
            return len(np.unique(touched)) <= _SHARE_MAX * max(1, file.row_groups)
        return bool(count <= max(1, _SHARE_MAX * len(found.blocks)))

    def rows(
        self,
        file: FileMeta,
        found: Candidates,
        dead: Positions,
        old: RegionSchema,
        wanted: RegionSchema,
        request: ScanRequest,
    ) -> pa.Table:
        """The live rows among the candidates, in the range of times, as they are asked for.

        `old` is the file's schema. Raises: DbError, OSError, pa.ArrowException.
        """
        positions = np.setdiff1d(found.within(file.rows), dead, assume_unique=True)
        fields = pa.schema([wanted.arrow.field(name) for name in request.columns])
        if not len(positions):
            return fields.empty_table()
        names = list(dict.fromkeys((*request.columns, wanted.time_index)))
        rows = self._read(file, positions, old, wanted, names)
        rows = _during(rows, wanted.time_index, request.time_range)
        return pa.Table.from_arrays([rows.column(name) for name in request.columns], schema=fields)

    def _read(
        self,
        file: FileMeta,
        positions: Int64s,
        old: RegionSchema,
        wanted: RegionSchema,
        names: Sequence[str],
    ) -> pa.Table:
        path = self._store.local_path(file.path)
        assert file.index is not None
        origins = evolve.layout(old, wanted, names)
        sources = list(dict.fromkeys(o.source for o in origins if o.source is not None))
        map_ = self._reader.pages(file.index)
        declared = pa.schema([old.arrow.field(name) for name in sources])
        if map_ is None or not all(_is_plain(field.type) for field in declared):
            return read_rows(path, positions, old, wanted, names)
        rows = pages.read_rows(path, map_, positions, sources).cast(declared)
        return evolve.conform(rows, old, wanted, names)


def _is_plain(type_: pa.DataType) -> bool:
    """True if Parquet itself tells the type, without what Arrow adds to a file."""
    is_number = pa.types.is_integer(type_) or pa.types.is_floating(type_)
    is_text = pa.types.is_string(type_) or pa.types.is_binary(type_)
    is_time = pa.types.is_timestamp(type_) or pa.types.is_date(type_)
    return bool(is_number or is_text or is_time or pa.types.is_boolean(type_))


def _during(rows: pa.Table, name: str, wanted: TimeRange) -> pa.Table:
    if wanted.start is None and wanted.end is None:
        return rows
    times = rows.column(name).combine_chunks().view(pa.int64()).to_numpy()
    keep = np.ones(len(times), np.bool_)
    if wanted.start is not None:
        keep &= times >= wanted.start
    if wanted.end is not None:
        keep &= times < wanted.end
    return rows if keep.all() else rows.filter(pa.array(keep))
