"""ALTER inside transactions, beside other sessions, and when a region cannot follow at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fix_database import Client, Databases, client

from catalog.options import region_options
from engine.errors import DbError, ErrorKind
from engine.schema import RegionOptions, RegionSchema
from sql.database import Database
from sql.session import Wire

CREATE = "CREATE TABLE t (host STRING, ts TIMESTAMP TIME INDEX, v DOUBLE, PRIMARY KEY (host))"


@pytest.fixture
def database(databases: Databases) -> Database:
    opened = databases.open()
    one = client(opened)
    one.run(CREATE)
    one.run("INSERT INTO t VALUES ('a', '1970-01-01 00:00:01', 1)")
    return opened


def kind_of(call: Callable[[], object]) -> ErrorKind:
    with pytest.raises(DbError) as caught:
        call()
    return caught.value.kind


def both(one: Client, databases: Databases) -> Iterator[Client]:
    """The session, and then one after a restart."""
    yield one
    yield client(databases.open())


def flush(one: Client) -> None:
    table = one.session.lookup("public", "t")
    assert table is not None
    for region_id in table.region_ids:
        one.session.regions.flush(region_id)


def test_a_transaction_works_with_what_it_has_altered(
    databases: Databases, database: Database
) -> None:
    one, other = client(database), client(database)
    one.run("BEGIN")
    one.run("INSERT INTO t VALUES ('b', 1, 2)")
    one.run("ALTER TABLE t ADD COLUMN c INT DEFAULT 5")
    one.run("INSERT INTO t VALUES ('c', 1, 3, 6)")
    one.run("ALTER TABLE t RENAME COLUMN v TO w, ALTER COLUMN c TYPE TEXT")
    one.run("INSERT INTO t (host, ts, w, c) VALUES ('d', 1, 4, 'seven')")
    one.run("DELETE FROM t WHERE host = 'a'")
    expected = [("b", 2.0, "5"), ("c", 3.0, "6"), ("d", 4.0, "seven")]
    assert one.run("SELECT host, w, c FROM t ORDER BY host") == expected
    assert other.run("SELECT * FROM t")[0][2] == 1.0
    assert other.names("SELECT * FROM t") == ["host", "ts", "v"]
    one.run("COMMIT")
    assert other.run("SELECT host, w, c FROM t ORDER BY host") == expected
    for each in both(one, databases):
        assert each.run("SELECT host, w, c FROM t ORDER BY host") == expected


def test_rollback_undoes_everything(databases: Databases, database: Database) -> None:
    one = client(database)
    one.run("BEGIN")
    one.run("ALTER TABLE t ADD COLUMN c INT DEFAULT 5, DROP COLUMN v")
    one.run("ALTER TABLE t SET (ttl = '1h')")
    one.run("ALTER TABLE t RENAME TO u")
    one.run("INSERT INTO u VALUES ('b', 1, 2)")
    one.run("ROLLBACK")
    one.run("ALTER TABLE t ADD COLUMN d INT DEFAULT 6")
    one.run("INSERT INTO t VALUES ('c', 1, 3, 7)")
    for each in both(one, databases):
        assert each.run("SELECT host, v, d FROM t ORDER BY host") == [("a", 1.0, 6), ("c", 3.0, 7)]


def test_going_back_to_a_savepoint_keeps_the_columns_of_before(database: Database) -> None:
    one = client(database)
    one.run("BEGIN; ALTER TABLE t ADD COLUMN c INT; INSERT INTO t VALUES ('b', 1, 2, 3)")
    one.run("SAVEPOINT s; ALTER TABLE t DROP COLUMN v; INSERT INTO t VALUES ('x', 1, 9)")
    one.run("ROLLBACK TO s; INSERT INTO t VALUES ('c', 1, 3, 4); COMMIT")
    assert one.run("SELECT host, v, c FROM t ORDER BY host") == [
        ("a", 1.0, None),
        ("b", 2.0, 3),
        ("c", 3.0, 4),
    ]


def test_a_failed_alter_in_mysql_leaves_the_transaction_usable(database: Database) -> None:
    one = client(database, Wire.MYSQL)
    one.run("BEGIN")
    one.run("ALTER TABLE t ADD COLUMN c INT DEFAULT 1")
    one.run("INSERT INTO t VALUES ('b', 1, 2, 3)")
    assert kind_of(lambda: one.run("ALTER TABLE t ADD COLUMN c INT")) is ErrorKind.DUPLICATE_COLUMN
    one.run("INSERT INTO t VALUES ('c', 1, 3, 4)")
    one.run("COMMIT")
    assert one.run("SELECT host, c FROM t ORDER BY host") == [("a", 1), ("b", 3), ("c", 4)]


def test_rows_staged_before_anothers_alter_take_its_columns(database: Database) -> None:
    one, other = client(database), client(database)
    one.run("BEGIN; INSERT INTO t VALUES ('b', 1, 2)")
    other.run("ALTER TABLE t ADD COLUMN c TEXT DEFAULT 'new', RENAME COLUMN v TO w")
    one.run("COMMIT")
    assert one.run("SELECT host, w, c FROM t ORDER BY host") == [
        ("a", 1.0, "new"),
        ("b", 2.0, "new"),
    ]


def test_two_that_alter_the_same_table_do_so_one_after_the_other(database: Database) -> None:
    one, other = client(database), client(database)
    one.run("BEGIN; ALTER TABLE t ADD COLUMN c INT")
    waiting = threading.Thread(target=other.run, args=["ALTER TABLE t ADD COLUMN d INT"])
    waiting.start()
    one.run("INSERT INTO t (host, ts, c) VALUES ('b', 1, 2)")
    one.run("COMMIT")
    waiting.join()
    assert one.names("SELECT * FROM t") == ["host", "ts", "v", "c", "d"]
    assert one.run("SELECT host, c, d FROM t ORDER BY host") == [("a", None, None), ("b", 2, None)]


def test_many_alter_one_table_and_its_database_at_once(database: Database) -> None:
    def work(number: int) -> None:
        one = client(database)
        for i in range(5):
            one.run(f"ALTER TABLE t ADD COLUMN c{number}_{i} INT DEFAULT {number}")
            one.run(f"INSERT INTO t (host, ts) VALUES ('{number}', {i})")
            one.run(f"ALTER DATABASE public SET 'ttl' = '{number + 1}000000d'")

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one = client(database)
    names = [f"c{number}_{i}" for number in range(4) for i in range(5)]
    assert sorted(one.names("SELECT * FROM t")) == sorted(["host", "ts", "v", *names])
    rows = one.run(f"SELECT host, {', '.join(names)} FROM t ORDER BY host, ts")
    assert len(rows) == 21
    assert all(row[1 + 5 * int(row[0]) + 4] == int(row[0]) for row in rows if row[0] != "a")
    table, home = (
        one.session.lookup("public", "t"),
        database.catalog.databases(one.session.duck.cursor),
    )
    assert table is not None
    wanted = region_options(table, next(d for d in home if d.name == "public"))
    assert [database.regions.statistics(r).options for r in table.region_ids] == [wanted]


def test_a_prepared_plan_is_made_again(database: Database) -> None:
    one = client(database)
    statement = one.session.parse("SELECT * FROM t")[0]
    one.run("SELECT * FROM t")
    client(database).run("ALTER TABLE t ADD COLUMN c INT DEFAULT 5, DROP COLUMN v")
    assert [c.name for c in one.session.describe(statement).columns or ()] == ["host", "ts", "c"]
    assert one.run("SELECT * FROM t")[0][2] == 5


def test_staged_deletions_and_append_mode_do_not_go_together(database: Database) -> None:
    one = client(database)
    one.run("BEGIN; DELETE FROM t")
    assert kind_of(lambda: one.run("ALTER TABLE t SET (append_mode = 'true')")) is (
        ErrorKind.UNSUPPORTED
    )
    one.run("ROLLBACK")
    assert len(one.run("SELECT * FROM t")) == 1


# --- A region that cannot follow ------------------------------------------------------------------


class Stubborn:
    """Makes `Regions.alter` fail until it is told otherwise."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fails = True
        self._alter = database.regions.alter
        monkeypatch.setattr(database.regions, "alter", self.alter)

    def alter(self, region_id: int, schema: RegionSchema, options: RegionOptions) -> None:
        if self.fails:
            raise DbError(ErrorKind.DISK_FULL, "no space left")
        self._alter(region_id, schema, options)


