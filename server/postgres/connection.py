"""One PostgreSQL client's socket: bytes in, messages to the conversation, replies out.

Made by listener.py. Reads and writes happen on the event loop; everything that may take time (the
login, statements, encoding rows) runs in a worker thread, one call at a time. It knows no SQL.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from engine.errors import DbError, ErrorKind
from server.postgres import replies
from server.postgres.conversation import Conversation
from server.postgres.messages import (
    CancelRequest,
    Frontend,
    GSSENCRequest,
    SSLRequest,
    StartupMessage,
    Terminate,
)
from server.postgres.protocol import FrontendReader, Limits
from server.postgres.rows import Piece
from server.postgres.startup import Door, Login, login
from server.work import CANCEL_AGAIN_SECONDS, Workers
from sql.session import SessionApi

logger = logging.getLogger(__name__)

PULL_BYTES = 1 << 18  # one trip to a worker thread computes about this much
_AT_ONCE_MAX = 64  # messages answered at once: then others have their turn
# More than this unread, and the client has to wait: a long batch is not taken before its first
# statements have been answered, as they may fail. COPY's data are better taken in large pieces.
READ_AHEAD_BYTES = 32 << 10
COPY_AHEAD_BYTES = 8 << 20
# Rows are computed while the ones before are being sent, until so many bytes wait.
UNSENT_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator chooses for all connections of a listener."""

    limits: Limits = field(default_factory=Limits)
    login_seconds_max: float = 60.0  # PostgreSQL's authentication_timeout
    tls: ssl.SSLContext | None = None
    # The hash of its certificate that logins can be bound to; None: they cannot.
    end_point: Callable[[], bytes | None] = lambda: None
    # How long a client that sends no more gets the answers to what it has sent. One that is gone
    # looks the same, and what runs for it runs on for that long.
    half_closed_seconds_max: float = 5.0


