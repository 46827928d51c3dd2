"""Samples of series that are told by a hash of their labels, beside rows of any other kind.

Run for remote write. Series that the store remembers become one write to its samples, whatever the
number of metrics; all others are rows of tables like any agent's (ingest.py), and are remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog.records import WHOLE, Table
from engine.api import Op, Write
from engine.datatypes import FLOAT64
from engine.jit import UInt64s
from sql.ingest.batch import IngestTable
from sql.ingest.ingest import Ingest, written_to
from sql.ingest.put import put
from sql.metrics.store import SeriesStore
from sql.metrics.tags import Ids
from sql.metrics.whole import split_numbers
from sql.metrics.writes import labels_of
from sql.privileges import check_table, is_superuser

if TYPE_CHECKING:
    from sql.client_session import ClientSession

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class HashedSamples:
    """Samples by series. `plain`: which series have nothing else; `keys_of` gives two words each.

    Sample k is of series `series[k]`; times are milliseconds.
    """

    plain: Mask
    keys_of: Callable[[SeriesStore], UInt64s]
    series: Ids
    times: Ids
    values: NDArray[np.float64]


class KnownSamples(NamedTuple):
    """Samples of series by their ids; times are milliseconds."""

    ids: Ids
    times: Ids
    values: NDArray[np.float64]


@dataclass(frozen=True)
class IngestSamples:
    """A `Task`: writes samples, those of known series straight to the store's.

    `at_once` may give all there is, if that is samples of known series alone; else `samples` are
    asked for. `rest` gives, for a mask of known series and the keys of the others, the rows of all
    else.
    """

    physical: str
    samples: Callable[[], HashedSamples]
    rest: Callable[[Mask, UInt64s | None], Sequence[IngestTable]]
    at_once: Callable[[SeriesStore], KnownSamples | None] = lambda _: None
    text: str = "REMOTE WRITE"
    writes: bool = True

    def run(self, session: ClientSession) -> int:
        """Writes all or nothing; how many samples went to known series. Raises: DbError."""
        physical = session.lookup(session.database, self.physical)
        if physical is None or not physical.is_store:
            nothing = np.zeros(len(self.samples().plain), np.bool_)
            Ingest(self.rest(nothing, None)).run(session)
            return 0
        with session.server.metrics.leases.held(session):
            store = session.server.metrics.of(physical)
            return self._all_known(session, physical, store) or self._run(session, physical, store)

    def _all_known(self, session: ClientSession, physical: Table, store: SeriesStore) -> int:
        """Writes what there is at once; 0 if that cannot be, and nothing is written."""
        found = self.at_once(store)
        if found is None:
            return 0
        bad, tables = store.known.check(found.ids, session.catalog.version, session.table_of)
        if bad:
            return 0
        _use(session, store, tables, found.ids)
        put(session, [_write(physical, store, found)])
        return len(found.ids)

    def _run(self, session: ClientSession, physical: Table, store: SeriesStore) -> int:
        samples = self.samples()
        keys = samples.keys_of(store)
        ids, tables = store.known.find(keys, session.catalog.version, session.table_of)
        _use(session, store, tables, ids)
        ids = np.where(samples.plain, ids, np.int64(-1))
        known = ids >= 0
        mine = known[samples.series]
        found = KnownSamples(ids[samples.series[mine]], samples.times[mine], samples.values[mine])
        given = self.rest(known, keys.reshape(-1, 2)[~known].reshape(-1))
        writes = (_write(physical, store, found),) if len(found.ids) else ()
        Ingest(given, known=writes).run(session)
        for one in given:
            if one.keys is not None:
                _remember(session, store, one)
        return len(found.ids)


def _use(session: ClientSession, store: SeriesStore, tables: Sequence[Table], ids: Ids) -> None:
    """Notes the ids that are to be written. Raises: DbError ACCESS_DENIED."""
    if not is_superuser(session):
        for table in tables:
            check_table(session, table, "INSERT")
    store.touch(ids)


def _write(physical: Table, store: SeriesStore, samples: KnownSamples) -> Write:
    schema = physical.samples.region_schema()
    doubles, wholes = split_numbers(samples.values)
    arrays = []
    for column in schema.columns:
        if column.name in schema.primary_key:
            arrays.append(pa.array(samples.ids))
        elif column.name == schema.time_index:
            arrays.append(pa.array(samples.times).view(schema.time_type.arrow))
        elif column.type == FLOAT64:
            arrays.append(doubles)
        elif column.name == WHOLE:
            arrays.append(wholes)
        else:
            arrays.append(pa.nulls(len(samples.ids), column.type.arrow))
    rows = pa.Table.from_arrays(arrays, schema=schema.arrow)
    return Write(store.samples_region_id, Op.PUT, rows, schema)


def _remember(session: ClientSession, store: SeriesStore, given: IngestTable) -> None:
    """Notes the series of rows that were written, if they are the store's."""
    table = written_to(session, given)
    if table is None or table.store_id != store.id or given.keys is None:
        return
    columns = {column.name: column.values for column in given.columns}
    ids = store.find(table, labels_of(table, columns), given.rows)
    store.known.remember(table, given.keys, ids)
