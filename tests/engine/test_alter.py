"""Rows written before an ALTER are read in the new schema, wherever they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from fix_engine import CPU, cpu_keys, cpu_rows, rows_in

from engine.api import Op, Write
from engine.clock import ManualClock
from engine.datatypes import FLOAT64, INT64, STRING
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import MergeMode, RegionColumn, RegionOptions, RegionSchema, Semantic

UPSERT = RegionOptions()
ROWS = [("a", 1, 10, 1.5, "x"), ("b", 1, 20, 2.5, "7")]


def changed(
    schema: RegionSchema, *columns: RegionColumn, tags: tuple[str, ...] = ()
) -> RegionSchema:
    """The next version of a schema, with ids given by position in the first one."""
    return RegionSchema(columns, schema.primary_key + tags, schema.version + 1)


NUMBERED = replace(
    CPU, columns=tuple(replace(column, id=i) for i, column in enumerate(CPU.columns))
)
HOST, CORE, TS, VALUE, NOTE = NUMBERED.columns
EXTRA = RegionColumn("extra", INT64, Semantic.FIELD, id=5, initial=pa.scalar(42, pa.int64()))
WITH_EXTRA = changed(NUMBERED, HOST, EXTRA, CORE, TS, VALUE, NOTE)


@pytest.fixture
def regions(tmp_path: Path) -> Iterator[LocalRegions]:
    opened = LocalRegions(tmp_path, EngineOptions(sync=False), ManualClock())
    opened.create(1, NUMBERED, UPSERT)
    yield opened
    opened.close()


def put(regions: LocalRegions, rows: list[tuple]) -> None:
    regions.write([Write(1, Op.PUT, cpu_rows(rows), NUMBERED)])


@pytest.mark.parametrize("flushed", [True, False])
def test_old_rows_read_the_initial_value_of_an_added_column(
    regions: LocalRegions, flushed: bool
) -> None:
    put(regions, ROWS)
    if flushed:
        regions.flush(1)
    regions.alter(1, WITH_EXTRA, UPSERT)
    assert rows_in(regions, WITH_EXTRA) == [
        ("a", 42, 1, 10, 1.5, "x"),
        ("b", 42, 1, 20, 2.5, "7"),
    ]


def test_a_writer_that_planned_before_the_alter_still_writes(regions: LocalRegions) -> None:
    regions.alter(1, WITH_EXTRA, UPSERT)
    put(regions, ROWS[:1])
    regions.write([Write(1, Op.DELETE, cpu_keys([("b", 1, 20)]), NUMBERED)])
    assert rows_in(regions, WITH_EXTRA) == [("a", 42, 1, 10, 1.5, "x")]
    assert rows_in(regions, NUMBERED) == ROWS[:1]


def test_rows_of_a_transaction_that_alters_are_shown_before_the_region_is_altered(
    regions: LocalRegions,
) -> None:
    put(regions, ROWS)
    regions.flush(1)
    staged = pa.table(
        [["a"], [7], [1], pa.array([10]).cast("timestamp[ms]"), [9.0], ["z"]],
        schema=WITH_EXTRA.arrow,
    )
    write = Write(1, Op.PUT, staged, WITH_EXTRA)
    expected = [("a", 7, 1, 10, 9.0, "z"), ("b", 42, 1, 20, 2.5, "7")]
    assert rows_in(regions, WITH_EXTRA, staged=(write,)) == expected
    regions.prepare("t", [write])
    regions.alter(1, WITH_EXTRA, UPSERT)
    regions.commit_prepared("t")
    assert rows_in(regions, WITH_EXTRA) == expected


def test_a_column_dropped_and_added_again_does_not_show_its_old_values(
    regions: LocalRegions,
) -> None:
    put(regions, ROWS)
    without = changed(NUMBERED, HOST, CORE, TS, VALUE)
    regions.alter(1, without, UPSERT)
    again = changed(
        without, HOST, CORE, TS, VALUE, RegionColumn("note", STRING, Semantic.FIELD, id=5)
    )
    regions.alter(1, again, UPSERT)
    assert [row[-1] for row in rows_in(regions, again)] == [None, None]


def test_a_renamed_column_keeps_its_values(regions: LocalRegions) -> None:
    put(regions, ROWS)
    renamed = changed(NUMBERED, HOST, CORE, TS, replace(VALUE, name="note2"), NOTE)
    regions.alter(1, renamed, UPSERT)
    assert rows_in(regions, renamed) == ROWS


def test_values_that_do_not_fit_a_new_type_are_null_for_good(regions: LocalRegions) -> None:
    put(regions, ROWS)
    number = replace(NOTE, type=INT64, past=(STRING,))
    numbers = changed(NUMBERED, HOST, CORE, TS, VALUE, number)
    regions.alter(1, numbers, UPSERT)
    assert [row[-1] for row in rows_in(regions, numbers)] == [None, 7]
    text = changed(numbers, HOST, CORE, TS, VALUE, replace(NOTE, past=(STRING, INT64)))
    regions.alter(1, text, UPSERT)
    assert [row[-1] for row in rows_in(regions, text)] == [None, "7"]


def test_a_new_tag_takes_part_in_the_identity(regions: LocalRegions) -> None:
    put(regions, ROWS[:1])
    zone = RegionColumn("zone", STRING, Semantic.TAG, id=5, initial=pa.scalar("eu"))
    zoned = changed(NUMBERED, *NUMBERED.columns, zone, tags=("zone",))
    regions.alter(1, zoned, UPSERT)
    new = [("a", 1, 10, 7.0, "new", "eu"), ("a", 1, 10, 8.0, "other", "us")]
    columns = [pa.array(list(c)) for c in zip(*new, strict=True)]
    rows = pa.table(
        [c.cast(f.type) for c, f in zip(columns, zoned.arrow, strict=True)], schema=zoned.arrow
    )
    regions.write([Write(1, Op.PUT, rows, zoned)])
    assert rows_in(regions, zoned) == new
    regions.flush(1)
    assert rows_in(regions, zoned) == new


def test_an_altered_region_is_the_same_after_a_restart(tmp_path: Path) -> None:
    def opened() -> LocalRegions:
        return LocalRegions(tmp_path, EngineOptions(sync=False), ManualClock())

    regions = opened()
    regions.create(1, NUMBERED, UPSERT)
    put(regions, ROWS[:1])
    text = changed(
        NUMBERED, HOST, CORE, TS, replace(VALUE, type=STRING, past=(FLOAT64,)), NOTE, EXTRA
    )
    regions.alter(1, text, replace(UPSERT, ttl_ms=None, trigger_files=7))
    regions.write([Write(1, Op.PUT, cpu_rows(ROWS[1:]), NUMBERED)])
    before = rows_in(regions, text)
    regions.close()
    regions = opened()
    assert (
        rows_in(regions, text)
        == before
        == [
            ("a", 1, 10, "1.5", "x", 42),
            ("b", 1, 20, "2.5", "7", 42),
        ]
    )
    regions.alter(1, text, replace(UPSERT, ttl_ms=None, trigger_files=7))  # changes nothing
    regions.close()


def test_rows_older_than_the_time_to_live_are_not_shown(regions: LocalRegions) -> None:
    put(regions, ROWS)
    regions.alter(1, NUMBERED, replace(UPSERT, ttl_ms=-15))
    assert rows_in(regions, NUMBERED) == ROWS[1:]


def test_append_mode_can_be_turned_on_but_not_off(regions: LocalRegions) -> None:
    put(regions, ROWS)
    regions.alter(1, NUMBERED, RegionOptions(append_mode=True))
    put(regions, ROWS)
    assert rows_in(regions, NUMBERED) == sorted(ROWS * 2)
    with pytest.raises(DbError) as caught:
        regions.alter(1, NUMBERED, UPSERT)
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "schema",
    [
        changed(NUMBERED, HOST, CORE, replace(TS, id=9), VALUE, NOTE),
        changed(
            NUMBERED,
            HOST,
            CORE,
            replace(TS, type=replace(TS.type, id=TS.type.id.__class__.TIMESTAMP_SECOND)),
            VALUE,
            NOTE,
        ),
    ],
    ids=["another column", "another type"],
)
def test_the_time_index_stays(regions: LocalRegions, schema: RegionSchema) -> None:
    with pytest.raises(DbError) as caught:
        regions.alter(1, schema, UPSERT)
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT


def test_the_merge_mode_stays(regions: LocalRegions) -> None:
    with pytest.raises(DbError) as caught:
        regions.alter(1, NUMBERED, RegionOptions(merge_mode=MergeMode.LAST_NON_NULL))
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT
