"""MySQL's ENUM and SET hold the words they were declared with, whoever writes to them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client

from engine.errors import DbError
from sql.session import Wire

Connect = Callable[..., Client]


@pytest.fixture
def table(connect: Connect) -> Client:
    client = connect(Wire.MYSQL)
    client.run(
        "CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a', 'Be', 'it''s') DEFAULT 'a',"
        " s SET('x', 'y', 'z'))"
    )
    return client


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("'a', 'x'", ("a", "x")),
        ("'BE  ', 'z,X,x'", ("Be", "x,z")),
        ("'it''s', ''", ("it's", "")),
        ("NULL, NULL", (None, None)),
        ("2, 5", ("Be", "x,z")),
        ("concat('b', 'e'), concat('z', ',y')", ("Be", "y,z")),
    ],
)
def test_words_as_they_were_declared(
    table: Client, written: str, stored: tuple[str | None, ...]
) -> None:
    table.run(f"INSERT INTO t VALUES (1, {written})")
    assert table.run("SELECT e, s FROM t") == [stored]
    table.run(f"INSERT INTO t VALUES (2, 'a', 'x'), (3, {written})")
    assert table.run("SELECT e, s FROM t WHERE id = 3") == [stored]


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO t (id, e) VALUES (2, 'c')",
        "INSERT INTO t (id, e) VALUES (2, 4)",
        "INSERT INTO t (id, e) SELECT 2, concat('c', 'd')",
        "INSERT INTO t (id, s) VALUES (2, 'x,q')",
        "INSERT INTO t (id, s) VALUES (2, 8)",
        "UPDATE t SET e = 'c'",
        "UPDATE t SET e = concat(e, 'c')",
        "UPDATE t SET s = 'q' WHERE id = 1",
        "REPLACE INTO t (id, e) VALUES (1, 'c')",
        "INSERT INTO t (id) VALUES (1) ON DUPLICATE KEY UPDATE e = 'c'",
        "INSERT INTO t (id) VALUES (1) ON DUPLICATE KEY UPDATE s = 'x,q'",
    ],
)
def test_other_words_are_refused(table: Client, change: str) -> None:
    table.run("INSERT INTO t VALUES (1, 'Be', 'y')")
    with pytest.raises(DbError, match=r"Data truncated for column '[es]' at row 1"):
        table.run(change)
    assert table.run("SELECT * FROM t") == [(1, "Be", "y")]


def test_the_error_is_mysqls(table: Client) -> None:
    with pytest.raises(DbError) as caught:
        table.run("INSERT INTO t (id, e) VALUES (1, 'a'), (2, 'c')")
    assert caught.value.message == "Data truncated for column 'e' at row 2"
    assert caught.value.mysql == (1265, "01000")


def test_parameters(table: Client) -> None:
    table.run("INSERT INTO t VALUES (?, ?, ?)", [1, "be", "y,x"])
    assert table.run("SELECT e, s FROM t") == [("Be", "x,y")]
    with pytest.raises(DbError, match="Data truncated"):
        table.run("INSERT INTO t VALUES (?, ?, ?)", [2, "c", "x"])
    with pytest.raises(DbError, match="Data truncated"):
        table.run("UPDATE t SET e = ? WHERE id = ?", ["c", 1])


def test_new_words_of_a_known_key(table: Client) -> None:
    table.run("INSERT INTO t VALUES (1, 'a', 'x')")
    table.run("INSERT INTO t (id) VALUES (1) ON DUPLICATE KEY UPDATE e = 'BE', s = 'Z,x'")
    assert table.run("SELECT e, s FROM t") == [("Be", "x,z")]


def test_without_strict_mode_they_are_left_out(table: Client) -> None:
    table.run("SET sql_mode = ''")
    table.run("INSERT INTO t VALUES (1, 'c', 'y,q,x'), (2, 'A', 'z')")
    assert table.run("SELECT * FROM t ORDER BY id") == [(1, "", "x,y"), (2, "a", "z")]


def test_other_wires_write_the_same_words(table: Client, connect: Connect) -> None:
    postgres = connect(Wire.POSTGRES)
    postgres.run("INSERT INTO t VALUES (1, 'a', 'x')")
    with pytest.raises(DbError) as caught:
        postgres.run("UPDATE t SET e = 'c'")
    assert caught.value.codes.sqlstate == "22P02"
