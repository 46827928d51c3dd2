"""The rows of a flush in the order of a file, gathered piece by piece.

Called by `engine.flush`. The rows stay where they are in memory; beside them there are the ranks of
the key columns and one contiguous copy of each other column, and what is being written: a row
group at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from engine.memtable.keys import Codes
from engine.memtable.order import Ranked, arranged, rank
from engine.schema import RegionSchema
from engine.sst.fingerprints import Fingerprints, of_columns

# Up to this many distinct texts go along with every piece; of more, those that occur.
_SMALL_DICTIONARY = 256


@dataclass(frozen=True, slots=True)
class SortedRows:
    """Rows in order; `times` are those of `order`, so in the order of the file."""

    schema: RegionSchema
    keys: dict[str, Ranked]  # the text columns of the primary key
    columns: dict[str, pa.Array]  # all others, in the order of arrival
    order: Codes
    times: Codes

    @classmethod
    def of(cls, rows: pa.Table, schema: RegionSchema, *, unique: bool) -> SortedRows:
        """Sorts rows that are in order of arrival. `unique`: of equal keys the last stays."""
        numbers = {
            name: _contiguous(rows.column(name))
            for name in schema.sort_key
            if pa.types.is_primitive(rows.schema.field(name).type)
        }
        ranked = [rank(_chunked(rows, numbers, name)) for name in schema.primary_key]
        times = numbers[schema.time_index].view(pa.int64()).to_numpy()
        order, sorted_times = arranged(ranked, times, unique=unique)
        keys = {
            name: replace(column, ranks=column.ranks.astype(np.int32))
            for name, column in zip(schema.primary_key, ranked, strict=True)
            if column.values is not None
        }
        columns = {
            name: numbers[name] if name in numbers else _contiguous(rows.column(name))
            for name in rows.column_names
            if name not in keys
        }
        return cls(schema, keys, columns, order, sorted_times)

    def part(self, positions: Codes) -> SortedRows:
        """Some of the rows, named by ascending places in the order."""
        return replace(self, order=self.order[positions], times=self.times[positions])

    def rows(self, places: slice | Codes, dictionaries: AbstractSet[str]) -> pa.Table:
        """The rows at some places of the order; text keys in `dictionaries` stay encoded."""
        chosen = self.order[places]
        positions = pa.array(chosen)
        arrays, fields = [], []
        for field in self.schema.arrow:
            if field.name in self.keys:
                array = _text(self.keys[field.name], chosen, encoded=field.name in dictionaries)
            elif field.name in self.columns:
                array = self.columns[field.name].take(positions)
            else:
                continue
            arrays.append(array)
            fields.append(field.with_type(array.type))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def identities(self, places: Codes) -> pa.Table:
        """The sort key of the rows at some places, as plain columns."""
        names = self.schema.sort_key
        part = replace(self, columns={n: c for n, c in self.columns.items() if n in names})
        return part.rows(places, frozenset())

    def fingerprints(self) -> Fingerprints | None:
        """Of all rows, in order of arrival; None if a key column's type has none."""
        return of_columns(
            [self.keys.get(name) or self.columns[name] for name in self.schema.sort_key]
        )


def _chunked(rows: pa.Table, numbers: Mapping[str, pa.Array], name: str) -> pa.ChunkedArray:
    return pa.chunked_array([numbers[name]]) if name in numbers else rows.column(name)


def _contiguous(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _text(key: Ranked, rows: Codes, *, encoded: bool) -> pa.Array:
    """A text column of some rows, as a dictionary of the values that occur or as plain text."""
    values = key.values
    assert values is not None
    ranks = key.ranks[rows]
    missing = ranks >= len(values)
    mask = missing if missing.any() else None
    if not encoded:
        return values.take(pa.array(ranks, mask=mask))
    if len(values) > _SMALL_DICTIONARY and len(ranks):
        least = int(ranks.min())
        occurs = np.zeros(len(values) + 1 - least, np.bool_)
        occurs[ranks - least] = True
        used = np.flatnonzero(occurs[:-1])
        ranks = (np.cumsum(occurs) - 1)[ranks - least]
        values = values.take(pa.array(used + least))
    codes = pa.array(ranks.astype(np.int32), mask=mask)
    return pa.DictionaryArray.from_arrays(codes, values, safe=False)
