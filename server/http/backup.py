"""`POST /v1/admin/backup`: a consistent backup of the running server, as a tar stream.

`gnomon backup` is its client. It needs a user with all rights; the moment it shows is the one at
which the answer begins.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from engine.backup import Capture
from engine.clock import SystemClock
from engine.errors import DbError, ErrorKind
from server.auth.api import AccessMode
from server.backup.archive import archive
from server.http.auth import authenticate
from server.http.context import context_of
from server.work import Workers

logger = logging.getLogger(__name__)


async def backup(request: Request) -> Response:
    """Starts a backup. Raises: DbError ACCESS_DENIED, REGION_BUSY, DISK_FULL."""
    context = context_of(request)
    name, user = await authenticate(request)
    if user is not None and user.mode is not AccessMode.READ_WRITE:
        raise DbError(
            ErrorKind.ACCESS_DENIED, f"user {name!r} may not make backups", hint="use one with rw"
        )
    capture = await context.workers.run(context.database.backup)
    size = sum(file.size for file in capture.files)
    logger.info("backup begins", extra={"user": name, "files": len(capture.files), "bytes": size})
    pieces = archive(capture.files, context.version, SystemClock().now_ms())
    return _BackupAnswer(capture, pieces, context.workers)


class _BackupAnswer(Response):
    """Sends the pieces as fast as the client reads them; a failure cuts the connection."""

    def __init__(self, capture: Capture, pieces: Iterator[bytes], workers: Workers) -> None:
        super().__init__(None, media_type="application/x-tar")
        del self.headers["content-length"]
        self._capture = capture
        self._pieces = pieces
        self._workers = workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        gone = asyncio.create_task(_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while not gone.done() and (piece := await self._next()):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            if gone.done():
                logger.warning("backup given up by its client")
                return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            logger.info("backup sent")
        except DbError as error:
            logger.error("backup broke off: %s", error.message)
        finally:
            gone.cancel()
            await asyncio.shield(asyncio.to_thread(self._capture.close))

    async def _next(self) -> bytes:
        """The next piece. When we are cancelled, a piece that is being read is waited for."""
        running = asyncio.ensure_future(self._workers.run(next, self._pieces, b""))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
