"""A session's temporary tables: their records, which no other session and no catalog knows.

Rows are in the temporary store of the session's DuckDB connection, and go with it. On MySQL a
temporary table belongs to a database and hides its table of the same name; elsewhere it is in the
database `pg_temp`, which unqualified names are looked for first.

I1. Records follow the transaction: what it made or dropped is undone by its rollback.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from catalog.records import Table, TableKind
from engine.errors import DbError, ErrorKind
from sql.types import quote

PG_TEMP = "pg_temp"
ON_COMMIT = "on_commit"  # the record's option: what happens to the table at COMMIT
DROP, DELETE_ROWS = "drop", "delete rows"


def stored_name(table: Table) -> str:
    """A temporary table's name in the connection's own store."""
    return f"__temp_{table.id}"


_states = itertools.count(1)


class TemporaryTables:
    """The records by name. One thread at a time.

    `state` is 0 without any table, else a number that no other state of any session has.
    """

    def __init__(self) -> None:
        self.state = 0
        self._tables: dict[tuple[str, str], Table] = {}
        self._before: dict[tuple[str, str], Table] | None = None  # the open transaction began

    def __bool__(self) -> bool:
        return bool(self._tables)

    def all(self) -> Sequence[Table]:
        """Every record."""
        return list(self._tables.values())

    def lookup(self, database: str, name: str) -> Table | None:
        """The temporary table of that exact name."""
        return self._tables.get((database, name))

    def lookup_id(self, table_id: int) -> Table | None:
        """The temporary table of that id."""
        return next((table for table in self._tables.values() if table.id == table_id), None)

    def put(self, table: Table) -> None:
        """Adds a record, or replaces the one of its id. Raises: DbError DUPLICATE_TABLE."""
        key = table.database, table.name
        there = self._tables.get(key)
        if there is not None and there.id != table.id:
            message = f'temporary table "{table.name}" already exists'
            raise DbError(ErrorKind.DUPLICATE_TABLE, message)
        old = self.lookup_id(table.id)
        if old is not None:
            self.remove(old)
        self._tables[key] = table
        self._changed()

    def remove(self, table: Table) -> None:
        """Forgets a record."""
        del self._tables[table.database, table.name]
        self._changed()

    def _changed(self) -> None:
        self.state = next(_states) if self._tables else 0

    # Transactions.

    def begin(self) -> None:
        """A transaction begins."""
        self._before = dict(self._tables)

    def before_commit(self, execute: Callable[[str], object]) -> None:
        """Does what was asked for at COMMIT, as the transaction's last act."""
        for table in self.all():
            action = table.options.get(ON_COMMIT)
            if action == DROP:
                execute(f"DROP TABLE {quote(stored_name(table))}")
                self.remove(table)
            elif action == DELETE_ROWS and table.kind is not TableKind.VIEW:
                execute(f"DELETE FROM {quote(stored_name(table))}")

    def commit(self) -> None:
        """The transaction has committed."""
        self._before = None

    def rollback(self) -> None:
        """The transaction is undone; it may go on from its beginning."""
        if self._before is not None:
            self._tables = dict(self._before)
            self._changed()

    def drop_all(self, execute: Callable[[str], object]) -> None:
        """Drops every one. Requires: no transaction is open."""
        for table in self.all():
            if table.kind is not TableKind.VIEW:
                execute(f"DROP TABLE {quote(stored_name(table))}")
            self.remove(table)
