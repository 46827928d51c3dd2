"""COPY DATABASE: every table to a directory, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from fix_database import Client, Databases

from engine.errors import DbError, ErrorKind


@pytest.fixture
def root(databases: Databases, db: Client) -> Path:
    """The directory for COPY, beside a database `shop` of three tables and a view."""
    db.run("CREATE DATABASE shop")
    db.run("CREATE TABLE shop.cpu (host STRING PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX, v INT)")
    db.run("INSERT INTO shop.cpu VALUES ('a', 0, 1), ('b', 1000, 2), ('c', 2000, NULL)")
    db.run("CREATE TABLE shop.owner (name TEXT PRIMARY KEY, note TEXT)")
    db.run("INSERT INTO shop.owner VALUES ('x', 'a \"note\", long'), ('y', NULL)")
    db.run('CREATE TABLE shop.".odd/name %" (ts TIMESTAMP(9) TIME INDEX)')
    db.run('INSERT INTO shop.".odd/name %" VALUES (123456789)')
    db.run("CREATE VIEW shop.busy AS SELECT * FROM shop.cpu")
    return databases.directory / "copy"


def contents(db: Client) -> list[object]:
    tables = ("cpu", "owner", '".odd/name %"')
    return [db.run(f"SELECT * FROM shop.{table} ORDER BY 1") for table in tables]


def empty(db: Client) -> None:
    for table in ("cpu", "owner", '".odd/name %"'):
        db.run(f"DELETE FROM shop.{table}")
    assert contents(db) == [[], [], []]


@pytest.mark.parametrize(
    "options",
    ["", "WITH (FORMAT = 'csv')", "WITH (FORMAT = 'json', COMPRESSION_TYPE = 'zstd')"],
    ids=["parquet", "csv", "json zstd"],
)
def test_a_database_comes_back(db: Client, root: Path, options: str) -> None:
    before = contents(db)
    assert db.run(f"COPY DATABASE shop TO 'all/' {options}") == 6
    assert len(list((root / "all").iterdir())) == 3
    empty(db)
    assert db.run(f"COPY DATABASE shop FROM 'all/' {options}") == 6
    assert contents(db) == before


def test_files_are_named_after_their_tables(db: Client, root: Path) -> None:
    db.run("COPY DATABASE shop TO 'all/' WITH (FORMAT = 'csv', PARALLELISM = 4)")
    names = sorted(path.name for path in (root / "all").iterdir())
    assert names == ["%2Eodd%2Fname %25.csv", "cpu.csv", "owner.csv"]


def test_time_bounds_narrow_time_series_only(db: Client, root: Path) -> None:
    bounds = "WITH (START_TIME = '1970-01-01 00:00:01', END_TIME = '1970-01-01 00:00:02')"
    assert db.run(f"COPY DATABASE shop TO 'some/' {bounds}") == 1 + 2
    db.run("COPY DATABASE shop TO 'all/'")
    empty(db)
    assert db.run(f"COPY DATABASE shop FROM 'all/' {bounds}") == 1 + 2


def test_bad_data_in_one_file_leaves_nothing_or_is_passed_over(db: Client, root: Path) -> None:
    db.run("COPY DATABASE shop TO 'all/' WITH (FORMAT = 'csv')")
    empty(db)
    (root / "all" / "owner.csv").write_text("name\nz\nz,w\n")
    (root / "all" / "stranger.csv").write_text("a\n1\n")
    with pytest.raises(DbError) as caught:
        db.run("COPY DATABASE shop FROM 'all/' WITH (FORMAT = 'csv')")
    assert caught.value.kind is ErrorKind.BAD_COPY_DATA
    assert contents(db) == [[], [], []]
    going_on = "WITH (FORMAT = 'csv', CONTINUE_ON_ERROR = 'true')"
    assert db.run(f"COPY DATABASE shop FROM 'all/' {going_on}") == 4
    first, second = db.session.take_notices()
    assert '"all/owner.csv" was passed over' in first.message
    assert 'there is no table "stranger"' in second.message
    assert [len(rows) for rows in contents(db)] == [3, 0, 1]  # type: ignore[arg-type]


def test_a_table_that_cannot_be_written_leaves_no_file(db: Client, root: Path) -> None:
    (root / "all" / "owner.csv").mkdir(parents=True)
    with pytest.raises(DbError) as caught:
        db.run("COPY DATABASE shop TO 'all/' WITH (FORMAT = 'csv')")
    assert caught.value.kind is ErrorKind.WRONG_OBJECT_TYPE
    assert [path.name for path in (root / "all").iterdir()] == ["owner.csv"]


def test_within_a_transaction_everything_is_taken_back(db: Client, root: Path) -> None:
    db.run("COPY DATABASE shop TO 'all/'")
    empty(db)
    db.run("BEGIN")
    assert db.run("COPY DATABASE shop FROM 'all/'") == 6
    assert db.run("SELECT count(*) FROM shop.cpu") == [(3,)]
    db.run("ROLLBACK")
    assert contents(db) == [[], [], []]


def test_large_databases_are_read_by_way_of_the_disk(
    db: Client, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(db)
    db.run("COPY DATABASE shop TO 'all/'")
    empty(db)
    monkeypatch.setattr("sql.files.load.MEMORY_BYTES", 10)
    assert db.run("COPY DATABASE shop FROM 'all/'") == 6
    assert contents(db) == before


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("COPY DATABASE shop TO 'all'", ErrorKind.INVALID_ARGUMENT),
        ("COPY DATABASE nope TO 'all/'", ErrorKind.UNDEFINED_DATABASE),
        ("COPY DATABASE shop FROM 'nothing/'", ErrorKind.UNDEFINED_FILE),
        ("COPY DATABASE shop TO 'all/' WITH (PARALLELISM = 0)", ErrorKind.INVALID_ARGUMENT),
        ("COPY DATABASE shop TO '../all/'", ErrorKind.ACCESS_DENIED),
        ("COPY DATABASE shop FROM STDIN", ErrorKind.UNSUPPORTED),
    ],
)
def test_refused(db: Client, root: Path, text: str, kind: ErrorKind) -> None:
    with pytest.raises(DbError) as caught:
        db.run(text)
    assert caught.value.kind is kind


def test_a_directory_without_a_file_of_the_format(db: Client, root: Path) -> None:
    db.run("COPY DATABASE shop TO 'all/' WITH (FORMAT = 'csv')")
    with pytest.raises(DbError) as caught:
        db.run("COPY DATABASE shop FROM 'all/'")
    assert caught.value.kind is ErrorKind.UNDEFINED_FILE
