"""The bridge between the event loop and blocking work.

The wires are asynchronous; sql/ and everything below is not. `Workers.run` carries a call to a
thread and its result back. One session runs one call at a time (its wire awaits each).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

# Between two cancellations of a statement nobody waits for: it may begin only after the first.
CANCEL_AGAIN_SECONDS = 0.1

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """A bounded pool of threads for statements."""

    def __init__(self, threads: int) -> None:
        assert threads > 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="statement")

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a blocking call on a worker thread. Raises: whatever the call raises."""
        loop = asyncio.get_running_loop()
        if kwargs:
            return await loop.run_in_executor(self._pool, lambda: call(*args, **kwargs))
        return await loop.run_in_executor(self._pool, call, *args)

    def start(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Begins a blocking call on a worker thread; its result or error comes to the future."""
        return asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """Waits for running calls to end; cancel the sessions first."""
        self._pool.shutdown(wait=True, cancel_futures=True)
