"""Regions follow the catalog: they get new columns and options once those have committed.

Called by sql/transaction.py between DuckDB's COMMIT, which decides, and the moment the catalog
shows the change; by sql/database.py at the start; and before writes, if an earlier change could
not be made (a full disk). It never decides what a table looks like.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import duckdb

from catalog.api import Catalog
from catalog.records import Table
from catalog.shapes import Shape, shapes
from engine.api import Regions
from engine.errors import DbError, ErrorKind

_LOG = logging.getLogger(__name__)

_THREADS = 8  # each change waits for the disk; a database may have thousands of tables


class Alterations:
    """Keeps regions as the catalog says they are. Every method may be called from any thread.

    I1. Between two calls, a region differs from its committed table only if it is pending.
    """

    def __init__(self, catalog: Catalog, regions: Regions) -> None:
        self._catalog = catalog
        self._regions = regions
        # Held while regions follow one change: the next one then sees a catalog with that in it.
        self._lock = Lock()
        # Guarded by _lock.
        self._pending: dict[int, Shape] = {}

    def publish(
        self,
        cursor: duckdb.DuckDBPyConnection,
        tables: Collection[int],
        databases: Collection[str],
        made: Mapping[int, Shape],
    ) -> None:
        """Alters what the transaction changed, then shows the catalog's change to all.

        `tables` are ids; of `databases` every table follows; `made` are regions that the
        transaction created, as they were created. A region that cannot be altered now stays
        pending. Requires: DuckDB's COMMIT has returned.
        """
        if not tables and not databases:
            self._catalog.commit(cursor)
            return
        with self._lock:
            found = (self._catalog.table_of(cursor, table_id) for table_id in tables)
            followers = {table.id: table for table in found if table is not None}
            for database in databases:
                followers |= {t.id: t for t in self._catalog.tables(cursor, database)}
            try:
                self._follow(cursor, followers.values(), made)
            finally:
                self._catalog.commit(cursor)

    def follow_all(self, cursor: duckdb.DuckDBPyConnection) -> bool:
        """Alters every region that differs from its table; False if some could not be."""
        with self._lock:
            self._follow(cursor, self._catalog.tables(cursor), {})
            return not self._pending

    def follow(self, cursor: duckdb.DuckDBPyConnection, table_id: int) -> None:
        """Alters the regions of one table that differ from it; those it cannot stay pending."""
        with self._lock:
            table = self._catalog.table_of(cursor, table_id)
            if table is not None:
                self._follow(cursor, [table], {})

    def settle(self, region_ids: Iterable[int]) -> None:
        """Makes what is pending for some regions. Raises: DbError if it still fails."""
        if not self._pending:
            return
        with self._lock:
            for region_id in region_ids:
                if region_id in self._pending:
                    self._alter(region_id, self._pending[region_id])

    def _follow(
        self,
        cursor: duckdb.DuckDBPyConnection,
        tables: Iterable[Table],
        made: Mapping[int, Shape],
    ) -> None:
        wanted: list[tuple[int, Shape]] = []
        for table in tables:
            if table.is_time_series and table.region_ids:
                database = self._catalog.database(cursor, table.database)
                found = shapes(table, database)
                wanted += [(r, shape) for r, shape in found.items() if made.get(r) != shape]
        if len(wanted) == 1:
            self._try(*wanted[0])
        elif wanted:
            with ThreadPoolExecutor(min(len(wanted), _THREADS)) as pool:
                list(pool.map(lambda one: self._try(*one), wanted))

    def _try(self, region_id: int, shape: Shape) -> None:
        try:
            self._alter(region_id, shape)
        except DbError as error:
            _LOG.warning("region %d is altered later: %s", region_id, error)
            self._pending[region_id] = shape

    def _alter(self, region_id: int, shape: Shape) -> None:
        try:
            self._regions.alter(region_id, *shape)
        except DbError as error:
            if error.kind is not ErrorKind.REGION_NOT_FOUND:  # dropped meanwhile
                raise
        self._pending.pop(region_id, None)
