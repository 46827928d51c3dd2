"""One sorted run of files as a stream of row groups, less the rows that are not to be kept.

Called by the job (run.py). One row group is in memory at a time; text stays dictionary-encoded
where the file has it so, because comparing and copying codes is several times faster.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from engine import evolve
from engine.api import TimeRange
from engine.compaction.origins import FILE, FILE_TYPE, ROW, ROW_TYPE
from engine.schema import RegionSchema
from engine.sst.deletion import Positions
from engine.sst.file import FileMeta
from engine.sst.reader import opened, read_groups, readable
from engine.store.store import ObjectStore, reading

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Input:
    """A file to be merged, with its number among the inputs and the rows that are dead so far."""

    number: int
    meta: FileMeta
    schema: RegionSchema
    dead: Positions


@dataclass(frozen=True, slots=True)
class Wanted:
    """How rows are to come out: columns, text columns as dictionaries, and the range of times."""

    schema: RegionSchema
    dictionaries: frozenset[str]
    time_range: TimeRange


def dictionaries(store: ObjectStore, file: Input, schema: RegionSchema) -> frozenset[str]:
    """The text columns that a file keeps as dictionaries. Raises: DbError."""
    if not _is_plain(file, schema):
        return frozenset()
    names = {field.name for field in schema.arrow if pa.types.is_string(field.type)}
    with reading(store, file.meta.path) as path, opened(path) as parquet:
        if not parquet.num_row_groups:
            return frozenset()
        group = parquet.metadata.row_group(0)
        columns = [group.column(index) for index in range(group.num_columns)]
        return frozenset(
            c.path_in_schema for c in columns if c.path_in_schema in names and c.has_dictionary_page
        )


def blocks(
    store: ObjectStore, files: Sequence[Input], wanted: Wanted
) -> Generator[pa.Table, None, None]:
    """The rows of a run in order, with the columns `FILE` and `ROW`; never an empty table.

    Close it when it is not read to its end. Raises: DbError.
    """
    for file in files:
        if not file.meta.overlaps(wanted.time_range):
            continue
        with reading(store, file.meta.path) as path:
            yield from _file_blocks(file, path, wanted)


def _file_blocks(file: Input, path: str, wanted: Wanted) -> Iterator[pa.Table]:
    plain = _is_plain(file, wanted.schema)
    text = sorted(wanted.dictionaries) if plain else []
    with readable(path):
        parquet = pq.ParquetFile(path, read_dictionary=text, page_checksum_verification=True)
    with parquet:
        start = 0
        for group in range(parquet.num_row_groups):
            count = parquet.metadata.row_group(group).num_rows
            keep = _live(file.dead, start, count)
            if keep is None or keep.any():
                rows = _group(parquet, group, file, path, wanted, plain=plain)
                rows = _kept(_numbered(rows, file.number, start), keep, wanted)
                if rows.num_rows:
                    yield rows
            start += count


def _group(
    parquet: pq.ParquetFile, group: int, file: Input, path: str, wanted: Wanted, *, plain: bool
) -> pa.Table:
    """A row group in the wanted columns and spelling."""
    names = wanted.schema.arrow.names
    if plain:
        with readable(path):
            rows = parquet.read_row_groups([group], columns=names, use_threads=False).select(names)
    else:
        rows = read_groups(parquet, [group], file.schema, wanted.schema, names, path)
    with readable(path):
        columns = [
            _spelled(column, field.type, as_dictionary=field.name in wanted.dictionaries)
            for column, field in zip(rows.columns, wanted.schema.arrow, strict=True)
        ]
    return pa.Table.from_arrays(columns, names=names)


def _spelled(
    column: pa.ChunkedArray, type_: pa.DataType, *, as_dictionary: bool
) -> pa.ChunkedArray:
    is_dictionary = pa.types.is_dictionary(column.type)
    if as_dictionary:
        return column if is_dictionary else column.cast(type_).dictionary_encode()
    return column if column.type == type_ else column.cast(type_)


def _numbered(rows: pa.Table, file: int, start: int) -> pa.Table:
    """The rows with their origins."""
    numbers = np.arange(start, start + rows.num_rows, dtype=np.uint32)
    rows = rows.append_column(FILE, pa.array(np.full(rows.num_rows, file, np.uint16), FILE_TYPE))
    return rows.append_column(ROW, pa.array(numbers, ROW_TYPE))


def _live(dead: Positions, start: int, count: int) -> Mask | None:
    """Which of the rows from `start` on are not dead; None is all of them."""
    first, last = np.searchsorted(dead, (start, start + count))
    if first == last:
        return None
    keep = np.ones(count, np.bool_)
    keep[dead[first:last] - start] = False
    return keep


def _kept(rows: pa.Table, keep: Mask | None, wanted: Wanted) -> pa.Table:
    """The rows that are live and in the range of times."""
    bounds = wanted.time_range
    if bounds.start is not None or bounds.end is not None:
        times = times_of(rows, wanted.schema)
        inside = np.ones(len(times), np.bool_) if keep is None else keep
        if bounds.start is not None:
            inside = inside & (times >= bounds.start)
        if bounds.end is not None:
            inside = inside & (times < bounds.end)
        keep = None if inside.all() else inside
    return rows if keep is None else rows.filter(pa.array(keep))


def times_of(rows: pa.Table, schema: RegionSchema) -> Positions:
    """The time index as int64 in its own unit."""
    column = rows.column(schema.time_index)
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    values: Positions = array.cast(schema.time_type.arrow).view(pa.int64()).to_numpy()
    return values


def _is_plain(file: Input, schema: RegionSchema) -> bool:
    return evolve.is_plain(evolve.layout(file.schema, schema, schema.arrow.names))
