"""SKIPPING and INVERTED indexes: new files get bloom filters, by which row groups are left out."""

from __future__ import annotations

import pytest
from fix_database import Client, Databases, client


@pytest.fixture
def one(databases: Databases) -> Client:
    return client(databases.open())


def filtered(one: Client, name: str = "t") -> set[str]:
    """The columns that the files of a table have filters of."""
    session = one.session
    table = session.catalog.table(session.duck.cursor, "public", name)
    assert table is not None
    regions = session.server.regions
    return {found.column for found in regions.filters(table.region_ids[0])}


def fill(one: Client, name: str = "t") -> None:
    rows = ", ".join(f"('h', {i}, 'trace-{i:04}', {i}, {i}.5)" for i in range(200))
    one.run(f"INSERT INTO {name} VALUES {rows}")
    one.run(f"ADMIN flush_table('{name}')")


@pytest.mark.parametrize("kind", ["SKIPPING", "INVERTED"])
def test_columns_of_an_index_have_filters(one: Client, kind: str) -> None:
    one.run(
        f"CREATE TABLE t (host STRING, ts TIMESTAMP(3), trace STRING {kind} INDEX, "
        f"code BIGINT {kind} INDEX, v DOUBLE, TIME INDEX (ts), PRIMARY KEY (host))"
    )
    fill(one)
    assert filtered(one) == {"trace", "code"}
    assert one.run("SELECT v FROM t WHERE trace = 'trace-0007'") == [(7.5,)]
    assert one.run("SELECT v FROM t WHERE code = 199") == [(199.5,)]
    assert one.run("SELECT v FROM t WHERE trace = 'other'") == []


def test_an_index_set_later_is_in_the_files_after_a_compaction(one: Client) -> None:
    one.run(
        "CREATE TABLE t (host STRING, ts TIMESTAMP(3), trace STRING, code BIGINT, v DOUBLE, "
        "TIME INDEX (ts), PRIMARY KEY (host))"
    )
    fill(one)
    assert filtered(one) == set()
    one.run("ALTER TABLE t MODIFY COLUMN trace SET SKIPPING INDEX")
    fill(one)
    one.run("ADMIN compact_table('t')")
    assert filtered(one) == {"trace"}
    one.run("ALTER TABLE t MODIFY COLUMN trace UNSET SKIPPING INDEX")
    fill(one)
    one.run("ADMIN compact_table('t')")
    assert filtered(one) == set()
