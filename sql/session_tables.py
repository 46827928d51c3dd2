"""Which tables a session sees and changes: the catalog's and its own temporary ones.

A part of the session (sql/client_session.py), which has the attributes that are declared here.
"""

from __future__ import annotations

from collections.abc import Mapping

from catalog.api import Catalog
from catalog.objects import Routine
from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.plan.plan import QueryPlan
from sql.run.duck import Duck
from sql.temporary import TemporaryTables
from sql.transaction import Transaction


class SessionTables:
    """Records of tables by name and id, as the session's transaction sees them."""

    catalog: Catalog
    duck: Duck
    temporary: TemporaryTables
    transaction: Transaction | None
    routines_known: tuple[int, Mapping[str, tuple[Routine, ...]]] | None = None  # and when

    def note_reads(self, plan: QueryPlan) -> None:
        """The open transaction is about to read what the plan names."""
        if self.transaction is not None:
            series = (scan.table.home_id for scan in plan.scans)
            self.transaction.order.read(plan.stored, [*series], more=bool(plan.tqls))

    def lookup(self, database: str, name: str) -> Table | None:
        """The table of that name as this session's transaction sees it."""
        return self.temporary.lookup(database, name) or self.catalog.table(
            self.duck.cursor, database, name
        )

    def table_of(self, table_id: int) -> Table | None:
        """The table of that id as this session's transaction sees it."""
        return self.catalog.table_of(self.duck.cursor, table_id)

    def put_table(self, table: Table) -> None:
        """Stores the record of a new or changed table. Raises: DbError DUPLICATE_TABLE."""
        if table.temporary:
            self.temporary.put(table)
        else:
            self.catalog.put_table(self.duck.cursor, table)

    def change_table(self, old: Table, new: Table) -> None:
        """Stores a record in place of the one it was made from.

        Raises: DbError SERIALIZATION_FAILURE if another transaction has changed that meanwhile
        (sql/run/waiting.py then runs the statement again), DUPLICATE_TABLE.
        """
        if not old.temporary:
            self.catalog.lock(self.duck.cursor, old.database, old.name)
            if self.table_of(old.id) != old:
                message = f'table "{old.name}" was changed by another session'
                raise DbError(ErrorKind.SERIALIZATION_FAILURE, message, hint="try again")
        self.put_table(new)

    def remove_table(self, table: Table) -> None:
        """Forgets the record of a table."""
        if table.temporary:
            self.temporary.remove(table)
        else:
            self.catalog.remove_table(self.duck.cursor, table)

    def drop_temporary(self) -> None:
        """Drops the session's temporary tables. Requires: no transaction is open."""
        self.duck.settle()
        self.temporary.drop_all(self.duck.execute)
