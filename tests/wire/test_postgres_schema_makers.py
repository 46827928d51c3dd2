"""Sessions of one role that make schemas at the same time."""

from __future__ import annotations

import threading

import psycopg
from fix_server import RunningServer


def test_sessions_of_one_role_make_schemas_at_once(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as boss:
        boss.execute("CREATE ROLE schema_maker LOGIN CREATEDB")
    failed: list[psycopg.Error] = []

    def make(number: int) -> None:
        dsn = server.postgres_dsn("schema_maker")
        with psycopg.connect(dsn, autocommit=True) as maker:
            for turn in range(4):
                name = f"made_{number}_{turn}"
                try:
                    maker.execute(f"CREATE SCHEMA {name}".encode())
                    maker.execute(f"CREATE TABLE {name}.t (a INT)".encode())
                    maker.execute(f"DROP SCHEMA {name} CASCADE".encode())
                except psycopg.Error as error:
                    failed.append(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
