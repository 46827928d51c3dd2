"""Operators that need to know types: division, and times as epochs."""

from __future__ import annotations

import duckdb
import pytest
from sqlglot import exp

from catalog.records import Column, Table, TableKind
from engine import datatypes as dt
from sql.dialect.duckdb import to_duckdb
from sql.dialect.parser import parse
from sql.plan.scopes import Scopes
from sql.plan.typed import typed_operators
from sql.session import Wire

TABLE = Table(
    id=1,
    database="public",
    name="t",
    kind=TableKind.RELATIONAL,
    columns=(
        Column("i", dt.INT32),
        Column("d", dt.FLOAT64),
        Column("s", dt.TIMESTAMP_SECOND),
        Column("ms", dt.TIMESTAMP_MILLISECOND),
        Column("ns", dt.TIMESTAMP_NANOSECOND),
    ),
)
DATA = """CREATE TABLE t AS SELECT 7::INTEGER AS i, 7.0::DOUBLE AS d,
    TIMESTAMP_S '1970-01-01 00:00:05' AS s, TIMESTAMP_MS '1970-01-01 00:00:05' AS ms,
    TIMESTAMP_NS '1970-01-01 00:00:05' AS ns"""


def run(sql: str, wire: Wire = Wire.HTTP) -> list[tuple[object, ...]]:
    tree = parse(sql, wire)[0].tree
    assert tree is not None
    tables = {id(node): TABLE for node in tree.find_all(exp.Table) if node.name == "t"}
    text = to_duckdb(typed_operators(tree, Scopes(tables), wire))
    with duckdb.connect() as connection:
        connection.execute(DATA)
        return connection.sql(text).fetchall()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT i / 2, d / 2, i / 2.0, (i + 1) / 3, -i / 2 FROM t", (3, 3.5, 3.5, 2, -3)),
        ("SELECT count(*) / 2, sum(i) / 2, avg(i) / 2 FROM t", (0, 3, 3.5)),
        ("SELECT sum(i) / count(*) FROM t", (7,)),
        ("SELECT x / 2 FROM (SELECT i AS x FROM t) AS q", (3,)),
        ("SELECT q.i / 2 FROM (SELECT * FROM t) AS q", (3,)),
        ("WITH c AS (SELECT i * 2 AS x FROM t) SELECT x / 4 FROM c", (3,)),
        ("SELECT CASE WHEN true THEN i ELSE 0 END / 2, coalesce(i, 1) / 2 FROM t", (3, 3)),
        ("SELECT a.i / b.d FROM t AS a, t AS b", (1.0,)),
    ],
)
def test_integers_divide_to_integers(sql: str, expected: tuple[object, ...]) -> None:
    assert run(sql) == [expected]
    assert run(sql, Wire.POSTGRES) == [expected]


def test_mysql_divides_to_fractions_and_by_zero_to_null() -> None:
    assert run("SELECT i / 2, i / 0, i DIV 2 FROM t", Wire.MYSQL) == [(3.5, None, 3)]


def test_a_time_cast_to_an_integer_is_its_epoch_in_its_unit() -> None:
    assert run("SELECT s::BIGINT, ms::BIGINT + 1, ns::BIGINT, ms::INT FROM t") == [
        (5, 5001, 5_000_000_000, 5000)
    ]


def test_an_integer_cast_to_a_time_counts_in_its_unit() -> None:
    sql = """SELECT i::TimestampSecond = '1970-01-01 00:00:07', 5000::TIMESTAMP = ms,
        5::TimestampSecond = s, 5000000::TIMESTAMP(6) = ms FROM t"""
    assert run(sql) == [(True, True, True, True)]
