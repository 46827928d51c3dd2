"""Flows: what is computed, when, and that nothing is forgotten."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fix_database import Client, Databases, client
from patience import wait_until

from engine.errors import DbError, ErrorKind
from sql.client_session import ClientSession
from sql.database import Database, DatabaseOptions
from sql.flows.evaluate import Evaluation
from sql.session import Wire

SOURCE = "CREATE TABLE t (host TEXT, v INT, ts TIMESTAMP TIME INDEX, PRIMARY KEY (host))"
FLOW = """CREATE FLOW f SINK TO s AS
    SELECT host, sum(v) AS total, date_bin('1 minute'::INTERVAL, ts) AS w FROM t GROUP BY host, w"""
TOTALS = "SELECT host, total, CAST(w AS TEXT) FROM s ORDER BY host, w"


@pytest.fixture
def flowing(connect: Callable[..., Client]) -> Client:
    """A session with a source and a flow over it."""
    opened = connect(Wire.HTTP)
    opened.run(SOURCE)
    opened.run(FLOW)
    return opened


def flush(db: Client, name: str = "f") -> int:
    count: int = db.run(f"ADMIN flush_flow('{name}')")[0][0]
    return count


def refusal(db: Client, text: str) -> DbError:
    with pytest.raises(DbError) as caught:
        db.run(text)
    return caught.value


def test_the_sink_is_made_from_the_query(flowing: Client) -> None:
    columns = flowing.run("DESCRIBE TABLE s")
    assert [(row[0], row[1], row[5]) for row in columns] == [
        ("host", "String", "TAG"),
        ("total", "Int64", "FIELD"),
        ("w", "TimestampMillisecond", "TIMESTAMP"),
        ("update_at", "TimestampMillisecond", "FIELD"),
    ]


def test_only_windows_that_changed_are_computed(flowing: Client) -> None:
    flowing.run(
        "INSERT INTO t VALUES ('a', 1, '2024-01-01 00:00:10'), ('b', 2, '2024-01-01 00:05:00')"
    )
    assert flush(flowing) == 2
    assert flush(flowing) == 0
    flowing.run("INSERT INTO t VALUES ('a', 5, '2024-01-01 00:00:50')")
    assert flush(flowing) == 1
    assert flowing.run(TOTALS) == [
        ("a", 6, "2024-01-01 00:00:00"),
        ("b", 2, "2024-01-01 00:05:00"),
    ]


@pytest.mark.parametrize(
    ("window", "times", "counts"),
    [
        ("date_trunc('hour', ts)", ["2024-01-01 00:59:59.999", "2024-01-01 01:00:00"], [1, 1]),
        ("date_trunc('month', ts)", ["2024-01-31 23:59:59", "2024-01-01 00:00:00"], [2]),
        ("date_trunc('year', ts)", ["1969-12-31 23:59:59", "1970-01-01 00:00:00"], [1, 1]),
        (
            "date_bin('7 seconds'::INTERVAL, ts, '2023-01-01 00:00:03')",
            ["2022-12-31 23:59:59", "2023-01-01 00:00:02"],
            [2],
        ),
        ("ts", ["2024-01-01 00:00:00", "2024-01-01 00:00:00.001"], [1, 1]),
    ],
)  # fmt: skip
def test_windows_are_whole_whatever_makes_them(
    connect: Callable[..., Client], window: str, times: list[str], counts: list[int]
) -> None:
    db = connect(Wire.HTTP)
    db.run(SOURCE)
    db.run(f"CREATE FLOW f SINK TO s AS SELECT count(*) AS n, {window} AS w FROM t GROUP BY w")
    for number, time in enumerate(times):  # each alone, so that others have to be found again
        db.run(f"INSERT INTO t VALUES ('h{number}', 1, '{time}')")
        assert flush(db) == 1
    assert [row[0] for row in db.run("SELECT n FROM s ORDER BY w")] == counts


def test_rows_that_are_deleted_change_their_window(flowing: Client) -> None:
    flowing.run(
        "INSERT INTO t VALUES ('a', 1, '2024-01-01 00:00:10'), ('a', 2, '2024-01-01 00:00:20')"
    )
    flush(flowing)
    flowing.run("DELETE FROM t WHERE ts = '2024-01-01 00:00:20'")
    assert flush(flowing) == 1
    assert flowing.run("SELECT total FROM s") == [(1,)]


def test_rows_of_a_transaction_count_when_it_commits(flowing: Client, database: Database) -> None:
    writer = client(database)
    writer.run("BEGIN")
    writer.run("INSERT INTO t VALUES ('a', 1, '2024-01-01 00:00:10')")
    assert flush(flowing) == 0
    writer.run("CREATE TABLE beside (id INT PRIMARY KEY)")  # so that both stores decide
    writer.run("COMMIT")
    assert flush(flowing) == 1


def test_a_query_without_windows_is_computed_as_a_whole(connect: Callable[..., Client]) -> None:
    db = connect(Wire.HTTP)
    db.run(SOURCE)
    db.run("INSERT INTO t VALUES ('a', 1, '2024-01-01'), ('b', 2, '2024-01-01')")
    db.run("CREATE FLOW f SINK TO s EVAL INTERVAL '1m' AS SELECT count(*) AS n FROM t")
    flush(db)
    db.run("INSERT INTO t VALUES ('c', 1, '2024-01-01')")
    flush(db)
    assert db.run("SELECT n, __ts_placeholder FROM s") == [(3, db.run("SELECT 0::TIMESTAMP")[0][0])]


def test_rows_without_aggregates_are_copied(connect: Callable[..., Client]) -> None:
    db = connect(Wire.HTTP)
    db.run(SOURCE)
    db.run("CREATE FLOW f SINK TO s AS SELECT host, v, ts FROM t WHERE v > 1")
    db.run("INSERT INTO t VALUES ('a', 1, '2024-01-01'), ('b', 2, '2024-01-02')")
    assert flush(db) == 1
    assert db.run("SELECT host, v FROM s") == [("b", 2)]


def test_promql_is_a_flow(connect: Callable[..., Client]) -> None:
    db = connect(Wire.HTTP)
    db.run("CREATE TABLE m (host TEXT, val DOUBLE, ts TIMESTAMP TIME INDEX, PRIMARY KEY (host))")
    db.run(
        "INSERT INTO m VALUES ('a', 3, now() - INTERVAL '20 seconds'),"
        " ('b', 4, now() - INTERVAL '20 seconds')"
    )
    db.run(
        "CREATE FLOW f SINK TO s EVAL INTERVAL '1m' AS"
        " TQL EVAL (now(), now(), '1m') sum(m) AS total"
    )
    assert flush(db) == 1
    assert db.run("SELECT total FROM s") == [(7.0,)]
    error = refusal(
        db, "CREATE FLOW g SINK TO u EVAL INTERVAL '1m' AS TQL EVAL (0, 10, '5s') sum(m)"
    )
    assert error.kind is ErrorKind.SYNTAX


def test_times_older_than_expire_after_are_left_alone(connect: Callable[..., Client]) -> None:
    db = connect(Wire.HTTP)
    db.run(SOURCE)
    db.run(FLOW.replace(" AS\n", " EXPIRE AFTER '1h' AS\n"))
    db.run("INSERT INTO t VALUES ('old', 1, now() - INTERVAL '2 days'), ('new', 1, now())")
    assert flush(db) == 1
    assert db.run("SELECT host FROM s") == [("new",)]


# --- Names and records ----------------------------------------------------------------------------


def test_flows_are_shown(flowing: Client) -> None:
    assert flowing.run("SHOW FLOWS") == [("f",)]
    assert flowing.run("SHOW FLOWS LIKE 'x%'") == []
    name, made = flowing.run("SHOW CREATE FLOW f")[0]
    assert name == "f"
    flowing.run("DROP FLOW f")
    flowing.run(made)
    assert flowing.run("SHOW CREATE FLOW f") == [(name, made)]
    shown = "SELECT flow_name, sink_table_name, source_table_names FROM information_schema.flows"
    assert flowing.run(shown) == [("f", "greptime.public.s", "greptime.public.t")]


def test_every_clause_is_kept(connect: Callable[..., Client]) -> None:
    db = connect(Wire.HTTP)
    db.run(SOURCE)
    db.run(
        "CREATE FLOW f SINK TO s EXPIRE AFTER '1 day' EVAL INTERVAL '5m' COMMENT 'it''s'"
        " AS SELECT count(*) AS n FROM t"
    )
    made = db.run("SHOW CREATE FLOW f")[0][1].splitlines()
    assert made[2:5] == ["EXPIRE AFTER '86400 s'", "EVAL INTERVAL '300 s'", "COMMENT 'it''s'"]
    db.run("COMMENT ON FLOW f IS NULL")
    assert "COMMENT" not in db.run("SHOW CREATE FLOW f")[0][1]


def test_names_are_taken_once(flowing: Client) -> None:
    assert refusal(flowing, FLOW).kind is ErrorKind.DUPLICATE_OBJECT
    flowing.run(FLOW.replace("FLOW f", "FLOW IF NOT EXISTS f"))
    before = flowing.run("SELECT flow_id, created_time FROM information_schema.flows")
    flowing.run(FLOW.replace("CREATE FLOW", "CREATE OR REPLACE FLOW").replace("sum", "max"))
    assert flowing.run("SELECT flow_id, created_time FROM information_schema.flows") == before
    flowing.run(
        "INSERT INTO t VALUES ('a', 1, '2024-01-01 00:00:01'), ('a', 2, '2024-01-01 00:00:02')"
    )
    flush(flowing)
    assert flowing.run("SELECT total FROM s") == [(2,)]


def test_a_dropped_flow_leaves_its_sink(flowing: Client) -> None:
    flowing.run("DROP FLOW f")
    assert refusal(flowing, "DROP FLOW f").kind is ErrorKind.UNDEFINED_OBJECT
    flowing.run("DROP FLOW IF EXISTS f")
    assert refusal(flowing, "ADMIN flush_flow('f')").kind is ErrorKind.UNDEFINED_OBJECT
    assert flowing.run("SELECT count(*) FROM s") == [(0,)]


def test_ddl_of_flows_is_undone_with_its_transaction(connect: Callable[..., Client]) -> None:
    db = connect(Wire.HTTP)
    db.run(SOURCE)
    db.run("BEGIN")
    db.run(FLOW)
    assert db.run("SHOW FLOWS") == [("f",)]
    db.run("ROLLBACK")
    assert db.run("SHOW FLOWS") == []
    assert refusal(db, "SELECT * FROM s").kind is ErrorKind.UNDEFINED_TABLE


def test_a_sink_must_fit(flowing: Client) -> None:
    flowing.run("CREATE TABLE small (total BIGINT, w TIMESTAMP TIME INDEX)")
    error = refusal(flowing, FLOW.replace("FLOW f SINK TO s", "FLOW g SINK TO small"))
    assert error.kind is ErrorKind.DATATYPE_MISMATCH
    assert error.detail is not None
    assert "not in the sink: host" in error.detail
    looping = FLOW.replace("FLOW f SINK TO s", "FLOW g SINK TO t")
    assert refusal(flowing, looping).kind is ErrorKind.INVALID_ARGUMENT


# --- What goes wrong ------------------------------------------------------------------------------


def test_a_flow_whose_table_is_gone_says_so_and_goes_on_later(flowing: Client) -> None:
    flowing.run("INSERT INTO t VALUES ('a', 1, '2024-01-01 00:00:10')")
    flowing.run("DROP TABLE s")
    assert refusal(flowing, "ADMIN flush_flow('f')").kind is ErrorKind.UNDEFINED_TABLE
    told = flowing.run("SELECT options FROM information_schema.flows")[0][0]
    assert "sink table" in told
    flowing.run(
        "CREATE TABLE s (host TEXT, total BIGINT, w TIMESTAMP TIME INDEX, PRIMARY KEY (host))"
    )
    assert flush(flowing) == 1  # nothing was forgotten
    flowing.run("DROP TABLE t")
    flowing.run(SOURCE)
    flowing.run("INSERT INTO t VALUES ('b', 7, '2024-01-01 00:00:10')")
    assert flush(flowing) == 1
    assert flowing.run(TOTALS)[-1][:2] == ("b", 7)


def test_what_was_not_computed_is_after_a_restart(databases: Databases) -> None:
    db = client(databases.open(), Wire.HTTP)
    db.run(SOURCE)
    db.run(FLOW)
    db.run("INSERT INTO t VALUES ('a', 1, '2024-01-01 00:00:10')")
    db = client(databases.open(), Wire.HTTP)
    assert flush(db) == 1
    db = client(databases.open(), Wire.HTTP)
    assert db.run(TOTALS) == [("a", 1, "2024-01-01 00:00:00")]
    assert flush(db) == 0


def test_what_was_not_computed_is_after_a_crash(flowing: Client, tmp_path: Path) -> None:
    flowing.run("INSERT INTO t VALUES ('a', 1, '2024-01-01 00:00:10')")
    flush(flowing)
    flowing.run("INSERT INTO t VALUES ('b', 1, '2024-01-01 00:02:10')")
    shutil.copytree(tmp_path / "data", tmp_path / "crashed")  # what a kill -9 would leave
    crashed = Database.open(tmp_path / "crashed", DatabaseOptions())
    try:
        db = client(crashed, Wire.HTTP)
        flush(db)
        assert db.run("SELECT host, total FROM s ORDER BY host") == [("a", 1), ("b", 1)]
    finally:
        crashed.close()


def test_what_is_to_be_computed_is_durable_before_the_rows_are(
    flowing: Client, database: Database
) -> None:
    seen: list[Any] = []
    write = database.regions.write

    def watched(writes: Any) -> None:
        cursor = database.store.cursor()
        seen.append(cursor.execute("SELECT ranges FROM __gnomon.flow_dirt").fetchall())
        cursor.close()
        write(writes)

    database.regions.write = watched  # type: ignore[method-assign]
    flowing.run("INSERT INTO t VALUES ('a', 1, '1970-01-01 00:00:10')")
    assert seen[0] == [("[[10000000000, 610000000000]]",)]


def test_writers_and_evaluations_at_once_lose_nothing(flowing: Client, database: Database) -> None:
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            writer = client(database)
            for second in range(20):
                time = f"2024-01-01 00:0{second % 4}:{second:02}"
                writer.run(f"INSERT INTO t VALUES ('w{number}', 1, '{time}')")
        except BaseException as failure:  # noqa: BLE001 - told below
            failures.append(failure)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        flush(flowing)
    for thread in threads:
        thread.join()
    flush(flowing)
    assert not failures
    assert flowing.run("SELECT sum(total), count(*) FROM s") == [(60, 12)]


def test_flows_run_by_themselves_until_dropped(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "data", DatabaseOptions(flow_refresh_seconds=0.02))
    try:
        db = client(database, Wire.HTTP)
        db.run(SOURCE)
        db.run(FLOW)
        db.run("INSERT INTO t VALUES ('a', 1, '2024-01-01 00:00:10')")
        wait_until(lambda: db.run("SELECT total FROM s") == [(1,)])
        db.run("DROP FLOW f")
        db.run("INSERT INTO t VALUES ('b', 1, '2024-01-01 00:00:10')")
        db.run("DROP TABLE s")
        db.run("DROP TABLE t")
    finally:
        database.close()


def test_times_between_times_bound_a_tql(connect: Callable[..., Client]) -> None:
    db = connect(Wire.HTTP)
    db.run("CREATE TABLE m (host TEXT, val DOUBLE, ts TIMESTAMP TIME INDEX, PRIMARY KEY (host))")
    db.run("INSERT INTO m VALUES ('a', 3, 0), ('a', 4, 5000)")
    bounds = "now() - now(), now() - (now() - '5s'::interval), '5s'"
    db.run(f"CREATE FLOW f SINK TO s EVAL INTERVAL '1m' AS TQL EVAL ({bounds}) sum(m) AS total")
    assert flush(db) == 2
    assert db.run("SELECT total FROM s ORDER BY ts") == [(3.0,), (4.0,)]


def test_a_flow_may_be_dropped_while_it_runs(flowing: Client, database: Database) -> None:
    flowing.run("INSERT INTO t VALUES ('a', 1, '2024-01-01 00:00:10')")
    evaluated = Evaluation.run

    def dropping(evaluation: Evaluation, session: ClientSession) -> int:
        client(database, Wire.HTTP).run("DROP FLOW f")
        return evaluated(evaluation, session)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evaluation, "run", dropping)
        assert flush(flowing) == 0
    assert flowing.run("SELECT count(*) FROM s") == [(0,)]
    assert refusal(flowing, "ADMIN flush_flow('f')").kind is ErrorKind.UNDEFINED_OBJECT
