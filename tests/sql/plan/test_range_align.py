"""RANGE … ALIGN queries, run on DuckDB: worked examples and refusals."""

from __future__ import annotations

import pytest
from fix_ranges import HOST, Lab, at, clock

from engine.errors import ErrorKind
from sql import types
from sql.dialect.parser import parse
from sql.plan.range_align import rewrite_ranges
from sql.session import Wire


@pytest.fixture
def lab() -> Lab:
    made = Lab()
    first = [(0, 0), (5, None), (10, 1), (15, None), (20, 2)]
    second = [(0, 3), (5, None), (10, 4), (15, None), (20, 5)]
    rows = [(at(t), host, v) for host, r in (("host1", first), ("host2", second)) for t, v in r]
    made.create(HOST, rows)
    return made


# --- Worked examples ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fill", "values"),
    [
        ("", [0, None, 1, None, 2]),
        ("FILL NULL", [0, None, 1, None, 2]),
        ("FILL PREV", [0, 0, 1, 1, 2]),
        ("FILL LINEAR", [0.0, 0.5, 1.0, 1.5, 2.0]),
        ("FILL 6", [0, 6, 1, 6, 2]),
    ],
)
def test_fill_of_aggregates_that_came_out_null(
    lab: Lab, fill: str, values: list[float | None]
) -> None:
    slots = [clock(s) for s in (0, 5, 10, 15, 20)]
    rest = "FROM host WHERE host = 'host1' ALIGN '5s'"
    own = f"SELECT ts, min(val) RANGE '5s' {fill} {rest} ORDER BY ts"
    whole = f"SELECT ts, min(val) RANGE '5s' {rest} {fill} ORDER BY ts"
    for query in (own, whole):
        assert lab.run(query) == list(zip(slots, values, strict=True))


def test_linear_gives_doubles_and_prev_keeps_the_type(lab: Lab) -> None:
    query = """SELECT min(val) RANGE '5s' FILL LINEAR, min(val) RANGE '5s' FILL PREV,
        min(val) RANGE '5s' FILL 6 FROM host ALIGN '5s'"""
    assert [str(t) for t in lab.duck.sql(lab.plan(query)).types] == ["DOUBLE", "BIGINT", "BIGINT"]


def test_missing_slots_appear_only_with_fill() -> None:
    lab = Lab()
    lab.create(HOST, [(at(t), "a", t) for t in (0, 1, 2, 15, 16, 17)])
    bare = "SELECT ts, min(val) RANGE '5s' FROM host ALIGN '5s' ORDER BY ts"
    assert lab.run(bare) == [(clock(0), 0), (clock(15), 15)]
    filled = """SELECT ts, min(val) RANGE '5s', max(val) RANGE '5s' FILL PREV FROM host
        ALIGN '5s' ORDER BY ts"""
    assert lab.run(filled) == [
        (clock(0), 0, 2),
        (clock(5), None, 2),
        (clock(10), None, 2),
        (clock(15), 15, 17),
    ]


def test_each_series_is_filled_between_its_own_ends() -> None:
    lab = Lab()
    lab.create(HOST, [(at(0), "a", 1), (at(20), "a", 2), (at(10), "b", 3), (at(10), None, 4)])
    query = "SELECT ts, host, max(val) RANGE '5s' FILL 0 FROM host ALIGN '10s' ORDER BY host, ts"
    assert lab.run(query) == [
        (clock(0), "a", 1),
        (clock(10), "a", 0),
        (clock(20), "a", 2),
        (clock(10), "b", 3),
        (clock(10), None, 4),
    ]


def test_a_longer_range_lets_a_row_land_in_several_slots() -> None:
    lab = Lab()
    lab.create(HOST, [(at(82_800), "a", 7)])  # 23:00:00
    query = "SELECT ts, min(val) RANGE '10s' FROM host ALIGN '5s' ORDER BY ts"
    assert lab.run(query) == [("1970-01-01 22:59:55", 7), ("1970-01-01 23:00:00", 7)]


def days_lab() -> Lab:
    lab = Lab()
    start = 1_672_531_200  # 2023-01-01
    hours = (23, 25)
    lab.create(HOST, [(at(start + hour * 3600), "a", hour) for hour in hours])
    return lab


