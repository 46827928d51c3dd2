"""Clients that cost next to nothing, and a way to start several at one instant.

A measurement of a server must not measure its client: `Raw` sends a ready-made request and reads
bytes until the answer is complete, without decoding any of it.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import struct
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any

from bench.peers import Server

BUFFER = 1 << 20
Job = Callable[..., Generator[None, None, Any]]


class Raw:
    """A connection without decoding. `wire` is "postgres" or "mysql"."""

    def __init__(self, server: Server, wire: str) -> None:
        # The driver logs in; then its socket is ours.
        self._driver: Any = server.psycopg() if wire == "postgres" else server.pymysql()
        number = self._driver.fileno() if wire == "postgres" else self._driver._sock.fileno()
        self._socket = socket.socket(fileno=os.dup(number))
        self._socket.setblocking(True)
        self._wire = wire

    def request(self, sql: str) -> bytes:
        """The bytes that ask for this SQL as text."""
        text = sql.encode()
        if self._wire == "postgres":
            return b"Q" + struct.pack("!i", len(text) + 5) + text + b"\0"
        return struct.pack("<I", len(text) + 1)[:3] + b"\0\x03" + text

    def measure_answer(self, request: bytes) -> int:
        """Sends once. Returns: the answer's length. Requires: it arrives within half a second."""
        self._socket.sendall(request)
        self._socket.settimeout(0.5)
        total = 0
        try:
            while True:
                total += len(self._socket.recv(BUFFER))
        except TimeoutError:
            return total
        finally:
            self._socket.settimeout(None)

    def repeat(self, request: bytes, length: int, seconds: float) -> int:
        """Sends again and again, each time reading `length` bytes. Returns: how many times."""
        buffer, count = bytearray(length), 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._socket.sendall(request)
            view = memoryview(buffer)
            while view:
                view = view[self._socket.recv_into(view) :]
            count += 1
        return count

    def drain(self, sql: str) -> int:
        """Sends a query over PostgreSQL wire and reads to ReadyForQuery. Returns: bytes."""
        assert self._wire == "postgres"
        self._socket.sendall(self.request(sql))
        total, tail = 0, b""
        while True:
            data = self._socket.recv(BUFFER)
            assert data, "the server closed the connection"
            total += len(data)
            tail = (tail + data)[-6:]
            if tail[:5] == b"Z\0\0\0\x05":
                return total

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()
        self._driver.close()


def together(job: Job, arguments: Sequence[tuple[Any, ...]]) -> tuple[float, list[Any]]:
    """Runs a job in one process per tuple of arguments, all from the same instant.

    A job is a generator: what it does before its first yield is preparation, what it does until
    its second is measured; the second yields the result.
    Returns: seconds from the first start to the last end, and the results.
    """
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(len(arguments)), context.Queue()
    processes = [
        context.Process(target=_child, args=(job, one, barrier, answers)) for one in arguments
    ]
    for process in processes:
        process.start()
    outcomes = [answers.get(timeout=900) for _ in processes]
    for process in processes:
        process.join()
    failed = [outcome for outcome in outcomes if isinstance(outcome, str)]
    if failed:
        raise RuntimeError(failed[0])
    return max(o[1] for o in outcomes) - min(o[0] for o in outcomes), [o[2] for o in outcomes]


def _child(job: Job, arguments: tuple[Any, ...], barrier: Any, answers: Any) -> None:
    try:
        running = job(*arguments)
        next(running)
        barrier.wait(600)
        began = time.monotonic()
        result = next(running)
        answers.put((began, time.monotonic(), result))
    except Exception as error:  # noqa: BLE001 - carried to the parent, which raises it
        barrier.abort()
        answers.put(f"{type(error).__name__}: {error}")
