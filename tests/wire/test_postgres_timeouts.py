"""How long a client may be silent, and clocks that go on."""

from __future__ import annotations

import select

import psycopg
import pytest
from fix_server import RunningServer
from psycopg import errors

pytestmark = pytest.mark.slow
WAIT_SECONDS = 60


@pytest.mark.parametrize(
    ("begin", "setting", "sqlstate"),
    [
        ("BEGIN", "idle_in_transaction_session_timeout", "25P03"),
        ("SELECT 1", "idle_session_timeout", "57P05"),
    ],
)
def test_an_idle_client_is_left(
    server: RunningServer, begin: str, setting: str, sqlstate: str
) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute(f"SET {setting} = '150ms'; {begin}")
        told, _, _ = select.select([connection.fileno()], [], [], WAIT_SECONDS)
        assert told
        with pytest.raises(psycopg.Error, match="timeout") as caught:
            connection.execute("SELECT 1")
    assert caught.value.sqlstate in (sqlstate, None)


def test_its_transaction_is_over_and_others_go_on(server: RunningServer) -> None:
    idle = psycopg.connect(server.postgres_dsn(), autocommit=True)
    idle.execute("CREATE TABLE idled (a int PRIMARY KEY); INSERT INTO idled VALUES (1)")
    idle.execute("SET idle_in_transaction_session_timeout = '150ms'")
    idle.execute("BEGIN; SELECT a FROM idled FOR UPDATE")
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as other:
        other.execute(f"SET lock_timeout = '{WAIT_SECONDS}s'")
        assert other.execute("UPDATE idled SET a = 2").rowcount == 1
    idle.close()


def test_copy_takes_rows_for_which_a_condition_holds(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE chosen (a text, b int)")
        with connection.cursor().copy("COPY chosen FROM STDIN WHERE b > 1 AND a <> 'c'") as copy:
            for row in [("a", 1), ("b", 2), ("c", 3), ("d", None)]:
                copy.write_row(row)
        assert connection.execute("SELECT * FROM chosen").fetchall() == [("b", 2)]


def test_clocks_go_on_in_a_transaction(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT pg_sleep(0.02)")
        moments = "SELECT now() < statement_timestamp(), statement_timestamp() <= clock_timestamp()"
        assert connection.execute(moments).fetchone() == (True, True)


def test_the_isolation_that_comes_next_is_shown(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute(
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ"
        )
        assert connection.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)
        with pytest.raises(errors.InvalidParameterValue):
            connection.execute("SET default_transaction_isolation = 'none'")
