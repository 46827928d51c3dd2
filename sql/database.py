"""The whole database: opens the stores in order, recovers, hands out sessions, closes.

The composition root below the wires: server/app.py opens one `Database` and connects clients to it.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from pathlib import Path

import duckdb

from catalog.catalog import EmbeddedCatalog
from catalog.details import Role
from catalog.records import Table
from catalog.store import SYSTEM_SCHEMA, EmbeddedStore, StoreOptions
from engine.backup import Capture
from engine.clock import Clock, SystemClock
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.store.opening import cache_folder
from engine.store.options import LOCAL_FILES, StorageOptions
from sql import backup
from sql.acts.channels import Channels
from sql.acts.functions import install_acts
from sql.acts.locks import AdvisoryLocks
from sql.acts.row_locks import RowLocks
from sql.alterations import Alterations
from sql.client_session import ClientSession
from sql.deadlines import Deadlines
from sql.files.links import Links
from sql.files.places import LocalFiles
from sql.flows.flows import REFRESH_SECONDS, Flows
from sql.flows.ledger import Ledger
from sql.foreign.adopt import adopt_keys
from sql.foreign.guard import KeyGuard
from sql.functions.macros import install_macros
from sql.gate import CommitGate
from sql.memory import MemoryWatch
from sql.metrics.store import SeriesStores
from sql.metrics.sweep import Sweeper
from sql.partition.layout import Layouts
from sql.plan.cache import PlanCache
from sql.procedures import Procedures
from sql.run.errors import translate
from sql.run.keyed import Copies
from sql.session import ClientInfo, SessionApi, Wire
from sql.statements.settings import begin_charset

DEFAULT_DATABASE = "public"
# What PostgreSQL's tools connect to when they are told nothing; here a name of the default one.
_MAINTENANCE = "postgres"


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """What the operator may choose; the rest has one right value."""

    memory_limit: str | None = None  # DuckDB's spelling: 4GB, 80%
    threads: int | None = None  # of DuckDB; None: one per core
    statement_timeout_ms: int = 0  # default for new sessions, 0: none
    storage: StorageOptions = LOCAL_FILES  # where the regions keep their files
    flow_refresh_seconds: float = REFRESH_SECONDS  # between two evaluations of a flow
    copy_root: Path | None = None  # where COPY's files are; None: `copy` in the data directory
    local_infile: bool = False  # whether LOAD DATA LOCAL may ask clients for files
    # What clients are told; the server holds to it.
    max_connections: int = 500
    reserved_connections: int = 3


class Database:
    """Implements `sql.session.DatabaseApi`.

    I1. The regions are opened first: they lock the directory before any file in it is read.
    I2. A region exists exactly if a committed table names it, after `open` has returned.
    """

    def __init__(
        self,
        store: EmbeddedStore,
        catalog: EmbeddedCatalog,
        regions: LocalRegions,
        clock: Clock,
        options: DatabaseOptions,
        files: LocalFiles,
        links: Links,
    ) -> None:
        # Constant after construction.
        self.files = files
        self.links = links
        self.store = store
        self.catalog = catalog
        self.regions = regions
        self.clock = clock
        self.options = options
        self.deadlines = Deadlines()
        self.memory = MemoryWatch(store.cursor(), self._running)
        self.plans = PlanCache()
        self.alterations = Alterations(catalog, regions)
        self.gate = CommitGate()
        self.copies = Copies(self.gate.changes)
        self.layouts = Layouts(catalog)
        self.keys = KeyGuard()
        self.metrics = SeriesStores(regions)
        self.procedures = Procedures(clock)
        self.locks = AdvisoryLocks()
        self.row_locks = RowLocks()
        self.transaction_numbers = itertools.count(1)
        self.channels = Channels()
        self.ledger = Ledger(catalog, store.cursor(), self.gate)
        self._flow_cursor = store.cursor()
        self.flows = Flows(
            self.connect,
            lambda: list(catalog.flows(self._flow_cursor)),
            self.ledger,
            clock,
            options.flow_refresh_seconds,
        )
        self._sweep_cursor = store.cursor()
        self.sweeper = Sweeper(self.metrics, regions, lambda: catalog.tables(self._sweep_cursor))
        self._ids = itertools.count(1)
        self.max_connections = options.max_connections
        self.local_infile = options.local_infile  # SET GLOBAL changes it
        # Guarded by _sessions_lock.
        self._sessions_lock = threading.Lock()
        self._sessions: dict[int, ClientSession] = {}
        self._closed = False
        self._acts: object = None  # kept for DuckDB, which keeps no reference to it

    @classmethod
    def open(cls, directory: Path, options: DatabaseOptions) -> Database:
        """Opens or creates a data directory and recovers what a crash left.

        Raises: DbError STORAGE_UNAVAILABLE if another server has it or its object store does not
        answer or is not its own, CORRUPTED, DISK_FULL.
        """
        directory.mkdir(parents=True, exist_ok=True)
        directory = directory.resolve()
        clock = SystemClock()
        engine_directory = directory / "engine"
        storage = options.storage
        regions = LocalRegions(engine_directory, EngineOptions(), clock, storage=storage)
        try:
            store_options = StoreOptions(options.memory_limit, options.threads)
            links = Links(directory / "links")
            readable = [engine_directory, cache_folder(storage, engine_directory), links.folder]
            store = EmbeddedStore.open(directory, readable, store_options)
            cursor = store.cursor()
            install_macros(cursor)
            files = LocalFiles(options.copy_root or directory / "copy", directory / "spill")
            catalog = EmbeddedCatalog(cursor)
            adopt_keys(cursor, catalog)
            database = cls(store, catalog, regions, clock, options, files, links)
            database._acts = install_acts(database, cursor)
            cursor.close()
            database._recover()
            database.flows.start()
            database.sweeper.start()
        except duckdb.Error as error:
            regions.close()
            raise translate(error) from error
        except BaseException:
            regions.close()
            raise
        return database

    def _recover(self) -> None:
        """Brings the two stores to the same state.

        Regions get the columns and options of their tables (prepared rows may be in those already),
        prepared writes are decided, orphans removed. Raises: DbError CORRUPTED, DISK_FULL.
        """
        cursor = self.store.cursor()
        self._check_regions(self.catalog.tables(cursor))
        followed = self.alterations.follow_all(cursor)
        if not followed and self.regions.prepared():
            raise DbError(
                ErrorKind.STORAGE_UNAVAILABLE,
                "tables cannot be altered to what was committed, and rows wait for that",
                hint="make room on the disk and start again",
            )
        table = f"{SYSTEM_SCHEMA}.decisions"
        decided = {row[0] for row in cursor.execute(f"FROM {table}").fetchall()}
        for transaction_id in self.regions.prepared():
            if transaction_id in decided:
                self.regions.commit_prepared(transaction_id)
            else:
                self.regions.abort_prepared(transaction_id)
        cursor.execute(f"DELETE FROM {table}")
        named: set[int] = set()
        for known in self.catalog.tables(cursor):
            named.update(known.region_ids)
        for region_id in self.regions.region_ids() - named:
            self.regions.drop(region_id)
        if self.catalog.database(cursor, DEFAULT_DATABASE) is None:
            cursor.execute("BEGIN TRANSACTION")
            self.catalog.create_database(cursor, DEFAULT_DATABASE, {})
            cursor.execute("COMMIT")
            self.catalog.commit(cursor)
        cursor.close()

    def _check_regions(self, tables: object) -> None:
        there = self.regions.region_ids()
        assert isinstance(tables, list)
        for table in tables:
            assert isinstance(table, Table)
            missing = [r for r in table.region_ids if r not in there]
            if missing:
                raise DbError(
                    ErrorKind.CORRUPTED,
                    f'table "{table.database}.{table.name}" has lost its region {missing[0]}',
                    hint="restore the data directory from a backup",
                )

    def reserve_id(self) -> int:
        """See `DatabaseApi.reserve_id`."""
        return next(self._ids)

    def connect(
        self, wire: Wire, client: ClientInfo, session_id: int | None = None
    ) -> ClientSession:
        """See `DatabaseApi.connect`."""
        if self._closed:
            raise DbError(ErrorKind.SHUTTING_DOWN, "the database system is shutting down")
        session = ClientSession(self, wire, client, session_id or self.reserve_id())
        is_maintenance = wire is Wire.POSTGRES and client.database == _MAINTENANCE
        if is_maintenance and not session.has_database(_MAINTENANCE):
            session.settle(DEFAULT_DATABASE)
        if not session.has_database(session.database):
            session.duck.close()
            raise DbError(
                ErrorKind.UNDEFINED_DATABASE, f'database "{client.database}" does not exist'
            )
        if self.options.statement_timeout_ms:
            session.set("statement_timeout", str(self.options.statement_timeout_ms))
        if client.charset:
            begin_charset(session, client.charset)
        with self._sessions_lock:
            self._sessions[session.id] = session
        return session

    def login_role(self, name: str) -> Role | None:
        """See `DatabaseApi.login_role`."""
        return self.catalog.role(self._flow_cursor, name)  # it is never in a transaction

    def sessions(self) -> list[SessionApi]:
        """See `DatabaseApi.sessions`."""
        with self._sessions_lock:
            return list(self._sessions.values())

    def _running(self) -> int:
        """How many statements run now."""
        with self._sessions_lock:
            return sum(session.running for session in self._sessions.values())

    def session(self, session_id: int) -> ClientSession | None:
        """The live session of that id."""
        with self._sessions_lock:
            return self._sessions.get(session_id)

    def changing(self, table_id: int) -> list[int]:
        """Sessions whose transactions have changed rows of a table and have not ended."""
        with self._sessions_lock:
            open_ = [
                (session.id, one)
                for session in self._sessions.values()
                for one in (session.transaction, session.ending)  # it goes from left to right
            ]
        return [id_ for id_, one in open_ if one is not None and one.has_changed(table_id)]

    def begin_row_locks(self, table_id: int) -> None:
        """Somebody is going to lock rows of that table."""
        self.row_locks.begin(table_id, lambda: self.changing(table_id))

    def forget(self, session: ClientSession) -> None:
        """A session has closed."""
        with self._sessions_lock:
            self._sessions.pop(session.id, None)

    def backup(self) -> Capture:
        """See `DatabaseApi.backup`."""
        if self._closed:
            raise DbError(ErrorKind.SHUTTING_DOWN, "the database system is shutting down")
        return backup.begin(self.gate, self.store, self.catalog, self.regions)

    def close(self) -> None:
        """See `DatabaseApi.close`."""
        if self._closed:
            return
        self._closed = True
        for session in self.sessions():
            session.cancel()
        self.flows.close()
        self.sweeper.close()
        self.procedures.close()
        self.ledger.close()
        self.deadlines.close()
        self.memory.close()
        self.regions.close()
        self.store.close()
