"""The door of the catalog: what sql/ may ask of it.

Every method takes the session's own cursor on the embedded database, so that what a transaction
has created or dropped is visible to itself at once and to others after COMMIT.
`catalog.catalog.EmbeddedCatalog` implements it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import duckdb

from catalog.details import Role
from catalog.flows import Flow
from catalog.objects import ObjectKind, SchemaObject
from catalog.records import Database, Table


class Catalog(Protocol):
    """Names and definitions of databases, tables and views."""

    def databases(self, cursor: duckdb.DuckDBPyConnection) -> Sequence[Database]:
        """All databases, by name (without information_schema and pg_catalog)."""

    def database(self, cursor: duckdb.DuckDBPyConnection, name: str) -> Database | None:
        """The database of that exact name."""

    def tables(
        self, cursor: duckdb.DuckDBPyConnection, database: str | None = None
    ) -> Sequence[Table]:
        """All tables and views of one or of all databases, by (database, name)."""

    def table(self, cursor: duckdb.DuckDBPyConnection, database: str, name: str) -> Table | None:
        """The table or view of that exact name."""

    def table_of(self, cursor: duckdb.DuckDBPyConnection, table_id: int) -> Table | None:
        """The table or view of that id, under whatever name."""

    def referring(self, cursor: duckdb.DuckDBPyConnection) -> Sequence[Table]:
        """The tables that have foreign keys."""

    def create_database(
        self, cursor: duckdb.DuckDBPyConnection, name: str, options: dict[str, str]
    ) -> Database:
        """Raises: DbError DUPLICATE_DATABASE."""

    def put_database(self, cursor: duckdb.DuckDBPyConnection, database: Database) -> None:
        """Replaces the record of a database that is there: its options may have changed."""

    def drop_database(self, cursor: duckdb.DuckDBPyConnection, name: str) -> None:
        """Requires: it holds no tables. Raises: DbError UNDEFINED_DATABASE."""

    def lock(self, cursor: duckdb.DuckDBPyConnection, database: str, table: str = "") -> None:
        """Waits until no other transaction changes that table or (with no table) database.

        What is looked up afterwards stays as it is until this transaction ends.
        Raises: DbError SERIALIZATION_FAILURE if that takes too long.
        """

    def next_table_id(self, cursor: duckdb.DuckDBPyConnection) -> int:
        """A table id never given before (gaps are allowed)."""

    def put_table(self, cursor: duckdb.DuckDBPyConnection, table: Table) -> None:
        """Creates the table's record, or replaces the one with its id (rename, alter).

        Raises: DbError DUPLICATE_TABLE if another table has the name, UNDEFINED_DATABASE.
        """

    def remove_table(self, cursor: duckdb.DuckDBPyConnection, table: Table) -> None:
        """Forgets the table's record."""

    def roles(self, cursor: duckdb.DuckDBPyConnection) -> Sequence[Role]:
        """All roles that were created, by name."""

    def role(self, cursor: duckdb.DuckDBPyConnection, name: str) -> Role | None:
        """The role of that exact name."""

    def put_role(self, cursor: duckdb.DuckDBPyConnection, role: Role) -> None:
        """Creates the role's record, or replaces the one with its id."""

    def remove_role(self, cursor: duckdb.DuckDBPyConnection, role: Role) -> None:
        """Forgets the role's record."""

    def flows(self, cursor: duckdb.DuckDBPyConnection) -> Sequence[Flow]:
        """All flows, by name."""

    def put_flow(self, cursor: duckdb.DuckDBPyConnection, flow: Flow) -> None:
        """Creates the flow's record, or replaces the one with its id."""

    def remove_flow(self, cursor: duckdb.DuckDBPyConnection, flow: Flow) -> None:
        """Forgets the flow's record."""

    def objects(self, cursor: duckdb.DuckDBPyConnection) -> Sequence[SchemaObject]:
        """All sequences and types, by id."""

    def object(
        self, cursor: duckdb.DuckDBPyConnection, kind: ObjectKind, database: str, name: str
    ) -> SchemaObject | None:
        """The sequence or type of that exact name."""

    def put_object(self, cursor: duckdb.DuckDBPyConnection, one: SchemaObject) -> None:
        """Creates the object's record, or replaces the one with its id and name.

        Raises: DbError DUPLICATE_OBJECT.
        """

    def remove_object(self, cursor: duckdb.DuckDBPyConnection, one: SchemaObject) -> None:
        """Forgets the object's record."""

    def lock_flow(self, cursor: duckdb.DuckDBPyConnection, name: str) -> None:
        """Waits until no other transaction changes a flow of that name; see `lock`."""

    @property
    def version(self) -> int:
        """Grows with every committed change: the key of cached plans."""

    def state(self, cursor: duckdb.DuckDBPyConnection) -> int:
        """Which definitions the cursor sees: `version`, or a number of its own after changes.

        Numbers of its own are negative, and another one after every change.
        """

    def commit(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Shows the transaction's changes to all. Requires: DuckDB's COMMIT has returned."""

    def rollback(self, cursor: duckdb.DuckDBPyConnection, *, keep_names: bool = False) -> None:
        """Forgets the transaction's changes; the names may stay locked, as it goes on."""
