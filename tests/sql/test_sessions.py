"""What a session does with statements: results, parameters, settings, cursors, cancellation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from fix_database import Client, Later
from patience import wait_until

from engine import datatypes
from engine.errors import DbError, ErrorKind
from sql.results import Rows
from sql.session import Wire

Connect = Callable[..., Client]
SERIES = "CREATE TABLE cpu (host STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v DOUBLE)"
LONG = "SELECT sum(a.range % (b.range + 1)) AS s FROM range(9999999) a, range(99999) b"


@pytest.fixture
def cpu(db: Client) -> Client:
    db.run(SERIES)
    db.run("INSERT INTO cpu VALUES ('a', '2024-01-01 00:00:00', 1), ('b', 1704067260000, 2)")
    return db


def fails(one: Client, text: str) -> DbError:
    with pytest.raises(DbError) as caught:
        one.run(text)
    return caught.value


def test_an_upsert_hides_the_stored_row_before_and_after_flush(cpu: Client) -> None:
    cpu.run("ADMIN flush_table('cpu')")
    cpu.run("INSERT INTO cpu VALUES ('a', '2024-01-01 00:00:00', 9)")
    expected = [("a", 9.0), ("b", 2.0)]
    assert cpu.run("SELECT host, v FROM cpu ORDER BY host") == expected
    cpu.run("ADMIN flush_table('cpu')")
    assert cpu.run("SELECT host, v FROM cpu ORDER BY host") == expected


def test_delete_by_field_tag_and_time(cpu: Client) -> None:
    cpu.run("ADMIN flush_table('cpu'); INSERT INTO cpu VALUES ('c', 5, 3), ('d', 6, 4)")
    assert cpu.run("DELETE FROM cpu WHERE v = 2") == 1
    assert cpu.run("DELETE FROM cpu WHERE ts = 5 AND host = 'c'") == 1
    assert cpu.run("SELECT host FROM cpu ORDER BY host") == [("a",), ("d",)]


def test_update_of_a_field_and_of_the_key(cpu: Client) -> None:
    assert cpu.run("UPDATE cpu SET v = v * 10 WHERE host = 'a'") == 1
    assert cpu.run("UPDATE cpu SET host = 'moved' WHERE host = 'b'") == 1
    assert cpu.run("SELECT host, v FROM cpu ORDER BY host") == [("a", 10.0), ("moved", 2.0)]


def test_append_mode_keeps_and_deletes_rows_by_value(db: Client) -> None:
    db.run("CREATE TABLE log (ts TIMESTAMP TIME INDEX, m STRING) WITH (append_mode = 'true')")
    db.run("INSERT INTO log VALUES (1, 'x'), (1, 'x'), (1, 'y')")
    assert db.run("SELECT count(*) FROM log") == [(3,)]
    assert db.run("DELETE FROM log WHERE m = 'x'") == 2
    assert db.run("SELECT m FROM log") == [("y",)]


def test_literals_beside_a_timestamp_follow_the_session_zone(cpu: Client) -> None:
    cpu.run("SET timezone = 'Asia/Shanghai'")
    assert cpu.run("SELECT host FROM cpu WHERE ts = '2024-01-01 08:00:00'") == [("a",)]
    assert cpu.run("SELECT host FROM cpu WHERE ts < '2024-01-01 08:00:30'") == [("a",)]
    assert cpu.run("SELECT host FROM cpu WHERE ts IN (1704067200000)") == [("a",)]


def test_parameters_have_the_types_of_what_they_meet(cpu: Client) -> None:
    statement = cpu.session.parse("SELECT v + $1 FROM cpu WHERE ts > $2 AND host = $3 LIMIT $4")[0]
    described = cpu.session.describe(statement)
    assert described.parameters == (
        datatypes.FLOAT64,
        datatypes.TIMESTAMP_MILLISECOND,
        datatypes.STRING,
        datatypes.INT64,
    )
    assert described.columns is not None
    assert [c.type for c in described.columns] == [datatypes.FLOAT64]


def test_insert_parameters_have_the_column_types(cpu: Client) -> None:
    statement = cpu.session.parse("INSERT INTO cpu (ts, host) VALUES ($1, $2)")[0]
    assert cpu.session.describe(statement).parameters == (
        datatypes.TIMESTAMP_MILLISECOND,
        datatypes.STRING,
    )
    cpu.session.execute(statement, [datetime(2024, 6, 1, tzinfo=UTC), "p"])
    assert cpu.run("SELECT ts FROM cpu WHERE host = 'p'") == [(datetime(2024, 6, 1),)]  # noqa: DTZ001


def test_a_select_may_go_on_while_other_statements_run(cpu: Client) -> None:
    cpu.run("CREATE TABLE many AS SELECT range AS n FROM range(100000)")
    rows = cpu.session.execute(cpu.session.parse("SELECT n FROM many")[0])
    assert isinstance(rows, Rows)
    first = next(iter(rows))
    assert cpu.run("SELECT count(*) FROM many") == [(100_000,)]
    rest = sum(batch.num_rows for batch in rows)
    assert first.num_rows + rest == 100_000
    rows.close()


def test_cursors_give_rows_in_pieces(cpu: Client) -> None:
    cpu.run("BEGIN; DECLARE c CURSOR FOR SELECT range AS n FROM range(10)")
    assert cpu.run("FETCH 3 FROM c") == [(0,), (1,), (2,)]
    assert cpu.run("SELECT count(*) FROM cpu") == [(2,)]
    assert cpu.run("FETCH NEXT FROM c") == [(3,)]
    assert cpu.run("MOVE 2 FROM c") == 2
    assert cpu.run("FETCH ALL FROM c") == [(6,), (7,), (8,), (9,)]
    assert cpu.run("FETCH 1 FROM c") == []
    cpu.run("COMMIT")
    assert fails(cpu, "FETCH 1 FROM c").kind is ErrorKind.UNDEFINED_CURSOR


def test_a_held_cursor_outlives_its_transaction(cpu: Client) -> None:
    cpu.run("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT range FROM range(3); COMMIT")
    assert cpu.run("FETCH ALL FROM c") == [(0,), (1,), (2,)]


def test_prepared_statements_in_sql(cpu: Client, connect: Connect) -> None:
    cpu.run("PREPARE p AS SELECT v FROM cpu WHERE host = $1")
    assert cpu.run("EXECUTE p ('a')") == [(1.0,)]
    cpu.run("DEALLOCATE p")
    assert fails(cpu, "EXECUTE p ('a')").kind is ErrorKind.UNDEFINED_STATEMENT
    mysql = connect(Wire.MYSQL)
    mysql.run("PREPARE p FROM 'SELECT v FROM cpu WHERE host = ?'; SET @h = 'b'")
    assert mysql.run("EXECUTE p USING @h") == [(2.0,)]


def test_cancel_ends_the_running_statement(db: Client) -> None:
    later = Later(db, LONG)
    wait_until(lambda: db.session.activity.state == "active")
    db.session.cancel()
    later.end()
    assert later.error is not None
    assert later.error.kind is ErrorKind.CANCELLED
    assert db.run("SELECT 1 AS one") == [(1,)]


def test_the_statement_timeout_ends_it(db: Client) -> None:
    db.run("SET statement_timeout = '100ms'")
    assert fails(db, LONG).kind is ErrorKind.TIMEOUT
    db.session.set("statement_timeout", "0")
    assert db.run("SELECT 1 AS one") == [(1,)]


def test_a_cancel_between_statements_hits_nothing(db: Client) -> None:
    db.session.cancel()
    assert db.run("SELECT 1 AS one") == [(1,)]


@pytest.mark.parametrize(
    ("text", "kind", "at"),
    [
        ("SELECT nothing FROM cpu", ErrorKind.UNDEFINED_COLUMN, "nothing"),
        ("SELECT * FROM missing", ErrorKind.UNDEFINED_TABLE, "missing"),
        ("SELECT * FROM missing.cpu", ErrorKind.UNDEFINED_TABLE, "cpu"),
        ("SELECT nofunction(1)", ErrorKind.UNDEFINED_FUNCTION, "nofunction"),
        ("SELECT CAST('x' AS INT)", ErrorKind.INVALID_TEXT, None),
        ("SELECT 9223372036854775807 + 1", ErrorKind.OUT_OF_RANGE, None),
        ("SELECT host FROM cpu GROUP BY v", ErrorKind.GROUPING, "host"),
        ("INSERT INTO cpu (host) VALUES ('x')", ErrorKind.NOT_NULL_VIOLATION, None),
        ("INSERT INTO cpu VALUES ('x', 1)", ErrorKind.COLUMN_COUNT, None),
        ("INSERT INTO cpu (host, ts, nope) VALUES ('x', 1, 2)", ErrorKind.UNDEFINED_COLUMN, "nope"),
        ("INSERT INTO cpu VALUES ('x', 'no time', 1)", ErrorKind.INVALID_DATETIME, None),
        ("SELECT * FROM read_csv('/etc/passwd')", ErrorKind.UNDEFINED_FUNCTION, None),
        ("SELECT * FROM '/etc/passwd'", ErrorKind.UNDEFINED_TABLE, None),
        ("DROP TABLE missing", ErrorKind.UNDEFINED_TABLE, "missing"),
        ("DROP VIEW cpu", ErrorKind.WRONG_OBJECT_TYPE, None),
        (SERIES, ErrorKind.DUPLICATE_TABLE, None),
    ],
)
def test_errors_are_precise(cpu: Client, text: str, kind: ErrorKind, at: str | None) -> None:
    error = fails(cpu, text)
    assert error.kind is kind
    if at is not None:
        assert error.position == text.index(at) + 1
    assert cpu.run("SELECT count(*) FROM cpu") == [(2,)]


def test_files_of_the_machine_are_out_of_reach(cpu: Client) -> None:
    for source in ("read_parquet('/etc/*')", "read_text('/etc/passwd')", "duckdb_secrets()"):
        error = fails(cpu, f"SELECT * FROM {source}")
        assert error.kind in (ErrorKind.UNDEFINED_FUNCTION, ErrorKind.ACCESS_DENIED)


def test_settings_can_be_set_shown_and_reset(db: Client) -> None:
    db.run("SET application_name = 'x'; SET my.custom = '1'")
    assert db.run("SHOW application_name") == [("x",)]
    assert db.run("SELECT current_setting('my.custom') AS c") == [("1",)]
    db.run("RESET application_name")
    assert db.run("SHOW application_name") == [("",)]
    assert fails(db, "SET timezone = 'Nowhere/Land'").kind is ErrorKind.INVALID_ARGUMENT
    assert fails(db, "SHOW no_such_setting").kind is ErrorKind.UNDEFINED_OBJECT


def test_mysql_variables_are_answered_in_expressions(connect: Connect) -> None:
    mysql = connect(Wire.MYSQL)
    mysql.run("SET NAMES utf8mb4; SET sql_mode = concat(@@sql_mode, ',ANSI')")
    assert mysql.run("SELECT @@max_allowed_packet AS m") == [(67_108_864,)]
    assert mysql.run("SELECT @@sql_mode AS m")[0][0].endswith(",ANSI")


def test_output_names_are_those_of_the_wire(cpu: Client, connect: Connect) -> None:
    text = "SELECT count(*), v + 1, max(v) AS top, host FROM cpu GROUP BY v, host"
    assert cpu.names(text) == ["count", "?column?", "top", "host"]
    assert connect(Wire.MYSQL).names(text) == ["count(*)", "v + 1", "top", "host"]


def test_views_mean_the_same_from_any_database(cpu: Client) -> None:
    cpu.run("CREATE VIEW busy (h, load) AS SELECT host, v FROM cpu WHERE v > 1")
    cpu.run("CREATE SCHEMA other; SET search_path = other")
    assert cpu.run("SELECT * FROM public.busy") == [("b", 2.0)]
    assert cpu.names("SELECT * FROM public.busy") == ["h", "load"]


def test_serial_columns_count_up(db: Client) -> None:
    db.run("CREATE TABLE s (id SERIAL PRIMARY KEY, name TEXT)")
    db.run("INSERT INTO s (name) VALUES ('a'), ('b')")
    assert db.run("INSERT INTO s (name) VALUES ('c') RETURNING id") == [(3,)]
    db.run("DROP TABLE s")


def test_on_conflict_and_returning_on_relational_tables(db: Client) -> None:
    db.run("CREATE TABLE k (id INT PRIMARY KEY, n INT); INSERT INTO k VALUES (1, 1)")
    text = "INSERT INTO k VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET n = excluded.n RETURNING *"
    assert db.run(text) == [(1, 5)]
    assert db.run("INSERT INTO k VALUES (1, 9) ON CONFLICT DO NOTHING") == 0


def test_cte_names_hide_tables(cpu: Client) -> None:
    assert cpu.run("WITH cpu AS (SELECT 1 AS one) SELECT * FROM cpu") == [(1,)]
    assert cpu.run("WITH c AS (SELECT * FROM cpu) SELECT count(*) FROM c") == [(2,)]


def test_the_time_range_prunes_files(cpu: Client) -> None:
    cpu.run("ADMIN flush_table('cpu'); INSERT INTO cpu VALUES ('z', '2025-01-01', 1)")
    cpu.run("ADMIN flush_table('cpu')")
    plan = "\n".join(
        row[0] for row in cpu.run("EXPLAIN SELECT * FROM cpu WHERE ts >= '2025-01-01'")
    )
    assert "files: 1," in plan
    plan = "\n".join(row[0] for row in cpu.run("EXPLAIN SELECT * FROM cpu"))
    assert "files: 2," in plan
    now = "SELECT * FROM cpu WHERE ts > now() - INTERVAL '1 hour'"
    assert "files: 0," in "\n".join(row[0] for row in cpu.run(f"EXPLAIN {now}"))
    assert cpu.run("SELECT host FROM cpu WHERE ts BETWEEN '2024-12-31' AND '2025-01-01'") == [
        ("z",)
    ]


def test_reset_forgets_everything_of_the_session(cpu: Client) -> None:
    cpu.run("SET timezone = 'Asia/Tokyo'; PREPARE p AS SELECT 1; BEGIN")
    cpu.run("ROLLBACK; DISCARD ALL")
    assert cpu.run("SHOW timezone") == [("UTC",)]
    assert fails(cpu, "EXECUTE p").kind is ErrorKind.UNDEFINED_STATEMENT


def test_user_variables_stand_in_expressions(cpu: Client, connect: Connect) -> None:
    mysql = connect(Wire.MYSQL)
    assert mysql.run("SELECT @never_set") == [(None,)]
    mysql.run("SET @x = 2, @h = 'b', @d = 1.5, @y = @x + 1")
    assert mysql.run("SELECT @x + 1, @h, @d, @y") == [(3, "b", Decimal("1.5"), 3)]
    assert mysql.run("SELECT v FROM cpu WHERE host = @h") == [(2.0,)]
    mysql.run("SET @x = NULL")
    assert mysql.run("SELECT @x IS NULL") == [(True,)]
    mysql.run("SET @x = 7")
    assert mysql.run("SELECT @x") == [(7,)]
