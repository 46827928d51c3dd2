"""What compaction decides to do: versions in, tasks out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fix_engine import CPU

from engine.compaction.picker import Demand, pick, pick_demanded
from engine.compaction.task import Drop, Merge, Task, Widen
from engine.compaction.windows import HOUR_MS
from engine.options import EngineOptions
from engine.schema import RegionOptions
from engine.sst.file import DeletionVector, FileMeta
from engine.version import Version

MIB = 1 << 20
NOW = 1000 * HOUR_MS
LONG_AGO = 0
OPTIONS = EngineOptions()
WINDOW = RegionOptions(window_ms=HOUR_MS)


def file(id_: int, size: int = 30 * MIB, hour: float = 0, **changes: object) -> FileMeta:
    made = FileMeta(
        id=id_,
        path=str(id_),
        rows=size // 30,
        bytes=size,
        time_min=int(hour * HOUR_MS),
        time_max=int(hour * HOUR_MS) + 1000,
        first_sequence=id_,
        last_sequence=id_,
        created_ms=NOW,
        row_groups=max(1, size // (3 * MIB)),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def version(*files: FileMeta, options: RegionOptions = WINDOW) -> Version:
    return Version(CPU, options, files)


def picked(found: Version, now_ms: int = NOW, **changes: int) -> Task | None:
    return pick(found, now_ms, replace(OPTIONS, **changes))


def ids(task: Task | None) -> set[int]:
    assert isinstance(task, Merge | Drop)
    return {file.id for file in task.files}


def test_nothing_is_done_for_few_files() -> None:
    assert picked(version()) is None
    assert picked(version(file(1), file(2), file(3))) is None


def test_files_of_one_size_in_one_window_are_merged() -> None:
    found = version(*(file(i) for i in range(1, 5)), file(5, hour=3), file(6, hour=3))
    assert ids(picked(found)) == {1, 2, 3, 4}


def test_a_much_larger_file_is_left_out() -> None:
    small = [file(i) for i in range(1, 5)]
    assert ids(picked(version(*small, file(9, 500 * MIB)))) == {1, 2, 3, 4}
    assert ids(picked(version(*small, file(9, 59 * MIB)))) == {1, 2, 3, 4, 9}


def test_tiny_files_are_of_one_size_however_tiny() -> None:
    found = version(file(1, 100), file(2, 100_000), file(3, 5000), file(4, 1))
    assert ids(picked(found)) == {1, 2, 3, 4}


def test_the_trigger_is_an_option_of_the_table() -> None:
    options = replace(WINDOW, trigger_files=2)
    assert ids(picked(version(file(1), file(2), options=options))) == {1, 2}


def test_a_row_is_rewritten_a_few_times_only() -> None:
    """A window of 64 flushes, one after the other, as fast as they come."""
    files: list[FileMeta] = []
    written = 0
    for number in range(1, 65):
        files.append(file(1000 + number))
        while isinstance(task := picked(version(*files), compaction_memory_bytes=1 << 30), Merge):
            gone = {f.id for f in task.files}
            size = sum(f.bytes for f in task.files)
            files = [f for f in files if f.id not in gone]
            files.append(file(5000 + 10 * number + len(files), size, level=1))
            written += size
    assert written <= 3 * 64 * 30 * MIB
    assert len(files) <= 9


def test_sizes_that_grow_slowly_are_of_one_size() -> None:
    assert isinstance(picked(version(*(file(i, i * 10 * MIB) for i in range(1, 9)))), Merge)


def test_files_that_one_compaction_wrote_count_as_one() -> None:
    outputs = [file(i, run=10, level=1) for i in range(10, 16)]
    assert picked(version(*outputs)) is None
    task = picked(version(*outputs, *(file(i, 180 * MIB) for i in (1, 2, 3))))
    assert isinstance(task, Merge)
    assert sorted(len(run.files) for run in task.runs) == [1, 1, 1, 6]


def test_no_more_is_merged_at_once_than_memory_holds() -> None:
    task = picked(version(*(file(i) for i in range(1, 30))), compaction_memory_bytes=20 * MIB)
    assert isinstance(task, Merge)
    assert 2 <= len(task.runs) <= 6
    task = picked(version(*(file(i) for i in range(1, 30))), compaction_memory_bytes=1)
    assert len(ids(task)) == 2


def test_what_is_too_large_is_not_merged_unasked() -> None:
    found = version(*(file(i, created_ms=LONG_AGO) for i in range(1, 5)))
    assert picked(found, compaction_bytes_max=100 * MIB) is None
    demand = Demand(sequence=10, file_id=100)
    assert isinstance(pick_demanded(found, NOW, OPTIONS, demand), Merge)


def test_a_settled_window_becomes_one_run_if_that_is_worth_it() -> None:
    big = file(1, 400 * MIB, created_ms=LONG_AGO, level=1)
    newest = file(9, 4000 * MIB, hour=5, created_ms=LONG_AGO)
    assert picked(version(big, file(2), newest)) is None  # just flushed
    settled = file(2, created_ms=LONG_AGO)
    assert ids(picked(version(big, settled, newest))) == {1, 2}
    assert picked(version(big, replace(settled, bytes=10 * MIB), newest)) is None
    assert picked(version(big, settled)) is None  # the newest window must be worth more


def test_many_dead_rows_are_folded_away() -> None:
    found = file(1)
    few = replace(found, deletion=DeletionVector("v", found.rows // 10))
    assert picked(version(few)) is None
    assert ids(picked(version(replace(few, created_ms=LONG_AGO)))) == {1}
    many = replace(found, deletion=DeletionVector("v", found.rows // 3))
    assert ids(picked(version(many, file(2)))) == {1}
    tiny = file(1, 300, deletion=DeletionVector("v", 9))
    assert picked(version(tiny)) is None


def test_expired_files_go_first() -> None:
    options = replace(WINDOW, ttl_ms=10 * HOUR_MS)
    files = [file(i, hour=980) for i in range(1, 3)]
    files += [file(i, hour=995) for i in range(3, 9)]
    task = picked(version(*files, options=options))
    assert isinstance(task, Drop)
    assert ids(task) == {1, 2}
    assert isinstance(picked(version(*files[2:], options=options)), Merge)


def test_a_window_is_found_for_files_without_one() -> None:
    spread = file(1, time_min=0, time_max=5 * HOUR_MS)
    assert picked(version(spread, options=RegionOptions())) == Widen(12 * HOUR_MS)


def test_an_inferred_window_grows_when_windows_hold_hardly_anything() -> None:
    files = [file(i, 10_000, hour=i) for i in range(1, 10)]
    inferred = replace(version(*files, options=RegionOptions()), window_ms=HOUR_MS)
    assert picked(inferred) == Widen(2 * HOUR_MS)
    assert picked(replace(inferred, options=WINDOW)) is None  # it was asked for
    short_lived = replace(inferred, options=RegionOptions(ttl_ms=4 * HOUR_MS))
    assert not isinstance(pick(short_lived, 9 * HOUR_MS, OPTIONS), Widen)
    full = [file(i, 100 * MIB, hour=i) for i in range(1, 10)]
    assert picked(replace(inferred, files=tuple(full))) is None


@pytest.mark.parametrize("strict", [False, True])
def test_a_demand_ends(strict: bool) -> None:
    demand = Demand(sequence=5, file_id=50, strict=strict)
    done = file(60, level=1, run=60, last_sequence=5)
    late = file(61, last_sequence=6)
    assert pick_demanded(version(done, late), NOW, OPTIONS, demand) is None
    dead = replace(done, deletion=DeletionVector("v", 1))
    assert pick_demanded(version(dead), NOW, OPTIONS, demand) is None  # died after the start
    older = replace(dead, id=49)
    assert ids(pick_demanded(version(older), NOW, OPTIONS, demand)) == {49}


def test_a_strict_demand_splits_files_across_windows() -> None:
    across = file(1, time_min=0, time_max=3 * HOUR_MS)
    demand = Demand(sequence=5, file_id=50)
    assert pick_demanded(version(across), NOW, OPTIONS, demand) is None
    task = pick_demanded(version(across), NOW, OPTIONS, replace(demand, strict=True))
    assert isinstance(task, Merge)
    assert task.sparse_rows == 1
    wider = replace(demand, strict=True, window_ms=24 * HOUR_MS)
    assert pick_demanded(version(across), NOW, OPTIONS, wider) is None
