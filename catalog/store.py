"""The embedded DuckDB database file: home of the catalog and of relational tables.

Opened once per server by sql/database.py; every session works on a cursor of its own, which has its
own transactions. This module knows DuckDB's settings, not what is stored.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import duckdb

from engine.errors import DbError, ErrorKind
from engine.store.local import translated

SYSTEM_SCHEMA = "__gnomon"

CATALOG_FILE = "catalog.duckdb"
SCHEMA_VERSION = 1

# DuckDB's main header and its two database headers (https://duckdb.org/docs/stable/internals/storage):
# a checkpoint ends by writing one of the latter, and until then overwrites nothing that counts.
_SPILL_SHARE = 0.5  # of the room on the disk when the store is opened
_HEAD_BYTES = 3 * 4096
_COPY_ATTEMPTS = 5
_PIECE_BYTES = 16 << 20

_BOOTSTRAP = f"""
CREATE SCHEMA IF NOT EXISTS {SYSTEM_SCHEMA};
CREATE SEQUENCE IF NOT EXISTS {SYSTEM_SCHEMA}.object_ids START 16384;
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.format (version INTEGER);
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.databases (
    id BIGINT, name VARCHAR, options VARCHAR);
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.tables (
    id BIGINT, database VARCHAR, name VARCHAR, definition VARCHAR);
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.roles (
    id BIGINT, name VARCHAR, definition VARCHAR);
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.flows (
    id BIGINT, name VARCHAR, definition VARCHAR);
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.flow_dirt (
    flow_id BIGINT, ranges VARCHAR);
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.objects (
    id BIGINT, kind VARCHAR, definition VARCHAR);
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.large_objects (
    id BIGINT, size BIGINT, owner VARCHAR);
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.large_object_pages (
    id BIGINT, page BIGINT, data BLOB);
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.large_object_comments (
    id BIGINT, comment VARCHAR);
CREATE TABLE IF NOT EXISTS {SYSTEM_SCHEMA}.decisions (transaction_id VARCHAR);
"""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """What DuckDB may use. `memory_limit` is DuckDB's spelling, e.g. `4GB`."""

    memory_limit: str | None = None
    threads: int | None = None


def _spill_bytes(directory: Path) -> int:
    """What statements may spill: not so much that writes find no room."""
    return int(shutil.disk_usage(directory).free * _SPILL_SHARE)


class EmbeddedStore:
    """The one DuckDB instance of a server."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        # Constant after construction.
        self._connection = connection
        self._path = path
        # Guarded by _copying. Once open it stays so: closing a descriptor of the file would drop
        # the lock that DuckDB has on it (fcntl(2): locks go with any descriptor of the process).
        self._copying = Lock()
        self._reader: BinaryIO | None = None

    @classmethod
    def open(
        cls, directory: Path, readable: Sequence[Path], options: StoreOptions
    ) -> EmbeddedStore:
        """Opens or creates the database file.

        DuckDB may read files below `readable` and nothing else: SQL text of clients can never name
        a file of the machine. Raises: DbError CORRUPTED if the file is not ours or newer than us.
        """
        config: dict[str, str | bool | int | float | list[str]] = {
            "allow_unsigned_extensions": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "temp_directory": str(directory / "spill"),
            "max_temp_directory_size": f"{_spill_bytes(directory)}B",
        }
        if options.memory_limit is not None:
            config["memory_limit"] = options.memory_limit
        if options.threads is not None:
            config["threads"] = str(options.threads)
        path = directory / CATALOG_FILE
        try:
            connection = duckdb.connect(str(path), config=config)
        except duckdb.Error as error:
            raise DbError(ErrorKind.CORRUPTED, f"cannot open {path}: {error}") from error
        store = cls(connection, path)
        store._bootstrap(path)
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET parquet_metadata_cache = true")  # our files never change
        folders = ", ".join(f"'{_quoted(folder)}/'" for folder in readable)
        connection.execute(f"SET allowed_directories = [{folders}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET allowed_configs = ['operator_memory_limit']")  # each session's own
        connection.execute("SET lock_configuration = true")
        return store

    def _bootstrap(self, path: Path) -> None:
        self._connection.execute(_BOOTSTRAP)
        table = f"{SYSTEM_SCHEMA}.format"
        rows = self._connection.execute(f"SELECT version FROM {table}").fetchall()
        if not rows:
            self._connection.execute(f"INSERT INTO {table} VALUES ({SCHEMA_VERSION})")
        elif rows[0][0] > SCHEMA_VERSION:
            raise DbError(
                ErrorKind.CORRUPTED,
                f"{path} was written by a newer version"
                f" (format {rows[0][0]}, ours {SCHEMA_VERSION})",
                hint="start the newer version again, or restore a backup",
            )

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection with its own transactions; the caller closes it."""
        return self._connection.cursor()

    def copy(self) -> list[tuple[str, BinaryIO]]:
        """Copies of the database file and of its log, as nameless files, with their names.

        Requires: nobody commits meanwhile. Raises: DbError DISK_FULL, STORAGE_UNAVAILABLE.
        """
        log = self._path.with_name(self._path.name + ".wal")
        with self._copying, translated("copy the catalog"), ExitStack() as stack:
            if self._reader is None:
                self._reader = open(self._path, "rb")  # noqa: SIM115 - see __init__
            for _ in range(_COPY_ATTEMPTS):
                head = os.pread(self._reader.fileno(), _HEAD_BYTES, 0)
                copies = [(self._path.name, stack.enter_context(self._copy_of(self._reader)))]
                with suppress(FileNotFoundError), open(log, "rb") as source:
                    copies.append((log.name, stack.enter_context(self._copy_of(source))))
                if os.pread(self._reader.fileno(), _HEAD_BYTES, 0) == head:
                    stack.pop_all()
                    return copies
        raise DbError(
            ErrorKind.STORAGE_UNAVAILABLE, f"{self._path} changed while it was copied", hint="retry"
        )

    def _copy_of(self, source: BinaryIO) -> BinaryIO:
        """A copy that has no name, beside the original; it vanishes when it is closed."""
        copy: BinaryIO = tempfile.TemporaryFile(dir=self._path.parent)  # noqa: SIM115
        try:
            at, end = 0, os.fstat(source.fileno()).st_size
            while at < end:
                sent = os.sendfile(copy.fileno(), source.fileno(), at, min(end - at, _PIECE_BYTES))
                if not sent:
                    break
                at += sent
        except BaseException:
            copy.close()
            raise
        return copy

    def close(self) -> None:
        """Checkpoints and closes. Requires: all cursors are closed or idle."""
        self._connection.close()
        if self._reader is not None:
            self._reader.close()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
