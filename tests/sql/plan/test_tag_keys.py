"""What WHERE asks of tags reaches the scan, as values of the column's own kind."""

from __future__ import annotations

from typing import Any

import pytest
from fix_database import Client, Databases, client

from engine.api import KeyFilter
from sql.plan.keys import wanted_keys


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[KeyFilter, ...]]:
    found: list[tuple[KeyFilter, ...]] = []

    def spy(*arguments: Any) -> tuple[KeyFilter, ...]:
        found.append(wanted_keys(*arguments))
        return found[-1]

    monkeypatch.setattr("sql.run.scan.wanted_keys", spy)
    return found


@pytest.fixture
def one(databases: Databases) -> Client:
    found = client(databases.open())
    found.run(
        "CREATE TABLE t (host STRING, core INT, ts TIMESTAMP(3), v DOUBLE, TIME INDEX (ts), "
        "PRIMARY KEY (host, core))"
    )
    return found


HOST_A = KeyFilter("host", ("a",))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("host = 'a'", (HOST_A,)),
        ("'a' = host AND v > 1", (HOST_A,)),
        ("host IN ('a', 'b')", (KeyFilter("host", ("a", "b")),)),
        ("(host = 'a' OR host = 'b' OR host IN ('c'))", (KeyFilter("host", ("a", "b", "c")),)),
        ("host = 'a' AND core IN (1, 2)", (HOST_A, KeyFilter("core", (1, 2)))),
        ("core = 1", (KeyFilter("core", (1,)),)),
        ("host = 'a' OR core = 1", ()),
        ("host = 'a' OR v > 1", ()),
        ("NOT host = 'a'", ()),
        ("host NOT IN ('a')", ()),
        ("host > 'a'", ()),
        ("core = 4000000000", ()),
        ("v = 1", ()),
        ("host IN (SELECT 'a')", ()),
    ],
)
def test_conditions_on_tags(
    one: Client, asked: list[tuple[KeyFilter, ...]], where: str, expected: tuple[KeyFilter, ...]
) -> None:
    one.run(f"SELECT v FROM t WHERE {where}")
    assert asked[0] == expected


def test_parameters_are_read_when_the_statement_runs(
    one: Client, asked: list[tuple[KeyFilter, ...]]
) -> None:
    for value in ("a", "b", None):
        one.run("SELECT v FROM t WHERE host = $1 AND core IN (1, $2)", (value, 7))
    assert [found[0].column for found in asked] == ["host", "host", "core"]
    assert asked[0] == (HOST_A, KeyFilter("core", (1, 7)))
    assert asked[2] == (KeyFilter("core", (1, 7)),)
