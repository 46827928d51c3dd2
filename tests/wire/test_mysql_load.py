"""LOAD DATA, from the client's files and the server's: formats, SET, duplicates, refusals."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from fix_programs import needs, path_of
from fix_server import RunningServer
from pymysql.constants import ER

DATABASE = "wire_load"
IMPORT = path_of("mariadb-import", "mysqlimport") or "mariadb-import"


@pytest.fixture
def connection(server: RunningServer) -> Iterator[pymysql.Connection[Any]]:
    with pymysql.connect(**server.mysql_args(), autocommit=True, local_infile=True) as made:
        cursor = made.cursor()
        cursor.execute("SET GLOBAL local_infile = ON")
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        cursor.execute(f"USE {DATABASE}")
        yield made
        cursor.execute("SET GLOBAL local_infile = OFF")
        cursor.execute(f"DROP DATABASE {DATABASE}")


THREE = "a INT, b VARCHAR(20), c DOUBLE"
COMMAS = "FIELDS TERMINATED BY ','"
FORMATS = (
    (THREE, b"1\tx\t2.5\n2\t\\N\t3\n3\ta\\tb\\\\\t4", "", [(1, "x", 2.5), (2, None, 3.0)]),
    (
        THREE,
        b'a,b,c\n1,x,2.5\n2,"q,""z",3\n3,NULL,1\n4,"NULL",1\n',
        f"{COMMAS} OPTIONALLY ENCLOSED BY '\"' LINES TERMINATED BY '\\n' IGNORE 1 LINES",
        [(1, "x", 2.5), (2, 'q,"z', 3.0), (3, None, 1.0), (4, "NULL", 1.0)],
    ),
    (THREE, b"1,x,2\r\n2,,3\r\n", f"{COMMAS} LINES TERMINATED BY '\\r\\n'", [(1, "x", 2.0)]),
    (
        THREE,
        b"xxx1||x||2\nnone\nyyxxx2||y||3\n",
        "FIELDS TERMINATED BY '||' LINES STARTING BY 'xxx'",
        [(1, "x", 2.0), (2, "y", 3.0)],
    ),
    (
        THREE,
        b"1,x,5\n2,,6\n",
        f"{COMMAS} (a, @b, @c) SET b = NULLIF(@b, ''), c = @c * 2",
        [(1, "x", 10.0), (2, None, 12.0)],
    ),
    ("a INT, b VARCHAR(9)", b"'1'x'it\\'s'\n", "FIELDS TERMINATED BY 'x' ENCLOSED BY '\\''", []),
    ("a INT, b VARCHAR(9)", b"1,a\\b;", f"{COMMAS} ESCAPED BY '' LINES TERMINATED BY ';'", []),
    ("a INT, b VARCHAR(9)", b"1,\xe9\n", f"CHARACTER SET latin1 {COMMAS}", [(1, "é")]),
    ("a INT, b VARCHAR(9)", b"1,\xc3\xcf\n", f"CHARACTER SET gbk {COMMAS}", [(1, "孟")]),
    ("a INT AUTO_INCREMENT PRIMARY KEY, b TEXT", b"x\ny\n", "(b)", [(1, "x"), (2, "y")]),
    ("a INT", b"", "", []),
)


def load(connection: Any, path: Path, data: bytes, rest: str, before: str = "") -> int:
    path.write_bytes(data)
    statement = f"LOAD DATA LOCAL INFILE '{path}' {before} INTO TABLE t {rest}"
    return int(connection.cursor().execute(statement))


def rows(connection: Any) -> list[tuple[Any, ...]]:
    cursor = connection.cursor()
    cursor.execute("SELECT * FROM t ORDER BY 1")
    return list(cursor.fetchall())


@pytest.mark.parametrize(("columns", "data", "rest", "first"), FORMATS)
def test_formats(
    connection: Any, tmp_path: Path, columns: str, data: bytes, rest: str, first: list[Any]
) -> None:
    connection.cursor().execute(f"CREATE TABLE t ({columns})")
    count = load(connection, tmp_path / "f", data, rest)
    found = rows(connection)
    assert found[: len(first)] == first
    assert len(found) == count


def test_quotes_and_escapes(connection: Any, tmp_path: Path) -> None:
    connection.cursor().execute("CREATE TABLE t (a INT, b TEXT)")
    data = b"'1','it\\'s a''b'\n'2','two\nlines'\n'3','a'b'\n"
    load(connection, tmp_path / "f", data, f"{COMMAS} ENCLOSED BY '\\''")
    assert rows(connection) == [(1, "it's a'b"), (2, "two\nlines"), (3, "a'b")]


@pytest.mark.parametrize(
    ("before", "kept", "count"), [("", "old", 1), ("IGNORE", "old", 1), ("REPLACE", "new", 3)]
)
def test_duplicates(connection: Any, tmp_path: Path, before: str, kept: str, count: int) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(9))")
    cursor.execute("INSERT INTO t VALUES (1, 'old')")
    assert load(connection, tmp_path / "f", b"1\tnew\n2\tx\n", "", before) == count
    assert rows(connection) == [(1, kept), (2, "x")]


def test_short_and_long_rows_are_told(connection: Any, tmp_path: Path) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (a INT, b INT NOT NULL DEFAULT 7)")
    assert load(connection, tmp_path / "f", b"1\n2\t3\t4\n", "") == 2
    cursor.execute("SHOW WARNINGS")
    assert [row[:2] for row in cursor.fetchall()] == [("Warning", 1261)]
    assert rows(connection) == [(1, 7), (2, 3)]


def test_many_rows_of_a_series(connection: Any, tmp_path: Path) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (h STRING PRIMARY KEY, ts TIMESTAMP(0) TIME INDEX, v DOUBLE)")
    lines = "".join(
        f"host{i % 7},2024-01-01 {i // 3600:02}:{i // 60 % 60:02}:{i % 60:02},{i}\n"
        for i in range(80_000)
        if i < 86_400
    )
    assert load(connection, tmp_path / "f", lines.encode() * 3, COMMAS) == 240_000
    cursor.execute("SELECT count(*), sum(v) FROM t")
    assert cursor.fetchone() == (80_000, sum(range(80_000)))


def test_bad_values_store_nothing_and_leave_the_connection(connection: Any, tmp_path: Path) -> None:
    connection.cursor().execute("CREATE TABLE t (a DATE)")
    with pytest.raises(pymysql.Error, match=r"abc.*line 2") as caught:
        load(connection, tmp_path / "f", b"2020-01-01\nabc\n" * 1_000_000, "")
    assert caught.value.args[0] == 1292
    assert rows(connection) == []


def test_values_of_a_clients_file_are_made_to_fit(connection: Any, tmp_path: Path) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (id INT, a TINYINT, b VARCHAR(3), c TIME)")
    data = b"1,5,abc,1:00\n2,x,abcdef,900:00\n3,,a,\\N\n4,999,a,2:00\n"
    assert load(connection, tmp_path / "f", data, COMMAS) == 4
    cursor.execute("SHOW WARNINGS")
    told = sorted((row[1], row[2].rpartition(" at ")[2]) for row in cursor.fetchall())
    assert told == [
        (1264, "row 2"),
        (1264, "row 4"),
        (1265, "row 2"),
        (1366, "row 2"),
        (1366, "row 3"),
    ]
    cursor.execute("SELECT id, a, b, CAST(c AS CHAR) FROM t ORDER BY id")
    assert list(cursor.fetchall()) == [
        (1, 5, "abc", "01:00:00"),
        (2, 0, "abc", "838:59:59"),
        (3, 0, "a", None),
        (4, 127, "a", "02:00:00"),
    ]


def test_many_values_that_do_not_fit(connection: Any, tmp_path: Path) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (a INT)")
    assert load(connection, tmp_path / "f", b"1\nabc\n" * 300_000, "") == 600_000
    cursor.execute("SELECT sum(a), count(*) FROM t")
    assert cursor.fetchone() == (300_000, 600_000)


def test_it_is_part_of_a_transaction(connection: Any, tmp_path: Path) -> None:
    connection.cursor().execute("CREATE TABLE t (a INT)")
    connection.begin()
    load(connection, tmp_path / "f", b"1\n2\n", "")
    assert len(rows(connection)) == 2
    connection.rollback()
    assert rows(connection) == []


def test_the_server_must_allow_it(connection: Any, tmp_path: Path) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (a INT)")
    cursor.execute("SET GLOBAL local_infile = OFF")
    with pytest.raises(pymysql.Error) as caught:
        load(connection, tmp_path / "f", b"1\n", "")
    assert caught.value.args[0] == 3948
    cursor.execute("SELECT @@local_infile")
    assert cursor.fetchone() == (0,)


def test_files_of_the_server_lie_below_its_directory(
    connection: Any, server: RunningServer, tmp_path: Path
) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (a INT, b TEXT)")
    folder = server.data / "copy"
    folder.mkdir(exist_ok=True)
    (folder / "load.txt").write_bytes(b"1\tx\n2\ty\n")
    assert cursor.execute("LOAD DATA INFILE 'load.txt' INTO TABLE t") == 2
    assert rows(connection) == [(1, "x"), (2, "y")]
    (folder / "short.txt").write_bytes(b"1\n")
    with pytest.raises(pymysql.Error, match="row 1 does not contain"):
        cursor.execute("LOAD DATA INFILE 'short.txt' INTO TABLE t")
    (tmp_path / "out.txt").write_bytes(b"1\tx\n")
    with pytest.raises(pymysql.Error) as caught:
        cursor.execute(f"LOAD DATA INFILE '{tmp_path / 'out.txt'}' INTO TABLE t")
    assert caught.value.args[0] != ER.PARSE_ERROR


@needs(IMPORT, package="mariadb-client")
def test_the_import_program(connection: Any, server: RunningServer, tmp_path: Path) -> None:
    connection.cursor().execute("CREATE TABLE t (a INT, b TEXT)")
    (tmp_path / "t.csv").write_bytes(b'1,"x"\n2,"y,z"\n')
    where = ["-h127.0.0.1", f"-P{server.port('mysql')}", "-ugnomon", "--skip-ssl", "--local"]
    form = ["--fields-terminated-by=,", '--fields-optionally-enclosed-by="']
    subprocess.run([IMPORT, *where, *form, DATABASE, tmp_path / "t.csv"], check=True, timeout=300)
    assert rows(connection) == [(1, "x"), (2, "y,z")]
