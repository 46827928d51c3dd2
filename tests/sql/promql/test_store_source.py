"""Metrics of a series store as PromQL's source: the same as comparing labels one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from catalog.records import Column, Table, TableKind
from engine.api import Op, Write
from engine.clock import ManualClock
from engine.datatypes import BINARY, FLOAT64, INT64, STRING, TIMESTAMP_MILLISECOND
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionColumn, RegionOptions, RegionSchema, Semantic
from engine.series.index import Labels, SeriesIndex
from sql.promql.evaluate import evaluate
from sql.promql.model import Match, Matcher, SelectedSeries, Selector
from sql.promql.source_store import StoredMetric
from sql.promql.source_tables import Metric

NUMBER = 7
TAGS = ("host", "dc", "job")
LABELS: list[dict[str, str | None]] = [
    {"host": f"h{i}", "dc": ("x", "y", None)[i % 3], "job": f"api{i % 2}"} for i in range(9)
]
REGION = RegionSchema(
    (
        RegionColumn("series", INT64, Semantic.TAG, nullable=False),
        RegionColumn("at", TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, nullable=False),
        RegionColumn("greptime_value", FLOAT64, Semantic.FIELD),
        RegionColumn("histogram", BINARY, Semantic.FIELD),
    ),
    ("series",),
)
TABLE = Table(
    1,
    "public",
    "m",
    TableKind.TIME_SERIES,
    (
        *(Column(tag, STRING, semantic=Semantic.TAG) for tag in TAGS),
        Column("at", TIMESTAMP_MILLISECOND, False, semantic=Semantic.TIMESTAMP),
        Column("greptime_value", FLOAT64, semantic=Semantic.FIELD),
    ),
    TAGS,
)
TAG_IDS = {column.name: column.id for column in TABLE.columns if column.name in TAGS}


def rows_of(ids: list[int], times: list[int], values: list[float]) -> Write:
    arrays = [
        pa.array(ids, pa.int64()),
        pa.array(times, pa.timestamp("ms")),
        pa.array(values, pa.float64()),
        pa.nulls(len(ids), pa.binary()),
    ]
    return Write(1, Op.PUT, pa.Table.from_arrays(arrays, schema=REGION.arrow))


class Store:
    """An index and a region with the samples (series i: i + 1 samples from 1000 on)."""

    def __init__(self, regions: LocalRegions) -> None:
        self.regions = regions
        self.index = SeriesIndex()
        regions.create(1, REGION, RegionOptions())
        self.ids = self.add(LABELS)
        ids, times, values = [], [], []
        for i, id_ in enumerate(self.ids):
            for j in range(i + 1):
                ids.append(id_)
                times.append(1000 * (j + 1))
                values.append(float(10 * i + j))
        regions.write([rows_of(ids, times, values)])

    def add(self, rows: list[dict[str, str | None]]) -> list[int]:
        labels = {
            TAG_IDS[tag]: Labels.of(pa.array([row[tag] for row in rows], pa.string()))
            for tag in TAGS
        }
        return self.index.find_or_add(NUMBER, labels, len(rows)).ids.tolist()

    def metric(self, *matchers: Matcher, staged: tuple[Write, ...] = ()) -> StoredMetric:
        fields = (TABLE.columns[-1],)
        metric = Metric(TABLE, fields, matchers)
        return StoredMetric(metric, NUMBER, self.index, self.regions, 1, staged)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    regions = LocalRegions(tmp_path, EngineOptions(sync=False), ManualClock(0))
    yield Store(regions)
    regions.close()


def hosts(found: SelectedSeries) -> list[str]:
    return sorted(row.get("host", "") for row in found.labels.rows())


FITS: dict[Match, Callable[[str, str], bool]] = {
    Match.EQUAL: lambda value, wanted: value == wanted,
    Match.NOT_EQUAL: lambda value, wanted: value != wanted,
    Match.REGEX: lambda value, wanted: re.fullmatch(wanted, value) is not None,
    Match.NOT_REGEX: lambda value, wanted: re.fullmatch(wanted, value) is None,
}


@pytest.mark.parametrize("op", Match)
@pytest.mark.parametrize(
    ("name", "value"),
    [("host", "h3"), ("dc", ""), ("dc", "x"), ("dc", "x|y"), ("dc", "x|"), ("host", "h[1-4].*")],
)
def test_matchers_choose_series_by_their_labels(
    store: Store, op: Match, name: str, value: str
) -> None:
    other = Matcher("job", Match.NOT_EQUAL, "api1")
    found = store.metric(Matcher(name, op, value), other).select(0, 10_000, 100)
    assert hosts(found) == [
        str(row["host"])
        for row in LABELS
        if FITS[op](row[name] or "", value) and row["job"] != "api1"
    ]


def test_samples_come_with_their_series(store: Store) -> None:
    for _ in range(2):
        found = store.metric(Matcher("dc", Match.EQUAL, "x")).select(2000, 4000, 100)
        rows = found.labels.rows()
        assert rows == [  # the first series has no samples then
            {"__name__": "m", "host": "h3", "dc": "x", "job": "api1"},
            {"__name__": "m", "host": "h6", "dc": "x", "job": "api0"},
        ]
        assert found.samples.offsets.tolist() == [0, 3, 6]
        assert found.samples.times.tolist() == [2000, 3000, 4000] * 2
        assert found.samples.values.tolist() == [31, 32, 33, 61, 62, 63]
        store.regions.flush(1)


def test_labels_are_looked_up_for_the_rows_that_are_left(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sql.promql.source_store._FEW", 2)
    asked: list[tuple[int, int]] = []
    labels = SeriesIndex.labels

    def counted(self: SeriesIndex, metric: int, ids: np.ndarray, tag: int) -> Labels:
        asked.append((len(ids), tag))
        return labels(self, metric, ids, tag)

    monkeypatch.setattr(SeriesIndex, "labels", counted)

    class Source:
        def select(self, selector: Selector) -> SelectedSeries:
            return store.metric().select(selector.start_ms, selector.end_ms, 100)

    assert evaluate("count(m)", 0, 1000, 0, Source()).values.tolist() == [[9.0]]
    assert asked == []
    counts = evaluate("count by (job) (m)", 0, 1000, 0, Source())
    assert sorted(counts.values[:, 0]) == [4.0, 5.0]
    assert asked == [(9, TAG_IDS["job"])]
    asked.clear()
    best = evaluate("topk(2, m)", 0, 1000, 0, Source())
    assert [row["host"] for row in best.labels.rows()] == ["h8", "h7"]
    assert asked == []  # two series are few


def test_an_empty_label_is_the_same_as_none(store: Store) -> None:
    ids = store.add([{"host": "h2", "dc": "", "job": "api0"}, {"host": "", "dc": "x", "job": "a"}])
    assert not set(ids) & set(store.ids)
    store.regions.write([rows_of([*ids, ids[0]], [9000, 9000, 1000], [1.0, 2.0, 3.0])])
    found = store.metric(Matcher("host", Match.EQUAL, "h2")).select(0, 10_000, 100)
    assert found.labels.rows() == [{"__name__": "m", "host": "h2", "job": "api0"}]
    assert found.samples.times.tolist() == [1000, 2000, 3000, 9000]
    nameless = store.metric(Matcher("host", Match.EQUAL, "")).select(0, 10_000, 100)
    assert nameless.labels.rows() == [{"__name__": "m", "dc": "x", "job": "a"}]


def test_labels_and_values_are_those_of_series_with_samples_then(store: Store) -> None:
    metric = store.metric(Matcher("job", Match.EQUAL, "api0"))
    assert [row["host"] for row in metric.labels(6000, 7000).rows()] == ["h6", "h8"]
    assert metric.values(TABLE.columns[0], 6000, 7000) == ["h6", "h8"]
    assert sorted(metric.values(TABLE.columns[1], 6000, 7000)) == ["x"]
    assert metric.values(TABLE.columns[1], 90_000, 99_000) == []


def test_rows_of_the_open_transaction_are_seen(store: Store) -> None:
    write = rows_of([store.ids[0]], [5000], [-1.0])
    other = Write(2, Op.PUT, write.rows)
    assert hosts(store.metric(staged=(write, other)).select(5000, 5000, 100)) == [
        *("h0", "h4", "h5", "h6", "h7", "h8")
    ]


def test_more_samples_than_allowed_are_refused(store: Store) -> None:
    with pytest.raises(DbError) as error:
        store.metric().select(0, 10_000, 44)
    assert error.value.kind is ErrorKind.LIMIT_EXCEEDED
    assert len(store.metric().select(0, 10_000, 45).samples.times) == 45
