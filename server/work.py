"""The bridge between the event loop and blocking work.

The wires are asynchronous; sql/ and everything below is not. `Workers.run` carries a call to a
thread and its result back. One session runs one call at a time (its wire awaits each). An executor
of the standard library does the same with a lock, a condition and two futures a call, which is
twice the price: small statements are many.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, ParamSpec, TypeVar

# Between two cancellations of a statement nobody waits for: it may begin only after the first.
CANCEL_AGAIN_SECONDS = 0.1

P = ParamSpec("P")
T = TypeVar("T")


class _Job(NamedTuple):
    """A call, and where its outcome is awaited."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    call: Callable[[], Any]


class Workers:
    """A bounded pool of threads for statements.

    I1. Every job that a thread has taken is settled, in the loop that awaits it.
    """

    def __init__(self, threads: int) -> None:
        assert threads > 0
        # Constant after construction.
        self._threads_max = threads
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)  # threads that wait, less the jobs meant for them
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closed = False

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a blocking call on a worker thread. Raises: whatever the call raises."""
        return await self.start(partial(call, *args, **kwargs))

    def start(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Begins a blocking call on a worker thread; its result or error comes to the future.

        Raises: RuntimeError after `close`.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._closed:
            raise RuntimeError("no call can begin any more")
        self._jobs.put(_Job(loop, future, call))
        if not self._idle.acquire(blocking=False):
            self._grow()
        return future

    def close(self) -> None:
        """Waits for running calls to end; cancel the sessions first."""
        with self._lock:
            self._closed = True
            threads = list(self._threads)
        while (job := self._left()) is not None:
            _tell(job, job.future.cancel)
        for _ in threads:
            self._jobs.put(None)
        for thread in threads:
            thread.join()

    def _left(self) -> _Job | None:
        try:
            return self._jobs.get_nowait()
        except Empty:
            return None

    def _grow(self) -> None:
        """One more thread, unless there are as many as there may be."""
        with self._lock:
            number = len(self._threads)
            if number < self._threads_max and not self._closed:
                thread = threading.Thread(target=self._work, name=f"statement_{number}")
                thread.daemon = True  # a process that ends without `close` is not held
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if not job.future.cancelled():
                _settle(job)
            del job  # what the call holds is free now
            self._idle.release()


def _settle(job: _Job) -> None:
    """Makes the call and tells its outcome."""
    try:
        value = job.call()
    except StopIteration as error:  # which no future takes
        failure = RuntimeError("a call on a worker thread raised StopIteration")
        failure.__cause__ = error
        _tell(job, partial(_fail, job.future, failure))
    except BaseException as error:  # noqa: BLE001 - it is raised where the call is awaited
        _tell(job, partial(_fail, job.future, error))
    else:
        _tell(job, partial(_succeed, job.future, value))


def _tell(job: _Job, outcome: Callable[[], object]) -> None:
    try:
        job.loop.call_soon_threadsafe(outcome)
    except RuntimeError:
        assert job.loop.is_closed()  # nobody awaits it any more


def _succeed(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
