"""EXPLAIN ANALYZE tells what became of a table's files."""

from __future__ import annotations

import re

import pytest
from fix_database import Client, Databases, client


@pytest.fixture
def one(databases: Databases) -> Client:
    found = client(databases.open())
    found.run(
        "CREATE TABLE t (host STRING, ts TIMESTAMP(3), v DOUBLE, TIME INDEX (ts), "
        "PRIMARY KEY (host)) WITH ('compaction.twcs.trigger_file_num'='1000')"
    )
    for number, host in enumerate("abc"):
        found.run(f"INSERT INTO t VALUES ('{host}', {number * 1000}, 1), ('{host}', {number}, 2)")
        found.run("ADMIN flush_table('t')")
    found.run("INSERT INTO t VALUES ('m', 5, 1)")
    return found


def explained(one: Client, query: str) -> str:
    return "\n".join(line for (line,) in one.run(f"EXPLAIN ANALYZE {query}"))


def numbers(text: str) -> dict[str, int]:
    return {name.strip(): int(value) for name, value in re.findall(r"([a-z ]+): (\d+)", text)}


def test_files_are_counted_by_what_became_of_them(one: Client) -> None:
    text = explained(one, "SELECT v FROM t WHERE host = 'c' AND ts >= '1970-01-01 00:00:00.5'")
    assert "by tags: host" in text
    found = numbers(text)
    assert found["files considered"] == 3
    assert found["outside the time range"] == 1
    assert found["without the tags"] == 1
    assert found["files"] == 1
    assert found["bytes of files read"] > 0
    assert found["rows in memory"] == 0
    again = numbers(
        explained(one, "SELECT v FROM t WHERE host = 'c' AND ts >= '1970-01-01 00:00:00.5'")
    )
    assert again["served from memory"] == 1
    assert again["files"] == again["bytes of files read"] == 0
    assert again["rows selected"] == 1


def test_newest_rows_are_told(one: Client) -> None:
    question = "SELECT host, max(ts) FROM t GROUP BY host"
    assert "newest rows only" in explained(one, question)
    text = explained(one, question)
    assert "the newest row of each series was known" in text
    assert numbers(text)["rows selected"] == 4


def test_the_first_part_of_the_time_is_told(one: Client) -> None:
    text = explained(one, "SELECT v FROM t ORDER BY ts DESC LIMIT 1")
    assert "run over the last part of the time first" in text
