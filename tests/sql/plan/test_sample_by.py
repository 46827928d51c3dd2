"""SAMPLE BY, LATEST ON, ASOF and LT JOIN as QuestDB writes them, and slow obvious twins of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from fix_database import Client, client
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import DbError, ErrorKind
from sql.database import Database, DatabaseOptions
from sql.session import Wire

START = datetime.fromisoformat("2024-01-01")
TABLE = "CREATE TABLE {} (ts TIMESTAMP(3) TIME INDEX, host STRING PRIMARY KEY, v DOUBLE)"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = Database.open(tmp_path_factory.mktemp("samples"), DatabaseOptions())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def lab(shared: Database) -> Client:
    made = client(shared)
    for table in ("m", "q", "left_rows", "right_rows"):
        made.run(TABLE.format(table))
    rows = [(10, "a", 1), (50, "a", 3), (190, "a", 7), (70, "b", 5), (140, "b", None)]
    insert(made, "m", [(minutes * 60, host, v) for minutes, host, v in rows])
    insert(made, "q", [(0, "a", 100), (50 * 60, "a", 200), (140 * 60, "b", 300)])
    return made


def insert(made: Client, table: str, rows: list[Any]) -> None:
    if rows:
        values = ", ".join(
            f"('{START + timedelta(seconds=t)}', '{host}', {'NULL' if v is None else v})"
            for t, host, v in rows
        )
        made.run(f"INSERT INTO {table} VALUES {values}")


def minutes(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Times as minutes since START."""
    return [
        tuple((x - START) / timedelta(minutes=1) if isinstance(x, datetime) else x for x in row)
        for row in rows
    ]


# --- SAMPLE BY ------------------------------------------------------------------------------------


def test_plain_columns_name_the_series_and_rows_come_by_time(lab: Client) -> None:
    found = minutes(lab.run("SELECT ts, host, avg(v) FROM m SAMPLE BY 1h"))
    assert found == [(0, "a", 2), (60, "b", 5), (120, "b", None), (180, "a", 7)]


def test_each_fill_has_its_column(lab: Client) -> None:
    query = "SELECT ts, host, avg(v), count(), max(v) FROM m SAMPLE BY 1h FILL(PREV, 0, LINEAR)"
    found = minutes(lab.run(query.replace("count()", "count(*)")))
    assert [row for row in found if row[1] == "a"] == [
        (0, "a", 2, 2, 3),
        (60, "a", 2, 0, 3 + 4 / 3),
        (120, "a", 2, 0, 3 + 8 / 3),
        (180, "a", 7, 1, 7),
    ]
    assert [row for row in found if row[1] == "b"] == [
        (0, "b", None, 0, None),
        (60, "b", 5, 1, 5),
        (120, "b", 5, 1, None),
        (180, "b", 5, 0, None),
    ]


def test_one_fill_is_for_all_and_none_fills_nothing(lab: Client) -> None:
    where = "FROM m WHERE host = 'a' SAMPLE BY 1h"
    assert len(lab.run(f"SELECT ts, avg(v), max(v) {where} FILL(NONE)")) == 2
    found = lab.run(f"SELECT avg(v), max(v) {where} FILL(NULL)")
    assert found == [(2, 3), (None, None), (None, None), (7, 7)]


def test_first_observation(lab: Client) -> None:
    query = "SELECT ts, sum(v) FROM m WHERE host = 'a' SAMPLE BY 1h FILL(0)"
    found = minutes(lab.run(f"{query} ALIGN TO FIRST OBSERVATION"))
    assert found == [(10, 4), (70, 0), (130, 0), (190, 7)]


@pytest.mark.parametrize(
    ("align", "starts"),
    [
        ("", ["2023-12-31 00:00", "2024-01-01 00:00"]),
        ("ALIGN TO CALENDAR WITH OFFSET '02:00'", ["2023-12-31 02:00", "2024-01-01 02:00"]),
        ("ALIGN TO CALENDAR WITH OFFSET '-00:30'", ["2023-12-31 23:30", "2024-01-01 23:30"]),
        ("ALIGN TO CALENDAR TIME ZONE 'Europe/Berlin'", ["2023-12-31 23:00", "2024-01-01 23:00"]),
        ("ALIGN TO CALENDAR TIME ZONE '+05:30'", ["2023-12-31 18:30", "2024-01-01 18:30"]),
        ("ALIGN TO CALENDAR TIME ZONE 'Europe/Berlin' WITH OFFSET '01:00'",
         ["2023-12-31 00:00", "2024-01-01 00:00"]),
    ],
)  # fmt: skip
def test_calendars(lab: Client, align: str, starts: list[str]) -> None:
    query = f"""SELECT ts, count(*) FROM m
        SAMPLE BY 1d FROM '2023-12-31 23:30:00' TO '2024-01-01 23:40:00' FILL(0) {align}"""
    found = [f"{ts:%Y-%m-%d %H:%M}" for ts, _ in lab.run(query)]
    assert found == starts
    assert sum(n for _, n in lab.run(query)) == 5


