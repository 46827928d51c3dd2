"""JSON's aggregates with ORDER BY, DISTINCT, FILTER and OVER."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client

from engine.errors import DbError
from sql.session import Wire

Connect = Callable[..., Client]
_ROWS = "(VALUES (1, 'a', 2), (2, 'b', 1), (2, 'b', 3), (3, NULL, NULL)) AS v(x, s, o)"


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        ("json_agg(x ORDER BY o DESC NULLS LAST)", "[2,1,2,3]"),
        ("jsonb_agg(s ORDER BY o NULLS LAST)", '["b","a","b",null]'),
        ("json_agg(DISTINCT x)", "[1,2,3]"),
        ("jsonb_agg(DISTINCT x ORDER BY x DESC)", "[3,2,1]"),
        ("json_agg(x) FILTER (WHERE x > 2)", "[3]"),
        ("json_agg(x) FILTER (WHERE x > 9)", None),
        ("coalesce(json_agg(x) FILTER (WHERE x > 9), '[]')", "[]"),
        ("json_agg(x ORDER BY x DESC) FILTER (WHERE x > 1)", "[3,2,2]"),
        (
            "json_agg(json_build_object('x', x, 's', s) ORDER BY x DESC) FILTER (WHERE o IS NULL)",
            '[{"x":3,"s":null}]',
        ),
        ("json_object_agg(s, x ORDER BY o) FILTER (WHERE o < 3)", '{"b":2,"a":1}'),
        ("jsonb_object_agg(x, s) FILTER (WHERE x = 3)", '{"3":null}'),
        ("json_agg(x) FILTER (WHERE x = 3) OVER ()", "[3]"),
    ],
)
def test_values_in_order(db: Client, call: str, shown: str | None) -> None:
    assert db.run(f"SELECT ({call})::text FROM {_ROWS} LIMIT 1") == [(shown,)]


def test_whole_rows_and_nested_arrays(db: Client) -> None:
    db.run("CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents VALUES (1), (2)")
    db.run("CREATE TABLE children (id int PRIMARY KEY, parent int, name text)")
    db.run("INSERT INTO children VALUES (1, 1, 'x'), (2, 1, 'y')")
    found = db.run(
        "SELECT p.id, coalesce(json_agg(c ORDER BY c.id DESC) FILTER (WHERE c.id IS NOT NULL),"
        " '[]')::text AS children FROM parents p LEFT JOIN children c ON c.parent = p.id"
        " GROUP BY p.id ORDER BY p.id"
    )
    both = '[{"id":2,"parent":1,"name":"y"},{"id":1,"parent":1,"name":"x"}]'
    assert found == [(1, both), (2, "[]")]


def test_an_object_has_no_null_key(db: Client) -> None:
    with pytest.raises(DbError, match="field name must not be null"):
        db.run(f"SELECT json_object_agg(s, x ORDER BY x) FROM {_ROWS}")


def test_columns_are_named_and_typed_as_without(db: Client) -> None:
    plain = db.session.execute(db.session.parse(f"SELECT json_agg(x) FROM {_ROWS}")[0])
    text = f"SELECT json_agg(x ORDER BY x) FROM {_ROWS}"
    ordered = db.session.execute(db.session.parse(text)[0])
    for rows in (plain, ordered):
        rows.close()
    assert ordered.columns == plain.columns


def test_arrays_of_mysql(connect: Connect) -> None:
    mysql = connect(Wire.MYSQL)
    mysql.run("CREATE TABLE v (x int, s varchar(5))")
    mysql.run("INSERT INTO v VALUES (1, 'a'), (2, 'b'), (2, 'b')")
    assert mysql.run("SELECT json_arrayagg(x ORDER BY x DESC) FROM v") == [("[2,2,1]",)]
    assert mysql.run("SELECT json_arrayagg(DISTINCT s) FROM v") == [('["a","b"]',)]