def test_days_are_aligned_to_an_origin_with_an_offset() -> None:
    query = "SELECT ts, min(val) RANGE '1d' FROM host ALIGN '1d' TO '2023-01-01T00:00:00+08:00'"
    assert days_lab().run(query) == [("2023-01-01 16:00:00", 23)]


def test_a_shorter_range_leaves_gaps() -> None:
    query = "SELECT ts, min(val) RANGE '6h' FROM host ALIGN '1d' TO '2023-01-01T00:45:00'"
    assert days_lab().run(query) == [("2023-01-02 00:45:00", 25)]


def test_the_default_origin_is_midnight_in_the_session_zone() -> None:
    lab = days_lab()
    query = "SELECT ts, count(*) RANGE '1d' FROM host ALIGN '1d' ORDER BY ts"
    assert lab.run(query) == [("2023-01-01 00:00:00", 1), ("2023-01-02 00:00:00", 1)]
    for zone in ("+08:00", "Asia/Shanghai"):
        lab.timezone = zone
        assert lab.run(query) == [("2023-01-01 16:00:00", 2)]


def test_origins_may_be_expressions(lab: Lab) -> None:
    query = "SELECT ts, count(*) RANGE '10s' FROM host ALIGN '10s' TO {} BY () ORDER BY ts"
    expected = [(clock(-7), 2), (clock(3), 4), (clock(13), 4)]
    for origin in ("('1970-01-01 00:00:03'::TIMESTAMP)", "'1970-01-01T00:01:43'"):
        assert lab.run(query.format(origin)) == expected
    moving = lab.run(query.format("NOW"))
    assert sum(int(str(row[1])) for row in moving) == 10


@pytest.mark.parametrize("precision", [0, 3, 6, 9])
def test_every_precision_of_the_time_index(precision: int) -> None:
    lab = Lab()
    lab.create(
        HOST.replace("TIMESTAMP(3)", f"TIMESTAMP({precision})"),
        [(at(1), "a", 1), (at(7), "a", 2)],
    )
    planned = lab.plan("SELECT ts, sum(val) RANGE '5s' FROM host ALIGN '5s' ORDER BY ts")
    relation = lab.duck.sql(planned)
    column = lab.tables["host"].column("ts")
    assert column is not None
    assert types.from_duckdb(str(relation.types[0])) == column.type
    assert [(str(t).removesuffix(".000"), v) for t, v in relation.fetchall()] == [
        ("1970-01-01 00:00:00", 1),
        ("1970-01-01 00:00:05", 2),
    ]


# --- The SELECT list ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ("min(val) RANGE '10s' FILL PREV", "min(host.val) RANGE 10s FILL PREV"),
        ("2 * min(val) RANGE '5s'", "Int64(2) * min(host.val) RANGE 5s"),
        (
            "(min(val) + max(val)) RANGE '20s' + 1.0",
            "min(host.val) RANGE 20s + max(host.val) RANGE 20s + Float64(1)",
        ),
        ("floor(min(val) RANGE '5s')", "floor(min(host.val) RANGE 5s)"),
        ("covar(val, val) RANGE '5s'", "covar_samp(host.val,host.val) RANGE 5s"),
        ("count(*) RANGE '5s' AS n", "n"),
        ("ts", "ts"),
    ],
)
def test_output_names(lab: Lab, item: str, name: str) -> None:
    query = f"SELECT {item}, max(val) RANGE '5s' AS other FROM host ALIGN '5s'"
    assert lab.names(query) == [name, "other"]


def test_range_is_distributed_over_the_aggregates_of_an_expression(lab: Lab) -> None:
    query = """SELECT ts, (max(val) - min(val)) RANGE '20s' AS spread FROM host
        ALIGN '20s' BY () ORDER BY ts"""
    assert lab.run(query) == [(clock(0), 4), (clock(20), 3)]


def test_different_ranges_in_one_query(lab: Lab) -> None:
    query = """SELECT ts, max(val) RANGE '5s', count(*) RANGE '10s', min(val) RANGE '20s'
        FROM host ALIGN '10s' BY () ORDER BY ts"""
    assert lab.run(query) == [
        (clock(-10), None, 0, 0),
        (clock(0), 3, 4, 0),
        (clock(10), 4, 4, 1),
        (clock(20), 5, 2, 2),
    ]


