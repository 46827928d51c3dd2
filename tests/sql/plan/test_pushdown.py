"""Conditions on views, CTEs and sub-queries reach the scans inside them, and change no answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fix_database import Client, client

from sql.database import Database, DatabaseOptions
from sql.dialect.parser import ParsedStatement
from sql.session import Wire
from sql.statements.query import plan_of


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    database = Database.open(tmp_path_factory.mktemp("push") / "data", DatabaseOptions())
    made = client(database, Wire.POSTGRES)
    for name in ("m", "n"):
        made.run(f"CREATE TABLE {name} (host TEXT PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX, v INT)")
        made.run(f"INSERT INTO {name} VALUES ('a', 0, 1), ('b', 3600000, 2), ('c', 7200000, 3)")
    made.run("CREATE VIEW narrow AS SELECT host, ts AS t, v FROM m WHERE v > 0")
    made.run("CREATE VIEW whole AS SELECT * FROM m")
    yield made
    database.close()


def reached(db: Client, text: str) -> list[tuple[bool, list[str]]]:
    """For each scan: whether its time is bounded, and the tags it is asked for."""
    statement = db.session.parse(text)[0]
    assert isinstance(statement, ParsedStatement)
    plan = plan_of(db.session, statement)
    bounded = {bound.placeholder for bound in plan.bounds}
    return [(s.placeholder in bounded, [key.column for key in s.keys]) for s in plan.scans]


LATE = "'1970-01-01 00:30:00'"


@pytest.mark.parametrize(
    ("text", "expected", "count"),
    [
        (f"SELECT * FROM m WHERE ts BETWEEN {LATE} AND '1970-01-02'", [(True, [])], 2),
        (f"SELECT * FROM narrow WHERE t >= {LATE}", [(True, [])], 2),
        (f"SELECT * FROM whole WHERE ts >= {LATE} AND host = 'b'", [(True, ["host"])], 1),
        (f"WITH c AS (SELECT * FROM m) SELECT * FROM c WHERE ts < {LATE}", [(True, [])], 1),
        (
            "SELECT * FROM (SELECT host, ts FROM m UNION ALL SELECT host, ts FROM n) u "
            f"WHERE ts >= {LATE} AND host IN ('a', 'b')",
            [(True, ["host"]), (True, ["host"])],
            2,
        ),
        (
            "SELECT * FROM (SELECT host, ts, max(v) AS x FROM m GROUP BY host, 2) g "
            f"WHERE ts >= {LATE} AND x > 2",
            [(True, [])],
            1,
        ),
        (
            f"SELECT * FROM (SELECT * FROM (SELECT * FROM whole) x) y WHERE y.ts > {LATE}",
            [(True, [])],
            2,
        ),
        (
            f"SELECT * FROM whole a LEFT JOIN narrow b ON a.host = b.host WHERE b.t >= {LATE}",
            [(False, []), (True, [])],
            2,
        ),
        (
            "SELECT host FROM (SELECT host, ts FROM m) q WHERE ts BETWEEN now() - INTERVAL '1 hour'"
            " AND now()",
            [(True, [])],
            0,
        ),
    ],
)
def test_conditions_reach_the_scan(
    db: Client, text: str, expected: list[tuple[bool, list[str]]], count: int
) -> None:
    assert reached(db, text) == expected
    assert len(db.run(text)) == count


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (
            f"SELECT host FROM (SELECT host, ts FROM m ORDER BY ts LIMIT 1) q WHERE ts > {LATE}",
            [],
        ),
        (
            "SELECT host, r FROM (SELECT host, ts, row_number() OVER (ORDER BY ts) AS r FROM m) q "
            f"WHERE ts > {LATE} ORDER BY r",
            [("b", 2), ("c", 3)],
        ),
        (
            "SELECT last FROM (SELECT max(ts) AS last FROM m) q WHERE last < '1970-01-01 01:30:00'",
            [],
        ),
        (
            "SELECT count(*) FROM "
            "(SELECT DISTINCT ON (v > 0) host, ts FROM m ORDER BY v > 0, ts) q "
            f"WHERE ts > {LATE}",
            [(0,)],
        ),
        (
            "WITH c AS (SELECT * FROM m) SELECT count(*) FROM c, (SELECT * FROM c) d "
            f"WHERE c.ts > {LATE}",
            [(6,)],
        ),
        (
            "SELECT count(*) FROM m LEFT JOIN (SELECT host AS h, ts AS t FROM n WHERE v > 2) q "
            "ON m.host = q.h WHERE q.t IS NULL",
            [(2,)],
        ),
    ],
)
def test_what_would_change_the_rows_stays_outside(
    db: Client, text: str, answer: list[tuple[object, ...]]
) -> None:
    assert not any(bounded for bounded, _ in reached(db, text)), "the scan is not bounded"
    assert db.run(text) == answer


def test_the_zone_of_the_session_counts_inside_too(db: Client) -> None:
    text = "SELECT host FROM narrow WHERE t >= '1970-01-01 08:30:00' ORDER BY host"
    assert db.run(text) == []
    db.run("SET timezone = '+08:00'")
    try:
        assert db.run(text) == [("b",), ("c",)]
        assert reached(db, text) == [(True, [])]
    finally:
        db.run("RESET timezone")


def test_parameters_bound_the_scan(db: Client) -> None:
    text = "SELECT host FROM whole WHERE ts >= $1 AND host = $2"
    assert reached(db, text) == [(True, ["host"])]
    assert db.run(text, ["1970-01-01 00:30:00", "b"]) == [("b",)]
