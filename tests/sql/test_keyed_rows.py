"""Rows by primary key out of memory: what DuckDB would say, as of the last commit, always."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from fix_database import Client, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.datatypes import INT16, INT32
from engine.errors import DbError
from sql.database import Database
from sql.gate import Changes
from sql.run import keyed
from sql.session import Wire

ROWS = 1000
QUERY = "SELECT balance, name FROM accounts WHERE id = $1"
ASKED_MAX = 2_000
SAME = "SELECT balance, name FROM accounts WHERE id + 0 = $1"  # DuckDB's for certain


@pytest.fixture
def accounts(database: Database, db: Client) -> Client:
    db.run("CREATE TABLE accounts (id INT PRIMARY KEY, balance INT, name TEXT)")
    db.run(
        "INSERT INTO accounts SELECT i * 2, i * 7, CASE WHEN i % 3 = 0 THEN NULL "
        f"ELSE 'n' || i END FROM generate_series(0, {ROWS - 1}) AS g(i)"
    )
    warm(db, QUERY, 10)
    assert held(database, "accounts")
    return db


def warm(client: Client, query: str, *key: object) -> None:
    """Asks until the answer comes from memory: how often depends on what a copy has cost."""
    for _ in range(ASKED_MAX):
        client.run(query, key)
        if client.at_once(query, key) is not None:
            return


def held(database: Database, name: str) -> bool:
    table = database.catalog.table(database.store.cursor(), "public", name)
    assert table is not None
    return database.copies.holds(table.id)


@pytest.mark.parametrize(
    "key", [0, 2, 3, 1998, 2000, -1, 2**31, 2**62, -(2**63), None, "10", 4.0, 4.5, True]
)
def test_a_row_is_what_duckdb_says(accounts: Client, key: object) -> None:
    def outcome(query: str) -> object:
        try:
            return accounts.run(query, (key,))
        except DbError as error:
            return error.kind

    assert outcome(QUERY) == outcome(SAME)


def test_literals_are_found_like_parameters(accounts: Client) -> None:
    for key in (0, 7, 10, 1998, 5000):
        text = f"SELECT name, id, balance AS b FROM accounts AS a WHERE a.id = {key}"
        assert accounts.run(text) == accounts.run(text.replace("a.id =", "a.id + 0 ="))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE accounts SET balance = -1 WHERE id = 10",
        "UPDATE accounts SET id = 11 WHERE id = 10",
        "DELETE FROM accounts WHERE id = 10",
        "DELETE FROM accounts",
        "INSERT INTO accounts VALUES (10, 1, 'x') ON CONFLICT (id) DO UPDATE SET balance = -2",
        "MERGE INTO accounts a USING (VALUES (10)) s(id) ON a.id = s.id "
        "WHEN MATCHED THEN UPDATE SET balance = -3",
        "TRUNCATE accounts",
        "ALTER TABLE accounts ALTER COLUMN balance TYPE BIGINT",
        "ALTER TABLE accounts DROP COLUMN name; ALTER TABLE accounts ADD COLUMN name TEXT",
        "ALTER TABLE accounts RENAME TO old; "
        "CREATE TABLE accounts (id INT PRIMARY KEY, balance INT, name TEXT)",
        "BEGIN; UPDATE accounts SET balance = 5; UPDATE accounts SET balance = 6; COMMIT",
    ],
)
def test_a_change_is_seen_by_everybody_at_once(
    accounts: Client, connect: Callable[..., Client], change: str
) -> None:
    other = connect()
    assert other.run(QUERY, (10,)) == [(35, "n5")]
    accounts.run(change)
    expected = other.run(SAME, (10,))
    for client in (accounts, other):
        assert client.run(QUERY, (10,)) == expected
        warm(client, QUERY, 10)
        assert client.run(QUERY, (10,)) == expected


def test_an_inserted_row_is_found(accounts: Client, connect: Callable[..., Client]) -> None:
    assert accounts.run(QUERY, (11,)) == []
    connect().run("INSERT INTO accounts VALUES (11, 1, 'new')")
    assert accounts.run(QUERY, (11,)) == [(1, "new")]


def test_a_transaction_sees_its_own_changes_and_nobody_else_does(
    accounts: Client, connect: Callable[..., Client]
) -> None:
    other = connect()
    accounts.run("BEGIN; UPDATE accounts SET balance = -5 WHERE id = 10")
    assert accounts.run(QUERY, (10,)) == [(-5, "n5")]
    assert other.run(QUERY, (10,)) == [(35, "n5")]
    accounts.run("ROLLBACK")
    assert accounts.run(QUERY, (10,)) == [(35, "n5")]


def test_a_repeatable_transaction_sees_one_moment(
    accounts: Client, connect: Callable[..., Client]
) -> None:
    other = connect()
    accounts.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
    assert accounts.run(QUERY, (10,)) == [(35, "n5")]
    other.run("UPDATE accounts SET balance = 0 WHERE id = 10")
    warm(other, QUERY, 10)
    assert accounts.run(QUERY, (10,)) == [(35, "n5")]
    accounts.run("COMMIT")
    assert accounts.run(QUERY, (10,)) == [(0, "n5")]


def test_changes_of_other_tables_leave_the_copy(accounts: Client, database: Database) -> None:
    accounts.run("CREATE TABLE log (id INT, v INT)")
    warm(accounts, QUERY, 10)
    assert held(database, "accounts")
    accounts.run("INSERT INTO log VALUES (1, 2)")
    accounts.run("UPDATE log SET v = 3 WHERE id = 1")
    assert held(database, "accounts")
    accounts.run("INSERT INTO accounts VALUES (-1, 2, '')")
    assert not held(database, "accounts")


def test_text_and_several_columns_are_keys_too(database: Database, db: Client) -> None:
    db.run("CREATE TABLE k (a TEXT, b BIGINT, v DOUBLE, PRIMARY KEY (a, b))")
    texts = ["", "a", "A", "ab", "é", "zz", "😀", "\uffff"]
    for text in texts:
        db.run(f"INSERT INTO k SELECT '{text}', i, i / 2.0 FROM generate_series(-3, 3) AS g(i)")
    query = "SELECT b, v, a FROM k WHERE b = $2 AND a = $1"
    warm(db, query, "a", 1)
    assert held(database, "k")
    for text in [*texts, "b", "e"]:
        for number in (-4, -3, 0, 3):
            expected = [(number, number / 2.0, text)] if text in texts and number >= -3 else []
            assert db.run(query, (text, number)) == expected


def test_mysql_asks_the_same(accounts: Client, connect: Callable[..., Client]) -> None:
    other = connect(Wire.MYSQL)
    for key in (10, 11):
        text = f"SELECT balance FROM accounts WHERE id = {key}"
        assert other.run(text) == accounts.run(text)


def test_a_large_table_is_left_where_it_is(
    database: Database, db: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyed, "BYTES_MAX", 1000)
    db.run("CREATE TABLE big (id INT PRIMARY KEY, v INT)")
    db.run("INSERT INTO big SELECT i, i FROM generate_series(1, 1000) AS g(i)")
    query = "SELECT v FROM big WHERE id = $1"
    for _ in range(3 * keyed.ASKED_MIN):
        db.run(query, (5,))
    assert db.run(query, (5,)) == [(5,)]
    assert not held(database, "big")


def test_an_answer_in_memory_is_instant_until_it_changes(
    accounts: Client, connect: Callable[..., Client]
) -> None:
    text = "SELECT balance FROM accounts WHERE id = {}"
    assert accounts.at_once(text.format(1)) is None
    accounts.run(text.format(1))
    accounts.run(text.format(2))
    assert accounts.at_once(text.format(4)) is not None
    assert accounts.at_once(text.format(4) + " FOR UPDATE") is None
    accounts.run("BEGIN")
    assert accounts.at_once(text.format(4)) is not None
    accounts.run("UPDATE accounts SET name = ''")
    assert accounts.at_once(text.format(4)) is None
    accounts.run("ROLLBACK")
    assert accounts.at_once(text.format(4)) is not None
    connect().run("DELETE FROM accounts WHERE id = 0")
    assert accounts.at_once(text.format(4)) is None


def test_a_text_that_was_prepared_twice_is_instant_each_way(accounts: Client) -> None:
    """psycopg declares parameters by the size of their values."""
    session = accounts.session
    ways = [session.parse(QUERY, (type_,))[0] for type_ in (INT16, INT32, None)]
    for way in ways:
        assert plain(session.execute(way, (10,))) == [(35, "n5")]
    found = [session.instant.execute(way, (10,)) for way in ways]
    assert [each and plain(each.as_rows()) for each in found] == [[(35, "n5")]] * len(ways)


def test_privileges_are_asked_for_every_time(
    accounts: Client, connect: Callable[..., Client]
) -> None:
    accounts.run("CREATE ROLE reader LOGIN; GRANT SELECT ON accounts TO reader")
    reader = connect(user="reader")
    warm(reader, QUERY, 10)
    accounts.run("REVOKE SELECT ON accounts FROM reader")
    with pytest.raises(DbError, match="permission denied"):
        reader.run(QUERY, (10,))


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12))
@settings(max_examples=60)
def test_a_version_that_is_the_same_was_so_all_the_while(
    steps: list[tuple[int, bool]],
) -> None:
    changes = Changes()
    seen = {table: changes.version(table) for table in range(4)}
    for table, everything in steps:
        with changes.changing(None if everything else frozenset({table})):
            assert not changes.is_settled
            assert changes.version(table) != seen[table]
            if everything:
                assert all(changes.version(one) != seen[one] for one in seen)
            else:
                same = {one: changes.version(one) for one in seen if one != table}
                assert same == {one: seen[one] for one in seen if one != table}
        assert changes.is_settled
        seen = {one: changes.version(one) for one in seen}


def test_readers_never_see_a_value_go_back(
    accounts: Client, connect: Callable[..., Client]
) -> None:
    reader, again = connect(), connect()
    failures: list[object] = []
    done = threading.Event()

    def read() -> None:
        last = -1
        while not done.is_set():
            for client in (reader, again):
                (value, _) = client.run(QUERY, (10,))[0]
                if value < last:
                    failures.append((last, value))
                last = value

    accounts.run("UPDATE accounts SET balance = 0 WHERE id = 10")
    thread = threading.Thread(target=read)
    thread.start()
    try:
        for number in range(1, 20):
            accounts.run(f"UPDATE accounts SET balance = {number} WHERE id = 10")
            warm(accounts, QUERY, 10)
            assert accounts.run(QUERY, (10,)) == [(number, "n5")]
    finally:
        done.set()
        thread.join()
    assert not failures


def test_a_text_that_means_something_else_now_is_not_instant(
    accounts: Client, database: Database
) -> None:
    text = "SELECT balance FROM accounts WHERE id = 4"
    for _ in range(2):
        accounts.run(text)
    assert accounts.at_once(text) is not None
    accounts.run("CREATE TEMPORARY TABLE accounts (id INT PRIMARY KEY, balance INT)")
    assert accounts.at_once(text) is None
    assert accounts.run(text) == []
    accounts.run("DROP TABLE pg_temp.accounts; ALTER TABLE accounts RENAME TO old")
    accounts.run("CREATE VIEW accounts AS SELECT 4 AS id, max(balance) AS balance FROM old")
    warm(accounts, "SELECT balance FROM old WHERE id = $1", 4)
    assert held(database, "old")
    assert accounts.at_once(text) is None
    assert accounts.run(text) == [(6993,)]


def test_a_setting_that_plans_depend_on_is_seen_at_once(db: Client) -> None:
    text = "SELECT '01/02/2024'::date::text"
    for order, expected in (("MDY", "2024-01-02"), ("DMY", "2024-02-01"), ("MDY", "2024-01-02")):
        db.run(f"SET DateStyle = 'ISO, {order}'")
        for _ in range(2):
            assert db.run(text) == [(expected,)]


def test_a_copy_of_columns_that_were_is_none(accounts: Client, database: Database) -> None:
    """Whoever began before ALTER may have made it after ALTER's COMMIT."""
    table = database.catalog.table(database.store.cursor(), "public", "accounts")
    assert table is not None
    made = database.copies._copies[table.id]
    older = replace(table, columns=table.columns[:1])
    rows = made.rows.select(["id"])
    database.copies._copies[table.id] = replace(made, table=older, rows=rows)
    assert accounts.run(QUERY, (2,)) == [(7, "n1")]
