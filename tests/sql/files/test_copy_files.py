"""COPY to and from files, as a session sees it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest
from fix_database import Client, Databases

from engine.errors import DbError, ErrorKind
from sql.session import Wire

Connect = Callable[..., Client]
CPU = (
    "CREATE TABLE cpu (host STRING, ts TIMESTAMP(3) TIME INDEX, v DOUBLE DEFAULT 7.5, n INT,"
    " PRIMARY KEY (host))"
)
ROWS = "INSERT INTO cpu VALUES ('a', 0, 1.5, 1), ('b', 1000, NULL, 2), (NULL, 2000, 3, NULL)"
ALL = "SELECT host, ts::text, v, n FROM cpu ORDER BY ts, host"


@pytest.fixture
def root(databases: Databases, db: Client) -> Path:
    """The directory for COPY, with a table `cpu` of three rows beside it."""
    db.run(CPU)
    db.run(ROWS)
    found = databases.directory / "copy"
    found.mkdir()
    return found


def refused(client: Client, text: str) -> DbError:
    with pytest.raises(DbError) as caught:
        client.run(text)
    return caught.value


# --- what a file is


def test_the_format_is_said_or_seen_in_the_name_or_parquet(db: Client, root: Path) -> None:
    for name in ("a.csv", "a.json", "a.ndjson", "a.parquet", "a.csv.gz", "plain"):
        assert db.run(f"COPY cpu TO '{name}'") == 3
    db.run("COPY cpu TO 'a.dat' WITH (FORMAT = 'csv', COMPRESSION_TYPE = 'gzip')")
    assert (root / "a.csv").read_bytes().startswith(b"host,ts,v,n\na,1970-01-01 00:00:00.000Z,")
    assert (root / "a.json").read_bytes() == (root / "a.ndjson").read_bytes()
    assert gzip.decompress((root / "a.dat").read_bytes()) == (root / "a.csv").read_bytes()
    assert gzip.decompress((root / "a.csv.gz").read_bytes()) == (root / "a.csv").read_bytes()
    assert pq.read_table(root / "plain").num_rows == pq.read_table(root / "a.parquet").num_rows


def test_json_is_one_object_per_line(db: Client, root: Path) -> None:
    db.run("COPY cpu TO 'a.json'")
    assert (root / "a.json").read_text().splitlines()[1] == (
        '{"host":"b","ts":"1970-01-01 00:00:01.000Z","v":null,"n":2}'
    )


def test_queries_views_and_system_tables_are_copied(db: Client, root: Path) -> None:
    db.run("CREATE VIEW busy AS SELECT host, n FROM cpu WHERE n > 1")
    assert db.run("COPY busy TO 'view.csv'") == 1
    assert (root / "view.csv").read_text() == "host,n\nb,2\n"
    assert db.run("COPY (SELECT n * 2 AS twice FROM cpu WHERE n = 2) TO 'query.csv'") == 1
    assert (root / "query.csv").read_text() == "twice\n4\n"
    assert db.run("COPY information_schema.tables TO 'tables.json'") > 10


def test_parameters_reach_the_query(db: Client, root: Path) -> None:
    assert db.run("COPY (SELECT host FROM cpu WHERE n = $1) TO 'p.csv'", [1]) == 1
    assert (root / "p.csv").read_text() == "host\na\n"


def test_time_formats_are_in_the_session_s_zone(db: Client, root: Path) -> None:
    db.run("CREATE TABLE d (ts TIMESTAMP(3) TIME INDEX, day DATE, us TIMESTAMP(6))")
    db.run("INSERT INTO d VALUES ('2024-07-01 10:00:00.25', '2024-07-01', '2024-01-01 23:30:00')")
    db.run("SET TIME ZONE 'Europe/Berlin'")
    db.run(
        "COPY d TO 'd.csv' WITH (FORMAT = 'csv', DATE_FORMAT = '%d.%m.%y',"
        " TIMESTAMP_FORMAT = '%Y/%m/%d %H:%M:%S%.3f %z')"
    )
    assert (root / "d.csv").read_text().splitlines()[1] == (
        "2024/07/01 12:00:00.250 +0200,01.07.24,2024/01/02 00:30:00.000 +0100"
    )


# --- columns


def test_csv_columns_are_found_by_name(db: Client, root: Path) -> None:
    (root / "x.csv").write_text('n,other,ts,"host"\n5,ignored,5000,c\n')
    assert db.run("COPY cpu FROM 'x.csv' WITH (FORMAT = 'csv')") == 1
    assert db.run(ALL)[-1] == ("c", "1970-01-01 00:00:05", 7.5, 5)


def test_without_headers_columns_are_found_by_position(db: Client, root: Path) -> None:
    (root / "x.csv").write_text("c,5000,,6\n")
    assert db.run("COPY cpu FROM 'x.csv' WITH (FORMAT = 'csv', HEADERS = 'false')") == 1
    assert db.run(ALL)[-1] == ("c", "1970-01-01 00:00:05", None, 6)
    (root / "y.csv").write_text("7,6000\n")
    assert db.run("COPY cpu (n, ts) FROM 'y.csv' WITH (FORMAT = 'csv', HEADERS = 'false')") == 1
    assert db.run(ALL)[-1] == (None, "1970-01-01 00:00:06", 7.5, 7)


def test_a_column_list_restricts_what_is_taken(db: Client, root: Path) -> None:
    (root / "x.csv").write_text("host,ts,v,n\nc,5000,1,2\n")
    assert db.run("COPY cpu (host, ts) FROM 'x.csv'") == 1
    assert db.run(ALL)[-1] == ("c", "1970-01-01 00:00:05", 7.5, None)


def test_json_keys_that_an_object_lacks_take_the_default(db: Client, root: Path) -> None:
    (root / "x.json").write_text('{"host":"c","ts":5000,"v":null}\n{"host":"d","ts":5000}\n')
    assert db.run("COPY cpu FROM 'x.json'") == 2
    assert [row[2] for row in db.run(ALL)[-2:]] == [None, 7.5]


def test_defaults_are_evaluated_once(db: Client, root: Path) -> None:
    db.run("CREATE TABLE d (a INT PRIMARY KEY, made TIMESTAMP(6) DEFAULT now())")
    (root / "1.csv").write_text("a\n1\n2\n")
    (root / "2.csv").write_text("a\n3\n")
    db.run("COPY d FROM './' WITH (FORMAT = 'csv')")
    assert db.run("SELECT count(*), count(DISTINCT made), count(made) FROM d") == [(3, 1, 3)]


def test_sequences_give_every_row_its_number(db: Client, root: Path) -> None:
    db.run("CREATE TABLE s (id SERIAL PRIMARY KEY, a INT)")
    (root / "1.csv").write_text("a\n10\n20\n")
    db.run("COPY s FROM '1.csv'")
    assert db.run("SELECT id, a FROM s ORDER BY id") == [(1, 10), (2, 20)]


def test_strict_headers_list_what_differs(db: Client, root: Path) -> None:
    (root / "x.csv").write_text("host,ts,ts,extra\nc,1,2,3\n")
    error = refused(db, "COPY cpu FROM 'x.csv' WITH (FORMAT = 'csv', STRICT_HEADERS = 'true')")
    assert error.kind is ErrorKind.BAD_COPY_DATA
    assert error.detail == "unknown: extra; missing: v, n; duplicate: ts"
    assert refused(db, "COPY cpu FROM 'x.csv'").kind is ErrorKind.DUPLICATE_COLUMN
    db.run("COPY cpu TO 'all.csv'")
    assert db.run("COPY cpu FROM 'all.csv' WITH (FORMAT = 'csv', STRICT_HEADERS = 'true')") == 3


def test_a_column_that_must_be_there(db: Client, root: Path) -> None:
    for name, content in (("x.csv", "host\nc\n"), ("y.csv", "nothing\n1\n")):
        (root / name).write_text(content)
    assert refused(db, "COPY cpu FROM 'x.csv'").kind is ErrorKind.NOT_NULL_VIOLATION
    assert refused(db, "COPY cpu FROM 'y.csv'").kind is ErrorKind.UNDEFINED_COLUMN
    (root / "z.csv").write_text("host,ts\nc,1\nd,\n")
    error = refused(db, "COPY cpu FROM 'z.csv'")
    assert (error.kind, error.detail) == (ErrorKind.NOT_NULL_VIOLATION, '"z.csv", row 2')


# --- PostgreSQL's own spelling


def test_postgres_spelling_has_postgres_defaults(db: Client, root: Path) -> None:
    assert db.run("COPY cpu (host, n) TO 'x.csv' (FORMAT csv)") == 3
    assert (root / "x.csv").read_text() == "a,1\nb,2\n,\n"
    db.run("COPY cpu (host, n) TO 'y.csv' CSV HEADER DELIMITER ';' NULL 'none' FORCE QUOTE host")
    assert (root / "y.csv").read_text() == 'host;n\n"a";1\n"b";2\nnone;none\n'
    assert db.run("COPY cpu (host, n, ts) TO 't.txt' (FORMAT text)") == 3
    assert (root / "t.txt").read_text().splitlines()[2] == "\\N\t\\N\t1970-01-01 00:00:02.000Z"
    db.run("TRUNCATE cpu")
    assert db.run("COPY cpu (host, n, ts) FROM 't.txt' (FORMAT text)") == 3
    (root / "z.csv").write_text("wrong names,are no matter\nc,9000\n")
    assert db.run("COPY cpu (host, ts) FROM 'z.csv' (FORMAT csv, HEADER)") == 1
    error = refused(db, "COPY cpu (host, ts) FROM 'z.csv' (FORMAT csv, HEADER match)")
    assert error.kind is ErrorKind.BAD_COPY_DATA


# --- bad records


BAD = "host,ts,v\nc,1,1\nd,2,x\ne,3\nf,4,5,6\ng,,7\n\nh,5,8\n"


def test_a_bad_value_is_named_with_file_line_and_column(db: Client, root: Path) -> None:
    (root / "bad.csv").write_text(BAD)
    error = refused(db, "COPY cpu FROM 'bad.csv'")
    assert error.kind is ErrorKind.INVALID_TEXT
    assert error.detail == 'COPY cpu from "bad.csv", line 3, column v: "x"'


def test_bad_records_are_passed_over_when_asked(db: Client, root: Path) -> None:
    (root / "bad.csv").write_text(BAD)
    assert db.run("COPY cpu FROM 'bad.csv' WITH (FORMAT = 'csv', SKIP_BAD_RECORDS = 'true')") == 2
    assert [row[0] for row in db.run("SELECT host FROM cpu WHERE host >= 'c' ORDER BY 1")] == [
        "c",
        "h",
    ]
    [notice] = db.session.take_notices()
    assert notice.message == "5 bad records were passed over"


def test_many_bad_records_cost_little(db: Client, root: Path) -> None:
    lines = [f"h{i},{i},{'x' if i % 3 == 0 else i}" for i in range(6_000)]
    (root / "bad.csv").write_text("host,ts,v\n" + "\n".join(lines))
    copied = db.run("COPY cpu FROM 'bad.csv' WITH (FORMAT = 'csv', SKIP_BAD_RECORDS = 'true')")
    assert copied == 4_000


def test_a_bad_value_of_parquet_is_named_with_its_row(db: Client, root: Path) -> None:
    values = pa.array([*range(70_000), 2**40, 1])
    times = pa.array(range(70_002)).cast(pa.timestamp("ms"))
    pq.write_table(pa.table({"ts": times, "n": values}), root / "x.parquet")
    error = refused(db, "COPY cpu FROM 'x.parquet'")
    assert error.kind is ErrorKind.OUT_OF_RANGE
    assert error.detail is not None
    assert error.detail.startswith('"x.parquet", row 70001, column "n"')


def test_bad_data_in_the_last_file_leaves_nothing(db: Client, root: Path) -> None:
    (root / "1.csv").write_text("host,ts\nc,1\n")
    (root / "2.csv").write_text("host,ts\nd,nonsense\n")
    for table in ("cpu", "rel"):
        if table == "rel":
            db.run("CREATE TABLE rel (host TEXT, ts TIMESTAMP)")
        before = db.run(f"SELECT count(*) FROM {table}")
        assert refused(db, f"COPY {table} FROM './' WITH (FORMAT = 'csv', PATTERN = '[0-9]')")
        assert db.run(f"SELECT count(*) FROM {table}") == before


@pytest.mark.parametrize("compression", ["gzip", "zstd", "bzip2", "xz"])
def test_damaged_files_are_named(db: Client, root: Path, compression: str) -> None:
    options = f"WITH (FORMAT = 'csv', COMPRESSION_TYPE = '{compression}')"
    db.run(f"COPY (SELECT * FROM range(5000)) TO 'x' {options}")
    whole = (root / "x").read_bytes()
    db.run("CREATE TABLE r (range BIGINT)")
    for content in (whole[: len(whole) // 2], b"no such thing" + whole):
        (root / "x").write_bytes(content)
        error = refused(db, f"COPY r FROM 'x' {options}")
        assert (error.kind, '"x"' in error.message) == (ErrorKind.BAD_COPY_DATA, True)
    (root / "x").write_bytes(whole + whole)  # two streams, one after another: two headers as well
    skipping = options[:-1] + ", SKIP_BAD_RECORDS = 'true')"
    assert db.run(f"COPY r FROM 'x' {skipping}") == 10_000


def test_files_that_are_no_parquet_are_named(db: Client, root: Path) -> None:
    (root / "x.parquet").write_bytes(b"PAR1 not really")
    (root / "x.orc").write_bytes(b"nothing like it")
    for name in ("x.parquet", "x.orc"):
        error = refused(db, f"COPY cpu FROM '{name}'")
        assert (error.kind, name in error.message) == (ErrorKind.BAD_COPY_DATA, True)


# --- other readers' files


def test_orc_is_read(db: Client, root: Path) -> None:
    table = pa.table(
        {
            "host": ["c", "d"],
            "ts": pa.array([5_000, 6_000]).cast(pa.timestamp("ms")).cast(pa.timestamp("ns")),
            "v": [1, None],
            "more": [1, 2],
        }
    )
    orc.write_table(table, root / "x.orc")
    assert db.run("COPY cpu FROM 'x.orc'") == 2
    assert db.run(ALL)[-2:] == [
        ("c", "1970-01-01 00:00:05", 1.0, None),
        ("d", "1970-01-01 00:00:06", None, None),
    ]
    assert refused(db, "COPY cpu TO 'y.orc'").kind is ErrorKind.UNSUPPORTED


def test_columns_of_other_types_are_assigned_as_in_insert(db: Client, root: Path) -> None:
    table = pa.table(
        {
            "host": pa.array(["c", "d"]).dictionary_encode(),
            "ts": pa.array([5_000_000, 6_000_000]).cast(pa.timestamp("us", "Europe/Berlin")),
            "v": pa.array(["1.5", "-2"], pa.large_string()),
            "n": pa.array([1.5, 2.5]),
        }
    )
    pq.write_table(table, root / "x.parquet")
    assert db.run("COPY cpu FROM 'x.parquet'") == 2
    assert db.run(ALL)[-2:] == [
        ("c", "1970-01-01 00:00:05", 1.5, 2),
        ("d", "1970-01-01 00:00:06", -2.0, 2),
    ]


def test_a_byte_order_mark_and_carriage_returns_do_no_harm(db: Client, root: Path) -> None:
    (root / "x.csv").write_bytes(b"\xef\xbb\xbfhost,ts\r\nc,5000\r\n")
    (root / "x.json").write_bytes(b'\xef\xbb\xbf{"host":"d","ts":5000}\r\n')
    assert db.run("COPY cpu FROM 'x.csv'") + db.run("COPY cpu FROM 'x.json'") == 2


def test_text_without_an_offset_is_in_the_session_s_zone(db: Client, root: Path) -> None:
    (root / "x.csv").write_text("host,ts\nc,2024-07-01 12:00:00\nd,2024-07-01 12:00:00Z\n")
    db.run("SET TIME ZONE 'Europe/Berlin'")
    db.run("COPY cpu FROM 'x.csv'")
    found = db.run("SELECT ts FROM cpu WHERE host > 'b' ORDER BY host")
    assert found == [(datetime(2024, 7, 1, 10),), (datetime(2024, 7, 1, 12),)]  # noqa: DTZ001


@pytest.mark.parametrize("content", ["", "host,ts\n"])
def test_files_without_rows(db: Client, root: Path, content: str) -> None:
    (root / "x.csv").write_text(content)
    assert db.run("COPY cpu FROM 'x.csv'") == 0


def test_an_empty_result_is_a_file_with_columns(db: Client, root: Path) -> None:
    for name in ("x.csv", "x.json", "x.parquet"):
        assert db.run(f"COPY (SELECT * FROM cpu WHERE n > 99) TO '{name}'") == 0
        assert db.run(f"COPY cpu FROM '{name}'") == 0
    assert (root / "x.csv").read_text() == "host,ts,v,n\n"
    assert pq.read_schema(root / "x.parquet").names == ["host", "ts", "v", "n"]


# --- which files, which rows


def test_a_directory_and_a_pattern(db: Client, root: Path) -> None:
    for index, name in enumerate(("a1.csv", "a2.csv", "b1.csv", ".hidden.csv")):
        (root / name).write_text(f"host,ts\nc,{index}\n")
    (root / "deeper.csv").mkdir()
    assert db.run("COPY cpu FROM './' WITH (FORMAT = 'csv', PATTERN = '^a')") == 2
    assert db.run("COPY cpu FROM './' WITH (FORMAT = 'csv')") == 3
    error = refused(db, "COPY cpu FROM './' WITH (FORMAT = 'csv', PATTERN = '^z')")
    assert error.kind is ErrorKind.UNDEFINED_FILE
    error = refused(db, "COPY cpu FROM './' WITH (FORMAT = 'csv', PATTERN = '(')")
    assert error.kind is ErrorKind.INVALID_ARGUMENT


def test_limit_counts_rows_of_all_files(db: Client, root: Path) -> None:
    for index in range(3):
        (root / f"{index}.csv").write_text(f"host,ts\nc,{index}\nd,{index}\n")
    db.run("TRUNCATE cpu")
    assert db.run("COPY cpu FROM './' WITH (FORMAT = 'csv') LIMIT 3") == 3
    assert db.run("SELECT count(*) FROM cpu") == [(3,)]
    assert db.run("COPY cpu FROM '0.csv' LIMIT 0") == 0


def test_time_bounds_include_the_start_and_not_the_end(db: Client, root: Path) -> None:
    bounds = "START_TIME = '1970-01-01 00:00:01', END_TIME = '1970-01-01 00:00:02'"
    assert db.run(f"COPY cpu TO 'x.csv' WITH (FORMAT = 'csv', {bounds})") == 1
    assert db.run("COPY cpu TO 'all.csv'") == 3
    db.run("TRUNCATE cpu")
    assert db.run(f"COPY cpu FROM 'all.csv' WITH (FORMAT = 'csv', {bounds})") == 1
    assert db.run(ALL) == [("b", "1970-01-01 00:00:01", None, 2)]
    db.run("SET TIME ZONE '+01:00'")
    local = bounds.replace("00:00:0", "01:00:0")
    assert db.run(f"COPY cpu TO 'y.csv' WITH (FORMAT = 'csv', {local})") == 1


# --- transactions and sizes


def test_a_transaction_sees_its_rows_and_takes_them_back(db: Client, root: Path) -> None:
    db.run("CREATE TABLE rel (host TEXT, n INT)")
    (root / "x.csv").write_text("host,ts,n\nc,9000,9\n")
    db.run("BEGIN")
    assert db.run("COPY cpu FROM 'x.csv'") + db.run("COPY rel FROM 'x.csv'") == 2
    assert db.run("COPY cpu TO 'within.csv'") == 4
    db.run("ROLLBACK")
    assert db.run("SELECT (SELECT count(*) FROM cpu), (SELECT count(*) FROM rel)") == [(3, 0)]


@pytest.mark.parametrize("wire", [Wire.POSTGRES, Wire.MYSQL, Wire.HTTP])
def test_a_large_load_goes_by_way_of_the_disk(
    connect: Connect, root: Path, monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    monkeypatch.setattr("sql.files.load.MEMORY_BYTES", 20_000)
    monkeypatch.setattr("sql.files.load.PIECE_BYTES", 5_000)
    monkeypatch.setattr("sql.files.readers.BATCH_ROWS", 100)
    client = connect(wire)
    for table in ("cpu", "rel"):
        if table == "rel":
            client.run("CREATE TABLE rel (host VARCHAR(20), ts TIMESTAMP(3), n INT)")
        source = "SELECT 'h' AS host, CAST(range AS INT) AS n, make_timestamp(range * 1000) AS ts"
        made = client.run(f"COPY ({source} FROM range(3000)) TO 'big.parquet'")
        assert made == client.run(f"COPY {table} FROM 'big.parquet'") == 3000
        found = client.run(f"SELECT count(*), sum(n) FROM {table} WHERE host = 'h'")
        assert found == [(3000, 4_498_500)]
    assert not list((root.parent / "spill").glob("tmp*"))


def test_a_load_too_large_for_a_transaction_is_refused(
    db: Client, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sql.files.load.MEMORY_BYTES", 100)
    monkeypatch.setattr("sql.statements.copy_files.STAGED_BYTES_MAX", 1_000)
    db.run("COPY (SELECT make_timestamp(range) AS ts FROM range(3000)) TO 'big.parquet'")
    db.run("BEGIN")
    assert refused(db, "COPY cpu FROM 'big.parquet'").kind is ErrorKind.LIMIT_EXCEEDED
    db.run("ROLLBACK")
    assert db.run("COPY cpu FROM 'big.parquet'") == 3000


def test_a_failed_query_leaves_no_file_and_spares_the_old_one(db: Client, root: Path) -> None:
    db.run("COPY cpu TO 'x.csv'")
    before = (root / "x.csv").read_bytes()
    failing = "SELECT CASE WHEN range > 90000 THEN ('x' || range)::INT END AS a FROM range(100000)"
    for name in ("x.csv", "new.csv", "new.parquet", "sub/new.json"):
        assert refused(db, f"COPY ({failing}) TO '{name}'").kind is ErrorKind.INVALID_TEXT
    assert (root / "x.csv").read_bytes() == before
    assert sorted(path.name for path in root.rglob("*")) == ["sub", "x.csv"]


# --- what is refused


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("COPY nope TO 'x.csv'", ErrorKind.UNDEFINED_TABLE),
        ("COPY cpu (nope) TO 'x.csv'", ErrorKind.UNDEFINED_COLUMN),
        ("COPY cpu FROM 'nope.csv'", ErrorKind.UNDEFINED_FILE),
        ("COPY cpu FROM 'no/such/x.csv'", ErrorKind.UNDEFINED_FILE),
        ("COPY cpu TO 'x' WITH (FORMAT = 'xml')", ErrorKind.INVALID_ARGUMENT),
        ("COPY cpu TO 'x' WITH (FORMAT = 'csv', NOPE = 1)", ErrorKind.SYNTAX),
        ("COPY cpu TO 'x' WITH (FORMAT = 'csv', FORMAT = 'csv')", ErrorKind.SYNTAX),
        ("COPY cpu TO 'x' WITH (COMPRESSION_TYPE = 'gzip')", ErrorKind.UNSUPPORTED),
        ("COPY cpu TO 'x.csv' WITH (COMPRESSION_TYPE = 'z')", ErrorKind.INVALID_ARGUMENT),
        ("COPY cpu TO 'x.csv' WITH (TIMESTAMP_FORMAT = '%Q')", ErrorKind.INVALID_ARGUMENT),
        ("COPY cpu TO 'x' WITH (TIMESTAMP_FORMAT = '%Y')", ErrorKind.UNSUPPORTED),
        ("COPY cpu TO 'x' WITH (FORMAT = 'json', HEADERS = 'true')", ErrorKind.UNSUPPORTED),
        ("COPY cpu TO 'x' WITH (FORMAT = 'csv', HEADERS = 'perhaps')", ErrorKind.INVALID_ARGUMENT),
        ("COPY cpu TO 'x' WITH (PATTERN = 'a')", ErrorKind.UNSUPPORTED),
        ("COPY cpu TO 'x' WITH (PARALLELISM = 2)", ErrorKind.UNSUPPORTED),
        ("COPY cpu FROM 'x' WITH (PATTERN = 'a')", ErrorKind.INVALID_ARGUMENT),
        ("COPY cpu TO 'x' WITH (START_TIME = 'nonsense')", ErrorKind.INVALID_DATETIME),
        ("COPY (SELECT 1) TO 'x' WITH (START_TIME = '2024-01-01')", ErrorKind.INVALID_ARGUMENT),
        ("COPY rel TO 'x' WITH (END_TIME = '2024-01-01')", ErrorKind.INVALID_ARGUMENT),
        ("COPY cpu TO 'x.csv' LIMIT 1", ErrorKind.UNSUPPORTED),
        ("COPY cpu FROM 'x.csv' WHERE n = 1", ErrorKind.UNSUPPORTED),
        ("COPY busy FROM 'x.csv'", ErrorKind.WRONG_OBJECT_TYPE),
        ("COPY cpu TO 'x' CONNECTION (REGION = 'eu')", ErrorKind.INVALID_ARGUMENT),
        ("COPY cpu TO 'ftp://host/x'", ErrorKind.UNSUPPORTED),
        ("COPY (INSERT INTO rel VALUES (1) RETURNING a) TO 'x'", ErrorKind.UNSUPPORTED),
    ],
)  # fmt: skip
def test_refused(db: Client, root: Path, text: str, kind: ErrorKind) -> None:
    db.run("CREATE TABLE rel (a INT)")
    db.run("CREATE VIEW busy AS SELECT 1 AS a")
    assert refused(db, text).kind is kind
    assert not list(root.iterdir())


def test_moments_that_text_cannot_tell_are_refused(db: Client, root: Path) -> None:
    db.run("INSERT INTO cpu (ts) VALUES (253402300800000)")
    assert refused(db, "COPY cpu TO 'x.csv'").kind is ErrorKind.DATETIME_OVERFLOW
    assert db.run("COPY cpu TO 'x.parquet'") == 4


def test_columns_of_structs_are_written_as_json_and_not_read(db: Client, root: Path) -> None:
    assert db.run("COPY (SELECT {'a': 1, 'b': [1, NULL]} AS s) TO 'x.csv'") == 1
    assert (root / "x.csv").read_text() == 's\n"{""a"":1,""b"":[1,null]}"\n'


@pytest.mark.parametrize("wire", [Wire.MYSQL, Wire.HTTP])
def test_the_other_wires_copy_as_well(connect: Connect, root: Path, wire: Wire) -> None:
    client = connect(wire)
    assert client.run("COPY cpu TO 'w.csv' WITH (FORMAT='csv', HEADERS='true')") == 3
    assert client.run("COPY cpu FROM 'w.csv' WITH (FORMAT='csv') LIMIT 2") == 2
