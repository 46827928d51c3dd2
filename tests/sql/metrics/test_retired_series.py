"""Series that no sample is left of leave memory and the disk; nothing a writer relies on does."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from fix_database import Client, Databases, client

from catalog.records import Table
from sql.database import Database
from sql.metrics import retire
from sql.metrics.leases import Leases
from sql.metrics.store import SeriesStore
from sql.session import Wire

MAKE = (
    "CREATE TABLE phy (ts TIMESTAMP TIME INDEX, val DOUBLE)"
    " ENGINE=metric WITH (physical_metric_table = '');"
    "CREATE TABLE cpu (ts TIMESTAMP TIME INDEX, val DOUBLE, pod STRING PRIMARY KEY)"
    " ENGINE=metric WITH (on_physical_table = 'phy')"
)
NOW = "CAST(now() AS TIMESTAMP(3))"


def store_of(database: Database, db: Client) -> SeriesStore:
    table = db.session.lookup("public", "phy")
    assert table is not None
    return database.metrics.of(table)


def pods(db: Client, first: int, count: int, value: float = 1.0) -> None:
    rows = ", ".join(f"({NOW}, {value}, 'p{n}')" for n in range(first, first + count))
    db.run(f"INSERT INTO cpu (ts, val, pod) VALUES {rows}")


def alive(store: SeriesStore) -> int:
    return sum(len(store.index.select(metric).ids) for metric in store.index.metrics())


def defined(database: Database, store: SeriesStore) -> int:
    database.regions.flush(store.series_region_id)
    database.regions.compact(store.series_region_id)
    return database.regions.statistics(store.series_region_id).rows


def settle(database: Database, store: SeriesStore) -> None:
    database.regions.flush(store.samples_region_id)


def test_deleted_series_go_and_come_back_with_other_ids(db: Client, database: Database) -> None:
    db.run(MAKE)
    pods(db, 0, 30)
    store = store_of(database, db)
    settle(database, store)
    before = set(store.index.select(store.index.metrics()[0]).ids.tolist())
    db.run("DELETE FROM cpu WHERE pod < 'p2' OR pod = 'p29'")  # p0, p1, p10 … p19, p29
    settle(database, store)
    assert database.sweeper.retire(1) == 12, "the newest series stays: it tells which ids are used"
    assert alive(store) == 18
    assert defined(database, store) == 18
    pods(db, 0, 2, 7.0)
    assert db.run("SELECT pod, val FROM cpu WHERE pod < 'p2'") == [("p0", 7.0), ("p1", 7.0)]
    now = set(store.index.select(store.index.metrics()[0]).ids.tolist())
    assert len(now - before) == 2
    db.run("DELETE FROM cpu WHERE pod > 'p25'")  # p26, p27, p28, p3 … p9
    settle(database, store)
    assert database.sweeper.retire(1) == 11  # with p29, which is no longer the newest


def test_a_restart_gives_no_id_twice(databases: Databases) -> None:
    database = databases.open()
    db = client(database)
    db.run(MAKE)
    pods(db, 0, 20)
    store = store_of(database, db)
    db.run("DELETE FROM cpu")
    settle(database, store)
    assert database.sweeper.retire(1) == 19
    metric = store.index.metrics()[0]
    database = databases.open()
    db = client(database)
    pods(db, 5, 1)
    store = store_of(database, db)
    assert store.index.size(metric) == 21
    assert db.run("SELECT pod FROM cpu") == [("p5",)]


def test_an_open_transaction_keeps_the_series_it_has_staged(
    db: Client, connect: Callable[..., Client], database: Database
) -> None:
    db.run(MAKE)
    pods(db, 0, 20)
    store = store_of(database, db)
    db.run("DELETE FROM cpu")
    settle(database, store)
    db.run("BEGIN")
    pods(db, 3, 1, 5.0)
    assert database.sweeper.retire(1) == 0
    db.run("COMMIT")
    assert connect().run("SELECT pod, val FROM cpu") == [("p3", 5.0)]
    assert database.sweeper.retire(1) == 18
    assert connect().run("SELECT pod, val FROM cpu") == [("p3", 5.0)]


def test_series_written_while_others_are_retired_stay(
    db: Client, connect: Callable[..., Client], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead one that is written again after it was found dead, and one that is new."""
    db.run(MAKE)
    pods(db, 0, 20)
    store = store_of(database, db)
    db.run("DELETE FROM cpu")
    settle(database, store)
    writer = connect()
    found = retire._has_samples

    def late(*given: object) -> object:
        answer = found(*given)  # type: ignore[arg-type]
        pods(writer, 3, 1, 5.0)
        pods(writer, 50, 1, 6.0)
        return answer

    monkeypatch.setattr(retire, "_has_samples", late)
    assert database.sweeper.retire(1) == 18
    assert db.run("SELECT pod, val FROM cpu ORDER BY pod") == [("p3", 5.0), ("p50", 6.0)]
    assert defined(database, store) == 3


def test_a_reader_goes_on_with_the_index_it_began_with(db: Client, database: Database) -> None:
    db.run(MAKE)
    pods(db, 0, 10)
    store = store_of(database, db)
    old = store.index
    metric = old.metrics()[0]
    tag = next(c.id for c in table(db).columns if c.name == "pod")
    ids = old.select(metric).ids
    db.run("DELETE FROM cpu")
    settle(database, store)
    assert database.sweeper.retire(1) == 9
    assert old.labels(metric, ids, tag).strings().to_pylist() == [f"p{n}" for n in range(10)]


def table(db: Client) -> Table:
    found = db.session.lookup("public", "cpu")
    assert found is not None
    return found


def test_churn_over_days_with_a_time_to_live_is_bounded(
    connect: Callable[..., Client], database: Database
) -> None:
    """Every day has other pods; two days are kept."""
    db = connect(Wire.HTTP)
    db.run(MAKE)
    store = store_of(database, db)
    sizes, memory = [], []
    for day in range(12):
        shift = f"now() - INTERVAL '{11 - day} days'"
        rows = ", ".join(f"({shift}, 1, 'day{day}-{n}')" for n in range(200))
        db.run(f"INSERT INTO cpu (ts, val, pod) VALUES {rows}")
        # Time goes on by shortening what is kept: rows older than two days of that day are gone.
        db.run(f"ALTER TABLE phy SET 'ttl' = '{11 - day + 2} days'")
        settle(database, store)
        database.sweeper.retire(100)
        sizes.append(alive(store))
        memory.append(store.index.memory_bytes)
    assert max(sizes) <= 3 * 200 + 1
    assert max(memory[3:]) <= 1.5 * memory[2]
    assert defined(database, store) == sizes[-1]
    assert db.run("SELECT count(DISTINCT pod) FROM cpu") == [(400,)]


def test_leases_never_wait_for_themselves_and_last_as_long_as_they_are_held() -> None:
    leases = Leases()
    with leases.nobody() as quiet:
        assert quiet
    entered = threading.Event()
    leave = threading.Event()

    def hold() -> None:
        with leases.held("b"):
            entered.set()
            assert leave.wait(60)

    leases.keep("a")
    leases.keep("a")
    with leases.held("a"):
        pass
    leases.release("a")
    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(60)
    leave.set()
    with leases.nobody() as quiet:  # waits for b
        assert quiet
    thread.join()
    with leases.held("c"), leases.nobody() as quiet:
        assert not quiet
