"""Bind, Execute and Sync in one request: the same bytes as message by message, or no answer."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import pytest
from fix_database import Client
from hypothesis import given
from hypothesis import strategies as st

from engine import jit
from server.postgres import protocol
from server.postgres.conversation import Conversation
from server.postgres.messages import Bind, Exchange, Frontend
from server.postgres.protocol import FrontendReader

ACCOUNT = "SELECT balance, name FROM accounts WHERE id = $1"
SAMPLES = "SELECT ts, v, n FROM cpu WHERE host = $1 AND ts >= $2 ORDER BY ts"
ASKED_MAX = 500  # a copy of a small table is made sooner
INT2, INT4, INT8, TEXT, TIMESTAMP = 21, 23, 20, 25, 1114


def message(code: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return code + struct.pack("!i", len(body) + 4) + body


def parse(name: bytes, text: str, types: Sequence[int] = ()) -> bytes:
    count = struct.pack(f"!H{len(types)}I", len(types), *types)
    return message(b"P", name, b"\0", text.encode(), b"\0", count) + SYNC


def bind(
    name: bytes,
    values: Sequence[bytes | None],
    codes: Sequence[int] = (),
    results: Sequence[int] = (),
    portal: bytes = b"",
) -> bytes:
    def packed(numbers: Sequence[int]) -> bytes:
        return struct.pack(f"!H{len(numbers)}H", len(numbers), *numbers)

    cells = [
        struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
        for value in values
    ]
    head = portal + b"\0" + name + b"\0" + packed(codes)
    return message(b"B", head, struct.pack("!H", len(values)), *cells, packed(results))


SYNC = message(b"S")
EXECUTE = message(b"E", b"\0\0\0\0\0")
DESCRIBE = message(b"D", b"P\0")


class Driver:
    """What one client sends, to a session without sockets."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.conversation = Conversation(client.session)

    def reader(self, data: bytes) -> FrontendReader:
        reader = FrontendReader()
        reader._started = reader.authenticated = True
        reader.feed(data)
        return reader

    def exchanged(self, data: bytes) -> bytes | None:
        """What is answered to a whole request, None if it is no such request or not at hand."""
        exchange = self.reader(data).exchange()
        answer = None if exchange is None else self.conversation.exchanged(exchange)
        return None if answer is None else b"".join(map(bytes, answer))

    def told(self, data: bytes) -> bytes:
        """What is answered as long as it takes, message by message."""
        reader, found = self.reader(data), b""
        while (event := reader.next_event()) is not None:
            found += b"".join(map(bytes, self.conversation.handle(event)))
        return found

    def warm(self, data: bytes) -> None:
        for _ in range(ASKED_MAX):
            if self.exchanged(data) is not None:
                return
            self.told(data)
        raise AssertionError("it is never at hand")


@pytest.fixture
def driver(db: Client) -> Driver:
    jit.warm()
    db.run("CREATE TABLE accounts (id INT PRIMARY KEY, balance INT, name TEXT)")
    db.run("INSERT INTO accounts SELECT i, i * 7, 'n' || i FROM generate_series(0, 999) AS g(i)")
    db.run("INSERT INTO accounts VALUES (-1, NULL, NULL)")
    db.run(
        "CREATE TABLE cpu (host STRING, ts TIMESTAMP(6) TIME INDEX, v DOUBLE, n SMALLINT, "
        "PRIMARY KEY (host))"
    )
    db.run(
        "INSERT INTO cpu SELECT 'a', TIMESTAMP '2024-01-01' + INTERVAL 1 SECOND * i, i / 7.0, "
        "CASE WHEN i % 5 = 0 THEN NULL ELSE i END FROM range(200) AS g(i)"
    )
    found = Driver(db)
    found.told(parse(b"a", ACCOUNT, [INT4]) + parse(b"s", SAMPLES, [TEXT, TIMESTAMP]))
    return found


def number(value: int) -> bytes:
    return struct.pack("!i", value)


@pytest.mark.parametrize("describe", [b"", DESCRIBE])
@pytest.mark.parametrize("results", [[], [0], [1], [1, 0]])
def test_rows_by_key_are_the_same_bytes(
    driver: Driver, describe: bytes, results: list[int]
) -> None:
    def asked(*value: bytes | None, codes: Sequence[int] = (1,)) -> bytes:
        return bind(b"a", value, codes, results) + describe + EXECUTE + SYNC

    driver.warm(asked(number(5)))
    for request in (
        *(asked(number(n)) for n in (0, 7, -1, 999, 1000, -(2**31))),
        asked(b"12", codes=()),
        asked(b" 12", codes=(0,)),
    ):
        assert driver.exchanged(request) == driver.told(request)
    for request in (asked(None), asked(b"x", codes=()), asked(b"\0"), asked(), asked(b"1", b"2")):
        assert driver.exchanged(request) is None  # whatever is unusual is told in the usual way
        assert driver.told(request)


