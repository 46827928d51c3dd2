"""Changes in WITH: part of their transaction, under every rule that other statements are under."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind
from sql.session import Wire

Connect = Callable[..., Client]
GONE = "WITH gone AS (DELETE FROM items WHERE id = $1 RETURNING id, word) SELECT word FROM gone"
KEPT = "SELECT word FROM items WHERE id = $1"


@pytest.fixture
def items(db: Client) -> Client:
    db.run("CREATE TABLE items (id INT PRIMARY KEY, word TEXT); CREATE TABLE kept (id INT)")
    db.run("INSERT INTO items SELECT i, 'w' || i FROM range(100) AS r(i)")
    return db


def words(client: Client, key: int) -> object:
    return client.run(KEPT, (key,))


def test_rollback_takes_them_back(items: Client) -> None:
    items.run("BEGIN")
    assert items.run(GONE, (5,)) == [("w5",)]
    assert words(items, 5) == []
    items.run("ROLLBACK")
    assert words(items, 5) == [("w5",)]


def test_a_failing_statement_keeps_nothing(items: Client) -> None:
    with pytest.raises(DbError):
        items.run(
            "WITH gone AS (DELETE FROM items RETURNING id) "
            "INSERT INTO kept SELECT CAST('x' || id AS INT) FROM gone"
        )
    assert items.run("SELECT count(*) FROM items") == [(100,)]


def test_rows_in_memory_follow(items: Client, connect: Connect) -> None:
    other = connect()
    for _ in range(2_000):
        if items.at_once(KEPT, (5,)) is not None:
            break
        words(items, 5)
    assert items.at_once(KEPT, (5,)) is not None
    other.run(
        "WITH made AS (UPDATE items SET word = 'new' WHERE id = 5 RETURNING id) SELECT * FROM made"
    )
    assert words(items, 5) == [("new",)]


def test_read_only_transactions_refuse_them(items: Client) -> None:
    items.run("BEGIN READ ONLY")
    with pytest.raises(DbError) as error:
        items.run(GONE, (5,))
    assert error.value.kind is ErrorKind.READ_ONLY
    items.run("ROLLBACK")
    assert words(items, 5) == [("w5",)]


def test_parameters_are_of_what_they_stand_beside(items: Client) -> None:
    text = (
        "WITH gone AS (DELETE FROM items WHERE word = $2 RETURNING id) "
        "SELECT id FROM gone WHERE id < $1"
    )
    told = items.session.describe(items.session.parse(text)[0])
    assert [type_.name for type_ in told.parameters] == ["Int32", "String"]
    assert told.columns is not None
    assert [column.name for column in told.columns] == ["id"]
    assert words(items, 7) == [("w7",)]
    assert items.run(text, (50, "w7")) == [(7,)]
    assert words(items, 7) == []


def test_many_rows_are_refused_before_anything_is_kept(items: Client) -> None:
    items.run("INSERT INTO items SELECT i, 'w' FROM range(1000, 12000) AS r(i)")
    with pytest.raises(DbError) as error:
        items.run("WITH gone AS (DELETE FROM items RETURNING id) SELECT count(*) FROM gone")
    assert error.value.kind is ErrorKind.LIMIT_EXCEEDED
    assert items.run("SELECT count(*) FROM items") == [(11_100,)]


def test_mysql_has_none(items: Client, connect: Connect) -> None:
    mysql = connect(Wire.MYSQL)
    with pytest.raises(DbError):
        mysql.run("WITH gone AS (DELETE FROM items RETURNING id) SELECT count(*) FROM gone")
    assert items.run("SELECT count(*) FROM items") == [(100,)]


def test_lists_are_refused_before_anything_is_kept(items: Client) -> None:
    items.run(
        "CREATE TABLE lists (id INT PRIMARY KEY, l INT[]); INSERT INTO lists VALUES (1, '{1}')"
    )
    with pytest.raises(DbError) as error:
        items.run("WITH gone AS (DELETE FROM lists RETURNING *) SELECT id FROM gone")
    assert error.value.kind is ErrorKind.UNSUPPORTED
    assert items.run("SELECT count(*) FROM lists") == [(1,)]
