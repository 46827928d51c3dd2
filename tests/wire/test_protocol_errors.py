"""What the protocol's own errors and settings' reports mean for an open transaction.

Each exchange was compared with PostgreSQL 15's, message by message.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from fix_server import RunningServer
from raw_postgres import receive_until, send_startup

Reply = tuple[str, bytes]


def message(code: str, *parts: str | bytes) -> bytes:
    body = b"".join(part if isinstance(part, bytes) else part.encode() + b"\0" for part in parts)
    return code.encode() + struct.pack("!i", len(body) + 4) + body


def parse(text: str) -> bytes:
    return message("P", "", text, b"\0\0")


def bind(portal: str) -> bytes:
    return message("B", portal, "", b"\0\0\0\0\0\0")


def execute(portal: str, rows: int = 0) -> bytes:
    return message("E", portal, struct.pack("!i", rows))


SYNC = message("S")


class Wire:
    """A client of which every message counts."""

    def __init__(self, server: RunningServer) -> None:
        address = ("127.0.0.1", server.port("postgres"))
        self._socket = socket.create_connection(address, timeout=20)
        send_startup(self._socket, user="gnomon")
        self._data = b""
        self.replies()

    def say(self, *messages: bytes) -> list[Reply]:
        self._socket.sendall(b"".join(messages))
        return self.replies()

    def replies(self) -> list[Reply]:
        """All messages up to ReadyForQuery."""
        found: list[Reply] = []
        while not found or found[-1][0] != "Z":
            while len(self._data) < 5 or len(self._data) <= self._length():
                piece = self._socket.recv(65536)
                assert piece
                self._data += piece
            end = 1 + self._length()
            found.append((chr(self._data[0]), self._data[5:end]))
            self._data = self._data[end:]
        return found

    def _length(self) -> int:
        return int.from_bytes(self._data[1:5], "big")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def wire(server: RunningServer) -> Iterator[Wire]:
    made = Wire(server)
    yield made
    made.close()


def codes(replies: list[Reply]) -> str:
    return "".join(code for code, _ in replies)


def status(replies: list[Reply]) -> bytes:
    return replies[-1][1]


@pytest.mark.parametrize(
    "wrong",
    [
        execute("no such portal"),
        message("B", "", "no such statement", b"\0\0\0\0\0\0"),
        message("D", b"P", "no such portal"),
        parse("no statement"),
        message("D", b"X", ""),
    ],
)
def test_any_error_fails_an_open_transaction(wire: Wire, wrong: bytes) -> None:
    assert status(wire.say(message("Q", "BEGIN"))) == b"T"
    assert status(wire.say(wrong, SYNC)) == b"E"
    assert b"C25P02\0" in wire.say(message("Q", "SELECT 1"))[0][1]
    assert status(wire.say(message("Q", "ROLLBACK"))) == b"I"


def test_a_failed_transaction_gives_no_more_rows_of_its_portals(wire: Wire) -> None:
    wire.say(message("Q", "BEGIN"))
    begun = wire.say(parse("SELECT generate_series(1, 5)"), bind("p"), execute("p", 2), SYNC)
    assert codes(begun) == "12DDsZ"
    assert codes(wire.say(message("Q", "SELECT 1 / 0"))) == "EZ"
    [(code, text), ready] = wire.say(execute("p", 2), SYNC)
    assert (code, ready) == ("E", ("Z", b"E"))
    assert b"C25P02\0" in text


def test_a_setting_is_told_only_if_it_differs_from_what_was_told_last(wire: Wire) -> None:
    def told(script: str) -> list[bytes]:
        return [body for code, body in wire.say(message("Q", script)) if code == "S"]

    assert told("BEGIN; SET DateStyle = 'German'; ROLLBACK") == []
    assert told("SET DateStyle = 'German'") == [b"DateStyle\0German, DMY\0"]
    assert told("SET DateStyle = 'German'") == []
    assert told("SET DateStyle = 'ISO'; RESET DateStyle") == [b"DateStyle\0ISO, MDY\0"]


def test_a_client_that_sends_no_more_still_gets_its_answers(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port("postgres")), timeout=20) as client:
        send_startup(client, user="gnomon")
        receive_until(client, b"Z\0\0\0\x05I")
        slow = parse("SELECT pg_sleep(0.3), 'slow'") + bind("") + execute("") + SYNC
        client.sendall(slow + message("Q", "SELECT 'la' || 'st'"))
        client.shutdown(socket.SHUT_WR)
        found = b"".join(iter(lambda: client.recv(65536), b""))  # up to the server's own end
    assert b"slow" in found
    assert b"last" in found
    assert found.endswith(b"Z\0\0\0\x05I")


def test_an_idle_client_that_sends_no_more_is_let_go(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port("postgres")), timeout=20) as client:
        send_startup(client, user="gnomon")
        receive_until(client, b"Z\0\0\0\x05I")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
