"""A PostgreSQL listener over the fake database, in a thread with its own event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop
from fake_database import FakeDatabase

from server.auth.api import OpenDoor, Users
from server.postgres.connection import Options
from server.postgres.listener import PostgresListener
from server.work import Workers


class RunningListener:
    def __init__(self, users: Users | None = None, options: Options | None = None) -> None:
        self.database = FakeDatabase(("public", "other"))
        self.workers = Workers(4)
        self.loop = uvloop.new_event_loop()
        self.listener = PostgresListener(self.database, self.workers, users or OpenDoor(), options)
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.run(self.listener.start("127.0.0.1", 0))
        self.port = self.listener.port

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=tester dbname=public"

    def stop(self) -> None:
        self.run(self.listener.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(60)
        self.loop.close()
        self.workers.close()
        self.database.close()


@pytest.fixture
def postgres() -> Iterator[RunningListener]:
    running = RunningListener()
    yield running
    running.stop()
