"""What becomes of metrics: flows follow them, and what was dropped is swept away for good."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client, Databases, client

from catalog.records import Table
from sql.database import Database
from sql.session import Wire

HOSTS = "INSERT INTO {} (host, ts, val) VALUES ('a', 1, 1), ('b', 1, 2), ('b', 2, 3)"


def make(db: Client, *names: str) -> None:
    db.run(
        "CREATE TABLE IF NOT EXISTS phy (ts TIMESTAMP TIME INDEX, val DOUBLE)"
        " ENGINE=metric WITH (physical_metric_table = '')"
    )
    for name in names:
        db.run(
            f"CREATE TABLE {name} (ts TIMESTAMP TIME INDEX, val DOUBLE, host STRING PRIMARY KEY)"
            " ENGINE=metric WITH (on_physical_table = 'phy')"
        )


def physical(db: Client) -> Table:
    found = db.session.lookup("public", "phy")
    assert found is not None
    return found


def stored(database: Database, db: Client) -> tuple[int, int]:
    """Rows of samples and of series, whoever they belong to."""
    for region_id in physical(db).region_ids:
        database.regions.flush(region_id)
        database.regions.compact(region_id)
    samples, series = physical(db).region_ids
    return database.regions.statistics(samples).rows, database.regions.statistics(series).rows


def test_dropped_and_emptied_metrics_are_swept(db: Client, database: Database) -> None:
    make(db, "cpu", "mem", "disk")
    for name in ("cpu", "mem", "disk"):
        db.run(HOSTS.format(name))
    database.sweeper.sweep()
    assert stored(database, db) == (9, 6)
    db.run("DROP TABLE cpu")
    db.run("TRUNCATE TABLE mem")
    db.run("INSERT INTO mem (host, ts, val) VALUES ('z', 1, 1)")
    assert database.sweeper.sweep() == 2
    assert stored(database, db) == (4, 3)
    assert database.sweeper.sweep() == 0
    assert db.run("SELECT host FROM mem") == [("z",)]
    assert db.run("SELECT count(*) FROM disk") == [(3,)]


def test_what_was_dropped_before_a_restart_is_swept_after_it(databases: Databases) -> None:
    db = client(databases.open())
    make(db, "cpu", "mem")
    db.run(HOSTS.format("cpu"))
    db.run(HOSTS.format("mem"))
    db.run("DROP TABLE cpu")
    database = databases.open()
    db = client(database)
    assert db.run("SELECT count(*) FROM mem") == [(3,)]
    assert database.sweeper.sweep() == 1
    assert stored(database, db) == (3, 2)


def test_metrics_of_open_transactions_are_left_alone(
    db: Client, connect: Callable[..., Client], database: Database
) -> None:
    make(db, "cpu")
    db.run(HOSTS.format("cpu"))
    db.run("BEGIN")
    make(db, "fresh")
    db.run(HOSTS.format("fresh"))
    assert database.sweeper.sweep() == 0
    db.run("COMMIT")
    assert connect().run("SELECT count(*) FROM fresh") == [(3,)]
    db.run("BEGIN; DROP TABLE cpu")
    assert database.sweeper.sweep() == 0
    db.run("ROLLBACK")
    assert connect().run("SELECT count(*) FROM cpu") == [(3,)]


def test_a_dropped_store_is_forgotten(db: Client, database: Database) -> None:
    make(db, "cpu")
    db.run(HOSTS.format("cpu"))
    before = set(physical(db).region_ids)
    db.run("DROP TABLE cpu; DROP TABLE phy")
    database.sweeper.sweep()
    assert not before & database.regions.region_ids()
    assert database.metrics.open() == []


@pytest.fixture
def flowing(connect: Callable[..., Client]) -> Client:
    opened = connect(Wire.HTTP)
    make(opened, "cpu", "mem")
    opened.run(
        "CREATE FLOW f SINK TO sums AS SELECT host, sum(val) AS total,"
        " date_bin('1 minute'::INTERVAL, ts) AS w FROM cpu GROUP BY host, w"
    )
    return opened


def test_a_flow_sees_the_rows_of_its_metric_alone(flowing: Client, database: Database) -> None:
    flow = database.catalog.flows(database.store.cursor())[0]
    flowing.run("ADMIN flush_flow('f')")
    flowing.run(HOSTS.format("mem"))
    assert not database.ledger.is_dirty(flow.id)
    flowing.run(HOSTS.format("cpu"))
    assert database.ledger.is_dirty(flow.id)
    flowing.run("ADMIN flush_flow('f')")
    expected = [("a", 1.0), ("b", 5.0)]
    assert flowing.run("SELECT host, total FROM sums ORDER BY host") == expected
    flowing.run("DELETE FROM cpu WHERE host = 'b' AND ts = 2")
    flowing.run("ADMIN flush_flow('f')")
    expected = [("a", 1.0), ("b", 2.0)]
    assert flowing.run("SELECT host, total FROM sums ORDER BY host") == expected
