"""Unique indexes in transactions that write rows, and definitions that two sessions change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind
from sql.transaction import Transaction


def test_a_dropped_unique_index_is_gone_within_the_transaction(db: Client) -> None:
    db.run("CREATE TABLE t (x INT, y INT); CREATE UNIQUE INDEX i ON t (x)")
    db.run("CREATE UNIQUE INDEX j ON t (y); INSERT INTO t VALUES (1, 1)")
    db.run("BEGIN; DROP INDEX i; INSERT INTO t VALUES (1, 2); COMMIT")
    assert db.run("SELECT * FROM t ORDER BY y") == [(1, 1), (1, 2)]
    with pytest.raises(DbError) as caught:
        db.run("INSERT INTO t VALUES (3, 2)")
    assert caught.value.kind is ErrorKind.UNIQUE_VIOLATION
    db.run("BEGIN; CREATE UNIQUE INDEX k ON t (x, y); DROP INDEX k; DROP INDEX j")
    db.run("INSERT INTO t VALUES (1, 2); ROLLBACK")
    with pytest.raises(DbError):
        db.run("INSERT INTO t VALUES (3, 2)")


def test_tables_with_a_unique_index_are_altered_after_changes_of_their_rows(db: Client) -> None:
    db.run("CREATE TABLE t (x INT, y INT); CREATE UNIQUE INDEX i ON t (x)")
    db.run("INSERT INTO t VALUES (1, 1), (2, NULL)")
    db.run("BEGIN; UPDATE t SET y = 3; DELETE FROM t WHERE x = 2")
    db.run("ALTER TABLE t ALTER y SET NOT NULL; ALTER TABLE t ADD COLUMN z INT DEFAULT 7")
    db.run("INSERT INTO t VALUES (2, 2, 2); COMMIT")
    assert db.run("SELECT * FROM t ORDER BY x") == [(1, 3, 7), (2, 2, 2)]
    db.run("BEGIN; DELETE FROM t WHERE x = 2; CREATE UNIQUE INDEX j ON t (y)")
    db.run("INSERT INTO t VALUES (2, 2, 2); COMMIT")
    for row in ("(2, 9, 9)", "(9, 2, 9)", "(9, NULL, 9)"):
        with pytest.raises(DbError):
            db.run(f"INSERT INTO t VALUES {row}")


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("CREATE INDEX ON t (x)", "SELECT count(*) FROM pg_index"),
        ("DROP INDEX i", "SELECT 1 - count(*) FROM pg_class WHERE relname = 'i'"),
        ("GRANT SELECT ON t TO low", "SELECT has_table_privilege('low', 't', 'SELECT')::int"),
    ],
)
def test_what_another_session_has_altered_meanwhile_stays(
    db: Client,
    connect: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
    shown: str,
) -> None:
    other = connect()
    db.run("CREATE ROLE low; CREATE TABLE t (x INT); CREATE INDEX i ON t (x)")
    plain, met = Transaction.change_store, []

    def change_store(self: Transaction, *args: Any, **named: Any) -> None:
        if not met:
            met.append(self)
            other.run("ALTER TABLE t ADD COLUMN y INT")
        plain(self, *args, **named)

    monkeypatch.setattr(Transaction, "change_store", change_store)
    db.run(statement)
    assert db.run(shown)[0][0] >= 1
    db.run("INSERT INTO t (x, y) VALUES (1, 2)")
    assert db.run("SELECT * FROM t") == [(1, 2)]
