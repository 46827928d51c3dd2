"""The listener as psql, psycopg 3, psycopg2 and asyncpg see it, and as rude clients do."""

from __future__ import annotations

import asyncio
import shutil
import socket
import struct
import subprocess
import threading
from contextlib import suppress

import asyncpg
import psycopg
import psycopg2
import pytest
from fix_postgres import RunningListener
from patience import again_and_again, wait_until
from raw_postgres import raw_connection, receive_until, send_startup

from server.postgres.connection import Options
from server.postgres.protocol import Limits
from sql.session import TransactionStatus

# Statements.


def test_psql_runs_scripts_and_shows_errors(postgres) -> None:
    assert shutil.which("psql"), "psql is missing: apt-get install postgresql-client"
    script = (
        "CREATE TABLE t (a INT, b VARCHAR);\n"
        "INSERT INTO t VALUES (1, 'x'), (2, NULL);\n"
        "\\copy t from stdin\n3\tthree\n\\.\n"
        "SELECT * FROM t ORDER BY a;\n"
        "SYNTAXERROR;\n"
        "\\copy t to stdout (format csv)\n"
    )
    done = subprocess.run(
        ["psql", "-X", "-A", "-t", postgres.dsn],
        input=script,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "CREATE TABLE",
        "INSERT 0 2",
        "1|x",
        "2|",
        "3|three",
        "1,x",
        "2,",
        "3,three",
    ]
    assert 'ERROR:  syntax error at or near "SYNTAXERROR"' in done.stderr
    assert "HINT:  write SQL" in done.stderr


def test_psycopg2_works_in_transactions(postgres) -> None:
    connection = psycopg2.connect(postgres.dsn)
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (a INT)")
    cursor.execute("INSERT INTO t VALUES (%s), (%s)", (1, 2))
    assert cursor.rowcount == 2
    (session,) = postgres.database.sessions()
    assert session.transaction_status is TransactionStatus.ACTIVE
    connection.commit()
    with pytest.raises(psycopg2.errors.UndefinedTable):
        cursor.execute("SELECT * FROM missing")
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
        cursor.execute("SELECT 1")
    connection.rollback()
    cursor.execute("SELECT a FROM t ORDER BY a")
    assert cursor.fetchall() == [(1,), (2,)]
    connection.close()


def test_psycopg_prepares_deallocates_and_reports_counts(postgres) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True, prepare_threshold=0) as connection:
        connection.prepared_max = 3
        connection.execute("CREATE TABLE t (a INT)")
        for number in range(10):
            cursor = connection.execute(f"INSERT INTO t VALUES (%s::INT), ({number})", (number,))
            assert cursor.rowcount == 2
            assert cursor.statusmessage == "INSERT 0 2"
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (20,)


def test_psycopg_pipelines_survive_an_error_in_the_middle(postgres) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        with connection.pipeline() as pipeline:
            first = connection.execute("SELECT 1")
            pipeline.sync()
            connection.execute("SELECT * FROM missing")
            connection.execute("SELECT 2")
            with pytest.raises(psycopg.errors.UndefinedTable):
                pipeline.sync()
            last = connection.execute("SELECT 4")
            pipeline.sync()
            assert last.fetchone() == (4,)
        assert first.fetchone() == (1,)
        assert connection.execute("SELECT 3").fetchone() == (3,)


def test_asyncpg_executemany_cursors_and_cached_statements(postgres) -> None:
    async def work() -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=postgres.port, user="tester", database="public"
        )
        await connection.execute("CREATE TABLE t (a BIGINT, b VARCHAR)")
        await connection.executemany(
            "INSERT INTO t VALUES ($1::BIGINT, $2)", [(n, f"v{n}") for n in range(500)]
        )
        async with connection.transaction():
            seen = [
                record["a"]
                async for record in connection.cursor("SELECT a FROM t ORDER BY a", prefetch=7)
            ]
        assert seen == list(range(500))
        query = "SELECT b FROM t WHERE a = $1::BIGINT"
        for number in (1, 2, 3):
            assert await connection.fetchval(query, number) == f"v{number}"
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.fetch("SELECT * FROM missing")
        await connection.close()

    asyncio.run(work())


def test_copy_both_ways_by_psycopg(postgres) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a INT, b VARCHAR)")
        with connection.cursor() as cursor:
            with cursor.copy("COPY t FROM STDIN") as copy:
                for number in range(2000):
                    copy.write_row((number, None if number % 5 == 0 else f"v{number}"))
            assert cursor.rowcount == 2000
            with cursor.copy("COPY (SELECT * FROM t ORDER BY a) TO STDOUT") as copy:
                rows = list(copy.rows())
            assert rows[:2] == [("0", None), ("1", "v1")]
            with cursor.copy("COPY (SELECT * FROM t ORDER BY a) TO STDOUT (FORMAT binary)") as copy:
                copy.set_types(["int4", "varchar"])
                rows = list(copy.rows())
            assert rows[1999] == (1999, "v1999")
            assert len(rows) == 2000


def test_a_copy_that_raises_writes_nothing(postgres) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a INT)")

        def give_up() -> None:
            with connection.cursor() as cursor, cursor.copy("COPY t FROM STDIN") as copy:
                copy.write_row((1,))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            give_up()
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a_known_answer_and_an_unknown_one_in_any_order(postgres) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        for text, expected in (("SELECT 'known'", "known"), ("SELECT 'other'", "other")) * 3:
            result = connection.pgconn.exec_(text.encode())
            assert result.get_value(0, 0) == expected.encode()


