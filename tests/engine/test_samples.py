"""Samples of series: whatever is read is what a plain dictionary of all writes would give."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import NotResident, Op, SampleRequest, SampleRows, SeriesRequest, TimeRange, Write
from engine.clock import ManualClock
from engine.datatypes import BINARY, FLOAT64, INT64, TIMESTAMP_MILLISECOND
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionColumn, RegionOptions, RegionSchema, Semantic

SAMPLES = RegionSchema(
    (
        RegionColumn("series", INT64, Semantic.TAG, nullable=False),
        RegionColumn("at", TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, nullable=False),
        RegionColumn("value", FLOAT64, Semantic.FIELD),
        RegionColumn("histogram", BINARY, Semantic.FIELD),
    ),
    ("series",),
)
# Two metrics' numbers in the upper half, dense numbers below.
SERIES = [m << 32 | n for m in (1, 7) for n in range(6)]
Plain = dict[tuple[int, int], tuple[float | None, bytes | None]]


def put(rows: list[tuple[int, int, float | None, bytes | None]]) -> Write:
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(list(c), f.type) for c, f in zip(columns, SAMPLES.arrow, strict=True)]
    return Write(1, Op.PUT, pa.Table.from_arrays(arrays, schema=SAMPLES.arrow))


def delete(rows: list[tuple[int, int]]) -> Write:
    schema = pa.schema([SAMPLES.arrow.field(name) for name in ("series", "at")])
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(list(c), f.type) for c, f in zip(columns, schema, strict=True)]
    return Write(1, Op.DELETE, pa.Table.from_arrays(arrays, schema=schema))


def found(rows: SampleRows, series: list[int]) -> Plain:
    """What was read, row by row."""
    assert len(rows.offsets) == len(series) + 1
    assert rows.offsets[-1] == len(rows.times) == len(rows.values)
    histograms: dict[int, bytes] = {}
    if rows.histogram_places is not None:
        assert rows.histograms is not None
        places = rows.histogram_places.tolist()
        histograms = dict(zip(places, rows.histograms.to_pylist(), strict=True))
    answer: Plain = {}
    for i, id_ in enumerate(series):
        for place in range(rows.offsets[i], rows.offsets[i + 1]):
            key = (id_, int(rows.times[place]))
            assert key not in answer
            one = histograms.get(place)
            answer[key] = (None if one is not None else float(rows.values[place]), one)
        own = rows.times[rows.offsets[i] : rows.offsets[i + 1]]
        assert np.all(own[1:] > own[:-1])
    return answer


def expected(plain: Plain, series: list[int], start: int | None, end: int | None) -> Plain:
    return {
        key: value if value[1] is None else (None, value[1])
        for key, value in plain.items()
        if key[0] in series
        and (start is None or key[1] >= start)
        and (end is None or key[1] < end)
        and value != (None, None)
    }


def read(
    regions: LocalRegions,
    series: list[int],
    start: int | None = None,
    end: int | None = None,
    staged: tuple[Write, ...] = (),
) -> Plain:
    ids = np.array(series, np.int64)
    request = SampleRequest(ids, TimeRange(start, end), staged)
    return found(regions.samples(1, request), series)


def present(
    regions: LocalRegions, series: list[int], start: int | None, end: int | None
) -> set[int]:
    request = SampleRequest(np.array(series, np.int64), TimeRange(start, end), presence=True)
    places = np.flatnonzero(np.diff(regions.samples(1, request).offsets))
    return {series[place] for place in places}


class Model:
    """A region and a dictionary that get the same random writes."""

    def __init__(self, regions: LocalRegions, seed: int) -> None:
        self.regions = regions
        self.plain: Plain = {}
        self._random = random.Random(seed)
        self._now = 0

    def random_put(self) -> list[tuple[int, int, float | None, bytes | None]]:
        source = self._random
        self._now += source.randrange(10)
        late = source.random() < 0.3
        rows = []
        for _ in range(source.randrange(1, 40)):
            at = self._now + source.randrange(-60 if late else 0, 6)
            kind = source.random()
            one = f"h{len(self.plain)}".encode() if kind < 0.1 else None
            value = None if kind < 0.15 else float(source.randrange(1000))
            rows.append((source.choice(SERIES), at, value, one))
        return rows

    def random_keys(self) -> list[tuple[int, int]]:
        known = sorted(self.plain) or [(SERIES[0], 0)]
        return [self._random.choice(known) for _ in range(self._random.randrange(1, 8))]

    def step(self) -> None:
        kind = self._random.random()
        if kind < 0.6:
            rows = self.random_put()
            self.regions.write([put(rows)])
            self.plain |= {row[:2]: row[2:] for row in rows}
        elif kind < 0.75:
            keys = self.random_keys()
            self.regions.write([delete(keys)])
            self.plain = {k: v for k, v in self.plain.items() if k not in keys}
        elif kind < 0.93:
            self.regions.flush(1)
        else:
            self.regions.compact(1)

    def check(self) -> None:
        source = self._random
        series = sorted(source.sample([*SERIES, 5 << 32], source.randrange(1, 13)))
        start = source.choice([None, source.randrange(-50, self._now + 50)])
        end = source.choice([None, source.randrange(-50, self._now + 50)])
        wanted = expected(self.plain, series, start, end)
        assert read(self.regions, series, start, end) == wanted
        assert present(self.regions, series, start, end) == {id_ for id_, _ in wanted}


@pytest.mark.parametrize("seed", range(6))
def test_reads_what_was_written(tmp_path: Path, seed: int) -> None:
    regions = LocalRegions(
        tmp_path, EngineOptions(row_group_rows=11, sync=False), ManualClock(1000)
    )
    try:
        regions.create(1, SAMPLES, RegionOptions())
        model = Model(regions, seed)
        for _ in range(60):
            model.step()
            model.check()
    finally:
        regions.close()


def test_large_reads_are_split_between_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.samples.read._PARALLEL", 0)
    monkeypatch.setattr("engine.samples.read._THREADS", 3)
    regions = LocalRegions(
        tmp_path, EngineOptions(row_group_rows=11, sync=False), ManualClock(1000)
    )
    try:
        regions.create(1, SAMPLES, RegionOptions())
        model = Model(regions, 99)
        for _ in range(40):
            model.step()
            model.check()
    finally:
        regions.close()


@pytest.fixture
def regions(tmp_path: Path) -> Iterator[LocalRegions]:
    engine = LocalRegions(
        tmp_path, EngineOptions(row_group_rows=8, sync=False), ManualClock(10_000)
    )
    engine.create(1, SAMPLES, RegionOptions())
    yield engine
    engine.close()


def steady(series: list[int], count: int, first: int = 0) -> list:
    return [(id_, first + i, float(i), None) for id_ in series for i in range(count)]


def test_series_of_one_file_are_not_copied(regions: LocalRegions) -> None:
    regions.write([put(steady(SERIES, 20))])
    regions.flush(1)
    ids = np.array(SERIES[2:5], np.int64)
    whole = regions.samples(1, SampleRequest(ids, TimeRange(0, 20)))
    again = regions.samples(1, SampleRequest(ids, TimeRange(0, 20)))
    assert np.shares_memory(whole.values, again.values)
    assert whole.values.tolist() == [float(i) for i in range(20)] * 3


def test_rows_of_an_open_transaction_lie_over_all_others(regions: LocalRegions) -> None:
    regions.write([put(steady([5, 6], 3))])
    regions.flush(1)
    regions.write([put([(6, 2, 20.0, None), (6, 3, 30.0, None)])])
    staged = (put([(5, 1, -1.0, None), (9, 0, 9.0, None)]), delete([(6, 3), (5, 0)]))
    assert read(regions, [5, 6, 9], staged=staged) == {
        (5, 1): (-1.0, None),
        (5, 2): (2.0, None),
        (6, 0): (0.0, None),
        (6, 1): (1.0, None),
        (6, 2): (20.0, None),
        (9, 0): (9.0, None),
    }
    assert len(read(regions, [5, 6, 9])) == 7


def test_histograms_come_to_a_region_that_had_none(tmp_path: Path) -> None:
    regions = LocalRegions(tmp_path, EngineOptions(sync=False), ManualClock(0))
    before = RegionSchema(SAMPLES.columns[:3], ("series",))
    regions.create(1, before, RegionOptions())

    def plain(at: int) -> Write:
        rows = put([(1, at, float(at), None)]).rows.select(before.arrow.names)
        return Write(1, Op.PUT, rows.cast(before.arrow), before)

    regions.write([plain(1)])
    regions.flush(1)
    regions.write([plain(2)])
    assert len(read(regions, [1])) == 2
    after = RegionSchema(SAMPLES.columns, ("series",), 1)
    regions.alter(1, after, RegionOptions())
    new = Write(1, Op.PUT, put([(1, 3, None, b"h")]).rows, after)
    expected = {(1, 1): (1.0, None), (1, 2): (2.0, None), (1, 4): (4.0, None)}
    staged = (plain(4), Write(1, Op.DELETE, delete([(1, 9)]).rows, before))
    assert read(regions, [1], staged=staged) == expected
    regions.write([new])
    expected[1, 3] = (None, b"h")
    for _ in range(2):
        assert read(regions, [1], staged=staged) == expected
        regions.flush(1)
    regions.close()


def test_expired_samples_are_not_shown(tmp_path: Path) -> None:
    clock = ManualClock(10_000)
    regions = LocalRegions(tmp_path, EngineOptions(), clock)
    regions.create(1, SAMPLES, RegionOptions(ttl_ms=5_000))
    regions.write([put([(1, 6_000, 1.0, None), (1, 9_000, 2.0, None)])])
    assert len(read(regions, [1])) == 2
    regions.flush(1)
    assert len(read(regions, [1])) == 2
    clock.advance(3_000)
    assert read(regions, [1]) == {(1, 9_000): (2.0, None)}
    regions.close()


def test_more_samples_than_are_allowed_are_refused(regions: LocalRegions) -> None:
    regions.write([put(steady([5, 6], 3))])
    request = SampleRequest(np.array([5, 6], np.int64), rows_max=5)
    with pytest.raises(DbError) as error:
        regions.samples(1, request)
    assert error.value.kind is ErrorKind.LIMIT_EXCEEDED
    assert len(read(regions, [5])) == 3


def test_unknown_series_and_no_series_have_no_samples(regions: LocalRegions) -> None:
    regions.write([put(steady([5], 3))])
    assert read(regions, []) == {}
    assert read(regions, [1, 4, 6]) == {}
    regions.flush(1)
    assert read(regions, [1, 4, 6]) == {}


def test_a_write_is_seen_whole_however_it_came(regions: LocalRegions) -> None:
    """Many small writes after the memtable was first read: they wait together."""
    regions.write([put([(1, 0, 0.0, None)])])
    assert len(read(regions, [1])) == 1
    for i in range(1, 300):
        regions.write([put([(1, i, float(i), None)]), delete([(1, i - 1)])])
    assert read(regions, [1]) == {(1, 299): (299.0, None)}


def test_stale_markers_keep_their_bits(regions: LocalRegions) -> None:
    marker = np.array([0x7FF0000000000002], np.uint64).view(np.float64)
    arrays = [pa.array([1], pa.int64()), pa.array([1], pa.timestamp("ms")), pa.array(marker)]
    table = pa.Table.from_arrays([*arrays, pa.nulls(1, pa.binary())], schema=SAMPLES.arrow)
    regions.write([Write(1, Op.PUT, table)])
    for _ in range(2):
        rows = regions.samples(1, SampleRequest(np.array([1], np.int64)))
        assert rows.values.view(np.uint64).tolist() == [0x7FF0000000000002]
        regions.flush(1)


@settings(max_examples=30, deadline=None)
@given(
    batches=st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=30),
        min_size=1,
        max_size=5,
    )
)
def test_layers_of_memory_agree_with_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, int]]]
) -> None:
    engine = LocalRegions(tmp_path_factory.mktemp("r"), EngineOptions(), ManualClock(0))
    engine.create(1, SAMPLES, RegionOptions())
    plain: Plain = {}
    for number, batch in enumerate(batches):
        rows = [(series, at, float(number * 100 + i), None) for i, (series, at) in enumerate(batch)]
        engine.write([put(rows)])
        plain |= {row[:2]: row[2:] for row in rows}
        assert read(engine, [0, 1, 2, 3]) == plain
    engine.close()


def test_memory_of_sorted_samples_counts_and_goes_with_the_memtable(tmp_path: Path) -> None:
    """Who reads makes a memtable larger; a flush gives all of it back."""
    engine = LocalRegions(tmp_path, EngineOptions(compaction_threads=0), ManualClock(0))
    engine.create(1, SAMPLES, RegionOptions())
    rows = [(SERIES[0], time, 1.5, None) for time in range(20_000)]
    engine.write([put(rows)])
    alone = engine._budget.used
    request = SampleRequest(np.array(SERIES[:1]))
    assert len(engine.samples(1, request).times) == len(rows)
    engine.write([put([(SERIES[0], -1, 1.5, None)])])
    followed = engine._budget.used
    assert followed > alone + 20 * len(rows)
    for time in range(-200, -1):
        engine.write([put([(SERIES[0], time, 1.5, None)])])
        engine.samples(1, request)
    assert engine._budget.used < 1.5 * followed, "merged runs are counted once"
    assert engine.statistics(1).memtable_bytes == engine._budget.used
    engine.flush(1)
    assert engine._budget.used == 0
    assert len(engine.samples(1, request).times) == len(rows) + 200
    engine.close()


def test_memory_of_sorted_samples_makes_memtables_flush_sooner(tmp_path: Path) -> None:
    options = EngineOptions(compaction_threads=0, memtable_total_bytes=2 << 20)
    engine = LocalRegions(tmp_path, options, ManualClock(0))
    engine.create(1, SAMPLES, RegionOptions())
    request = SampleRequest(np.array(SERIES[:1]))
    for step in range(40):
        engine.write([put([(SERIES[0], 2000 * step + n, 0.5, None) for n in range(2000)])])
        engine.samples(1, request)
        assert engine._budget.used < 3 * (2 << 20)
    assert engine.statistics(1).files > 0
    assert len(engine.samples(1, request).times) == 80_000
    engine.close()


def test_what_memory_holds_is_read_from_there_or_not_at_all(tmp_path: Path) -> None:
    """Nothing is opened, sorted or decoded for it, nor is anything that was written left out."""
    engine = LocalRegions(tmp_path, EngineOptions(compaction_threads=0), ManualClock(0))
    engine.create(1, SAMPLES, RegionOptions())
    series = [5, 6]
    resident = SampleRequest(np.array(series, np.int64), resident=True)

    def is_refused_once() -> bool:
        with pytest.raises(NotResident):
            engine.samples(1, resident)
        return bool(plain := read(engine, series)) and plain == found(
            engine.samples(1, resident), series
        )

    engine.write([put(steady(series, 3))])
    assert is_refused_once(), "nothing is sorted yet"
    engine.write([put([(5, 900, 1.5, None)])])
    assert is_refused_once(), "a row came"
    engine.write([delete([(6, 0)])])
    assert is_refused_once(), "a row went"
    engine.flush(1)
    assert is_refused_once(), "no file is decoded yet"
    engine.write([put([(6, 901, 2.5, None)])])
    assert is_refused_once(), "a row beside a file"
    staged = (put([(5, 902, 3.5, None)]),)
    request = SampleRequest(np.array(series, np.int64), staged=staged, resident=True)
    assert (5, 902) in found(engine.samples(1, request), series)
    engine.close()


def test_what_is_answered_at_once_waits_for_no_alter(regions: LocalRegions) -> None:
    regions.write([put(steady([5], 3))])
    asked = SampleRequest(np.array([5], np.int64))
    rows = SeriesRequest((5,), ("at", "value"), TimeRange(), SAMPLES.version)
    region, is_held, may_end = regions._region(1), Event(), Event()

    def hold() -> None:
        with region.maintenance, region.still():
            is_held.set()
            may_end.wait(60)

    def answers() -> tuple[bool, bool]:
        """Whether samples, and rows, are given at once."""
        try:
            samples = bool(len(regions.samples(1, replace(asked, resident=True)).times))
        except NotResident:
            samples = False
        return samples, regions.glance(1, rows) is not None

    regions.samples(1, asked)
    regions._region(1).state().memtables[-1].view()
    assert answers() == (True, True)
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(hold)
        assert is_held.wait(60)
        try:
            assert pool.submit(answers).result(10) == (False, False)
        finally:
            may_end.set()
        held.result(30)
    assert answers() == (True, True)
