"""Rows of tables as writes to regions: the one place where every statement's rows become those.

Rows of a logical table in a series store are samples there; all others go where route.py says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from catalog.records import SERIES, WHOLE, Table
from engine.api import Op, Write
from engine.datatypes import FLOAT64
from engine.schema import RegionSchema, Semantic
from engine.series.index import Labels
from sql.metrics.store import SeriesStore
from sql.metrics.tags import Ids, tag_columns
from sql.metrics.whole import split
from sql.partition import route

if TYPE_CHECKING:
    from sql.client_session import ClientSession


def writes_of(session: ClientSession, table: Table, op: Op, rows: pa.Table) -> list[Write]:
    """The rows as writes to regions, in their order within each.

    Requires: whole rows, or for deletions the identity columns. Raises: DbError; what may have
    become known by then are series without samples.
    """
    if not table.metric:
        return route.writes_of(table, op, rows)
    if not rows.num_rows:
        return []
    physical = session.table_of(table.store_id)
    assert physical is not None, "a logical table keeps its physical one"
    stores = session.server.metrics
    store = stores.of(table)
    stores.leases.keep(session)  # until these rows are written
    if op is Op.DELETE:
        return _deletions(store, table, physical, rows)
    ids = store.ids(table, _labels(table, rows), rows.num_rows)
    return [
        Write(store.samples_region_id, op, _samples(table, physical, ids, rows), _schema(physical))
    ]


def _schema(physical: Table) -> RegionSchema:
    return physical.samples.region_schema()


def labels_of(table: Table, columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> dict[str, Labels]:
    """The labels of rows, by the tags that are among their columns."""
    names = (column.name for column in tag_columns(table))
    return {name: Labels.of(columns[name]) for name in names if name in columns}


def _labels(table: Table, rows: pa.Table) -> dict[str, Labels]:
    return labels_of(table, dict(zip(rows.column_names, rows.columns, strict=True)))


def _deletions(store: SeriesStore, table: Table, physical: Table, rows: pa.Table) -> list[Write]:
    ids = store.find(table, _labels(table, rows), rows.num_rows)
    known = np.flatnonzero(ids >= 0)
    if not len(known):
        return []
    times = rows.column(str(table.time_index)).take(pa.array(known))
    keys = pa.table({SERIES: ids[known], str(physical.time_index): times})
    return [Write(store.samples_region_id, Op.DELETE, keys, _schema(physical))]


def _samples(table: Table, physical: Table, ids: Ids, rows: pa.Table) -> pa.Table:
    schema = _schema(physical).arrow
    fields = {c.name: c for c in table.columns if c.semantic is Semantic.FIELD}
    given = {SERIES: pa.array(ids), str(physical.time_index): rows.column(str(table.time_index))}
    for name, column in fields.items():
        given[name] = rows.column(name)
        if column.type == FLOAT64:
            given[name], given[WHOLE] = split(given[name])
    arrays = [
        given[column.name] if column.name in given else pa.nulls(rows.num_rows, column.type)
        for column in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
