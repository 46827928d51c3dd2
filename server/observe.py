"""The database as the wires see it: every session counted, limited, timed and logged.

app.py puts an `ObservedDatabase` between the wires and sql/, so no wire needs to know of metrics,
of the slow-statement record, of what users may do or of the shared limit on connections. It
changes no answer.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

import pyarrow as pa

from catalog.details import Role
from engine.backup import Capture
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from server.auth.api import AccessMode, Users
from server.metrics import OK, Metrics
from server.observed_instant import ObservedInstant
from sql.permissions import Access, access_of
from sql.results import CopyOut, Cursor, Description, Notice, Notification, Result, Rows
from sql.session import (
    Activity,
    ClientInfo,
    DatabaseApi,
    InstantApi,
    Output,
    SessionApi,
    Statement,
    T,
    Task,
    TransactionStatus,
    Wire,
)

logger = logging.getLogger(__name__)

_REFUSED = {
    AccessMode.READ_WRITE: Access.NONE,
    AccessMode.READ_ONLY: Access.WRITE,
    AccessMode.WRITE_ONLY: Access.READ,
}

SLOW_TEXT_CHARACTERS_MAX = 2_000  # a bulk INSERT must not fill the log


class ObservedDatabase:
    """A `DatabaseApi` that counts and limits sessions."""

    def __init__(
        self,
        inner: DatabaseApi,
        metrics: Metrics,
        users: Users,
        *,
        connections_max: int,
        slow_ms: int,
        reserved: int = 0,
    ) -> None:
        """`reserved` of the connections are for superusers only."""
        assert connections_max > 0
        # Constant after construction.
        self._inner = inner
        self._metrics = metrics
        self._users = users
        self._connections_max = connections_max
        self._reserved = reserved
        self._slow_ms = slow_ms
        self._lock = threading.Lock()
        # Guarded by _lock.
        self._open = 0
        self._running = 0
        self._draining = False

    @property
    def running(self) -> int:
        """Statements that have started and not ended."""
        with self._lock:
            return self._running

    @property
    def is_draining(self) -> bool:
        """True once `drain` was called."""
        return self._draining

    def drain(self) -> None:
        """From now on refuses sessions, and statements outside an open transaction."""
        with self._lock:
            self._draining = True

    def statement_starts(self, in_transaction: bool) -> None:
        """Counts a statement in. Raises: DbError SHUTTING_DOWN while draining."""
        with self._lock:
            if self._draining and not in_transaction:
                raise DbError(ErrorKind.SHUTTING_DOWN, "the server is shutting down")
            self._running += 1

    def statement_ends(self) -> None:
        """Counts a statement out."""
        with self._lock:
            self._running -= 1

    def reserve_id(self) -> int:
        """A session id never given before."""
        return self._inner.reserve_id()

    def connect(self, wire: Wire, client: ClientInfo, session_id: int | None = None) -> SessionApi:
        """Opens a session.

        Raises: DbError BAD_AUTHORIZATION for a role that may not log in, TOO_MANY_CONNECTIONS,
        and what the database raises.
        """
        role = self._inner.login_role(client.user)
        if role is not None:
            self._check_role(role)
        self._admit(wire, is_superuser=role is None or role.superuser)
        try:
            session = self._inner.connect(wire, client, session_id)
        except BaseException:
            self._leave(wire)
            raise
        refused = _REFUSED[self._mode(client.user)]
        return ObservedSession(
            session, self, self._metrics, refused, self._slow_ms, lambda: self._leave(wire)
        )

    def login_role(self, name: str) -> Role | None:
        """The role of that name."""
        return self._inner.login_role(name)

    def sessions(self) -> list[SessionApi]:
        """Live sessions, oldest first."""
        return self._inner.sessions()

    def backup(self) -> Capture:
        """Captures one moment. Raises: DbError SHUTTING_DOWN, and what the database raises."""
        if self.is_draining:
            raise DbError(ErrorKind.SHUTTING_DOWN, "the server is shutting down")
        return self._inner.backup()

    def close(self) -> None:
        """Closes the database."""
        self._inner.close()

    def _mode(self, user: str) -> AccessMode:
        """What the user may do, as the users file has it when the session opens."""
        record = self._users.lookup(user)
        return AccessMode.READ_WRITE if record is None else record.mode

    def _check_role(self, role: Role) -> None:
        if not role.login:
            raise DbError(
                ErrorKind.BAD_AUTHORIZATION, f'role "{role.name}" is not permitted to log in'
            )
        if role.superuser or role.connections_max < 0:
            return
        there = sum(session.client.user == role.name for session in self._inner.sessions())
        if there >= role.connections_max:
            raise DbError(
                ErrorKind.TOO_MANY_CONNECTIONS, f'too many connections for role "{role.name}"'
            )

    def _admit(self, wire: Wire, *, is_superuser: bool) -> None:
        with self._lock:
            if self._draining:
                raise DbError(ErrorKind.SHUTTING_DOWN, "the server is shutting down")
            if self._open >= self._connections_max:
                self._metrics.connections_refused.labels(wire.value).inc()
                raise DbError(
                    ErrorKind.TOO_MANY_CONNECTIONS,
                    f"too many connections: the limit is {self._connections_max}",
                    hint="close idle connections or raise max_connections",
                )
            if not is_superuser and self._open >= self._connections_max - self._reserved:
                self._metrics.connections_refused.labels(wire.value).inc()
                raise DbError(
                    ErrorKind.TOO_MANY_CONNECTIONS,
                    "remaining connection slots are reserved for superusers",
                    hint="close idle connections or raise max_connections",
                )
            self._open += 1
        self._metrics.connections.labels(wire.value).inc()
        self._metrics.connections_opened.labels(wire.value).inc()

    def _leave(self, wire: Wire) -> None:
        with self._lock:
            self._open -= 1
        self._metrics.connections.labels(wire.value).dec()


class ObservedSession:
    """A `SessionApi` that times its statements. A statement lasts until its last row is taken."""

    def __init__(
        self,
        inner: SessionApi,
        database: ObservedDatabase,
        metrics: Metrics,
        refused: Access,
        slow_ms: int,
        on_close: Callable[[], None],
    ) -> None:
        self.id = inner.id
        self.wire = inner.wire
        self.client = inner.client
        self._inner = inner
        self._observer = database
        self._counts = metrics.statements
        self._counts.add_wire(inner.wire.value)
        self._refused = refused
        self._slow_ms = slow_ms
        self._on_close: Callable[[], None] | None = on_close
        may_read = Access.READ not in refused
        self._instant = ObservedInstant(
            inner.instant, lambda: database.is_draining, self._answered, may_read=may_read
        )

    @property
    def database(self) -> str:
        """The current database."""
        return self._inner.database

    @property
    def timezone(self) -> str:
        """The session time zone."""
        return self._inner.timezone

    @property
    def output(self) -> Output:
        """How values are to be written."""
        return self._inner.output

    @property
    def transaction_status(self) -> TransactionStatus:
        """Where the session stands."""
        return self._inner.transaction_status

    @property
    def activity(self) -> Activity:
        """What the session is doing."""
        return self._inner.activity

    @property
    def autocommit(self) -> bool:
        """MySQL's autocommit flag."""
        return self._inner.autocommit

    @property
    def literal_backslashes(self) -> bool:
        """See `SessionApi.literal_backslashes`."""
        return self._inner.literal_backslashes

    def type_of(self, oid: int) -> DataType | None:
        """The type with that number among those that users made."""
        return self._inner.type_of(oid)

    def parse(self, text: str, parameter_types: Sequence[DataType | None] = ()) -> list[Statement]:
        """Splits and parses a request; a refused text counts as a failed statement."""
        started = perf_counter()
        try:
            return self._inner.parse(text, parameter_types)
        except DbError as error:
            self._record(text, started, 0, error)
            raise

    def open_block(self) -> None:
        """From here on statements are one transaction, until `close_block`."""
        self._inner.open_block()

    def close_block(self, *, commit: bool) -> None:
        """Ends it. Raises: DbError when it cannot be committed."""
        self._inner.close_block(commit=commit)

    def cursor(self, name: str) -> Cursor | None:
        """The open SQL cursor of that name."""
        return self._inner.cursor(name)

    def share_cursor(self, name: str, cursor: Cursor | None) -> None:
        """Lets FETCH, MOVE and CLOSE reach a portal of the protocol."""
        self._inner.share_cursor(name, cursor)

    def share_statement(self, name: str, statement: Statement | None) -> None:
        """Lets EXECUTE reach a named statement of the protocol."""
        self._inner.share_statement(name, statement)

    def when_killed(self, call: Callable[[], object]) -> None:
        """Registers what ends the connection after KILL."""
        self._inner.when_killed(call)

    @property
    def instant(self) -> InstantApi:
        """What is answered at once, counted like other statements."""
        return self._instant

    def describe(
        self, statement: Statement, parameter_types: Sequence[DataType | None] = ()
    ) -> Description:
        """Infers parameter types and result columns."""
        return self._inner.describe(statement, parameter_types)

    def execute(self, statement: Statement, parameters: Sequence[object] = ()) -> Result:
        """Runs one statement.

        Raises: DbError ACCESS_DENIED, SHUTTING_DOWN, and what the session raises.
        """
        started = perf_counter()
        if self._refused:
            self._check_access(statement)
        in_transaction = self._inner.transaction_status is not TransactionStatus.IDLE
        self._observer.statement_starts(in_transaction)
        try:
            result = self._inner.execute(statement, parameters)
        except BaseException as error:
            self._ended(statement.text, started, 0, error)
            raise
        if isinstance(result, Rows):
            return self._observed(result, statement.text, started)
        if isinstance(result, CopyOut):
            rows = self._observed(result.rows, statement.text, started)
            return CopyOut(rows, result.options)
        self._ended(statement.text, started, 0, None)
        return result

    def run(self, task: Task[T]) -> T:
        """Runs a task as a statement of its own. Raises: as `execute`."""
        started = perf_counter()
        self._refuse(Access.WRITE if task.writes else Access.READ)
        in_transaction = self._inner.transaction_status is not TransactionStatus.IDLE
        self._observer.statement_starts(in_transaction)
        try:
            answer = self._inner.run(task)
        except BaseException as error:
            self._ended(task.text, started, 0, error)
            raise
        self._ended(task.text, started, 0, None)
        return answer

    def _check_access(self, statement: Statement) -> None:
        self._refuse(access_of(statement))

    def _refuse(self, access: Access) -> None:
        refused = access & self._refused
        if refused:
            verb = "write" if refused is Access.WRITE else "read"
            raise DbError(ErrorKind.ACCESS_DENIED, f"user {self.client.user!r} may not {verb} data")

    def _observed(self, rows: Rows, text: str, started: float) -> Rows:
        """The same rows; the statement ends when they do."""
        stream = _Stream(rows, lambda count, error: self._ended(text, started, count, error))
        return Rows(
            rows.columns, iter(stream), tag=rows.tag, on_close=stream.close, binary=rows.binary
        )

    def _ended(self, text: str, started: float, rows: int, error: BaseException | None) -> None:
        self._observer.statement_ends()
        self._record(text, started, rows, error)

    def _record(self, text: str, started: float, rows: int, error: BaseException | None) -> None:
        outcome = OK
        if error is not None:
            kind = error.kind if isinstance(error, DbError) else ErrorKind.INTERNAL
            outcome = kind.name.lower()
        seconds = perf_counter() - started
        self._counts.ended(self.wire.value, outcome, seconds, rows)
        if self._slow_ms and seconds * 1_000 >= self._slow_ms:
            logger.warning(
                "slow statement",
                extra={
                    "seconds": round(seconds, 3),
                    "rows": rows,
                    "outcome": outcome,
                    "wire": self.wire.value,
                    "session": self.id,
                    "user": self.client.user,
                    "database": self.database,
                    "statement": text[:SLOW_TEXT_CHARACTERS_MAX],
                },
            )

    def _answered(self, text: str, started: float, rows: int) -> None:
        """A query was answered at once."""
        self._record(text, started, rows, None)

    def show(self, name: str) -> str:
        """A setting's value as text."""
        return self._inner.show(name)

    def set(self, name: str, value: str) -> None:
        """Sets a setting as SET would."""
        self._inner.set(name, value)

    def use(self, database: str) -> None:
        """Changes the current database."""
        self._inner.use(database)

    def cancel(self) -> None:
        """Ends the running statement, if any."""
        self._inner.cancel()

    def reset(self) -> None:
        """Back to the state after login."""
        self._inner.reset()

    def close(self) -> None:
        """Rolls back and frees everything; its place is free again."""
        on_close, self._on_close = self._on_close, None
        try:
            self._inner.close()
        finally:
            if on_close is not None:
                on_close()

    def take_notices(self) -> list[Notice]:
        """Notices since the last call."""
        return self._inner.take_notices()

    def take_notifications(self) -> list[Notification]:
        """What NOTIFY has sent to this session."""
        return self._inner.take_notifications()

    def when_notified(self, call: Callable[[], object]) -> None:
        """Registers what is told that something has come."""
        self._inner.when_notified(call)

    def take_reports(self) -> dict[str, str]:
        """Reported settings changed since the last call."""
        return self._inner.take_reports()


class _Stream:
    """Counts the rows of a result and tells once when it has ended, by whichever way."""

    def __init__(self, rows: Rows, ended: Callable[[int, BaseException | None], None]) -> None:
        self._rows = rows
        self._ended: Callable[[int, BaseException | None], None] | None = ended
        self._count = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._rows:
                self._count += batch.num_rows
                yield batch
        except BaseException as error:
            self._end(None if isinstance(error, GeneratorExit) else error)
            raise
        self._end(None)

    def close(self) -> None:
        """The client has all it wanted."""
        self._rows.close()
        self._end(None)

    def _end(self, error: BaseException | None) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self._count, error)
