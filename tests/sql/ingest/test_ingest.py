"""Ingestion: tables and columns come as rows need them, and a batch is all or nothing."""

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
from sql.ingest.batch import IngestColumn, IngestTable
from sql.ingest.ingest import Ingest

TS = dt.TIMESTAMP_MILLISECOND


def rows(name: str, times: list[int], tags: dict[str, list[Any]], **more: Any) -> IngestTable:
    values = more.pop("values", [float(time) for time in times])
    kind = more.pop("kind", dt.FLOAT64)
    columns = [
        IngestColumn("at", TS, Semantic.TIMESTAMP, pa.array(times, TS.arrow)),
        IngestColumn("v", kind, Semantic.FIELD, pa.array(values, kind.arrow)),
        *(
            IngestColumn(tag, dt.STRING, Semantic.TAG, pa.array(found, pa.string()))
            for tag, found in tags.items()
        ),
    ]
    return IngestTable(name, tuple(columns), **more)


def test_a_missing_table_is_made(db: Client) -> None:
    assert db.session.run(Ingest([rows("t", [1, 2], {"h": ["a", "b"]})])) == 2
    assert db.run("SELECT h, v FROM t ORDER BY h") == [("a", 1.0), ("b", 2.0)]
    assert db.run("DELETE FROM t WHERE h = 'a'") == 1


def test_missing_columns_are_added_and_old_rows_have_none(db: Client) -> None:
    db.session.run(Ingest([rows("t", [1], {"h": ["a"]})]))
    db.run("CREATE VIEW seen AS SELECT * FROM t")
    db.session.run(Ingest([rows("t", [1], {"h": ["a"], "dc": ["x"]}), rows("t", [3], {})]))
    expected = [("a", "x", 1.0), ("a", None, 1.0), (None, None, 3.0)]
    assert sorted(db.run("SELECT h, dc, v FROM t"), key=str) == sorted(expected, key=str)
    assert len(db.run("SELECT h FROM seen")) == 3


def test_several_tables_and_databases_in_one_batch(db: Client) -> None:
    db.run("CREATE DATABASE other")
    db.session.run(Ingest([rows("a", [1], {}), rows("b", [1], {}, database="other")]))
    assert db.run("SELECT count(*) FROM a") == [(1,)]
    assert db.run("SELECT count(*) FROM other.b") == [(1,)]


def test_logical_tables_bring_their_physical_one(db: Client) -> None:
    options = {"on_physical_table": "phy"}
    one = rows("m", [1], {"h": ["a"]}, engine="metric", options=options)
    two = rows("n", [1], {"h": ["a"]}, engine="metric", options=options)
    db.session.run(Ingest([one, two]))
    db.session.run(Ingest([one]))
    assert db.run("SELECT h, v FROM m") == [("a", 1.0)]
    with pytest.raises(DbError) as raised:
        db.session.run(Ingest([rows("phy", [1], {})]))
    assert raised.value.kind is ErrorKind.UNSUPPORTED


def test_values_are_assigned_to_the_types_that_are_there(db: Client) -> None:
    db.run("CREATE TABLE t (at TIMESTAMP(9) TIME INDEX, v INT, h STRING DEFAULT 'd' PRIMARY KEY)")
    db.session.run(Ingest([rows("t", [1], {}, values=[7.0])]))
    assert db.run("SELECT epoch_ms(at), v, h FROM t") == [(1, 7, "d")]


def test_a_value_that_does_not_fit_writes_nothing_of_the_batch(db: Client) -> None:
    db.run("CREATE TABLE t (at TIMESTAMP TIME INDEX, v INT)")
    batch = [rows("new", [1], {}), rows("t", [1], {}, values=["x"], kind=dt.STRING)]
    with pytest.raises(DbError) as raised:
        db.session.run(Ingest(batch))
    assert raised.value.kind is ErrorKind.INVALID_TEXT
    with pytest.raises(DbError):
        db.run("SELECT * FROM new")


