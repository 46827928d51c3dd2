"""Remote write's messages: what they say, and that no bytes at all crash their reader."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
import write_requests as wr
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import DbError, ErrorKind
from server.http.prometheus.write_request import counts_of, tables_of
from sql.ingest.batch import IngestTable

UP = ({"__name__": "up", "job": "a", "zone": "x"}, [(1000, 1.0), (2000, 0.0)])


def rows(table: IngestTable) -> list[dict[str, Any]]:
    names = [column.name for column in table.columns]
    values = [column.values.to_pylist() for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def ms(row: dict[str, Any]) -> int:
    return round(row["greptime_timestamp"].timestamp() * 1000)


def test_a_series_becomes_rows_of_its_metric() -> None:
    (table,) = tables_of(wr.message(UP), None)
    assert table.name == "up"
    assert (table.engine, table.options) == ("mito", {})
    found = rows(table)
    assert [(r["job"], r["zone"], r["greptime_value"]) for r in found] == [
        ("a", "x", 1.0),
        ("a", "x", 0.0),
    ]
    assert [r["greptime_timestamp"].microsecond for r in found] == [0, 0]
    assert [column.values.cast("int64").to_pylist() for column in table.columns[:1]] == [
        [1000, 2000]
    ]


def test_metrics_are_told_apart_and_labels_kept_with_their_series() -> None:
    content = wr.message(
        UP,
        ({"__name__": "down", "job": "z"}, [(1, 9.0)]),
        ({"__name__": "up", "job": "b", "pod": "p"}, [(3000, 5.0)]),
        ({"__name__": "up"}, [(4000, 6.0)]),
        ({"__name__": "none", "job": "x"}, []),
    )
    tables = {table.name: rows(table) for table in tables_of(content, "phy")}
    assert set(tables) == {"up", "down"}
    assert [(r["job"], r["zone"], r["pod"], r["greptime_value"]) for r in tables["up"]] == [
        ("a", "x", None, 1.0),
        ("a", "x", None, 0.0),
        ("b", None, "p", 5.0),
        (None, None, None, 6.0),
    ]
    assert [(r["job"], r["greptime_value"]) for r in tables["down"]] == [("z", 9.0)]


def test_labels_route_to_databases_and_physical_tables() -> None:
    labels = {"__name__": "m", "x_greptime_database": "d", "x_greptime_physical_table": "q"}
    (one, two) = tables_of(wr.message((labels, [(1, 1.0)]), ({"__name__": "m"}, [(1, 1.0)])), "p")
    found = {(t.name, t.database, t.options["on_physical_table"]) for t in (one, two)}
    assert found == {("m", "d", "q"), ("m", "", "p")}
    assert all(len(table.columns) == 2 for table in (one, two))


def test_the_staleness_marker_keeps_its_bits() -> None:
    stale = struct.pack("<Q", 0x7FF0000000000002)
    point = wr.piece(2, b"\x09" + stale + b"\x10\x01")
    (table,) = tables_of(wr.series({"__name__": "m"}, point), None)
    bits = table.columns[1].values.to_numpy().view(np.uint64)
    assert bits.tolist() == [0x7FF0000000000002]


def test_empty_label_values_are_no_labels() -> None:
    (table,) = tables_of(wr.message(({"__name__": "m", "a": ""}, [(1, 1.0)])), None)
    assert [column.name for column in table.columns] == ["greptime_timestamp", "greptime_value"]


def test_times_before_1970() -> None:
    (table,) = tables_of(wr.message(({"__name__": "m"}, [(-5, 1.0)])), None)
    assert table.columns[0].values.cast("int64").to_pylist() == [-5]


def test_histograms_are_kept_as_they_came() -> None:
    labels = {"__name__": "h", "job": "a"}
    content = wr.series(labels, wr.sample(1, 2.5), wr.histogram(1000)) + wr.message(UP)
    tables = tables_of(content, None)
    table = next(table for table in tables if table.name == "h")
    found = rows(table)
    assert [r["greptime_value"] for r in found] == [2.5, None]
    assert found[0]["greptime_native_histogram"] is None
    assert wr.piece(4, found[1]["greptime_native_histogram"]) == wr.histogram(1000)
    assert table.columns[0].values.cast("int64").to_pylist() == [1, 1000]
    assert counts_of(tables) == (3, 1)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (wr.message(({"job": "a"}, [(1, 1.0)])), ErrorKind.INVALID_ARGUMENT),
        (wr.message(({"__name__": "", "job": "a"}, [(1, 1.0)])), ErrorKind.INVALID_ARGUMENT),
        (wr.message(({"__name__": "m", "": "a"}, [(1, 1.0)])), ErrorKind.INVALID_ARGUMENT),
        (wr.message(UP)[:-1], ErrorKind.INVALID_ARGUMENT),
        (
            wr.piece(1, wr.label("__name__", "m") * 2 + wr.sample(1, 1.0)),
            ErrorKind.INVALID_ARGUMENT,
        ),
        (b"\xff" * 12, ErrorKind.INVALID_ARGUMENT),
        (b"\x0b", ErrorKind.INVALID_ARGUMENT),
        (b"\x08\x01", ErrorKind.INVALID_ARGUMENT),
        (
            wr.piece(1, wr.piece(1, wr.piece(1, b"__name__") + wr.piece(2, b"\xff"))),
            ErrorKind.INVALID_ENCODING,
        ),
    ],
)
def test_what_is_malformed_is_refused(content: bytes, kind: ErrorKind) -> None:
    with pytest.raises(DbError) as raised:
        tables_of(content, None)
    assert raised.value.kind is kind


def test_nothing_is_no_rows() -> None:
    assert tables_of(b"", None) == []
    metadata = wr.piece(3, wr.piece(2, b"up"))
    assert tables_of(metadata, None) == []


def whole() -> bytes:
    labels = {"__name__": "h", "job": "a"}
    return wr.message(UP) + wr.series(labels, wr.histogram(1000), wr.sample(1, 2.5))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_are_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(whole())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(content)))
    try:
        tables = tables_of(bytes(content[:end]), None)
    except DbError as error:
        found = error.kind
    else:
        found = None
        assert all(len(c.values) == table.rows for table in tables for c in table.columns)
    assert found in (None, ErrorKind.INVALID_ARGUMENT, ErrorKind.INVALID_ENCODING)