@pytest.mark.parametrize(
    ("width", "starts"),
    [
        ("1M", ["2023-12-01", "2024-01-01"]),
        ("1y", ["2023-01-01", "2024-01-01"]),
        ("1w", ["2023-12-25", "2024-01-01"]),
        ("'1 month'", ["2023-12-01", "2024-01-01"]),
        ("1d", ["2023-12-31", "2024-01-01"]),
    ],
)
def test_widths(lab: Client, width: str, starts: list[str]) -> None:
    query = (
        f"SELECT ts, count(*) FROM m SAMPLE BY {width} FROM '2023-12-31' TO '2024-01-02' FILL(0)"
    )
    assert [f"{ts:%Y-%m-%d}" for ts, _ in lab.run(query)] == starts


@pytest.mark.parametrize(("width", "count"), [("1s", 4), ("500T", 4), ("1m", 4), ("4U", 4)])
def test_small_widths(lab: Client, width: str, count: int) -> None:
    query = f"SELECT ts, count(*) FROM m WHERE v IS NOT NULL SAMPLE BY {width}"
    assert len(lab.run(query)) == count


def test_expressions_aliases_order_and_mysql(shared: Database, lab: Client) -> None:
    mysql = client(shared, Wire.MYSQL)
    query = """SELECT upper(x.host) AS h, x.ts AS time, round(max(x.v) - min(x.v), 1) AS spread
        FROM m AS x SAMPLE BY 2h ORDER BY spread DESC, h, time LIMIT 3"""
    assert minutes(mysql.run(query))[:2] == [("A", 0, 2), ("A", 120, 0)]
    assert mysql.names(query) == ["h", "time", "spread"]


def test_user_variables_stand_beside_aggregates(shared: Database, lab: Client) -> None:
    mysql = client(shared, Wire.MYSQL)
    query = "SELECT coalesce(@unset, 2) * sum(v) AS x FROM m {} ORDER BY coalesce(@unset, 2)"
    assert mysql.run(query.format("SAMPLE BY 1d")) == [(32,)]
    ranged = query.replace("sum(v)", "sum(v) RANGE '1d'").format("ALIGN '1d' BY ()")
    assert mysql.run(ranged) == [(32,)]


def test_subqueries_ctes_and_views_are_sources(lab: Client) -> None:
    for source in (
        "(SELECT ts, v FROM m WHERE host = 'a') AS x",
        "(SELECT ts, max(v) AS v FROM m WHERE host = 'a' SAMPLE BY 10m) AS x",
    ):
        assert lab.run(f"SELECT sum(v) FROM {source} SAMPLE BY 1d") == [(11,)]
    assert lab.run("WITH x AS (SELECT * FROM m) SELECT sum(v) FROM x SAMPLE BY 1d") == [(16,)]
    lab.run("CREATE VIEW sampled AS SELECT ts, host, sum(v) AS v FROM m SAMPLE BY 1h")
    assert lab.run("SELECT max(v) FROM sampled SAMPLE BY 1d") == [(7,)]


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ("SELECT ts, host FROM m SAMPLE BY 1h", ErrorKind.SYNTAX, "needs an aggregate"),
        ("SELECT ts, avg(v), max(v), min(v) FROM m SAMPLE BY 1h FILL(NULL, 0)",
         ErrorKind.SYNTAX, "FILL lists 2 values for 3"),
        ("SELECT *, avg(v) FROM m SAMPLE BY 1h", ErrorKind.GROUPING, "SELECT *"),
        ("SELECT ts, avg(v) FROM m GROUP BY ts SAMPLE BY 1h", ErrorKind.SYNTAX, "GROUP BY"),
        ("SELECT ts, sum(avg(v)) OVER () FROM m SAMPLE BY 1h", ErrorKind.SYNTAX, "window"),
        ("SELECT ts, avg(v) FROM m SAMPLE BY 1x", ErrorKind.INVALID_ARGUMENT, "1x"),
        ("SELECT ts, avg(v) FROM m SAMPLE BY 0s", ErrorKind.INVALID_ARGUMENT, "greater than 0"),
        ("SELECT ts, avg(v) FROM m SAMPLE BY h", ErrorKind.SYNTAX, "syntax error"),
        ("SELECT ts, avg(v) FROM m SAMPLE BY 1h SAMPLE BY 1h", ErrorKind.SYNTAX, "syntax error"),
        ("SELECT ts, avg(v) FROM m SAMPLE BY 1M ALIGN TO FIRST OBSERVATION",
         ErrorKind.UNSUPPORTED, "first observation"),
        ("SELECT ts, avg(v) FROM m SAMPLE BY 1h ALIGN TO CALENDAR TIME ZONE 'Mars/X'",
         ErrorKind.INVALID_ARGUMENT, "Mars/X"),
        ("SELECT ts, avg(v) FROM m SAMPLE BY 1h ALIGN TO CALENDAR WITH OFFSET '1 month'",
         ErrorKind.INVALID_ARGUMENT, "WITH OFFSET"),
        ("SELECT ts, avg(v) FROM m SAMPLE BY 1h ORDER BY sum(v)", ErrorKind.UNSUPPORTED, "ORDER"),
        ("SELECT avg(x) FROM (SELECT 1 AS x) AS y SAMPLE BY 1h", ErrorKind.PLAN, "no time index"),
        ("SELECT max(v) RANGE '1h' FROM m SAMPLE BY 1h", ErrorKind.SYNTAX, "RANGE"),
        ("SELECT avg(1) SAMPLE BY 1h", ErrorKind.SYNTAX, 'near "BY"'),
    ],
)  # fmt: skip
def test_refused(lab: Client, query: str, kind: ErrorKind, words: str) -> None:
    with pytest.raises(DbError) as caught:
        lab.run(query)
    assert caught.value.kind is kind
    assert words in caught.value.message


