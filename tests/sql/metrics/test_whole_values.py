"""Values of samples in two columns come back bit for bit, however they are read."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
from fix_database import Client, Databases, client
from hypothesis import given
from hypothesis import strategies as st

from catalog.records import WHOLE
from engine.api import SampleRequest
from sql.database import Database
from sql.metrics.whole import split

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
LARGE = [2.0**53, 2.0**53 - 1, -(2.0**53), 2.0**53 + 2, 2.0**63, -(2.0**63), 1e300, -1e300]
INFINITE = [float("inf"), float("-inf"), float("nan"), STALE]
TRICKY = [0.0, -0.0, 1.0, -3.0, 0.5, 5e-324, *LARGE, *INFINITE]
doubles = st.one_of(st.none(), st.floats(), st.sampled_from(TRICKY), st.integers(-9, 9).map(float))


def bits(values: list[float | None]) -> list[bytes | None]:
    return [None if value is None else struct.pack("<d", value) for value in values]


@given(st.lists(doubles))
def test_each_value_is_in_one_of_both(values: list[float | None]) -> None:
    first, second = split(pa.array(values, pa.float64()))
    back = []
    for double, whole in zip(first.to_pylist(), second.to_pylist(), strict=True):
        assert double is None or whole is None
        back.append(float(whole) if whole is not None else double)
    assert bits(back) == bits(values)
    assert all(
        whole is not None
        for value, whole in zip(values, second.to_pylist(), strict=True)
        if value is not None and value.is_integer() and 0 < abs(value) <= 2.0**53
    )


def test_values_are_read_as_they_were_written(db: Client, database: Database) -> None:
    db.run(
        "CREATE TABLE phy (ts TIMESTAMP TIME INDEX, val DOUBLE)"
        " ENGINE=metric WITH (physical_metric_table = '');"
        "CREATE TABLE m (ts TIMESTAMP TIME INDEX, val DOUBLE, host STRING PRIMARY KEY)"
        " ENGINE=metric WITH (on_physical_table = 'phy')"
    )
    values = [v for v in TRICKY if v == v]  # a NaN in SQL has one spelling
    for place, value in enumerate(values):
        db.run("INSERT INTO m (ts, val, host) VALUES ($1, $2, 'a')", (str(place), repr(value)))
    table = db.session.lookup("public", "phy")
    assert table is not None
    assert not any(c.name == WHOLE for c in table.columns)
    samples = table.region_ids[0]
    for settle in (lambda: None, lambda: database.regions.flush(samples)):
        settle()
        found = [row[0] for row in db.run("SELECT val FROM m ORDER BY ts")]
        assert bits(found) == bits([float(value) for value in values])
        metric = database.metrics.of(table).index.metrics()[0]
        rows = database.regions.samples(samples, SampleRequest(np.array([metric << 32])))
        assert bits(rows.values.tolist()) == bits([float(value) for value in values])
    assert db.run("SELECT count(*) FROM m WHERE val = 1") == [(1,)]
    db.run("UPDATE m SET val = 2.5 WHERE val = 1")
    db.run("UPDATE m SET val = 7 WHERE val = 0.5")
    assert db.run("SELECT val FROM m WHERE val IN (2.5, 7) ORDER BY val") == [(2.5,), (7.0,)]


def test_the_samples_of_an_older_table_get_the_column(databases: Databases) -> None:
    """Their region's schema is newer than what the table's own version says."""
    db = client(databases.open())
    db.run(
        "CREATE TABLE phy (ts TIMESTAMP TIME INDEX, val DOUBLE)"
        " ENGINE=metric WITH (physical_metric_table = '')"
    )
    table = db.session.lookup("public", "phy")
    assert table is not None
    own, inner = table.region_schema(), table.samples.region_schema()
    assert inner.version > own.version
    assert inner.columns[-1].name == WHOLE
    ids = [column.id for column in inner.columns]
    assert len(set(ids)) == len(ids)