@pytest.mark.parametrize("results", [[0], [1], [1, 0, 1]])
def test_samples_of_a_series_are_the_same_bytes(driver: Driver, results: list[int]) -> None:
    def asked(host: bytes, moment: str) -> bytes:
        return bind(b"s", [host, moment.encode()], [], results) + DESCRIBE + EXECUTE + SYNC

    driver.warm(asked(b"a", "2024-01-01 00:00:00"))
    for moment in ("2024-01-01 00:03:19", "2024-01-01 00:01:00.5", "2025-01-01 00:00:00"):
        for host in (b"a", b"b"):
            request = asked(host, moment)
            assert driver.exchanged(request) == driver.told(request)
    assert driver.exchanged(asked(b"a", "yesterday-ish")) is None


def test_what_a_transaction_keeps_is_left_to_messages(driver: Driver) -> None:
    request = bind(b"a", [number(5)], [1]) + EXECUTE + SYNC
    driver.warm(request)
    driver.client.run("BEGIN")
    assert driver.exchanged(request) is None  # the portal lives on
    driver.client.run("UPDATE accounts SET balance = -5 WHERE id = 5")
    assert driver.exchanged(request) is None
    assert b"-5" in driver.told(request)
    driver.client.run("ROLLBACK")
    driver.told(SYNC)
    assert b"35" in (driver.exchanged(request) or b"")


def test_requests_of_another_shape_are_left_to_messages(driver: Driver) -> None:
    request = bind(b"a", [number(5)], [1]) + EXECUTE + SYNC
    driver.warm(request)
    for other in (
        bind(b"a", [number(5)], [1], portal=b"p") + EXECUTE + SYNC,
        bind(b"none", [number(5)], [1]) + EXECUTE + SYNC,
        bind(b"a", [number(5)], [2]) + EXECUTE + SYNC,
        bind(b"a", [number(5)], [1]) + message(b"E", b"\0\0\0\0\1") + SYNC,
        request[:-1],
        request + SYNC,
        SYNC + request,
        message(b"B", b"\0a\0\0\0\0\1\0\0\0\4") + EXECUTE + SYNC,
    ):
        assert driver.exchanged(other) is None
    assert driver.exchanged(request) is not None


def test_a_statement_that_is_still_to_be_checked_or_failed_is_left(driver: Driver) -> None:
    request = bind(b"a", [number(5)], [1]) + EXECUTE + SYNC
    driver.warm(request)
    driver.told(parse(b"later", "SELECT nothing FROM nowhere").removesuffix(SYNC))
    assert driver.exchanged(request) is None
    assert b"nowhere" in driver.told(SYNC)
    driver.told(bind(b"gone", []))
    assert driver.exchanged(request) is None  # everything up to Sync is passed over
    driver.told(SYNC)
    assert driver.exchanged(request) is not None


def test_a_changed_or_dropped_table_is_seen_at_once(
    driver: Driver, connect: Callable[..., Client]
) -> None:
    request = bind(b"a", [number(5)], [1]) + DESCRIBE + EXECUTE + SYNC
    driver.warm(request)
    other = connect()
    other.run("UPDATE accounts SET balance = 1234 WHERE id = 5")
    assert driver.exchanged(request) is None
    assert b"1234" in driver.told(request)
    driver.warm(request)
    other.run("ALTER TABLE accounts ALTER COLUMN balance TYPE BIGINT")
    assert driver.exchanged(request) is None
    other.run("DROP TABLE accounts")
    assert driver.exchanged(request) is None
    assert b"42P01" in driver.told(request)


def test_rows_are_never_of_other_types_than_were_shown(driver: Driver) -> None:
    plain = bind(b"a", [number(5)], [1], [1]) + EXECUTE + SYNC
    driver.told(message(b"D", b"Sa\0") + SYNC)
    driver.warm(plain)
    driver.client.run("ALTER TABLE accounts ALTER COLUMN balance TYPE BIGINT")
    driver.told(parse(b"new", ACCOUNT, [INT4]))
    driver.warm(bind(b"new", [number(5)], [1], [1]) + DESCRIBE + EXECUTE + SYNC)
    assert driver.exchanged(plain) is None
    assert b"cached plan must not change result type" in driver.told(plain)


@given(st.binary(max_size=40), st.integers(0, 3), st.binary(max_size=12))
def test_a_bind_read_sooner_is_the_same_bind(tail: bytes, count: int, value: bytes) -> None:
    cell = struct.pack("!i", len(value)) + value
    for data in (
        b"\0" + tail,
        b"\0s\0\0\0" + struct.pack("!H", count) + cell * count + tail,
        b"\0s\0\0\1\0\1" + struct.pack("!H", count) + cell * count + b"\0\0",
    ):
        found = protocol._plain_bind(data)
        if found is not None:
            events: list[Frontend] = [protocol._message(ord("B"), protocol.Body(data))]
            assert events == [found]
    assert found is not None
    assert isinstance(found, Bind)
    assert Exchange(found, describes=False).bind.parameters == (value,) * count
