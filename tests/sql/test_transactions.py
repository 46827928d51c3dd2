"""Transactions over both stores, as sessions see them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind
from sql.database import Database
from sql.results import Rows
from sql.session import TransactionStatus, Wire

SERIES = "CREATE TABLE cpu (host STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v DOUBLE)"
PLAIN = "CREATE TABLE dim (id INT PRIMARY KEY, name TEXT NOT NULL)"

Connect = Callable[..., Client]


@pytest.fixture
def tables(db: Client) -> Client:
    db.run(SERIES)
    db.run(PLAIN)
    return db


def counts(one: Client) -> tuple[int, int]:
    return one.run("SELECT count(*) FROM cpu")[0][0], one.run("SELECT count(*) FROM dim")[0][0]


def error_of(one: Client, text: str) -> ErrorKind:
    with pytest.raises(DbError) as caught:
        one.run(text)
    return caught.value.kind


def test_rows_are_visible_to_others_only_after_commit(tables: Client, connect: Connect) -> None:
    other = connect()
    tables.run("BEGIN; INSERT INTO cpu VALUES ('a', 1, 1); INSERT INTO dim VALUES (1, 'x')")
    assert counts(tables) == (1, 1)
    assert counts(other) == (0, 0)
    tables.run("COMMIT")
    assert counts(other) == (1, 1)


def test_rollback_undoes_both_stores(tables: Client, connect: Connect) -> None:
    tables.run("BEGIN; INSERT INTO cpu VALUES ('a', 1, 1); INSERT INTO dim VALUES (1, 'x')")
    tables.run("ROLLBACK")
    assert counts(tables) == (0, 0)
    assert tables.session.transaction_status is TransactionStatus.IDLE


def test_ddl_rolls_back_with_its_rows(db: Client, connect: Connect) -> None:
    db.run(f"BEGIN; {SERIES}; INSERT INTO cpu VALUES ('a', 1, 1)")
    assert db.run("SELECT count(*) FROM cpu") == [(1,)]
    assert error_of(connect(), "SELECT * FROM cpu") is ErrorKind.UNDEFINED_TABLE
    db.run("ROLLBACK")
    assert error_of(db, "SELECT * FROM cpu") is ErrorKind.UNDEFINED_TABLE
    db.run(SERIES)
    assert db.run("SELECT count(*) FROM cpu") == [(0,)]


def test_drop_and_truncate_roll_back(tables: Client) -> None:
    tables.run("INSERT INTO cpu VALUES ('a', 1, 1); INSERT INTO dim VALUES (1, 'x')")
    tables.run("BEGIN; TRUNCATE cpu; DROP TABLE dim")
    assert tables.run("SELECT count(*) FROM cpu") == [(0,)]
    tables.run("ROLLBACK")
    assert counts(tables) == (1, 1)


def test_an_error_fails_a_postgres_transaction_until_rollback(tables: Client) -> None:
    tables.run("BEGIN; INSERT INTO dim VALUES (1, 'x')")
    assert error_of(tables, "SELECT nothing FROM dim") is ErrorKind.UNDEFINED_COLUMN
    assert tables.session.transaction_status is TransactionStatus.FAILED
    assert error_of(tables, "SELECT 1 AS one FROM dim") is ErrorKind.FAILED_TRANSACTION
    tables.run("COMMIT")  # answers ROLLBACK, as PostgreSQL does
    assert counts(tables) == (0, 0)


def test_a_syntax_error_fails_a_postgres_transaction(tables: Client) -> None:
    tables.run("BEGIN")
    assert error_of(tables, "SELEC 1") is ErrorKind.SYNTAX
    assert error_of(tables, "SELECT 2 AS two") is ErrorKind.FAILED_TRANSACTION


def test_a_failed_statement_on_mysql_undoes_only_itself(tables: Client, connect: Connect) -> None:
    mysql = connect(Wire.MYSQL)
    mysql.run("BEGIN; INSERT INTO dim VALUES (1, 'x'); INSERT INTO cpu VALUES ('a', 1, 1)")
    assert error_of(mysql, "INSERT INTO dim VALUES (2, 'y'), (1, 'z')") is (
        ErrorKind.UNIQUE_VIOLATION
    )
    mysql.run("INSERT INTO dim VALUES (3, 'w')")
    mysql.run("COMMIT")
    assert tables.run("SELECT id FROM dim ORDER BY id") == [(1,), (3,)]
    assert counts(tables)[0] == 1


def test_savepoints_undo_what_came_after_them(tables: Client) -> None:
    tables.run("BEGIN; INSERT INTO dim VALUES (1, 'x'); INSERT INTO cpu VALUES ('a', 1, 1)")
    tables.run("SAVEPOINT one; INSERT INTO dim VALUES (2, 'y'); UPDATE dim SET name = 'changed'")
    tables.run("INSERT INTO cpu VALUES ('b', 1, 1)")
    tables.run("ROLLBACK TO SAVEPOINT one")
    assert tables.run("SELECT * FROM dim") == [(1, "x")]
    assert tables.run("SELECT host FROM cpu") == [("a",)]
    tables.run("INSERT INTO dim VALUES (3, 'z'); COMMIT")
    assert tables.run("SELECT id FROM dim ORDER BY id") == [(1,), (3,)]


def test_a_savepoint_rescues_a_failed_transaction(tables: Client) -> None:
    tables.run("BEGIN; INSERT INTO dim VALUES (1, 'x'); SAVEPOINT s")
    assert error_of(tables, "INSERT INTO dim VALUES (1, 'again')") is ErrorKind.UNIQUE_VIOLATION
    tables.run("ROLLBACK TO s; RELEASE s; COMMIT")
    assert tables.run("SELECT * FROM dim") == [(1, "x")]


def test_an_unknown_savepoint_is_refused(tables: Client) -> None:
    tables.run("BEGIN")
    assert error_of(tables, "ROLLBACK TO nowhere") is ErrorKind.UNDEFINED_SAVEPOINT


def test_a_read_only_transaction_refuses_writes(tables: Client) -> None:
    tables.run("BEGIN READ ONLY")
    assert error_of(tables, "INSERT INTO cpu VALUES ('a', 1, 1)") is ErrorKind.READ_ONLY


def test_mysql_without_autocommit_needs_commit(tables: Client, connect: Connect) -> None:
    mysql = connect(Wire.MYSQL)
    mysql.run("SET autocommit = 0; INSERT INTO dim VALUES (1, 'x')")
    assert counts(tables) == (0, 0)
    mysql.run("COMMIT")
    assert counts(tables) == (0, 1)


def test_committed_rows_of_both_stores_survive_reopening(databases: Databases) -> None:
    one = client(databases.open())
    one.run(f"{SERIES}; {PLAIN}")
    one.run("BEGIN; INSERT INTO cpu VALUES ('a', 1, 1); INSERT INTO dim VALUES (1, 'x'); COMMIT")
    one.run("BEGIN; INSERT INTO cpu VALUES ('b', 1, 1); INSERT INTO dim VALUES (2, 'y')")
    assert counts(client(databases.open())) == (1, 1)


@pytest.mark.parametrize("committed", [True, False])
def test_a_crash_between_the_two_commits_is_decided_by_duckdb(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    one = client(databases.open())
    one.run(f"{SERIES}; {PLAIN}")
    one.run("BEGIN; INSERT INTO cpu VALUES ('a', 1, 1); INSERT INTO dim VALUES (1, 'x')")
    crash_at(one, monkeypatch, after_commit=committed)
    with pytest.raises(KeyboardInterrupt):
        one.run("COMMIT")
    expected = (1, 1) if committed else (0, 0)
    assert counts(client(databases.open())) == expected


def crash_at(one: Client, monkeypatch: pytest.MonkeyPatch, *, after_commit: bool) -> None:
    """Stops the world just after, or just before, DuckDB's COMMIT of a two-store transaction."""
    duck = one.session.duck
    execute = duck.execute

    def interrupted(sql: str, *rest: Any) -> Any:
        if sql != "COMMIT":
            return execute(sql, *rest)
        if after_commit:
            execute(sql, *rest)
        raise KeyboardInterrupt

    monkeypatch.setattr(duck, "execute", interrupted)