def test_a_region_follows_before_the_next_write(
    databases: Databases, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = client(database)
    stubborn = Stubborn(database, monkeypatch)
    one.run("ALTER TABLE t ADD COLUMN c INT DEFAULT 5, RENAME COLUMN v TO w")
    assert one.run("SELECT host, w, c FROM t") == [("a", 1.0, 5)]
    insert = "INSERT INTO t (host, ts, w, c) VALUES ('b', 1, 2, 6)"
    assert kind_of(lambda: one.run(insert)) is ErrorKind.DISK_FULL
    stubborn.fails = False
    one.run(insert)
    for each in both(one, databases):
        assert each.run("SELECT host, w, c FROM t ORDER BY host") == [("a", 1.0, 5), ("b", 2.0, 6)]


@pytest.mark.parametrize("flushed", [True, False], ids=["flushed", "memory"])
def test_a_restart_makes_up_for_it_and_shows_the_transactions_rows(
    databases: Databases, database: Database, monkeypatch: pytest.MonkeyPatch, flushed: bool
) -> None:
    one = client(database)
    if flushed:
        flush(one)
    Stubborn(database, monkeypatch)
    one.run("BEGIN; ALTER TABLE t ADD COLUMN c INT DEFAULT 5, RENAME COLUMN v TO w")
    one.run("INSERT INTO t (host, ts, w, c) VALUES ('b', 1, 2, 6)")
    assert kind_of(lambda: one.run("COMMIT")) is ErrorKind.DISK_FULL
    expected: list[tuple[Any, ...]] = [("a", 1.0, 5), ("b", 2.0, 6)]
    for _ in range(2):
        again = client(databases.open())
        assert again.run("SELECT host, w, c FROM t ORDER BY host") == expected
    flush(again)
    assert again.run("SELECT host, w, c FROM t ORDER BY host") == expected


def test_two_changes_may_both_be_late(
    databases: Databases, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = client(database)
    stubborn = Stubborn(database, monkeypatch)
    one.run("ALTER TABLE t ADD COLUMN c INT DEFAULT 5")
    one.run("ALTER TABLE t ALTER COLUMN c TYPE TEXT")
    stubborn.fails = False
    one.run("INSERT INTO t VALUES ('b', 1, 2, 'six')")
    for each in both(one, databases):
        assert each.run("SELECT host, c FROM t ORDER BY host") == [("a", "5"), ("b", "six")]
