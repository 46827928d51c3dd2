"""Times on a wall: PostgreSQL's timestamp and MySQL's DATETIME in ordinary tables.

What is stored does not depend on a session's zone; where such a time meets a moment, the session's
clock tells which. The expected values are PostgreSQL 15's and MariaDB 10.11's.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.datatypes import DATE, INT64, TIMESTAMP_MILLISECOND, from_name, list_of
from sql.results import Rows
from sql.session import Wire
from tests.fix_database import Client, Databases, client

NOON = datetime(2024, 7, 1, 12)  # noqa: DTZ001 - it has no zone
SKIPPED = datetime(2024, 3, 31, 2, 30)  # noqa: DTZ001 - Berlin's clocks never showed it


@pytest.fixture
def berlin(databases: Databases) -> Client:
    """A session in Berlin, with a table of both kinds of time."""
    made = client(databases.open())
    made.run("SET timezone = 'Europe/Berlin'")
    made.run(
        "CREATE TABLE t (id int PRIMARY KEY, ts timestamp, tz timestamptz,"
        " made timestamp DEFAULT now())"
    )
    made.run(
        "INSERT INTO t (id, ts, tz) VALUES (1, '2024-07-01 12:00', '2024-07-01 12:00'),"
        " (2, '2024-03-31 02:30', NULL)"
    )
    return made


def other(berlin: Client, zone: str, wire: Wire = Wire.POSTGRES) -> Client:
    made = client(berlin.session.server, wire)
    made.run(f"SET time_zone = '{zone}'" if wire is Wire.MYSQL else f"SET timezone = '{zone}'")
    return made


def test_every_session_reads_the_same_time(berlin: Client) -> None:
    for zone in ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"):
        rows = other(berlin, zone).run("SELECT ts FROM t ORDER BY id")
        assert rows == [(NOON,), (SKIPPED,)], zone


@pytest.mark.parametrize(
    "text",
    [
        *("2024-07-01 12:00", "2024-07-01T12:00:00Z", "2024-07-01 12:00:00+05"),
        *("2024-07-01 12:00:00 America/New_York", "2024-07-01 12:00:00-03:30", "Jul 1, 2024 12:00"),
    ],
)
def test_what_a_text_says_of_a_zone_is_passed_over(berlin: Client, text: str) -> None:
    berlin.run(f"INSERT INTO t (id, ts) VALUES (9, '{text}')")
    assert berlin.run("SELECT ts FROM t WHERE id = 9") == [(NOON,)]
    assert berlin.run(f"SELECT count(*) FROM t WHERE ts = '{text}'") == [(2,)]


def test_moments_are_assigned_as_the_sessions_clock_shows_them(berlin: Client) -> None:
    berlin.run("INSERT INTO t (id, ts) SELECT 3, tz FROM t WHERE id = 1")
    berlin.run("INSERT INTO t (id, ts) VALUES (4, timestamptz '2024-07-01 10:00:00+00')")
    berlin.run("INSERT INTO t (id) VALUES (5), (6)")
    berlin.run("UPDATE t SET ts = tz FROM (SELECT 1 AS one) o WHERE id = 1")
    berlin.run("UPDATE t SET ts = timestamptz '2024-07-01 10:00:00+00' WHERE id = 5")
    berlin.run(
        "INSERT INTO t (id) VALUES (6) ON CONFLICT (id)"
        " DO UPDATE SET ts = timestamptz '2024-07-01 10:00:00+00'"
    )
    assert berlin.run("SELECT ts FROM t WHERE id <> 2") == [(NOON,)] * 5
    berlin.run("UPDATE t SET tz = ts WHERE id = 1")
    assert other(berlin, "UTC").run("SELECT tz FROM t WHERE id = 1") == [
        (datetime(2024, 7, 1, 10, tzinfo=UTC),)
    ]


def test_the_clock_is_the_default_and_is_compared_with(berlin: Client) -> None:
    near = "between now() - interval '1 minute' and now() + interval '1 minute'"
    assert berlin.run(f"SELECT count(*) FROM t WHERE made {near}") == [(2,)]
    assert berlin.run(f"SELECT made {near}, now() - made < interval '1 minute' FROM t") == [
        (True, True),
        (True, True),
    ]
    assert berlin.run("SELECT ts = tz, ts = timestamptz '2024-07-01 10:00Z' FROM t LIMIT 1") == [
        (True, True)
    ]


def test_what_is_made_of_them_is_one_too(berlin: Client) -> None:
    rows = berlin.run(
        "WITH q AS (SELECT ts AS x, * FROM t WHERE id = 1)"
        " SELECT x + interval '1 hour', date_trunc('hour', x), max(x), x::timestamptz,"
        " extract(hour FROM x), x::text, tz::text, tz::timestamp FROM q GROUP BY x, tz"
    )
    later = NOON + timedelta(hours=1)
    moment = datetime(2024, 7, 1, 10, tzinfo=UTC)
    shown = ("2024-07-01 12:00:00", "2024-07-01 12:00:00+02", NOON)
    assert rows == [(later, NOON, NOON, moment, 12, *shown)]
    berlin.run("CREATE TABLE made AS SELECT ts, ts + interval '1 hour' AS later, tz FROM t")
    assert other(berlin, "UTC").run("SELECT ts, later FROM made LIMIT 1") == [(NOON, later)]
    berlin.run("CREATE VIEW seen AS SELECT * FROM made")
    assert berlin.run("SELECT later FROM seen LIMIT 1") == [(later,)]


@pytest.mark.parametrize(
    ("query", "walls"),
    [
        ("SELECT ts, ts + interval '1 hour', max(ts) OVER (), coalesce(ts, ts) FROM t", [True] * 4),
        ("SELECT * FROM (SELECT ts AS x, tz::timestamp FROM t) q", [True, True]),
        ("SELECT timestamp '2024-07-01 12:00', $1::timestamp", [True, True]),
        ("SELECT ts FROM t UNION ALL SELECT NULL", [True]),
        ("SELECT ts, date_trunc('hour', ts), min(ts) FROM cpu GROUP BY ts", [False] * 3),
        ("WITH q AS (SELECT * FROM cpu) SELECT ts, date_bin('1 hour', ts) FROM q", [False, False]),
    ],
)
def test_clients_are_told_which_outputs_are_such_times(
    berlin: Client, query: str, walls: list[bool]
) -> None:
    berlin.run("CREATE TABLE cpu (ts timestamp TIME INDEX, v double precision)")
    given = [NOON] if "$1" in query else []
    rows = berlin.session.execute(berlin.session.parse(query)[0], given)
    assert isinstance(rows, Rows)
    rows.close()
    assert [column.type.wall for column in rows.columns] == walls


def test_parameters_are_what_stands_beside_them(berlin: Client) -> None:
    moment = datetime(2024, 7, 1, 10, tzinfo=UTC)
    assert berlin.run("SELECT id FROM t WHERE ts = $1", ["2024-07-01 12:00"]) == [(1,)]
    assert berlin.run("SELECT id FROM t WHERE ts = $1", [NOON]) == [(1,)]
    assert berlin.run("SELECT $1::timestamp", [NOON]) == [(NOON,)]
    berlin.run("INSERT INTO t (id, ts) VALUES ($1, $2)", [7, NOON])
    assert berlin.run("SELECT count(*) FROM t WHERE ts = $1::timestamptz", [moment]) == [(2,)]


def test_a_column_changes_its_kind_by_the_sessions_clock(berlin: Client) -> None:
    berlin.run("ALTER TABLE t ALTER COLUMN ts TYPE timestamptz")
    moment = datetime(2024, 7, 1, 10, tzinfo=UTC)
    assert berlin.run("SELECT ts FROM t WHERE id = 1") == [(moment,)]
    other(berlin, "UTC").run("ALTER TABLE t ALTER COLUMN ts TYPE timestamp")
    assert berlin.run("SELECT ts FROM t WHERE id = 1") == [(moment.replace(tzinfo=None),)]


def test_columns_of_time_series_tables_stay_moments(berlin: Client) -> None:
    berlin.run("CREATE TABLE cpu (ts timestamp TIME INDEX, seen timestamp)")
    berlin.run("INSERT INTO cpu VALUES ('2024-07-01 12:00', '2024-07-01 12:00')")
    stored = NOON - timedelta(hours=2)
    berlin.run("INSERT INTO t (id, ts) SELECT 8, ts FROM cpu")
    assert berlin.run("SELECT ts FROM t WHERE id = 8") == [(NOON,)]
    assert berlin.run("SELECT count(*) FROM cpu JOIN t USING (ts) WHERE id = 8") == [(0,)]
    assert berlin.run("SELECT count(*) FROM cpu JOIN t ON cpu.ts = t.ts WHERE id = 8") == [(1,)]
    assert other(berlin, "UTC").run("SELECT * FROM cpu") == [(stored, stored)]
    assert berlin.run("SELECT count(*) FROM cpu WHERE ts = timestamp '2024-07-01 12:00'") == [(1,)]


def test_mysql_has_both_kinds(berlin: Client) -> None:
    mine = other(berlin, "Europe/Berlin", Wire.MYSQL)
    mine.run("CREATE TABLE m (id int PRIMARY KEY, d datetime, t timestamp NULL)")
    mine.run("INSERT INTO m VALUES (1, '2024-07-01 12:00', '2024-07-01 12:00'), (2, now(), now())")
    mine.run("INSERT INTO m (id, d) SELECT 3, t FROM m WHERE id = 1")
    utc = other(berlin, "+00:00", Wire.MYSQL)
    moment = NOON - timedelta(hours=2)
    assert utc.run("SELECT d, t FROM m WHERE id <> 2") == [(NOON, moment), (NOON, None)]
    assert mine.run("SELECT id FROM m WHERE d > now() - interval 1 minute") == [(2,)]
    assert mine.run(
        "SELECT hour(d), date_format(d, '%H'), unix_timestamp(d) = unix_timestamp(t),"
        " timestampdiff(hour, d, now()) > 0 FROM m WHERE id = 1"
    ) == [(12, "12", True, True)]
    told = mine.run("SHOW CREATE TABLE m")[0][1]
    assert "`d` datetime DEFAULT" in told
    assert "`t` timestamp NULL" in told
    types = "SELECT data_type FROM information_schema.columns WHERE table_name = 'm'"
    assert mine.run(types) == [("int",), ("datetime",), ("timestamp",)]


def test_mysql_types_without_digits_have_whole_seconds(berlin: Client) -> None:
    mine = other(berlin, "Europe/Berlin", Wire.MYSQL)
    mine.run("CREATE TABLE w (id int PRIMARY KEY, d datetime, t timestamp NULL, m datetime(3))")
    late = "'2024-07-01 12:59:59.5001'"
    mine.run(f"INSERT INTO w VALUES (1, {late}, {late}, {late})")
    hour = NOON + timedelta(hours=1)
    held = NOON.replace(minute=59, second=59, microsecond=500_000)
    assert mine.run("SELECT d, t, m FROM w") == [(hour, hour - timedelta(hours=2), held)]
    mine.run("ALTER TABLE w ADD COLUMN a datetime DEFAULT '2024-07-01 12:00:00'")
    mine.run("ALTER TABLE w MODIFY m datetime")
    assert mine.run("SELECT m, a FROM w") == [(hour, NOON)]
    told = mine.run("SHOW CREATE TABLE `w`")[0][1]
    assert "`m` datetime DEFAULT NULL" in told
    assert "`a` datetime DEFAULT '2024-07-01 12:00:00'" in told
    digits = "SELECT datetime_precision FROM information_schema.columns WHERE table_name = 'w'"
    assert mine.run(digits) == [(None,), (0,), (0,), (0,), (0,)]


def test_the_clock_is_never_stored_as_later_than_it_is(berlin: Client) -> None:
    mine = other(berlin, "Europe/Berlin", Wire.MYSQL)
    mine.run(
        "CREATE TABLE n (id int PRIMARY KEY, d datetime, u timestamp NULL ON UPDATE"
        " CURRENT_TIMESTAMP)"
    )
    mine.run("INSERT INTO n VALUES (1, now(), now())")
    for _ in range(3):  # of three times so far apart one is in a second's later half
        mine.run("UPDATE n SET d = now()")
        assert mine.run("SELECT d <= now(), u <= now() FROM n") == [(True, True)]
        mine.run("SELECT sleep(0.3)")


def test_texts_stand_beside_what_is_computed(berlin: Client) -> None:
    berlin.run("INSERT INTO t (id, ts) VALUES (3, '2024-07-01 12:00'), (2 + 2, localtimestamp)")
    assert berlin.run("SELECT ts FROM t WHERE id = 3") == [(NOON,)]


def test_names_of_types_are_read_back() -> None:
    wall = TIMESTAMP_MILLISECOND.on_wall
    assert wall.name == "DateTimeMillisecond"
    assert from_name(wall.name) == wall
    assert from_name(list_of(wall).name) == list_of(wall)
    assert (DATE.on_wall, INT64.on_wall) == (DATE, INT64)
