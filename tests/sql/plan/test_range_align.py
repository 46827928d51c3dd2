"""RANGE … ALIGN queries, run on DuckDB: worked examples, refusals, and a slow obvious twin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from catalog.records import Table, TableKind
from engine.errors import DbError, ErrorKind
from sql import types
from sql.dialect.create import read_create_table
from sql.dialect.duckdb import to_duckdb
from sql.dialect.parser import parse
from sql.plan.range_align import rewrite_ranges
from sql.session import Wire

Row = tuple[object, ...]


@dataclass
class Lab:
    """A DuckDB that holds tables as the engine would, and the planner over it."""

    timezone: str = "UTC"
    tables: dict[str, Table] = field(default_factory=dict)
    duck: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)

    def create(self, text: str, rows: Sequence[Row] = ()) -> None:
        """Rows give times as ISO text or as milliseconds."""
        tree = parse(text, Wire.HTTP)[0].tree
        assert isinstance(tree, exp.Create)
        definition = read_create_table(tree)
        self.tables[definition.name] = Table(
            id=1,
            database="public",
            name=definition.name,
            kind=TableKind.TIME_SERIES,
            columns=definition.columns,
            primary_key=definition.primary_key,
        )
        columns = ", ".join(
            f"{types.quote(c.name)} {types.duckdb_name(c.type)}" for c in definition.columns
        )
        self.duck.execute(f"CREATE TABLE {types.quote(definition.name)} ({columns})")
        self.insert(definition.name, rows)

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        values = ", ".join(f"({', '.join(_literal(value) for value in row)})" for row in rows)
        if values:
            self.duck.execute(f"INSERT INTO {types.quote(table)} VALUES {values}")

    def plan(self, text: str) -> str:
        tree = parse(text, Wire.HTTP)[0].tree
        assert tree is not None
        planned = rewrite_ranges(tree, lambda node: self.tables.get(node.name), self.timezone)
        return to_duckdb(planned)

    def run(self, text: str) -> list[Row]:
        """The rows; times as text without trailing zeros."""
        relation = self.duck.sql(self.plan(text))
        return [tuple(_shown(value) for value in row) for row in relation.fetchall()]

    def names(self, text: str) -> list[str]:
        return list(self.duck.sql(self.plan(text)).columns)

    def refused(self, text: str) -> DbError:
        with pytest.raises(DbError) as caught:
            self.plan(text)
        return caught.value


def _literal(value: object) -> str:
    if isinstance(value, Milliseconds):
        return f"make_timestamp_ms({value})"
    return "NULL" if value is None else repr(value)


class Milliseconds(int):
    """A time."""


def _shown(value: object) -> object:
    return str(value) if hasattr(value, "year") else value


def at(seconds: float) -> Milliseconds:
    return Milliseconds(seconds * 1000)


def clock(seconds: int) -> str:
    """1970-01-01 plus seconds, as `_shown` writes it."""
    day, rest = divmod(seconds, 86_400)
    date = {-1: "1969-12-31", 0: "1970-01-01"}[day]
    return f"{date} {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"


HOST = "CREATE TABLE host (ts TIMESTAMP(3) TIME INDEX, host STRING PRIMARY KEY, val BIGINT)"


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


# --- Against an obvious twin ----------------------------------------------------------------------

Sample = tuple[str | None, int, int | None]  # series, time in ms, value


def twin(
    samples: list[Sample], step: int, width: int, origin: int, fill: str
) -> dict[tuple[str | None, int], float | None]:
    """sum per (series, slot), by looking at every slot and every sample."""
    result: dict[tuple[str | None, int], float | None] = {}
    for series in {sample[0] for sample in samples}:
        own = [(time, value) for name, time, value in samples if name == series]
        slots = _twin_slots([time for time, _ in own], step, width, origin)
        sums: dict[int, float | None] = {}
        for slot in slots:
            inside = [v for time, v in own if slot <= time < slot + width and v is not None]
            sums[slot] = float(sum(inside)) if inside else None
        touched = [s for s in slots if any(s <= time < s + width for time, _ in own)]
        if fill and touched:
            touched = list(range(touched[0], touched[-1] + 1, step))
        result |= {(series, slot): _twin_fill(sums, touched, slot, fill) for slot in touched}
    return result


def _twin_slots(times: list[int], step: int, width: int, origin: int) -> list[int]:
    low, high = min(times) - width, max(times)
    first = origin + (low - origin) // step * step
    return list(range(first, high + 1, step))


def _twin_fill(
    sums: dict[int, float | None], slots: list[int], slot: int, fill: str
) -> float | None:
    value = sums.get(slot)
    if value is not None or fill in ("", "NULL"):
        return value
    if fill not in ("PREV", "LINEAR"):
        return float(fill)
    before = [s for s in slots if s < slot and sums.get(s) is not None]
    if fill == "PREV":
        return sums[before[-1]] if before else None
    after = [s for s in slots if s > slot and sums.get(s) is not None]
    if not before or not after:
        return None
    low, high = sums[before[-1]], sums[after[0]]
    assert low is not None
    assert high is not None
    return low + (high - low) * (slot - before[-1]) / (after[0] - before[-1])


SAMPLES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.integers(-60_000, 60_000),
        st.one_of(st.none(), st.integers(-9, 9)),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda sample: sample[:2],
)


@pytest.fixture(scope="module")
def random_lab() -> Lab:
    made = Lab()
    made.create(HOST)
    return made


@settings(max_examples=30, deadline=None)
@given(
    samples=SAMPLES,
    step=st.sampled_from([1_000, 3_000, 7_000, 10_000, 60_000]),
    width=st.sampled_from([500, 3_000, 10_000, 25_000, 60_000]),
    origin=st.sampled_from([0, 1_500, -400, 123_456]),
    fill=st.sampled_from(["", "NULL", "PREV", "LINEAR", "42"]),
)
def test_random_queries_agree_with_the_twin(
    random_lab: Lab, samples: list[Sample], step: int, width: int, origin: int, fill: str
) -> None:
    lab = random_lab
    lab.duck.execute("TRUNCATE host")
    lab.insert("host", [(Milliseconds(time), name, value) for name, time, value in samples])
    clause = f"FILL {fill}" if fill else ""
    start = f"('1970-01-01'::TIMESTAMP + INTERVAL '{origin} milliseconds')"
    planned = lab.plan(
        f"""SELECT host, ts, sum(val) RANGE '{width}ms' {clause} FROM host
        ALIGN '{step}ms' TO {start}"""
    )
    got = lab.duck.sql(f"SELECT #1, epoch_ms(#2), #3::DOUBLE FROM ({planned})").fetchall()
    expected = twin(samples, step, width, origin, fill)
    assert len(got) == len(expected)
    assert {(row[0], row[1]): row[2] for row in got} == pytest.approx(expected, abs=1e-9)


KINDS = ("count", "sum", "min", "max", "avg", "first_value", "last_value", "median")


def twin_value(kind: str, rows: list[tuple[int, int | None]]) -> float | None:
    """An aggregate of (time, value) rows, in the plainest way."""
    values = [value for _, value in rows if value is not None]
    if kind == "count":
        return len(values)
    if kind in ("first_value", "last_value"):
        return sorted(rows)[0 if kind == "first_value" else -1][1] if rows else None
    if not values:
        return None
    middle = sorted(values)[(len(values) - 1) // 2 : len(values) // 2 + 1]
    return {
        "sum": sum(values),
        "min": min(values),
        "max": max(values),
        "avg": sum(values) / len(values),
        "median": sum(middle) / len(middle),
    }[kind]


@settings(max_examples=40, deadline=None)
@given(
    samples=SAMPLES,
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True),
    step=st.sampled_from([1_000, 2_000, 3_000, 60_000]),
    widths=st.lists(st.sampled_from([500, 3_000, 24_000, 25_500, 61_000]), min_size=3, max_size=3),
    origin=st.sampled_from([0, 1_500, -400]),
    keep=st.sampled_from(["", "FILTER (WHERE val > 0)"]),
)
def test_random_aggregates_of_several_widths_agree_with_the_twin(
    random_lab: Lab,
    samples: list[Sample],
    kinds: list[str],
    step: int,
    widths: list[int],
    origin: int,
    keep: str,
) -> None:
    lab = random_lab
    lab.duck.execute("TRUNCATE host")
    lab.insert("host", [(Milliseconds(time), name, value) for name, time, value in samples])
    asked = list(zip(kinds, widths, strict=False))
    items = ", ".join(f"{kind}(val) {keep} RANGE '{width}ms'" for kind, width in asked)
    start = f"('1970-01-01'::TIMESTAMP + INTERVAL '{origin} milliseconds')"
    planned = lab.plan(f"SELECT host, ts, {items} FROM host ALIGN '{step}ms' TO {start}")
    assert not keep or "FILTER" in planned
    columns = ", ".join(f"#{place + 3}::DOUBLE" for place in range(len(asked)))
    got = lab.duck.sql(f"SELECT #1, epoch_ms(#2), {columns} FROM ({planned})").fetchall()
    widest = max(width for _, width in asked)
    expected: dict[tuple[str | None, int], list[float | None]] = {}
    for series in {sample[0] for sample in samples}:
        own = [(time, value) for name, time, value in samples if name == series]
        for slot in _twin_slots([time for time, _ in own], step, widest, origin):
            if not any(slot <= time < slot + widest for time, _ in own):
                continue
            kept = [(t, v) for t, v in own if not keep or (v is not None and v > 0)]
            expected[series, slot] = [
                twin_value(kind, [(t, v) for t, v in kept if slot <= t < slot + width])
                for kind, width in asked
            ]
    found = {(row[0], row[1]): list(row[2:]) for row in got}
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert found[key] == pytest.approx(values), key


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
