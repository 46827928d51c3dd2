"""time_bucket_gapfill, date_bin_gapfill, locf and interpolate, and a slow obvious twin of them."""

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
TABLE = "CREATE TABLE {} (ts TIMESTAMP(3) TIME INDEX, host STRING PRIMARY KEY, v DOUBLE, n BIGINT)"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = Database.open(tmp_path_factory.mktemp("gaps"), DatabaseOptions())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def gaps(shared: Database) -> Client:
    made = client(shared)
    made.run(TABLE.format("m"))
    rows = [(10, "a", 1, 1), (50, "a", 3, 2), (190, "a", 7, 3), (70, "b", 5, 4)]
    rows += [(140, "b", None, None), (260, "b", 8, 6)]
    insert(made, "m", [(minutes * 60, *rest) for minutes, *rest in rows])
    made.run(TABLE.format("random"))
    return made


def insert(made: Client, table: str, rows: list[Any]) -> None:
    values = ", ".join(
        f"('{START + timedelta(seconds=t)}', {_sql(host)}, {_sql(v)}, {_sql(n)})"
        for t, host, v, n in rows
    )
    made.run(f"INSERT INTO {table} VALUES {values}")


def _sql(value: object) -> str:
    return "NULL" if value is None else f"'{value}'" if isinstance(value, str) else str(value)