def test_two_sessions_cannot_create_the_same_table(database: Database) -> None:
    first, second = client(database), client(database)
    first.run(f"BEGIN; {SERIES}")
    outcome: list[ErrorKind | None] = []

    def create() -> None:
        try:
            second.run(SERIES)
            outcome.append(None)
        except DbError as error:
            outcome.append(error.kind)

    thread = threading.Thread(target=create)
    thread.start()
    first.run("COMMIT")
    thread.join()
    assert outcome == [ErrorKind.DUPLICATE_TABLE]


def test_rename_swap_style_ddl_is_never_seen_half_done(tables: Client, connect: Connect) -> None:
    other = connect()
    tables.run("BEGIN; DROP TABLE dim; CREATE TABLE dim (id INT, extra INT)")
    assert other.names("SELECT * FROM dim") == ["id", "name"]
    tables.run("COMMIT")
    assert other.names("SELECT * FROM dim") == ["id", "extra"]


def test_a_failure_after_the_decision_loses_nothing(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB has committed: the region's half may be late, but nothing may be undone."""
    one = client(databases.open())
    one.run(PLAIN)
    one.run(f"BEGIN; {SERIES}; INSERT INTO cpu VALUES ('a', 1, 1); INSERT INTO dim VALUES (1, 'x')")

    def fail(transaction: str) -> None:
        raise DbError(ErrorKind.STORAGE_UNAVAILABLE, "the log cannot be written")

    monkeypatch.setattr(one.session.regions, "commit_prepared", fail)
    assert error_of(one, "COMMIT") is ErrorKind.STORAGE_UNAVAILABLE
    monkeypatch.undo()
    assert one.run("SELECT count(*) FROM dim") == [(1,)]
    assert one.run("SELECT host FROM cpu WHERE v > 5") == []  # the table is there
    assert counts(client(databases.open())) == (1, 1)


def test_a_refused_write_leaves_nothing_of_its_transaction(
    tables: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.run("BEGIN; INSERT INTO cpu VALUES ('a', 1, 1)")

    def refuse(writes: Any) -> None:
        raise DbError(ErrorKind.REGION_BUSY, "too many rows are waiting to be stored")

    monkeypatch.setattr(tables.session.regions, "write", refuse)
    assert error_of(tables, "COMMIT") is ErrorKind.REGION_BUSY
    monkeypatch.undo()
    assert counts(tables) == (0, 0)
    assert tables.session.transaction_status is TransactionStatus.IDLE


def test_without_autocommit_the_first_statement_is_kept_too(connect: Connect) -> None:
    mysql = connect(Wire.MYSQL)
    mysql.run("CREATE TABLE n (n INT PRIMARY KEY)")
    mysql.run("CREATE TABLE series (host STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v INT)")
    mysql.run("SET autocommit = 0; SAVEPOINT first")
    mysql.run("INSERT INTO n VALUES (1); SAVEPOINT here; INSERT INTO n VALUES (2)")
    with pytest.raises(DbError):
        mysql.run("INSERT INTO n VALUES (2)")
    assert mysql.run("SELECT n FROM n ORDER BY n") == [(1,), (2,)]
    mysql.run("ROLLBACK TO SAVEPOINT here; INSERT INTO n VALUES (3); COMMIT")
    assert mysql.run("SELECT n FROM n ORDER BY n") == [(1,), (3,)]
    mysql.run("INSERT INTO series VALUES ('a', 1, 1); SAVEPOINT s; INSERT INTO n VALUES (4)")
    mysql.run("ROLLBACK TO SAVEPOINT s; COMMIT")
    assert mysql.run("SELECT v FROM series") == [(1,)]
    mysql.run("SAVEPOINT first; INSERT INTO n VALUES (5); ROLLBACK TO SAVEPOINT first; COMMIT")
    assert mysql.run("SELECT count(*) FROM n") == [(2,)]


# Fails long after its first rows were given.
LATE = (
    "SELECT CAST(CASE WHEN i = 2999990 THEN 'x' ELSE '1' END AS INT) AS n"
    " FROM range(0, 3000000) AS g(i)"
)


@pytest.mark.parametrize("wire", list(Wire))
def test_an_error_amid_the_rows_fails_the_transaction_or_leaves_it_whole(
    tables: Client, connect: Connect, wire: Wire
) -> None:
    a = connect(wire)
    a.run("BEGIN")
    a.run("INSERT INTO dim VALUES (1, 'a')")
    with pytest.raises(DbError, match="'x'"):
        a.run(LATE)
    if wire is Wire.POSTGRES:
        with pytest.raises(DbError) as failed:
            a.run("SELECT 1")
        assert failed.value.kind is ErrorKind.FAILED_TRANSACTION
    tag = a.session.execute(a.session.parse("COMMIT")[0]).tag
    kept = [] if wire is Wire.POSTGRES else [(1, "a")]
    assert tag == ("ROLLBACK" if wire is Wire.POSTGRES else "COMMIT")
    assert connect().run("SELECT * FROM dim") == kept
    a.run("INSERT INTO dim VALUES (2, 'a')")
    assert connect().run("SELECT * FROM dim") == [*kept, (2, "a")]


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_an_open_result_that_fails_at_the_end_fails_the_transaction(
    tables: Client, connect: Connect, end: str
) -> None:
    tables.run("BEGIN; INSERT INTO dim VALUES (1, 'a')")
    rows = tables.session.execute(tables.session.parse(LATE)[0])
    assert isinstance(rows, Rows)
    next(iter(rows))
    assert tables.session.execute(tables.session.parse(end)[0]).tag == "ROLLBACK"
    with pytest.raises(DbError, match="'x'"):
        list(rows)
    tables.run("INSERT INTO dim VALUES (2, 'a')")
    assert connect().run("SELECT * FROM dim") == [(2, "a")]


def test_an_open_result_that_fails_is_nothing_to_statements_outside_of_transactions(
    connect: Connect,
) -> None:
    a = connect(Wire.MYSQL)
    rows = a.session.execute(a.session.parse(LATE)[0])
    assert isinstance(rows, Rows)
    next(iter(rows))
    assert a.run("SELECT 2") == [(2,)]
    with pytest.raises(DbError, match="'x'"):
        list(rows)


def test_a_failure_that_is_no_error_of_ours_leaves_no_transaction_behind(
    tables: Client, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.run("BEGIN; INSERT INTO dim VALUES (1, 'a')")
    transaction = tables.session.transaction
    assert transaction is not None
    with monkeypatch.context() as broken:
        broken.setattr("sql.transaction.check_expected", lambda expected: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tables.run("COMMIT")
    tables.run("BEGIN; INSERT INTO dim VALUES (2, 'a'); COMMIT")
    assert connect().run("SELECT * FROM dim") == [(2, "a")]


def test_what_waits_in_memory_for_its_reader_is_bounded(db: Client) -> None:
    db.run("SET statement_memory_limit = '16MB'")
    rows = db.session.execute(db.session.parse("SELECT i FROM range(0, 9000000) AS g(i)")[0])
    assert isinstance(rows, Rows)
    next(iter(rows))
    assert db.run("SELECT 1") == [(1,)]
    with pytest.raises(DbError) as caught:
        list(rows)
    assert caught.value.kind is ErrorKind.OUT_OF_MEMORY
