"""TRUNCATE … FILE RANGE: what it takes away stays away, and only that."""

from __future__ import annotations

from fix_database import Client, Databases, client

HOUR = 3_600_000
NEWEST = "SELECT host, last_value(v ORDER BY ts) FROM m GROUP BY host ORDER BY host"


def filled(one: Client) -> None:
    one.run(
        "CREATE TABLE m (host STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v INT)"
        " WITH ('compaction.twcs.time_window' = '1h')"
    )
    for hour in range(3):
        one.run(f"INSERT INTO m VALUES ('a', {hour * HOUR}, {hour}), ('b', {hour * HOUR}, {hour})")
        one.run("ADMIN flush_table('m')")


def test_files_do_not_come_back(databases: Databases) -> None:
    one = client(databases.open())
    filled(one)
    one.run(f"TRUNCATE TABLE m FILE RANGE (0, {HOUR - 1})")
    again = client(databases.open())
    assert again.run("SELECT min(ts)::bigint, count(*) FROM m")[0][1] == 4
    again.run("ADMIN compact_table('m')")
    assert again.run("SELECT DISTINCT v FROM m ORDER BY v") == [(1,), (2,)]


def test_newest_rows_are_those_that_stay(databases: Databases) -> None:
    one = client(databases.open())
    filled(one)
    for _ in range(3):  # from the second question on they are remembered
        assert one.run(NEWEST) == [("a", 2), ("b", 2)]
    one.run(f"TRUNCATE TABLE m FILE RANGE ({2 * HOUR}, {3 * HOUR})")
    assert one.run(NEWEST) == [("a", 1), ("b", 1)]


def test_rows_replaced_by_a_removed_file_stay_dead(databases: Databases) -> None:
    one = client(databases.open())
    filled(one)
    one.run("INSERT INTO m VALUES ('a', 0, 100)")
    one.run("ADMIN flush_table('m')")
    one.run("TRUNCATE TABLE m FILE RANGE (0, 0)")
    assert one.run("SELECT count(*) FROM m WHERE ts < 1000") == [(0,)]
    one.run("INSERT INTO m VALUES ('a', 0, 7)")
    assert one.run("SELECT v FROM m WHERE ts < 1000") == [(7,)]


def test_a_partitioned_table_loses_files_of_all_regions(databases: Databases) -> None:
    one = client(databases.open())
    one.run(
        "CREATE TABLE p (host STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v INT)"
        " PARTITION ON COLUMNS (host) (host < 'm', host >= 'm')"
    )
    one.run("INSERT INTO p VALUES ('a', 5, 1), ('z', 6, 2)")
    one.run("ADMIN flush_table('p')")
    one.run("TRUNCATE TABLE p FILE RANGE (5, 5)")
    assert one.run("SELECT v FROM p") == [(2,)]
    one.run("TRUNCATE TABLE p FILE RANGE (0, 4), (6, 9)")
    assert one.run("SELECT v FROM p") == []
