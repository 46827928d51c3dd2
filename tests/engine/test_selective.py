"""Few rows out of files: whatever a scan selects itself is what reading everything would give."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from fix_engine import ALWAYS, COLUMNS, CPU, cpu_keys, cpu_rows, materialise
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import KeyFilter, Op, ScanRequest, TimeRange, Write
from engine.clock import ManualClock
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions

HOSTS = ["a", "b", "c", "dd", None]


def opened(directory: Path, *, append: bool = False) -> LocalRegions:
    """Ten flushes of random rows with deletions, late rows and rows that replace older ones."""
    regions = LocalRegions(directory, EngineOptions(row_group_rows=7), ManualClock(1000))
    regions.create(1, CPU, RegionOptions(append_mode=append))
    source = random.Random(7)
    for step in range(10):
        regions.write([Write(1, Op.PUT, cpu_rows(some_rows(source, step)))])
        if not append:
            doomed = [(row[0], row[1], row[2]) for row in some_rows(source, step, 6)]
            regions.write([Write(1, Op.DELETE, cpu_keys(doomed))])
        if step < 9:
            regions.flush(1)
    return regions


def some_rows(source: random.Random, step: int, count: int = 60) -> list[tuple]:
    base = step * 20
    return [
        (
            source.choice(HOSTS),
            source.choice([1, 2, None]),
            base + source.randrange(-15, 40),
            source.choice([float(i), None, float("nan")]),
            f"n{i}",
        )
        for i in range(count)
    ]


@dataclass(frozen=True)
class Stored:
    """A region and all of its rows, read in the plainest way."""

    regions: LocalRegions
    everything: list[tuple]


@pytest.fixture(scope="module", params=["upserts", "upserts, large", "appends, large"])
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stored]:
    """Large: files and parts of memory are taken for large ones."""
    append = request.param.startswith("appends")
    with pytest.MonkeyPatch.context() as patch:
        if request.param.endswith("large"):
            patch.setattr("engine.sst.series.SMALL_ROWS", 0)
            patch.setattr("engine.sst.series._FEW_SERIES", 4)
            patch.setattr("engine.sst.series._NARROW_SHARE", 0.8)
            patch.setattr("engine.sst.compact._SAMPLE_ROWS", 3)
            patch.setattr("engine.sst.picked._SLICES_MAX", 4)
            patch.setattr("engine.memtable.select._ROWS_MIN", 0)
        regions = opened(tmp_path_factory.mktemp("stored"), append=append)
        yield Stored(regions, rows_of(regions, ScanRequest(COLUMNS))[0])
        regions.close()


def rows_of(regions: LocalRegions, request: ScanRequest) -> tuple[list[tuple], int]:
    """The rows of a scan that were wanted, and how many files it left to others."""
    snapshot = regions.scan(1, request)
    try:
        table = materialise(snapshot, request.columns)
        files = len(snapshot.files)
    finally:
        snapshot.close()
    names = request.columns
    table = table.set_column(names.index("ts"), "ts", table.column("ts").cast(pa.int64()))
    rows = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    return sorted((row for row in rows if is_wanted(row, request)), key=repr), files


def is_wanted(row: tuple, request: ScanRequest) -> bool:
    at = row[request.columns.index("ts")]
    start, end = request.time_range.start, request.time_range.end
    if (start is not None and at < start) or (end is not None and at >= end):
        return False
    return all(row[request.columns.index(k.column)] in k.values for k in request.keys)


times = st.one_of(st.none(), st.integers(-20, 240))
filters = st.lists(
    st.one_of(
        st.lists(st.sampled_from(["a", "b", "c", "dd", "zz"]), min_size=1, max_size=3).map(
            lambda values: KeyFilter("host", tuple(values))
        ),
        st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=2).map(
            lambda values: KeyFilter("core", tuple(values))
        ),
    ),
    max_size=2,
)


@settings(max_examples=40, deadline=None)
@given(start=times, end=times, keys=filters)
def test_selected_rows_are_those_of_reading_everything(
    stored: Stored, start: int | None, end: int | None, keys: list[KeyFilter]
) -> None:
    wanted = ScanRequest(COLUMNS, TimeRange(start, end), keys=tuple(keys))
    found, _ = rows_of(stored.regions, wanted)
    expected = [row for row in stored.everything if is_wanted(row, wanted)]
    assert [repr(row) for row in found] == [repr(row) for row in expected]


def test_the_third_question_leaves_no_file_to_others(stored: Stored) -> None:
    wanted = ScanRequest(COLUMNS, TimeRange(40, 70), keys=(KeyFilter("host", ("a", "c")),))
    answers = [rows_of(stored.regions, wanted) for _ in range(3)]
    assert answers[0][0]
    if stored.regions.statistics(1).options.append_mode is False:
        assert answers[2][1] == 0
    assert [repr(rows) for rows, _ in answers] == [repr(answers[0][0])] * 3


def test_files_without_any_of_the_values_are_not_read(tmp_path: Path) -> None:
    regions = LocalRegions(tmp_path, EngineOptions(), ManualClock(1000))
    regions.create(1, CPU, RegionOptions())
    for host in ("a", "b", "c"):
        regions.write([Write(1, Op.PUT, cpu_rows([(host, 1, 5, 1.0, "x")]))])
        regions.flush(1)
    for values, count in ((("a",), 1), (("a", "c"), 2), (("aa",), 0)):
        snapshot = regions.scan(1, ScanRequest(COLUMNS, ALWAYS, keys=(KeyFilter("host", values),)))
        found = materialise(snapshot, COLUMNS).num_rows
        snapshot.close()
        assert found == count
    regions.close()
