"""Rows of logical tables in a series store, for DuckDB: samples joined with their labels.

Called by sql/run where a scan of a table becomes text. Tag conditions are turned into series first,
so that samples are looked for by the one column they are sorted by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from catalog.records import SERIES, WHOLE, Column, Table
from engine.api import KeyFilter
from engine.datatypes import FLOAT64
from engine.schema import Semantic
from engine.series.index import SERIES_BITS, Condition, Labels
from sql.metrics.store import SeriesStore, SeriesStores
from sql.metrics.tags import Ids, tag_columns
from sql.plan.tables import Reference
from sql.types import quote

Register = Callable[[pa.Table], str]

_KEYS_MAX = 1_000  # series that are looked up one by one; more are a range of ids
_NO_SERIES = -1
# What a physical table shows beside labels: the logical table's id, the series' id.
TABLE_ID, SERIES_ID = "__table_id", "__tsid"
INTERNAL = (TABLE_ID, SERIES_ID)
_DICTIONARY = pa.dictionary(pa.int32(), pa.string())

_SERIES = f"s.{quote(SERIES)}"


@dataclass(frozen=True)
class MetricScan:
    """A scan of a table in a store as one of the store's samples.

    `keys` prune. `wrap` makes the table's rows out of the relation of samples.
    """

    reference: Reference
    keys: tuple[KeyFilter, ...]
    columns: tuple[tuple[str, str], ...]  # name in the table, text over samples and labels
    labels: pa.Table | None  # what samples are joined with
    link: str  # the condition of that
    where: str

    def wrap(self, samples: str, register: Register) -> str:
        """The rows as a parenthesised query."""
        items = ", ".join(f"{inner} AS {quote(outer)}" for outer, inner in self.columns)
        text = f"SELECT {items} FROM {samples} AS s"
        if self.labels is not None:
            text += f" JOIN {register(self.labels)} AS l ON {self.link}"
        return f"({text} WHERE {self.where})"


@dataclass(frozen=True)
class MetricScans:
    """Scans of tables in stores, as a session sees them."""

    stores: SeriesStores
    table_of: Callable[[int], Table | None]
    tables: Callable[[], Sequence[Table]]

    def scan(self, reference: Reference, keys: Sequence[KeyFilter]) -> MetricScan | None:
        """What a scan has to read; None for tables with regions of their own.

        `keys`: what its tags must equal, to prune.
        """
        table = reference.table
        if not table.store_id:
            return None
        if table.is_store:
            return _physical_scan(reference, self.stores.of(table), self.tables(), keys)
        physical = self.table_of(table.store_id)
        assert physical is not None, "a logical table keeps its physical one"
        return _logical_scan(reference, physical, self.stores.of(table), keys)


def _physical_scan(
    reference: Reference,
    store: SeriesStore,
    tables: Sequence[Table],
    keys: Sequence[KeyFilter],
) -> MetricScan:
    """The samples of all metrics that there are, with the labels of all."""
    table = reference.table
    own = [one for one in tables if one.metric and one.store_id == table.id]
    wanted = [c for c in table.columns if c.name in reference.columns]
    tags = [c.name for c in wanted if c.semantic is Semantic.TAG]
    if tags:
        parts = [_of_metric(store, one, tags, keys) for one in own]
        labels = pa.concat_tables(parts) if parts else pa.table({SERIES: pa.array([], pa.int64())})
        link = f"{_SERIES} = l.{quote(SERIES)}"
    else:
        labels = pa.table({SERIES: pa.array(sorted(one.metric for one in own), pa.int64())})
        link = f"{_SERIES} >> {SERIES_BITS} = l.{quote(SERIES)}"
    columns = tuple(
        (c.name, f"l.{quote(c.name)}" if c.name in tags else _stored(c, c.name)) for c in wanted
    )
    samples = _samples(reference, table, set(reference.columns) - set(tags))
    return MetricScan(samples, (), columns, labels, link, "true")


def _of_metric(
    store: SeriesStore, table: Table, tags: Sequence[str], keys: Sequence[KeyFilter]
) -> pa.Table:
    """The series of one logical table as rows of its physical one's labels."""
    names = {column.name for column in tag_columns(table)}
    ids, found = store.select(table, _conditions(table, keys), tags)
    if any(key.column not in names and key.column not in INTERNAL for key in keys):
        ids = ids[:0]  # a label that its series have not is equal to nothing
        found = {name: Labels(one.values, one.codes[:0]) for name, one in found.items()}
    arrays = {SERIES: pa.array(ids)}
    for name in tags:
        if name in found:
            arrays[name] = _dictionary(found[name])
        elif name == TABLE_ID:
            arrays[name] = pa.repeat(pa.scalar(table.id, pa.uint32()), len(ids))
        elif name == SERIES_ID:
            arrays[name] = pa.array(ids.astype(np.uint64))
        else:
            arrays[name] = pa.nulls(len(ids), _DICTIONARY)
    return pa.table(arrays)


