"""INSERT … VALUES of parameters: the same rows and errors, whether or not DuckDB is asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest
from fix_database import Client

from engine.errors import DbError
from sql.run.scan import Runner
from sql.session import Wire
from sql.statements import insert
from sql.statements.values_at_hand import values_at_hand

KINDS = {
    "i": "SMALLINT",
    "b": "BIGINT",
    "f": "DOUBLE",
    "t": "TEXT",
    "v": "VARCHAR(3)",
    "o": "BOOLEAN",
    "m": "TIMESTAMP",
    "n": "NUMERIC(6, 2)",
}
MOMENT = datetime(2024, 2, 29, 12, 30, 0, 500_333)  # noqa: DTZ001
EAST = timezone(timedelta(hours=3))
VALUES: list[object] = [
    *(None, 0, 7, -32768, 32767, 32768, -(2**63), 2**63 - 1, 2**63, True, False),
    *(0.5, 1.0, math.nan, math.inf, "", "a", "abcd", "ab  ", "7", "x'y", "2024-01-01", "true"),
    *(MOMENT, MOMENT.replace(tzinfo=UTC), MOMENT.replace(tzinfo=EAST)),
]
RELATIONAL = "CREATE TABLE t (id INT, x {})"
SERIES = "CREATE TABLE t (id INT, x {}, at TIMESTAMP(3) TIME INDEX, PRIMARY KEY (id))"


def outcome(db: Client, text: str, values: tuple[object, ...]) -> object:
    """What the table has after the statement, or what was wrong."""
    try:
        count = db.run(text, values)
    except DbError as error:
        return error.kind, error.message
    rows = db.run("SELECT * FROM t ORDER BY id")
    db.run("DELETE FROM t")
    return count, repr(rows)


def both(db: Client, patch: pytest.MonkeyPatch, text: str, *values: object) -> tuple[object, ...]:
    found = outcome(db, text, values)
    with patch.context() as asking:
        asking.setattr(insert, "values_at_hand", lambda *_: None)
        return found, outcome(db, text, values)


@pytest.mark.parametrize("wire", [Wire.POSTGRES, Wire.MYSQL])
@pytest.mark.parametrize("kind", KINDS)
def test_a_value_is_stored_as_a_query_would_store_it(
    db: Client,
    connect: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    wire: Wire,
) -> None:
    db.run(RELATIONAL.format(KINDS[kind]))
    client = db if wire is Wire.POSTGRES else connect(wire)
    mark = "$1" if wire is Wire.POSTGRES else "?"
    for value in VALUES:
        found, expected = both(client, monkeypatch, f"INSERT INTO t VALUES (1, {mark})", value)
        assert found == expected, value


@pytest.mark.parametrize("kind", ["i", "f", "t", "o"])
def test_so_is_one_of_a_series(db: Client, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    db.run(SERIES.format(KINDS[kind]))
    for value in (None, 7, 2**40, 0.5, "a", True):
        for at in (MOMENT, MOMENT.replace(tzinfo=EAST), "2024-01-01", None):
            text = "INSERT INTO t (x, id, at) VALUES ($2, 1, $1)"
            found, expected = both(db, monkeypatch, text, at, value)
            assert found == expected, (value, at)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@pytest.mark.parametrize(
    "kind", ["TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP(3)", "TIMESTAMP(0)", "DATE"]
)
@pytest.mark.parametrize("now", ["now()", "CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP(0)"])
def test_the_clock_is_that_of_a_query(
    db: Client, monkeypatch: pytest.MonkeyPatch, zone: str, kind: str, now: str
) -> None:
    db.run(RELATIONAL.format(kind) + f"; SET TIME ZONE '{zone}'")
    asked = partial(values_at_hand, now_ms=None)  # what now() is then is left to a query
    for values in (f"(-3, {now})", f"($1, {now}), (-4, {now})", f"(1, {now}), (2, '2024-01-01')"):
        given = (7,) if "$" in values else ()
        db.run("BEGIN")  # now() stays the same in it
        found = outcome(db, f"INSERT INTO t VALUES {values}", given)
        with monkeypatch.context() as asking:
            asking.setattr(insert, "values_at_hand", lambda *all_: asked(*all_[:3]))
            expected = outcome(db, f"INSERT INTO t VALUES {values}", given)
        db.run("ROLLBACK")
        assert found == expected


def test_a_row_with_the_clock_is_no_query(db: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    db.run(RELATIONAL.format("TIMESTAMP"))
    with monkeypatch.context() as refusing:
        refusing.setattr(Runner, "table", lambda *_: 1 / 0)
        assert db.run("INSERT INTO t VALUES (-3, CURRENT_TIMESTAMP)") == 1


def test_sessions_of_other_zones_mean_their_own_times(
    db: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.run(SERIES.format("TIMESTAMP"))
    db.run("SET TIME ZONE 'America/New_York'")
    for at in (MOMENT, MOMENT.replace(tzinfo=EAST), MOMENT.replace(tzinfo=UTC)):
        found, expected = both(db, monkeypatch, "INSERT INTO t VALUES (1, $1, $1)", at)
        assert found == expected


@pytest.mark.parametrize(
    "rows", ["(1, $1), (2, $2), (3, 'x')", "(1, $1), (2)", "($1, $2)", "(DEFAULT, $1), (2, NULL)"]
)
def test_rows_words_and_counts(db: Client, monkeypatch: pytest.MonkeyPatch, rows: str) -> None:
    db.run("CREATE TABLE t (id INT DEFAULT 9, x TEXT NOT NULL DEFAULT 'd')")
    for values in ((1, "b"), ("a", "b"), (None, None)):
        text = f"INSERT INTO t VALUES {rows}"
        found, expected = both(db, monkeypatch, text, *values[: 1 + ("$2" in rows)])
        assert found == expected


def test_enums_keep_their_words(
    db: Client, connect: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = connect(Wire.MYSQL)
    other.run("CREATE TABLE t (id INT, x ENUM('a', 'b'), y YEAR)")
    for word, year in (("a", 2024), ("c", 2024), ("b", 24), ("b", 3000), (None, None)):
        found, expected = both(other, monkeypatch, "INSERT INTO t VALUES (1, ?, ?)", word, year)
        assert found == expected


def test_plain_values_need_no_query(db: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    db.run("CREATE TABLE t (id INT PRIMARY KEY, x TEXT, f DOUBLE)")
    db.run("CREATE TABLE s (f DOUBLE, m TIMESTAMP TIME INDEX)")
    with monkeypatch.context() as refusing:
        refusing.setattr(Runner, "table", None)
        for number in range(3):
            assert db.run("INSERT INTO t VALUES ($1, $2, $3)", (number, None, 0.5)) == 1
            assert db.run("INSERT INTO s VALUES ($1, $2)", (0.5, MOMENT)) == 1
    assert db.run("SELECT count(*), max(f) FROM t") == [(3, 0.5)]
