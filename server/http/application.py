"""The HTTP application itself: finds the endpoint of a path, counts, answers what went wrong.

Made by app.py. Starlette's requests and responses are used, its stack of middleware is not: a
small query took as long to walk through it as to be answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from prometheus_client import Counter
from starlette.datastructures import State
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import DbError, ErrorKind
from server.http.errors import error_response, unexpected
from server.metrics import Metrics

Endpoint = Callable[[Request], Awaitable[Response]]


class Application:
    """An ASGI application. `state` holds what its endpoints share."""

    def __init__(
        self, routes: Sequence[Route], metrics: Metrics, origins: Sequence[str] = ()
    ) -> None:
        """`origins`: of web pages that may ask, "*" for all; others are refused."""
        self.state = State()
        self._routes = {route.path: route for route in routes if not route.param_convertors}
        self._patterns = [route for route in routes if route.param_convertors]
        self._origins = origins
        self._metrics = metrics
        self._sent = metrics.http_bytes.labels("out")
        self._counters: dict[tuple[str, int], Counter] = {}
        self._closing: list[Callable[[], object]] = []
        self._inner: ASGIApp = self._routed
        if origins:
            self._inner = CORSMiddleware(
                self._routed, allow_origins=origins, allow_methods=["*"], allow_headers=["*"]
            )

    def when_closed(self, call: Callable[[], object]) -> None:
        """Registers what frees something that endpoints share."""
        self._closing.append(call)

    def close(self) -> None:
        """Frees what endpoints share. Requires: no request runs, and none is going to come."""
        for call in self._closing:
            call()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        assert scope["type"] == "http", "neither websockets nor lifespan are served"
        scope["app"] = self
        counted = _Counted(send)
        try:
            if self._is_foreign(scope):
                await _foreign()(scope, receive, counted.send)
            else:
                await self._inner(scope, receive, counted.send)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except Exception as error:  # noqa: BLE001 the door: whatever went wrong gets an answer
            response = error_response(unexpected(error))
            if counted.status == 0:
                await response(scope, receive, counted.send)
        finally:
            route = scope.get("route")
            self._count(route.path if route is not None else "other", counted.status)
            self._sent.inc(counted.bytes)

    def _count(self, path: str, status: int) -> None:
        counter = self._counters.get((path, status))
        if counter is None:
            counter = self._metrics.http_requests.labels(path, str(status))
            self._counters[path, status] = counter
        counter.inc()

    async def _routed(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._find(scope)
        if route is None:
            response = self._elsewhere(scope)
        elif route.methods and scope["method"] not in route.methods:
            scope["route"] = route
            response = _refused(scope, HTTPStatus.METHOD_NOT_ALLOWED)
            response.headers["allow"] = ", ".join(sorted(route.methods))
        else:
            scope["route"] = route
            endpoint: Endpoint = route.endpoint
            try:
                response = await endpoint(Request(scope, receive, send))
            except DbError as error:
                response = error_response(error)
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> Route | None:
        found = self._routes.get(scope["path"])
        if found is not None:
            return found
        for route in self._patterns:
            match, child = route.matches(scope)
            if match is not Match.NONE:
                scope.update(child)
                return route
        return None

    def _elsewhere(self, scope: Scope) -> Response:
        """A path with one slash too many is sent to the one that is meant."""
        path: str = scope["path"]
        if path.endswith("/") and self._find({**scope, "path": path.rstrip("/")}) is not None:
            url = Request(scope).url
            return RedirectResponse(str(url.replace(path=url.path.rstrip("/"))))
        return _refused(scope, HTTPStatus.NOT_FOUND)

    def _is_foreign(self, scope: Scope) -> bool:
        """True for requests that a browser sends on behalf of a foreign page.

        Without this any web page could run SQL on the database that listens on its reader's own
        machine. Programs send no Origin header and are not concerned.
        """
        origin: str | None = None
        host: str | None = None
        for name, value in scope["headers"]:
            if name == b"origin":
                origin = value.decode("latin-1")
            elif name == b"host":
                host = value.decode("latin-1")
        if origin is None or "*" in self._origins or origin in self._origins:
            return False
        return origin == "null" or urlsplit(origin).netloc != host


class _Counted:
    """What is sent, with its status and bytes; they are 0 before anything was."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.bytes = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.bytes += len(message.get("body", b""))
        await self._send(message)


def _foreign() -> Response:
    return error_response(
        DbError(
            ErrorKind.ACCESS_DENIED,
            "requests of web pages from other origins are refused",
            hint="name the origin in http_origins",
        )
    )


def _refused(scope: Scope, status: HTTPStatus) -> Response:
    words = f"{scope['method']} {scope['path']}: {status.phrase}"
    response = error_response(DbError(ErrorKind.INVALID_ARGUMENT, words))
    response.status_code = status.value
    return response