def test_by_takes_expressions_and_aliases(lab: Lab) -> None:
    query = """SELECT right(host, 1) AS h, ts, count(val) RANGE '1m' FROM host
        ALIGN '1m' BY ({}) ORDER BY h"""
    expected = [("1", clock(0), 3), ("2", clock(0), 3)]
    assert lab.run(query.format("right(host, 1)")) == expected
    assert lab.run(query.format("h")) == expected


def test_table_aliases_joins_and_where(lab: Lab) -> None:
    lab.create(
        "CREATE TABLE info (ts TIMESTAMP TIME INDEX, name STRING PRIMARY KEY, room STRING)",
        [(at(0), "host1", "x"), (at(0), "host2", "y")],
    )
    query = """SELECT i.room, h.ts, sum(h.val) RANGE '1m' AS total
        FROM host AS h JOIN info AS i ON h.host = i.name WHERE h.val > 0
        ALIGN '1m' BY (i.room) ORDER BY total DESC LIMIT 1"""
    assert lab.run(query) == [("y", clock(0), 12)]


def test_first_and_last_go_by_time_unless_told_otherwise(lab: Lab) -> None:
    query = """SELECT first_value(val) RANGE '1m', last_value(val) RANGE '1m',
        last_value(val ORDER BY ts DESC) RANGE '1m' FROM host ALIGN '1m' ORDER BY 1"""
    assert lab.run(query) == [(0, 2, 0), (3, 5, 3)]


def test_having_order_and_limit_see_the_result(lab: Lab) -> None:
    query = """SELECT host, ts, max(val) RANGE '10s' AS m FROM host ALIGN '10s'
        HAVING max(val) RANGE '10s' > 1 ORDER BY max(val) RANGE '10s' DESC, host LIMIT 2"""
    assert lab.run(query) == [("host2", clock(20), 5), ("host2", clock(10), 4)]


@pytest.mark.parametrize(
    "source",
    [
        "(SELECT ts, host, val FROM host) AS tmp",
        "(SELECT * FROM host WHERE true) tmp",
        "(SELECT ts AS t, host, val FROM (SELECT * FROM host)) AS tmp",
    ],
)
def test_derived_tables_pass_the_time_index_on(lab: Lab, source: str) -> None:
    time = "t" if "AS t," in source else "ts"
    query = f"""SELECT {time} AS slot, tmp.host, sum(tmp.val) RANGE '1m' FROM {source}
        ALIGN '1m' BY (tmp.host) ORDER BY host"""
    assert lab.run(query) == [(clock(0), "host1", 3), (clock(0), "host2", 12)]


def test_range_queries_nest_and_stand_in_ctes(lab: Lab) -> None:
    query = """WITH fine AS (
            SELECT ts, host, sum(val) RANGE '10s' AS s FROM host ALIGN '10s'
        )
        SELECT ts, max(s) RANGE '1m' AS m FROM fine ALIGN '1m' BY ()"""
    assert lab.run(query) == [(clock(0), 5)]
    union = "SELECT count(*) RANGE '1m' FROM host ALIGN '1m' UNION ALL SELECT 7 ORDER BY 1"
    assert lab.run(union) == [(5,), (5,), (7,)]


def test_queries_without_align_stay_as_they_are(lab: Lab) -> None:
    tree = parse("SELECT max(val) FROM host", Wire.HTTP)[0].tree
    assert tree is not None
    assert rewrite_ranges(tree, lambda _: None, "UTC") is tree


