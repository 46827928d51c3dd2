"""Cursors: where FETCH and MOVE go, and what stays of the rows a cursor has given."""

from __future__ import annotations

import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind
from sql import scrolling

MOVES = [
    ("FETCH FIRST FROM c", [1]),
    ("FETCH LAST FROM c", [10]),
    ("FETCH c", []),
    ("FETCH PRIOR FROM c", [10]),
    ("FETCH ABSOLUTE 5 FROM c", [5]),
    ("FETCH RELATIVE -2 FROM c", [3]),
    ("FETCH RELATIVE 0 FROM c", [3]),
    ("FETCH 0 FROM c", [3]),
    ("FETCH BACKWARD 2 FROM c", [2, 1]),
    ("FETCH BACKWARD ALL FROM c", []),
    ("FETCH ABSOLUTE -1 FROM c", [10]),
    ("FETCH ABSOLUTE 0 FROM c", []),
    ("FETCH 3 FROM c", [1, 2, 3]),
    ("FETCH FORWARD ALL FROM c", [4, 5, 6, 7, 8, 9, 10]),
    ("FETCH -2 FROM c", [10, 9]),
    ("FETCH BACKWARD ALL FROM c", [8, 7, 6, 5, 4, 3, 2, 1]),
    ("FETCH ABSOLUTE 99 FROM c", []),
    ("FETCH BACKWARD FROM c", [10]),
]


@pytest.fixture
def open_(db: Client) -> Client:
    db.run("BEGIN")
    return db


def test_every_direction(open_: Client) -> None:
    open_.run("DECLARE c SCROLL CURSOR FOR SELECT i FROM generate_series(1, 10) AS g(i)")
    for statement, rows in MOVES:
        assert open_.run(statement) == [(row,) for row in rows], statement


def test_move_counts_what_fetch_would_give(open_: Client) -> None:
    open_.run("DECLARE c SCROLL CURSOR FOR SELECT i FROM generate_series(1, 10) AS g(i)")
    moves = ["MOVE 3 IN c", "MOVE ABSOLUTE 5 IN c", "MOVE BACKWARD ALL IN c", "MOVE ALL IN c"]
    assert [open_.run(move) for move in moves] == [3, 1, 4, 10]


def test_a_cursor_that_shall_not_scroll_only_goes_forward(open_: Client) -> None:
    open_.run("DECLARE c NO SCROLL CURSOR FOR SELECT i FROM generate_series(1, 10) AS g(i)")
    assert open_.run("FETCH 3 FROM c") == [(1,), (2,), (3,)]
    assert open_.run("FETCH ABSOLUTE 6 FROM c") == [(6,)]
    with pytest.raises(DbError, match="only scan forward") as caught:
        open_.run("FETCH PRIOR FROM c")
    assert caught.value.kind is ErrorKind.NOT_READY


def test_a_plain_cursor_goes_back_while_its_rows_are_few(
    open_: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrolling, "KEPT_BYTES_MAX", 64)
    open_.run("DECLARE c CURSOR FOR SELECT i FROM generate_series(1, 1000) AS g(i)")
    assert open_.run("FETCH 2 FROM c; FETCH PRIOR FROM c") == [(1,)]
    assert len(open_.run("FETCH 900 FROM c")) == 900
    with pytest.raises(DbError, match="only scan forward"):
        open_.run("FETCH FIRST FROM c")


def test_a_held_cursor_keeps_its_place_over_commit(open_: Client) -> None:
    made = "DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT i FROM generate_series(1, 3) AS g(i)"
    open_.run(made)
    open_.run("FETCH h; COMMIT")
    shown = "SELECT name, statement, is_holdable, is_binary, is_scrollable FROM pg_cursors"
    assert open_.run(shown) == [("h", made, True, False, True)]
    assert open_.run("FETCH ALL FROM h") == [(2,), (3,)]
    assert open_.run("FETCH BACKWARD ALL FROM h") == [(3,), (2,), (1,)]
    open_.run("CLOSE h")
    assert open_.run(shown) == []


def test_prepared_statements_are_listed_and_take_their_declared_types(db: Client) -> None:
    db.run("PREPARE p (int, text) AS SELECT $1 + 1, $2 || 'b'")
    shown = "SELECT name, parameter_types, from_sql FROM pg_prepared_statements"
    assert db.run(shown) == [("p", ["integer", "text"], True)]
    assert db.run("EXECUTE p ('2', 'a')") == [(3, "ab")]
    with pytest.raises(DbError) as caught:
        db.run("EXECUTE p ('x', 'a')")
    assert caught.value.kind is ErrorKind.INVALID_TEXT
    with pytest.raises(DbError, match="wrong number of parameters"):
        db.run("EXECUTE p (1)")
    db.run("DEALLOCATE p")
    assert db.run(shown) == []


def test_a_transaction_has_one_number_and_each_another(db: Client) -> None:
    ask = "SELECT txid_current()"
    alone = [db.run(ask), db.run(ask)]
    db.run("BEGIN")
    inside = [db.run(ask), db.run(ask)]
    db.run("COMMIT")
    assert alone[0] != alone[1] != inside[0] == inside[1] != db.run(ask)
