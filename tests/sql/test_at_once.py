"""Rows of one series that the event loop gives are those that DuckDB would give, or none."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from fix_database import Client

from sql.session import Wire

DDL = (
    "CREATE TABLE cpu (host STRING, core INT, v DOUBLE, note STRING, "
    "ts TIMESTAMP(3) TIME INDEX, PRIMARY KEY (host, core)) {}"
)
ASKED = "SELECT ts, v, note FROM cpu WHERE host = $1 AND core = $2 AND ts >= $3 AND ts < $4"
# DuckDB's for certain: what it compares is no plain column.
PLAIN = (
    "SELECT ts, v, note FROM cpu WHERE host || '' = $1 AND core + 0 = $2 AND ts >= $3 AND ts < $4"
)
TAILS = (" ORDER BY ts", " ORDER BY ts DESC", " ORDER BY ts DESC LIMIT 3", " ORDER BY ts LIMIT 2")
TIMES = 400


def moment(second: int) -> datetime:
    return datetime(2024, 1, 1) + timedelta(seconds=second)  # noqa: DTZ001


def insert(db: Client, chance: random.Random, count: int) -> None:
    rows = (
        f"('{chance.choice('ab')}', {chance.randrange(2)}, {chance.choice(['NULL', '1.5', '2'])}, "
        f"{chance.choice(['NULL', repr('n')])}, '{moment(chance.randrange(TIMES))}')"
        for _ in range(count)
    )
    db.run(f"INSERT INTO cpu (host, core, v, note, ts) VALUES {', '.join(rows)}")


def change(db: Client, chance: random.Random, options: str) -> None:
    """Something that happens to tables."""
    what = chance.randrange(10)
    if what < 4:
        insert(db, chance, chance.choice([1, 5, 60]))
    elif what == 4:
        rows = "'a', 1, i, 'many', '2024-01-01'::timestamp + INTERVAL '100 milliseconds' * i"
        db.run(f"INSERT INTO cpu (host, core, v, note, ts) SELECT {rows} FROM range(5000) AS t(i)")
    elif what in (5, 6):
        db.run("ADMIN flush_table('cpu')")
    elif what == 7:
        db.run("ADMIN flush_table('cpu'); ADMIN compact_table('cpu')")
    elif what == 8 and not options:
        db.run(f"DELETE FROM cpu WHERE ts < '{moment(chance.randrange(TIMES))}' AND core = 1")
    elif what == 9 and chance.random() < 0.3:
        db.run(f"ALTER TABLE cpu ADD COLUMN x{chance.randrange(10**9)} INT")


def asked_and_found(db: Client, chance: random.Random, *, unique: bool) -> int:
    """Compares some questions; how many were answered at once."""
    found = 0
    for _ in range(2):
        first = chance.randrange(TIMES)
        values = (
            *(chance.choice("abx"), chance.randrange(2)),
            *(moment(first), moment(first + chance.choice([1, 30, TIMES]))),
        )
        for tail in TAILS if unique else ("",):
            expected = db.run(PLAIN + tail, values)
            for _ in range(4):
                rows = db.at_once(ASKED + tail, values)
                if rows is None:
                    db.run(ASKED + tail, values)
                    continue
                found += 1
                if not unique:
                    rows, expected = sorted(rows, key=repr), sorted(expected, key=repr)
                assert rows == expected, (values, tail)
    return found


@pytest.mark.parametrize(
    "options", ["", "WITH (append_mode = 'true')", "WITH (merge_mode = 'last_non_null')"]
)
def test_rows_at_once_are_what_duckdb_says(db: Client, options: str) -> None:
    chance = random.Random(options)
    db.run(DDL.format(options))
    found = 0
    for _ in range(16):
        change(db, chance, options)
        found += asked_and_found(db, chance, unique="append" not in options)
    assert found > 20


@pytest.fixture
def cpu(db: Client) -> Client:
    """A table with a stored and a newer row of one series, both found at once."""
    db.run(DDL.format(""))
    db.run(f"INSERT INTO cpu VALUES ('a', 0, 1, 'n', '{moment(1)}'); ADMIN flush_table('cpu')")
    db.run(f"INSERT INTO cpu VALUES ('a', 0, 2, 'n', '{moment(2)}')")
    assert warmed(db) == [(1.0,), (2.0,)]
    return db


WARM = "SELECT v FROM cpu WHERE host = 'a' AND core = 0 ORDER BY ts"


def warmed(db: Client) -> object:
    for _ in range(4):
        db.run(WARM)
    return db.at_once(WARM)


def test_newer_rows_are_seen_as_soon_as_they_are_written(cpu: Client) -> None:
    for value in (7, 8, 9):
        cpu.run(f"INSERT INTO cpu VALUES ('a', 0, {value}, 'n', '{moment(1)}')")
        assert cpu.at_once(WARM) in (None, [(value,), (2.0,)])
        assert warmed(cpu) == [(value,), (2.0,)]


def test_a_transaction_sees_its_own_rows(cpu: Client) -> None:
    cpu.run("BEGIN")
    assert cpu.at_once(WARM) == [(1.0,), (2.0,)]
    cpu.run(f"DELETE FROM cpu WHERE ts = '{moment(1)}'")
    assert cpu.at_once(WARM) is None
    assert cpu.run(WARM) == [(2.0,)]
    cpu.run("ROLLBACK")
    assert cpu.at_once(WARM) == [(1.0,), (2.0,)]


@pytest.mark.parametrize("begin", ["BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN; SELECT 1/0"])
def test_a_transaction_of_another_kind_goes_the_usual_way(cpu: Client, begin: str) -> None:
    for part in begin.split("; "):
        try:
            cpu.run(part)
        except Exception as error:  # noqa: BLE001 - one of them fails on purpose
            assert "1/0" in begin, error  # noqa: PT017
    assert cpu.at_once(WARM) is None or "REPEATABLE" not in begin


def test_expired_rows_are_not_shown(cpu: Client) -> None:
    cpu.run("ALTER TABLE cpu SET 'ttl' = '1h'")
    assert warmed(cpu) in (None, [])
    assert cpu.run(WARM) == []


def test_what_definitions_and_settings_change_is_planned_again(cpu: Client) -> None:
    cpu.run("ALTER TABLE cpu ADD COLUMN w INT")
    assert cpu.at_once(WARM) is None
    assert warmed(cpu) is None  # files have another layout now
    cpu.run("ADMIN compact_table('cpu')")
    cpu.run("DROP TABLE cpu")
    assert cpu.at_once(WARM) is None


def test_limits_of_mysql_sessions_hold(cpu: Client, connect: Callable[..., Client]) -> None:
    other = connect(Wire.MYSQL)
    assert warmed(other) == [(1.0,), (2.0,)]
    other.run("SET sql_select_limit = 1")
    assert other.at_once(WARM) is None
    assert other.run(WARM) == [(1.0,)]
    other.run("SET sql_select_limit = DEFAULT")
    warmed(other)
    assert other.run("SELECT found_rows()") == [(2,)]


def test_who_may_not_read_is_refused(cpu: Client, connect: Callable[..., Client]) -> None:
    cpu.run("CREATE ROLE reader LOGIN; GRANT SELECT ON cpu TO reader")
    reader = connect(user="reader")
    assert warmed(reader) == [(1.0,), (2.0,)]
    cpu.run("REVOKE SELECT ON cpu FROM reader")
    assert reader.at_once(WARM) is None
    with pytest.raises(Exception, match="permission denied"):
        reader.run(WARM)


def test_many_rows_are_left_to_a_thread(db: Client) -> None:
    db.run(DDL.format(""))
    rows = "'a', 0, i, 'n', '2024-01-01'::timestamp + INTERVAL '1 second' * i"
    db.run(f"INSERT INTO cpu SELECT {rows} FROM range(3000) AS t(i); ADMIN flush_table('cpu')")
    assert warmed(db) is None
    newest = WARM + " DESC LIMIT 2"
    for _ in range(4):
        db.run(newest)
    assert db.at_once(newest) == [(2999.0,), (2998.0,)]


def test_columns_are_shown_in_any_order_and_twice(cpu: Client) -> None:
    for columns in ("note, v", "v, note, v AS again", "ts, host, core", "host"):
        text = f"SELECT {columns} FROM cpu WHERE host = 'a' AND core = 0 ORDER BY ts DESC"
        expected = cpu.run(text)
        assert len(expected) == 2
        for _ in range(3):
            cpu.run(text)
        assert cpu.at_once(text) == expected


@pytest.mark.parametrize("options", ["", "WITH ('append_mode' = 'true')"])
def test_long_texts_are_left_to_a_thread(db: Client, options: str) -> None:
    db.run(DDL.format(options))
    rows = ", ".join(
        f"('a', 1, 1, '{'x' * size}', '{moment(second)}')"
        for second, size in enumerate((10, 100_000, 100_000, 100_000, 100_000))
    )
    db.run(f"INSERT INTO cpu (host, core, v, note, ts) VALUES {rows}")
    for end, is_at_once in ((1, True), (2, True), (5, False)):
        values = ("a", 1, moment(0), moment(end))
        expected = db.run(ASKED, values)
        assert len(expected) == end
        assert (db.at_once(ASKED, values) is not None) == is_at_once


def test_a_long_row_by_its_key_is_left_to_a_thread(db: Client) -> None:
    db.run("CREATE TABLE t (id INT PRIMARY KEY, note TEXT)")
    db.run(f"INSERT INTO t VALUES (1, 'short'), (2, '{'x' * 2_000_000}')")
    asked = "SELECT note FROM t WHERE id = $1"
    for number, is_at_once in ((1, True), (2, False)):
        for _ in range(20):
            db.run(asked, (number,))
        assert (db.at_once(asked, (number,)) is not None) == is_at_once
