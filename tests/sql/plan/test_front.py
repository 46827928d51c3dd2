"""The first moments of a query are the same from a part of the time as from all of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from fix_database import Client, Databases, client

from engine.api import Extent, TimeRange
from sql.run import front as run_front

MOMENTS = [
    "SELECT host, ts, v FROM t {} ORDER BY ts {}, host, core LIMIT {}",
    "SELECT * FROM t {} ORDER BY t.ts {}, host, core LIMIT {} OFFSET 2",
    "SELECT ts AS at, host h, core FROM t {} ORDER BY at {}, h, core LIMIT {}",
]
BUCKETS = [
    "SELECT date_trunc('second', ts) AS s, max(v), count(*) FROM t {} GROUP BY s "
    "ORDER BY s {} LIMIT {}",
    "SELECT host, date_trunc('second', ts), count(*) FROM t {} GROUP BY 1, 2 "
    "ORDER BY 2 {}, host NULLS LAST LIMIT {}",
    "SELECT time_bucket(INTERVAL '3 seconds', ts) b, sum(v) FROM t {} GROUP BY b "
    "HAVING count(*) > 3 ORDER BY b {} LIMIT {} OFFSET 1",
    "SELECT date_bin('7 seconds', ts) b, min(ts) FROM t {} GROUP BY b ORDER BY b {} LIMIT {}",
    "SELECT ts, count(*) FROM t {} GROUP BY ts ORDER BY ts {} LIMIT {}",
]
FILTERS = [
    "",
    "WHERE v > 3",
    "WHERE v > 98",
    "WHERE ts >= '1970-01-01 00:00:20' AND ts < '1970-01-01 00:01:10'",
    "WHERE ts <= '1970-01-01 00:00:09.500' AND core IS NULL",
    "WHERE v IS NULL AND v IS NOT NULL",
]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[run_front.Narrow]:
    """The parts that were read."""
    found: list[run_front.Narrow] = []
    real = run_front.parts

    def spy(*arguments: Any) -> Iterator[run_front.Narrow]:
        for part in real(*arguments):
            found.append(part)
            yield part

    monkeypatch.setattr("sql.run.scan.parts", spy)
    monkeypatch.setattr("sql.run.front.ROWS_MIN", 10)
    return found


@pytest.fixture
def one(databases: Databases) -> Client:
    found = client(databases.open())
    found.run(
        "CREATE TABLE t (host STRING, core INT, ts TIMESTAMP(3), v DOUBLE, TIME INDEX (ts), "
        "PRIMARY KEY (host, core))"
    )
    return found


def fill(one: Client, source: random.Random) -> None:
    """A hundred seconds of rows in files, some late ones and some only in memory."""
    for step in range(6):
        rows = [
            f"({source.choice(HOSTS)}, {source.choice(['1', 'NULL'])}, "
            f"{min(99_999, step * 18_000 + source.randrange(-4000, 20_000))}, "
            f"{source.randrange(100)})"
            for _ in range(300)
        ]
        one.run(f"INSERT INTO t VALUES {', '.join(rows)}")
        if step != 4:
            one.run("ADMIN flush_table('t')")
    one.run("DELETE FROM t WHERE ts > '1970-01-01 00:01:35' AND host = 'a'")


HOSTS = ["'a'", "'b'", "'c'", "NULL"]


@pytest.mark.parametrize("seed", range(2))
def test_the_same_as_from_all_of_the_time(
    one: Client, monkeypatch: pytest.MonkeyPatch, tried: list[run_front.Narrow], seed: int
) -> None:
    source = random.Random(seed)
    fill(one, source)
    one.run("BEGIN")
    one.run("INSERT INTO t VALUES ('new', 1, '1970-01-01 00:02:00', 5), ('old', 1, 3, 5)")
    for question in MOMENTS + BUCKETS:
        for condition in FILTERS:
            for direction in ("DESC", "ASC"):
                limit = source.choice([1, 3, 10])
                text = question.format(condition, direction, limit)
                found = one.run(text)
                with monkeypatch.context() as patch:
                    patch.setattr("sql.run.scan.parts", lambda *_: ())
                    assert found == one.run(text), text
    one.run("ROLLBACK")
    assert tried


@pytest.mark.parametrize("question", MOMENTS + BUCKETS)
def test_a_part_is_read_first(one: Client, tried: list[run_front.Narrow], question: str) -> None:
    fill(one, random.Random(1))
    one.run(question.format("", "DESC", 1))
    assert tried


@pytest.mark.parametrize(
    "question",
    [
        "SELECT host FROM t ORDER BY host DESC LIMIT 1",
        "SELECT host, ts FROM t ORDER BY host, ts DESC LIMIT 1",
        "SELECT ts, row_number() OVER (ORDER BY v) FROM t ORDER BY ts DESC LIMIT 1",
        "SELECT date_trunc('hour', ts) AS ts FROM t ORDER BY ts DESC LIMIT 1",
        "SELECT extract(second FROM ts) s, max(v) FROM t GROUP BY s ORDER BY s DESC LIMIT 1",
        "SELECT a.ts FROM t a JOIN t b ON a.ts = b.ts ORDER BY a.ts DESC LIMIT 1",
        "SELECT DISTINCT ts FROM t ORDER BY ts DESC LIMIT 1",
        "SELECT host, max(ts) AS at FROM t GROUP BY host ORDER BY at DESC LIMIT 1",
        "SELECT ts FROM t ORDER BY ts DESC",
    ],
)
def test_other_questions_are_read_at_once(
    one: Client, tried: list[run_front.Narrow], question: str
) -> None:
    fill(one, random.Random(1))
    one.run(question)
    assert not tried


def test_parts_grow_and_end() -> None:
    front = run_front.Front("p", True, None, None, None, None)  # type: ignore[arg-type]
    extent = Extent(1_000_000, 0, 999_999)
    found = list(run_front.parts(front, 10, extent, TimeRange(None, 500_000), ("ts", "ms")))
    assert [part.times.start for part in found] == [499_959, 499_359, 489_759]
    assert not list(run_front.parts(front, 10, Extent(10, 0, 9), TimeRange(), ("ts", "ms")))
