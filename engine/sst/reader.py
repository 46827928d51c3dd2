"""Reads row groups of a file in the columns of any schema of its region.

Called by merge on flush (engine.sst.lookup), compaction and the completion of partial rows. DuckDB
reads files itself; nothing here is on its way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine import evolve
from engine.errors import DbError, ErrorKind
from engine.schema import RegionSchema
from engine.sst.deletion import Positions


@contextmanager
def readable(path: str) -> Iterator[None]:
    """Names the file and the kind of trouble when reading fails."""
    try:
        yield
    except FileNotFoundError as error:
        raise DbError(ErrorKind.STORAGE_UNAVAILABLE, f"the file {path} is missing") from error
    except (OSError, pa.ArrowException) as error:
        raise DbError(ErrorKind.CORRUPTED, f"cannot read {path}: {error}") from error


@contextmanager
def opened(path: str, dictionaries: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """An open file whose page checksums are verified; the named columns come as dictionaries.

    Raises: DbError.
    """
    with readable(path):
        file = pq.ParquetFile(
            path, page_checksum_verification=True, read_dictionary=list(dictionaries)
        )
    with file:
        yield file


def read_rows(
    path: str,
    positions: Positions,
    old: RegionSchema,
    new: RegionSchema,
    names: Sequence[str],
) -> pa.Table:
    """The rows at ascending positions, in the named columns of `new`. Raises: DbError."""
    parts = []
    with opened(path) as file:
        start = 0
        for group in range(file.num_row_groups):
            stop = start + file.metadata.row_group(group).num_rows
            first, last = np.searchsorted(positions, (start, stop))
            if last > first:
                rows = read_groups(file, [group], old, new, names, path)
                parts.append(rows.take(pa.array(positions[first:last] - start)))
            start = stop
    if not parts:
        return pa.schema([new.arrow.field(name) for name in names]).empty_table()
    return pa.concat_tables(parts)


def read_groups(
    file: pq.ParquetFile,
    groups: Sequence[int],
    old: RegionSchema,
    new: RegionSchema,
    names: Sequence[str],
    path: str,
    chosen: Positions | None = None,
) -> pa.Table:
    """Row groups in the named columns of the schema `new`; the file's own schema is `old`.

    `chosen`: only the rows at these positions of the groups. Raises: DbError CORRUPTED.
    """
    origins = evolve.layout(old, new, names)
    sources = list(dict.fromkeys(o.source for o in origins if o.source is not None))
    with readable(path):
        rows = file.read_row_groups(list(groups), columns=sources, use_threads=False)
        if chosen is not None:
            rows = rows.take(pa.array(chosen))
        # Parquet has no seconds: the types of the file's schema are the declared ones.
        declared = pa.schema([old.arrow.field(name) for name in sources])
        rows = rows.select(sources).cast(declared)
    if not sources:  # not even one column is there: only the number of rows is known
        count = sum(file.metadata.row_group(group).num_rows for group in groups)
        count = count if chosen is None else len(chosen)
        arrays = [evolve.constant(o, new.arrow.field(o.name).type, count) for o in origins]
        return pa.table(arrays, schema=pa.schema([new.arrow.field(name) for name in names]))
    return evolve.conform(rows, old, new, names)
