"""Operators and functions that PostgreSQL computes and DuckDB alone would refuse, or never end."""

from __future__ import annotations

import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind


def test_negative_numbers_are_shifted_to_the_left(db: Client) -> None:
    db.run("CREATE TABLE t (i INT, b BIGINT); INSERT INTO t VALUES (-5, -3), (7, NULL)")
    shifted = "SELECT i << 1, b << 40, i >> 1 FROM t ORDER BY i"
    assert db.run(shifted) == [(-10, -3 * 2**40, -3), (14, None, 3)]
    assert db.run("SELECT -1 << 3, (-1)::bigint << 33, 1 << 4") == [(-8, -(2**33), 16)]


@pytest.mark.parametrize(
    "call",
    [
        "repeat('a', 2000000000)",
        "repeat(s, 600000000)",
        "lpad('a', 2000000000)",
        "rpad(s, 2000000000, 'xy')",
    ],
)
def test_texts_of_gigabytes_are_refused_at_once(db: Client, call: str) -> None:
    db.run("CREATE TABLE t (s TEXT); INSERT INTO t VALUES ('ab')")
    with pytest.raises(DbError) as caught:
        db.run(f"SELECT length({call}) FROM t")
    assert caught.value.kind is ErrorKind.LIMIT_EXCEEDED


def test_texts_are_repeated_and_padded(db: Client) -> None:
    assert db.run("SELECT repeat('ab', 2), repeat('ab', 0), repeat('ab', -1)") == [("abab", "", "")]
    assert db.run("SELECT repeat('', 2000000000), repeat('a', NULL)") == [("", None)]
    assert db.run("SELECT lpad('a', 3), rpad('a', -1, 'x')") == [("  a", "")]


def test_json_documents_are_matched_with_paths(db: Client) -> None:
    db.run("CREATE TABLE t (id INT, j JSONB)")
    db.run("""INSERT INTO t VALUES (1, '{"a": [1, 2], "b": {"c": 5}}'), (2, '{"a": []}')""")
    found = "SELECT id FROM t WHERE {} ORDER BY id"
    assert db.run(found.format("j @@ '$.a[*] == 2'")) == [(1,)]
    assert db.run(found.format("j -> 'b' @@ '$.c > 4'::jsonpath")) == [(1,)]
    assert db.run(found.format("j @? '$.a'")) == [(1,), (2,)]
    assert db.run(found.format("j @? '$.a[*] ? (@ > 1)'::jsonpath")) == [(1,)]
    assert db.run("""SELECT '{"a": 1}'::jsonb @@ '$.a > 3'""") == [(False,)]
    assert db.run("SELECT 'a text' @@ 'text'") == [(True,)]


def test_a_table_may_be_called_values(db: Client) -> None:
    db.run("CREATE TABLE values (id SERIAL PRIMARY KEY, a INT)")
    db.run("CREATE INDEX by_a ON values (a)")
    db.run("INSERT INTO values VALUES (5, 2); INSERT INTO values (a) VALUES (3)")
    db.run("INSERT INTO public.values VALUES (7, 7) ON CONFLICT (id) DO UPDATE SET a = values.a")
    assert db.run("SELECT values.a FROM values WHERE values.a < 7 ORDER BY values.a") == [
        (2,),
        (3,),
    ]
    joined = "SELECT x.a FROM (VALUES (2)) AS x(a) JOIN values ON values.a = x.a"
    assert db.run(joined) == [(2,)]
    assert db.run("VALUES (1), (2)") == [(1,), (2,)]
    assert db.run("UPDATE values SET a = 0 WHERE a = 7 RETURNING values.id") == [(7,)]
    assert db.run("DELETE FROM ONLY values WHERE a = 0") == 1
    db.run("ALTER TABLE values ADD COLUMN b TEXT; DROP TABLE IF EXISTS values")
