"""EXPLAIN shows our plan nodes, in the forms that PostgreSQL's and MySQL's clients ask for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fix_database import Client

from sql.session import Wire

Connect = Callable[..., Client]


@pytest.fixture
def table(db: Client) -> Client:
    db.run("CREATE TABLE t (host STRING, ts TIMESTAMP(3) TIME INDEX, v INT, PRIMARY KEY (host))")
    db.run("INSERT INTO t VALUES ('a', 1, 1), ('b', 2, 2)")
    return db


def lines(db: Client, text: str) -> str:
    return "\n".join(str(cell) for row in db.run(text) for cell in row)


def plan(db: Client, text: str) -> dict[str, Any]:
    [(answer,)] = db.run(text)
    [found] = json.loads(answer)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("wire", list(Wire))
def test_clauses_are_nodes(table: Client, connect: Connect, wire: Wire) -> None:
    db = connect(wire)
    text = lines(db, "EXPLAIN SELECT ts, avg(v) RANGE '5s' FILL PREV FROM t ALIGN '5s' BY (host)")
    assert "RangeSelect: ALIGN '5s' BY (host); AVG(v) RANGE '5s' FILL PREV" in text
    assert "SeriesScan: public.t as t" in text
    text = lines(db, "EXPLAIN SELECT host, v FROM t LATEST ON ts PARTITION BY host")
    assert "LatestOn: LATEST ON ts PARTITION BY host" in text
    assert "SampleBy: SAMPLE BY " in lines(db, "EXPLAIN SELECT ts, avg(v) FROM t SAMPLE BY 1h")


def test_each_scan_tells_its_own_numbers(table: Client) -> None:
    text = lines(
        table,
        "EXPLAIN ANALYZE SELECT * FROM t a JOIN (SELECT * FROM t WHERE host = 'b') b USING (v)",
    )
    assert text.count("SeriesScan: public.t as ") == 2
    assert "as t, by tags: host" in text


@pytest.mark.parametrize(
    "form",
    [
        "EXPLAIN (ANALYZE, FORMAT JSON)",
        "EXPLAIN (FORMAT json, ANALYZE true)",
        "EXPLAIN ANALYZE FORMAT JSON",
    ],
)
def test_json_has_rows_and_our_nodes(table: Client, form: str) -> None:
    found = plan(table, f"{form} SELECT count(*) FROM t WHERE ts > 0")
    assert found["Plan"]["Actual Rows"] == 1
    assert "Plans" in found["Plan"]
    [scan] = found["Gnomon Nodes"]
    assert scan["Node Type"] == "SeriesScan"
    assert scan["rows in memory"] == 2
    assert "__" not in json.dumps(found["Gnomon Nodes"])


def test_mysql_asks_with_an_equals_sign(table: Client, connect: Connect) -> None:
    mysql = connect(Wire.MYSQL)
    assert mysql.names("EXPLAIN FORMAT=JSON SELECT v FROM t") == ["EXPLAIN"]
    assert plan(mysql, "EXPLAIN FORMAT=JSON SELECT v FROM t")["Gnomon Nodes"]
    assert "SeriesScan" in lines(mysql, "EXPLAIN FORMAT=TREE SELECT v FROM t")


def test_verbose_tells_the_columns_that_are_read(table: Client) -> None:
    text = lines(table, "EXPLAIN (VERBOSE) SELECT sum(v) FROM t")
    assert "columns: ts v" in text