def _logical_scan(
    reference: Reference, physical: Table, store: SeriesStore, keys: Sequence[KeyFilter]
) -> MetricScan:
    table = reference.table
    wanted = [c for c in table.columns if c.name in reference.columns]
    tags = [c.name for c in wanted if c.semantic is Semantic.TAG]
    labels, filters = None, tuple[KeyFilter, ...]()
    conditions = _conditions(table, keys)
    if tags or conditions:
        ids, found = store.select(table, conditions, tags)
        labels = _labels(ids, found)
        if conditions and len(ids) <= _KEYS_MAX:
            filters = (KeyFilter(SERIES, tuple(ids.tolist()) or (_NO_SERIES,)),)
    names = {str(table.time_index): str(physical.time_index)}
    columns = tuple(
        (c.name, f"l.{quote(c.name)}" if c.name in tags else _stored(c, names.get(c.name, c.name)))
        for c in wanted
    )
    samples = _samples(reference, physical, {names.get(c.name, c.name) for c in wanted} - set(tags))
    first = table.metric << SERIES_BITS
    where = f"{_SERIES} >= {first} AND {_SERIES} < {first + (1 << SERIES_BITS)}"
    return MetricScan(samples, filters, columns, labels, f"{_SERIES} = l.{quote(SERIES)}", where)


def _conditions(table: Table, keys: Sequence[KeyFilter]) -> list[Condition]:
    found = []
    for key in keys:
        column = table.column(key.column)
        if column is not None and column.semantic is Semantic.TAG:
            values = tuple(value for value in key.values if isinstance(value, str))
            found.append(Condition(column.id, values))
    return found


def _samples(reference: Reference, physical: Table, names: set[str]) -> Reference:
    """The scan as one of these columns of the store's samples, with their series."""
    inside = physical.samples
    if any(c.name in names and c.type == FLOAT64 for c in inside.columns):
        names = names | {WHOLE}
    columns = tuple(c.name for c in inside.columns if c.name in names or c.name == SERIES)
    return Reference(
        reference.placeholder,
        reference.alias,
        reference.node_id,
        inside,
        inside.region_schema(),
        columns,
        fine_times=reference.fine_times,
    )


def _stored(column: Column, name: str) -> str:
    """A column over the samples, where it is called so."""
    if column.type == FLOAT64:
        return f"COALESCE(CAST(s.{quote(WHOLE)} AS DOUBLE), s.{quote(name)})"
    return f"s.{quote(name)}"


def _labels(ids: Ids, labels: Mapping[str, Labels]) -> pa.Table:
    arrays = {SERIES: pa.array(ids)}
    arrays |= {name: _dictionary(one) for name, one in labels.items()}
    return pa.table(arrays)


def _dictionary(labels: Labels) -> pa.DictionaryArray:
    codes = pa.array(labels.codes, mask=labels.codes < 0)
    return pa.DictionaryArray.from_arrays(codes, labels.values)
