"""Prepared statements, cursors and parameters on the wire, over the stand-in database."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from fix_mysql import MysqlDoor, MysqlDoors
from raw_mysql import (
    PLAIN,
    Failure,
    Ok,
    RawClient,
    Table,
    bind,
    execute,
    fetch,
    prepare,
    query,
    rows_of,
    u16,
    u32,
)

from server.mysql.connection import MysqlOptions
from server.mysql.constants import Capability, CommandCode, Status
from server.mysql.packets import lenenc_string

C = CommandCode
MODERN = PLAIN | Capability.DEPRECATE_EOF


@pytest.mark.parametrize("capabilities", [PLAIN, MODERN])
def test_prepare_execute_reset_close(mysql_door: MysqlDoor, capabilities: Capability) -> None:
    with RawClient(mysql_door.port, capabilities) as client:
        statement, columns, parameters = prepare(client, "select ?::int + 1 as n, ? as s")
        assert (columns, parameters) == (2, 2)
        answer = execute(client, statement, bind((3, u32(41)), (253, lenenc_string(b"hi"))))
        assert isinstance(answer, Table)
        # header, NULL bitmap, LONG, length-encoded text
        assert answer.rows == [b"\0\0" + u32(42) + b"\x02hi"]
        # Types are remembered; only the values come again, here with a NULL.
        again = execute(client, statement, b"\x02\x00" + u32(1))
        assert isinstance(again, Table)
        assert again.rows == [b"\0" + bytes((1 << 3,)) + u32(2)]
        assert isinstance(client.ask(C.STMT_RESET, u32(statement)), Ok)
        client.tell(C.STMT_CLOSE, u32(statement))
        gone = execute(client, statement, b"\x02\x00" + u32(1))
        assert isinstance(gone, Failure)
        assert (gone.errno, gone.state) == (1243, "HY000")
        for code in (C.STMT_RESET, C.STMT_FETCH):
            refused = client.ask(code, u32(statement) + u32(1))
            assert isinstance(refused, Failure)
            assert refused.errno == 1243


def test_prepare_of_a_statement_without_rows(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        query(client, "create or replace table prepared_insert (a int, b varchar)")
        statement, columns, parameters = prepare(
            client, "insert into prepared_insert values (?, ?)"
        )
        assert (columns, parameters) == (0, 2)
        for number in range(3):
            done = execute(client, statement, bind((3, u32(number)), (6, None)))
            assert done == Ok(1, Status.AUTOCOMMIT, 0)
        assert rows_of(query(client, "select count(*), sum(a) from prepared_insert")) == [
            [b"3", b"3"]
        ]


def test_prepare_that_fails_is_an_error_not_the_end(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        for text, errno in (
            ("select * from nowhere", 1146),
            ("", 1065),
            ("select 1; select 2", 1064),
        ):
            answer = client.ask(C.STMT_PREPARE, text.encode())
            assert isinstance(answer, Failure)
            assert answer.errno == errno
        assert isinstance(client.ask(C.PING), Ok)


def test_too_many_statements_are_1461(mysql_doors: MysqlDoors) -> None:
    door = mysql_doors.open(options=MysqlOptions(statements_max=2))
    with RawClient(door.port) as client:
        first, _, _ = prepare(client, "select 1")
        prepare(client, "select 2")
        answer = client.ask(C.STMT_PREPARE, b"select 3")
        assert isinstance(answer, Failure)
        assert (answer.errno, answer.state) == (1461, "42000")
        client.tell(C.STMT_CLOSE, u32(first))
        prepare(client, "select 3")


def test_long_data_comes_in_pieces_and_serves_one_execution(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        statement, _, _ = prepare(client, "select ? as a, ? as b")
        for piece in (b"abc", b"", b"def"):
            client.tell(C.STMT_SEND_LONG_DATA, u32(statement) + u16(1) + piece)
        # The long value takes no room among the others.
        parameters = b"\0\x01" + u16(253) + u16(252) + lenenc_string(b"x")
        execute(client, statement, parameters)
        assert mysql_door.database.parameters == ["x", b"abcdef"]
        execute(client, statement, bind((253, lenenc_string(b"y")), (253, lenenc_string(b"z"))))
        assert mysql_door.database.parameters == ["y", "z"]


def test_long_data_that_goes_wrong_is_told_at_the_execution(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        statement, _, _ = prepare(client, "select ? as a")
        client.tell(C.STMT_SEND_LONG_DATA, u32(statement) + u16(7) + b"x")
        client.tell(C.STMT_SEND_LONG_DATA, u32(99) + u16(0) + b"x")
        good = bind((253, lenenc_string(b"y")))
        answer = execute(client, statement, good)
        assert isinstance(answer, Failure)
        assert answer.errno == 1210
        assert isinstance(execute(client, statement, good), Table)
        client.tell(C.STMT_SEND_LONG_DATA, u32(statement) + u16(0) + b"forgotten")
        assert isinstance(client.ask(C.STMT_RESET, u32(statement)), Ok)
        execute(client, statement, good)
        assert mysql_door.database.parameters == ["y"]


@pytest.mark.parametrize("capabilities", [PLAIN, MODERN])
def test_cursors_fetch_rows_in_portions(mysql_door: MysqlDoor, capabilities: Capability) -> None:
    with RawClient(mysql_door.port, capabilities) as client:
        statement, _, _ = prepare(client, "select i from range(100000) r(i)")
        opened = execute(client, statement, cursor=1)
        assert isinstance(opened, Table)
        assert opened.rows == []
        assert opened.end is not None
        assert opened.end.status & Status.CURSOR_EXISTS
        seen: list[int] = []
        # While it is open, other statements run.
        for portion in (1, 10, 70_000, 100_000):
            assert rows_of(query(client, "select 5")) == [[b"5"]]
            table = fetch(client, statement, portion)
            seen += [int.from_bytes(row[2:], "little") for row in table.rows]
            assert table.end is not None
            last = len(seen) == 100_000
            assert bool(table.end.status & Status.LAST_ROW_SENT) is last
            assert bool(table.end.status & Status.CURSOR_EXISTS) is not last
        assert seen == list(range(100_000))
        closed = client.ask(C.STMT_FETCH, u32(statement) + u32(1))
        assert isinstance(closed, Failure)
        assert closed.errno == 1421


def test_cursors_end_with_reset_and_with_the_next_execution(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        statement, _, _ = prepare(client, "select i from range(10) r(i)")
        execute(client, statement, cursor=1)
        assert len(fetch(client, statement, 3).rows) == 3
        execute(client, statement, cursor=1)
        assert len(fetch(client, statement, 30).rows) == 10
        execute(client, statement, cursor=1)
        client.ask(C.STMT_RESET, u32(statement))
        assert isinstance(client.ask(C.STMT_FETCH, u32(statement) + u32(1)), Failure)


def test_every_kind_of_parameter(mysql_door: MysqlDoor) -> None:
    def at(*parts: int) -> dt.datetime:
        return dt.datetime(*parts)  # type: ignore[misc,arg-type] # noqa: DTZ001 as clients send it

    date = u16(2024) + b"\x02\x1d"
    moment = date + b"\x0c\x1e\x0f"
    micros = u32(123456)
    cases: list[tuple[int, bytes | None, object]] = [
        (1, b"\xff", -1),
        (1 | 0x8000, b"\xff", 255),
        (2, b"\xfe\xff", -2),
        (2 | 0x8000, b"\xfe\xff", 65534),
        (13, u16(2024), 2024),
        (3, b"\xfd\xff\xff\xff", -3),
        (9, u32(7), 7),
        (8, b"\xff" * 8, -1),
        (8 | 0x8000, b"\xff" * 8, (1 << 64) - 1),
        (4, b"\x00\x00\xc0\x3f", 1.5),
        (5, b"\x00" * 6 + b"\xf8\x3f", 1.5),
        (6, None, None),
        (6, b"", None),
        (246, lenenc_string(b"-12.50"), Decimal("-12.50")),
        (253, lenenc_string("zażółć".encode()), "zażółć"),
        (254, lenenc_string(b"\xff\xfe"), b"\xff\xfe"),
        (252, lenenc_string(b"text"), b"text"),
        (10, b"\x04" + date, dt.date(2024, 2, 29)),
        (10, b"\x07" + moment, at(2024, 2, 29, 12, 30, 15)),
        (12, b"\x04" + date, at(2024, 2, 29)),
        (12, b"\x07" + moment, at(2024, 2, 29, 12, 30, 15)),
        (7, b"\x0b" + moment + micros, at(2024, 2, 29, 12, 30, 15, 123456)),
        (11, b"\x00", dt.time(0)),
        (11, b"\x08\x00" + u32(0) + b"\x17\x3b\x3b", dt.time(23, 59, 59)),
        (11, b"\x0c\x00" + u32(0) + b"\x01\x02\x03" + micros, dt.time(1, 2, 3, 123456)),
        (11, b"\x08\x01" + u32(1) + b"\x01\x00\x00", -dt.timedelta(days=1, hours=1)),
        (11, b"\x08\x00" + u32(2) + b"\x00\x00\x00", dt.timedelta(days=2)),
    ]
    with RawClient(mysql_door.port) as client:
        for code, data, expected in cases:
            statement, _, _ = prepare(client, "set x = ?")
            done = execute(client, statement, bind((code, data)))
            assert isinstance(done, Ok), (code, data, done)
            found = mysql_door.database.parameters[0]
            assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("code", "data", "errno"),
    [
        (12, b"\x00", 1292),
        (12, b"\x04" + u16(2023) + b"\x02\x1d", 1292),
        (10, b"\x05" + bytes(5), 1835),
        (11, b"\x03" + bytes(3), 1835),
        (11, b"\x08\x00" + b"\xff" * 7, 1292),
        (246, lenenc_string(b"12,5"), 1835),
        (246, lenenc_string(b"\xff"), 1835),
    ],
)
def test_parameters_that_are_no_values(
    mysql_door: MysqlDoor, code: int, data: bytes, errno: int
) -> None:
    with RawClient(mysql_door.port) as client:
        statement, _, _ = prepare(client, "set x = ?")
        answer = execute(client, statement, bind((code, data)))
        assert isinstance(answer, Failure)
        assert answer.errno == errno
        assert isinstance(client.ask(C.PING), Ok)
