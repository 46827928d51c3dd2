"""time_bucket, date_bin and histogram: signatures, zones, and slow obvious twins of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fix_database import Client, client
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.database import Database, DatabaseOptions
from sql.dialect.parser import parse
from sql.plan.buckets_calendar import Width, sample_width, width_of, words
from sql.session import Wire

EPOCH = datetime.fromisoformat("1970-01-01")
MONDAY = datetime.fromisoformat("2000-01-03")
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = Database.open(tmp_path_factory.mktemp("buckets"), DatabaseOptions())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def lab(shared: Database) -> Client:
    made = client(shared)
    made.run("CREATE TABLE m (ts TIMESTAMP(3) TIME INDEX, host STRING PRIMARY KEY, v DOUBLE)")
    made.run("""INSERT INTO m VALUES ('2024-01-01 00:10:00', 'a', 1),
        ('2024-01-01 00:50:00', 'a', 3), ('2024-01-02 05:00:00', 'a', 9.5),
        ('2024-01-02 06:00:00', 'b', -4)""")
    return made


def bucket(lab: Client, call: str, ts: str = "2024-05-15 13:47:11") -> str:
    call = call.replace("ts", f"TIMESTAMP '{ts}'")
    return str(lab.run(f"SELECT {call}")[0][0])


# --- Signatures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "start"),
    [
        ("time_bucket('15 minutes', ts)", "2024-05-15 13:45:00"),
        ("time_bucket(INTERVAL '15 minutes', ts)", "2024-05-15 13:45:00"),
        ("time_bucket('1h30m', ts)", "2024-05-15 13:30:00"),
        ("time_bucket('01:30:00', ts)", "2024-05-15 13:30:00"),
        ("time_bucket('1 week', ts)", "2024-05-13 00:00:00"),
        ("time_bucket('1 month', ts)", "2024-05-01 00:00:00"),
        ("time_bucket('1 quarter', ts)", "2024-04-01 00:00:00"),
        ("time_bucket('7 months', ts)", "2023-12-01 00:00:00"),
        ("time_bucket('1 year', ts)", "2024-01-01 00:00:00"),
        ("time_bucket('1 hour', ts, INTERVAL '30 minutes')", "2024-05-15 13:30:00"),
        ("time_bucket('1 hour', ts, '30 minutes'::interval)", "2024-05-15 13:30:00"),
        ("time_bucket('1 hour', ts, \"offset\" => INTERVAL '-5 minutes')", "2024-05-15 12:55:00"),
        ("time_bucket('1 hour', ts, '2000-01-01 00:20:00')", "2024-05-15 13:20:00"),
        ("time_bucket('1 hour', ts, TIMESTAMP '2000-01-01 00:20:00')", "2024-05-15 13:20:00"),
        ("time_bucket('1 hour', ts, origin => '2000-01-01T00:20:00+00:00')", "2024-05-15 13:20:00"),
        ("time_bucket('1 day', ts, 'Asia/Tokyo')", "2024-05-14 15:00:00"),
        ("time_bucket('1 day', ts, timezone => 'Asia/Tokyo')", "2024-05-14 15:00:00"),
        ("time_bucket('1 day', ts, '+09:00')", "2024-05-14 15:00:00"),
        ("time_bucket('1 day', ts, 'Asia/Tokyo', '2000-01-01 06:00:00')", "2024-05-14 21:00:00"),
        ("time_bucket('1 month', ts, 'America/New_York')", "2024-05-01 04:00:00"),
        ("time_bucket('1 month', ts, \"offset\" => '14 days')", "2024-05-15 00:00:00"),
        ("date_bin('15 minutes', ts)", "2024-05-15 13:45:00"),
        ("date_bin('1 week', ts)", "2024-05-09 00:00:00"),
        ("date_bin('1 month', ts)", "2024-05-01 00:00:00"),
        ("date_bin('1 hour', ts, TIMESTAMP '2001-01-01 00:02:30')", "2024-05-15 13:02:30"),
        ("date_bin('1 hour', ts, '2001-01-01 00:02:30')", "2024-05-15 13:02:30"),
    ],
)
def test_signatures(lab: Client, call: str, start: str) -> None:
    assert bucket(lab, call) == start


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("time_bucket(10, 27)", 20),
        ("time_bucket(10, -3)", -10),
        ("time_bucket(10, 27, 5)", 25),
        ("time_bucket(10, 4, 5)", -5),
        ("time_bucket('1 hour', NULL::timestamp)", None),
    ],
)
def test_integers_and_null(lab: Client, call: str, value: int | None) -> None:
    assert lab.run(f"SELECT {call}") == [(value,)]


def test_the_type_of_time_stays(lab: Client) -> None:
    shown = lab.session.describe(lab.session.parse("SELECT time_bucket('1h', ts) FROM m")[0])
    assert shown.columns is not None
    assert shown.columns[0].type.name.lower().replace("_", "") == "timestampmillisecond"
    kinds = "SELECT typeof(time_bucket('1 day', x)) FROM (SELECT {} AS x) AS t"
    for value, name in (("DATE '2024-01-01'", "DATE"), ("TIMESTAMP '2024-01-01'", "TIMESTAMP")):
        assert lab.run(kinds.format(value)) == [(name,)]


def test_widths_that_are_not_constant(lab: Client) -> None:
    query = "SELECT time_bucket($1::interval, TIMESTAMP '2024-05-15 13:47:11')"
    assert str(lab.run(query, [timedelta(minutes=30)])[0][0]) == "2024-05-15 13:30:00"


def test_group_order_filter_and_mysql(shared: Database, lab: Client) -> None:
    query = """SELECT time_bucket({}, ts) AS b, count(*) AS n FROM m
        WHERE time_bucket({}, ts) >= '2024-01-01 00:00:00' GROUP BY b HAVING count(*) > 1
        ORDER BY b DESC LIMIT 1"""
    for made, width in ((lab, "'1 day'"), (client(shared, Wire.MYSQL), "INTERVAL 1 DAY")):
        rows = made.run(query.format(width, width))
        assert [(str(b), n) for b, n in rows] == [("2024-01-02 00:00:00", 2)]


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        ("time_bucket('1 month 1 day', ts)", ErrorKind.INVALID_ARGUMENT, "months and smaller"),
        ("time_bucket('0 s', ts)", ErrorKind.INVALID_ARGUMENT, "greater than 0"),
        ("time_bucket('-5 min', ts)", ErrorKind.INVALID_ARGUMENT, "greater than 0"),
        ("time_bucket(0, 5)", ErrorKind.INVALID_ARGUMENT, "greater than 0"),
        ("time_bucket('soon', ts)", ErrorKind.INVALID_ARGUMENT, "soon"),
        ("time_bucket('1h')", ErrorKind.UNDEFINED_FUNCTION, "argument"),
        ("time_bucket('1h', ts, zone => 'UTC')", ErrorKind.UNDEFINED_FUNCTION, "zone"),
        ("time_bucket('1h', ts, timezone => 'Mars/X')", ErrorKind.INVALID_ARGUMENT, "Mars/X"),
        ("time_bucket('1h', ts, origin => 'never')", ErrorKind.INVALID_DATETIME, "never"),
        ("time_bucket('1h', ts, \"offset\" => '1 month')", ErrorKind.INVALID_ARGUMENT, "offset"),
        ("time_bucket('1h', ts, '2020-01-01', '2021-01-01')",
         ErrorKind.UNDEFINED_FUNCTION, "too many"),
    ],
)  # fmt: skip
def test_refused(lab: Client, call: str, kind: ErrorKind, words: str) -> None:
    with pytest.raises(DbError) as caught:
        lab.run(f"SELECT {call} FROM m")
    assert caught.value.kind is kind
    assert words in caught.value.message


# --- Lengths of time ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "months", "minutes"),
    [
        ("1 day 2 hours", 0, 1560),
        ("1.5 h", 0, 90),
        ("2 years, 3 mons", 27, 0),
        ("-1 hour", 0, -60),
        ("1:30", 0, 90),
        ("-00:15:00", 0, -15),
        ("1 decade", 120, 0),
    ],
)
def test_lengths_in_words(text: str, months: int, minutes: int) -> None:
    assert words(text, "f") == Width(months, minutes * 60_000_000)


def test_lengths_as_expressions() -> None:
    tree = parse("SELECT INTERVAL '1 hour' + INTERVAL '30' MINUTE - '10 s'::interval", Wire.HTTP)[0]
    assert isinstance(tree.tree, exp.Select)
    assert width_of(tree.tree.expressions[0], "f") == Width(0, 5_390_000_000)


@pytest.mark.parametrize(
    ("text", "width"),
    [("1M", Width(1)), ("2y", Width(24)), ("5T", Width(0, 5_000)), ("7U", Width(0, 7)),
     ("1m", Width(0, 60_000_000)), ("1w", Width(0, 604_800_000_000))],
)  # fmt: skip
def test_units_of_sample_by(text: str, width: Width) -> None:
    assert sample_width(text) == width


# --- Against obvious twins ------------------------------------------------------------------------

TIMES = st.datetimes(EPOCH - timedelta(days=9_000), EPOCH + timedelta(days=30_000)).map(
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)


@settings(max_examples=60, deadline=None)
@given(time=TIMES, minutes=st.integers(1, 100_000), shift=st.integers(-5_000, 5_000))
def test_fixed_widths_agree_with_the_twin(
    lab: Client, time: datetime, minutes: int, shift: int
) -> None:
    width = minutes * MINUTE
    start = MONDAY + shift * MINUTE
    expected = start + (time - start) // width * width
    found = bucket(
        lab, f"time_bucket('{minutes} minutes', ts, '{shift} minutes'::interval)", str(time)
    )
    assert found == str(expected)


ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC")
AUTUMN = datetime.fromisoformat("2024-10-27 01:30:00")


@settings(max_examples=60, deadline=None)
@example(time=AUTUMN, zone="Europe/Berlin", minutes=30)
@example(time=AUTUMN - 60 * MINUTE, zone="Europe/Berlin", minutes=60)
@given(
    time=TIMES.filter(lambda t: t.year >= 1971),
    zone=st.sampled_from(ZONES),
    minutes=st.sampled_from([15, 30, 60, 120, 360, 1440, 10_080]),
)
def test_zones_agree_with_the_twin(lab: Client, time: datetime, zone: str, minutes: int) -> None:
    found = bucket(lab, f"time_bucket('{minutes} minutes', ts, '{zone}')", str(time))
    local = time.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    wall = local.replace(tzinfo=None)
    into = (wall - MONDAY) % (minutes * MINUTE)
    if minutes <= 60:  # these keep their length
        expected = time - into
    else:
        start = (wall - into).replace(tzinfo=ZoneInfo(zone))
        expected = start.astimezone(UTC).replace(tzinfo=None)
        later = start.replace(fold=1).astimezone(UTC).replace(tzinfo=None)
        assert found in (str(expected), str(later))  # an hour that comes twice
        return
    assert found == str(expected)


@settings(max_examples=60, deadline=None)
@given(time=TIMES, months=st.integers(1, 30))
def test_months_agree_with_the_twin(lab: Client, time: datetime, months: int) -> None:
    index = (time.year - 2000) * 12 + time.month - 1
    year, month = divmod(index // months * months, 12)
    found = bucket(lab, f"time_bucket('{months} months', ts)", str(time))
    assert found == f"{2000 + year:04}-{month + 1:02}-01 00:00:00"


# --- histogram ------------------------------------------------------------------------------------


def test_histogram(shared: Database, lab: Client) -> None:
    query = "SELECT host, histogram(v, 0, 10, 4) FROM m GROUP BY host ORDER BY host"
    expected = [("a", [0, 1, 1, 0, 1, 0]), ("b", [1, 0, 0, 0, 0, 0])]
    assert lab.run(query) == expected
    filtered = "SELECT histogram(v, 0, 10, 2) FILTER (WHERE v > 1) FROM m"
    assert lab.run(filtered) == [([0, 1, 1, 0],)]
    ranged = """SELECT histogram(v, 0, 10, 2) RANGE '1h' AS h, count(*) RANGE '2d' AS n FROM m
        ALIGN '2d' TO '2024-01-01' BY ()"""
    assert lab.run(ranged) == [([0, 2, 0, 0], 4)]


@pytest.mark.parametrize("count", ["0", "1001", "v"])
def test_histograms_refused(lab: Client, count: str) -> None:
    with pytest.raises(DbError) as caught:
        lab.run(f"SELECT histogram(v, 0, 10, {count}) FROM m")
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT


VALUES = st.lists(st.one_of(st.none(), st.integers(-40, 40)), min_size=1, max_size=20)


@settings(max_examples=30, deadline=None)
@given(values=VALUES, low=st.integers(-20, 0), span=st.integers(1, 30), count=st.integers(1, 7))
def test_histograms_agree_with_the_twin(
    lab: Client, values: list[Any], low: int, span: int, count: int
) -> None:
    listed = ", ".join(f"({'NULL' if v is None else v})" for v in values)
    query = f"SELECT histogram(v, {low}, {low + span}, {count}) FROM (VALUES {listed}) AS t(v)"
    expected = [0] * (count + 2)
    for value in values:
        if value is not None:
            place = (value - low) * count // span + 1
            expected[min(max(place, 0), count + 1)] += 1
    assert lab.run(query) == [(expected,)]


def test_first_and_last_by_time(lab: Client) -> None:
    assert lab.run("SELECT first(v, ts), last(v, ts) FROM m") == [(1, -4)]
    assert lab.run("SELECT last(v, -v) FROM m WHERE host = 'a'") == [(1,)]
    query = "SELECT first(v, ts) FILTER (WHERE v > 2), last(v, ts) FILTER (WHERE v > 2) FROM m"
    assert lab.run(query) == [(3, 9.5)]
    ranged = "SELECT first(v, ts) RANGE '1h', last(v, ts) RANGE '1d' FROM m ALIGN '1d' BY ()"
    assert lab.run(f"{ranged} ORDER BY ts") == [(1, 3), (None, -4)]
    windowed = "SELECT first(v, ts) OVER (PARTITION BY host ORDER BY ts) FROM m ORDER BY ts"
    assert lab.run(windowed) == [(1,), (1,), (1,), (-4,)]
