"""Small requests that wait at the same moment are run together: one session, one write, one sync.

Used by endpoints that ingest. Each request is answered by itself: if a group fails, its requests
are run one by one, so that none fails for another's sake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
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
# What befalls a session, whatever the request.
_OF_ALL = frozenset({ErrorKind.CANCELLED, ErrorKind.SHUTTING_DOWN, ErrorKind.TIMEOUT})


class ApartError(Exception):
    """Raised where requests must be run one by one, though nothing is wrong with them."""


Together = Callable[[SessionApi, Sequence[R]], Sequence[A]]


@dataclass(eq=False)
class _Queue(Generic[R, A]):
    """Requests of one user to one database that wait, and how many groups of them run."""

    client: ClientInfo
    waiting: list[tuple[R, int, asyncio.Future[A]]] = field(default_factory=list)
    running: int = 0


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
            queue = self._queues[key] = _Queue(client)
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
        running = self._workers.start(lambda: self._answers(queue.client, requests))
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
        if not queue.running:
            del self._queues[key]

    def _answers(self, client: ClientInfo, requests: Sequence[R]) -> list[A | DbError]:
        """On a worker thread."""
        session = self._database.connect(Wire.HTTP, client)
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
            session.close()

    def _alone(self, session: SessionApi, request: R) -> A | DbError:
        try:
            return self._together(session, [request])[0]
        except DbError as error:
            return error
