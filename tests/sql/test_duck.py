"""The door into DuckDB: one statement, run once, its columns known before the rows are read."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest

from engine.errors import DbError, ErrorKind
from sql.deadlines import Deadlines
from sql.run.duck import Duck


@pytest.fixture
def duck() -> Iterator[Duck]:
    connection = duckdb.connect()
    deadlines = Deadlines()
    duck = Duck(connection.cursor(), deadlines)
    yield duck
    duck.close()
    deadlines.close()
    connection.close()


def test_an_open_result_tells_names_and_types_before_its_rows(duck: Duck) -> None:
    result = duck.open("SELECT 1::DECIMAL(4, 2) AS a, $1 AS b, 'x' AS a", [7])
    assert result.names == ["a", "b", "a"]
    assert [str(type_) for type_ in result.types] == ["DECIMAL(4,2)", "INTEGER", "VARCHAR"]
    assert [batch.num_rows for batch in result] == [1]


def test_rows_stream_and_the_rest_may_be_left(duck: Duck) -> None:
    result = duck.open("SELECT * FROM range(100000000) AS r(i)")
    assert next(result).column(0)[0].as_py() == 0
    result.close()
    assert duck.is_free
    assert duck.table("SELECT 2 AS x") == pa.table({"x": pa.array([2], pa.int32())})


def test_a_statement_runs_once(duck: Duck) -> None:
    duck.execute("CREATE SEQUENCE s; CREATE TABLE t (a INT)")
    assert duck.table("SELECT nextval('s') AS n").to_pylist() == [{"n": 1}]
    assert duck.table("INSERT INTO t VALUES (5) RETURNING a").to_pylist() == [{"a": 5}]
    assert duck.execute("SELECT count(*), (SELECT nextval('s')) FROM t") == [(1, 2)]


def test_errors_while_binding_and_while_running(duck: Duck) -> None:
    with pytest.raises(DbError) as caught:
        duck.open("SELECT nothing FROM range(3)")
    assert caught.value.kind is ErrorKind.UNDEFINED_COLUMN
    with pytest.raises(DbError) as caught:
        list(
            duck.open("SELECT CASE WHEN i > 200000 THEN error('late') END FROM range(300000) r(i)")
        )
    assert "late" in caught.value.message
    assert duck.is_free


def test_an_interrupt_just_before_a_query_ends_it(duck: Duck) -> None:
    """DuckDB forgets one that comes before the query runs: it is made again."""
    duck.start()
    duck.interrupt(DbError(ErrorKind.CANCELLED, "no more"))
    with pytest.raises(DbError) as caught:
        duck.execute("SELECT sum(hash(i)) FROM range(4000000000) AS r(i)")
    assert caught.value.kind is ErrorKind.CANCELLED
    assert duck.execute("SELECT 1") == [(1,)]
    duck.finish()
