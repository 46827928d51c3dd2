"""Requests that wait at the same moment: run together, answered one by one."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from engine.errors import DbError, ErrorKind
from server.http import groups
from server.http.groups import Groups
from server.work import Workers
from sql.session import ClientInfo

ANN = ClientInfo("ann", "public", "1.2.3.4:5")


class Session:
    """Something to close. Its database may go."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.resets = 0
        house.open.append(self)
        house.connected += 1

    def use(self, database: str) -> None:
        if self.house.is_gone:
            raise DbError(ErrorKind.UNDEFINED_DATABASE, "no such database")

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.house.open.remove(self)


class House:
    """Groups whose work waits until it may go on, and notes what it was given."""

    def __init__(self, workers: Workers) -> None:
        self.go_on = threading.Event()
        self.seen: list[list[str]] = []
        self.open: list[Session] = []
        self.connected = 0
        self.is_gone = False
        self.groups: Groups[str, str] = Groups(self, workers, self.together)  # type: ignore[arg-type]

    def connect(self, wire: object, client: ClientInfo) -> Session:
        if client.database == "none" or self.is_gone:
            raise DbError(ErrorKind.UNDEFINED_DATABASE, "no such database")
        return Session(self)

    def together(self, session: object, requests: Sequence[str]) -> list[str]:
        self.go_on.wait(60)
        self.seen.append(list(requests))
        for request in requests:
            if request.startswith("bad"):
                raise DbError(ErrorKind.INVALID_ARGUMENT, request)
            if request == "full":
                raise DbError(ErrorKind.DISK_FULL, request)
            if request == "broken":
                raise ZeroDivisionError
        return [request.upper() for request in requests]

    async def ask(self, *requests: str, size: int = 10, client: ClientInfo = ANN) -> list[Any]:
        tasks = [
            asyncio.create_task(self.groups.run(client, "kind", request, size))
            for request in requests
        ]
        await asyncio.sleep(0)  # all have begun to wait
        self.go_on.set()
        return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    workers = Workers(4)
    house = House(workers)
    yield house
    house.groups.close()
    workers.close()
    assert house.open == []


async def test_those_who_wait_are_run_together(house: House) -> None:
    assert await house.ask(*"abcdef") == list("ABCDEF")
    assert sorted(house.seen) == [["a"], ["b", "c"], ["d", "e", "f"]]


async def test_a_bad_one_fails_alone(house: House) -> None:
    found = await house.ask("a", "b", "c", "bad 1", "d", "bad 2")
    assert found[:3] + found[4:5] == ["A", "B", "C", "D"]
    assert [error.message for error in (found[3], found[5])] == ["bad 1", "bad 2"]


async def test_what_is_to_be_sent_again_is_not_tried_one_by_one(house: House) -> None:
    found = await house.ask("a", "b", "c", "full", "d")
    assert found[:3] == ["A", "B", "C"]
    assert {error.kind for error in found[3:]} == {ErrorKind.DISK_FULL}
    assert len(house.seen) == 3


async def test_an_error_of_ours_reaches_all_of_a_group(house: House) -> None:
    found = await house.ask("a", "b", "c", "d", "broken")
    assert found[:3] == ["A", "B", "C"]
    assert [type(error) for error in found[3:]] == [ZeroDivisionError] * 2


async def test_a_group_holds_so_many_bytes(house: House) -> None:
    half = groups._GROUP_BYTES_MAX // 2
    assert await house.ask(*"abcdefg", size=half) == list("ABCDEFG")
    assert sorted(house.seen) == [["a"], ["b", "c"], ["d", "e"], ["f", "g"]]


async def test_users_databases_and_kinds_are_apart(house: House) -> None:
    asked = [house.ask(*"abc"), house.ask(*"xyz", client=ClientInfo("rob", "public", ""))]
    assert await asyncio.gather(*asked) == [["A", "B", "C"], ["X", "Y", "Z"]]
    for group in house.seen:
        assert set(group) <= set("abc") or set(group) <= set("xyz")


async def test_a_missing_database_is_everybodys(house: House) -> None:
    found = await house.ask(*"abc", client=ClientInfo("ann", "none", ""))
    assert {error.kind for error in found} == {ErrorKind.UNDEFINED_DATABASE}


async def test_one_who_is_gone_does_not_keep_others(house: House) -> None:
    tasks = [asyncio.create_task(house.groups.run(ANN, "kind", request, 10)) for request in "abcd"]
    await asyncio.sleep(0)
    tasks[2].cancel()
    tasks[0].cancel()
    house.go_on.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert [found[1], found[3]] == ["B", "D"]


async def test_groups_use_each_others_sessions(house: House) -> None:
    assert await house.ask(*"abc") == list("ABC")
    assert await house.ask(*"def") == list("DEF")
    assert 1 <= house.connected <= 2
    assert sum(session.resets for session in house.open) == 4


async def test_a_session_of_yesterday_serves_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "monotonic", itertools.count(0, 10).__next__)
    assert await house.ask("a") == ["A"]
    assert await house.ask("b") == ["B"]
    assert house.connected == 2


async def test_a_session_does_not_outlive_its_database(house: House) -> None:
    assert await house.ask("a") == ["A"]
    house.is_gone = True
    (found,) = await house.ask("b")
    assert found.kind is ErrorKind.UNDEFINED_DATABASE
    assert house.open == []


async def test_sessions_of_those_who_come_no_more_are_closed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = threading.Event()

    def close(session: Session) -> None:
        session.house.open.remove(session)
        closed.set()

    monkeypatch.setattr(groups, "SESSION_SECONDS", 0.01)
    monkeypatch.setattr(Session, "close", close)
    assert await house.ask("a") == ["A"]
    assert await asyncio.to_thread(closed.wait, 60)
    assert house.open == []
