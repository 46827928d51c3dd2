"""One client's session after login: messages in, reply bytes out, no sockets.

connection.py calls `handle` for each message and pulls the replies in worker threads, so that large
results stream: each pull computes a little more. Holds the state that spans messages: what is left
of a simple query, a COPY in progress, whether an error waits for Sync.
https://www.postgresql.org/docs/current/protocol-flow.html
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from engine.errors import DbError, ErrorKind
from server.postgres import replies
from server.postgres.calls import call_function
from server.postgres.copy_in import CopyInput
from server.postgres.copy_out import copy_out
from server.postgres.extended import Extended
from server.postgres.messages import (
    BadMessage,
    Bind,
    Close,
    CopyData,
    CopyDone,
    CopyFail,
    Describe,
    Exchange,
    Execute,
    Flush,
    Frontend,
    FunctionCall,
    Parse,
    Password,
    Query,
    Sync,
)
from server.postgres.portals import Running
from server.postgres.rows import Piece
from sql.results import Affected, CopyIn, CopyOut, Cursor, Empty
from sql.session import SessionApi, Statement, TransactionStatus

logger = logging.getLogger(__name__)

_EXTENDED_CODES = frozenset("PBDEC")


class Conversation:
    """Answers messages in order. One thread at a time.

    I1. Every message gets its whole reply before the next one is looked at.
    I2. After an error in an extended-protocol message nothing runs until Sync.
    I3. What `handle` holds open (rows, a COPY sink) is released when its iterator is closed or
        `close` is called.
    """

    def __init__(self, session: SessionApi) -> None:
        # Constant after construction.
        self.session = session
        self._extended = Extended(session)
        # Changed by handle only.
        self._pending: deque[tuple[Statement, int]] = deque()  # rest of a simple query
        self._copy: CopyInput | None = None
        self._is_skipping = False
        self._parsed: str | None = None  # a statement that nobody has asked anything about yet

    @property
    def encoding(self) -> str:
        """The client's encoding, as SHOW client_encoding tells it."""
        return self.session.output.encoding

    @property
    def is_copying(self) -> bool:
        """True while the client sends rows of COPY. Any thread."""
        return self._copy is not None

    def handle(self, event: Frontend) -> Iterator[Piece]:
        """The reply to one message. Raises nothing a client could cause."""
        if self._copy is not None:
            return self._handle_copy(event, self._copy)
        if isinstance(event, Sync):
            return self._sync()
        if self._is_skipping or isinstance(event, Flush | CopyData | CopyDone | CopyFail):
            # Flush: nothing is ever held back. Copy messages: late ones of a COPY that failed.
            return iter(())
        if isinstance(event, Query):
            return self._query(event.text)
        if isinstance(event, Parse | Bind | Describe | Execute | Close):
            return self._guarded(lambda: self._extended_step(event))
        if isinstance(event, FunctionCall):
            return self._call(event)
        return self._refuse(event)

    def at_once(self, event: Frontend) -> Sequence[Piece] | None:
        """The whole reply if it takes no time; None: nothing has happened, `handle` makes it.

        An event loop may call it. Whatever is wrong is left to `handle` to tell.
        """
        if self._copy is not None or self._is_skipping:
            return None
        try:
            match event:
                case Sync():
                    return self._sync_at_once()
                case Query(text=text):
                    return self._query_at_once(text)
                case Flush():
                    return ()
                case _:
                    return self._step_at_once(event)
        except DbError:
            return None
        except Exception:
            logger.exception("a message could not be answered at once")
            return None

    def exchanged(self, exchange: Exchange) -> list[Piece] | None:
        """The whole reply to a common request, as `at_once` gives it message by message.

        None: nothing has happened, and its messages are still to be answered.
        """
        if self._copy is not None or self._is_skipping or self._parsed is not None:
            return None
        try:
            answer = self._extended.exchanged(exchange)
        except DbError:
            return None
        except Exception:
            logger.exception("a request could not be answered at once")
            return None
        return None if answer is None else [*answer, *self._ready()]

    def _step_at_once(self, event: Frontend) -> Sequence[Piece] | None:
        pieces = self._extended.at_once(event)
        if pieces is not None:
            self._parsed = event.statement if isinstance(event, Parse) else None
        return pieces

    def _sync_at_once(self) -> Sequence[Piece] | None:
        if self._parsed is not None:
            return None  # it is planned first
        if not (self.session.instant.is_settled() and self._extended.is_settled()):
            return None
        self._extended.sync()
        return list(self._ready())

    def _query_at_once(self, text: str) -> Sequence[Piece] | None:
        if not self._extended.is_settled():
            return None
        done = self.session.instant.control(text)
        if done is not None:
            self._extended.drop_unnamed()
            return [replies.command_complete(done.tag, done.rows), *self._ready()]
        statements = self.session.instant.parse(text)
        if statements is None or len(statements) != 1:
            return None
        found = self.session.instant.execute(statements[0])
        if found is None:
            return None
        self._extended.drop_unnamed()
        heading = self._extended.encoder(found.columns, ()).heading
        return [heading, *self._extended.rows_of(found, ()), *self._ready()]

    def patience(self) -> tuple[float, DbError] | None:
        """How long the client may stay silent now, in seconds, and what it is told then.

        https://www.postgresql.org/docs/current/runtime-config-client.html
        """
        if self._copy is not None:
            return None
        if self.session.transaction_status is TransactionStatus.IDLE:
            setting, kind, what = "idle_session_timeout", ErrorKind.IDLE_SESSION, "idle-session"
        else:
            setting = "idle_in_transaction_session_timeout"
            kind, what = ErrorKind.IDLE_IN_TRANSACTION, "idle-in-transaction"
        seconds = int(self.session.show(setting)) / 1000
        if not seconds:
            return None
        return seconds, DbError(kind, f"terminating connection due to {what} timeout")

    def close(self) -> None:
        """Drops what is in progress; the session itself stays open."""
        if self._copy is not None:
            self._copy.abort()
            self._copy = None
        self._pending.clear()
        self._extended.close()

    # The simple protocol.

    def _query(self, text: str) -> Iterator[Piece]:
        self._extended.drop_unnamed()
        try:
            statements = self.session.parse(text)
        except Exception as error:  # noqa: BLE001 - the last line of defence, logged there
            yield from self._failed(error)
            yield from self._ready()
            return
        if len(statements) > 1:
            self.session.open_block()
        at = 0
        for statement in statements:
            at = max(text.find(statement.text, at), at)
            self._pending.append((statement, at))
            at += len(statement.text)
        yield from self._run_pending()

    def _run_pending(self) -> Iterator[Piece]:
        """Runs the rest of a simple query, until its end, an error or a COPY FROM STDIN."""
        offset = 0
        try:
            while self._pending:
                statement, offset = self._pending.popleft()
                yield from self._run_simple(statement)
                if self._copy is not None:
                    return
            self.session.close_block(commit=True)
        except Exception as error:  # noqa: BLE001 - the last line of defence, logged there
            self._pending.clear()
            yield from self._failed(error, offset)
        yield from self._ready()

    def _run_simple(self, statement: Statement) -> Iterator[Piece]:
        result = self._extended.run(statement, ())
        if isinstance(result, Affected | Empty | CopyIn | CopyOut):
            yield from self._rowless(result, is_extended=False)
            return
        running = Running(Cursor(result), self.session)
        try:
            formats = (int(result.binary),) * len(result.columns)
            yield replies.row_description(result.columns, formats, self.encoding)
            yield from running.send(formats, 0)
            yield from self._notices()
            yield replies.command_complete(result.tag, running.sent)
        finally:
            running.close()

    def _rowless(
        self, result: Affected | Empty | CopyIn | CopyOut, *, is_extended: bool
    ) -> Iterator[Piece]:
        match result:
            case Empty():
                yield replies.EMPTY_QUERY
            case Affected(tag, rows):
                yield from self._notices()
                yield replies.command_complete(tag, rows)
            case CopyOut():
                yield from copy_out(result, self.session)
                yield from self._notices()
            case CopyIn(sink):
                self._copy = CopyInput(sink, is_extended, self.encoding)
                yield self._copy.response()

    # The extended protocol.

    def _extended_step(self, event: Parse | Bind | Describe | Execute | Close) -> Iterator[Piece]:
        match event:
            case Parse(statement=name):
                yield self._extended.parse(event)
                self._parsed = name
                return
            case Bind():
                yield self._extended.bind(event)
            case Describe(target, name):
                yield from self._extended.describe(target, name)
            case Close(target, name):
                yield self._extended.drop(target, name)
            case Execute(portal, max_rows):
                self.session.open_block()  # what comes before Sync is one transaction
                result = yield from self._extended.execute(portal, max_rows, self._notices)
                if result is not None:
                    yield from self._rowless(result, is_extended=True)
        self._parsed = None

    def _sync(self) -> Iterator[Piece]:
        self._is_skipping = False
        yield from self._guarded(self._check_parsed)
        yield from self._guarded(self._end_block)
        yield from self._guarded(self._extended.sync)
        self._is_skipping = False
        yield from self._ready()

    def _check_parsed(self) -> Iterator[Piece]:
        """Who prepares a statement alone learns of its errors then, as in PostgreSQL."""
        name, self._parsed = self._parsed, None
        if name is not None:
            self._extended.check(name)
        return iter(())

    def _end_block(self) -> Iterator[Piece]:
        self.session.close_block(commit=True)
        return iter(())

    def _guarded(self, step: Callable[[], Iterator[Piece]]) -> Iterator[Piece]:
        """Runs one extended step; an error is told and skips everything until Sync (I2)."""
        try:
            yield from step()
        except Exception as error:  # noqa: BLE001 - the last line of defence, logged there
            self._is_skipping = True
            self._parsed = None
            yield from self._failed(error)

    # COPY FROM STDIN.

    def _handle_copy(self, event: Frontend, copy: CopyInput) -> Iterator[Piece]:
        if isinstance(event, Sync | Flush):
            return
        try:
            if isinstance(event, CopyData):
                copy.feed(event.data)
                return
            if isinstance(event, CopyDone):
                rows = copy.finish()
            else:
                raise _copy_failure(event)
        except Exception as error:  # noqa: BLE001 - the last line of defence, logged there
            self._copy = None
            copy.abort()
            yield from self._copy_failed(error, copy)
            return
        self._copy = None
        yield from self._notices()
        yield replies.command_complete("COPY", rows)
        if not copy.is_extended:
            yield from self._run_pending()

    def _copy_failed(self, error: Exception, copy: CopyInput) -> Iterator[Piece]:
        """Late copy messages are ignored after this; in the extended protocol until Sync."""
        self._pending.clear()
        yield from self._failed(error)
        if copy.is_extended:
            self._is_skipping = True
        else:
            yield from self._ready()

    # What all replies share.

    def _refuse(self, event: Frontend) -> Iterator[Piece]:
        if isinstance(event, BadMessage):
            yield from self._failed(event.error)
            if event.code in _EXTENDED_CODES:
                self._is_skipping = True
                return
        else:
            assert isinstance(event, Password)
            yield from self._failed(DbError(ErrorKind.PROTOCOL, "nobody asked for a password"))
        yield from self._ready()

    def _call(self, event: FunctionCall) -> Iterator[Piece]:
        try:
            yield replies.function_result(call_function(self.session, event))
        except Exception as error:  # noqa: BLE001 - the last line of defence, logged there
            yield from self._failed(error)
        yield from self._ready()

    def _ready(self) -> Iterator[Piece]:
        for name, value in self.session.take_reports().items():
            yield replies.parameter_status(name, value)
        yield from self.notifications()
        yield replies.READY[self.session.transaction_status]

    def notifications(self) -> Iterator[Piece]:
        """What NOTIFY has sent to the client; nothing while a transaction is open."""
        if self.session.transaction_status is TransactionStatus.IDLE:
            for message in self.session.take_notifications():
                yield replies.notification(message, self.encoding)

    def _notices(self) -> Iterator[Piece]:
        for notice in self.session.take_notices():
            yield replies.notice_response(notice, self.encoding)

    def _failed(self, error: Exception, offset: int = 0) -> Iterator[Piece]:
        self.session.close_block(commit=False)
        if isinstance(error, DbError) and error.kind is ErrorKind.SHUTTING_DOWN:
            raise error  # ends the connection
        yield from self._notices()
        if not isinstance(error, DbError):
            logger.error("statement failed unexpectedly", exc_info=error)
            error = replies.internal_error()
        yield replies.error_response(error, offset=offset, encoding=self.encoding)


def _copy_failure(event: Frontend) -> DbError:
    if isinstance(event, CopyFail):
        return DbError(ErrorKind.CANCELLED, f"COPY from stdin failed: {event.reason}")
    if isinstance(event, BadMessage):
        return event.error
    name = type(event).__name__
    return DbError(ErrorKind.PROTOCOL, f"unexpected message {name} during COPY from stdin")
