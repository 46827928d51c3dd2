"""External tables: what is read of which files, by whom, and what stays of it."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest
from fix_database import Client, Databases, client
from fix_store import BUCKET

from engine.errors import DbError, ErrorKind
from sql.session import Wire

TABLE = pa.table(
    {
        "host": pa.array(["a", "b", None], pa.string()),
        "greptime_timestamp": pa.array([0, 60_000, 3_600_000], pa.timestamp("ms")),
        "small": pa.array([-1, 0, 1], pa.int8()),
        "price": pa.array([Decimal("1.50"), None, Decimal("2.25")], pa.decimal128(10, 2)),
        "at": pa.array([0, 1, 2], pa.timestamp("us", "UTC")),
        "tags": pa.array([["x"], [], None], pa.list_(pa.string())),
    }
)


@pytest.fixture
def root(databases: Databases) -> Path:
    found = databases.directory / "copy"
    found.mkdir(parents=True)
    return found


def refused(db: Client, text: str) -> DbError:
    with pytest.raises(DbError) as caught:
        db.run(text)
    return caught.value


def write(path: Path, rows: pa.Table) -> None:
    if path.suffix == ".parquet":
        pq.write_table(rows, path)
    elif path.suffix == ".orc":
        orc.write_table(rows, str(path))
    else:
        make = ipc.new_file if path.suffix == ".arrow" else ipc.new_stream
        with make(str(path), rows.schema) as writer:
            writer.write_table(rows)


@pytest.mark.parametrize(
    ("name", "format_"),
    [("t.parquet", "parquet"), ("t.orc", "orc"), ("t.arrow", "arrow"), ("t.ipc", "arrow")],
)
def test_files_of_columns_tell_their_types(root: Path, db: Client, name: str, format_: str) -> None:
    write(root / name, TABLE)
    db.run(f"CREATE EXTERNAL TABLE t WITH (location = '{name}', format = '{format_}')")
    assert db.run("SELECT * FROM t") == [tuple(row.values()) for row in TABLE.to_pylist()]
    found = db.run("SELECT small, price FROM t WHERE greptime_timestamp >= '1970-01-01 00:01:00'")
    assert found == [(0, None), (1, Decimal("2.25"))]
    types = dict(row[:2] for row in db.run("DESC TABLE t"))
    assert types["small"] == "Int8"
    assert types["price"] == "Decimal(10, 2)"
    assert [r[0] for r in db.run("DESC TABLE t") if r[5] == "TIMESTAMP"] == ["greptime_timestamp"]


def test_files_need_not_be_alike(root: Path, db: Client) -> None:
    folder = root / "several"
    folder.mkdir()
    write(folder / "a.parquet", pa.table({"x": pa.array([1], pa.int32()), "y": ["one"]}))
    write(folder / "b.parquet", pa.table({"z": [2.5], "x": pa.array([1 << 40], pa.int64())}))
    db.run("CREATE EXTERNAL TABLE t WITH (location = 'several/*.parquet')")
    assert db.run("SELECT x, y, z FROM t ORDER BY x") == [(1, "one", None), (1 << 40, None, 2.5)]
    db.run("CREATE EXTERNAL TABLE u (x INT, z DOUBLE DEFAULT 9) WITH (location = 'several/')")
    assert refused(db, "SELECT x FROM u").kind is ErrorKind.OUT_OF_RANGE
    assert db.run("SELECT z FROM u ORDER BY z") == [(2.5,), (9.0,)]
    write(folder / "c.parquet", pa.table({"x": ["text"]}))
    error = refused(db, "CREATE EXTERNAL TABLE v WITH (location = 'several/')")
    assert error.kind is ErrorKind.DATATYPE_MISMATCH
    assert "c.parquet" in error.message


def test_row_groups_and_columns_are_pruned_by_duckdb(root: Path, db: Client) -> None:
    rows = 50_000
    times = pa.array(range(rows), pa.int64()).cast(pa.timestamp("s")).cast(pa.timestamp("ms"))
    data = pa.table({"ts": times, "v": range(rows), "w": range(rows)})
    pq.write_table(data, root / "big.parquet", row_group_size=5_000)
    db.run(
        "CREATE EXTERNAL TABLE t (ts TIMESTAMP TIME INDEX, v BIGINT, w BIGINT)"
        " WITH (location = 'big.parquet')"
    )
    query = "SELECT sum(v) FROM t WHERE ts < '1970-01-01 00:01:00'"
    assert db.run(query) == [(59 * 60 // 2,)]
    plan = str(db.run("EXPLAIN ANALYZE " + query))
    assert "READ_PARQUET" in plan.upper()
    assert '"w"' not in plan


def test_what_duckdb_was_lent_is_taken_back(root: Path, db: Client, databases: Databases) -> None:
    write(root / "t.parquet", TABLE)
    db.run("CREATE EXTERNAL TABLE t WITH (location = 't.parquet')")
    assert len(db.run("SELECT a.host FROM t a JOIN t b ON a.small = b.small")) == 3
    assert refused(db, "SELECT 1 // small, error(host) FROM t")
    assert list((databases.directory / "links").glob("*")) == []
    (databases.directory / "links" / "left.parquet").write_bytes(b"by a crash")
    databases.close()
    again = client(databases.open())
    assert list((databases.directory / "links").glob("*")) == []
    assert again.run("SELECT host FROM t WHERE small = -1") == [("a",)]


def test_a_changed_file_is_never_taken_for_the_old_one(root: Path, db: Client) -> None:
    write(root / "t.parquet", pa.table({"x": [1, 2]}))
    db.run("CREATE EXTERNAL TABLE t (x BIGINT) WITH (location = 't.parquet')")
    assert db.run("SELECT sum(x) FROM t") == [(3,)]
    write(root / "t.parquet", pa.table({"x": [10, 20, 30]}))
    assert db.run("SELECT sum(x) FROM t") == [(60,)]
    os.unlink(root / "t.parquet")
    assert refused(db, "SELECT sum(x) FROM t").kind is ErrorKind.UNDEFINED_FILE


def test_no_path_leads_out(root: Path, db: Client, tmp_path: Path) -> None:
    secret = tmp_path / "secret.parquet"
    write(secret, TABLE)
    (root / "way.parquet").symlink_to(secret)
    write(root / "t.parquet", TABLE)
    for location in ("way.parquet", str(secret), "../secret.parquet"):
        error = refused(db, f"CREATE EXTERNAL TABLE t WITH (location = '{location}')")
        assert error.kind is ErrorKind.ACCESS_DENIED
    db.run("CREATE EXTERNAL TABLE t WITH (location = 't.parquet')")
    (root / "t.parquet").unlink()
    (root / "t.parquet").symlink_to(secret)
    assert refused(db, "SELECT * FROM t").kind is ErrorKind.ACCESS_DENIED


def test_errors_in_files_keep_their_place(root: Path, db: Client) -> None:
    (root / "t.csv").write_text("a,b\n1,x\n2,y\nthree,z\n")
    db.run("CREATE EXTERNAL TABLE t (a INT, b STRING) WITH (location = 't.csv')")
    error = refused(db, "SELECT sum(a) FROM t")
    assert error.kind is ErrorKind.INVALID_TEXT
    assert "line 4" in (error.detail or "")
    assert db.run("SELECT count(b) FROM t") == [(3,)]
    (root / "t.csv").write_bytes(b"a,b\n1,x\n")
    assert db.run("SELECT sum(a) FROM t") == [(1,)]
    (root / "broken.parquet").write_bytes(b"PAR1 no")
    assert refused(db, "CREATE EXTERNAL TABLE u WITH (location = 'broken.parquet')").kind is (
        ErrorKind.BAD_COPY_DATA
    )


def test_text_options_and_inferred_types(root: Path, db: Client) -> None:
    (root / "t.txt").write_text("1;2024-01-01T00:00:00.123456Z;true;\n2;2024-01-01;false;x\n")
    db.run(
        "CREATE EXTERNAL TABLE t WITH (location = 't.txt', format = 'csv', headers = 'false',"
        " delimiter = ';')"
    )
    types = [row[1] for row in db.run("DESC TABLE t")]
    assert types[:4] == ["Int64", "String", "Boolean", "String"]
    assert db.run("SELECT column_1, column_3 FROM t WHERE column_4 = 'x'") == [(2, False)]
    (root / "u.json").write_text('{"a": 1, "o": {"k": [1]}, "l": [1, 2]}\n{"a": 2.5}\n')
    db.run("CREATE EXTERNAL TABLE u WITH (location = 'u.json')")
    assert db.run("SELECT a, o, l FROM u ORDER BY a") == [
        (1.0, '{"k": [1]}', [1, 2]),
        (2.5, None, None),
    ]


def test_times_without_a_zone_are_utc_whoever_reads(root: Path, db: Client) -> None:
    (root / "t.csv").write_text("ts\n2024-01-01 00:00:00\n")
    db.run("CREATE EXTERNAL TABLE t (ts TIMESTAMP TIME INDEX) WITH (location = 't.csv')")
    db.run("SET TIME ZONE 'Asia/Tokyo'")
    assert db.run("SELECT count(*) FROM t WHERE ts = '2024-01-01 09:00:00'") == [(1,)]


def test_a_bucket_and_its_secrets(db: Client, s3_url: str) -> None:
    options = (
        f"region = 'us-east-1', endpoint = '{s3_url}', access_key_id = 'an id',"
        " secret_access_key = 'a key'"
    )
    where = f"s3://{BUCKET}/external/"
    for kind in ("parquet", "csv"):
        db.run(
            f"COPY (SELECT 1 AS a, 'x' AS b) TO '{where}t.{kind}'"
            f" CONNECTION ({options.upper().replace(s3_url.upper(), s3_url)})"
        )
        db.run(f"CREATE EXTERNAL TABLE {kind}s WITH (location = '{where}t.{kind}', {options})")
        assert db.run(f"SELECT a, b FROM {kind}s") == [(1, "x")]
    told = str(db.run("SHOW CREATE TABLE csvs"))
    told += str(db.run("SELECT create_options FROM information_schema.tables"))
    assert "a key" not in told
    assert "secret_access_key" in told


def test_statements_cancel_and_limits_end_streams(root: Path, db: Client) -> None:
    (root / "t.csv").write_text("a\n" + "1\n" * 300_000)
    db.run("CREATE EXTERNAL TABLE t (a INT) WITH (location = 't.csv')")
    assert db.run("SELECT a FROM t LIMIT 2") == [(1,), (1,)]
    assert db.run("SELECT count(*), sum(a) FROM t") == [(300_000, 300_000)]


@pytest.mark.parametrize("wire", list(Wire))
def test_show_create_can_be_run_again(
    root: Path, databases: Databases, db: Client, wire: Wire
) -> None:
    (root / "t.csv").write_text("a,ts\n1,2024-01-01\n")
    db.run(
        "CREATE EXTERNAL TABLE t (a INT COMMENT 'it''s', ts TIMESTAMP TIME INDEX)"
        " WITH (location = 't.csv')"
    )
    db.run("COMMENT ON TABLE t IS 'all of it'")
    other = client(db.session.server, wire)
    shown = other.run("SHOW CREATE TABLE t")[0][1]
    other.run("DROP TABLE t")
    other.run(shown)
    assert other.run("SHOW CREATE TABLE t")[0][1] == shown
