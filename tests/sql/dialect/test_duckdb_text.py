"""What DuckDB is told means what the client meant: each text is run."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from engine.errors import DbError, ErrorKind
from sql.dialect.duckdb import to_duckdb
from sql.dialect.parser import parse
from sql.session import Wire


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'Asia/Tokyo'")
    connection.execute("CREATE TABLE t AS SELECT i, i * 10 AS v FROM range(1, 6) r(i)")
    connection.execute("CREATE TABLE k (a INTEGER PRIMARY KEY, b INTEGER)")
    yield connection
    connection.close()


def text_of(sql: str, wire: Wire) -> str:
    tree = parse(sql, wire)[0].tree
    assert tree is not None
    return to_duckdb(tree)


@pytest.mark.parametrize(
    ("wire", "sql", "expected"),
    [
        (Wire.POSTGRES, "SELECT 7 / 2, -7 / 2, 7 / 2.0, 7::bigint / 2::int", (3, -3, 3.5, 3)),
        (Wire.MYSQL, "SELECT 7 / 2, 7 / 0, 7 DIV 2, 7 % 4", (3.5, None, 3, 3)),
        (Wire.MYSQL, "SELECT IF(1 > 2, 'a', 'b'), IFNULL(NULL, 3)", ("b", 3)),
        (Wire.MYSQL, "SELECT 'a' || 'b', \"q\", 'x\\'y'", ("ab", "q", "x'y")),
        (Wire.MYSQL, "SELECT i FROM t ORDER BY i LIMIT 1, 1", (2,)),
        (
            Wire.POSTGRES,
            "SELECT 'a' NOT LIKE 'a', 'A' NOT ILIKE '_', 'b' NOT LIKE 'a'",
            (False, False, True),
        ),
        (Wire.MYSQL, "SELECT 'a' NOT LIKE '!%' ESCAPE '!', 'a' NOT LIKE 'a\\\\%'", (True, True)),
        (Wire.POSTGRES, "SELECT 'abc' OPERATOR(pg_catalog.~) '^a', 'abc' ~* 'B'", (True, True)),
        (Wire.POSTGRES, "SELECT 'abc' COLLATE pg_catalog.default", ("abc",)),
        (Wire.POSTGRES, "SELECT 'a_c' LIKE 'a\\_c', 'abc' LIKE 'a\\_c'", (True, False)),
        (Wire.POSTGRES, "SELECT 'A' ILIKE 'a', 2 = ANY(ARRAY[1, 2])", (True, True)),
        (Wire.POSTGRES, "SELECT E'a\\tb', $$q$$", ("a\tb", "q")),
        (Wire.POSTGRES, "SELECT (ARRAY[1, 2, 3])[1:2]", ([1, 2],)),
        (Wire.HTTP, "SELECT first_value(v ORDER BY i DESC), last_value(v ORDER BY i) FROM t",
         (50, 50)),
        (Wire.HTTP, "SELECT approx_percentile_cont(v, 0.5) FROM t", (30,)),
        (Wire.HTTP, "SELECT approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY v) FROM t", (30,)),
        (Wire.HTTP, "SELECT approx_distinct(v), covar(v, v) FROM t", (5, 250.0)),
        (Wire.HTTP, "SELECT typeof(1::STRING), typeof(1::UINT8), typeof(1::decimal)",
         ("VARCHAR", "UTINYINT", "DECIMAL(38,10)")),
        (Wire.HTTP, "SELECT typeof(now()), typeof(now()::TimestampMillisecond)",
         ("TIMESTAMP", "TIMESTAMP_MS")),
        (Wire.HTTP, "SELECT interval '1h30m' = interval '90 minutes'", (True,)),
    ],
)  # fmt: skip
def test_values(
    duck: duckdb.DuckDBPyConnection, wire: Wire, sql: str, expected: tuple[object, ...]
) -> None:
    assert duck.sql(text_of(sql, wire)).fetchall() == [expected]


def test_date_bin_counts_from_the_epoch(duck: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT date_bin('7 days'::interval, '2020-01-08'::timestamp)::text"
    assert duck.sql(text_of(sql, Wire.HTTP)).fetchall() == [("2020-01-02 00:00:00",)]
    shifted = (
        "SELECT date_bin('1 day', '2020-01-08'::timestamp, '2020-01-01 06:00'::timestamp)::text"
    )
    assert duck.sql(text_of(shifted, Wire.HTTP)).fetchall() == [("2020-01-07 06:00:00",)]


def test_now_is_utc_whatever_the_session_zone(duck: duckdb.DuckDBPyConnection) -> None:
    sql = text_of("SELECT now(), current_timestamp", Wire.POSTGRES)
    rows = duck.sql(f"SELECT *, now() AT TIME ZONE 'UTC' FROM ({sql}) AS q(a, b)").fetchall()
    assert rows[0][0] == rows[0][1] == rows[0][2]


def test_upserts_of_both_dialects(duck: duckdb.DuckDBPyConnection) -> None:
    for wire, sql in (
        (Wire.POSTGRES, "INSERT INTO k VALUES (1, 1)"),
        (Wire.POSTGRES, "INSERT INTO k VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET b = excluded.b"),
        (Wire.MYSQL, "INSERT IGNORE INTO k VALUES (1, 9)"),
        (Wire.MYSQL, "INSERT INTO k VALUES (1, 3) ON DUPLICATE KEY UPDATE b = b + VALUES(b)"),
    ):
        duck.execute(text_of(sql, wire))
    assert duck.sql("SELECT * FROM k").fetchall() == [(1, 5)]


def test_names_are_quoted_as_meant(duck: duckdb.DuckDBPyConnection) -> None:
    duck.execute(text_of('CREATE TABLE "Select" ("group" int, Plain int)', Wire.POSTGRES))
    described = duck.sql('DESCRIBE "Select"').fetchall()
    assert [row[0] for row in described] == ["group", "plain"]


def test_object_casts_become_calls() -> None:
    text = text_of("SELECT 'pg_class'::regclass, oid::regtype::text, '1'::oid", Wire.POSTGRES)
    assert "to_regclass('pg_class')" in text
    assert 'regtype_out("oid")' in text
    assert "CAST('1' AS BIGINT)" in text


def test_what_no_rule_has_rewritten_is_refused() -> None:
    with pytest.raises(DbError) as caught:
        text_of("WITH c AS (TQL EVAL (0, 1, '1s') up) SELECT * FROM c", Wire.HTTP)
    assert caught.value.kind is ErrorKind.UNSUPPORTED
    assert "Tql" in caught.value.message
