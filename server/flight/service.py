"""The Flight SQL service: what each call of a client does.

Made by listener.py. gRPC's threads call it, several at a time; each call has a session of its own
unless it names a transaction, whose calls share one and wait for each other. Batches go out as
DuckDB makes them. https://arrow.apache.org/docs/format/FlightSql.html
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from engine.errors import DbError, ErrorKind
from server.flight import messages
from server.flight.catalogs import listing
from server.flight.login import LOGIN, Logins
from server.flight.messages import Message
from sql.ingest.arrow import ArrowIngest
from sql.results import Affected, CopyIn, CopyOut, Result, Rows
from sql.session import ClientInfo, DatabaseApi, SessionApi, Wire

_ENDED = 1  # ActionEndTransactionRequest: commit
_CREATE, _APPEND, _REPLACE = 1, 2, 3  # CommandStatementIngest's options
_PREPARED_MAX = 10_000


@dataclass
class _Open:
    """A session that outlives one call."""

    session: SessionApi
    user: str
    busy: threading.Lock = field(default_factory=threading.Lock)


class FlightSql(flight.FlightServerBase):  # type: ignore[misc]
    """Calls of Flight SQL's clients. Any thread."""

    def __init__(
        self, database: DatabaseApi, logins: Logins, location: str, **options: Any
    ) -> None:
        super().__init__(location, middleware={LOGIN: logins}, **options)
        # Constant after construction.
        self._database = database
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._transactions: dict[bytes, _Open] = {}
        self._prepared: dict[bytes, tuple[str, str, bytes]] = {}  # user, text, transaction

    # What gRPC calls.

    def get_flight_info(
        self, context: flight.ServerCallContext, descriptor: flight.FlightDescriptor
    ) -> flight.FlightInfo:
        """Where the answer to a command is, and its columns."""
        with _told():
            name, body = messages.unpack(descriptor.command or b"")
            schema = self._schema_of(context, name, body)
            ticket = flight.Ticket(descriptor.command)
            return flight.FlightInfo(
                schema, descriptor, [flight.FlightEndpoint(ticket, [])], -1, -1
            )

    def get_schema(
        self, context: flight.ServerCallContext, descriptor: flight.FlightDescriptor
    ) -> flight.SchemaResult:
        """The columns of a command's answer."""
        with _told():
            name, body = messages.unpack(descriptor.command or b"")
            return flight.SchemaResult(self._schema_of(context, name, body))

    def do_get(
        self, context: flight.ServerCallContext, ticket: flight.Ticket
    ) -> flight.FlightDataStream:
        """The answer, batch by batch."""
        with _told():
            name, body = messages.unpack(ticket.ticket)
            found = self._query_of(context, name, body)
            if found is None:
                with self._session(context, b"") as session:
                    return flight.RecordBatchStream(listing(name, body, session))
            return self._stream(context, *found)

    def do_put(
        self,
        context: flight.ServerCallContext,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.FlightMetadataWriter,
    ) -> None:
        """Rows for a table, or a statement that changes something."""
        with _told():
            if descriptor.path:
                parts = [part.decode() for part in descriptor.path]
                count = self._ingest(context, b"", _plain(parts, reader))
            else:
                count = self._put(context, *messages.unpack(descriptor.command or b""), reader)
            writer.write(messages.message(f1=count))

    def do_action(
        self, context: flight.ServerCallContext, action: flight.Action
    ) -> Iterator[flight.Result]:
        """Prepared statements and transactions."""
        with _told():
            name, body = messages.unpack(action.body.to_pybytes())
            answer = self._act(context, name, body)
        return iter([flight.Result(answer)] if answer is not None else [])

    def list_actions(self, context: flight.ServerCallContext) -> list[tuple[str, str]]:
        """What do_action can."""
        names = ("CreatePreparedStatement", "ClosePreparedStatement")
        return [(name, "") for name in (*names, "BeginTransaction", "EndTransaction")]

    def close_sessions(self) -> None:
        """Rolls back what is still open."""
        with self._lock:
            left, self._transactions = list(self._transactions.values()), {}
        for one in left:
            one.session.close()

    # Queries.

    def _query_of(
        self, context: flight.ServerCallContext, name: str, body: Message
    ) -> tuple[str, bytes] | None:
        """Text and transaction of a command that is a query; None for one about the catalog."""
        if name == "CommandStatementQuery":
            return body.text(1) or "", body.data(2) or b""
        if name == "CommandPreparedStatementQuery":
            return self._text_of(context, body)
        return None

    def _text_of(self, context: flight.ServerCallContext, body: Message) -> tuple[str, bytes]:
        with self._lock:
            user, text, transaction = self._prepared.get(body.data(1) or b"", ("", "", b""))
        if not text or user != _user(context):
            raise DbError(ErrorKind.UNDEFINED_STATEMENT, "there is no such prepared statement")
        return text, transaction

    def _schema_of(self, context: flight.ServerCallContext, name: str, body: Message) -> pa.Schema:
        found = self._query_of(context, name, body)
        if found is None:
            with self._session(context, b"") as session:
                return listing(name, body, session).schema
        with self._session(context, found[1]) as session:
            return _described(session, found[0])

    def _stream(
        self, context: flight.ServerCallContext, text: str, transaction: bytes
    ) -> flight.FlightDataStream:
        """The rows; the session is given back when they end or the client has gone."""
        held = self._session(context, transaction)
        session = held.__enter__()
        try:
            result = _run(session, text)
            if not isinstance(result, Rows):
                held.__exit__(None, None, None)
                return flight.RecordBatchStream(pa.table({}))
        except BaseException as error:
            held.__exit__(type(error), error, None)
            raise
        schema = pa.schema([pa.field(c.name, c.type.arrow) for c in result.columns])

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                with _told():
                    for batch in result:
                        if context.is_cancelled():
                            return
                        yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
            finally:
                result.close()
                held.__exit__(None, None, None)

        return flight.GeneratorStream(schema, batches())

    # Changes.

    def _put(
        self,
        context: flight.ServerCallContext,
        name: str,
        body: Message,
        reader: flight.MetadataRecordBatchReader,
    ) -> int:
        if name == "CommandStatementIngest":
            return self._ingest(context, body.data(6) or b"", _ingest(body, reader))
        if name == "CommandStatementUpdate":
            text, transaction = body.text(1) or "", body.data(2) or b""
        elif name == "CommandPreparedStatementUpdate":
            text, transaction = self._text_of(context, body)
        else:
            raise DbError(ErrorKind.UNSUPPORTED, f"{name} is not supported")
        with self._session(context, transaction) as session:
            result = _run(session, text)
            if isinstance(result, Rows):
                count = int(sum(batch.num_rows for batch in result))
                result.close()
                return count
            return result.rows or 0 if isinstance(result, Affected) else 0

    def _ingest(
        self, context: flight.ServerCallContext, transaction: bytes, task: ArrowIngest
    ) -> int:
        with self._session(context, transaction) as session:
            count: int = session.run(task)
            return count

    # Prepared statements and transactions.

    def _act(self, context: flight.ServerCallContext, name: str, body: Message) -> bytes | None:
        match name:
            case "ActionCreatePreparedStatementRequest":
                return self._prepare(context, body)
            case "ActionClosePreparedStatementRequest":
                with self._lock:
                    self._prepared.pop(body.data(1) or b"", None)
                return None
            case "ActionBeginTransactionRequest":
                return self._begin(context)
            case "ActionEndTransactionRequest":
                self._end(context, body.data(1) or b"", commit=body.number(2) == _ENDED)
                return None
        raise DbError(ErrorKind.UNSUPPORTED, f"{name} is not supported")

    def _prepare(self, context: flight.ServerCallContext, body: Message) -> bytes:
        text, transaction = body.text(1) or "", body.data(2) or b""
        with self._session(context, transaction) as session:
            schema = _described(session, text)
        handle = secrets.token_bytes(16)
        with self._lock:
            if len(self._prepared) >= _PREPARED_MAX:
                self._prepared.pop(next(iter(self._prepared)))
            self._prepared[handle] = _user(context), text, transaction
        columns = schema.serialize().to_pybytes()
        made = messages.message(f1=handle, f2=columns)
        return messages.pack("ActionCreatePreparedStatementResult", made)

    def _begin(self, context: flight.ServerCallContext) -> bytes:
        session = self._connect(context)
        _run(session, "BEGIN")
        handle = secrets.token_bytes(16)
        with self._lock:
            self._transactions[handle] = _Open(session, _user(context))
        answer = messages.message(f1=handle)
        return messages.pack("ActionBeginTransactionResult", answer)

    def _end(self, context: flight.ServerCallContext, handle: bytes, *, commit: bool) -> None:
        with self._session(context, handle) as session:
            with self._lock:
                self._transactions.pop(handle, None)
            try:
                _run(session, "COMMIT" if commit else "ROLLBACK")
            finally:
                session.close()

    @contextmanager
    def _session(
        self, context: flight.ServerCallContext, transaction: bytes
    ) -> Iterator[SessionApi]:
        """The transaction's session, alone; without one a session for this call."""
        if not transaction:
            session = self._connect(context)
            try:
                yield session
            finally:
                session.close()
            return
        with self._lock:
            found = self._transactions.get(transaction)
        if found is None or found.user != _user(context):
            raise DbError(ErrorKind.NO_TRANSACTION, "there is no such transaction")
        with found.busy:
            yield found.session

    def _connect(self, context: flight.ServerCallContext) -> SessionApi:
        who = context.get_middleware(LOGIN)
        client = ClientInfo(who.user, who.database, context.peer())
        return self._database.connect(Wire.POSTGRES, client)


