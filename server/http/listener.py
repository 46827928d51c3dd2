"""The HTTP listener: the application under uvicorn, in the server's own event loop.

Started and closed by server/app.py like every wire's listener.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from server.http.application import Application
from server.http.reader import GatheringProtocol

GRACE_SECONDS = 4  # for answers on their way out; their statements were waited for or cancelled
# Longer than agents wait between two batches, or one is sent to a door that is being closed.
IDLE_SECONDS_MAX = 120


class HttpListener:
    """The HTTP application under uvicorn, in our event loop and with our signal handling."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                http=GatheringProtocol,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                timeout_graceful_shutdown=GRACE_SECONDS,
                timeout_keep_alive=IDLE_SECONDS_MAX,
            )
        )
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listens. Raises: OSError."""
        family, _, _, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(where)
        except OSError:
            bound.close()
            raise
        self.port = bound.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[bound]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.005)
        if self._task.done():
            await self._task

    async def close(self) -> None:
        """Stops listening; requests that run get a little time."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
            self._task = None
            await asyncio.to_thread(self._app.close)


class _Uvicorn(uvicorn.Server):
    """Signals are the whole server's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield
