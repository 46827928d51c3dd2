"""Options of tables and databases: what they mean to regions, what may be changed."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pytest

from catalog import options
from catalog.records import Column, Database, Table, TableKind, table_from_json, table_to_json
from engine import datatypes as dt
from engine.errors import DbError, ErrorKind
from engine.schema import MergeMode, RegionOptions, Semantic

COLUMNS = (Column("ts", dt.TIMESTAMP_MILLISECOND, nullable=False, semantic=Semantic.TIMESTAMP),)


def table(**given: str) -> Table:
    return Table(1, "d", "t", TableKind.TIME_SERIES, COLUMNS, options=given)


def test_without_options_a_region_has_the_engines_own() -> None:
    assert options.region_options(table(), None) == RegionOptions()
    assert options.region_options(table(), Database(1, "d")) == RegionOptions()


def test_the_table_goes_before_the_database() -> None:
    home = Database(
        1,
        "d",
        {
            "ttl": "7days",
            "compaction.twcs.time_window": "1h",
            "compaction.twcs.trigger_file_num": "9",
            "compaction.twcs.max_output_file_size": "1GB",
            "append_mode": "true",
        },
    )
    found = options.region_options(table(ttl="instant", merge_mode="last_non_null"), home)
    assert found == RegionOptions(
        append_mode=False,  # a template for new tables only
        merge_mode=MergeMode.LAST_NON_NULL,
        ttl_ms=0,
        window_ms=3_600_000,
        trigger_files=9,
        max_output_bytes=1 << 30,
    )
    assert options.region_options(table(ttl="forever"), home).ttl_ms is None


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("write_buffer_size", "64MB"),
        ("write_buffer_size", "1000001"),
        ("compaction.twcs.max_output_file_size", "1.5GB"),
        ("max_row_group_row_count", "10485760"),
        ("compaction.twcs.time_window", "1 day 12h"),
        ("ttl", "1 month"),
    ],
)
def test_what_is_accepted_can_be_read_again(key: str, text: str) -> None:
    once = options.check_table_option(key, text)
    assert options.check_table_option(key, once) == once
    options.region_options(table(**{key: once}), None)


def refused(call: object, *arguments: object) -> str:
    assert callable(call)
    with pytest.raises(DbError) as caught:
        call(*arguments)
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT
    return caught.value.message


def test_bad_values() -> None:
    for key, text in [
        ("max_row_group_row_count", "0"),
        ("max_row_group_row_count", "10485761"),
        ("max_row_group_row_count", "²"),
        ("compaction.twcs.trigger_file_num", "0"),
        ("compaction.twcs.time_window", "500ms"),
        ("compaction.twcs.max_output_file_size", "0MB"),
        ("write_buffer_size", "many"),
        ("append_mode", "yes"),
        ("ttl", "7"),
    ]:
        refused(options.check_table_option, key, text)
    assert refused(options.check_table_option, "no.such", "1") == (
        "unrecognized table option key: no.such"
    )
    assert refused(options.check_database_option, "write_buffer_size", "1MB") == (
        "unrecognized database option key: write_buffer_size"
    )


def test_what_alter_may_set() -> None:
    assert options.set_table_options({"ttl": "1h"}, {"ttl": "", "skip_wal": "true"}) == {
        "ttl": "forever",
        "skip_wal": "true",
    }
    assert (
        options.set_table_options({"auto_flush_interval": "1h"}, {"auto_flush_interval": ""}) == {}
    )
    refused(options.set_table_options, {"skip_wal": "true"}, {"skip_wal": "false"})
    refused(options.set_table_options, {}, {"merge_mode": "last_row"})
    refused(options.set_table_options, {"merge_mode": "last_non_null"}, {"append_mode": "true"})
    refused(options.set_table_options, {}, {"storage": "file"})


def test_what_alter_may_unset() -> None:
    old = {"ttl": "1h", "append_mode": "true", "greptime.semantic.x": "y"}
    assert options.unset_table_options(old, ["ttl", "greptime.semantic.x"]) == {
        "append_mode": "true"
    }
    refused(options.unset_table_options, old, ["append_mode"])
    refused(options.unset_table_options, old, ["nothing"])
    refused(options.unset_table_options, old, ["auto_flush_interval"])


def test_templates_give_way_to_the_tables_own_word() -> None:
    home = Database(1, "d", {"append_mode": "true", "ttl": "1h", "sst_format": "flat"})
    assert options.with_templates({}, home) == {"append_mode": "true", "sst_format": "flat"}
    assert options.with_templates({"merge_mode": "last_non_null"}, home) == {
        "merge_mode": "last_non_null",
        "sst_format": "flat",
    }


# --- Records --------------------------------------------------------------------------------------


def test_columns_get_ids_that_are_never_used_again() -> None:
    first = table()
    assert [c.id for c in first.columns] == [0]
    added = replace(first, columns=(*first.columns, Column("a", dt.INT64)))
    dropped = replace(added, columns=first.columns)
    again = replace(dropped, columns=(Column("a", dt.INT64), *dropped.columns))
    assert [c.id for c in again.columns] == [2, 0]
    assert again.next_column_id == 3
    assert table_from_json(1, "d", "t", table_to_json(again)) == again
    assert table_from_json(1, "d", "t", table_to_json(dropped)).next_column_id == 2


def test_a_column_of_an_altered_table_is_stored_whole() -> None:
    column = Column(
        "a",
        dt.decimal(9, 2),
        initial=pa.scalar(1, pa.decimal128(9, 2)),
        past=(dt.STRING, dt.INT32),
        holds_nulls=True,
    )
    stored = Table(1, "d", "t", TableKind.TIME_SERIES, (*COLUMNS, column), schema_version=4)
    read = table_from_json(1, "d", "t", table_to_json(stored))
    assert read == stored
    assert read.region_schema() == stored.region_schema()


def test_records_of_before_count_columns_by_position() -> None:
    two = Table(1, "d", "t", TableKind.TIME_SERIES, (*COLUMNS, Column("a", dt.INT64)))
    body = json.loads(table_to_json(two))
    for column in body["columns"]:
        for key in ("id", "initial", "past", "holds_nulls"):
            del column[key]
    for key in ("schema_version", "next_column_id", "outputs"):
        del body[key]
    assert table_from_json(1, "d", "t", json.dumps(body)) == two
