"""What PostgreSQL drivers rely on beyond values: states, errors, cursors, COPY, cancelling."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import asyncpg
import psycopg
import psycopg2
import pytest
from fix_server import RunningServer
from patience import again_and_again
from psycopg import errors
from psycopg.pq import TransactionStatus

DATABASE = "wire_postgres"
FOREVER = (
    "SELECT sum(a.i * b.i) FROM generate_series(1, 3000000) a(i), generate_series(1, 3000000) b(i)"
)
ERRORS = (
    ("SELEC 1", "42601"),
    ("SELECT * FROM missing", "42P01"),
    ("SELECT nothing FROM m", "42703"),
    ("SELECT no_such_function(1)", "42883"),
    ("SELECT CAST('abc' AS INT)", "22P02"),
    ("SELECT CAST(300000 AS SMALLINT)", "22003"),
    ("SELECT 1 / 0", "22012"),
    ("INSERT INTO m (host) VALUES ('a')", "23502"),
    ("INSERT INTO r VALUES (1, 1)", "23505"),
    ("CREATE TABLE m (a INT)", "42P07"),
)


@pytest.fixture(scope="module")
def dsn(server: RunningServer) -> Iterator[str]:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
    dsn = server.postgres_dsn(database=DATABASE)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE m (host STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v INT)"
        )
        connection.execute("CREATE TABLE r (id INT PRIMARY KEY, v INT)")
        connection.execute("INSERT INTO r VALUES (1, 1)")
    yield dsn
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {DATABASE}".encode())


@pytest.fixture
def connection(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as opened:
        yield opened


@pytest.mark.parametrize(("sql", "state"), ERRORS)
def test_errors_carry_their_sqlstate_and_the_session_goes_on(
    connection: psycopg.Connection[Any], sql: str, state: str
) -> None:
    for prepare in (False, True):  # the simple and the extended protocol
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(sql.encode(), () if prepare else None, prepare=prepare)
        assert caught.value.sqlstate == state
        assert caught.value.diag.message_primary
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(("sql", "state"), ERRORS)
def test_asyncpg_and_psycopg2_see_the_same_sqlstate(dsn: str, sql: str, state: str) -> None:
    old = psycopg2.connect(dsn)
    try:
        with pytest.raises(psycopg2.Error) as caught, old.cursor() as cursor:
            cursor.execute(sql)
        assert caught.value.pgcode == state
    finally:
        old.close()

    async def ask() -> str | None:
        async with connected(dsn) as modern:
            with pytest.raises(asyncpg.PostgresError) as refused:
                await modern.fetch(sql)
            return refused.value.sqlstate

    assert asyncio.run(ask()) == state


class connected:  # noqa: N801 - used like a function
    """An asyncpg connection from a libpq address."""

    def __init__(self, dsn: str) -> None:
        parts = dict(part.split("=") for part in dsn.split())
        self._arguments = {
            "host": parts["host"],
            "port": int(parts["port"]),
            "user": parts["user"],
            "database": parts["dbname"],
        }

    async def __aenter__(self) -> asyncpg.Connection:
        self._connection = await asyncpg.connect(**self._arguments)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()


def test_a_syntax_error_says_where(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(errors.UndefinedColumn) as caught:
        connection.execute("SELECT v, nothing FROM m")
    assert caught.value.diag.statement_position == "11"


def test_command_tags_and_counts(connection: psycopg.Connection[Any]) -> None:
    cursor = connection.execute("INSERT INTO m VALUES ('tag', 1, 1), ('tag', 2, 2)")
    assert (cursor.statusmessage, cursor.rowcount) == ("INSERT 0 2", 2)
    cursor = connection.execute("SELECT v FROM m WHERE host = 'tag'")
    assert (cursor.statusmessage, cursor.rowcount) == ("SELECT 2", 2)
    cursor = connection.execute("DELETE FROM m WHERE host = 'tag'")
    assert (cursor.statusmessage, cursor.rowcount) == ("DELETE 2", 2)
    assert connection.execute("CREATE TABLE gone (a INT)").statusmessage == "CREATE TABLE"
    assert connection.execute("DROP TABLE gone").statusmessage == "DROP TABLE"
    assert connection.execute("SET application_name = 'x'").statusmessage == "SET"


def test_columns_are_described(connection: psycopg.Connection[Any]) -> None:
    cursor = connection.execute("SELECT host, ts, v, v * 1.5::float8 AS more FROM m")
    assert cursor.description is not None
    assert [c.name for c in cursor.description] == ["host", "ts", "v", "more"]
    kinds = [psycopg.adapters.types[c.type_code].name for c in cursor.description]
    assert kinds[0] in ("text", "varchar")
    assert kinds[1:] == ["timestamp", "int4", "float8"]


def test_rollback_undoes_and_commit_keeps_both_kinds_of_rows(dsn: str) -> None:
    with psycopg.connect(dsn) as one, psycopg.connect(dsn, autocommit=True) as other:
        counts = "SELECT (SELECT count(*) FROM m WHERE host = 'tx'), (SELECT count(*) FROM r)"
        assert one.info.transaction_status == TransactionStatus.IDLE
        one.execute("INSERT INTO m VALUES ('tx', 1, 1)")
        one.execute("INSERT INTO r VALUES (100, 1)")
        assert one.info.transaction_status == TransactionStatus.INTRANS
        assert one.execute(counts).fetchone() == (1, 2)
        assert other.execute(counts).fetchone() == (0, 1), "not visible before COMMIT"
        one.rollback()
        assert one.info.transaction_status == TransactionStatus.IDLE
        assert one.execute(counts).fetchone() == (0, 1)
        one.rollback()
        one.execute("INSERT INTO m VALUES ('tx', 1, 1)")
        one.execute("INSERT INTO r VALUES (100, 1)")
        one.commit()
        assert other.execute(counts).fetchone() == (1, 2)
        other.execute("DELETE FROM m WHERE host = 'tx'")
        other.execute("DELETE FROM r WHERE id = 100")


def test_a_failed_transaction_takes_only_its_end(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO m VALUES ('failed', 1, 1)")
        with pytest.raises(errors.UndefinedTable):
            connection.execute("SELECT * FROM missing")
        assert connection.info.transaction_status == TransactionStatus.INERROR
        with pytest.raises(errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        connection.rollback()
        found = connection.execute("SELECT count(*) FROM m WHERE host = 'failed'").fetchone()
        assert found == (0,)


def test_savepoints_undo_a_part(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO r VALUES (200, 1)")
        connection.execute("SAVEPOINT here")
        connection.execute("INSERT INTO r VALUES (201, 1)")
        with pytest.raises(errors.UniqueViolation):
            connection.execute("INSERT INTO r VALUES (200, 1)")
        connection.execute("ROLLBACK TO SAVEPOINT here")
        found = connection.execute("SELECT id FROM r WHERE id >= 200").fetchall()
        assert found == [(200,)]
        connection.rollback()


def test_cancel_ends_the_statement_at_once(connection: psycopg.Connection[Any]) -> None:
    with again_and_again(connection.cancel_safe), pytest.raises(errors.QueryCanceled):
        connection.execute(FOREVER)
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_statement_timeout_ends_the_statement(connection: psycopg.Connection[Any]) -> None:
    connection.execute("SET statement_timeout = '200ms'")
    with pytest.raises(errors.QueryCanceled):
        connection.execute(FOREVER)
    connection.execute("SET statement_timeout = 0")
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_named_cursors_fetch_in_pieces(dsn: str) -> None:
    with psycopg.connect(dsn) as connection, connection.cursor(name="pieces") as cursor:
        cursor.execute("SELECT i FROM generate_series(1, 1000) AS t(i) ORDER BY i")
        assert cursor.fetchone() == (1,)
        assert [row[0] for row in cursor.fetchmany(3)] == [2, 3, 4]
        cursor.itersize = 100
        assert sum(row[0] for row in cursor) == sum(range(5, 1001))
    with psycopg.connect(dsn) as connection, pytest.raises(errors.InvalidCursorName):
        connection.execute("FETCH 1 FROM pieces")


def test_portals_give_their_rows_in_pieces(dsn: str) -> None:
    async def ask() -> list[int]:
        async with connected(dsn) as connection, connection.transaction():
            sql = "SELECT i::int FROM generate_series(1, $1::int) AS t(i) ORDER BY i"
            cursor = await connection.cursor(sql, 500)
            first = [row[0] for row in await cursor.fetch(10)]
            await cursor.forward(100)
            rest = [row[0] for row in await cursor.fetch(1000)]
            return first + rest

    assert asyncio.run(ask()) == [*range(1, 11), *range(111, 501)]


def test_copy_in_and_out_in_every_format(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "CREATE TABLE c (host STRING PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX, v DOUBLE, s STRING)"
    )
    outputs = {}
    rows = "a\t2024-01-01 00:00:00\t1.5\tx\nb\t2024-01-01 00:00:00.25\t\\N\ttab\\there\n"
    with connection.cursor().copy("COPY c FROM STDIN") as copy:
        copy.write(rows)
    for form in ("text", "csv", "binary"):
        copied = connection.cursor().copy(
            f"COPY (SELECT * FROM c ORDER BY host) TO STDOUT (FORMAT {form})".encode()
        )
        with copied as copy:
            outputs[form] = b"".join(bytes(piece) for piece in copy)
    assert outputs["csv"].decode().startswith("a,2024-01-01 00:00:00,1.5,x\n")
    assert b"\\N\ttab\\there\n" in outputs["text"]
    assert outputs["binary"].startswith(b"PGCOPY\n\xff\r\n\0")
    before = connection.execute("SELECT * FROM c ORDER BY host").fetchall()
    assert len(before) == 2
    for form, data in outputs.items():
        connection.execute("DELETE FROM c")
        cursor = connection.cursor()
        with cursor.copy(f"COPY c FROM STDIN (FORMAT {form})".encode()) as copy:
            for start in range(0, len(data), 7):  # pieces that cut rows and fields
                copy.write(data[start : start + 7])
        assert (cursor.rowcount, cursor.statusmessage) == (2, "COPY 2")
        assert connection.execute("SELECT * FROM c ORDER BY host").fetchall() == before
    connection.execute("DROP TABLE c")


@pytest.mark.parametrize("bad", ["x\t2\tabc\n", "x\t2\n", "x\t2\t3\t4\n", "x\tnever\t1\n"])
def test_a_bad_row_refuses_the_whole_copy(connection: psycopg.Connection[Any], bad: str) -> None:
    with (
        pytest.raises(psycopg.Error) as caught,
        connection.cursor().copy("COPY m FROM STDIN") as copy,
    ):
        copy.write("x\t1970-01-01 00:00:01\t1\n" + bad.replace("\t2", "\t1970-01-01 00:00:02"))
    assert caught.value.sqlstate in ("22P02", "22P04", "22007")
    assert connection.execute("SELECT count(*) FROM m WHERE host = 'x'").fetchone() == (0,)


def test_a_copy_that_the_client_gives_up_leaves_nothing(
    connection: psycopg.Connection[Any],
) -> None:
    def give_up() -> None:
        with connection.cursor().copy("COPY m FROM STDIN") as copy:
            copy.write("given-up\t1970-01-01 00:00:01\t1\n")
            raise EOFError("the file ended too early")

    with pytest.raises(EOFError):
        give_up()
    assert connection.execute("SELECT count(*) FROM m WHERE host = 'given-up'").fetchone() == (0,)


def test_executemany_writes_every_row(connection: psycopg.Connection[Any], dsn: str) -> None:
    rows = [("many", i, i) for i in range(200)]
    cursor = connection.cursor()
    cursor.executemany("INSERT INTO m VALUES (%s, to_timestamp(%s::int), %s)", rows)
    assert cursor.rowcount == 200

    async def more() -> None:
        async with connected(dsn) as modern:
            await modern.executemany(
                "INSERT INTO r VALUES ($1, $2)", [(i, i) for i in range(1000, 1200)]
            )
            await modern.copy_records_to_table("r", records=[(i, i) for i in range(2000, 2200)])

    asyncio.run(more())
    found = connection.execute(
        "SELECT (SELECT sum(v) FROM m WHERE host = 'many'), "
        "(SELECT count(*) FROM r WHERE id >= 1000)"
    ).fetchone()
    assert found == (19900, 400)
    connection.execute("DELETE FROM m WHERE host = 'many'")
    connection.execute("DELETE FROM r WHERE id >= 1000")


def test_big_results_arrive_whole(connection: psycopg.Connection[Any]) -> None:
    sql = b"SELECT i, i::text AS s, i * 0.5::float8 AS h FROM generate_series(1, 200000) AS t(i)"
    for binary in (False, True):
        rows = connection.cursor(binary=binary).execute(sql).fetchall()
        assert len(rows) == 200000
        assert sum(row[0] for row in rows) == 200000 * 200001 // 2
        assert all(row[1] == str(row[0]) and row[2] == row[0] / 2 for row in rows[::1000])


def test_big_values_go_both_ways(connection: psycopg.Connection[Any]) -> None:
    value = "příliš " * 700_000
    row = connection.execute("SELECT %s::text, length(%s::text)", (value, value)).fetchone()
    assert row == (value, len(value))


def test_several_statements_in_one_query(connection: psycopg.Connection[Any]) -> None:
    cursor = connection.execute(
        b"SELECT 1; INSERT INTO r VALUES (300, 1); SELECT v FROM r WHERE id = 300"
    )
    assert cursor.fetchall() == [(1,)]
    assert cursor.nextset()
    assert cursor.rowcount == 1
    assert cursor.nextset()
    assert cursor.fetchall() == [(1,)]
    assert not cursor.nextset()
    with pytest.raises(errors.UndefinedTable):
        connection.execute(b"DELETE FROM r WHERE id = 300; SELECT * FROM missing")
    found = connection.execute("SELECT count(*) FROM r WHERE id = 300").fetchone()
    assert found == (1,), "one simple query is one transaction"
    connection.execute("DELETE FROM r WHERE id = 300")


def test_prepared_statements_serve_again_after_the_table_changed(
    connection: psycopg.Connection[Any],
) -> None:
    connection.execute("CREATE TABLE p (id INT, v INT)")
    connection.execute("INSERT INTO p VALUES (1, 10), (2, 20)")
    for number in (1, 2, 1):
        row = connection.execute(
            "SELECT v FROM p WHERE id = %s", (number,), prepare=True
        ).fetchone()
        assert row == (number * 10,)
    connection.execute("INSERT INTO p VALUES (3, 30)")
    row = connection.execute("SELECT v FROM p WHERE id = %s", (3,), prepare=True).fetchone()
    assert row == (30,)
    connection.execute("DROP TABLE p")
    with pytest.raises(errors.UndefinedTable):
        connection.execute("SELECT v FROM p WHERE id = %s", (1,), prepare=True)


def test_pipelines_answer_in_order_and_stop_at_an_error(
    connection: psycopg.Connection[Any],
) -> None:
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::int", (i,)) for i in range(50)]
        assert [cursor.fetchone() for cursor in cursors] == [(i,) for i in range(50)]
    with connection.pipeline() as pipeline:
        connection.execute("SELECT * FROM missing")
        with pytest.raises(errors.UndefinedTable):
            pipeline.sync()
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_discard_all_forgets_settings(connection: psycopg.Connection[Any]) -> None:
    connection.execute("SET TIME ZONE 'Asia/Shanghai'")
    assert connection.execute("SHOW TIME ZONE").fetchone() == ("Asia/Shanghai",)
    connection.execute("DISCARD ALL")
    assert connection.execute("SHOW TIME ZONE").fetchone() != ("Asia/Shanghai",)


def test_asyncpg_pools_reset_their_connections(dsn: str) -> None:
    async def ask() -> list[int]:
        parts = dict(part.split("=") for part in dsn.split())
        async with asyncpg.create_pool(
            host=parts["host"],
            port=int(parts["port"]),
            user=parts["user"],
            database=parts["dbname"],
            min_size=2,
            max_size=4,
        ) as pool:
            return list(
                await asyncio.gather(*(pool.fetchval("SELECT $1::int", i) for i in range(40)))
            )

    assert asyncio.run(ask()) == list(range(40))


def test_an_unknown_database_is_refused_at_login(server: RunningServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="no_such_database"):
        psycopg.connect(server.postgres_dsn(database="no_such_database"))


@pytest.mark.parametrize("prepare", [True, False])
def test_pings_are_answered_between_everything_else(dsn: str, prepare: bool) -> None:
    """A question whose answer is known takes a short cut; it must not disturb what is open."""
    with psycopg.connect(dsn) as connection:
        for _ in range(3):
            assert connection.execute("SELECT 1", prepare=prepare).fetchall() == [(1,)]
        with connection.cursor(name="open") as cursor:
            cursor.execute("SELECT range AS n FROM range(20000)")
            assert cursor.fetchmany(2) == [(0,), (1,)]
            assert connection.execute("SELECT 1", prepare=prepare).fetchall() == [(1,)]
            assert cursor.fetchmany(2) == [(2,), (3,)]
        with pytest.raises(errors.UndefinedTable):
            connection.execute("SELECT * FROM missing")
        with pytest.raises(errors.InFailedSqlTransaction):
            connection.execute("SELECT 1", prepare=prepare)
        connection.rollback()
        assert connection.execute("SELECT 1", prepare=prepare).fetchall() == [(1,)]


def test_sql_reaches_the_protocols_portals_and_statements(postgres_dsn: str) -> None:
    async def ask() -> list[object]:
        async with connected(postgres_dsn) as connection:
            async with connection.transaction():
                cursor = await connection.cursor("SELECT generate_series(0, 100)")
                await cursor.forward(42)
                row = (await cursor.fetchrow())[0]
            seven = await connection.prepare("SELECT 7", name="seven")
            return [row, await connection.fetchval(f"EXECUTE {seven.get_name()}")]

    assert asyncio.run(ask()) == [42, 7]


def test_a_binary_cursor_gives_binary(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        connection.execute("DECLARE b BINARY CURSOR FOR SELECT 258::int4")
        result = connection.pgconn.exec_(b"FETCH b")
    assert (result.fformat(0), result.get_value(0, 0)) == (1, b"\0\0\x01\x02")
