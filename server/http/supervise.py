"""Work on worker threads that ends when its client is gone or its time is over.

Used by every endpoint that runs statements or tasks (sql.py, tasks.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Protocol, TypeVar

from starlette.types import Receive

from engine.errors import ErrorKind
from server.work import Workers

T = TypeVar("T")

# A cancellation that comes just before a statement starts would miss it: it is repeated.
CANCEL_AGAIN_SECONDS = 0.5


class Cancellable(Protocol):
    """What runs for a request."""

    def cancel(self, reason: ErrorKind = ErrorKind.CANCELLED) -> None:
        """Ends it with that reason. Any thread."""

    def close(self) -> None:
        """Frees everything. Requires: nothing of it runs."""


@contextlib.asynccontextmanager
async def supervised(
    exchange: Cancellable, timeout_ms: int, receive: Receive
) -> AsyncIterator[None]:
    """Cancels the exchange when its time is over (0: never) or its client is gone."""

    async def out_of_time() -> None:
        await asyncio.sleep(timeout_ms / 1_000)
        await keep_cancelling(ErrorKind.TIMEOUT)

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await keep_cancelling(ErrorKind.CANCELLED)

    async def keep_cancelling(reason: ErrorKind) -> None:
        while True:
            exchange.cancel(reason)
            await asyncio.sleep(CANCEL_AGAIN_SECONDS)

    tasks = [asyncio.create_task(gone())]
    if timeout_ms:
        tasks.append(asyncio.create_task(out_of_time()))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def uncut(exchange: Cancellable, workers: Workers, call: Callable[[], T]) -> T:
    """Runs a call of the exchange; when we are cancelled ourselves, the call still ends first."""
    running = asyncio.ensure_future(workers.run(call))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        exchange.cancel()
        await asyncio.wait([running])
        await workers.run(exchange.close)
        raise
