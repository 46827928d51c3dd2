"""COPY to and from an object store: a real S3 server, its failures, its credentials."""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_proxy import FaultProxy, answers, cuts_answer
from fix_database import Client, Databases
from fix_store import BUCKET

from engine.errors import DbError, ErrorKind
from sql.files.remote import RemoteFiles


def connection(url: str) -> str:
    return (
        f"CONNECTION (REGION = 'us-east-1', ENDPOINT = '{url}', ACCESS_KEY_ID = 'an id',"
        " SECRET_ACCESS_KEY = 'a key')"
    )


@pytest.fixture
def table(db: Client) -> Client:
    db.run("CREATE TABLE cpu (host STRING PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX, v DOUBLE)")
    db.run("INSERT INTO cpu VALUES ('a', 0, 1.5), ('é', 1000, NULL), ('c', 2000, 3)")
    return db


@pytest.mark.parametrize("format_", ["parquet", "csv", "json"])
def test_a_table_comes_back_from_a_bucket(table: Client, s3_url: str, format_: str) -> None:
    path = f"s3://{BUCKET}/copy/one file.{format_}"
    before = table.run("SELECT * FROM cpu ORDER BY ts")
    assert table.run(f"COPY cpu TO '{path}' {connection(s3_url)}") == 3
    table.run("TRUNCATE cpu")
    assert table.run(f"COPY cpu FROM '{path}' {connection(s3_url)}") == 3
    assert table.run("SELECT * FROM cpu ORDER BY ts") == before


def test_a_file_of_many_parts(table: Client, s3_url: str) -> None:
    path = f"s3://{BUCKET}/copy/large.csv"
    source = "SELECT 'h' AS host, make_timestamp(range * 1000) AS ts, range / 3 AS v"
    copied = table.run(f"COPY ({source} FROM range(400000)) TO '{path}' {connection(s3_url)}")
    assert copied == 400_000
    assert table.run(f"COPY cpu FROM '{path}' {connection(s3_url)}") == 400_000
    assert table.run("SELECT count(*) FROM cpu WHERE host = 'h'") == [(400_000,)]


def test_folders_patterns_and_databases(table: Client, s3_url: str) -> None:
    folder = f"s3://{BUCKET}/copy/folder/"
    for name in ("x1", "x2", "y1"):
        table.run(f"COPY cpu TO '{folder}{name}.csv' {connection(s3_url)}")
    options = "WITH (FORMAT = 'csv', PATTERN = '^x')"
    assert table.run(f"COPY cpu FROM '{folder}' {options} {connection(s3_url)}") == 6
    everything = f"s3://{BUCKET}/copy/database/"
    assert table.run(f"COPY DATABASE public TO '{everything}' {connection(s3_url)}") == 3
    table.run("TRUNCATE cpu")
    assert table.run(f"COPY DATABASE public FROM '{everything}' {connection(s3_url)}") == 3


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (f"s3://{BUCKET}/nope.csv", ErrorKind.UNDEFINED_FILE),
        ("s3://no-such-bucket/nope.csv", ErrorKind.UNDEFINED_FILE),
        (f"s3://{BUCKET}/nothing/", ErrorKind.UNDEFINED_FILE),
        ("oss://bucket/x.csv", ErrorKind.UNSUPPORTED),
        ("s3://", ErrorKind.UNSUPPORTED),
    ],
)
def test_what_is_not_there(table: Client, s3_url: str, path: str, kind: ErrorKind) -> None:
    with pytest.raises(DbError) as caught:
        table.run(f"COPY cpu FROM '{path}' WITH (FORMAT = 'csv') {connection(s3_url)}")
    assert caught.value.kind is kind


def test_a_bucket_that_is_not_there_takes_nothing(table: Client, s3_url: str) -> None:
    with pytest.raises(DbError) as caught:
        table.run(f"COPY cpu TO 's3://no-such-bucket/x.csv' {connection(s3_url)}")
    assert caught.value.kind is ErrorKind.UNDEFINED_FILE


def test_connection_options_are_checked(table: Client) -> None:
    for options in ("NOPE = 'x'", "ACCOUNT_NAME = 'x'"):
        with pytest.raises(DbError) as caught:
            table.run(f"COPY cpu TO 's3://b/x.csv' CONNECTION ({options})")
        assert caught.value.kind is ErrorKind.INVALID_ARGUMENT
    with pytest.raises(DbError) as caught:
        table.run("COPY cpu TO 'gs://b/x' CONNECTION (CREDENTIAL_PATH = '/etc/passwd')")
    assert caught.value.kind is ErrorKind.UNSUPPORTED


def test_the_other_clouds_are_known(tmp_path: Path) -> None:
    """Their clients are made; only Amazon's server is at hand to be asked."""

    def spool() -> object:
        raise AssertionError

    for path, words in (
        ("gs://bucket/x", {"endpoint": "http://127.0.0.1:1"}),
        ("azblob://container/x", {"account_name": "me", "account_key": "c2VjcmV0"}),
    ):
        made = RemoteFiles.of(path, words, spool)  # type: ignore[arg-type]
        assert made.start == path[:-1]
        assert [source.name for source in made.sources(path, None)] == [path]


def test_a_store_that_fails_leaves_the_table_as_it_was(
    table: Client, databases: Databases, proxy: FaultProxy, s3_url: str
) -> None:
    path = f"s3://{BUCKET}/copy/fails.csv"
    table.run(f"COPY cpu TO '{path}' {connection(s3_url)}")
    table.run("TRUNCATE cpu")
    proxy.add("fails.csv", answers(503), count=1_000)
    for text in (f"COPY cpu FROM '{path}'", f"COPY cpu TO '{path}'"):
        with pytest.raises(DbError) as caught:
            table.run(f"{text} {connection(proxy.url)}")
        assert caught.value.kind is ErrorKind.STORAGE_UNAVAILABLE
    assert table.run("SELECT count(*) FROM cpu") == [(0,)]
    assert not list((databases.directory / "spill").glob("*"))


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_an_answer_that_is_cut_is_no_short_file(
    table: Client, proxy: FaultProxy, s3_url: str, format_: str
) -> None:
    path = f"s3://{BUCKET}/copy/cut.{format_}"
    source = "SELECT 'h' AS host, make_timestamp(range * 1000) AS ts FROM range(1000)"
    table.run(f"COPY ({source}) TO '{path}' {connection(s3_url)}")
    proxy.add("GET .*cut", cuts_answer(100), count=1_000)
    with pytest.raises(DbError) as caught:
        table.run(f"COPY cpu FROM '{path}' {connection(proxy.url)}")
    assert caught.value.kind is ErrorKind.STORAGE_UNAVAILABLE
    assert table.run("SELECT count(*) FROM cpu") == [(3,)]


def test_refused_credentials_are_told_so(table: Client, proxy: FaultProxy) -> None:
    proxy.add("secret", answers(403), count=1_000)
    for text in ("COPY cpu FROM", "COPY cpu TO"):
        with pytest.raises(DbError) as caught:
            table.run(f"{text} 's3://{BUCKET}/secret.csv' {connection(proxy.url)}")
        assert caught.value.kind is ErrorKind.ACCESS_DENIED
        assert "a key" not in f"{caught.value.message} {caught.value.detail}"
