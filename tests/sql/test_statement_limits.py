"""Statements end when they need more memory or time than they may; the session lives on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind
from sql.session import Wire

_GREEDY = "SELECT len(list(i)) FROM generate_series(1, 30000000) AS t(i)"


def refused(db: Client, text: str) -> ErrorKind:
    with pytest.raises(DbError) as caught:
        db.run(text)
    return caught.value.kind


@pytest.mark.parametrize(
    "text",
    [
        _GREEDY,
        f"CREATE TABLE copied AS {_GREEDY}",
        f"EXPLAIN ANALYZE {_GREEDY}",
        f"INSERT INTO kept SELECT 0, len FROM ({_GREEDY}) AS g(len)",
        f"COPY ({_GREEDY}) TO 'greedy.csv'",
        f"WITH g AS ({_GREEDY}) SELECT * FROM g",
    ],
)
def test_a_statement_over_its_memory_is_ended(db: Client, text: str) -> None:
    db.run("CREATE TABLE kept (ts TIMESTAMP TIME INDEX, v BIGINT)")
    db.run("SET statement_memory_limit = '48MB'")
    assert refused(db, text) is ErrorKind.OUT_OF_MEMORY
    assert db.run("SELECT 1") == [(1,)]
    assert db.run("SELECT count(*) FROM kept") == [(0,)]


def test_other_statements_have_no_limit(db: Client) -> None:
    db.run("SET statement_memory_limit = '48MB'")
    db.run("RESET statement_memory_limit")
    assert db.run("SELECT len(list(i)) FROM generate_series(1, 8000000) AS t(i)") == [(8_000_000,)]


def test_the_limit_is_shown_in_bytes_and_checked(db: Client) -> None:
    db.run("SET statement_memory_limit = '64MB'")
    assert db.run("SHOW statement_memory_limit") == [(str(64 << 20),)]
    assert refused(db, "SET statement_memory_limit = 'much'") is ErrorKind.INVALID_ARGUMENT


@pytest.mark.parametrize("wire", list(Wire))
def test_a_statement_over_its_time_is_ended(connect: Callable[..., Client], wire: Wire) -> None:
    db = connect(wire)
    db.run("CREATE TABLE many AS SELECT i FROM generate_series(1, 200000) AS t(i)")
    db.session.set("statement_timeout", "100")
    slow = "SELECT count(*) FROM many AS a JOIN many AS b ON a.i < b.i"
    for text in (slow, f"EXPLAIN ANALYZE {slow}", f"CREATE TABLE copied AS {slow}"):
        assert refused(db, text) is ErrorKind.TIMEOUT, text
    db.session.set("statement_timeout", "0")
    assert db.run("SELECT 1") == [(1,)]