def _user(context: flight.ServerCallContext) -> str:
    return str(context.get_middleware(LOGIN).user)


def _run(session: SessionApi, text: str) -> Result:
    """Runs one statement. Raises: DbError."""
    statements = session.parse(text)
    if len(statements) != 1:
        raise DbError(ErrorKind.SYNTAX, "one statement at a time")
    result = session.execute(statements[0])
    if isinstance(result, CopyIn | CopyOut):
        raise DbError(ErrorKind.UNSUPPORTED, "COPY needs the PostgreSQL protocol")
    return result


def _described(session: SessionApi, text: str) -> pa.Schema:
    statements = session.parse(text)
    if len(statements) != 1:
        raise DbError(ErrorKind.SYNTAX, "one statement at a time")
    columns = session.describe(statements[0]).columns or ()
    return pa.schema([pa.field(c.name, c.type.arrow) for c in columns])


def _ingest(body: Message, reader: flight.MetadataRecordBatchReader) -> ArrowIngest:
    options = messages.read(body.data(1) or b"")
    if body.number(5):
        raise DbError(ErrorKind.UNSUPPORTED, "rows go to lasting tables only")
    there = {_APPEND: "append", _REPLACE: "replace"}.get(options.number(2), "fail")
    missing = "create" if options.number(1) == _CREATE else "fail"
    name = body.text(2) or ""
    return ArrowIngest(name, body.text(3), reader.schema, _batches(reader), missing, there)


def _plain(path: list[str], reader: flight.MetadataRecordBatchReader) -> ArrowIngest:
    """Rows for the table a path names: `[table]` or `[database, table]`."""
    database = path[-2] if len(path) > 1 else None
    return ArrowIngest(path[-1], database, reader.schema, _batches(reader))


def _batches(reader: flight.MetadataRecordBatchReader) -> Iterator[pa.RecordBatch]:
    for chunk in reader:
        if chunk.data is not None:
            yield chunk.data


@contextmanager
def _told() -> Iterator[None]:
    """Our errors as Flight's, which gRPC carries. Their texts begin with the SQLSTATE."""
    try:
        yield
    except DbError as error:
        text = f"[{error.kind.codes.sqlstate}] {error.message}"
        kinds = {
            ErrorKind.CANCELLED: flight.FlightCancelledError,
            ErrorKind.TIMEOUT: flight.FlightTimedOutError,
            ErrorKind.ACCESS_DENIED: flight.FlightUnauthorizedError,
            ErrorKind.INTERNAL: flight.FlightInternalError,
        }
        # Only Flight's own errors reach the client without Python's traceback.
        raise kinds.get(error.kind, flight.FlightServerError)(text) from None
