"""information_schema about regions and files, over a real database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fix_database import Client

CREATE = """CREATE TABLE cpu (host STRING, ts TIMESTAMP(3) TIME INDEX, v DOUBLE, PRIMARY KEY(host))
            WITH (ttl = '7000d')"""


def asked(db: Client, table: str, columns: str = "*") -> list[dict[str, Any]]:
    text = f"SELECT {columns} FROM information_schema.{table}"
    return [dict(zip(db.names(text), row, strict=True)) for row in db.run(text)]


@pytest.fixture
def cpu(db: Client) -> Client:
    db.run(CREATE)
    db.run("INSERT INTO cpu VALUES ('a', '2024-01-01 00:00:01', 1), ('z', '2024-01-02', 2)")
    db.run("ADMIN flush_table('cpu')")
    db.run("INSERT INTO cpu VALUES ('a', '2024-01-01 00:00:01', 9)")
    return db


def test_region_statistics_are_the_engines_own(cpu: Client) -> None:
    (row,) = asked(cpu, "region_statistics")
    (file,) = asked(cpu, "ssts_manifest")
    assert row["region_id"] >> 32 == row["table_id"] == file["table_id"]
    assert (row["region_number"], row["sst_num"], row["region_rows"]) == (0, 1, 3)
    assert row["sst_size"] == file["file_size"] > 0
    assert row["memtable_size"] > 0
    assert row["written_bytes_since_open"] > row["memtable_size"]
    assert row["manifest_size"] > 0
    assert row["disk_size"] == row["sst_size"] + row["manifest_size"]
    assert (row["engine"], row["region_role"]) == ("mito", "Leader")


def test_region_info_tells_sequences_and_options(cpu: Client) -> None:
    (row,) = asked(cpu, "region_info")
    assert row["committed_sequence"] == row["flushed_sequence"] + 1
    assert row["manifest_version"] == 2  # creation and one flush
    assert json.loads(row["region_options"])["append_mode"] is False
    assert (row["state"], row["role"], row["writable"]) == ("Writable", "Leader", True)
    cpu.run("ADMIN flush_table('cpu')")
    (row,) = asked(cpu, "region_info")
    assert row["committed_sequence"] == row["flushed_sequence"]


def test_the_manifest_tells_ranges_of_files(cpu: Client) -> None:
    (file,) = asked(cpu, "ssts_manifest")
    assert (file["num_rows"], file["num_row_groups"], file["level"]) == (2, 1, 0)
    assert str(file["min_ts"]) == "2024-01-01 00:00:01"
    assert str(file["max_ts"]) == "2024-01-02 00:00:00"
    assert (file["primary_key_min"], file["primary_key_max"]) == ("a", "z")
    assert file["visible"] is True
    assert file["file_path"].startswith(file["table_dir"])


def test_storage_lists_what_is_on_the_disk(cpu: Client) -> None:
    (file,) = asked(cpu, "ssts_manifest")
    stored = {row["file_path"]: row for row in asked(cpu, "ssts_storage")}
    assert stored[file["file_path"]]["file_size"] == file["file_size"]
    assert stored[file["file_path"]]["last_modified_ms"] is not None
    cpu.run("ADMIN flush_table('cpu')")  # the older file gets a deletion vector
    assert any(row["file_path"].endswith(".dv") for row in asked(cpu, "ssts_storage"))


def test_bloom_filters_of_tags_are_the_indexes(db: Client) -> None:
    db.run("CREATE TABLE t (a STRING, b STRING, ts TIMESTAMP(3) TIME INDEX, PRIMARY KEY (a, b))")
    db.run(
        "INSERT INTO t SELECT 'a' || (r - r % 100), 'b' || (r - r % 100), epoch_ms(r) "
        "FROM range(9000) x(r)"
    )
    db.run("ADMIN flush_table('t')")
    (index,) = asked(db, "ssts_index_meta")
    assert (index["index_type"], index["target_key"]) == ("bloom_filter", "b")
    assert 0 < index["blob_size"] < index["index_file_size"]


def test_regions_of_an_open_transaction_belong_to_it(cpu: Client, connect: Any) -> None:
    cpu.run("BEGIN")
    cpu.run("CREATE TABLE later (ts TIMESTAMP TIME INDEX)")
    assert len(asked(cpu, "region_peers")) == 2
    assert len(asked(connect(), "region_peers")) == 1
    assert len(asked(connect(), "region_info")) == 1
    cpu.run("ROLLBACK")
    assert len(asked(cpu, "region_peers")) == 1


def test_tables_tell_rows_and_bytes(cpu: Client) -> None:
    text = "SELECT table_rows, data_length FROM information_schema.tables WHERE table_name = 'cpu'"
    ((rows, size),) = cpu.run(text)
    assert rows == 3  # an overwritten row counts until it is flushed
    assert size > 0


@pytest.mark.parametrize("unit", ["0", "3", "6", "9"])
def test_times_of_every_unit_are_shown_in_milliseconds(db: Client, unit: str) -> None:
    db.run(f"CREATE TABLE t (ts TIMESTAMP({unit}) TIME INDEX)")
    db.run("INSERT INTO t VALUES ('2024-01-01 00:00:05')")
    db.run("ADMIN flush_table('t')")
    (file,) = asked(db, "ssts_manifest")
    assert str(file["min_ts"]) == str(file["max_ts"]) == "2024-01-01 00:00:05"
    assert file["primary_key_min"] is None
