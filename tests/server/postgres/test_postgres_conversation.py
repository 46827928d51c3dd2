"""The protocol state after login, message by message, without a socket."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from fake_database import FakeDatabase, FakeSession

from engine.errors import DbError, ErrorKind
from server.postgres.conversation import Conversation
from server.postgres.messages import (
    BadMessage,
    Bind,
    Close,
    CopyData,
    CopyDone,
    CopyFail,
    Describe,
    Execute,
    Flush,
    Frontend,
    FunctionCall,
    Parse,
    Query,
    Sync,
    Target,
)
from server.postgres.portals import FIRST_ROWS
from sql.session import ClientInfo, Wire

Reply = tuple[str, bytes]


class Talk:
    """A conversation with its replies cut into messages."""

    def __init__(self) -> None:
        self.database = FakeDatabase()
        client = ClientInfo("me", "public", "local")
        self.session: FakeSession = self.database.connect(Wire.POSTGRES, client)
        self.conversation = Conversation(self.session)

    def say(self, *events: Frontend) -> list[Reply]:
        data = b"".join(bytes(p) for event in events for p in self.conversation.handle(event))
        return cut(data)

    def codes(self, *events: Frontend) -> str:
        return "".join(code for code, _ in self.say(*events))

    def close(self) -> None:
        self.conversation.close()
        self.session.close()
        self.database.close()


def cut(data: bytes) -> list[Reply]:
    messages = []
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("!i", data, at + 1)
        messages.append((chr(data[at]), data[at + 5 : at + 1 + length]))
        at += 1 + length
    return messages


def error_fields(replies: list[Reply]) -> dict[str, str]:
    (body,) = (body for code, body in replies if code == "E")
    return {part[0:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def row(body: bytes) -> list[bytes | None]:
    (count,) = struct.unpack_from("!h", body)
    cells, at = [], 2
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        cells.append(None if length == -1 else body[at : at + length])
        at += max(length, 0)
    return cells


def tags(replies: list[Reply]) -> list[str]:
    return [body[:-1].decode() for code, body in replies if code == "C"]


@pytest.fixture
def talk() -> Iterator[Talk]:
    talk = Talk()
    yield talk
    assert talk.session.open_rows == 0 or talk.conversation.close() is None
    talk.close()
    assert talk.session.open_rows == 0


def run(statement: str = "", portal: str = "", text: str = "SELECT 1 AS a") -> list[Frontend]:
    return [
        Parse(statement, text, ()),
        Bind(portal, statement, (), (), ()),
        Describe(Target.PORTAL, portal),
        Execute(portal, 0),
    ]


# Simple queries.


def test_a_query_answers_description_rows_tag_and_ready(talk) -> None:
    replies = talk.say(Query("SELECT 1 AS a, NULL AS b UNION ALL SELECT 2, NULL"))
    assert [code for code, _ in replies] == ["T", "D", "D", "C", "Z"]
    assert sorted(row(body)[0] for code, body in replies if code == "D") == [b"1", b"2"]
    assert tags(replies) == ["SELECT 2"]
    assert replies[-1] == ("Z", b"I")


@pytest.mark.parametrize("text", ["", ";", "  -- only a comment", "/* nothing */"])
def test_an_empty_query_has_its_own_answer(talk, text) -> None:
    assert talk.codes(Query(text)) == "IZ"


def test_command_tags_count_what_postgres_counts(talk) -> None:
    script = (
        "CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2), (3);"
        "UPDATE t SET a = 9 WHERE a < 3; DELETE FROM t WHERE a = 3;"
        "INSERT INTO t VALUES (5) RETURNING a; SET application_name = x"
    )
    replies = talk.say(Query(script))
    assert tags(replies) == [
        "CREATE TABLE",
        "INSERT 0 3",
        "UPDATE 2",
        "DELETE 1",
        "INSERT 0 1",
        "SET",
    ]


def test_an_error_ends_a_script_and_the_next_query_works(talk) -> None:
    replies = talk.say(Query("SELECT 1; SELECT * FROM missing; SELECT 3"))
    assert [code for code, _ in replies] == ["T", "D", "C", "E", "Z"]
    assert error_fields(replies)["C"] == "42P01"
    assert talk.codes(Query("SELECT 1")) == "TDCZ"


def test_an_error_carries_all_its_fields(talk) -> None:
    fields = error_fields(talk.say(Query("SYNTAXERROR")))
    assert fields == {
        "S": "ERROR",
        "V": "ERROR",
        "C": "42601",
        "M": 'syntax error at or near "SYNTAXERROR"',
        "D": "more about it",
        "H": "write SQL",
        "P": "1",
    }


def test_a_bug_is_an_internal_error_and_the_connection_lives(talk, caplog) -> None:
    fields = error_fields(talk.say(Query("CRASH")))
    assert fields["C"] == "XX000"
    assert "a bug" not in fields["M"]
    assert "a bug" in caplog.text
    assert talk.codes(Query("SELECT 1")) == "TDCZ"


def test_ready_shows_the_transaction_state(talk) -> None:
    assert talk.say(Query("BEGIN"))[-1] == ("Z", b"T")
    assert talk.say(Query("SELECT * FROM missing"))[-1] == ("Z", b"E")
    assert error_fields(talk.say(Query("SELECT 1")))["C"] == "25P02"
    replies = talk.say(Query("COMMIT"))
    assert tags(replies) == ["ROLLBACK"]
    assert replies[-1] == ("Z", b"I")


def test_notices_come_before_the_tag_and_reports_before_ready(talk) -> None:
    replies = talk.say(Query("NOTICE hello; SET timezone = 'Asia/Tokyo'"))
    assert [code for code, _ in replies] == ["N", "C", "C", "S", "Z"]
    assert b"Mhello\0" in replies[0][1]
    assert replies[3][1] == b"TimeZone\0Asia/Tokyo\0"


def test_timestamps_follow_the_session_time_zone(talk) -> None:
    talk.say(Query("SET timezone = 'Asia/Tokyo'"))
    replies = talk.say(Query("SELECT TIMESTAMP '2024-01-01 00:00:00.5' AS t"))
    assert row(replies[1][1]) == [b"2024-01-01 09:00:00.5"]


def test_rows_stream_in_pieces_and_are_released_when_dropped(talk) -> None:
    pieces = talk.conversation.handle(Query("SELECT i, 'x' || i AS s FROM range(1000000) t(i)"))
    for _ in range(5):
        next(pieces)
    assert talk.session.open_rows == 1
    pieces.close()
    assert talk.session.open_rows == 0


# The extended protocol.


def test_the_first_rows_do_not_wait_until_the_others_are_encoded(talk) -> None:
    count = FIRST_ROWS * 2
    reply = talk.conversation.handle(Query(f"SELECT i FROM range({count}) t(i)"))
    pieces = [[code for code, _ in cut(bytes(piece))] for piece in reply]
    rows = [len(piece) for piece in pieces if piece[0] == "D"]
    assert rows[0] == FIRST_ROWS
    assert sum(rows) == count


def test_parse_bind_describe_execute_sync(talk) -> None:
    assert talk.codes(*run(), Sync()) == "12TDCZ"


def test_a_statement_is_described_with_its_parameters(talk) -> None:
    replies = talk.say(
        Parse("s", "SELECT $1::BIGINT AS a, $2::VARCHAR AS b", (0, 25)),
        Describe(Target.STATEMENT, "s"),
        Sync(),
    )
    assert [code for code, _ in replies] == ["1", "t", "T", "Z"]
    assert struct.unpack("!H2I", replies[1][1]) == (2, 20, 25)


def test_object_ids_are_known_by_their_casts(talk) -> None:
    text = "SELECT $1::oid AS a, $2::oid[] AS b"
    replies = talk.say(Parse("s", text, ()), Describe(Target.STATEMENT, "s"), Sync())
    assert struct.unpack("!H2I", replies[1][1]) == (2, 26, 1028)


def test_a_statement_without_rows_has_no_data(talk) -> None:
    talk.say(Query("CREATE TABLE t (a INT)"))
    events = run(text="INSERT INTO t VALUES (1)")
    assert talk.codes(*events, Sync()) == "12nCZ"


def test_an_empty_statement_can_be_prepared(talk) -> None:
    assert talk.codes(*run(text=""), Sync()) == "12nIZ"


def test_parameters_arrive_in_text_and_binary(talk) -> None:
    replies = talk.say(
        Parse("", "SELECT $1::INT + 1 AS a, $2::VARCHAR AS b, $3::INT AS c", (23, 25, 23)),
        Bind("", "", (1, 0, 0), (struct.pack("!i", 41), "ü".encode(), None), (1, 0, 0)),
        Execute("", 0),
        Sync(),
    )
    assert row(replies[2][1]) == [struct.pack("!i", 42), "ü".encode(), None]


def test_an_error_skips_everything_until_sync(talk) -> None:
    events = [*run(text="SELECT * FROM missing"), *run(), Query("SELECT 1"), Flush(), Sync()]
    assert talk.codes(*events) == "12EZ"
    assert talk.codes(*run(), Sync()) == "12TDCZ"


def test_a_bad_message_in_a_pipeline_also_skips_until_sync(talk) -> None:
    error = DbError(ErrorKind.PROTOCOL, "bad bind")
    assert talk.codes(Parse("", "SELECT 1", ()), BadMessage("B", error), Execute("", 0)) == "1E"
    assert talk.codes(Sync()) == "Z"


def test_a_bad_query_message_is_answered_with_ready(talk) -> None:
    error = DbError(ErrorKind.INVALID_ENCODING, "bad text")
    assert talk.codes(BadMessage("Q", error)) == "EZ"


def test_a_portal_gives_its_rows_in_portions(talk) -> None:
    talk.say(Query("BEGIN"))
    text = "SELECT i FROM range(5) t(i) ORDER BY i"
    replies = talk.say(
        Parse("", text, ()), Bind("c", "", (), (), ()), Execute("c", 2), Execute("c", 2), Sync()
    )
    assert "".join(code for code, _ in replies) == "12DDsDDsZ"
    replies = talk.say(Execute("c", 2), Execute("c", 2), Sync())
    assert "".join(code for code, _ in replies) == "DCCZ"
    assert tags(replies) == ["SELECT 1", "SELECT 0"]
    assert row(replies[0][1]) == [b"4"]


def test_a_portal_ends_with_its_transaction(talk) -> None:
    talk.say(*run(portal="c")[:2], Execute("c", 1), Sync())
    assert error_fields(talk.say(Execute("c", 1), Sync()))["C"] == "34000"
    assert talk.session.open_rows == 0


def test_a_portal_with_exactly_max_rows_left_is_suspended_then_done(talk) -> None:
    replies = talk.say(
        Parse("", "SELECT i FROM range(2) t(i)", ()),
        Bind("", "", (), (), ()),
        Execute("", 2),
        Execute("", 2),
        Sync(),
    )
    assert "".join(code for code, _ in replies) == "12DDsCZ"


def test_names_must_be_new_and_known(talk) -> None:
    talk.say(Query("BEGIN"))
    talk.say(Parse("s", "SELECT 1", ()), Bind("p", "s", (), (), ()), Sync())
    assert error_fields(talk.say(Parse("s", "SELECT 2", ()), Sync()))["C"] == "42P05"
    talk.say(Query("ROLLBACK"))
    talk.say(Query("BEGIN"))
    talk.say(Bind("p", "s", (), (), ()), Sync())
    assert error_fields(talk.say(Bind("p", "s", (), (), ()), Sync()))["C"] == "42P03"
    assert error_fields(talk.say(Bind("", "unknown", (), (), ()), Sync()))["C"] == "26000"
    assert error_fields(talk.say(Execute("unknown", 0), Sync()))["C"] == "34000"
    assert error_fields(talk.say(Describe(Target.PORTAL, "x"), Sync()))["C"] == "34000"


def test_closing_forgets_and_unknown_names_are_no_error(talk) -> None:
    talk.say(Parse("s", "SELECT 1", ()), Sync())
    assert talk.codes(Close(Target.STATEMENT, "s"), Close(Target.PORTAL, "none"), Sync()) == "33Z"
    assert error_fields(talk.say(Bind("", "s", (), (), ()), Sync()))["C"] == "26000"


def test_the_unnamed_statement_is_replaced_and_ends_with_a_simple_query(talk) -> None:
    assert talk.codes(*run(), *run(text="SELECT 2 AS b"), Sync()) == "12TDC12TDCZ"
    talk.say(Parse("", "SELECT 1", ()), Sync())
    talk.say(Query("SELECT 1"))
    assert error_fields(talk.say(Bind("", "", (), (), ()), Sync()))["C"] == "26000"


@pytest.mark.parametrize(
    "text", ["DEALLOCATE s", 'deallocate prepare "s"', "DEALLOCATE ALL", "DISCARD ALL"]
)
def test_deallocate_reaches_protocol_level_statements(talk, text) -> None:
    talk.say(Parse("s", "SELECT 1", ()), Sync())
    assert talk.codes(Query(text)) == "CZ"
    assert error_fields(talk.say(Bind("", "s", (), (), ()), Sync()))["C"] == "26000"


def test_two_statements_cannot_be_prepared_at_once(talk) -> None:
    assert error_fields(talk.say(Parse("", "SELECT 1; SELECT 2", ()), Sync()))["C"] == "42601"


@pytest.mark.parametrize(
    ("bind", "state"),
    [
        (Bind("", "", (), (), ()), "08P01"),
        (Bind("", "", (), (b"1", b"2"), ()), "08P01"),
        (Bind("", "", (0, 0), (b"1",), ()), "08P01"),
        (Bind("", "", (), (b"one",), ()), "22P02"),
        (Bind("", "", (), (b"99999999999",), ()), "22003"),
        (Bind("", "", (1,), (b"123",), ()), "22P03"),
        (Bind("", "", (), (b"\xff",), ()), "22021"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(talk, bind, state) -> None:
    replies = talk.say(Parse("", "SELECT $1::INT", (23,)), bind, Execute("", 0), Sync())
    assert error_fields(replies)["C"] == state


def test_too_many_result_formats_are_refused(talk) -> None:
    replies = talk.say(
        Parse("", "SELECT 1", ()), Bind("", "", (), (), (0, 1)), Execute("", 0), Sync()
    )
    assert error_fields(replies)["C"] == "08P01"
    assert talk.session.open_rows == 0


def test_a_statement_whose_result_type_changed_is_refused(talk) -> None:
    talk.say(Query("CREATE TABLE t (a INT)"))
    talk.say(Parse("s", "SELECT * FROM t", ()), Describe(Target.STATEMENT, "s"), Sync())
    talk.say(Query("ALTER TABLE t ALTER a TYPE VARCHAR"))
    fields = error_fields(talk.say(Bind("", "s", (), (), ()), Execute("", 0), Sync()))
    assert (fields["C"], fields["M"]) == ("0A000", "cached plan must not change result type")


def test_a_function_call_reaches_no_function_but_those_of_large_objects(talk) -> None:
    assert talk.codes(FunctionCall(1299, (), (), 1)) == "EZ"
    assert talk.codes(FunctionCall(953, (1,), (), 1)) == "EZ"  # lo_close takes one argument


# COPY.


@pytest.fixture
def table(talk) -> Talk:
    talk.say(Query("CREATE TABLE t (a INT, b VARCHAR)"))
    return talk


def test_copy_in_then_the_rest_of_the_script(table) -> None:
    replies = table.say(Query("COPY t FROM STDIN; SELECT count(*) FROM t"))
    assert replies == [("G", b"\0\0\2\0\0\0\0")]
    assert table.say(CopyData(b"1\ta\n2\t"), CopyData(b"\\N\n")) == []
    replies = table.say(CopyDone())
    assert tags(replies) == ["COPY 2", "SELECT 1"]
    assert row(replies[2][1]) == [b"2"]


def test_copy_in_by_the_extended_protocol_ignores_sync_until_done(table) -> None:
    events = [Parse("", "COPY t FROM STDIN", ()), Bind("", "", (), (), ()), Execute("", 0), Sync()]
    assert table.codes(*events) == "12G"
    assert table.codes(CopyData(b"1\ta\n"), CopyDone(), Sync()) == "CZ"


def test_the_client_may_give_copy_up(table) -> None:
    table.say(Query("COPY t FROM STDIN"))
    fields = error_fields(table.say(CopyData(b"1\ta\n"), CopyFail("no more")))
    assert fields["C"] == "57014"
    assert "no more" in fields["M"]
    assert row(table.say(Query("SELECT count(*) FROM t"))[1][1]) == [b"0"]


def test_bad_copy_data_is_told_and_what_follows_is_drained(table) -> None:
    table.say(Query("COPY t FROM STDIN; SELECT 1"))
    big = CopyData(b"BADDATA" + b"x" * (1 << 20))
    replies = table.say(big, CopyData(b"more"), CopyDone())
    assert "".join(code for code, _ in replies) == "EZ"
    assert error_fields(replies)["C"] == "22P04"
    assert table.codes(Query("SELECT 1")) == "TDCZ"


def test_other_messages_during_copy_end_it(table) -> None:
    table.say(Query("COPY t FROM STDIN"))
    assert table.codes(Query("SELECT 1")) == "EZ"
    assert table.codes(CopyDone(), Query("SELECT 1")) == "TDCZ"


def copied(replies: list[Reply]) -> list[bytes]:
    return [body for code, body in replies if code == "d"]


def test_copy_out_as_text_escapes_what_would_be_misread(table) -> None:
    table.say(Query("INSERT INTO t VALUES (1, 'a\tb\\c'), (2, NULL), (NULL, 'x\ny\rz')"))
    replies = table.say(Query("COPY t TO STDOUT"))
    assert [code for code, _ in replies] == ["H", "d", "d", "d", "c", "C", "Z"]
    assert copied(replies) == [b"1\ta\\tb\\\\c\n", b"2\t\\N\n", b"\\N\tx\\ny\\rz\n"]
    assert tags(replies) == ["COPY 3"]


def test_copy_out_as_csv_quotes_what_would_be_misread(table) -> None:
    table.say(Query("INSERT INTO t VALUES (1, 'a,b'), (2, NULL), (3, ''), (4, 'say \"hi\"')"))
    replies = table.say(Query("COPY t TO STDOUT (FORMAT csv, HEADER)"))
    assert copied(replies) == [
        b"a,b\n",
        b'1,"a,b"\n',
        b"2,\n",
        b'3,""\n',
        b'4,"say ""hi"""\n',
    ]
    replies = table.say(Query("COPY t TO STDOUT (FORMAT csv, FORCE_QUOTE *)"))
    assert copied(replies)[:2] == [b'"1","a,b"\n', b'"2",\n']


def test_copy_out_of_nothing_still_has_its_header(table) -> None:
    assert copied(table.say(Query("COPY t TO STDOUT (FORMAT csv, HEADER)"))) == [b"a,b\n"]
    (only,) = copied(table.say(Query("COPY t TO STDOUT (FORMAT binary)")))
    assert only == b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff\xff"


def test_copy_out_as_binary(table) -> None:
    table.say(Query("INSERT INTO t VALUES (1, 'x')"))
    replies = table.say(Query("COPY t TO STDOUT (FORMAT binary)"))
    first, trailer = copied(replies)
    cells = b"\0\2\0\0\0\4\0\0\0\1\0\0\0\1x"
    assert first == b"PGCOPY\n\xff\r\n\0" + bytes(8) + cells
    assert trailer == b"\xff\xff"


def test_closing_in_the_middle_of_a_copy_aborts_it(table) -> None:
    table.say(Query("COPY t FROM STDIN"), CopyData(b"1\ta\n"))
    table.conversation.close()
    assert row(table.say(Query("SELECT count(*) FROM t"))[1][1]) == [b"0"]
