"""Following a region: a copy that applies every change is equal to the region."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_engine import CPU, cpu_keys, cpu_rows, live_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import Changes, Op, Write
from engine.clock import SystemClock
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions

SOURCE, COPY = 1, 2

Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "delete", "flush", "catch up"]),
        st.integers(0, 5),
        st.integers(0, 3),
    ),
    max_size=25,
)


def catch_up(regions: LocalRegions, changes: Changes, *, last: bool = False) -> int:
    count = 0
    for op, rows in changes.advance(last=last):
        count += rows.num_rows
        regions.write([Write(COPY, op, rows)])
    return count


def change(regions: LocalRegions, step: Step, number: int, *, append: bool) -> None:
    what, host, time = step
    row = (f"h{host}", None if host == 3 else host, time, float(number % 3), None)
    if what == "flush":
        regions.flush(SOURCE)
    elif what == "put":
        regions.write([Write(SOURCE, Op.PUT, cpu_rows([row, row] if append else [row]))])
    elif what == "delete":
        keys = cpu_rows([row]) if append else cpu_keys([row[:3]])
        regions.write([Write(SOURCE, Op.DELETE, keys)])


@pytest.mark.parametrize("append", [False, True])
@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_a_follower_that_applies_all_changes_has_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, append: bool, steps: list[Step]
) -> None:
    folder = tmp_path_factory.mktemp("follow")
    regions = LocalRegions(folder, EngineOptions(sync=False), SystemClock())
    try:
        for region_id in (SOURCE, COPY):
            regions.create(region_id, CPU, RegionOptions(append_mode=append))
        changes = regions.follow(SOURCE)
        for number, step in enumerate(steps):
            if step[0] == "catch up":
                catch_up(regions, changes)
            else:
                change(regions, step, number, append=append)
        catch_up(regions, changes, last=True)
        assert live_rows(regions, COPY) == live_rows(regions, SOURCE)
        assert catch_up(regions, changes) == 0
        changes.close()
    finally:
        regions.close()


@pytest.fixture
def regions(tmp_path: Path) -> Iterator[LocalRegions]:
    opened = LocalRegions(tmp_path, EngineOptions(sync=False), SystemClock())
    opened.create(SOURCE, CPU, RegionOptions())
    opened.create(COPY, CPU, RegionOptions())
    yield opened
    opened.close()


def test_rows_keep_their_files_while_they_are_read(regions: LocalRegions) -> None:
    regions.write([Write(SOURCE, Op.PUT, cpu_rows([("a", 1, 1, 1.0, None)]))])
    changes = regions.follow(SOURCE)
    found = changes.advance()
    first = next(found)
    regions.write([Write(SOURCE, Op.DELETE, cpu_keys([("a", 1, 1)]))])
    regions.flush(SOURCE)
    assert [first[1].num_rows, list(found)] == [1, []]
    assert [(op, rows.num_rows) for op, rows in changes.advance()] == [(Op.DELETE, 1)]
    changes.close()


def test_a_dropped_region_cannot_be_followed_further(regions: LocalRegions) -> None:
    changes = regions.follow(SOURCE)
    regions.drop(SOURCE)
    with pytest.raises(DbError) as caught:
        list(changes.advance())
    assert caught.value.kind is ErrorKind.REGION_NOT_FOUND
    changes.close()


def test_the_last_step_waits_for_undecided_rows(regions: LocalRegions) -> None:
    changes = regions.follow(SOURCE)
    regions.prepare("t", [Write(SOURCE, Op.PUT, cpu_rows([("a", 1, 1, 1.0, None)]))])
    assert list(changes.advance()) == []
    with pytest.raises(DbError) as caught:
        list(changes.advance(last=True))
    assert caught.value.kind is ErrorKind.REGION_BUSY
    regions.commit_prepared("t")
    assert [rows.num_rows for _, rows in changes.advance(last=True)] == [1]
    changes.close()
