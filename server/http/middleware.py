"""What happens to every HTTP request, whichever endpoint serves it."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import DbError, ErrorKind
from server.http.errors import error_response, unexpected
from server.metrics import Metrics


class Counted:
    """Counts requests and body bytes; answers what an endpoint failed to catch."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        sent = 0

        async def observed(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except Exception as error:  # noqa: BLE001 the door: whatever went wrong gets an answer
            response = error_response(unexpected(error))
            if status == 0:
                await response(scope, receive, observed)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.http_requests.labels(route, str(status)).inc()
            self._metrics.http_bytes.labels("out").inc(sent)


class SameOrigin:
    """Refuses requests that a browser sends on behalf of a foreign page.

    Without it any web page could run SQL on the database that listens on its reader's own machine.
    Programs send no Origin header and are not concerned. `http_origins` names the exceptions.
    """

    def __init__(self, app: ASGIApp, allowed: tuple[str, ...]) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] == "http" and not self._is_welcome(Headers(scope=scope)):
            error = DbError(
                ErrorKind.ACCESS_DENIED,
                "requests of web pages from other origins are refused",
                hint="name the origin in http_origins",
            )
            await error_response(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_welcome(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None or "*" in self._allowed or origin in self._allowed:
            return True
        return origin != "null" and urlsplit(origin).netloc == headers.get("host")
