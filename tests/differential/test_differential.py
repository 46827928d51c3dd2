"""Random queries get the answers that PostgreSQL 15 gives, in values and types.

`python -m tests.differential.run` asks as many as one likes. Queries that once differed are in
`FOUND`, by what was wrong.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from fix_server import RunningServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.pq.abc import PGconn

from bench import peers
from tests.differential.compare import ask, difference
from tests.differential.queries import Query, query
from tests.differential.servers import loaded

pytestmark = pytest.mark.slow

FOUND = {
    "NOT of NOT LIKE": "SELECT id, name FROM people WHERE name NOT LIKE '%n%'",
    "NOT of NOT ILIKE": "SELECT count(*) FROM people WHERE NOT (name NOT ILIKE 'a%')",
    "sum of integers": "SELECT sum(age), sum(DISTINCT dept + 1), sum(ascii(name)) FROM people",
    "sum over a window": "SELECT id, sum(age) OVER (ORDER BY id) FROM people",
    "whole quotient of a quotient": "SELECT id, (age / 7) / 7, (id % 7 / 2 + 1) / 2 FROM people",
    "quotient of the greatest": "SELECT id, greatest(age, dept) / 2 FROM people",
    "date and length": "SELECT id, joined + length(name), joined - length(name) FROM people",
    "days between dates": "SELECT id, (joined - date '2020-01-01') / 7 FROM people",
    "length of an aggregate": "SELECT length(max(name)), octet_length(min(name)) FROM people",
    "whole match replaced": r"SELECT id, regexp_replace(name, 'n', '<\&>', 'g') FROM people",
}


@pytest.fixture(scope="module")
def both(server: RunningServer, postgresql_peer: peers.Server) -> Iterator[tuple[PGconn, PGconn]]:
    with loaded(server.postgres_dsn(), postgresql_peer.dsn) as connections:
        yield connections


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(chance=st.randoms(use_true_random=False))
def test_random_queries_are_answered_alike(
    both: tuple[PGconn, PGconn], chance: random.Random
) -> None:
    asked = query(chance)
    assert _difference(both, asked) is None, asked.text


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND)
def test_what_once_differed_is_answered_alike(both: tuple[PGconn, PGconn], text: str) -> None:
    assert ask(both[1], text).rows, "the peer answers it"
    assert _difference(both, Query(text, ordered=False)) is None


def _difference(both: tuple[PGconn, PGconn], asked: Query) -> str | None:
    ours, theirs = (ask(connection, asked.text) for connection in both)
    return difference(asked, ours, theirs)
