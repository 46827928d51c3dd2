"""Times of milliseconds read as microseconds: no one can tell from the answers."""

from __future__ import annotations

from datetime import datetime

import pytest
from fix_database import Client, Databases, client

from engine import datatypes
from sql.plan.moments import fine_scans


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the scans of each plan may stay fine."""
    found: list[bool] = []

    def spy(*arguments: object) -> frozenset[str]:
        answer = fine_scans(*arguments)  # type: ignore[arg-type]
        found.append(bool(answer))
        return answer

    monkeypatch.setattr("sql.plan.plan.fine_scans", spy)
    return found


@pytest.fixture
def one(databases: Databases) -> Client:
    found = client(databases.open())
    found.run(
        "CREATE TABLE t (host STRING, ts TIMESTAMP(3), made TIMESTAMP(0), v INT, "
        "TIME INDEX (ts), PRIMARY KEY (host))"
    )
    found.run("INSERT INTO t VALUES ('a', 1500, 7, 1), ('b', 61500, 8, 2)")
    found.run("ADMIN flush_table('t')")
    found.run("INSERT INTO t VALUES ('c', 121500, NULL, 3)")
    return found


MINUTES = [datetime(1970, 1, 1, 0, minute) for minute in range(3)]  # noqa: DTZ001


@pytest.mark.parametrize(
    "query",
    [
        "SELECT ts FROM t WHERE made IS NOT NULL ORDER BY ts",
        "SELECT ts AS at FROM t WHERE ts < '1970-01-01 00:02:00' ORDER BY at",
        "SELECT * FROM t WHERE v < 3",
        "SELECT date_trunc('minute', ts) AS m, count(*) FROM t GROUP BY m ORDER BY m",
    ],
)
def test_plain_uses_stay_fine(one: Client, asked: list[bool], query: str) -> None:
    one.run(query)
    assert asked[-1]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT max(ts) FROM t",
        "SELECT CAST(ts AS STRING) FROM t",
        "SELECT ts + INTERVAL '1 second' FROM t",
        "SELECT x.ts FROM (SELECT ts FROM t) AS x",
        "SELECT coalesce(made, ts) FROM t",
        "SELECT t FROM t",
    ],
)
def test_other_uses_are_cast(one: Client, asked: list[bool], query: str) -> None:
    one.run(query)
    assert not asked[-1]


def test_answers_have_the_declared_types(one: Client) -> None:
    for query in ("SELECT ts, made FROM t", "SELECT made, ts AS ts FROM t", "SELECT * FROM t"):
        rows = one.session.execute(one.session.parse(query)[0])
        types = {column.name: column.type for column in rows.columns}
        rows.close()
        assert types["ts"] == datatypes.TIMESTAMP_MILLISECOND
        assert types["made"] == datatypes.TIMESTAMP_SECOND


def test_buckets_and_comparisons_are_right(one: Client) -> None:
    found = one.run("SELECT date_trunc('minute', ts) AS m, max(v) FROM t GROUP BY m ORDER BY m")
    assert found == list(zip(MINUTES, (1, 2, 3), strict=True))
    assert one.run("SELECT v FROM t WHERE ts = '1970-01-01 00:01:01.500'") == [(2,)]
    assert one.run("SELECT v FROM t WHERE made = '1970-01-01 00:00:07'") == [(1,)]
    one.run("CREATE TABLE copied AS SELECT ts, v FROM t")
    assert one.run("SELECT count(*) FROM copied c JOIN t ON c.ts = t.ts") == [(3,)]
