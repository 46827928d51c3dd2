"""Roles: PromQL reads, and agents write, what the role may read and write."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest
from fix_database import Client

from engine import datatypes as dt
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from sql.ingest.batch import IngestColumn, IngestTable
from sql.ingest.ingest import Ingest
from sql.promql.tasks import LabelValues


@pytest.fixture
def reader(db: Client, connect: Callable[..., Client]) -> Client:
    db.run("CREATE ROLE reader; CREATE SCHEMA other")
    for name in ("open", "secret"):
        db.run(f"CREATE TABLE {name} (ts TIMESTAMP TIME INDEX, v DOUBLE)")
        db.run(f"INSERT INTO {name} VALUES (0, 1)")
    db.run("GRANT SELECT ON open TO reader")
    return connect(user="reader")


def denied(call: Callable[[], object]) -> None:
    with pytest.raises(DbError) as raised:
        call()
    assert raised.value.kind is ErrorKind.ACCESS_DENIED


def rows(name: str, tag: str | None = None) -> Ingest:
    moments = pa.array([5], dt.TIMESTAMP_MILLISECOND.arrow)
    columns = [
        IngestColumn("ts", dt.TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, moments),
        IngestColumn("v", dt.FLOAT64, Semantic.FIELD, pa.array([2.0])),
    ]
    if tag is not None:
        columns.append(IngestColumn(tag, dt.STRING, Semantic.TAG, pa.array(["x"])))
    return Ingest([IngestTable(name, tuple(columns))])


def test_promql_reads_what_the_role_may_select(reader: Client) -> None:
    assert [row[1] for row in reader.run("TQL EVAL (0, 0, '1s') open")] == [1.0]
    with_query = "WITH c AS (TQL EVAL (0, 0, '1s') {}) SELECT v FROM c"
    assert reader.run(with_query.format("open")) == [(1.0,)]
    denied(lambda: reader.run("TQL EVAL (0, 0, '1s') secret"))
    denied(lambda: reader.run("TQL EXPLAIN (0, 0, '1s') open + secret"))
    denied(lambda: reader.run(with_query.format("open or secret")))


def test_other_metrics_do_not_show(reader: Client, db: Client) -> None:
    every = "WITH c AS (TQL EVAL (0, 0, '1s') count({__name__=~\".+\"}) AS n) SELECT n FROM c"
    assert reader.run(every) == [(1,)]
    assert db.run(every) == [(2,)]
    names = LabelValues("__name__", (), 0, 0)
    assert reader.session.run(names) == ["open"]
    assert db.session.run(names) == ["open", "secret"]


def test_rows_of_agents_need_what_an_insert_needs(reader: Client, db: Client) -> None:
    denied(lambda: reader.session.run(rows("open")))
    denied(lambda: reader.session.run(rows("new")))
    db.run("GRANT INSERT ON open TO reader")
    assert reader.session.run(rows("open")) == 1
    denied(lambda: reader.session.run(rows("open", "tag")))
    db.run("GRANT CREATE ON SCHEMA public TO reader")
    assert reader.session.run(rows("new")) == 1
    assert reader.session.run(rows("new", "tag")) == 1
