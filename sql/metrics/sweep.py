"""Takes away what nothing leads to any more: samples and series of metrics that were dropped.

A metric's number dies with DROP or TRUNCATE of its table. A thread of the database looks for dead
numbers now and then; what a crash or a full disk leaves is found by the next start. It never
touches a number that no committed table had: that may be of a transaction that is still open.
Once an hour it also retires series without samples (retire.py).
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from catalog.records import SERIES, Table
from engine.api import Op, Regions, SampleRequest, Write
from engine.errors import DbError
from sql.metrics.retire import DEAD_MIN, retire
from sql.metrics.store import SeriesStore, SeriesStores
from sql.metrics.tags import Ids

_LOG = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
_RETIRE_EVERY = 60  # sweeps: it reads a column of many files
_SERIES_AT_ONCE = 1_000
_ROWS_AT_ONCE = 100_000


class Sweeper:
    """Sweeps all stores that are in use."""

    def __init__(
        self, stores: SeriesStores, regions: Regions, tables: Callable[[], Sequence[Table]]
    ) -> None:
        # Constant after construction.
        self._stores = stores
        self._regions = regions
        self._tables = tables
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics sweeper", daemon=True)
        # Held while sweeping.
        self._sweeping = threading.Lock()

    def start(self) -> None:
        """Begins to sweep in the background."""
        self._thread.start()

    def close(self) -> None:
        """Ends the background thread; returns when it has ended."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        self._load()
        for turn in itertools.count():
            if self._ended.wait(SWEEP_SECONDS):
                return
            try:
                self.sweep()
                if turn % _RETIRE_EVERY == 0:
                    self.retire()
            except DbError as error:
                _LOG.warning("dropped metrics are swept later: %s", error)

    def _load(self) -> None:
        """Reads the series of all stores, so that no client waits for it later."""
        try:
            for table in self._tables():
                if table.is_store and not self._ended.is_set():
                    self._stores.of(table)
        except DbError as error:
            _LOG.warning("series are read when they are first used: %s", error)

    def retire(self, least: int = DEAD_MIN) -> int:
        """Retires series without samples where a store has so many; how many. Raises: DbError."""
        with self._sweeping:
            stores = self._stores.open()
            return sum(retire(one, self._stores.leases, self._regions, least) for one in stores)

    def sweep(self) -> int:
        """Removes dead metrics; how many. Raises: DbError; what is left is for the next time."""
        with self._sweeping:
            tables = self._tables()
            count = 0
            for store in self._stores.open():
                physical = next((t for t in tables if t.id == store.id), None)
                if physical is None:
                    self._stores.forget(store.id)
                    continue
                alive = {t.metric for t in tables if t.metric and t.store_id == store.id}
                for number in store.dead(alive):
                    if self._ended.is_set():
                        return count
                    self._remove(store, physical, number)
                    count += 1
            return count

    def _remove(self, store: SeriesStore, physical: Table, number: int) -> None:
        """Samples first: as long as a series is defined, the next start finds them."""
        ids = store.index.select(number).ids
        for begin in range(0, len(ids), _SERIES_AT_ONCE):
            part = ids[begin : begin + _SERIES_AT_ONCE]
            self._remove_samples(store, physical, part)
            store.remove_definitions(part)
        store.forget(number)
        _LOG.info("metric %d of store %d is gone with %d series", number, store.id, len(ids))

    def _remove_samples(self, store: SeriesStore, physical: Table, ids: Ids) -> None:
        found = self._regions.samples(store.samples_region_id, SampleRequest(ids))
        series = np.repeat(ids, np.diff(found.offsets))
        schema = physical.samples.region_schema()
        for begin in range(0, len(series), _ROWS_AT_ONCE):
            rows = slice(begin, begin + _ROWS_AT_ONCE)
            times = pa.array(found.times[rows]).view(schema.time_type.arrow)
            keys = pa.table({SERIES: series[rows], schema.time_index: times})
            self._regions.write([Write(store.samples_region_id, Op.DELETE, keys, schema)])
