"""Writes sorted rows as Parquet, row group by row group. See docs/formats/sst.md.

Called by flush and compaction. Rows come sorted and deduplicated; nothing is checked again here but
the columns. At most one row group is held in memory.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.schema import RegionSchema
from engine.sst.encoding import Encodings, choose, is_text_dictionary, sample_positions
from engine.sst.file import KEY_BOUND_CHARACTERS_MAX, KeyBound

FORMAT_VERSION = "1"
# Values handed to an encoder at a time. Arrow's 1024 lets its own overhead show.
_BATCH_VALUES = 16_384
# One page per column and row group: DuckDB reads aggregates over all rows a sixth faster than from
# pages of 20 000 rows, and nothing here reads single pages.
_PAGE_BYTES = 64 << 20
_PAGE_ROWS = 1 << 24
# Files with a text index are read by single pages, too. DuckDB reads those hardly slower.
_SMALL_PAGE_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Written:
    """What a finished file holds; times in the unit of the time index, both ends included."""

    rows: int
    bytes: int
    row_groups: int
    time_min: int
    time_max: int
    key_min: KeyBound | None
    key_max: KeyBound | None


def write(
    rows: pa.Table, schema: RegionSchema, path: str, row_group_rows: int, *, settled: bool = False
) -> Written:
    """Writes a new file. Requires: rows in order of `schema.sort_key`. Raises: OSError."""
    sample = rows.take(pa.array(sample_positions(rows.num_rows)))
    encodings = choose(sample, schema, row_group_rows, settled=settled)
    with SstWriter(path, schema, row_group_rows, encodings) as writer:
        writer.add(rows)
    return writer.written()


class SstWriter:
    """One file on its way. Closing it ends the file; after an error it is to be thrown away.

    Without `encodings` they are chosen from the first row group. `paged`: pages are small, and an
    index tells where they are.
    """

    def __init__(
        self,
        path: str,
        schema: RegionSchema,
        row_group_rows: int,
        encodings: Encodings | None = None,
        *,
        settled: bool = False,
        indexed: Collection[str] = (),
        paged: bool = False,
    ) -> None:
        # Constant after construction.
        self._path = path
        self._paged = paged
        self._schema = schema
        self._row_group_rows = row_group_rows
        self._settled = settled
        self._indexed = indexed
        # Owned by the one thread that writes.
        self._encodings = encodings
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._rows = 0
        self._row_groups = 0
        self._time_bounds: list[int] = []
        self._key_bounds: list[KeyBound] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and (self._pending_rows or self._writer is None):
                self._write_group(self._taken(self._pending_rows))
        finally:
            if self._writer is not None:
                self._writer.close()

    def add(self, rows: pa.Table) -> None:
        """Takes the next rows. Requires: the schema's columns; text may be dictionary-encoded.

        Raises: OSError.
        """
        self._pending.append(rows)
        self._pending_rows += rows.num_rows
        while self._pending_rows >= self._row_group_rows:
            self._write_group(self._taken(self._row_group_rows))

    def written(self) -> Written:
        """The facts of the file. Requires: it is closed."""
        # One column: all text or all numbers.
        bounds = (min(self._key_bounds), max(self._key_bounds)) if self._key_bounds else ()
        low, high = bounds if bounds and all(map(_is_short, bounds)) else (None, None)
        return Written(
            rows=self._rows,
            bytes=os.path.getsize(self._path),
            row_groups=self._row_groups,
            time_min=min(self._time_bounds, default=0),
            time_max=max(self._time_bounds, default=0),
            key_min=low,
            key_max=high,
        )

    def _taken(self, count: int) -> pa.Table:
        """The first rows of those that wait."""
        if not self._pending:
            return self._schema.arrow.empty_table()
        first = self._pending[0]
        if first.num_rows >= count:
            rest, rows = [first.slice(count), *self._pending[1:]], first.slice(0, count)
        else:
            plain = [_plain(rows) for rows in self._pending]
            waiting = pa.concat_tables(plain)
            rest, rows = [waiting.slice(count)], waiting.slice(0, count)
        self._pending = [table for table in rest if table.num_rows]
        self._pending_rows -= count
        return rows

    def _write_group(self, rows: pa.Table) -> None:
        if self._encodings is None:
            sample = rows.take(pa.array(sample_positions(rows.num_rows)))
            self._encodings = choose(
                *(sample, self._schema, self._row_group_rows),
                settled=self._settled,
                indexed=self._indexed,
            )
        encoded = _encodable(rows, self._encodings).replace_schema_metadata(None)
        if self._writer is None:
            self._writer = self._open(encoded.schema, self._encodings)
        elif encoded.schema != self._writer.schema:
            encoded = encoded.cast(self._writer.schema)
        self._measure(rows)
        if rows.num_rows:
            self._writer.write_table(encoded, row_group_size=self._row_group_rows)
            self._row_groups += 1

    def _open(self, schema: pa.Schema, encodings: Encodings) -> pq.ParquetWriter:
        names = [column.name for column in self._schema.columns]
        writer = pq.ParquetWriter(
            self._path,
            schema,
            **encodings.options(names),
            write_statistics=True,
            write_page_checksum=True,
            write_batch_size=_BATCH_VALUES,
            data_page_size=_PAGE_BYTES,
            max_rows_per_page=_SMALL_PAGE_ROWS if self._paged else _PAGE_ROWS,
            write_page_index=self._paged,
            sorting_columns=[pq.SortingColumn(names.index(n)) for n in self._schema.sort_key],
            store_schema=False,  # `_metadata` has it, with plain types
        )
        writer.add_key_value_metadata(_metadata(self._schema))
        return writer

    def _measure(self, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        self._rows += rows.num_rows
        times = pc.min_max(rows.column(self._schema.time_index))
        self._time_bounds += [times["min"].value, times["max"].value]
        self._key_bounds += _bounds(rows.column(self._schema.sort_key[0]))


def _metadata(schema: RegionSchema) -> dict[str, str]:
    """Our own keys, and the Arrow schema as Arrow itself would store it.

    It stores that of the rows as they are handed over, which may have dictionaries for text.
    """
    return {
        "gnomon.format": FORMAT_VERSION,
        "gnomon.schema_version": str(schema.version),
        "gnomon.time_index": schema.time_index,
        "gnomon.primary_key": "\n".join(schema.primary_key),
        "ARROW:schema": base64.b64encode(schema.arrow.serialize()).decode(),
    }


def _encodable(rows: pa.Table, encodings: Encodings) -> pa.Table:
    """The rows with text as dictionary exactly where the file gets one."""
    for index, field in enumerate(rows.schema):
        if is_text_dictionary(rows.column(index)) and field.name not in encodings.dictionary:
            plain = rows.column(index).cast(pa.string())
            rows = rows.set_column(index, field.with_type(pa.string()), plain)
    return rows


def _plain(rows: pa.Table) -> pa.Table:
    """The rows with all dictionaries decoded."""
    return _encodable(rows, Encodings())


def _bounds(keys: pa.ChunkedArray) -> list[KeyBound]:
    """Least and greatest text or number; nothing of other types and of NULLs alone."""
    if is_text_dictionary(keys):
        array = keys.combine_chunks()
        keys = array.dictionary.take(array.indices.unique().drop_null())
    elif not (pa.types.is_string(keys.type) or pa.types.is_integer(keys.type)):
        return []
    return [bound for bound in pc.min_max(keys).as_py().values() if bound is not None]


def _is_short(bound: KeyBound) -> bool:
    return isinstance(bound, int) or len(bound) <= KEY_BOUND_CHARACTERS_MAX
