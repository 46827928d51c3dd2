"""SAMPLE BY, LATEST ON, ASOF and LT JOIN: text to nodes and back, in every dialect."""

from __future__ import annotations

import pytest
from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.dialect.dialects import to_sql
from sql.dialect.parser import parse
from sql.session import Wire

WIRES = (Wire.POSTGRES, Wire.MYSQL, Wire.HTTP)


def tree_of(text: str, wire: Wire) -> exp.Expr:
    tree = parse(text, wire)[0].tree
    assert tree is not None
    return tree


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "text",
    [
        "SELECT ts, avg(v) FROM t SAMPLE BY 1h",
        "SELECT ts, avg(v) FROM t AS x WHERE a = 1 SAMPLE BY 15m FILL(PREV, NULL, 5, LINEAR, NONE)",
        "SELECT avg(v) FROM t SAMPLE BY 1M FROM '2020-01-01' TO '2021-01-01' FILL(LINEAR)",
        "SELECT avg(v) FROM t SAMPLE BY 1h ALIGN TO FIRST OBSERVATION ORDER BY 1 LIMIT 3",
        "SELECT avg(v) FROM t SAMPLE BY 1h ALIGN TO CALENDAR",
        "SELECT avg(v) FROM t SAMPLE BY 1h ALIGN TO CALENDAR TIME ZONE 'Europe/Berlin'",
        "SELECT avg(v) FROM t SAMPLE BY 1h ALIGN TO CALENDAR WITH OFFSET '00:30'",
        "SELECT avg(v) FROM t SAMPLE BY 1d ALIGN TO CALENDAR TIME ZONE 'UTC' WITH OFFSET '00:30'",
        "SELECT avg(v) FROM (SELECT * FROM t) SAMPLE BY '5s'",
        "SELECT * FROM t WHERE x > 1 LATEST ON ts PARTITION BY a, b ORDER BY a LIMIT 1",
        "SELECT * FROM t LATEST BY a",
        "SELECT * FROM a AS x LT JOIN b AS y ON (k) WHERE 1 = 1",
        "SELECT * FROM a ASOF JOIN b ON (k) TOLERANCE 2m LEFT JOIN c ON c.k = a.k",
        "SELECT * FROM a ASOF JOIN b",
    ],
)
def test_round_trip(text: str, wire: Wire) -> None:
    tree = tree_of(text, wire)
    assert tree_of(to_sql(tree, wire), wire) == tree


@pytest.mark.parametrize("wire", WIRES)
def test_the_parts_of_a_clause(wire: Wire) -> None:
    tree = tree_of("SELECT avg(v) FROM t SAMPLE BY 90s FILL(PREV, 1)", wire)
    clause = tree.args["sample_by"]
    assert isinstance(clause, nodes.SampleBy)
    assert clause.name == "90s"
    assert [fill.name for fill in clause.expressions] == ["PREV", "1"]
    latest = tree_of("SELECT * FROM t LATEST ON ts PARTITION BY a", wire).args["latest_on"]
    assert isinstance(latest, nodes.LatestOn)
    assert latest.this.name == "ts"


@pytest.mark.parametrize("wire", WIRES)
def test_the_words_are_no_keywords(wire: Wire) -> None:
    tree = tree_of("SELECT latest, sample.lt, tolerance FROM lt AS latest, t sample, x lt", wire)
    assert isinstance(tree, exp.Select)
    assert [item.name for item in tree.expressions] == ["latest", "lt", "tolerance"]
    assert tree.args["joins"][1].alias_or_name == "lt"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("SELECT avg(v) FROM t SAMPLE BY h", '"h"'),
        ("SELECT avg(v) FROM t SAMPLE BY 1h ALIGN TO MOON", '"MOON"'),
        ("SELECT avg(v) FROM t SAMPLE BY 1h FILL PREV", '"PREV"'),
        ("SELECT * FROM t LATEST ON 5 PARTITION BY a", '"PARTITION BY"'),
        ("SELECT * FROM t LATEST ON ts", "end of input"),
    ],
)
def test_syntax_errors_point_at_the_word(text: str, near: str, wire: Wire) -> None:
    with pytest.raises(DbError) as caught:
        parse(text, wire)
    assert caught.value.kind is ErrorKind.SYNTAX
    assert near in caught.value.message
    assert caught.value.position is not None


def test_double_quoted_words_in_by_are_names_on_mysql() -> None:
    text = """SELECT avg(v) RANGE '5s' FROM t ALIGN '5s' BY ("a", upper("b"), 'c')"""
    by = tree_of(text, Wire.MYSQL).args["align"].expressions
    assert by[0] == exp.column("a", quoted=True)
    assert [item.key for item in by[1:]] == ["upper", "literal"]
