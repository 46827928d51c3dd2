"""The HTTP application over a real database, for tests that call it directly."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
from server_users import Named

from server.auth.api import AccessMode, OpenDoor, UserRecord, Users
from server.config import Configuration, Settings, load
from server.http.app import create_app
from server.http.context import HttpContext
from server.metrics import Metrics
from server.observe import ObservedDatabase
from server.rules.rules import Rules
from server.work import Workers
from sql.database import Database, DatabaseOptions

MakeRules = Callable[[Database], Rules]


@contextlib.asynccontextmanager
async def application(
    directory: Path,
    users: Users | None = None,
    rules: MakeRules | None = None,
    settings: Settings | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application over a database of its own; everybody is let in without users."""
    users = users or OpenDoor()
    async with contextlib.AsyncExitStack() as stack:
        database = Database.open(directory, DatabaseOptions())
        stack.callback(database.close)
        workers = Workers(4)
        stack.callback(workers.close)
        metrics = Metrics("1.2.3")
        configuration = Configuration(settings or Settings(), load({}, {}).origins)
        observed = ObservedDatabase(database, metrics, users, connections_max=50, slow_ms=0)
        made = None if rules is None else rules(database)
        context = HttpContext(
            observed, workers, users, metrics, configuration, "1.2.3", lambda: True, made
        )
        app = create_app(context)
        transport = httpx.ASGITransport(app)
        client = httpx.AsyncClient(transport=transport, base_url="http://test")
        await stack.enter_async_context(client)
        yield client
        app.close()
        assert observed.sessions() == [], "a session was left open"


def ann_and_rob() -> Users:
    """A user who may do all, `ann`, and one who may only read, `rob`; password `secret`."""
    native = hashlib.sha1(hashlib.sha1(b"secret").digest()).digest()
    ann = UserRecord("ann", mysql_native=native)
    rob = UserRecord("rob", mysql_native=native, mode=AccessMode.READ_ONLY)
    return Named(ann, rob)
