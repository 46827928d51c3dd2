"""Commands on the wire, packet by packet, against a listener over the stand-in database."""

from __future__ import annotations

import re
import socket
import threading

import pyarrow as pa
import pytest
from fix_mysql import FakeSession, MysqlDoor, MysqlDoors
from raw_mysql import (
    PLAIN,
    Failure,
    Ok,
    RawClient,
    Table,
    bind,
    execute,
    handshake_response,
    prepare,
    query,
    rows_of,
    u16,
    u32,
)
from server_users import Named

from engine.datatypes import INT64, STRING
from server.auth.api import UserRecord
from server.mysql.connection import MysqlOptions
from server.mysql.constants import Capability, CommandCode, Status
from server.mysql.packets import PacketReader, lenenc_string
from sql import verifiers
from sql.results import ResultColumn, Rows

C = CommandCode
MODERN = PLAIN | Capability.DEPRECATE_EOF
MULTI = PLAIN | Capability.MULTI_STATEMENTS


@pytest.mark.parametrize("capabilities", [PLAIN, MODERN])
def test_query_and_the_end_of_its_rows(mysql_door: MysqlDoor, capabilities: Capability) -> None:
    with RawClient(mysql_door.port, capabilities) as client:
        answer = query(client, "select 1 as a, null as b, 'x' as c")
        assert rows_of(answer) == [[b"1", None, b"x"]]
        assert isinstance(answer, Table)
        assert answer.end == Ok(0, Status.AUTOCOMMIT, 0)
        assert rows_of(query(client, "select 1 where false")) == []


