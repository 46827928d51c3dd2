"""Questions for the newest rows give the same from newest rows alone as from all rows."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from fix_database import Client, Databases, client

from sql.plan.latest import is_latest

# Every question with a filter more that says nothing, but keeps the rule from seeing it.
BLOCK = "(v IS NULL OR v IS NOT NULL)"
QUESTIONS = [
    "SELECT DISTINCT ON (host) * FROM t WHERE {} ORDER BY host, ts DESC, core NULLS FIRST",
    "SELECT DISTINCT ON (host, core) host, v FROM t WHERE {} ORDER BY host, core, ts DESC",
    "SELECT host, core, max(ts) AS last FROM t WHERE {} GROUP BY host, core ORDER BY 1, 2",
    "SELECT host, max(ts) FROM t WHERE {} GROUP BY host ORDER BY host",
    "SELECT core, host, last_value(v ORDER BY ts) AS v FROM t WHERE {} GROUP BY 1, 2 ORDER BY 2, 1",
    "SELECT core, host, last(n ORDER BY ts) n FROM t WHERE {} GROUP BY core, host ORDER BY 2, 1",
    "SELECT upper(host) u, max(ts) FROM t WHERE {} GROUP BY u HAVING max(ts) > 0::timestamp(3) "
    "ORDER BY u",
    "SELECT max(ts) FROM t WHERE {}",
    "SELECT count(DISTINCT host), max(core) FROM t WHERE {}",
    "SELECT DISTINCT host FROM t WHERE {} ORDER BY host",
    "SELECT host FROM t WHERE {} GROUP BY host ORDER BY host DESC LIMIT 2",
    "SELECT host, core, ts, v FROM (SELECT *, row_number() OVER (PARTITION BY host, core "
    "ORDER BY ts DESC) AS rn FROM t WHERE {}) AS x WHERE rn = 1 ORDER BY 1, 2",
    "SELECT host, core, ts FROM t WHERE {} QUALIFY row_number() OVER "
    "(PARTITION BY host, core ORDER BY ts DESC) = 1 ORDER BY 1, 2",
]
FILTERS = [
    "true = true",
    "host = 'a'",
    "host IN ('a', 'c') AND core = 1",
    "ts >= '1970-01-01 00:00:00.050'",
    "ts < '1970-01-01 00:00:00.060'",
    "ts <= '1970-01-02'",
    "ts > '1970-01-01 00:00:00.030' AND host <> 'b'",
]


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each scan was asked for newest rows only."""
    found: list[bool] = []

    def spy(*arguments: Any) -> bool:
        found.append(is_latest(*arguments))
        return found[-1]

    monkeypatch.setattr("sql.run.scan.is_latest", spy)
    return found


@pytest.fixture
def one(databases: Databases) -> Client:
    return client(databases.open())


def create(one: Client, options: str) -> None:
    one.run(
        "CREATE TABLE t (host STRING, core INT, ts TIMESTAMP(3), v DOUBLE, n STRING, "
        f"TIME INDEX (ts), PRIMARY KEY (host, core)){options}"
    )


def insert(one: Client, source: random.Random, count: int) -> None:
    rows = [
        f"({source.choice(HOSTS)}, {source.choice(['1', '2', 'NULL'])}, {source.randrange(100)}, "
        f"{source.choice(['1.5', '2', 'NULL'])}, 'n{source.randrange(10_000)}')"
        for _ in range(count)
    ]
    one.run(f"INSERT INTO t VALUES {', '.join(rows)}")


HOSTS = ["'a'", "'b'", "'c'", "NULL"]


def change(one: Client, source: random.Random) -> None:
    """A few writes of any kind, sometimes flushed or compacted."""
    kind = source.randrange(8)
    if kind < 3:
        insert(one, source, source.randrange(1, 12))
    elif kind == 3:
        one.run(f"DELETE FROM t WHERE host = {HOSTS[source.randrange(3)]} AND ts > 70")
    elif kind == 4:
        one.run("DELETE FROM t WHERE ts IN (SELECT max(ts) FROM t)")
    elif kind == 5:
        one.run(f"UPDATE t SET v = 7 WHERE core = 1 AND ts > {source.randrange(100)}")
    elif kind == 6:
        one.run("ADMIN flush_table('t')")
    else:
        one.run("ADMIN compact_table('t')")


def same(one: Client, source: random.Random, is_tied: Callable[[str], bool]) -> None:
    question = source.choice(QUESTIONS)
    if is_tied(question):
        return
    condition = source.choice(FILTERS)
    expected = one.run(question.format(f"{condition} AND {BLOCK}"))
    assert one.run(question.format(condition)) == expected, (question, condition)


@pytest.mark.parametrize("options", ["", " WITH ('merge_mode'='last_non_null')"])
@pytest.mark.parametrize("seed", range(3))
def test_the_same_under_writes_of_every_kind(one: Client, options: str, seed: int) -> None:
    source = random.Random(seed)
    create(one, options)
    insert(one, source, 60)
    for _ in range(40):
        change(one, source)
        same(one, source, lambda question: False)
    one.run("BEGIN")
    for _ in range(8):
        kinds = random.Random(source.randrange(6))
        insert(one, kinds, 3)
        one.run("DELETE FROM t WHERE ts IN (SELECT max(ts) FROM t)")
        same(one, source, lambda question: False)
    one.run("ROLLBACK")
    same(one, source, lambda question: False)


def test_the_same_in_append_mode(one: Client) -> None:
    source = random.Random(5)
    create(one, " WITH ('append_mode'='true')")
    insert(one, source, 60)
    for step in range(30):
        insert(one, source, 5)
        if step % 7 == 3:
            one.run("ADMIN flush_table('t')")
        # Which of several rows of one time is first or last is anyone's choice.
        same(one, source, lambda question: "max(" not in question)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_rule_sees_the_question(one: Client, marks: list[bool], question: str) -> None:
    create(one, "")
    one.run(question.format("host = 'a' AND ts > 5"))
    assert marks == [True]


@pytest.mark.parametrize(
    "question",
    [
        "SELECT host, min(ts) FROM t GROUP BY host",
        "SELECT host, count(*) FROM t GROUP BY host",
        "SELECT host, max(ts), list(v) FROM t GROUP BY host",
        "SELECT host, max(ts) FROM t WHERE v > 1 GROUP BY host",
        "SELECT v, max(ts) FROM t GROUP BY v",
        "SELECT host, max(ts) FILTER (WHERE v > 1) FROM t GROUP BY host",
        "SELECT host, last_value(v ORDER BY ts DESC) FROM t GROUP BY host",
        "SELECT DISTINCT ON (host) * FROM t ORDER BY host, ts",
        "SELECT DISTINCT ON (host) * FROM t ORDER BY host, v, ts DESC",
        "SELECT DISTINCT host, v FROM t",
        "SELECT host, list(host) FROM t GROUP BY host",
        "SELECT host FROM t",
        "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY host ORDER BY ts DESC) AS rn "
        "FROM t) AS x WHERE rn = 2",
        "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY host ORDER BY ts) AS rn "
        "FROM t) AS x WHERE rn = 1",
        "SELECT a.host, max(a.ts) FROM t a JOIN t b ON a.host = b.host GROUP BY a.host",
    ],
)
def test_the_rule_lets_others_be(one: Client, marks: list[bool], question: str) -> None:
    create(one, "")
    one.run(question)
    assert not any(marks)
