"""Logical tables in a series store keep what was written: over restarts, in transactions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from fix_database import Client, Databases, client

from engine import datatypes as dt
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from server.doctor import examine
from sql.database import Database
from sql.ingest.batch import IngestColumn, IngestTable
from sql.ingest.ingest import Ingest
from sql.ingest.metrics import HISTOGRAM

TS = dt.TIMESTAMP_MILLISECOND


def make(db: Client, *names: str) -> None:
    db.run(
        "CREATE TABLE phy (ts TIMESTAMP TIME INDEX, val DOUBLE)"
        " ENGINE=metric WITH (physical_metric_table = '')"
    )
    for name in names:
        db.run(
            f"CREATE TABLE {name} (ts TIMESTAMP TIME INDEX, val DOUBLE, host STRING PRIMARY KEY)"
            " ENGINE=metric WITH (on_physical_table = 'phy')"
        )


def samples(name: str, hosts: list[str], times: list[int], **more: Any) -> IngestTable:
    columns = [
        IngestColumn("ts", TS, Semantic.TIMESTAMP, pa.array(times, TS.arrow)),
        IngestColumn("val", dt.FLOAT64, Semantic.FIELD, pa.array([float(t) for t in times])),
        IngestColumn("host", dt.STRING, Semantic.TAG, pa.array(hosts)),
        *more.pop("columns", ()),
    ]
    options = {"on_physical_table": "phy"}
    return IngestTable(name, tuple(columns), engine="metric", options=options, **more)


def test_rows_are_there_after_a_restart_and_series_go_on(databases: Databases) -> None:
    db = client(databases.open())
    make(db, "cpu", "mem")
    db.run("INSERT INTO cpu (host, ts, val) VALUES ('a', 1, 1), ('b', 1, 2)")
    db.run("INSERT INTO mem (host, ts, val) VALUES ('a', 1, 3)")
    db.run("ADMIN flush_table('phy')")
    db.run("INSERT INTO cpu (host, ts, val) VALUES ('c', 1, 4)")
    db = client(databases.open())
    db.run("INSERT INTO cpu (host, ts, val) VALUES ('d', 1, 5), ('a', 2, 6)")
    expected = [("a", 1.0), ("a", 6.0), ("b", 2.0), ("c", 4.0), ("d", 5.0)]
    assert db.run("SELECT host, val FROM cpu ORDER BY host, val") == expected
    assert db.run("SELECT host, val FROM mem") == [("a", 3.0)]
    db = client(databases.open())
    assert db.run("SELECT host, val FROM cpu ORDER BY host, val") == expected


def test_a_transaction_sees_its_own_rows_and_leaves_none_when_rolled_back(
    db: Client, connect: Callable[..., Client]
) -> None:
    make(db, "cpu")
    other = connect()
    db.run("BEGIN")
    db.run("INSERT INTO cpu (host, ts, val) VALUES ('a', 1, 1), ('b', 1, 2)")
    db.run("SAVEPOINT s")
    db.run("DELETE FROM cpu WHERE host = 'a'")
    assert db.run("SELECT host FROM cpu") == [("b",)]
    db.run("ROLLBACK TO s")
    assert db.run("SELECT count(*) FROM cpu") == [(2,)]
    assert other.run("SELECT count(*) FROM cpu") == [(0,)]
    db.run("ROLLBACK")
    assert db.run("SELECT count(*) FROM cpu") == [(0,)]
    db.run("BEGIN; INSERT INTO cpu (host, ts, val) VALUES ('a', 1, 1); COMMIT")
    assert other.run("SELECT host, val FROM cpu") == [("a", 1.0)]


def test_truncate_and_insert_in_one_transaction(db: Client) -> None:
    make(db, "cpu")
    db.run("INSERT INTO cpu (host, ts, val) VALUES ('a', 1, 1)")
    db.run("BEGIN")
    db.run("INSERT INTO cpu (host, ts, val) VALUES ('b', 1, 2)")
    db.run("TRUNCATE cpu")
    assert db.run("SELECT count(*) FROM cpu") == [(0,)]
    db.run("INSERT INTO cpu (host, ts, val) VALUES ('c', 1, 3)")
    db.run("COMMIT")
    assert db.run("SELECT host FROM cpu") == [("c",)]
    db.run("BEGIN; TRUNCATE cpu; ROLLBACK")
    assert db.run("SELECT host FROM cpu") == [("c",)]


def test_a_change_based_on_rows_that_were_changed_meanwhile_is_refused(
    db: Client, connect: Callable[..., Client]
) -> None:
    make(db, "cpu")
    db.run("INSERT INTO cpu (host, ts, val) VALUES ('a', 1, 1)")
    db.run("BEGIN")
    db.run("UPDATE cpu SET val = val + 1 WHERE host = 'a'")
    connect().run("INSERT INTO cpu (host, ts, val) VALUES ('a', 1, 10)")
    with pytest.raises(DbError) as raised:
        db.run("COMMIT")
    assert raised.value.kind is ErrorKind.SERIALIZATION_FAILURE
    assert db.run("SELECT val FROM cpu") == [(10.0,)]


def test_counting_up_from_many_sessions_loses_nothing(
    db: Client, connect: Callable[..., Client]
) -> None:
    make(db, "cpu")
    db.run("INSERT INTO cpu (host, ts, val) VALUES ('a', 1, 0)")

    def count() -> None:
        mine = connect()
        for _ in range(10):
            mine.run("UPDATE cpu SET val = val + 1 WHERE host = 'a'")

    together([count] * 3)
    assert db.run("SELECT val FROM cpu") == [(30.0,)]


def test_writers_of_the_same_new_series_agree(db: Client, connect: Callable[..., Client]) -> None:
    make(db, "cpu")
    hosts = [f"h{n}" for n in range(2_000)]

    def writer(number: int) -> Callable[[], None]:
        def write() -> None:
            mine = connect()
            for begin in range(0, 2_000, 200):
                part = hosts[begin : begin + 200]
                mine.session.run(Ingest([samples("cpu", part, [number] * 200)]))

        return write

    together([writer(number) for number in range(4)])
    assert db.run("SELECT count(*), count(DISTINCT host) FROM cpu") == [(8_000, 2_000)]
    counts = db.run("SELECT count(*) FROM (SELECT host FROM cpu GROUP BY host HAVING count(*) = 4)")
    assert counts == [(2_000,)]


def test_a_tag_that_is_renamed_keeps_its_values(db: Client) -> None:
    make(db, "cpu")
    db.run("INSERT INTO cpu (host, ts, val) VALUES ('a', 1, 1)")
    db.run("ALTER TABLE cpu RENAME COLUMN host TO node")
    db.run("INSERT INTO cpu (node, ts, val) VALUES ('a', 2, 2), ('b', 1, 3)")
    assert db.run("SELECT node, val FROM cpu ORDER BY val") == [("a", 1), ("a", 2), ("b", 3)]
    assert db.run("SELECT val FROM cpu WHERE node = 'b'") == [(3.0,)]


def test_histograms_get_a_column_when_the_first_one_comes(databases: Databases) -> None:
    db = client(databases.open())
    db.session.run(Ingest([samples("plain", ["a"], [1])]))
    histogram = IngestColumn(HISTOGRAM, dt.BINARY, Semantic.FIELD, pa.array([b"x"]))
    db.session.run(Ingest([samples("plain", ["a"], [2], columns=[histogram])]))
    db.session.run(Ingest([samples("fresh", ["a"], [3], columns=[histogram])]))
    db.session.run(Ingest([samples("other", ["a"], [4])]))
    text = f"SELECT val, {HISTOGRAM} FROM plain ORDER BY ts"
    for _ in range(2):
        assert db.run(text) == [(1.0, None), (2.0, b"x")]
        assert db.run(f"SELECT {HISTOGRAM} FROM fresh") == [(b"x",)]
        assert db.run("SELECT * EXCLUDE (ts) FROM other") == [("a", 4.0)]
        db = client(databases.open())


def test_metrics_of_old_physical_tables_keep_their_own_regions(db: Client) -> None:
    db.run(
        "CREATE TABLE phy (ts TIMESTAMP TIME INDEX, val DOUBLE, host STRING PRIMARY KEY)"
        " PARTITION ON COLUMNS (host) (host < 'm', host >= 'm')"
        " ENGINE=metric WITH (physical_metric_table = '')"
    )
    db.session.run(Ingest([samples("cpu", ["a", "z"], [1, 2])]))
    assert db.run("SELECT host, val FROM cpu ORDER BY host") == [("a", 1.0), ("z", 2.0)]


def test_the_doctor_finds_a_store_sound(databases: Databases) -> None:
    db = client(databases.open())
    make(db, "cpu")
    db.run("INSERT INTO cpu (host, ts, val) VALUES ('a', 1, 1)")
    db.run("ADMIN flush_table('phy')")
    databases.close()
    assert not examine(databases.directory).findings


def together(calls: list[Callable[[], None]]) -> None:
    """Runs all at once. Raises: what one of them raised."""
    errors: list[BaseException] = []

    def run(call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_a_physical_table_shows_all_rows_with_all_labels(db: Client) -> None:
    make(db)
    assert db.run("SELECT * FROM phy") == []
    for name, tags in (("one", "host, dc"), ("two", "host, pod")):
        columns = ", ".join(f"{tag} STRING" for tag in tags.split(", "))
        db.run(
            f"CREATE TABLE {name} (ts TIMESTAMP TIME INDEX, val DOUBLE, {columns},"
            f" PRIMARY KEY ({tags})) ENGINE=metric WITH (on_physical_table = 'phy')"
        )
    db.run("INSERT INTO one (ts, val, host, dc) VALUES (1, 1, 'a', 'x'), (2, 2, 'b', NULL)")
    db.run("INSERT INTO two (ts, val, host, pod) VALUES (1, 10, 'a', 'p')")
    shown = ["ts", "val", "__table_id", "__tsid", "dc", "host", "pod"]
    assert db.names("SELECT * FROM phy") == shown
    rows = [(1.0, "a", "x", None), (2.0, "b", None, None), (10.0, "a", None, "p")]
    assert db.run("SELECT val, host, dc, pod FROM phy ORDER BY val") == rows
    some = "SELECT val, host, dc, pod FROM phy WHERE {} ORDER BY val"
    assert db.run(some.format("host = 'a'")) == [rows[0], rows[2]]
    assert db.run(some.format("pod = 'p' AND host = 'a'")) == [rows[2]]
    assert db.run(some.format("dc IS NULL")) == rows[1:]
    assert db.run("SELECT count(DISTINCT __table_id), count(DISTINCT __tsid) FROM phy") == [(2, 3)]
    db.run("ADMIN flush_table('one')")
    db.run("DELETE FROM one WHERE ts < 2")
    assert db.run("SELECT val FROM phy ORDER BY val") == [(2.0,), (10.0,)]
    assert db.run("SELECT count(*) FROM phy") == [(2,)]


def test_flushing_and_merging_a_logical_table_does_so_for_its_store(
    db: Client, database: Database
) -> None:
    make(db, "cpu", "mem")
    table = db.session.lookup("public", "phy")
    assert table is not None
    samples = table.region_ids[0]
    for n in range(3):
        db.run(f"INSERT INTO cpu (host, ts, val) VALUES ('a', {n}, 1)")
        db.run("ADMIN flush_table('cpu')")
        assert database.regions.statistics(samples).memtable_rows == 0
    db.run("ADMIN compact_table('mem')")
    assert database.regions.statistics(samples).files == 1
    db.run("DELETE FROM cpu WHERE ts >= 1 AND ts < 2")
    assert db.run("SELECT ts FROM cpu ORDER BY ts") == db.run(
        "SELECT ts FROM (VALUES (CAST(0 AS TIMESTAMP(3))), (CAST(2 AS TIMESTAMP(3)))) AS t(ts)"
    )
