"""Which literals leave a query's text, and that answers stay the same."""

from __future__ import annotations

from decimal import Decimal

import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind
from sql.plan.lifting import lift
from sql.statements import query


@pytest.mark.parametrize(
    ("text", "form", "values"),
    [
        ("SELECT * FROM t WHERE a = 1", "SELECT * FROM t WHERE a = $1", (1,)),
        ("SELECT 1 FROM t WHERE t.a<='x''y'", "SELECT 1 FROM t WHERE t.a<=$1", ("x'y",)),
        (
            'SELECT a FROM t WHERE "A b" > -1.5',
            'SELECT a FROM t WHERE "A b" > $1',
            (Decimal("-1.5"),),
        ),
        (
            "SELECT a FROM t WHERE ts BETWEEN '2024' AND '2025' AND b = 2 ORDER BY 1",
            "SELECT a FROM t WHERE ts BETWEEN $1 AND $2 AND b = $3 ORDER BY 1",
            ("2024", "2025", 2),
        ),
        (
            "WITH c AS (SELECT 'x' = 'y' AS z FROM t WHERE a = 5) SELECT * FROM c LIMIT 7",
            "WITH c AS (SELECT 'x' = 'y' AS z FROM t WHERE a = $1) SELECT * FROM c LIMIT 7",
            (5,),
        ),
        (
            "SELECT a FROM t WHERE h IN ('x', 'y') AND b NOT IN (1) AND c IN (d, 1)",
            "SELECT a FROM t WHERE h IN ($1, $2) AND b NOT IN ($3) AND c IN (d, 1)",
            ("x", "y", 1),
        ),
        (
            "SELECT a FROM t WHERE ts > now() - INTERVAL '1 hour' AND h = 'x' GROUP BY a",
            "SELECT a FROM t WHERE ts > now() - INTERVAL '1 hour' AND h = $1 GROUP BY a",
            ("x",),
        ),
        ("DELETE FROM t WHERE a = 1", "DELETE FROM t WHERE a = $1", (1,)),
        (
            "UPDATE t SET a = 1, b = b + 2, c = 'x' WHERE d = 3 RETURNING a = 4",
            "UPDATE t SET a = $1, b = b + $2, c = $3 WHERE d = $4 RETURNING a = 4",
            (1, 2, "x", 3),
        ),
        (
            "UPDATE t SET a = a + -5, b=b-3 WHERE id = 4",
            "UPDATE t SET a = a + $1, b=b-$2 WHERE id = $3",
            (-5, 3, 4),
        ),
        (
            "UPDATE t SET a = (SELECT max(b) FROM u WHERE f(c = 2, 3)), d = 4",
            "UPDATE t SET a = (SELECT max(b) FROM u WHERE f(c = 2, 3)), d = $1",
            (4,),
        ),
    ],
)
def test_compared_literals_leave(text: str, form: str, values: tuple[object, ...]) -> None:
    assert lift(text) == (form, values)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a = 1 FROM t",
        "SELECT a FROM t WHERE a = 1 + 1",
        "SELECT a FROM t WHERE lower(a) = 'x'",
        "SELECT a FROM t WHERE a LIKE 'x%'",
        "SELECT a FROM t WHERE a = $1 AND b = 2",
        "SELECT a FROM t WHERE a = ? AND b = 2",
        "SELECT a FROM t -- WHERE\nWHERE a = 1",
        "SELECT a FROM t WHERE a = 'it\\'s'",
        "SELECT 'WHERE a = 1' FROM t",
        "SELECT a FROM t WHERE a = 1e5",
        "INSERT INTO t SELECT 1 FROM u WHERE a = 1",
        "UPDATE t SET a = 1 + 1, b = lower('x')",
        "UPDATE t SET a = a + 1.5, b = b + 1 + 1, c = c * 2, d = d + 1",
    ],
)
def test_others_stay(text: str) -> None:
    assert lift(text) is None


@pytest.fixture
def cpu(db: Client) -> Client:
    db.run("CREATE TABLE cpu (host TEXT PRIMARY KEY, ts TIMESTAMP(9) TIME INDEX, v DOUBLE,d DATE)")
    db.run("INSERT INTO cpu VALUES ('a', '2024-01-01 00:00:00.000000001', 1, '2024-01-01')")
    db.run("INSERT INTO cpu VALUES ('b', '2024-01-01 00:00:00.000000002', 2, '2024-01-02')")
    return db


@pytest.mark.parametrize(
    ("condition", "hosts"),
    [
        ("host = 'a'", ["a"]),
        ("v > 1.5", ["b"]),
        ("ts = '2024-01-01 00:00:00.000000002'", ["b"]),
        ("ts > 1704067200000000001", ["b"]),
        ("ts <= '2024-01-01 00:00:00.000000001'", ["a"]),
        ("d = '2024-01-02'", ["b"]),
        ("d BETWEEN '2024-01-01' AND '2024-01-02'", ["a", "b"]),
        ("v = '2'", ["b"]),
        ("host <> 'a' AND v >= 2", ["b"]),
    ],
)
def test_answers_are_those_of_the_literal(cpu: Client, condition: str, hosts: list[str]) -> None:
    lifted = f"SELECT host FROM cpu WHERE {condition} ORDER BY host"
    plain = f"SELECT host FROM cpu /* as written */ WHERE {condition} ORDER BY host"
    expected = [(host,) for host in hosts]
    assert cpu.run(lifted) == expected
    assert cpu.run(plain) == expected


def test_a_lifted_query_prunes_by_its_own_values(cpu: Client) -> None:
    cpu.run("ADMIN flush_table('cpu'); INSERT INTO cpu VALUES ('z', '2025-01-01', 1, NULL)")
    for day, hosts in (("2025-01-01", ["z"]), ("2024-01-01", ["a", "b", "z"])):
        rows = cpu.run(f"SELECT host FROM cpu WHERE ts >= '{day}' ORDER BY host")
        assert [host for (host,) in rows] == hosts


@pytest.mark.parametrize("kind", ["SMALLINT", "BIGINT", "REAL", "NUMERIC(6, 2)", "TEXT", "DATE"])
@pytest.mark.parametrize("by", ["+ 5", "- -5", "+ 40000", "+ 999999999999999999"])
def test_what_is_added_adds_as_it_was_written(
    db: Client, monkeypatch: pytest.MonkeyPatch, kind: str, by: str
) -> None:
    first = {"TEXT": "'7'", "DATE": "'2024-02-28'"}.get(kind, "7")
    db.run(f"CREATE TABLE t (id INT PRIMARY KEY, a {kind})")

    def outcome() -> object:
        db.run(f"DELETE FROM t; INSERT INTO t VALUES (1, {first})")
        try:
            db.run(f"UPDATE t SET a = a {by} WHERE id = 1")
        except DbError as error:
            return error.kind, error.message
        return db.run("SELECT a FROM t")

    lifted = outcome()
    with monkeypatch.context() as whole:
        whole.setattr(query, "recognise", lambda *_: None)
        assert outcome() == lifted


def test_a_failing_query_fails_as_it_was_written_and_once(cpu: Client) -> None:
    cpu.run("BEGIN; INSERT INTO cpu VALUES ('c', '2024-01-02', 3, NULL)")
    cpu.run("CREATE TABLE plain (a INT); INSERT INTO plain VALUES (1)")
    assert cpu.run("SELECT host FROM cpu WHERE v = 3") == [("c",)]
    text = "SELECT host FROM cpu WHERE nothing = 'x'"
    with pytest.raises(DbError) as caught:
        cpu.run(text)
    assert caught.value.kind is ErrorKind.UNDEFINED_COLUMN
    assert caught.value.position == text.index("nothing") + 1
    cpu.run("ROLLBACK")
    assert cpu.run("SELECT host FROM cpu WHERE v = 3") == []


def test_a_query_that_runs_only_as_written_leaves_its_transaction_whole(cpu: Client) -> None:
    cpu.run("BEGIN; CREATE TABLE plain (a INT, b INTERVAL); INSERT INTO plain VALUES (1, '1 day')")
    cpu.run("INSERT INTO cpu VALUES ('c', '2024-01-02', 3, NULL)")
    for _ in range(2):
        text = "SELECT a FROM (SELECT a, b AS c FROM plain) AS p WHERE c = '24:00:00' OR a = 1"
        assert cpu.run(text) == [(1,)]
        assert cpu.run("SELECT count(*) FROM cpu WHERE v >= 1") == [(3,)]
    cpu.run("COMMIT")
    assert cpu.run("SELECT a FROM plain") == [(1,)]
