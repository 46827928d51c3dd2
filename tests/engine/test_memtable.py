"""Memtables: the newest write of each identity, whatever the sizes of the writes."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest
from fix_engine import CPU, cpu_keys, cpu_rows

from engine.api import Op
from engine.memtable.memtable import Memtable
from engine.memtable.view import Shape, View, stack

UPSERT = Shape(CPU, append_mode=False)
APPEND = Shape(CPU, append_mode=True)


def batch(table: pa.Table) -> pa.RecordBatch:
    return table.combine_chunks().to_batches()[0]


def put(*rows: tuple) -> tuple[Op, pa.RecordBatch]:
    return Op.PUT, batch(cpu_rows(list(rows)))


def delete(*keys: tuple) -> tuple[Op, pa.RecordBatch]:
    return Op.DELETE, batch(cpu_keys(list(keys)))


def filled(shape: Shape, *writes: tuple[Op, pa.RecordBatch]) -> Memtable:
    memtable = Memtable(shape)
    for number, write in enumerate(writes, 1):
        memtable.append([write], number, number)
    return memtable


def values(view: View) -> list[float]:
    return sorted(v for part in view.puts for v in part.rows.column("value").to_pylist())


def tombstones(view: View) -> int:
    return sum(part.rows.num_rows for part in view.deletes)


def test_the_newest_write_of_an_identity_wins_and_null_tags_are_values() -> None:
    view = filled(
        UPSERT,
        put(("a", 1, 5, 1.0, ""), ("a", 1, 5, 2.0, ""), (None, 1, 5, 3.0, "")),
        put((None, 1, 5, 4.0, ""), ("a", None, 5, 5.0, "")),
    ).view()
    assert values(view) == [2.0, 4.0, 5.0]


def test_a_tombstone_removes_older_rows_and_newer_rows_remove_it() -> None:
    writes = [put(("a", 1, 5, 1.0, "")), delete(("a", 1, 5))]
    assert values(filled(UPSERT, *writes).view()) == []
    assert tombstones(filled(UPSERT, *writes).view()) == 1
    again = filled(UPSERT, *writes, put(("a", 1, 5, 2.0, ""))).view()
    assert values(again) == [2.0]
    assert tombstones(again) == 0


def test_writes_of_one_record_count_in_their_order() -> None:
    memtable = Memtable(UPSERT)
    memtable.append([delete(("a", 1, 5)), put(("a", 1, 5, 2.0, ""))], 1, 1)
    assert values(memtable.view()) == [2.0]


def test_append_mode_keeps_duplicates_and_deletes_equal_rows_written_before() -> None:
    row, other = ("a", 1, 5, float("nan"), None), ("a", 1, 5, 2.0, None)
    gone = Op.DELETE, batch(cpu_rows([row]))
    view = filled(APPEND, put(row, row, other), gone, put(row)).view()
    assert sum(part.rows.num_rows for part in view.puts) == 2
    assert tombstones(view) == 1


@pytest.mark.parametrize("append_mode", [False, True])
def test_views_between_writes_change_nothing(append_mode: bool) -> None:
    shape = Shape(CPU, append_mode)
    rng = random.Random(4)
    writes = []
    for number in range(600):
        row = (rng.choice("abc"), rng.choice([1, None]), rng.randrange(40), float(number), "")
        if rng.random() < 0.7 or (append_mode and not writes):
            writes.append(put(row))
        elif append_mode:
            writes.append((Op.DELETE, rng.choice(writes)[1]))
        else:
            writes.append(delete(row[:3]))
    once = filled(shape, *writes)
    often = Memtable(shape)
    for number, write in enumerate(writes, 1):
        often.append([write], number, number)
        if rng.random() < 0.3:
            often.view()
    assert values(once.view()) == values(often.view())


def test_a_view_never_changes_after_it_is_taken() -> None:
    memtable = filled(UPSERT, put(("a", 1, 5, 1.0, "")))
    before = memtable.view()
    memtable.append([delete(("a", 1, 5))], 2, 2)
    assert values(memtable.view()) == []
    assert values(before) == [1.0]


def test_ten_thousand_small_writes_become_few_parts() -> None:
    one = batch(cpu_rows([("a", 1, 5, 1.0, "")]))
    memtable = Memtable(APPEND)
    for number in range(1, 10_001):
        memtable.append([(Op.PUT, one)], number, number)
    assert len(memtable._puts.parts()) < 70
    assert memtable.bytes < 2 * 10_000 * one.nbytes  # and are counted as what they became
    assert sum(part.rows.num_rows for part in memtable.view().puts) == 10_000


def test_stacked_views_shadow_older_ones() -> None:
    old = filled(UPSERT, put(("a", 1, 5, 1.0, ""), ("b", 1, 5, 2.0, ""), ("c", 1, 5, 3.0, "")))
    new = filled(UPSERT, put(("a", 1, 5, 9.0, "")), delete(("b", 1, 5)))
    assert values(stack([old.view(), new.view()], UPSERT)) == [3.0, 9.0]


def test_it_knows_which_log_records_it_needs() -> None:
    memtable = Memtable(UPSERT)
    memtable.append([put(("a", 1, 5, 1.0, ""))], 7, 7)
    memtable.append([put(("a", 1, 6, 1.0, ""))], 9, 3)  # a COMMIT of rows prepared before
    assert (memtable.first_sequence, memtable.last_sequence, memtable.log_sequence) == (7, 9, 3)


def test_rows_survive_a_view_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    memtable = filled(UPSERT, put(("a", 1, 5, 1.0, "")))

    def out_of_memory(*_: object) -> View:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("engine.memtable.memtable.fold", out_of_memory)
        with pytest.raises(MemoryError):
            memtable.view()
    assert values(memtable.view()) == [1.0]
