"""Where each series of a file lies: rows are sorted by the primary key, then by time.

A `SeriesIndex` keeps one row of tags per series and the first row of each, so that a few series, a
short time or the newest rows are found by arithmetic instead of decoding. Made by
`engine.sst.series` for files that are asked for more than once; it never reads fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.api import KeyFilter, KeyValue
from engine.memtable.keys import Codes, KeySet, canonical
from engine.schema import RegionSchema
from engine.sst.deletion import Positions

# Series an index holds; a file with more has few rows of each, and no index pays.
SERIES_MAX = 200_000
_SERIES_BYTES = 150  # a dictionary entry and its text, about


@dataclass(frozen=True)
class SeriesIndex:
    """The series of one file in its order: rows starts[i] to starts[i + 1] have tags row i.

    `groups` are the first rows of the row groups, then the number of rows.
    """

    tags: pa.Table
    starts: Positions
    groups: Positions

    @property
    def nbytes(self) -> int:
        """Memory it takes, about."""
        return int(self.tags.nbytes + self.starts.nbytes + len(self.starts) * _SERIES_BYTES)

    @cached_property
    def _firsts(self) -> dict[KeyValue, tuple[int, int]]:
        """Value of the first tag → its series, from and to."""
        runs = pc.run_end_encode(self.tags.column(0).combine_chunks())
        ends = runs.run_ends.to_pylist()
        begins = [0, *ends[:-1]]
        values = runs.values.to_pylist()
        return {v: (b, e) for v, b, e in zip(values, begins, ends, strict=True)}

    @cached_property
    def _identities(self) -> KeySet:
        return KeySet(self.tags, self.tags.column_names)

    def matching(self, keys: Sequence[KeyFilter]) -> Positions | None:
        """The series whose tags are among the values of every filter; None is all of them."""
        found: Positions | None = None
        for key in keys:
            if key.column not in self.tags.column_names:
                continue
            some = self._matching(key)
            found = some if found is None else np.intersect1d(found, some, assume_unique=True)
        return found

    def _matching(self, key: KeyFilter) -> Positions:
        if key.column == self.tags.column_names[0]:
            ranges = [self._firsts[v] for v in dict.fromkeys(key.values) if v in self._firsts]
            parts = [np.arange(low, high) for low, high in sorted(ranges)]
            return np.concatenate(parts) if parts else np.empty(0, np.int64)
        column = self.tags.column(key.column)
        hit = pc.is_in(column, value_set=pa.array(key.values, column.type))
        return np.flatnonzero(hit.to_numpy())

    def numbers_of(self, rows: pa.Table | pa.RecordBatch) -> Codes:
        """For each row, the number of its series; -1 if the file has none such."""
        if not self.tags.num_columns:
            return np.zeros(rows.num_rows, np.int64)
        return self._identities.positions(rows)


def build(file: pq.ParquetFile, schema: RegionSchema) -> SeriesIndex | None:
    """The index of a file with that schema; None when it has too many series.

    Requires: `file` reads text tags as dictionaries. Raises: OSError, pa.ArrowException.
    """
    names = list(schema.primary_key)
    metadata = file.metadata
    counts = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    groups = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    types = pa.schema([schema.arrow.field(name) for name in names])
    if not names:
        return SeriesIndex(pa.table({}), np.array([0, groups[-1]], np.int64), groups)
    starts: list[Positions] = []
    tags: list[pa.Table] = []
    last: pa.Table | None = None
    count = 0
    for number, base in enumerate(groups[:-1]):
        rows = file.read_row_group(number, columns=names, use_threads=False).select(names)
        rows = rows.combine_chunks()
        begins = np.flatnonzero(_changes(rows))
        heads = _plain(rows.take(pa.array(begins)), types)
        if last is not None and _same(last, heads.slice(0, 1)):
            begins, heads = begins[1:], heads.slice(1)
        starts.append(begins + base)
        tags.append(heads)
        last = _plain(rows.slice(rows.num_rows - 1), types)
        count += len(begins)
        if count > SERIES_MAX:
            return None
    return SeriesIndex(
        pa.concat_tables(tags).combine_chunks(),
        np.concatenate([*starts, groups[-1:]]).astype(np.int64),
        groups,
    )


def _changes(rows: pa.Table) -> Positions:
    """For each row, whether its tags differ from those of the row before."""
    changed = np.zeros(rows.num_rows, np.bool_)
    changed[:1] = True
    for column in rows.columns:
        codes = _codes(column.chunk(0))
        changed[1:] |= codes[1:] != codes[:-1]
    return changed


def _codes(array: pa.Array) -> Codes:
    if not pa.types.is_dictionary(array.type):
        array = canonical(array).dictionary_encode(null_encoding="encode")
    indices = array.indices
    codes: Codes = (pc.fill_null(indices, -1) if indices.null_count else indices).to_numpy()
    return codes


def _plain(rows: pa.Table, types: pa.Schema) -> pa.Table:
    return rows.cast(types)


def _same(one: pa.Table, other: pa.Table) -> bool:
    """True if two single rows have the same tags."""
    both = pa.concat_tables([one, other])
    return len(KeySet(both, both.column_names).last_positions()) == 1