@pytest.mark.parametrize(
    ("table", "kind"),
    [("missing", ErrorKind.UNDEFINED_TABLE), ("there", ErrorKind.UNDEFINED_COLUMN)],
)
def test_nothing_is_made_where_it_may_not(db: Client, table: str, kind: ErrorKind) -> None:
    db.run("CREATE TABLE there (at TIMESTAMP TIME INDEX, v DOUBLE)")
    with pytest.raises(DbError) as raised:
        db.session.run(Ingest([rows(table, [1], {"h": ["a"]})], may_create=False))
    assert raised.value.kind is kind


def test_relational_tables_are_refused(db: Client) -> None:
    db.run("CREATE TABLE r (a INT)")
    with pytest.raises(DbError) as raised:
        db.session.run(Ingest([rows("r", [1], {})]))
    assert raised.value.kind is ErrorKind.WRONG_OBJECT_TYPE


def test_a_batch_inside_a_transaction_waits_for_its_end(db: Client) -> None:
    db.run("BEGIN")
    db.session.run(Ingest([rows("t", [1], {"h": ["a"]})]))
    assert db.run("SELECT h FROM t") == [("a",)]
    db.run("ROLLBACK")
    with pytest.raises(DbError):
        db.run("SELECT h FROM t")


def test_what_was_made_and_written_survives_a_restart(databases: Databases) -> None:
    first = client(databases.open())
    first.session.run(Ingest([rows("t", [1], {"h": ["a"]})]))
    first.session.run(Ingest([rows("t", [2], {"h": ["b"], "dc": ["x"]})]))
    second = client(databases.open())
    assert second.run("SELECT h, dc FROM t ORDER BY h") == [("a", None), ("b", "x")]


def test_writers_that_make_the_same_tables_at_once_all_succeed(
    connect: Callable[..., Client],
) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        session = connect().session
        try:
            for step in range(4):
                tags = {"writer": [str(number)], f"tag{step}": ["x"]}
                session.run(Ingest([rows("t", [step], tags), rows("u", [step], tags)]))
        except BaseException as error:  # noqa: BLE001 shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert connect().run("SELECT count(*) FROM t") == [(16,)]
    assert connect().run("SELECT count(*) FROM u") == [(16,)]


def test_rows_like_those_before_are_checked_all_the_same(db: Client) -> None:
    db.run("CREATE TABLE t (h STRING PRIMARY KEY, v DOUBLE NOT NULL, at TIMESTAMP(3) TIME INDEX)")
    for at in (1, 2):
        db.session.run(Ingest([rows("t", [at], {"h": ["a"]})]))
    with pytest.raises(DbError) as raised:
        db.session.run(Ingest([rows("t", [3], {"h": ["a"]}, values=[None])]))
    assert raised.value.kind is ErrorKind.NOT_NULL_VIOLATION
    assert db.run("SELECT h, v, epoch_ms(at) FROM t ORDER BY at") == [("a", 1, 1), ("a", 2, 2)]


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ("ALTER TABLE t ADD COLUMN x INT DEFAULT 5", (3.0, 5)),
        ("ALTER TABLE t MODIFY COLUMN v STRING", ("3", None)),
        ("ALTER TABLE t DROP COLUMN v", (3.0, None)),
        ("DROP TABLE t", (3.0, None)),
    ],
)
def test_rows_like_those_before_meet_a_table_that_has_changed(
    db: Client, change: str, shown: tuple[Any, ...]
) -> None:
    for at in (1, 2):
        db.session.run(Ingest([rows("t", [at], {"h": ["a"]})]))
    db.run(change)
    for at in (3, 3):
        db.session.run(Ingest([rows("t", [at], {"h": ["a"]})]))
    found = db.run("SELECT * FROM t WHERE epoch_ms(at) = 3")
    assert len(found) == 1
    assert set(found[0]) >= {one for one in shown if one is not None}
