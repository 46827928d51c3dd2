"""The series of one physical metric table: which labels they have, durably.

Shared by all sessions. The definitions lie in a region of the store and, once it is used, in an
index in memory; samples are written and read by others (writes.py, scans.py, engine.samples).

I1. An id that `ids` has returned is defined durably: no sample is acknowledged before its labels.
I2. An id that a writer with a lease was given stays good until the lease ends. When series are
    retired the index is replaced: who reads several times keeps the object it began with.
I3. A label set is not defined anew before the definition it had is durably gone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from threading import Lock, local

import numpy as np
import pyarrow as pa

from catalog.records import REGION_BITS, SERIES, Table
from catalog.shapes import CREATED, LABELS, SERIES_SCHEMA, series_region
from engine.api import Op, Regions, Write
from engine.datatypes import TIMESTAMP_MILLISECOND
from engine.series.index import Condition, Labels, SeriesIndex, SeriesSet
from engine.series.renewal import Renewal
from sql.metrics.known import KnownSeries
from sql.metrics.leases import Leases
from sql.metrics.tags import Ids, tag_columns

_LOG = logging.getLogger(__name__)

_RETIRED_AT_ONCE = 100_000  # definitions removed by one record of the log
_TOUCHED_MAX = 4_000_000  # ids that are noted before repetitions are taken out


class Later(local):
    """Whether this thread defines new series later, many at once."""

    on = False


class Touched:
    """Ids that writers were given while series are retired. One thread at a time."""

    def __init__(self) -> None:
        self._ids: list[Ids] = []
        self._count = 0

    def add(self, ids: Ids) -> None:
        """Takes some, in any order; negative ones mean nothing."""
        self._ids.append(ids)
        self._count += len(ids)
        if self._count > _TOUCHED_MAX:
            self._ids, self._count = [self.ids()], 0

    def ids(self) -> Ids:
        """All of them, ascending."""
        return np.unique(np.concatenate([np.empty(0, np.int64), *self._ids]))


class SeriesStore:
    """Every method may be called from any thread."""

    def __init__(self, store_id: int, regions: Regions, later: Later) -> None:
        # Constant after construction.
        self.id = store_id
        self.samples_region_id = store_id << REGION_BITS
        self.series_region_id = series_region(store_id)
        self.index = SeriesIndex()
        self.known = KnownSeries()
        self._regions = regions
        self._later = later
        # Guarded by _lock.
        self._lock = Lock()
        self._undefined: list[Ids] = []  # in the index, but not yet durable
        self._retired: list[Ids] = []  # no longer in the index, but still defined
        self._touched: Touched | None = None  # what writers are given while series are retired
        # Held while definitions are written.
        self._defining = Lock()
        self._load()
        # Numbers of metrics that had a committed table at some time. Used by the sweeper only.
        self._committed = set(self.index.metrics())

    def _load(self) -> None:
        started, count = time.monotonic(), 0
        changes = self._regions.follow(self.series_region_id)
        try:
            for _, rows in changes.advance():
                ids = rows.column(SERIES).combine_chunks().to_numpy()
                order = np.argsort(ids, kind="stable")
                labels = rows.column(LABELS).combine_chunks().take(pa.array(order))
                self.index.load(ids[order], labels)
                count += len(ids)
        finally:
            changes.close()
        if count:
            _LOG.info("%d series of store %d in %.1f s", count, self.id, time.monotonic() - started)

    def ids(self, table: Table, labels: Mapping[str, Labels], count: int) -> Ids:
        """The series of `count` rows of a logical table, by its tags; new ones are defined first
        (inside `SeriesStores.together`, when it ends).

        Requires: the table is of this store. Raises: as `Regions.write`; the rows cannot be written
        then.
        """
        with self._lock:
            found = self.index.find_or_add(table.metric, _by_id(table, labels), count)
            if len(found.fresh):
                self._undefined.append(found.fresh)
            waiting = bool(self._undefined)
            if self._touched is not None:
                self._touched.add(found.ids)
        if waiting and not self._later.on:
            self.define()
        return found.ids

    def find(self, table: Table, labels: Mapping[str, Labels], count: int) -> Ids:
        """As `ids`, -1 for series that are not known."""
        return self.index.find(table.metric, _by_id(table, labels), count)

    def touch(self, ids: Ids) -> None:
        """Writers must say which ids they use that `ids` has not given them. Requires: a lease."""
        with self._lock:
            if self._touched is not None:
                self._touched.add(ids)

    def define(self) -> None:
        """Makes durable what others may rely on already. Waits for those who are at it."""
        with self._defining:
            self._undefine()
            with self._lock:
                waiting = list(self._undefined)
            if not waiting:
                return
            tables = [self.index.definitions(ids) for ids in waiting]
            rows = pa.concat_tables(tables)
            created = pa.repeat(pa.scalar(0, TIMESTAMP_MILLISECOND.arrow), rows.num_rows)
            columns = {SERIES: rows.column("series"), CREATED: created}
            columns[LABELS] = rows.column("labels")
            given = pa.table(columns, schema=SERIES_SCHEMA.arrow)
            self._regions.write([Write(self.series_region_id, Op.PUT, given, SERIES_SCHEMA)])
            with self._lock:
                del self._undefined[: len(waiting)]

    def _undefine(self) -> None:
        """Removes the definitions of retired series. Requires: _defining is held."""
        while self._retired:
            self.remove_definitions(self._retired[0])
            with self._lock:
                del self._retired[0]

    def remove_definitions(self, ids: Ids) -> None:
        """Removes some durably; the index is left as it is. Raises: as `Regions.write`."""
        created = pa.array(np.zeros(len(ids), np.int64)).view(TIMESTAMP_MILLISECOND.arrow)
        keys = pa.table({SERIES: ids, CREATED: created})
        self._regions.write([Write(self.series_region_id, Op.DELETE, keys, SERIES_SCHEMA)])

    # Retiring, in this order; by one thread.

    def watch(self) -> None:
        """From now on it is noted which ids writers use. Requires: nobody has a lease."""
        with self._lock:
            self._touched = Touched()

    def unwatch(self) -> None:
        """Ends what `watch` began."""
        with self._lock:
            self._touched = None

    def retire(self, dead: Ids, renewal: Renewal) -> int:
        """Replaces the index by its renewed copy, without those of the dead that writers touched.

        Returns: how many are retired. Requires: nobody has a lease since `watch`, but for those who
        were noted; the dead have no samples and ascend. Their definitions go with `define`.
        """
        with self._lock:
            assert self._touched is not None
            revived = np.intersect1d(dead, self._touched.ids())
            gone = np.setdiff1d(dead, revived, assume_unique=True)
            self.index = renewal.finish(revived)
            self.known.raw.forget(gone)
            self._retired += np.array_split(gone, len(gone) // _RETIRED_AT_ONCE + 1)
            return len(gone)

    def dead(self, alive: Set[int]) -> list[int]:
        """Numbers of metrics that a committed table had and none of `alive` has."""
        self._committed |= alive
        return sorted(self._committed - alive)

    def forget(self, number: int) -> None:
        """A dead metric has no samples and no definitions any more."""
        self.index.forget(number)
        self._committed.discard(number)

    def select(
        self, table: Table, conditions: Sequence[Condition] = (), tags: Sequence[str] | None = None
    ) -> tuple[Ids, dict[str, Labels]]:
        """The ids of a logical table's series that meet all conditions, ascending; their labels.

        `tags`: which ones, None for all. Conditions name tags by the ids of their columns.
        """
        columns = [c for c in tag_columns(table) if tags is None or c.name in tags]
        found: SeriesSet = self.index.select(table.metric, conditions, [c.id for c in columns])
        return found.ids, {column.name: found.labels[column.id] for column in columns}


def _by_id(table: Table, labels: Mapping[str, Labels]) -> dict[int, Labels]:
    return {
        column.id: labels[column.name] for column in tag_columns(table) if column.name in labels
    }


class SeriesStores:
    """The stores of a database, opened when they are first used. Any thread."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions
        self._later = Later()
        self.leases = Leases()
        # Guarded by _lock.
        self._lock = Lock()
        self._stores: dict[int, SeriesStore] = {}

    def of(self, table: Table) -> SeriesStore:
        """The store of a physical or logical table. Requires: table.store_id."""
        store = self._stores.get(table.store_id)
        if store is None:
            with self._lock:
                store = self._stores.get(table.store_id)
                if store is None:
                    store = SeriesStore(table.store_id, self._regions, self._later)
                    self._stores[table.store_id] = store
        return store

    def is_open(self, table: Table) -> bool:
        """Whether `of` gives the store at once. Requires: as there."""
        return table.store_id in self._stores

    @contextmanager
    def together(self) -> Iterator[None]:
        """Around finding the series of many metrics: new ones are defined at its end, at once.

        Requires: nothing is written inside. Raises: as `Regions.write`.
        """
        assert not self._later.on
        self._later.on = True
        try:
            yield
        finally:
            self._later.on = False
        for store in self.open():
            store.define()

    def open(self) -> list[SeriesStore]:
        """Those that were used."""
        with self._lock:
            return list(self._stores.values())

    def forget(self, store_id: int) -> None:
        """Its regions are gone."""
        with self._lock:
            self._stores.pop(store_id, None)