SAMPLES = st.lists(
    st.tuples(
        st.integers(0, 600), st.sampled_from(["a", "b"]), st.one_of(st.none(), st.integers(-9, 9))
    ),
    max_size=10,
    unique_by=lambda sample: sample[:2],
)


def twin(samples: list[Any], width: int, fill: str, first: bool) -> list[Any]:
    """(slot, host, max) by looking at every slot of every host."""
    if not samples:
        return []
    origin = min(s[0] for s in samples) if first else 0
    slots = sorted({(s[0] - origin) // width * width + origin for s in samples})
    rows: list[Any] = []
    for host in sorted({s[1] for s in samples}):
        tops: dict[int, Any] = {}
        for slot in range(slots[0], slots[-1] + 1, width):
            held = [v for t, h, v in samples if h == host and slot <= t < slot + width]
            if held or fill != "NONE":
                tops[slot] = max((v for v in held if v is not None), default=None)
        rows += [(slot, host, _filled(tops, slot, fill)) for slot in tops]
    return sorted(rows)


def _filled(tops: dict[int, Any], slot: int, fill: str) -> Any:
    if tops[slot] is not None or fill in ("NONE", "NULL"):
        return tops[slot]
    if fill not in ("PREV", "LINEAR"):
        return float(fill)
    before = [s for s in tops if s < slot and tops[s] is not None]
    after = [s for s in tops if s > slot and tops[s] is not None]
    if fill == "PREV":
        return tops[before[-1]] if before else None
    if not before or not after:
        return None
    low, high = before[-1], after[0]
    return tops[low] + (tops[high] - tops[low]) * (slot - low) / (high - low)


@settings(max_examples=12, deadline=None)
@given(
    samples=SAMPLES,
    width=st.sampled_from([7, 30, 60, 300]),
    fill=st.sampled_from(["NONE", "NULL", "PREV", "LINEAR", "42"]),
    first=st.booleans(),
)
def test_random_samples_agree_with_the_twin(
    lab: Client, samples: list[Any], width: int, fill: str, first: bool
) -> None:
    lab.run("TRUNCATE left_rows")
    insert(lab, "left_rows", samples)
    align = "ALIGN TO FIRST OBSERVATION" if first else "ALIGN TO CALENDAR"
    # The epoch's calendar of these widths is not START's: shift it.
    shift = int((START - datetime.fromisoformat("1970-01-01")).total_seconds()) % width
    offset = "" if first else f"WITH OFFSET '{shift} seconds'"
    query = f"""SELECT ts, host, max(v) AS top FROM left_rows SAMPLE BY {width}s FILL({fill})
        {align} {offset} ORDER BY ts, host"""
    found = [((ts - START).total_seconds(), host, top) for ts, host, top in lab.run(query)]
    expected = twin(samples, width, fill, first)
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    assert [row[2] for row in found] == pytest.approx([row[2] for row in expected])


# --- LATEST ON ------------------------------------------------------------------------------------


def test_latest_on(lab: Client) -> None:
    newest = [(190, "a", 7), (140, "b", None)]
    for clause in ("LATEST ON ts PARTITION BY host", "LATEST BY host"):
        found = lab.run(f"SELECT * FROM m {clause} ORDER BY host")
        assert minutes(found) == newest
    assert lab.run(
        "SELECT host, v FROM m WHERE v < 6 LATEST ON ts PARTITION BY host ORDER BY 1"
    ) == [
        ("a", 3),
        ("b", 5),
    ]


def test_what_follows_latest_on_sees_only_the_newest(lab: Client) -> None:
    assert lab.run("SELECT count(*), max(x.v) FROM m AS x LATEST BY host") == [(2, 7)]
    query = "SELECT host FROM m LATEST BY host ORDER BY host DESC LIMIT 1"
    assert lab.run(query) == [("b",)]
    nested = "SELECT sum(v) FROM (SELECT * FROM q LATEST ON ts PARTITION BY host) AS n"
    assert lab.run(nested) == [(500,)]


def test_latest_on_is_refused_over_joins(lab: Client) -> None:
    with pytest.raises(DbError) as caught:
        lab.run("SELECT * FROM m JOIN q ON m.host = q.host LATEST BY host")
    assert caught.value.kind is ErrorKind.UNSUPPORTED


# --- ASOF and LT JOIN -----------------------------------------------------------------------------


@pytest.mark.parametrize("on", ["(host)", "m.host = q.host", "(m.host = q.host)"])
def test_asof_and_lt_join(lab: Client, on: str) -> None:
    query = "SELECT m.ts, m.host, q.v FROM m {} JOIN q ON {} ORDER BY m.host, m.ts"
    expected = [(10, "a", 100), (50, "a", 200), (190, "a", 200), (70, "b", None), (140, "b", 300)]
    assert minutes(lab.run(query.format("ASOF", on))) == expected
    before = [(10, "a", 100), (50, "a", 100), (190, "a", 200), (70, "b", None), (140, "b", None)]
    assert minutes(lab.run(query.format("LT", on))) == before


def test_joins_with_a_condition_on_time_stay_as_they_are(lab: Client) -> None:
    query = """SELECT m.ts, q.v FROM m ASOF {} JOIN q ON m.host = q.host AND m.ts >= q.ts
        ORDER BY m.ts"""
    inner = [(10, 100), (50, 200), (140, 300), (190, 200)]
    assert minutes(lab.run(query.format(""))) == inner
    assert len(lab.run(query.format("LEFT"))) == 5


def test_asof_join_of_subqueries_and_in_samples(lab: Client) -> None:
    query = """SELECT m.ts, max(m.v), max(b.v) FROM m
        ASOF JOIN (SELECT * FROM q WHERE host = 'a') AS b SAMPLE BY 1h"""
    assert minutes(lab.run(query)) == [(0, 3, 200), (60, 5, 200), (120, None, 200), (180, 7, 200)]


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("SELECT * FROM m LT JOIN q ON m.ts > q.ts", ErrorKind.SYNTAX),
        ("SELECT * FROM m ASOF JOIN q ON m.host LIKE q.host", ErrorKind.SYNTAX),
        ("SELECT * FROM m ASOF JOIN q ON (host) TOLERANCE 1m", ErrorKind.UNSUPPORTED),
        ("SELECT * FROM m ASOF JOIN (SELECT 1 AS x) AS y", ErrorKind.PLAN),
    ],
)
def test_joins_refused(lab: Client, query: str, kind: ErrorKind) -> None:
    with pytest.raises(DbError) as caught:
        lab.run(query)
    assert caught.value.kind is kind


@settings(max_examples=12, deadline=None)
@given(left=SAMPLES, right=SAMPLES, strict=st.booleans())
def test_random_joins_agree_with_the_twin(
    lab: Client, left: list[Any], right: list[Any], strict: bool
) -> None:
    for table, rows in (("left_rows", left), ("right_rows", right)):
        lab.run(f"TRUNCATE {table}")
        insert(lab, table, rows)
    query = f"""SELECT l.ts, l.host, r.ts, r.v FROM left_rows AS l
        {"LT" if strict else "ASOF"} JOIN right_rows AS r ON (host) ORDER BY l.ts, l.host"""
    expected = []
    for t, host, _ in sorted(left, key=lambda row: row[:2]):
        earlier = [r for r in right if r[1] == host and (r[0] < t or (r[0] == t and not strict))]
        newest = max(earlier, key=lambda row: row[0], default=(None, None, None))
        expected.append((t, host, newest[0], newest[2]))
    found = [
        (int((a - START).total_seconds()), h, None if b is None else (b - START).total_seconds(), v)
        for a, h, b, v in lab.run(query)
    ]
    assert found == expected