# --- Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ("SELECT min(val) RANGE 'not_time' FROM host ALIGN '5s'",
         ErrorKind.SYNTAX, "not a valid duration string: not_time"),
        ("SELECT min(val) RANGE '5s' FROM host ALIGN 'not_time'",
         ErrorKind.SYNTAX, "not a valid duration string: not_time"),
        ("SELECT min(val) FROM host ALIGN '5s'",
         ErrorKind.SYNTAX, "no RANGE keyword found in any SelectItem"),
        ("SELECT min(val) RANGE '10s', max(val) FROM host ALIGN '5s'",
         ErrorKind.GROUPING, 'No field named "max(host.val)"'),
        ("SELECT min(val) * 2 RANGE '10s' FROM host ALIGN '5s'",
         ErrorKind.SYNTAX, "Can't use the RANGE keyword in Expr 2 without function"),
        ("SELECT min(val) RANGE '5s' FILL PREV FROM host",
         ErrorKind.SYNTAX, "ALIGN argument cannot be omitted in the range select query"),
        ("SELECT min(t.val) RANGE '5s' FROM (SELECT ts, val FROM host) AS t ALIGN '5s'",
         ErrorKind.SYNTAX, "Cannot infer default BY columns from derived range query input"),
        ("SELECT min(max(val) RANGE '20s') RANGE '20s' FROM host ALIGN '10s'",
         ErrorKind.SYNTAX, "Nest Range Query is not allowed"),
        ("SELECT rank() OVER (ORDER BY ts) RANGE '10s' FROM host ALIGN '5s'",
         ErrorKind.SYNTAX, "Window functions is not allowed in Range Query"),
        ("SELECT min(val) RANGE '5s' FROM host ALIGN '5s' FILL 3.0",
         ErrorKind.PLAN, "3.0 is not a valid fill option, fail to convert to a const value"),
        ("SELECT avg(val) RANGE '5s' FILL 'x' FROM host ALIGN '5s'",
         ErrorKind.PLAN, "'x' is not a valid fill option"),
        ("SELECT avg(val) RANGE '5s' FILL sometimes FROM host ALIGN '5s'",
         ErrorKind.PLAN, "it is not a constant"),
        ("SELECT min(host) RANGE '5s' FILL LINEAR FROM host ALIGN '5s'",
         ErrorKind.PLAN, "FILL LINEAR is for numbers"),
        ("SELECT min(val) RANGE '5s' FROM host ALIGN '0s'",
         ErrorKind.PLAN, "duration must be greater than 0"),
        ("SELECT min(val) RANGE (INTERVAL '0' day) FROM host ALIGN '5s'",
         ErrorKind.PLAN, "duration must be greater than 0"),
        ("SELECT min(val) RANGE (INTERVAL '1 month') FROM host ALIGN '5s'",
         ErrorKind.PLAN, "Illegal argument"),
        ("SELECT val, min(val) RANGE '5s' FROM host ALIGN '5s'",
         ErrorKind.GROUPING, 'column "val" must appear in the BY clause'),
        ("SELECT *, min(val) RANGE '5s' FROM host ALIGN '5s'", ErrorKind.GROUPING, "SELECT *"),
        ("SELECT min(val) RANGE '5s' FROM host GROUP BY host ALIGN '5s'",
         ErrorKind.SYNTAX, "GROUP BY"),
        ("SELECT min(val) RANGE '365d' FROM host ALIGN '1s'",
         ErrorKind.LIMIT_EXCEEDED, "windows"),
        ("SELECT min(x) RANGE '5s' FROM (SELECT 1 AS x) AS t ALIGN '5s' BY ()",
         ErrorKind.PLAN, "no time index"),
        ("SELECT min(val) RANGE '5s' FROM host ALIGN '5s' TO 'yesterday'",
         ErrorKind.INVALID_DATETIME, "yesterday"),
    ],
)  # fmt: skip
def test_refused(lab: Lab, query: str, kind: ErrorKind, words: str) -> None:
    error = lab.refused(query)
    assert error.kind is kind
    assert words in error.message


def test_a_table_without_tags_needs_by() -> None:
    lab = Lab()
    lab.create("CREATE TABLE m (ts TIMESTAMP TIME INDEX, v BIGINT)", [(at(1), 2)])
    assert lab.refused("SELECT sum(v) RANGE '5s' FROM m ALIGN '5s'").kind is ErrorKind.SYNTAX
    assert lab.run("SELECT ts, sum(v) RANGE '5s' FROM m ALIGN '5s' BY ()") == [(clock(0), 2)]


def test_panes_serve_windows_that_overlap_often(lab: Lab) -> None:
    query = "SELECT ts, {} RANGE '{}' AS x FROM host ALIGN '1s' BY () ORDER BY ts"
    for aggregate in ("sum(val)", "count(*)", "avg(val)", "last_value(val)", "max(val + 1)"):
        assert "__pane" in lab.plan(query.format(aggregate, "10s"))
    for aggregate, width in (
        ("sum(val)", "5s"),
        ("median(val)", "10s"),
        ("count(DISTINCT val)", "10s"),
        ("last_value(val ORDER BY val)", "10s"),
        ("sum(val)", "10001ms"),
    ):
        assert "__pane" not in lab.plan(query.format(aggregate, width))
