"""Foreign keys over the wire: what a driver reads of an error, and two clients at both ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pymysql
import pytest
from fix_server import RunningServer
from patience import wait_until
from psycopg import errors

DATABASE = "wire_keys"


@pytest.fixture(scope="module")
def dsn(server: RunningServer) -> Iterator[str]:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
    dsn = server.postgres_dsn(database=DATABASE)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE p (id INT PRIMARY KEY); INSERT INTO p VALUES (1), (2)")
        connection.execute("CREATE TABLE c (pid INT REFERENCES p ON DELETE RESTRICT)")
    yield dsn
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {DATABASE} CASCADE".encode())


def test_copy_is_checked_and_leaves_nothing(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as one:
        with (
            pytest.raises(errors.ForeignKeyViolation) as caught,
            one.cursor() as cursor,
            cursor.copy("COPY c FROM STDIN") as copy,
        ):
            copy.write("1\n2\n77\n")
        assert caught.value.diag.message_detail == 'Key (pid)=(77) is not present in table "p".'
        assert one.execute("SELECT count(*) FROM c").fetchone() == (0,)


def test_prepared_statements_and_mysqls_clients_are_checked(
    server: RunningServer, dsn: str
) -> None:
    with (
        pymysql.connect(**server.mysql_args(database=DATABASE)) as one,
        one.cursor() as cursor,
    ):
        with pytest.raises(pymysql.err.IntegrityError) as caught:
            cursor.execute("INSERT INTO c VALUES (%s)", (77,))
        assert caught.value.args[0] == 1452
    with psycopg.connect(dsn) as other, pytest.raises(errors.ForeignKeyViolation):
        other.execute("INSERT INTO c VALUES (%s)", (77,), prepare=True)


def test_a_child_and_the_end_of_its_parent_exclude_each_other(dsn: str) -> None:
    failed: list[str | None] = []

    def goes() -> None:
        with psycopg.connect(dsn, autocommit=True) as two:
            try:
                two.execute("DELETE FROM p WHERE id = 1")
            except psycopg.Error as error:
                failed.append(error.sqlstate)

    with psycopg.connect(dsn) as one:
        one.execute("INSERT INTO c VALUES (1)")
        waiting = threading.Thread(target=goes)
        waiting.start()
        who_waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        with psycopg.connect(dsn, autocommit=True) as watching:
            wait_until(lambda: watching.execute(who_waits).fetchone() == (1,))
        one.commit()
        waiting.join(30)
        assert failed == ["23503"]
        found: Any = one.execute("SELECT count(*) FROM p").fetchone()
        assert found == (2,)
