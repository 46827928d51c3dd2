"""A session's transaction over both stores: DuckDB's own, and staged writes for the region engine.

I1. Staged rows are visible to their own session only, until COMMIT.
I2. A transaction that touched both stores has one deciding moment, DuckDB's COMMIT: the regions'
    rows are in the log as prepared before it, and its transaction id is stored by it. Recovery
    (sql/database.py) applies a prepared record exactly if that id is there.
I3. Regions made by the transaction are dropped by its rollback; regions it dropped go after COMMIT.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from catalog.api import Catalog
from catalog.store import SYSTEM_SCHEMA
from engine.api import Regions, Write
from engine.errors import DbError, ErrorKind
from engine.schema import RegionOptions, RegionSchema
from sql.run.duck import Duck


class Transaction:
    """One open transaction; `explicit` if the client began it."""

    def __init__(self, duck: Duck, catalog: Catalog, regions: Regions, *, explicit: bool) -> None:
        self.explicit = explicit
        self.failed = False
        self.changed_store = False  # something in DuckDB was written
        self.read_only = False
        self._duck = duck
        self._catalog = catalog
        self._regions = regions
        self._staged: list[Write] = []
        self._created: list[int] = []
        self._dropped: list[int] = []
        duck.execute("BEGIN TRANSACTION")

    @property
    def staged(self) -> Sequence[Write]:
        """Writes waiting for COMMIT, oldest first."""
        return self._staged

    def stage(self, write: Write) -> None:
        """Adds rows for COMMIT to write."""
        if write.rows.num_rows:
            self._staged.append(write)

    def create_region(self, region_id: int, schema: RegionSchema, options: RegionOptions) -> None:
        """Makes a region that lives on only if the transaction commits."""
        self._created.append(region_id)
        self._regions.create(region_id, schema, options)

    def drop_regions(self, region_ids: Sequence[int]) -> None:
        """Drops regions when (and only if) the transaction commits."""
        self._dropped += region_ids
        self._staged = [w for w in self._staged if w.region_id not in region_ids]

    def commit(self) -> None:
        """Makes everything durable and visible, or (raising DbError) nothing."""
        try:
            if self._staged and self.changed_store:
                self._commit_both()
            else:
                if self._staged:
                    self._regions.write(self._staged)
                self._duck.execute("COMMIT")
        except DbError:
            self.rollback()
            raise
        self._catalog.commit(self._duck.cursor)
        for region_id in self._dropped:
            self._regions.drop(region_id)

    def _commit_both(self) -> None:
        transaction_id = uuid.uuid4().hex
        self._duck.execute(f"INSERT INTO {SYSTEM_SCHEMA}.decisions VALUES (?)", [transaction_id])
        self._regions.prepare(transaction_id, self._staged)
        try:
            self._duck.execute("COMMIT")
        except DbError:
            self._regions.abort_prepared(transaction_id)
            raise
        self._regions.commit_prepared(transaction_id)

    def rollback(self) -> None:
        """Undoes everything."""
        self._staged.clear()
        try:
            self._duck.execute("ROLLBACK")
        except DbError as error:
            # A COMMIT that failed has already ended DuckDB's transaction: nothing is left to undo.
            if error.kind not in (ErrorKind.SERIALIZATION_FAILURE, ErrorKind.FAILED_TRANSACTION):
                raise
        finally:
            self._catalog.rollback(self._duck.cursor)
            for region_id in self._created:
                self._regions.drop(region_id)
            self._created.clear()
