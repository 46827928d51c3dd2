"""The session behind every wire: settings, transaction, prepared statements, open cursors.

Implements `sql.session.SessionApi`. What a statement does is in sql/execute.py and sql/statements/;
this class holds what lives longer than one statement and hands it to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from engine.api import Write
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql import execute
from sql.activity import activity_of, status_of
from sql.acts.channels import Mailbox
from sql.dialect.parser import ParsedStatement, parse
from sql.foreign.enforce import commit_checked, end_statement
from sql.instant import Instant
from sql.limits import Limits, StatementClock, timeout_ms
from sql.metrics.scans import MetricScans
from sql.plan.cache import RecentPlans
from sql.plan.context import MYSQL_DATABASES, PlanContext
from sql.plan.plan import plan_query
from sql.prepared import Prepared
from sql.promql.tql import run_tql
from sql.results import Cursor, Description, Notice, Notification, Result
from sql.run.duck import Duck
from sql.run.external import FileScans
from sql.run.scan import Runner
from sql.sequences import Numbers
from sql.session import Activity, ClientInfo, Output, Statement, T, Task, TransactionStatus, Wire
from sql.session_tables import SessionTables
from sql.settings import Settings
from sql.statements.insert import FastInsert
from sql.statements.modes import MODES, TransactionSettings, begin_modes, check_writable
from sql.system.registry import SYSTEM_TABLES
from sql.system.session_context import context_of, plan_context_of
from sql.system.table import SystemContext
from sql.tally import Tally, told
from sql.temporary import TemporaryTables
from sql.transaction import Transaction
from sql.user_types import type_of_oid

if TYPE_CHECKING:
    from sql.database import Database

STATEMENT_CACHE_SIZE = 256  # parsed texts a session remembers


class ClientSession(SessionTables):
    """One client's conversation. One thread at a time, except `cancel`."""

    def __init__(self, database: Database, wire: Wire, client: ClientInfo, session_id: int) -> None:
        # Constant after construction.
        self.id = session_id
        self.wire = wire
        self.client = client
        self.server = database
        self.catalog, self.regions = database.catalog, database.regions
        # Changed by the session's own calls only.
        self.tally = Tally(self.wire)
        self.settings = Settings(wire, told(self))
        self.mailbox = Mailbox(database.channels, session_id)
        self.local_settings = TransactionSettings(self)
        self.role = client.user  # whose privileges count: SET ROLE changes it
        self.duck = Duck(database.store.cursor(), database.deadlines)
        self.runner = Runner(
            self.duck,
            database.regions,
            StatementClock(self.moment_ms),
            self._staged,
            self._system_rows,
            self.table_of,
            lambda node: run_tql(self, node).table,
            FileScans(database.files, database.links, self.duck, self.evaluate),
            MetricScans(
                database.metrics, self.table_of, lambda: self.catalog.tables(self.duck.cursor)
            ),
            database.copies,
            lambda: self.transaction is None or self.transaction.sees_committed,
            self.note_reads,
        )
        self.temporary = TemporaryTables()
        self.transaction: Transaction | None = None
        self.ending: Transaction | None = None  # while it commits or is rolled back
        self.prepared: dict[str, Prepared] = {}
        self.cursors: dict[str, Cursor] = {}
        self.instant = Instant(self)
        self.recent_plans = RecentPlans()
        self.user_variables: dict[str, object] = {}
        self.routine_depth = 0  # of the procedure that is being called
        self.numbers = Numbers()
        self.last_notices: tuple[Notice, ...] = ()  # what SHOW WARNINGS tells
        self.connected_ms = database.clock.now_ms()
        self.query = ""  # the running statement, or the last one
        self.query_ms = 0
        self.running = False
        self._database = self.home = client.database
        self._initial_settings: dict[str, str] = {}
        self._limits = Limits(database.deadlines, database.memory, self.duck.interrupt)
        self._when_killed: Callable[[], object] = lambda: None
        self.in_block = False
        self._notices: list[Notice] = []
        self.texts: dict[str, Sequence[execute.Runnable]] = {}

    # What wires ask.

    @property
    def database(self) -> str:
        """See `SessionApi.database`."""
        return self._database

    @property
    def timezone(self) -> str:
        """See `SessionApi.timezone`."""
        return self.settings.shown.timezone

    @property
    def output(self) -> Output:
        """See `SessionApi.output`."""
        return self.settings.output

    @property
    def transaction_status(self) -> TransactionStatus:
        """See `SessionApi.transaction_status`."""
        return status_of(self)

    @property
    def activity(self) -> Activity:
        """See `SessionApi.activity`."""
        return activity_of(self)

    @property
    def autocommit(self) -> bool:
        """See `SessionApi.autocommit`."""
        return self.settings.shown.autocommit

    def parse(self, text: str, parameter_types: Sequence[DataType | None] = ()) -> list[Statement]:
        """See `SessionApi.parse`."""
        if "\\" in text and self.literal_backslashes:
            text = text.replace("\\", "\\\\")  # read where a single one means something
        known = self.texts.get(text)
        if known is None:
            with self._failing():
                known = execute.parse_request(self, text)
            if isinstance(known, list) and type(known[0]) is ParsedStatement and len(text) < 16_384:
                if len(self.texts) >= STATEMENT_CACHE_SIZE:
                    self.texts.pop(next(iter(self.texts)))
                self.texts[text] = known
        if not parameter_types:
            return list(known)
        types = tuple(parameter_types)
        return [
            replace(each, declared=types) if isinstance(each, ParsedStatement) else each
            for each in known
        ]

    @property
    def literal_backslashes(self) -> bool:
        """See `SessionApi.literal_backslashes`."""
        return self.settings.literal_backslashes

    def describe(
        self, statement: Statement, parameter_types: Sequence[DataType | None] = ()
    ) -> Description:
        """See `SessionApi.describe`."""
        assert isinstance(statement, ParsedStatement | FastInsert)
        with self._failing():
            return execute.describe(self, statement, parameter_types)

    def type_of(self, oid: int) -> DataType | None:
        """See `SessionApi.type_of`."""
        return type_of_oid(self, oid)

    def execute(self, statement: Statement, parameters: Sequence[object] = ()) -> Result:
        """See `SessionApi.execute`."""
        assert isinstance(statement, ParsedStatement | FastInsert)
        return execute.execute(self, statement, parameters)

    def run(self, task: Task[T]) -> T:
        """See `SessionApi.run`."""
        return execute.run_task(self, task)

    def show(self, name: str) -> str:
        """See `SessionApi.show`."""
        name = name.lower()
        if name == "search_path" and not self.settings.is_set(name):
            return self._database
        if self.transaction is None and self.wire is Wire.POSTGRES and name in MODES:
            name = f"default_{name}"  # what the next transaction will have
        return self.settings.get(name)

    def set(self, name: str, value: str) -> None:
        """See `SessionApi.set`."""
        execute.set_at_start(self, name, value)
        self._initial_settings = self.settings.copy_values()

    def use(self, database: str) -> None:
        """See `SessionApi.use`."""
        if not self.has_database(database):
            raise DbError(ErrorKind.UNDEFINED_DATABASE, f'database "{database}" does not exist')
        self._database = database

    def settle(self, database: str) -> None:
        """Where the session begins, and is after a reset, if its own name for it is no database."""
        self._database = self.home = database

    def cancel(self) -> None:
        """See `SessionApi.cancel`."""
        self.duck.interrupt(DbError(ErrorKind.CANCELLED, "canceling statement due to user request"))

    def open_block(self) -> None:
        """See `SessionApi.open_block`."""
        self.in_block = True

    def close_block(self, *, commit: bool) -> None:
        """See `SessionApi.close_block`."""
        self.in_block = False
        if self.transaction is None or not self.transaction.explicit:
            self.end_transaction(commit=commit)
        elif not commit:
            self.transaction.failed = True

    def cursor(self, name: str) -> Cursor | None:
        """See `SessionApi.cursor`."""
        return self.cursors.get(name)

    def share_cursor(self, name: str, cursor: Cursor | None) -> None:
        """See `SessionApi.share_cursor`."""
        if cursor is None:
            self.cursors.pop(name, None)
        else:
            self.cursors[name] = cursor

    def share_statement(self, name: str, statement: Statement | None) -> None:
        """See `SessionApi.share_statement`."""
        if isinstance(statement, ParsedStatement):
            made_ms = self.server.clock.now_ms()
            self.prepared[name] = Prepared(statement, statement.text, made_ms, from_sql=False)
        else:
            self.prepared.pop(name, None)

    def when_killed(self, call: Callable[[], object]) -> None:
        """See `SessionApi.when_killed`."""
        self._when_killed = call

    def kill(self) -> None:
        """Ends the running statement and the connection. Any thread."""
        message = "terminating connection due to administrator command"
        self.duck.interrupt(DbError(ErrorKind.SHUTTING_DOWN, message))
        self._when_killed()

    def reset(self) -> None:
        """See `SessionApi.reset`."""
        self.end_transaction(commit=False)
        for cursor in self.cursors.values():
            cursor.close()
        self.cursors.clear()
        self.prepared.clear()
        self.user_variables.clear()
        self.numbers.forget()
        self.drop_temporary()
        self.mailbox.close()
        self.server.locks.unlock_all(self.id)
        self.settings.restore_values(self._initial_settings)
        self._database = self.home
        self.role = self.client.user

    def close(self) -> None:
        """See `SessionApi.close`."""
        self.reset()
        self.duck.close()
        self.server.forget(self)

    def take_notices(self) -> list[Notice]:
        """See `SessionApi.take_notices`."""
        notices, self._notices = self._notices, []
        self.last_notices = tuple(notices) or self.last_notices
        return notices

    def take_notifications(self) -> list[Notification]:
        """See `SessionApi.take_notifications`."""
        return self.mailbox.take()

    def when_notified(self, call: Callable[[], object]) -> None:
        """See `SessionApi.when_notified`."""
        self.mailbox.on_receive = call

    def take_reports(self) -> dict[str, str]:
        """See `SessionApi.take_reports`."""
        return self.settings.take_reports()

    # What statements ask.

    def notice(self, notice: Notice) -> None:
        """Tells the client something with the statement's answer."""
        if self.settings.lets_through(notice.severity):
            self._notices.append(notice)

    def has_database(self, name: str) -> bool:
        """True if the name is a database, or one of the system's."""
        system = name in MYSQL_DATABASES and self.wire is Wire.MYSQL
        if system or name in ("information_schema", "pg_catalog"):
            return True
        return self.catalog.database(self.duck.cursor, name) is not None

    def evaluate(self, expression: str, rows: int) -> pa.Array:
        """A stored SQL expression, such as a column default, for that many rows."""
        tree = parse(f"SELECT {expression}", Wire.HTTP)[0].tree
        assert tree is not None
        if rows != 1:
            assert isinstance(tree, exp.Select)
            tree = tree.from_(f"range({rows})", dialect="duckdb")
        plan = plan_query(tree, self.plan_context(expression))
        return self.runner.table(plan, (), expression).column(0).combine_chunks()

    def end_cursors(self, *, commit: bool) -> None:
        """Closes the cursors that end with the transaction; held ones are read to their end."""
        for name, cursor in list(self.cursors.items()):
            if commit and cursor.hold:
                cursor.keep()
            else:
                cursor.close()
                del self.cursors[name]

    def plan_context(self, text: str = "") -> PlanContext:
        """The session as the planner sees it."""
        return plan_context_of(self, text)

    def system_context(self) -> SystemContext:
        """The session as system tables see it."""
        return context_of(self)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """A transaction to write in: the client's open one, or one for this statement alone."""
        check_writable(self)
        if self.transaction is not None:
            yield self.transaction
            end_statement(self, self.transaction)
            return
        lasts = not self.autocommit
        transaction = self.begin(explicit=lasts)
        try:
            yield transaction
            end_statement(self, transaction)
        except BaseException:
            if not lasts:
                self.end_transaction(commit=False)
            raise
        if not lasts and not self.in_block:
            self.end_transaction(commit=True)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """In PostgreSQL an error in parsing or describing fails an open transaction too."""
        try:
            yield
        except DbError:
            if self.transaction is not None and self.wire is Wire.POSTGRES:
                self.transaction.failed = True
            raise

    def begin(self, *, explicit: bool) -> Transaction:
        """Opens a transaction. Requires: none is open."""
        assert self.transaction is None
        self.transaction = Transaction(
            self.duck,
            self.catalog,
            self.regions,
            self.server.alterations,
            self.server.gate,
            self.server.layouts,
            self.server.ledger,
            self.server.keys,
            explicit=explicit,
            temporary=self.temporary,
            started_ms=self.query_ms,
        )
        if explicit:
            begin_modes(self)
        return self.transaction

    def fixed(self, make: Callable[[], T]) -> T:
        """A value of the running statement that is the same when its transaction repeats it."""
        return make() if self.transaction is None else self.transaction.fixed(make)

    def next_id(self) -> int:
        """An id for a new table, role or the like."""
        return self.fixed(lambda: self.catalog.next_table_id(self.duck.cursor))

    def moment_ms(self) -> int:
        """What now() shows: when the statement began; in PostgreSQL, when its transaction did."""
        open_ = self.transaction
        if open_ is not None and open_.repeated_ms is not None:
            return open_.repeated_ms
        if open_ is not None and open_.explicit and self.wire is Wire.POSTGRES:
            return open_.started_ms
        return self.query_ms

    def end_transaction(self, *, commit: bool) -> None:
        """Commits or rolls back the open transaction, if any. Raises: DbError (rolled back)."""
        self.ending = transaction = self.transaction
        self.transaction = None
        self.duck.settle()
        commit = commit and (transaction is None or not transaction.failed)
        try:
            if commit and transaction is not None:
                commit_checked(self, transaction)
            elif transaction is not None:
                transaction.rollback()
        except BaseException:
            commit = False
            raise
        finally:
            self.ending = None
            self.transaction_ended(commit=commit)

    def transaction_ended(self, *, commit: bool) -> None:
        """What lasts until the end of a transaction ends."""
        self.local_settings.end(commit=commit)
        if commit:
            self.mailbox.commit()
        else:
            self.mailbox.rollback()
        self.server.locks.end_transaction(self.id)
        self.server.row_locks.end_transaction(self.id)
        self.server.metrics.leases.release(self)

    def apply(self, transaction: Transaction, writes: Sequence[Write]) -> None:
        """Writes to regions: at once when the statement is its own transaction, else at COMMIT."""
        if self.stages(transaction):
            for write in writes:
                transaction.stage(write)
        else:
            self.write_now(writes)

    def stages(self, transaction: Transaction) -> bool:
        """True if what the statement writes to regions waits for a COMMIT after it."""
        return transaction.explicit or self.in_block or transaction.changed_store

    def write_now(self, writes: Sequence[Write]) -> None:
        """Writes to regions, durable and visible when this returns. Raises: DbError."""
        wanted = [write for write in writes if write.rows.num_rows]
        with self.server.layouts.writing(self.duck.cursor, wanted) as settled:
            self.write_inside(settled)

    def write_inside(self, writes: Sequence[Write]) -> None:
        """As `write_now`. Requires: the caller is inside `Layouts.writing`, which gave them."""
        self.server.alterations.settle(write.region_id for write in writes)
        with self.server.ledger.writing(writes):
            self.regions.write(writes)

    # The running statement.

    def statement_started(self, text: str) -> None:
        """From here on the statement can be cancelled, and ends when its time is over."""
        self.query, self.query_ms = text, self.server.clock.now_ms()
        self.duck.start()
        self.running = True  # last: who sees it may cancel
        memory = int(self.settings.get("statement_memory_limit"))
        self.duck.limit_memory(memory)
        self._limits.begin(timeout_ms(self.settings, self.wire), memory)

    def statement_ended(self, *, failed: bool = False) -> None:
        """Later cancels and deadlines hit nothing."""
        self.running = False
        self._limits.end()
        self.duck.finish()
        if self.transaction is None and not self.in_block:
            self.transaction_ended(commit=not failed)

    def answered(self, text: str, rows: int) -> None:
        """A query was answered from memory, at once."""
        self.query, self.query_ms = text, self.server.clock.now_ms()
        self.last_notices = ()
        self.tally.answered(rows)
        if self.transaction is not None:
            self.transaction.has_run = True

    def _staged(self) -> Sequence[Write]:
        return self.transaction.staged if self.transaction is not None else ()

    def _system_rows(
        self, database: str, name: str, wanted: frozenset[str] | None = None
    ) -> pa.Table:
        return SYSTEM_TABLES[database, name].rows(replace(self.system_context(), wanted=wanted))
