"""Small requests that wait at the same moment are run together: one session, one write, one sync.

Used by endpoints that ingest. Each request is answered by itself: if a group fails, its requests
are run one by one, so that none fails for another's sake. Sessions serve one group after another
for a little while, since opening and closing one costs a tenth of a small group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

from engine.errors import DbError, ErrorKind
from server.work import Workers
from sql.session import ClientInfo, DatabaseApi, SessionApi, Wire

R = TypeVar("R")
A = TypeVar("A")

# Larger requests gain nothing: what they hold costs more than what surrounds it.
REQUEST_BYTES_MAX = 256 << 10
_GROUP_BYTES_MAX = 1 << 20
# While one group waits for the disk, another one is decoded; one request is no group.
_AT_ONCE = 2
_SECOND_MIN = 2
# What a session was told when it was opened, such as what its user may do, is at most so old.
SESSION_SECONDS = 1.0
# What befalls a session, whatever the request.
_OF_ALL = frozenset({ErrorKind.CANCELLED, ErrorKind.SHUTTING_DOWN, ErrorKind.TIMEOUT})


class ApartError(Exception):
    """Raised where requests must be run one by one, though nothing is wrong with them."""


Together = Callable[[SessionApi, Sequence[R]], Sequence[A]]


class _Sessions:
    """Sessions of one user in one database that no group uses just now. Any thread."""

    def __init__(self, database: DatabaseApi, client: ClientInfo) -> None:
        self._database = database
        self._client = client
        # Single operations on it are atomic.
        self._idle: list[tuple[SessionApi, float]] = []

    def take(self) -> tuple[SessionApi, float]:
        """One as after login, and until when it may be used. Raises: DbError."""
        with suppress(IndexError):
            while True:
                session, until = self._idle.pop()
                if monotonic() < until and self._is_at_home(session):
                    return session, until
                session.close()
        until = monotonic() + SESSION_SECONDS
        return self._database.connect(Wire.HTTP, self._client), until

    def _is_at_home(self, session: SessionApi) -> bool:
        try:
            session.use(self._client.database)
        except DbError:
            return False  # the database is gone: whoever connects is told so
        return True

    def give_back(self, session: SessionApi, until: float) -> None:
        """The group has ended."""
        try:
            session.reset()
        except BaseException:
            session.close()
            raise
        self._idle.append((session, until))

    def close(self) -> None:
        """Closes those that nobody uses."""
        with suppress(IndexError):
            while True:
                self._idle.pop()[0].close()


@dataclass(eq=False)
class _Queue(Generic[R, A]):
    """Requests of one user to one database that wait, and how many groups of them run."""

    sessions: _Sessions
    waiting: list[tuple[R, int, asyncio.Future[A]]] = field(default_factory=list)
    running: int = 0
    end: asyncio.TimerHandle | None = None  # what closes the sessions


class Groups(Generic[R, A]):
    """Requests of one kind. Used on the event loop only.

    `together` runs some on a worker thread, all or none, and answers each; of several it may raise
    whatever is wrong with any.
    """

    def __init__(self, database: DatabaseApi, workers: Workers, together: Together[R, A]) -> None:
        self._database = database
        self._workers = workers
        self._together = together
        self._queues: dict[Hashable, _Queue[R, A]] = {}

    async def run(self, client: ClientInfo, kind: Hashable, request: R, size: int) -> A:
        """The answer to a request of so many bytes, run with others of its kind.

        `kind`: what requests that may run together have in common, beside user and database.
        Requires: at most REQUEST_BYTES_MAX. Raises: DbError.
        """
        key = client.user, client.database, kind
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = _Queue(_Sessions(self._database, client))
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        queue.waiting.append((request, size, answer))
        self._start_some(key, queue)
        return await answer

    def _start_some(self, key: Hashable, queue: _Queue[R, A]) -> None:
        if queue.running < _AT_ONCE and len(queue.waiting) >= (_SECOND_MIN if queue.running else 1):
            self._start(key, queue)

    def _start(self, key: Hashable, queue: _Queue[R, A]) -> None:
        """Runs as many of those that wait as a group may have."""
        count = size = 0
        for _, bytes_, _ in queue.waiting:
            size += bytes_
            if count and size > _GROUP_BYTES_MAX:
                break
            count += 1
        group, queue.waiting = queue.waiting[:count], queue.waiting[count:]
        requests = [request for request, _, _ in group]
        futures = [answer for _, _, answer in group]
        queue.running += 1
        running = self._workers.start(lambda: self._answers(queue.sessions, requests))
        running.add_done_callback(lambda done: self._ended(key, queue, futures, done))

    def _ended(
        self,
        key: Hashable,
        queue: _Queue[R, A],
        futures: Sequence[asyncio.Future[A]],
        done: asyncio.Future[list[A | DbError]],
    ) -> None:
        queue.running -= 1
        error = None if done.cancelled() else done.exception()
        for place, future in enumerate(futures):
            if future.done():
                continue
            found = error or (None if done.cancelled() else done.result()[place])
            if isinstance(found, BaseException):
                future.set_exception(found)
            elif found is None:
                future.cancel()
            else:
                future.set_result(found)
        self._start_some(key, queue)
        if not queue.running and queue.end is None:
            loop = asyncio.get_running_loop()
            queue.end = loop.call_later(SESSION_SECONDS, self._rest, key, queue)

    def _rest(self, key: Hashable, queue: _Queue[R, A]) -> None:
        """Closes the sessions of a queue that nobody uses any more."""
        queue.end = None
        if not queue.running:
            del self._queues[key]
            self._workers.start(queue.sessions.close)

    def close(self) -> None:
        """Closes all sessions. Requires: no request runs, and none is going to come."""
        for queue in self._queues.values():
            if queue.end is not None:
                queue.end.cancel()
            queue.sessions.close()
        self._queues.clear()

    def _answers(self, sessions: _Sessions, requests: Sequence[R]) -> list[A | DbError]:
        """On a worker thread."""
        session, until = sessions.take()
        try:
            try:
                return list(self._together(session, requests))
            except DbError as error:
                if len(requests) == 1 or error.kind in _OF_ALL or error.kind.retryable:
                    raise
            except ApartError:
                assert len(requests) > 1
            return [self._alone(session, request) for request in requests]
        finally:
            sessions.give_back(session, until)

    def _alone(self, session: SessionApi, request: R) -> A | DbError:
        try:
            return self._together(session, [request])[0]
        except DbError as error:
            return error