def test_notices_reach_the_client(postgres) -> None:
    heard: list[str] = []
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
        connection.execute("NOTICE mind the gap")
    assert heard == ["mind the gap"]


# Cancelling, leaving, misbehaving.


def test_cancel_ends_a_running_statement(postgres) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        with again_and_again(connection.cancel_safe), pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SLEEP 600")
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_cancel_with_a_wrong_key_does_nothing(postgres) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        session = postgres.database.sessions()[0]
        client = raw_connection(postgres)
        client.sendall(struct.pack("!iiii", 16, 80877102, session.id, 12345))
        assert client.recv(1) == b""
        client.close()
        assert not session.cancelled.is_set()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_client_that_leaves_ends_its_statement() -> None:
    running = RunningListener(options=Options(half_closed_seconds_max=0.1))
    try:
        _leave_in_a_statement(running)
    finally:
        running.stop()


def _leave_in_a_statement(postgres: RunningListener) -> None:
    client = raw_connection(postgres)
    send_startup(client)
    receive_until(client, b"Z\0\0\0\x05I")
    client.sendall(b"Q" + struct.pack("!i", 13) + b"SLEEP 99\0")
    (session,) = postgres.database.sessions()
    wait_until(lambda: session.is_sleeping)
    client.close()
    wait_until(lambda: session.is_closed)
    assert session.cancelled.is_set()
    assert postgres.listener.connections == 0


def test_a_client_that_leaves_in_the_middle_of_a_result_frees_it(postgres) -> None:
    client = raw_connection(postgres)
    send_startup(client)
    receive_until(client, b"Z\0\0\0\x05I")
    query = b"SELECT repeat('x', 1000) FROM range(3000000)\0"
    client.sendall(b"Q" + struct.pack("!i", len(query) + 4) + query)
    client.recv(1000)
    (session,) = postgres.database.sessions()
    wait_until(lambda: session.open_rows == 1)
    client.close()
    wait_until(lambda: session.is_closed)
    assert session.open_rows == 0


def test_a_slow_reader_does_not_fill_our_memory(postgres) -> None:
    client = raw_connection(postgres)
    send_startup(client)
    receive_until(client, b"Z\0\0\0\x05I")
    query = b"SELECT repeat('x', 1000) FROM range(1000000)\0"
    client.sendall(b"Q" + struct.pack("!i", len(query) + 4) + query)
    gate = threading.Event()
    gate.wait(0.5)
    (connection,) = postgres.listener._connections
    assert connection._transport.get_write_buffer_size() < 32 << 20
    client.close()


def test_a_client_that_asks_faster_than_it_is_answered_has_to_wait(postgres) -> None:
    client = raw_connection(postgres)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    send_startup(client)
    receive_until(client, b"Z\0\0\0\x05I")
    client.sendall(b"Q" + struct.pack("!i", 13) + b"SLEEP 30\0")
    client.settimeout(0.5)
    batch, taken = (b"Q" + struct.pack("!i", 13) + b"SELECT 1\0") * 4096, 0
    with suppress(TimeoutError):
        while taken < 8 << 20:
            taken += client.send(batch)
    assert taken < 4 << 20
    client.close()


def test_garbage_gets_a_fatal_error_and_the_listener_goes_on(postgres) -> None:
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x08\x01\x02\x03\x04", b"\xff" * 100):
        client = raw_connection(postgres)
        client.sendall(garbage)
        assert b"SFATAL\0" in receive_until(client, b"impossible")
        client.close()
    with psycopg.connect(postgres.dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_message_beyond_the_limit_ends_the_connection() -> None:
    running = RunningListener(options=Options(limits=Limits(large=10_000)))
    connection = psycopg.connect(running.dsn, autocommit=True)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT '" + "x" * 20_000 + "'")
    connection.close()
    running.stop()


def test_stopping_tells_idle_clients_and_ends_running_statements() -> None:
    running = RunningListener()
    idle = psycopg.connect(running.dsn, autocommit=True)
    busy = psycopg.connect(running.dsn, autocommit=True)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            busy.execute("SLEEP 600")
        except psycopg.Error as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: any(session.is_sleeping for session in running.database.opened))
    running.stop()
    thread.join(60)
    assert len(failures) == 1
    with pytest.raises(psycopg.errors.AdminShutdown):
        idle.execute("SELECT 1")
    assert all(session.is_closed for session in running.database.opened)
    idle.close()
    busy.close()


def test_two_hundred_idle_connections_are_cheap(postgres) -> None:
    clients = []
    before = threading.active_count()
    for _ in range(200):
        client = raw_connection(postgres)
        send_startup(client)
        clients.append(client)
    for client in clients:
        receive_until(client, b"Z\0\0\0\x05I")
    assert postgres.listener.connections == 200
    assert threading.active_count() < before + 20
    for client in clients:
        client.close()
    wait_until(lambda: postgres.listener.connections == 0)


def test_thirty_two_clients_at_once(postgres) -> None:
    results: list[int] = []

    def work(number: int) -> None:
        with psycopg.connect(postgres.dsn, autocommit=True) as connection:
            for _ in range(10):
                (found,) = connection.execute("SELECT %s::INT", (number,)).fetchone()
                results.append(found == number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [True] * 320
