"""The PostgreSQL door: listens, makes connections, closes them.

Made by server/app.py, port 4003 by default.
"""

from __future__ import annotations

import asyncio

from server.auth.api import Users
from server.postgres.cancel import CancelKeys
from server.postgres.connection import Connection, Options
from server.postgres.startup import Door
from server.work import Workers
from sql.session import DatabaseApi


class PostgresListener:
    """Listens for PostgreSQL clients. Requires: used on one event loop."""

    def __init__(
        self,
        database: DatabaseApi,
        workers: Workers,
        users: Users,
        options: Options | None = None,
    ) -> None:
        # Constant after construction.
        self._workers = workers
        self._options = options or Options()
        self._door = Door(database, users, CancelKeys())
        # Changed on the event loop only.
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    async def start(self, host: str, port: int) -> None:
        """Listens. Raises: OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, host, port, backlog=1024)

    @property
    def port(self) -> int:
        """The port it listens on, also when 0 was asked for. Requires: started."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def close(self) -> None:
        """Stops listening, cancels running statements, ends every connection."""
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*(connection.close() for connection in list(self._connections)))
        if self._server is not None:
            await self._server.wait_closed()

    def _connection(self) -> Connection:
        connection = Connection(self._door, self._workers, self._options, self._forget)
        self._connections.add(connection)
        return connection

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
