"""Times of one series, asked again and again: DuckDB would say the same as what is kept of it."""

from __future__ import annotations

import random

import pytest
from fix_database import Client

from engine.sst.series import SeriesReader

DDL = (
    "CREATE TABLE cpu (host STRING, core INT, v DOUBLE, note STRING, "
    "ts TIMESTAMP(3) TIME INDEX, PRIMARY KEY (host, core)) {}"
)
# The second form of each is DuckDB's for certain: what it compares is no plain column.
KEPT = "SELECT ts, v, note FROM cpu WHERE host = $1 AND core = $2 AND ts >= $3 AND ts < $4"
PLAIN = (
    "SELECT ts, v, note FROM cpu WHERE host || '' = $1 AND core + 0 = $2 AND ts >= $3 AND ts < $4"
)
TAILS = (" ORDER BY ts", " ORDER BY ts DESC", " ORDER BY ts DESC LIMIT 3", " ORDER BY ts LIMIT 2")


def moment(second: int) -> str:
    return f"2024-01-01 00:{second // 60:02}:{second % 60:02}"


def row(chance: random.Random) -> str:
    value, note = chance.choice(["NULL", "1.5", "2"]), chance.choice(["NULL", "'n'"])
    host, core = chance.choice("ab"), chance.randrange(2)
    return f"('{host}', {core}, {value}, {note}, '{moment(chance.randrange(240))}')"


def compare(db: Client, chance: random.Random, count: int, *, unique: bool) -> None:
    """Every question is asked more than once: what is kept is found then.

    Rows that are not unique by their time have no order among themselves.
    """
    for _ in range(count):
        first = chance.randrange(200)
        values = (chance.choice("abx"), chance.randrange(2), moment(first), moment(first + 60))
        for tail in TAILS if unique else ("",):
            expected = db.run(PLAIN + tail, values)
            for _ in range(3):
                found = db.run(KEPT + tail, values)
                if not unique:
                    found, expected = sorted(found, key=repr), sorted(expected, key=repr)
                assert found == expected, (values, tail)


@pytest.mark.parametrize(
    "options", ["", "WITH (append_mode = 'true')", "WITH (merge_mode = 'last_non_null')"]
)
def test_pieces_of_a_series_are_what_duckdb_says(db: Client, options: str) -> None:
    chance, unique = random.Random(options), "append" not in options
    db.run(DDL.format(options))
    for _ in range(5):
        rows = ", ".join(row(chance) for _ in range(60))
        db.run(f"INSERT INTO cpu VALUES {rows}")
        if chance.random() < 0.7:
            db.run("ADMIN flush_table('cpu')")
        compare(db, chance, 2, unique=unique)
        if not options and chance.random() < 0.5:
            db.run(f"DELETE FROM cpu WHERE ts < '{moment(chance.randrange(240))}' AND core = 1")
            compare(db, chance, 2, unique=unique)
    db.run("ADMIN flush_table('cpu'); ADMIN compact_table('cpu')")
    compare(db, chance, 4, unique=unique)


def test_a_kept_series_is_used_and_changes_are_seen(
    db: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []
    whole = SeriesReader.whole

    def watched(reader: SeriesReader, *args: object) -> object:
        found.append((series := whole(reader, *args)) is not None)  # type: ignore[arg-type]
        return series

    monkeypatch.setattr(SeriesReader, "whole", watched)
    db.run(DDL.format(""))
    db.run("INSERT INTO cpu SELECT 'a', 0, i, 'n', to_timestamp(i) FROM range(0, 5000) AS t(i)")
    db.run("ADMIN flush_table('cpu')")
    asked = "SELECT v FROM cpu WHERE host = 'a' AND core = 0 AND ts >= {} AND ts < {} ORDER BY ts"
    for _ in range(6):
        assert db.run(asked.format(2_000_000, 2_003_000)) == [(2000.0,), (2001.0,), (2002.0,)]
    assert found[-1]
    db.run("INSERT INTO cpu VALUES ('a', 0, -1, 'n', 2001000)")
    assert db.run(asked.format(2_000_000, 2_003_000)) == [(2000.0,), (-1.0,), (2002.0,)]
    db.run("BEGIN; DELETE FROM cpu WHERE ts = 2000000")
    assert db.run(asked.format(2_000_000, 2_003_000)) == [(-1.0,), (2002.0,)]
    db.run("ROLLBACK")
    db.run("ADMIN flush_table('cpu')")
    for _ in range(6):
        assert db.run(asked.format(2_000_000, 2_003_000)) == [(2000.0,), (-1.0,), (2002.0,)]
    db.run("ALTER TABLE cpu ADD COLUMN w DOUBLE DEFAULT 7")
    wide = asked.replace("SELECT v", "SELECT v, w")
    for _ in range(4):
        assert db.run(wide.format(2_001_000, 2_003_000)) == [(-1.0, 7.0), (2002.0, 7.0)]
    db.run("TRUNCATE cpu")
    assert db.run(asked.format(2_000_000, 2_003_000)) == []


def test_what_is_kept_lacks_no_row_that_only_a_transaction_replaced(db: Client) -> None:
    db.run(DDL.format(""))
    db.run("INSERT INTO cpu SELECT 'a', 0, i, 'n', to_timestamp(i) FROM range(0, 5000) AS t(i)")
    db.run("ADMIN flush_table('cpu')")
    asked = "SELECT v FROM cpu WHERE host = 'a' AND core = 0 AND ts >= 2000000 AND ts < 2003000"
    db.run("BEGIN; DELETE FROM cpu WHERE ts = 2001000 AND host = 'a'")
    for _ in range(6):
        assert db.run(asked + " ORDER BY ts") == [(2000.0,), (2002.0,)]
    db.run("ROLLBACK")
    for _ in range(3):
        assert db.run(asked + " ORDER BY ts") == [(2000.0,), (2001.0,), (2002.0,)]