def hours(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Times as hours since START."""
    return [
        tuple((x - START) / timedelta(hours=1) if isinstance(x, datetime) else x for x in row)
        for row in rows
    ]


DAY = "ts >= '2024-01-01' AND ts < '2024-01-01 06:00:00'"


def test_every_group_has_every_bucket_of_the_asked_range(gaps: Client) -> None:
    query = f"""SELECT time_bucket_gapfill('1h', ts) AS b, host, avg(v), locf(avg(v)),
        interpolate(avg(v)), count(*) FROM m WHERE {DAY} GROUP BY b, host ORDER BY host, b"""
    found = hours(gaps.run(query))
    assert [row[:2] for row in found] == [(float(h), host) for host in "ab" for h in range(6)]
    assert [row[2] for row in found] == [2, None, None, 7, None, None, None, 5, None, None, 8, None]
    assert [row[3] for row in found] == [2, 2, 2, 7, 7, 7, None, 5, None, None, 8, 8]
    lines = [2, 2 + 5 / 3, 2 + 10 / 3, 7, None, None, None, 5, None, None, 8, None]
    assert [row[4] for row in found] == pytest.approx(lines)
    assert [row[5] for row in found] == [2, None, None, 1, None, None, None, 1, 1, None, 1, None]


def test_under_date_bin_gapfill_a_null_is_a_gap(gaps: Client) -> None:
    query = f"""SELECT date_bin_gapfill(INTERVAL '1 hour', ts) AS b, locf(avg(v)),
        interpolate(avg(v)) FROM m WHERE {DAY} AND host = 'b' GROUP BY 1 ORDER BY 1"""
    assert hours(gaps.run(query)) == [
        (0, None, None), (1, 5, 5), (2, 5, 6), (3, 5, 7), (4, 8, 8), (5, 8, None)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "where",
    [
        "WHERE ts >= '2023-12-31 22:00:00' AND ts < '2024-01-01 02:00:00'",
        "WHERE ts > '2023-12-31 22:00:00' AND ts <= '2024-01-01 01:59:00'",
        "WHERE '2023-12-31 22:30:00' <= ts AND '2024-01-01 01:30:00' > ts",
        "WHERE ts BETWEEN '2023-12-31 22:00:00' AND '2024-01-01 01:00:00'",
        "WHERE ts >= 1704060000000 AND ts < 1704074400000",
        "WHERE ts >= '2023-12-31T23:00:00+01:00' AND ts < '2024-01-01 02:00:00'",
        "WHERE (ts >= TIMESTAMP '2024-01-01' - INTERVAL '2 hours') AND ts < '2024-01-01 02:00:00'",
    ],
)
def test_ends_come_from_where(gaps: Client, where: str) -> None:
    query = f"SELECT time_bucket_gapfill('1h', ts) AS b FROM m {where} GROUP BY b ORDER BY b"
    assert hours(gaps.run(query)) == [(-2,), (-1,), (0,), (1,)]


def test_ends_come_from_parameters_and_arguments(gaps: Client) -> None:
    query = """SELECT time_bucket_gapfill('1h', ts) AS b FROM m WHERE ts >= $1 AND ts < $2
        GROUP BY b ORDER BY b"""
    ends = (START - timedelta(hours=1), START + timedelta(hours=2))
    assert hours(gaps.run(query, ends)) == [(-1,), (0,), (1,)]
    for arguments in (
        "'2023-12-31 23:00:00', '2024-01-01 02:00:00'",
        "start => '2023-12-31 23:00:00', finish => '2024-01-01 02:00:00'",
        "'UTC', '2023-12-31 23:00:00', '2024-01-01 02:00:00'",
    ):
        call = f"time_bucket_gapfill('1h', ts, {arguments})"
        query = f"SELECT {call} AS b FROM m WHERE ts < '2024-01-01 02:00:00' GROUP BY b ORDER BY b"
        assert hours(gaps.run(query)) == [(-1,), (0,), (1,)]


def test_without_ends_the_rows_give_them_for_all_groups(gaps: Client) -> None:
    query = """SELECT host, count(*) FROM (SELECT time_bucket_gapfill('1h', ts) AS b, host
        FROM m GROUP BY b, host) AS filled GROUP BY host ORDER BY host"""
    assert gaps.run(query) == [("a", 5), ("b", 5)]


def test_no_rows_fill_the_range_only_without_groups(gaps: Client) -> None:
    start = "SELECT time_bucket_gapfill('1h', ts) AS b, count(*)"
    where = f"FROM m WHERE {DAY} AND host = 'none' GROUP BY b"
    assert len(gaps.run(f"{start} {where}")) == 6
    assert gaps.run(f"{start}, host {where}, host") == []


def test_locf_looks_up_what_came_before(gaps: Client) -> None:
    query = """SELECT host, time_bucket_gapfill('1h', ts) AS b,
        locf(sum(n), (SELECT o.n FROM m AS o WHERE o.host = m.host AND o.ts < '2024-01-01 01:00:00'
            ORDER BY o.ts DESC LIMIT 1)) AS l
        FROM m WHERE ts >= '2024-01-01 01:00:00' AND ts < '2024-01-01 05:00:00'
        GROUP BY host, b ORDER BY host, b"""
    assert [row[2] for row in gaps.run(query)] == [2, 2, 3, 3, 4, None, None, 6]


def test_expressions_windows_and_having(gaps: Client) -> None:
    query = f"""SELECT time_bucket_gapfill('1h', ts) AS b, 10 * interpolate(max(v)) + 1 AS x,
        lag(max(v)) OVER (ORDER BY time_bucket_gapfill('1h', ts)) AS before
        FROM m WHERE {DAY} AND host = 'a' GROUP BY b HAVING count(*) > 0 ORDER BY x DESC LIMIT 2"""
    assert hours(gaps.run(query)) == [(4, None, 7), (5, None, None)]
    ordered = query.replace("ORDER BY x DESC", "ORDER BY locf(max(v)) DESC, b")
    assert [row[0] for row in hours(gaps.run(ordered))] == [3, 4]


def test_days_follow_the_clock_of_a_zone(gaps: Client) -> None:
    query = """SELECT time_bucket_gapfill('1 day', ts, 'Europe/Berlin') AS b FROM m
        WHERE ts >= '2024-03-30 12:00:00' AND ts < '2024-04-02' GROUP BY b ORDER BY b"""
    found = [row[0] for row in gaps.run(query)]
    assert [str(time) for time in found] == [
        "2024-03-29 23:00:00",
        "2024-03-30 23:00:00",
        "2024-03-31 22:00:00",
        "2024-04-01 22:00:00",
    ]


def test_months(gaps: Client) -> None:
    query = """SELECT time_bucket_gapfill('1 month', ts) AS b, count(*) FROM m
        WHERE ts >= '2023-11-05' AND ts < '2024-03-01' GROUP BY b ORDER BY b"""
    months = [("2023-11", None), ("2023-12", None), ("2024-01", 6), ("2024-02", None)]
    assert [(f"{b:%Y-%m}", n) for b, n in gaps.run(query)] == months


def test_mysql_and_joins(shared: Database, gaps: Client) -> None:
    mysql = client(shared, Wire.MYSQL)
    query = f"""SELECT time_bucket_gapfill(INTERVAL 2 HOUR, x.ts) AS b, h.name, sum(x.n) AS s
        FROM m AS x JOIN (SELECT 'a' AS name) AS h ON h.name = x.host
        WHERE {DAY.replace("ts", "x.ts")}
        GROUP BY b, h.name ORDER BY b"""
    assert hours(mysql.run(query)) == [(0, "a", 3), (2, "a", 3), (4, "a", None)]


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ("SELECT time_bucket_gapfill('1h', ts), avg(v) FROM m", ErrorKind.GROUPING, "GROUP BY"),
        ("SELECT time_bucket_gapfill('1h', ts), avg(v) FROM m GROUP BY host",
         ErrorKind.GROUPING, "must be in the GROUP BY"),
        ("SELECT time_bucket_gapfill('1h', ts), v FROM m GROUP BY 1", ErrorKind.GROUPING, '"v"'),
        ("SELECT time_bucket_gapfill('1h', ts), avg(v) FROM m GROUP BY 7",
         ErrorKind.GROUPING, "position 7"),
        ("SELECT time_bucket_gapfill('1h', ts), time_bucket_gapfill('2h', ts) FROM m GROUP BY 1, 2",
         ErrorKind.SYNTAX, "one time bucket"),
        ("SELECT time_bucket_gapfill('1h', ts), locf(v) FROM m GROUP BY 1",
         ErrorKind.GROUPING, "locf needs an aggregate"),
        ("SELECT time_bucket_gapfill('1h', ts), locf(avg(v), old => 1) FROM m GROUP BY 1",
         ErrorKind.UNDEFINED_FUNCTION, "old"),
        ("SELECT time_bucket_gapfill('1h', ts), interpolate(avg(v), 1) FROM m GROUP BY 1",
         ErrorKind.UNSUPPORTED, "interpolate"),
        ("SELECT time_bucket_gapfill('1h', ts) FROM m GROUP BY 1 HAVING locf(avg(v)) > 1",
         ErrorKind.UNSUPPORTED, "HAVING"),
        ("SELECT time_bucket_gapfill('1h', ts), max(v) RANGE '1h' FROM m ALIGN '1h' BY ()",
         ErrorKind.SYNTAX, "not by both"),
        ("SELECT locf(avg(v)) FROM m", ErrorKind.SYNTAX, "locf cannot be used here"),
        ("SELECT 1 FROM m WHERE time_bucket_gapfill('1h', ts) > now()",
         ErrorKind.SYNTAX, "used here"),
        ("SELECT time_bucket_gapfill('-1h', ts) FROM m GROUP BY 1",
         ErrorKind.INVALID_ARGUMENT, "greater than 0"),
        ("SELECT time_bucket_gapfill('1h', ts, 'Mars/X', now()) FROM m GROUP BY 1",
         ErrorKind.INVALID_DATETIME, "Mars/X"),
        ("SELECT *, time_bucket_gapfill('1h', ts) FROM m GROUP BY 2",
         ErrorKind.GROUPING, "SELECT *"),
    ],
)  # fmt: skip
def test_refused(gaps: Client, query: str, kind: ErrorKind, words: str) -> None:
    with pytest.raises(DbError) as caught:
        gaps.run(query)
    assert caught.value.kind is kind
    assert words in caught.value.message


# --- Against an obvious twin ----------------------------------------------------------------------

Sample = tuple[int, str, int | None]  # seconds, host, value
SAMPLES = st.lists(
    st.tuples(
        st.integers(0, 600), st.sampled_from(["a", "b"]), st.one_of(st.none(), st.integers(-9, 9))
    ),
    min_size=1,
    max_size=10,
    unique_by=lambda sample: sample[:2],
)


def twin(samples: list[Sample], width: int, low: int, high: int, missing: bool) -> list[Any]:
    """(host, slot, max, locf, interpolate) by looking at every slot, for rows in [low, high)."""
    rows: list[Any] = []
    inside = [s for s in samples if low <= s[0] < high]
    for host in sorted({s[1] for s in inside}):
        slots = range(low // width * width, high, width)
        held = {
            slot: [s for s in inside if s[1] == host and slot <= s[0] < slot + width]
            for slot in slots
        }
        tops = {
            slot: max((v for _, _, v in held[slot] if v is not None), default=None)
            for slot in slots
        }
        known = [s for s in slots if (tops[s] is not None if missing else held[s])]
        for slot in slots:
            before = [s for s in known if s <= slot]
            after = [s for s in known if s >= slot]
            last = tops[before[-1]] if before else None
            rows.append((host, slot, tops[slot], last, _line(tops, before, after, slot)))
    return rows


def _line(tops: dict[int, Any], before: list[int], after: list[int], slot: int) -> float | None:
    if not before or not after or tops[before[-1]] is None or tops[after[0]] is None:
        return None
    low, high, y = before[-1], after[0], tops[before[-1]]
    return float(y if low == high else y + (tops[high] - y) * (slot - low) / (high - low))


@settings(max_examples=12, deadline=None)
@given(
    samples=SAMPLES,
    width=st.sampled_from([7, 30, 60, 300]),
    low=st.integers(0, 300),
    length=st.integers(1, 600),
    missing=st.booleans(),
)
def test_random_data_agree_with_the_twin(
    gaps: Client, samples: list[Sample], width: int, low: int, length: int, missing: bool
) -> None:
    gaps.run("TRUNCATE random")
    insert(gaps, "random", [(t, host, v, None) for t, host, v in samples])
    name = "date_bin_gapfill" if missing else "time_bucket_gapfill"
    ends = [START + timedelta(seconds=s) for s in (low, low + length)]
    query = f"""SELECT host, {name}('{width} seconds', ts, origin => '2024-01-01') AS b, max(v),
        locf(max(v)), interpolate(max(v)) FROM random
        WHERE ts >= '{ends[0]}' AND ts < '{ends[1]}' GROUP BY b, host ORDER BY host, b"""
    found = [(h, (b - START).total_seconds(), *rest) for h, b, *rest in gaps.run(query)]
    expected = twin(samples, width, low, low + length, missing)
    assert [row[:4] for row in found] == [row[:4] for row in expected]
    assert [row[4] for row in found] == pytest.approx([row[4] for row in expected])
