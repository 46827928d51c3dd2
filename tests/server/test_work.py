"""Calls on worker threads: outcomes come back to the loop, however they end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from server.work import Workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(3)
    yield made
    made.close()


def test_results_and_arguments_come_back(workers: Workers) -> None:
    async def ask() -> list[object]:
        by_name = workers.run(divmod, 7, 2), workers.run(sorted, [1, 3, 2], reverse=True)
        return [await one for one in by_name]

    assert asyncio.run(ask()) == [(3, 1), [3, 2, 1]]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_errors_come_back(workers: Workers, error: BaseException) -> None:
    def fail() -> None:
        raise error

    async def ask() -> BaseException | None:
        done = workers.start(fail)
        await asyncio.wait([done])
        return done.exception()

    assert asyncio.run(ask()) is error


def test_a_stopped_iteration_is_an_error(workers: Workers) -> None:
    async def ask() -> None:
        await workers.run(next, iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(ask())


def test_calls_run_together_up_to_the_limit(workers: Workers) -> None:
    together, seen = threading.Barrier(3), set[str]()

    def call() -> None:
        together.wait(60)
        seen.add(threading.current_thread().name)

    async def ask() -> None:
        await asyncio.gather(*(workers.run(call) for _ in range(9)))

    asyncio.run(ask())
    assert len(seen) == 3


def test_a_call_nobody_waits_for_is_left_out() -> None:
    workers, go, ran = Workers(1), threading.Event(), []

    async def ask() -> None:
        first = workers.start(lambda: go.wait(60))
        second = workers.start(lambda: ran.append("second"))
        second.cancel()
        third = workers.start(lambda: ran.append("third"))
        go.set()
        await asyncio.gather(first, third)

    asyncio.run(ask())
    workers.close()
    assert ran == ["third"]


def test_closing_ends_what_runs_and_cancels_what_waits() -> None:
    workers, begun, go = Workers(1), threading.Event(), threading.Event()

    def call() -> str:
        begun.set()
        go.wait(60)
        return "done"

    async def ask() -> tuple[str, bool]:
        running, waiting = workers.start(call), workers.start(call)
        await asyncio.to_thread(begun.wait, 60)
        closing = asyncio.create_task(asyncio.to_thread(workers.close))
        await asyncio.wait([waiting])
        go.set()
        await closing
        return await running, waiting.cancelled()

    assert asyncio.run(ask()) == ("done", True)


def test_nothing_begins_after_the_end(workers: Workers) -> None:
    async def ask() -> None:
        workers.close()
        await workers.run(int)

    with pytest.raises(RuntimeError, match="any more"):
        asyncio.run(ask())
