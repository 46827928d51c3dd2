"""Work on worker threads that ends when its client is gone or its time is over.

Used by every endpoint that runs statements or tasks (sql.py, tasks.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, TypeVar

from starlette.types import Receive

from engine.errors import ErrorKind
from server.work import Workers

T = TypeVar("T")

# A cancellation that comes just before a statement starts would miss it: it is repeated.
CANCEL_AGAIN_SECONDS = 0.5
# Most work is done before its client can be gone: it is watched only once it takes longer.
UNWATCHED_SECONDS = 0.02


class Cancellable(Protocol):
    """What runs for a request."""

    def cancel(self, reason: ErrorKind = ErrorKind.CANCELLED) -> None:
        """Ends it with that reason. Any thread."""

    def close(self) -> None:
        """Frees everything. Requires: nothing of it runs."""


class supervised:  # noqa: N801 - used like a function, in `async with`
    """Cancels the exchange when its time is over (0: never) or its client is gone."""

    def __init__(self, exchange: Cancellable, timeout_ms: int, receive: Receive) -> None:
        self._exchange = exchange
        self._seconds = timeout_ms / 1_000
        self._receive = receive
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        wait = min(self._seconds or UNWATCHED_SECONDS, UNWATCHED_SECONDS)
        self._begin = loop.call_later(wait, self._watch, self._seconds - wait)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._begin.cancel()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _watch(self, seconds_left: float) -> None:
        self._tasks.append(asyncio.create_task(self._gone()))
        if self._seconds:
            self._tasks.append(asyncio.create_task(self._out_of_time(seconds_left)))

    async def _out_of_time(self, seconds_left: float) -> None:
        await asyncio.sleep(seconds_left)
        await self._keep_cancelling(ErrorKind.TIMEOUT)

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        await self._keep_cancelling(ErrorKind.CANCELLED)

    async def _keep_cancelling(self, reason: ErrorKind) -> None:
        while True:
            self._exchange.cancel(reason)
            await asyncio.sleep(CANCEL_AGAIN_SECONDS)


async def uncut(exchange: Cancellable, workers: Workers, call: Callable[[], T]) -> T:
    """Runs a call of the exchange; when we are cancelled ourselves, the call still ends first."""
    running = workers.start(call)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        exchange.cancel()
        await asyncio.wait([running])
        await workers.run(exchange.close)
        raise
