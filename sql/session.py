"""One client's conversation: who it is, where it is, its settings and its open transaction.

The wires see only this object. Its methods block (call them from worker threads), except `cancel`,
which any thread may call at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

from catalog.details import Role
from engine.backup import Capture
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.results import Affected, Cursor, Description, Found, Notice, Notification, Result


class Wire(Enum):
    """Which way of speaking a session has: it decides dialect, catalogs and names of types."""

    POSTGRES = "postgres"
    MYSQL = "mysql"
    HTTP = "http"


class TransactionStatus(Enum):
    """The state PostgreSQL reports in ReadyForQuery."""

    IDLE = "I"
    ACTIVE = "T"
    FAILED = "E"


def aborted_transaction() -> DbError:
    """What a failed transaction answers to everything but its end."""
    message = "current transaction is aborted, commands ignored until end of transaction block"
    return DbError(ErrorKind.FAILED_TRANSACTION, message)


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """Who is at the other end."""

    user: str
    database: str
    address: str  # host:port, or a path for a local socket
    application: str = ""
    found_rows: bool = False  # UPDATE counts rows matched, also on MySQL (CLIENT_FOUND_ROWS)
    compressed: bool = False  # MySQL's compressed protocol
    charset: str = ""  # MySQL's character set of the login, if it is not UTF-8
    cipher: tuple[str, str] = ("", "")  # TLS: the cipher's name and the version, as OpenSSL's


@dataclass(frozen=True, slots=True)
class Activity:
    """What a session is doing, for process lists."""

    query: str = ""  # the running statement, or the last one
    started_ms: int = 0  # when it began, in Unix time
    state: str = "idle"  # PostgreSQL's words: active, idle, idle in transaction, …
    connected_ms: int = 0
    waits_for: str = ""  # the kind of lock, in PostgreSQL's words


@dataclass(frozen=True, slots=True)
class Output:
    """The settings that say how the PostgreSQL wire writes values, as SHOW tells them.

    MySQL's wire looks at `encoding` and `client` only.
    """

    timezone: str
    encoding: str  # client_encoding; MySQL: character_set_results
    dates: str  # DateStyle
    intervals: str  # IntervalStyle
    binary: str  # bytea_output
    client: str = "utf8mb4"  # MySQL: character_set_client


T = TypeVar("T")
Answer = TypeVar("Answer", covariant=True)


class Task(Protocol[Answer]):
    """Work of a protocol that is no SQL text: rows of an agent, PromQL over HTTP.

    It runs like a statement: listed, timed, cancellable, subject to the user's rights.
    """

    @property
    def text(self) -> str:
        """What it does, for process lists and logs."""

    @property
    def writes(self) -> bool:
        """True if it changes data, False if it only reads."""

    def run(self, session: Any) -> Answer:
        """Does it in a session of sql/. Raises: DbError."""


class Statement(Protocol):
    """One parsed statement. Opaque to the wires but for these attributes."""

    @property
    def text(self) -> str:
        """The statement's own text, without its semicolon."""

    @property
    def parameter_count(self) -> int:
        """How many placeholders it has (`$3` alone counts three; `?` counts one each)."""

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to run (only comments or spaces)."""


class InstantApi(Protocol):
    """What a session does at once, from memory: an event loop may call these.

    They take microseconds and wait for nothing. None (False) means that nothing has happened: the
    methods of the session itself do it then, on a worker thread.
    """

    def parse(
        self, text: str, parameter_types: Sequence[DataType | None] = ()
    ) -> list[Statement] | None:
        """As `SessionApi.parse`."""

    def describe(self, statement: Statement) -> Description | None:
        """As `SessionApi.describe`, with the types that `parse` was told."""

    def execute(self, statement: Statement, parameters: Sequence[object] = ()) -> Found | None:
        """The rows of a query as `SessionApi.execute` gives them."""

    def control(self, text: str) -> Affected | None:
        """As BEGIN, COMMIT and ROLLBACK of a transaction that has changed nothing."""

    def is_settled(self) -> bool:
        """True if closing the block, as Sync does, would change nothing."""


class SessionApi(Protocol):
    """What a wire may ask of a session."""

    id: int  # positive, unique in this server's life, fits 31 bits
    wire: Wire
    client: ClientInfo

    @property
    def database(self) -> str:
        """The current database (PostgreSQL: first of search_path; MySQL: USE)."""

    @property
    def timezone(self) -> str:
        """The session time zone, an IANA name or `+HH:MM`. Timestamps are shown in it."""

    @property
    def output(self) -> Output:
        """How values are to be written; the same object until one of these settings changes."""

    @property
    def transaction_status(self) -> TransactionStatus:
        """Where the session stands; changes inside `execute` and `instant.control` only."""

    @property
    def activity(self) -> Activity:
        """What the session is doing. Any thread."""

    @property
    def autocommit(self) -> bool:
        """MySQL's autocommit flag."""

    def parse(self, text: str, parameter_types: Sequence[DataType | None] = ()) -> list[Statement]:
        """Splits and parses a request; no statement gives one empty one.

        `parameter_types` is what the client declares of its placeholders (None: nothing).
        Raises: DbError SYNTAX.
        """

    @property
    def literal_backslashes(self) -> bool:
        """MySQL's NO_BACKSLASH_ESCAPES: a backslash in a string stands for itself."""

    @property
    def instant(self) -> InstantApi:
        """What is answered at once."""

    def describe(
        self, statement: Statement, parameter_types: Sequence[DataType | None] = ()
    ) -> Description:
        """Infers parameter types (None: unknown) and result columns without running anything."""

    def type_of(self, oid: int) -> DataType | None:
        """The type with that number among those that users made, and arrays of them."""

    def execute(self, statement: Statement, parameters: Sequence[object] = ()) -> Result:
        """Runs one statement.

        Parameters are Python values: None, bool, int, float, Decimal, str, bytes, date, time,
        datetime (naive = session time zone; aware allowed), timedelta, UUID or a list of these.
        Raises: DbError; outside a transaction nothing was changed then.
        """

    def run(self, task: Task[T]) -> T:
        """Runs a task as a statement of its own. Raises: DbError."""

    def show(self, name: str) -> str:
        """A setting's value as text, e.g. `server_version`. Raises: DbError UNDEFINED_OBJECT."""

    def set(self, name: str, value: str) -> None:
        """Sets a setting as SET would (startup parameters, X-Greptime-Timezone)."""

    def use(self, database: str) -> None:
        """Changes the current database. Raises: DbError UNDEFINED_DATABASE."""

    def cancel(self) -> None:
        """Ends the running statement, if any, with CANCELLED. Any thread."""

    def open_block(self) -> None:
        """From here on statements are one transaction, until `close_block`.

        PostgreSQL treats the statements of one simple query, and everything up to a Sync, so. A
        BEGIN among them goes on after the block. Does nothing when a block or transaction is open.
        """

    def close_block(self, *, commit: bool) -> None:
        """Commits or rolls back what the block changed; an open transaction fails, if not.

        Raises: DbError (it is rolled back).
        """

    def cursor(self, name: str) -> Cursor | None:
        """The open SQL cursor of that name."""

    def share_cursor(self, name: str, cursor: Cursor | None) -> None:
        """Lets FETCH, MOVE and CLOSE reach a portal of the protocol; None: it is gone."""

    def share_statement(self, name: str, statement: Statement | None) -> None:
        """Lets EXECUTE reach a named statement of the protocol; None: it is gone."""

    def when_killed(self, call: Callable[[], object]) -> None:
        """Registers what ends the connection after KILL; called from any thread, must be quick."""

    def take_notifications(self) -> list[Notification]:
        """What NOTIFY has sent to this session since the last call. Any thread."""

    def when_notified(self, call: Callable[[], object]) -> None:
        """Registers what is told that something has come; any thread calls it, must be quick."""

    def reset(self) -> None:
        """Back to the state after login: rolls back, forgets settings, cursors, temp tables."""

    def close(self) -> None:
        """Rolls back and frees everything."""

    def take_notices(self) -> list[Notice]:
        """Notices since the last call."""

    def take_reports(self) -> dict[str, str]:
        """Reported settings (PostgreSQL's ParameterStatus names) changed since the last call."""


class DatabaseApi(Protocol):
    """What a server may ask of the database as a whole."""

    def reserve_id(self) -> int:
        """A session id never given before (MySQL greets with it before anybody has logged in)."""

    def connect(self, wire: Wire, client: ClientInfo, session_id: int | None = None) -> SessionApi:
        """Opens a session, with a reserved id or a fresh one.

        A reserved id may be used again once its session is closed (MySQL's change of user).
        Raises: DbError UNDEFINED_DATABASE when its database does not exist.
        """

    def login_role(self, name: str) -> Role | None:
        """The role that CREATE ROLE has made under that name, as it is committed. Any thread."""

    def sessions(self) -> list[SessionApi]:
        """Live sessions, oldest first."""

    def backup(self) -> Capture:
        """Everything as it is at one moment, as files that can be copied while work goes on.

        The caller copies them and closes the capture. Commits of tables without a time index wait
        while it is made. Raises: DbError REGION_BUSY (try again), DISK_FULL.
        """

    def close(self) -> None:
        """Cancels what runs, flushes the log, closes every store."""
