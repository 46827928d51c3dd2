"""One task of a request: a session of its own, a worker thread, an end when the client is gone.

Called by the endpoints of protocols that are no SQL. The session is closed when the task is done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from starlette.requests import Request

from engine.errors import DbError, ErrorKind
from server.http.auth import authenticate
from server.http.context import context_of
from server.http.request import address
from server.http.supervise import supervised, uncut
from sql.session import ClientInfo, DatabaseApi, SessionApi, Wire

T = TypeVar("T")


async def in_session(
    request: Request,
    database: str,
    work: Callable[[SessionApi], T],
    *,
    timeout_ms: int = 0,
    application: str = "http",
    sent: tuple[str, str] | None = None,
) -> T:
    """What `work` returns, run on a worker thread for the request's user. Requires: the body was
    read. `sent`: user and password, where a protocol sends them elsewhere than HTTP does.

    Raises: DbError BAD_AUTHORIZATION, BAD_PASSWORD, UNDEFINED_DATABASE, TIMEOUT, CANCELLED, and
    what the work raises.
    """
    context = context_of(request)
    name, _ = await authenticate(request, sent)
    client = ClientInfo(name, database, address(request), application)
    running = _Running(context.database, client, work)
    async with supervised(running, timeout_ms, request.receive):
        return await uncut(running, context.workers, running.run)


async def at_once(
    request: Request,
    database: str,
    work: Callable[[SessionApi], T],
    *,
    application: str = "http",
) -> T:
    """As `in_session`, but `work` runs in the event loop. Requires: it takes no time."""
    name, _ = await authenticate(request)
    client = ClientInfo(name, database, address(request), application)
    session = context_of(request).database.connect(Wire.HTTP, client)
    try:
        return work(session)
    finally:
        session.close()


class _Running(Generic[T]):
    """The session of a request while its work runs."""

    def __init__(
        self, database: DatabaseApi, client: ClientInfo, work: Callable[[SessionApi], T]
    ) -> None:
        # Constant after construction.
        self._database = database
        self._client = client
        self._work = work
        self._lock = threading.Lock()
        # Guarded by _lock.
        self._session: SessionApi | None = None
        self._ended_by: ErrorKind | None = None

    def run(self) -> T:
        """Connects, works, closes. Raises: DbError."""
        session = self._database.connect(Wire.HTTP, self._client)
        with self._lock:
            self._session = session
        try:
            return self._work(session)
        except DbError as error:
            if error.kind is ErrorKind.CANCELLED and self._ended_by is ErrorKind.TIMEOUT:
                message = "the request took longer than its timeout"
                raise DbError(ErrorKind.TIMEOUT, message) from None
            raise
        finally:
            self.close()

    def cancel(self, reason: ErrorKind = ErrorKind.CANCELLED) -> None:
        """Ends what runs. Any thread."""
        with self._lock:
            self._ended_by = self._ended_by or reason
            if self._session is not None:
                self._session.cancel()

    def close(self) -> None:
        """Closes the session, once."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()
