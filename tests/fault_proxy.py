"""A proxy between a client and an HTTP server that misbehaves as a test tells it.

Faults are given one by one: each is used by the next request it matches, in order; requests that
match none pass. Nothing waits for time: a request that must hang does so until the client gives
up, and one that must land late does so when the test says.
"""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread

HOPS = frozenset({"connection", "transfer-encoding", "content-length"})


@dataclass
class Request:
    """One request of the client, read whole unless its fault cuts it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Fault:
    """What happens to requests whose `METHOD target` matches, `count` times (-1: always)."""

    pattern: str
    act: Callable[[Handler, Fault], None]
    count: int = 1
    # Set when a request has met the fault; for faults that wait, set `go` to let it go on.
    met: Event = field(default_factory=Event)
    go: Event = field(default_factory=Event)
    done: Event = field(default_factory=Event)


class FaultProxy:
    """Listens on a free port of this machine."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream.removeprefix("http://")
        self._lock = Lock()
        self._faults: list[Fault] = []
        self.requests: list[str] = []
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.proxy = self
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, pattern: str, act: Callable[[Handler, Fault], None], count: int = 1) -> Fault:
        fault = Fault(pattern, act, count)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Everything passes again; what hangs is let go."""
        with self._lock:
            faults, self._faults = self._faults, []
            self.requests.clear()
        for fault in faults:
            fault.go.set()

    def fault_for(self, line: str) -> Fault | None:
        with self._lock:
            self.requests.append(line)
            for fault in self._faults:
                if fault.count and re.search(fault.pattern, line):
                    fault.count -= 1
                    return fault
        return None

    def close(self) -> None:
        self.clear()
        self._server.shutdown()
        self._server.close_clients()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    proxy: FaultProxy

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.clients: set[socket.socket] = set()

    def process_request(self, request: socket.socket, client_address: object) -> None:
        self.clients.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        self.clients.discard(request)
        super().shutdown_request(request)

    def close_clients(self) -> None:
        """Ends idle connections, so that their threads end."""
        for client in list(self.clients):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        """A connection that a fault has broken is no news."""


class Handler(BaseHTTPRequestHandler):
    """One connection of the client."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        fault = self.server.proxy.fault_for(f"{self.command} {self.path}")
        if fault is None:
            self.answer(*self.forward(self.read()))
            return
        fault.met.set()
        try:
            fault.act(self, fault)
        finally:
            fault.done.set()

    def read(self) -> Request:
        length = int(self.headers.get("Content-Length", 0))
        return Request(self.command, self.path, dict(self.headers), self.rfile.read(length))

    def forward(self, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        """What the server answers."""
        upstream = http.client.HTTPConnection(self.server.proxy.upstream, timeout=60)
        try:
            upstream.request(request.method, request.target, request.body, request.headers)
            response = upstream.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            upstream.close()

    def answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes, *, stop: int | None = None
    ) -> None:
        """Sends an answer; `stop`: only so many bytes of its body, then the connection ends."""
        self.send_response_only(status)
        length = str(len(body))
        for name, value in headers:
            if name.lower() == "content-length":
                length = value  # of a HEAD: what the body would have
            elif name.lower() not in HOPS:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:stop])
        self.wfile.flush()
        if stop is not None:
            self.hang_up()

    def hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def answers(status: int) -> Callable[[Handler, Fault], None]:
    """The server is not asked; the client gets this status."""

    def act(handler: Handler, _: Fault) -> None:
        handler.read()
        handler.answer(status, [], b"injected")

    return act


def loses_answer(handler: Handler, _: Fault) -> None:
    """The server does it; the client only sees the connection end."""
    handler.forward(handler.read())
    handler.hang_up()


def fails_after(status: int) -> Callable[[Handler, Fault], None]:
    """The server does it; the client is told that it failed."""

    def act(handler: Handler, _: Fault) -> None:
        handler.forward(handler.read())
        handler.answer(status, [], b"injected")

    return act


def hangs(handler: Handler, fault: Fault) -> None:
    """Nothing happens, until the test clears the proxy or the client has gone."""
    handler.read()
    fault.go.wait(60)
    handler.hang_up()


def lands_late(handler: Handler, fault: Fault) -> None:
    """The client sees the connection end; the server does it when the test sets `go`."""
    request = handler.read()
    handler.hang_up()
    assert fault.go.wait(60)
    handler.forward(request)


def cuts_answer(after: int) -> Callable[[Handler, Fault], None]:
    """The connection ends in the middle of the answer's body."""

    def act(handler: Handler, _: Fault) -> None:
        handler.answer(*handler.forward(handler.read()), stop=after)

    return act


def cuts_request(after: int) -> Callable[[Handler, Fault], None]:
    """The connection ends in the middle of the request's body."""

    def act(handler: Handler, _: Fault) -> None:
        handler.rfile.read(after)
        handler.hang_up()

    return act
