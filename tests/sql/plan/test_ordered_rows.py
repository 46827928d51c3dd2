"""Aggregates over subqueries that order their rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client

from sql.session import Wire

Connect = Callable[..., Client]


@pytest.fixture
def both(connect: Connect) -> Callable[[Wire], Client]:
    maker = connect(Wire.POSTGRES)
    maker.run("CREATE TABLE u (id int PRIMARY KEY)")
    maker.run("CREATE TABLE p (id int PRIMARY KEY, uid int, n int, t text)")
    maker.run("INSERT INTO u SELECT x FROM generate_series(1, 50) AS g(x)")
    maker.run(
        "INSERT INTO p SELECT x, x % 50 + 1, (x * 7919) % 1009, 't' || x"
        " FROM generate_series(0, 999) AS g(x)"
    )
    return connect


def latest(count: int) -> list[tuple[int, list[int]]]:
    """Of each parent the greatest numbers of its children, downwards."""
    numbers = [(x % 50 + 1, (x * 7919) % 1009) for x in range(1000)]
    of = {
        u: sorted((n for parent, n in numbers if parent == u), reverse=True) for u in range(1, 51)
    }
    return [(u, of[u][:count]) for u in sorted(of)]


@pytest.mark.parametrize(
    "rows",
    [
        "SELECT * FROM p WHERE p.uid = u.id ORDER BY p.n DESC LIMIT 5",
        "SELECT n FROM p WHERE p.uid = u.id ORDER BY p.id % 1, n DESC LIMIT 5",
        "SELECT p.n + 0 AS n FROM p WHERE p.uid = u.id ORDER BY 1 DESC LIMIT 5",
        "SELECT a.n FROM p a JOIN p b ON a.id = b.id WHERE a.uid = u.id ORDER BY b.n DESC LIMIT 5",
    ],
)
@pytest.mark.parametrize(
    ("wire", "call"),
    [
        (Wire.POSTGRES, "string_agg(q.n::text, ',')"),
        (Wire.POSTGRES, "array_to_string(array_agg(q.n), ',')"),
        (Wire.POSTGRES, "btrim(jsonb_agg(q.n)::text, '[]')"),
        (Wire.POSTGRES, "btrim(coalesce(json_agg(q.n) FILTER (WHERE true), '[]')::text, '[]')"),
        (Wire.MYSQL, "group_concat(q.n)"),
        (Wire.MYSQL, "trim(']' FROM trim('[' FROM json_arrayagg(q.n)))"),
    ],
)
def test_rows_around_and_their_children(
    both: Callable[[Wire], Client], wire: Wire, call: str, rows: str
) -> None:
    found = both(wire).run(
        f"SELECT u.id, d.x FROM u LEFT JOIN LATERAL (SELECT {call} AS x FROM ({rows}) q) d ON true"
        " ORDER BY u.id"
    )
    assert [(u, [int(n) for n in text.split(",")]) for u, text in found] == latest(5)


def test_whole_rows(both: Callable[[Wire], Client]) -> None:
    found = both(Wire.POSTGRES).run(
        "SELECT (SELECT json_agg(q)::text FROM (SELECT n FROM p WHERE uid = u.id"
        " ORDER BY n DESC LIMIT 2) q) FROM u ORDER BY id LIMIT 1"
    )
    first, second = latest(2)[0][1]
    assert found == [(f'[{{"n":{first}}},{{"n":{second}}}]',)]


def test_the_aggregates_own_order_counts(both: Callable[[Wire], Client]) -> None:
    found = both(Wire.POSTGRES).run(
        "SELECT string_agg(q.n::text, ',' ORDER BY q.n) FROM (SELECT n FROM p WHERE uid = 1"
        " ORDER BY n DESC LIMIT 3) q"
    )
    assert found == [(",".join(str(n) for n in reversed(latest(3)[0][1])),)]


def test_mysqls_rows_come_in_the_order_of_their_window(both: Callable[[Wire], Client]) -> None:
    mysql = both(Wire.MYSQL)
    rows = "SELECT *, row_number() OVER (ORDER BY p.n DESC) FROM p WHERE p.uid = u.id LIMIT 5"
    found = mysql.run(
        "SELECT u.id, d.x FROM u LEFT JOIN LATERAL"
        f" (SELECT group_concat(q.n) AS x FROM ({rows}) q) d ON true ORDER BY u.id"
    )
    assert [(u, [int(n) for n in text.split(",")]) for u, text in found] == latest(5)
