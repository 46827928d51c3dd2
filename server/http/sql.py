"""`/v1/sql`: statements in, results in the format asked for.

Small answers are sent whole; large ones stream as fast as the client reads them. A client that
goes away, or a request that takes too long, cancels its statement.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from engine.errors import DbError
from server.http.auth import authenticate
from server.http.context import context_of
from server.http.errors import error_response, unexpected
from server.http.exchange import Exchange
from server.http.request import SqlRequest, address, sql_request
from server.http.supervise import supervised, uncut
from server.work import Workers
from sql.session import ClientInfo

logger = logging.getLogger(__name__)


async def run_sql(request: Request) -> Response:
    """Runs the request's statements. Raises: DbError, answered by the application's handler."""
    name, _ = await authenticate(request)
    return await answer(request, name, await sql_request(request))


async def answer(request: Request, name: str, asked: SqlRequest) -> Response:
    """The answer to what a user has asked."""
    context = context_of(request)
    client = ClientInfo(name, asked.database, address(request), "http")
    exchange = Exchange(context.database, client, asked)
    try:
        async with supervised(exchange, asked.timeout_ms, request.receive):
            body, complete = await uncut(exchange, context.workers, exchange.begin)
    except DbError as error:
        return error_response(error, exchange.elapsed_ms)
    except Exception as error:  # noqa: BLE001 the door: whatever went wrong gets an answer
        return error_response(unexpected(error), exchange.elapsed_ms)
    headers = {"x-greptime-format": exchange.format.name}
    if not complete:
        return StreamedAnswer(exchange, asked.timeout_ms, context.workers, body, headers)
    headers["x-greptime-execution-time"] = str(exchange.elapsed_ms)
    return Response(body, headers=headers, media_type=exchange.format.content_type)


class StreamedAnswer(Response):
    """A large answer, sent as it is made.

    A failure on the way cuts the connection: the client must not take half an answer for a whole
    one.
    """

    def __init__(
        self,
        exchange: Exchange,
        timeout_ms: int,
        workers: Workers,
        first: bytes,
        headers: dict[str, str],
    ) -> None:
        self._exchange = exchange
        self._timeout_ms = timeout_ms
        self._workers = workers
        self._first = first
        super().__init__(None, headers=headers, media_type=exchange.format.content_type)
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        exchange, piece = self._exchange, self._first
        left_ms = max(1, self._timeout_ms - exchange.elapsed_ms) if self._timeout_ms else 0
        try:
            async with supervised(exchange, left_ms, receive):
                await send(
                    {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
                )
                while piece:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    piece = await uncut(exchange, self._workers, exchange.more)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except DbError as error:
            logger.info("answer cut off", extra={"error": error.message})
        finally:
            await asyncio.shield(self._workers.run(exchange.close))