class Connection(asyncio.Protocol):
    """A socket and the task that serves it.

    I1. `_lost` set means nobody reads our replies: a running statement is cancelled at once.
    I2. The session is closed exactly once, after its last call has returned.
    """

    def __init__(
        self,
        door: Door,
        workers: Workers,
        options: Options,
        on_end: Callable[[Connection], None],
    ) -> None:
        # Constant after construction.
        self._door = door
        self._workers = workers
        self._options = options
        self._on_end = on_end
        # Changed on the event loop only.
        self._reader = FrontendReader(options.limits)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._session: SessionApi | None = None
        self._deadline: float | None = None  # of the loop's clock, while the client logs in
        self._more = asyncio.Event()  # bytes came, or the end
        self._writable = asyncio.Event()
        self._writable.set()
        self._end_point: bytes | None = None  # of the TLS connection
        self._lost = False
        self._has_ended = False  # the client sends no more
        self._conversation: Conversation | None = None  # once the client has logged in
        self._idle: Conversation | None = None  # while no message of it is being answered
        self._waiting: deque[Frontend] = deque()  # messages for the task, before the reader's
        self._unsent: list[Piece] = []  # replies that the next ones follow at once
        self._is_paused = False
        self._is_stopping = False
        self._goodbye = "terminating connection because the server is shutting down"

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is there."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one only by behaviour
        self._transport.set_write_buffer_limits(UNSENT_BYTES)
        link: socket.socket | None = transport.get_extra_info("socket")
        if link is not None and link.family in (socket.AF_INET, socket.AF_INET6):
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # finds dead clients
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + self._options.login_seconds_max
        self._task = loop.create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        """Bytes for the reader; too many unread ones make the client wait."""
        self._reader.feed(data)
        if self._idle is None or not self._answered_at_once(self._idle):
            self._idle = None
            self._more.set()
        if self._reader.buffered > self._ahead_max() and not self._is_paused:
            self._is_paused = True
            self._require_transport().pause_reading()

    def _answered_at_once(self, conversation: Conversation) -> bool:
        """Answers what takes no time, here and now; False if messages are left for the task.

        A task that wakes up, let alone a worker thread, takes longer than such answers.
        """
        if self._deadline is not None or self._is_stopping or not self._writable.is_set():
            return False
        exchange = self._reader.exchange()
        if exchange is not None and (answer := conversation.exchanged(exchange)) is not None:
            self._reader.take()
            self._write(answer)
            return True
        for _ in range(_AT_ONCE_MAX):
            try:
                event = self._reader.next_event()
            except DbError:
                return False  # it is raised again where it is told
            if event is None:
                break
            pieces = conversation.at_once(event)
            if pieces is None:
                self._waiting.append(event)
                return False
            self._unsent += pieces
        self._write([])
        # A reader that holds much was told to pause; the task lets it go on.
        return self._reader.buffered <= (READ_AHEAD_BYTES if event is None else 0)

    def _ahead_max(self) -> int:
        talk = self._conversation
        return COPY_AHEAD_BYTES if talk is not None and talk.is_copying else READ_AHEAD_BYTES

    def eof_received(self) -> bool:
        """The client sends no more; True keeps the way back open while it has answers to come."""
        is_idle = self._idle is not None and not self._waiting
        if self._conversation is None or is_idle or self._is_encrypted():
            return False
        self._has_ended = True
        self._more.set()
        loop = asyncio.get_running_loop()
        loop.call_later(self._options.half_closed_seconds_max, self._require_transport().abort)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: whatever runs for it ends (I1)."""
        self._lost = True
        self._more.set()
        self._writable.set()
        self._cancel()

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It caught up."""
        self._writable.set()

    def stop(self) -> None:
        """Cancels what runs; the connection ends when that has ended."""
        self._is_stopping = True
        self._more.set()
        self._cancel()

    def _kill(self) -> None:
        """Another session has asked for the end of this one."""
        self._goodbye = "terminating connection due to administrator command"
        self.stop()

    def _cancel(self) -> None:
        """Ends what runs; asked again until it has ended, as it may just be about to begin."""
        if self._session is not None:
            self._session.cancel()
            asyncio.get_running_loop().call_later(CANCEL_AGAIN_SECONDS, self._cancel)

    async def close(self) -> None:
        """Ends the connection: an idle one at once, a busy one when its statement was cancelled."""
        self.stop()
        if self._task is not None:
            await asyncio.wait([self._task])

    # The life of a connection.

    async def _serve(self) -> None:
        conversation = None
        try:
            conversation = await self._log_in()
            self._deadline = None
            if conversation is not None:
                await self._converse(conversation)
        except DbError as error:
            self._write([replies.error_response(error, fatal=True)])
        except TimeoutError:
            logger.info("a client did not log in in time")
        except Exception:
            logger.exception("connection failed unexpectedly")
            self._write([replies.error_response(replies.internal_error(), fatal=True)])
        finally:
            await self._leave(conversation)

    async def _leave(self, conversation: Conversation | None) -> None:
        """Frees everything (I2), then lets the last bytes go out."""
        session = self._session
        if session is not None:
            self._door.keys.remove(session)
            self._session = None
            await self._workers.run(_close, conversation, session)
        if self._transport is not None:
            self._transport.close()
        self._on_end(self)

    async def _log_in(self) -> Conversation | None:
        """Until the session is open; None for a connection that wanted something else."""
        startup = await self._startup()
        if startup is None:
            return None
        exchange = login(startup, self._door, self._peer(), self._end_point)
        answer: Frontend | None = None
        while True:
            sent, opened = await self._workers.run(_login_step, exchange, answer)
            if opened is not None:
                self._session = opened
                loop = asyncio.get_running_loop()
                opened.when_killed(partial(loop.call_soon_threadsafe, self._kill))
                opened.when_notified(partial(loop.call_soon_threadsafe, self._deliver))
                self._reader.authenticated = True
                self._write([sent])
                conversation = self._conversation = Conversation(opened)
                self._reader.encoding = conversation.encoding
                return conversation
            self._write([sent])
            answer = await self._next()
            if answer is None or isinstance(answer, Terminate):
                return None

    async def _startup(self) -> StartupMessage | None:
        """Answers requests for encryption and cancellation until the startup message comes."""
        while (event := await self._next()) is not None:
            match event:
                case StartupMessage():
                    return event
                case CancelRequest(process, secret):
                    await self._workers.run(self._door.keys.cancel, process, secret)
                    return None
                case SSLRequest() if self._options.tls is not None and not self._is_encrypted():
                    await self._start_tls(self._options.tls)
                case SSLRequest() | GSSENCRequest():
                    self._write([b"N"])
        return None

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        if self._reader.buffered:
            # Somebody in the middle may have put plain bytes before the encrypted ones.
            raise DbError(ErrorKind.PROTOCOL, "received unencrypted data after SSL request")
        self._write([b"S"])
        self._end_point = self._options.end_point()
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(self._require_transport(), self, context, server_side=True)
        assert transport is not None
        transport.set_write_buffer_limits(UNSENT_BYTES)
        self._transport = transport

    async def _converse(self, conversation: Conversation) -> None:
        """Serves messages until the client leaves or we stop."""
        while not self._is_stopping:
            self._idle = conversation
            self._deliver()
            events = await self._patiently(conversation)
            self._idle = None
            if not events:
                break
            leaves = isinstance(events[-1], Terminate)
            await self._answer(conversation, events[:-1] if leaves else events)
            self._reader.encoding = conversation.encoding
            if leaves:
                return
        if self._is_stopping:
            raise DbError(ErrorKind.SHUTTING_DOWN, self._goodbye)

    async def _patiently(self, conversation: Conversation) -> list[Frontend]:
        """The next messages. Raises: DbError when the client is idle for longer than it may be."""
        patience = conversation.patience()
        if patience is None:
            return await self._next_batch()
        self._deadline = asyncio.get_running_loop().time() + patience[0]
        try:
            return await self._next_batch()
        except TimeoutError:
            raise patience[1] from None
        finally:
            self._deadline = None

    def _deliver(self) -> None:
        """Sends notifications to a client that asks nothing just now; others get them later."""
        if self._idle is not None and not self._lost:
            self._write(list(self._idle.notifications()))

    async def _answer(self, conversation: Conversation, events: list[Frontend]) -> None:
        """Sends the replies to some messages, as fast as the client takes them."""
        pieces = self._replies(conversation, events)
        is_finished = False
        while not is_finished:
            sent, is_finished = await self._workers.run(_pull, pieces)
            if self._lost:
                await self._workers.run(_drop, pieces)
                return
            self._write(sent)
            await self._writable.wait()

    def _replies(self, conversation: Conversation, events: list[Frontend]) -> Iterator[Piece]:
        """Runs in worker threads; stops before the next message when nobody listens any more."""
        for event in events:
            if self._lost or self._is_stopping:
                return
            yield from conversation.handle(event)

    async def _next_batch(self) -> list[Frontend]:
        """All messages that are there, at least one; empty at the end."""
        first = await self._next()
        if first is None:
            return []
        events = [first]
        while not isinstance(events[-1], Terminate):
            event = self._reader.next_event()
            if event is None:
                break
            events.append(event)
        return events

    async def _next(self) -> Frontend | None:
        """The next message, None when the client is gone or we stop.

        Raises: DbError PROTOCOL, TimeoutError when a login takes too long.
        """
        while not self._lost and not self._is_stopping:
            if self._waiting:
                return self._waiting.popleft()
            event = self._reader.next_event()
            if event is not None:
                return event
            if self._has_ended:
                return None
            self._more.clear()
            if self._is_paused:
                self._is_paused = False
                self._require_transport().resume_reading()
            async with asyncio.timeout_at(self._deadline):
                await self._more.wait()
        return None

    # The socket.

    def _write(self, pieces: list[Piece]) -> None:
        if self._unsent:
            pieces, self._unsent = [*self._unsent, *pieces], []
        if self._transport is not None and not self._lost and pieces:
            self._transport.writelines(pieces)

    def _require_transport(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    def _is_encrypted(self) -> bool:
        return self._require_transport().get_extra_info("sslcontext") is not None

    def _peer(self) -> str:
        peer: Any = self._require_transport().get_extra_info("peername")
        return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer or "local")


# What runs in worker threads.


def _login_step(exchange: Login, answer: Frontend | None) -> tuple[bytes, SessionApi | None]:
    """Bytes to send, and the session when the login is complete. Raises: DbError."""
    try:
        if answer is None:
            return next(exchange), None
        return exchange.send(answer), None
    except StopIteration as end:
        session, sent = end.value
        return sent, session


def _pull(pieces: Iterator[Piece]) -> tuple[list[Piece], bool]:
    """The next replies and whether they are the last."""
    found: list[Piece] = []
    size = 0
    for piece in pieces:
        found.append(piece)
        size += len(piece)
        if size >= PULL_BYTES:
            return found, False
    return found, True


def _drop(pieces: Iterator[Piece]) -> None:
    close = getattr(pieces, "close", None)
    assert close is not None
    close()


def _close(conversation: Conversation | None, session: SessionApi) -> None:
    try:
        if conversation is not None:
            conversation.close()
    finally:
        session.close()