def test_errors_keep_the_connection(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        answer = query(client, "select * from missing_table")
        assert isinstance(answer, Failure)
        assert (answer.errno, answer.state) == (1146, "42S02")
        assert rows_of(query(client, "select 2")) == [[b"2"]]


def test_an_error_between_rows_ends_the_result(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        text = "select case when i < 150000 then i else ('x' || i)::int end from range(200000) r(i)"
        answer = query(client, text)
        assert isinstance(answer, Failure)
        assert isinstance(query(client, "select 1"), Table)


@pytest.mark.parametrize("text", ["", "  ", ";"])
def test_empty_queries_are_1065(mysql_door: MysqlDoor, text: str) -> None:
    with RawClient(mysql_door.port) as client:
        answer = query(client, text)
        assert isinstance(answer, Failure)
        assert (answer.errno, answer.state) == (1065, "42000")


def test_several_statements_need_the_capability(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        answer = query(client, "select 1; select 2")
        assert isinstance(answer, Failure)
        assert answer.errno == 1064
        assert isinstance(client.ask(C.SET_OPTION, u16(0)), Ok)
        first = query(client, "select 1; select 2")
        assert isinstance(first, Table)
        assert isinstance(client.result(client.read()), Table)
        assert isinstance(client.ask(C.SET_OPTION, u16(1)), Ok)
        assert isinstance(query(client, "select 1; select 2"), Failure)
        assert isinstance(client.ask(C.SET_OPTION, u16(2)), Failure)


def test_results_of_several_statements_and_an_error_among_them(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port, MULTI) as client:
        first = query(client, "select 1; set x = 1; select 3; select * from nowhere; select 5")
        assert isinstance(first, Table)
        assert first.end is not None
        assert first.end.status & Status.MORE_RESULTS
        second = client.result(client.read())
        assert isinstance(second, Ok)
        assert second.status & Status.MORE_RESULTS
        third = client.result(client.read())
        assert rows_of(third) == [[b"3"]]
        fourth = client.result(client.read())
        assert isinstance(fourth, Failure)
        last = query(client, "select 6")
        assert isinstance(last, Table)
        assert last.end is not None
        assert not last.end.status & Status.MORE_RESULTS


def test_status_shows_transactions_and_autocommit(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:

        def status(text: str) -> int:
            answer = query(client, text)
            assert isinstance(answer, Ok)
            return answer.status

        assert status("begin") == Status.AUTOCOMMIT | Status.IN_TRANS
        assert isinstance(client.ask(C.PING), Ok)
        assert status("commit") == Status.AUTOCOMMIT
        assert status("set autocommit = 0") == 0
        assert status("set autocommit = 1") == Status.AUTOCOMMIT


def test_affected_rows_and_warnings(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        query(client, "create or replace table affected (a int)")
        answer = query(client, "insert into affected select i from range(1000) r(i)")
        assert isinstance(answer, Ok)
        assert answer.affected == 1000
        warned = query(client, "warn")
        assert isinstance(warned, Ok)
        assert warned.warnings == 2


def test_databases_and_their_tracking(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port, PLAIN | Capability.SESSION_TRACK) as client:
        changed = client.ask(C.INIT_DB, b"other")
        assert isinstance(changed, Ok)
        assert changed.status & Status.SESSION_STATE_CHANGED
        name = lenenc_string(b"other")
        assert changed.rest == b"\0" + lenenc_string(b"\x01" + lenenc_string(name))
        used = query(client, "use public")
        assert isinstance(used, Ok)
        assert b"public" in used.rest
        again = query(client, "use public")
        assert isinstance(again, Ok)
        assert again.rest == b""
        unknown = client.ask(C.INIT_DB, b"nowhere")
        assert isinstance(unknown, Failure)
        assert (unknown.errno, unknown.state) == (1049, "42000")


def test_small_commands(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        assert client.ask(C.PING) == Ok(0, Status.AUTOCOMMIT, 0)
        statistics = client.command(C.STATISTICS).decode()
        assert statistics.startswith("Uptime: ")
        assert re.search(r"Threads: [1-9]", statistics)
        processes = client.ask(C.PROCESS_INFO)
        assert [str(client.greeting.connection_id).encode()] in rows_of(processes)
        client.tell(C.QUIT)
        assert client.is_closed()


@pytest.mark.parametrize("code", [0x00, 0x05, 0x0D, 0x10, 0x13, 0x20, 0x7F, 0xFF])
def test_unknown_commands_are_1047(mysql_door: MysqlDoor, code: int) -> None:
    with RawClient(mysql_door.port) as client:
        answer = client.ask(code, b"junk")
        assert isinstance(answer, Failure)
        assert (answer.errno, answer.state) == (1047, "08S01")
        assert isinstance(client.ask(C.PING), Ok)


def test_field_list(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        query(client, "create or replace table fields (alpha int, beta varchar, a_c int)")

        def names(pattern: str) -> list[str]:
            first = client.command(C.FIELD_LIST, b"fields\0" + pattern.encode())
            found = []
            while first[0] != 0xFE:
                reader = PacketReader(first)
                for _ in range(4):
                    reader.lenenc_bytes()
                found.append(reader.lenenc_bytes().decode())
                assert first[-1] == 0xFB
                first = client.read()
            return found

        assert names("") == ["alpha", "beta", "a_c"]
        assert names("%A") == ["alpha", "beta"]
        assert names("a%") == ["alpha", "a_c"]
        assert names(r"a\_c") == ["a_c"]
        assert names("____") == ["beta"]
        assert names("%e%a%") == ["beta"]
        missing = client.ask(C.FIELD_LIST, b"nothing\0")
        assert isinstance(missing, Failure)
        assert missing.errno == 1146


def test_reset_connection_forgets_statements(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        statement, _, _ = prepare(client, "select 1")
        query(client, "begin")
        assert client.ask(C.RESET_CONNECTION) == Ok(0, Status.AUTOCOMMIT, 0)
        assert mysql_door.database.live[client.greeting.connection_id].resets == 1
        gone = execute(client, statement)
        assert isinstance(gone, Failure)
        assert gone.errno == 1243


def test_change_user_makes_a_new_session_with_the_same_id(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        number = client.greeting.connection_id
        before = mysql_door.database.live[number]
        statement, _, _ = prepare(client, "select 1")
        body = b"eve\0\0other\0" + u16(45) + b"mysql_native_password\0"
        assert isinstance(client.ask(C.CHANGE_USER, body), Ok)
        after = mysql_door.database.live[number]
        assert before.is_closed
        assert (after.client.user, after.database, after.id) == ("eve", "other", number)
        assert isinstance(execute(client, statement), Failure)


def test_a_refused_change_of_user_ends_the_connection(mysql_doors: MysqlDoors) -> None:
    ann = UserRecord("ann", mysql_native=verifiers.mysql_native(""))
    door = mysql_doors.open(Named(ann))
    with RawClient(door.port, log_in=False) as client:
        client.send(handshake_response(PLAIN, "ann", b""))
        assert client.read()[0] == 0
        body = b"ann\0\x14" + bytes(20) + b"public\0" + u16(45) + b"mysql_native_password\0"
        answer = client.ask(C.CHANGE_USER, body)
        assert isinstance(answer, Failure)
        assert answer.errno == 1045
        assert client.is_closed()


def test_kill_ends_another_connection_and_its_statement(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as victim, RawClient(mysql_door.port) as client:
        number = victim.greeting.connection_id
        victim.tell(C.QUERY, b"select count(*) from range(100000000000) r(i)")
        assert isinstance(client.ask(C.PROCESS_KILL, u32(number)), Ok)
        assert victim.is_closed()
        unknown = client.ask(C.PROCESS_KILL, u32(1))
        assert isinstance(unknown, Failure)
        assert unknown.errno == 1094


def test_nobody_kills_the_connections_of_others(mysql_doors: MysqlDoors) -> None:
    users = [UserRecord(name, mysql_native=verifiers.mysql_native("")) for name in ("ann", "bob")]
    door = mysql_doors.open(Named(*users))
    with (
        RawClient(door.port, log_in=False) as ann,
        RawClient(door.port, log_in=False) as bob,
    ):
        for client, name in ((ann, "ann"), (bob, "bob")):
            client.send(handshake_response(PLAIN, name, b""))
            assert client.read()[0] == 0
        refused = bob.ask(C.PROCESS_KILL, u32(ann.greeting.connection_id))
        assert isinstance(refused, Failure)
        assert refused.errno == 1142
        assert isinstance(ann.ask(C.PING), Ok)


def test_a_client_that_leaves_cancels_its_statement(mysql_door: MysqlDoor) -> None:
    client = RawClient(mysql_door.port)
    number = client.greeting.connection_id
    session = mysql_door.database.live[number]
    ended = threading.Event()
    close = session.close
    session.close = lambda: (close(), ended.set())  # type: ignore[method-assign,assignment]
    client.tell(C.QUERY, b"select count(*) from range(1000000000000) r(i)")
    client.socket.close()
    assert ended.wait(60)


def test_packets_above_the_limit_are_1153_and_the_end(mysql_doors: MysqlDoors) -> None:
    door = mysql_doors.open(options=MysqlOptions(packet_bytes_max=20 << 20))
    with RawClient(door.port) as client:
        answer = client.ask(C.QUERY, b"select '" + bytes(40 << 20) + b"'")
        assert isinstance(answer, Failure)
        assert (answer.errno, answer.state) == (1153, "08S01")
        assert client.is_closed()


def test_strangers_may_send_only_little(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port, log_in=False) as client:
        client.send(bytes(2 << 20))
        assert client.result(client.read()) is not None
        assert client.is_closed()


@pytest.mark.slow
def test_packets_above_16_mib_go_both_ways(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        for size in (0xFFFFFF - 5, 0xFFFFFF, (40 << 20) + 3):
            text = b"z" * size
            assert rows_of(query(client, "select '" + text.decode() + "'")) == [[text]]
        statement, _, _ = prepare(client, "select ? as a")
        big = b"y" * (33 << 20)
        answer = execute(client, statement, bind((253, lenenc_string(big))))
        assert isinstance(answer, Table)
        assert answer.rows == [b"\0\0" + lenenc_string(big)]
        assert isinstance(client.ask(C.PING), Ok)


def test_malformed_commands_get_an_error_and_the_connection_lives(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        statement, _, _ = prepare(client, "select ? as a")
        bad = [
            (C.STMT_EXECUTE, b""),
            (C.STMT_EXECUTE, u32(statement)),
            (C.STMT_EXECUTE, u32(statement) + b"\xff" + u32(1)),
            (C.STMT_EXECUTE, u32(statement) + b"\0" + u32(1)),
            (C.STMT_EXECUTE, u32(statement) + b"\0" + u32(1) + b"\0\0"),
            (C.STMT_EXECUTE, u32(statement) + b"\0" + u32(1) + b"\0\x01\xfd\0\xff"),
            (C.STMT_EXECUTE, u32(statement) + b"\0" + u32(1) + b"\0\x01\x63\0"),
            (C.STMT_RESET, b"\x01"),
            (C.STMT_FETCH, b"\x01\0\0\0"),
            (C.FIELD_LIST, b"no terminator"),
            (C.PROCESS_KILL, b""),
            (C.SET_OPTION, b""),
        ]
        for code, body in bad:
            answer = client.ask(code, body)
            assert isinstance(answer, Failure), (code, body)
            assert (answer.errno, answer.state) == (1835, "HY000")
        invalid = client.ask(C.QUERY, b"select \xff")
        assert isinstance(invalid, Failure)
        assert invalid.errno == 1300
        assert isinstance(client.ask(C.PING), Ok)
        client.sequence = 0
        client.send(b"")
        assert client.read()[0] == 0xFF


def test_packets_out_of_order_end_the_connection(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        client.socket.sendall(b"\x01\0\0\x05\x0e")
        client.sequence = 0
        assert client.read()[0] == 0xFF
        assert client.is_closed()


def test_commands_may_be_pipelined(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port) as client:
        ping = b"\x01\0\0\0\x0e"
        client.socket.sendall(ping * 500)
        for _ in range(500):
            client.sequence = 1
            assert client.read()[0] == 0


def test_local_infile_is_refused(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port, PLAIN | Capability.LOCAL_FILES) as client:
        answer = query(client, "load data local infile '/etc/passwd' into table t")
        assert isinstance(answer, Failure)
        assert (answer.errno, answer.state) == (3948, "42000")
        assert isinstance(client.ask(C.PING), Ok)


def test_an_unknown_database_refuses_the_login(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port, PLAIN | Capability.CONNECT_WITH_DB, log_in=False) as client:
        client.send(handshake_response(client.capabilities, database="nowhere"))
        answer = client.result(client.read())
        assert isinstance(answer, Failure)
        assert answer.errno == 1049
        assert client.is_closed()


def test_a_login_takes_no_longer_than_allowed(mysql_doors: MysqlDoors) -> None:
    door = mysql_doors.open(options=MysqlOptions(login_seconds=0.1))
    with RawClient(door.port, log_in=False) as client:
        assert client.is_closed()


def test_idle_connections_end(mysql_doors: MysqlDoors) -> None:
    door = mysql_doors.open(options=MysqlOptions(idle_seconds=0.1))
    with RawClient(door.port) as client:
        assert client.is_closed()
    door.run(door.listener.close())
    assert door.database.live == {}


def test_bytes_may_arrive_one_by_one(mysql_door: MysqlDoor) -> None:
    with RawClient(mysql_door.port, log_in=False) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        response = handshake_response(PLAIN)
        data = len(response).to_bytes(3, "little") + b"\x01" + response
        for byte in data:
            client.socket.sendall(bytes((byte,)))
        client.sequence = 2
        assert client.read()[0] == 0


def test_slow_readers_hold_the_statement_back(mysql_door: MysqlDoor) -> None:
    pulled = []

    def batches() -> object:
        for number in range(200):
            pulled.append(number)
            yield pa.record_batch({"a": pa.array(["x" * 1_000_000])})

    columns = (ResultColumn("a", STRING),)
    mysql_door.database.tables["huge"] = Rows(columns, batches())  # type: ignore[arg-type]
    with RawClient(mysql_door.port) as client:
        client.tell(C.QUERY, b"huge")
        for _ in range(3):
            client.read()  # column count, definition, EOF
        assert len(client.read()) > 1_000_000
        # Some is in flight (socket buffers, one piece ahead), most has not been made.
        assert len(pulled) < 100


def test_a_failing_statement_is_an_internal_error(mysql_door: MysqlDoor) -> None:
    def batches() -> object:
        yield pa.record_batch({"a": pa.array([1])})
        raise RuntimeError("a bug")

    columns = (ResultColumn("a", INT64),)
    mysql_door.database.tables["buggy"] = Rows(columns, batches())  # type: ignore[arg-type]
    with RawClient(mysql_door.port) as client:
        answer = query(client, "buggy")
        assert isinstance(answer, Failure)
        assert answer.errno == 1815
        assert "bug" not in answer.message.replace("report", "")
        assert isinstance(client.ask(C.PING), Ok)


class Broken:
    """An `InstantApi` with a fault that is no DbError."""

    def parse(self, text: str, parameter_types: object = ()) -> None:
        raise RuntimeError("a fault")


def test_a_fault_of_answering_at_once_leaves_the_usual_way(
    mysql_door: MysqlDoor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(FakeSession, "instant", property(lambda session: Broken()))
    with RawClient(mysql_door.port) as client:
        assert rows_of(query(client, "select 3")) == [[b"3"]]
        assert rows_of(query(client, "select 4")) == [[b"4"]]
    assert "could not be answered at once" in caplog.text
