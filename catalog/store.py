"""The embedded DuckDB database file: home of the catalog and of relational tables.

Opened once per server by sql/database.py; every session works on a cursor of its own, which has its
own transactions. This module knows DuckDB's settings, not what is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from engine.errors import DbError, ErrorKind

SYSTEM_SCHEMA = "__gnomon"

_SCHEMA_VERSION = 1

_BOOTSTRAP = f"""
CREATE SCHEMA IF NOT EXISTS {SYSTEM_SCHEMA};
CREATE SEQUENCE IF NOT EXISTS {SYSTEM_SCHEMA}.object_ids START 16384;
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.format (version INTEGER);
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.databases (
    id BIGINT, name VARCHAR, options VARCHAR);
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.tables (
    id BIGINT, database VARCHAR, name VARCHAR, definition VARCHAR);
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.decisions (transaction_id VARCHAR);
"""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """What DuckDB may use. `memory_limit` is DuckDB's spelling, e.g. `4GB`."""

    memory_limit: str | None = None
    threads: int | None = None


class EmbeddedStore:
    """The one DuckDB instance of a server."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, directory: Path, readable: Path, options: StoreOptions) -> EmbeddedStore:
        """Opens or creates the database file.

        DuckDB may read files below `readable` and nothing else: SQL text of clients can never name
        a file of the machine. Raises: DbError CORRUPTED if the file is not ours or newer than us.
        """
        config: dict[str, str | bool | int | float | list[str]] = {
            "allow_unsigned_extensions": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "temp_directory": str(directory / "spill"),
        }
        if options.memory_limit is not None:
            config["memory_limit"] = options.memory_limit
        if options.threads is not None:
            config["threads"] = str(options.threads)
        path = directory / "catalog.duckdb"
        try:
            connection = duckdb.connect(str(path), config=config)
        except duckdb.Error as error:
            raise DbError(ErrorKind.CORRUPTED, f"cannot open {path}: {error}") from error
        store = cls(connection)
        store._bootstrap(path)
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET parquet_metadata_cache = true")  # our files never change
        connection.execute(f"SET allowed_directories = ['{_quoted(readable)}/']")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return store

    def _bootstrap(self, path: Path) -> None:
        self._connection.execute(_BOOTSTRAP)
        table = f"{SYSTEM_SCHEMA}.format"
        rows = self._connection.execute(f"SELECT version FROM {table}").fetchall()
        if not rows:
            self._connection.execute(f"INSERT INTO {table} VALUES ({_SCHEMA_VERSION})")
        elif rows[0][0] > _SCHEMA_VERSION:
            raise DbError(
                ErrorKind.CORRUPTED,
                f"{path} was written by a newer version"
                f" (format {rows[0][0]}, ours {_SCHEMA_VERSION})",
                hint="start the newer version again, or restore a backup",
            )

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection with its own transactions; the caller closes it."""
        return self._connection.cursor()

    def close(self) -> None:
        """Checkpoints and closes. Requires: all cursors are closed or idle."""
        self._connection.close()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
