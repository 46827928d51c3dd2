"""What models of dbt and their kin expect of PostgreSQL's times, lists and kinds of tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
from fix_server import RunningServer
from psycopg import errors

SCHEMA = "models"
ZONED, NAIVE = "timestamp with time zone", "timestamp without time zone"


@pytest.fixture(scope="module")
def connection(server: RunningServer) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as opened:
        opened.execute(f"CREATE SCHEMA {SCHEMA}")
        opened.execute(f"SET search_path TO {SCHEMA}")
        yield opened
        opened.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


@pytest.fixture
def one(connection: psycopg.Connection[Any]) -> Iterator[Any]:
    """The first row of a query; the order of dates is PostgreSQL's own again afterwards."""

    def asked(query: str) -> tuple[Any, ...]:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return tuple(row)

    yield asked
    connection.execute("SET DateStyle TO 'ISO, MDY'")


def test_the_current_time_has_a_zone(connection: psycopg.Connection[Any], one: Any) -> None:
    connection.execute(
        "CREATE TABLE clocks AS SELECT now() AS a, current_timestamp AS b, localtimestamp AS c,"
        " now() - INTERVAL '1 day' AS d, date_trunc('day', now()) AS e, now()::time AS f"
    )
    shown = connection.execute(
        "SELECT atttypid::regtype::text FROM pg_attribute"
        " WHERE attrelid = 'clocks'::regclass AND attnum > 0 ORDER BY attnum"
    ).fetchall()
    kinds = [kind for (kind,) in shown]
    assert kinds == [ZONED, ZONED, NAIVE, ZONED, ZONED, "time without time zone"]
    cursor = connection.execute("SELECT now(), current_timestamp, now()::date = current_date")
    assert [c.name for c in cursor.description or ()] == ["now", "current_timestamp", "?column?"]
    row = cursor.fetchone()
    assert row is not None
    assert (row[0].tzinfo is not None, row[2]) == (True, True)
    assert one("SELECT count(*) FROM clocks WHERE a <= now() AND d < now() - INTERVAL '1h'") == (1,)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1,",
        "SELECT 1, -- and nothing more",
        "CREATE TABLE cut_short AS (SELECT 1,\n)",
        "SELECT 1,, FROM pg_class",
    ],
)
def test_a_comma_without_what_it_announces_is_refused(
    connection: psycopg.Connection[Any], statement: str
) -> None:
    with pytest.raises(errors.SyntaxError):
        connection.execute(statement.encode())


def test_a_comma_may_end_the_list_of_a_subquery(one: Any) -> None:
    """As GreptimeDB's scripts have it."""
    assert one("SELECT a, b, FROM (SELECT 1 AS a, (2) AS b,\n)") == (1, 2)
    assert one("WITH c AS (SELECT 1 AS a,) SELECT a FROM c") == (1,)


def test_dates_are_read_in_the_sessions_order(
    connection: psycopg.Connection[Any], one: Any
) -> None:
    asked = "SELECT '09/12/2023'::date, '09/12/2023 22:11'::timestamp"
    assert one(asked) == (date(2023, 9, 12), datetime(2023, 9, 12, 22, 11))  # noqa: DTZ001
    connection.execute("SET DateStyle TO 'ISO, DMY'")
    assert one(asked) == (date(2023, 12, 9), datetime(2023, 12, 9, 22, 11))  # noqa: DTZ001
    with pytest.raises(errors.DatetimeFieldOverflow):
        one("SELECT '09/13/2023'::date")


def test_dates_with_names_of_months_are_read_wherever_they_stand(
    connection: psycopg.Connection[Any], one: Any
) -> None:
    day = date(2023, 1, 5)
    assert one("SELECT 'Jan 5, 2023'::date, '5-Jan-2023'::date, '2023-Jan-05'::date") == (day,) * 3
    connection.execute("CREATE TABLE days (d date, t timestamptz)")
    connection.execute("INSERT INTO days VALUES ('January 5, 2023', 'Thu Jan 5 10:11 PM 2023')")
    assert one("SELECT d, t FROM days") == (day, datetime(2023, 1, 5, 22, 11, tzinfo=UTC))
    with pytest.raises(errors.InvalidDatetimeFormat):
        connection.execute("INSERT INTO days (d) VALUES ('09/12/2023')")  # whose month is unsaid


def test_an_unlogged_table_is_told_as_one(connection: psycopg.Connection[Any], one: Any) -> None:
    connection.execute("CREATE UNLOGGED TABLE passing (a int PRIMARY KEY)")
    asked = "SELECT string_agg(relpersistence, '') FROM pg_class WHERE relname LIKE 'passing%'"
    assert one(asked) == ("uu",)
    connection.execute("INSERT INTO passing VALUES (1)")
    assert one("SELECT a FROM passing") == (1,)
