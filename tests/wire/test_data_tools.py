"""What data tools lean on: ADBC's bulk reads and writes, connectorx's partitions, catalogs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pyarrow as pa
import pytest
from fix_server import RunningServer
from psycopg import errors, pq

SCHEMA = "data_tools"
ROWS = pa.table(
    {
        "i": pa.array([1, 2, None], pa.int64()),
        "f": [1.5, None, 2.5],
        "s": ["a", None, "c"],
        "b": pa.array([b"a", None, b"c"]),
        "l": pa.array([[1, None], None, []], pa.list_(pa.int64())),
    }
)


@pytest.fixture(scope="module")
def dsn(server: RunningServer) -> Iterator[str]:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        yield server.postgres_dsn(database=SCHEMA)
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


@pytest.fixture
def connection(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as opened:
        yield opened


@pytest.fixture
def bulk(dsn: str) -> Iterator[Any]:
    """An ADBC connection; it takes addresses as URIs only."""
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    uri = "postgresql://{user}@{host}:{port}/{dbname}".format(**parts)
    with adbc.connect(uri) as opened:
        yield opened


def test_adbc_writes_and_reads_arrow(bulk: Any) -> None:
    with bulk.cursor() as cursor:
        for mode in ("create", "append", "create_append"):
            assert cursor.adbc_ingest("loaded", ROWS, mode=mode) == ROWS.num_rows
        bulk.commit()
        cursor.execute("SELECT * FROM loaded")
        read = cursor.fetch_arrow_table()
        assert read.to_pylist() == ROWS.to_pylist() * 3
        assert cursor.adbc_ingest("loaded", ROWS, mode="replace") == ROWS.num_rows
        bulk.rollback()
        cursor.execute("SELECT count(*) FROM loaded WHERE i > $1", (1,))
        assert cursor.fetchone() == (3,)


def test_adbc_finds_tables_with_columns_and_keys(
    bulk: Any, connection: psycopg.Connection[Any]
) -> None:
    connection.execute("CREATE TABLE keyed (host TEXT PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX)")
    found = bulk.adbc_get_objects(depth="all", table_name_filter="keyed").read_all().to_pylist()
    (table,) = [
        table
        for catalog in found
        for schema in catalog["catalog_db_schemas"]
        for table in schema["db_schema_tables"] or ()
    ]
    assert [column["column_name"] for column in table["table_columns"]] == ["host", "ts"]
    (key,) = table["table_constraints"]
    assert sorted(key["constraint_column_names"]) == ["host", "ts"]
    assert bulk.adbc_get_table_schema("keyed").names == ["host", "ts"]


def test_columns_of_pg_catalog_have_postgresqls_types(connection: psycopg.Connection[Any]) -> None:
    asked = b"SELECT c.oid, relname, relkind, nspname FROM pg_class c, pg_namespace n LIMIT 1"
    for code in (pq.Format.TEXT, pq.Format.BINARY):
        cursor = connection.execute(asked, binary=bool(code))
        assert [c.type_code for c in cursor.description or ()] == [26, 19, 18, 19]
        row = cursor.fetchone()
        assert row is not None
        assert isinstance(row[0], int)
    counted = connection.execute("SELECT count(*) AS oid FROM pg_class", binary=True)
    assert counted.description is not None
    assert counted.description[0].type_code == 20


def test_columns_of_an_index_are_an_int2vector(connection: psycopg.Connection[Any]) -> None:
    connection.execute("CREATE TABLE pairs (a INT, b INT, PRIMARY KEY (b, a))")
    asked = b"SELECT indkey FROM pg_index WHERE indexrelid = 'pairs_pkey'::regclass"
    shown = connection.pgconn.exec_params(asked, [])
    assert (shown.ftype(0), shown.get_value(0, 0)) == (22, b"2 1")
    packed = connection.pgconn.exec_params(asked, [], result_format=pq.Format.BINARY)
    value = packed.get_value(0, 0)
    assert value is not None
    assert value[:20].hex() == "0000000100000000000000150000000200000000"  # int2, two from 0
    assert value[20:].hex() == "000000020002000000020001"


@pytest.mark.parametrize("name", ['"Odd Name"', f'"{SCHEMA}" . "Odd Name"', f'{SCHEMA}."Odd Name"'])
def test_a_relation_is_found_by_a_quoted_parameter(
    connection: psycopg.Connection[Any], name: str
) -> None:
    connection.execute('CREATE TABLE IF NOT EXISTS "Odd Name" (a INT)')
    found = connection.execute("SELECT %s::regclass::oid = '\"Odd Name\"'::regclass", (name,))
    assert found.fetchone() == (True,)
    with pytest.raises(errors.UndefinedTable):
        connection.execute("SELECT %s::regclass::oid", (f"{SCHEMA}.missing",))


def test_any_takes_an_array_of_what_it_is_compared_with(
    connection: psycopg.Connection[Any],
) -> None:
    kinds = connection.execute("SELECT count(*) FROM pg_class WHERE relkind = ANY(%s)", ("{r,x}",))
    assert kinds.fetchone() != (0,)
    connection.execute("CREATE TABLE numbers AS SELECT 1 AS a UNION ALL SELECT 2")
    few = connection.execute("SELECT a FROM numbers WHERE a = ANY(%s)", ("{2,3}",))
    assert few.fetchall() == [(2,)]


def test_array_is_a_types_suffix(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "CREATE TABLE lists (a INT8 ARRAY, b TEXT ARRAY NOT NULL, c NUMERIC(5, 2) ARRAY,"
        " d TIMESTAMP ARRAY DEFAULT NULL, e INT ARRAY[3])"
    )
    connection.execute("INSERT INTO lists (a, b) VALUES ('{1}', '{x}')")
    cursor = connection.execute("SELECT a, b, d, e, ARRAY[1]::TEXT ARRAY FROM lists")
    assert [c.name for c in cursor.description or ()] == ["a", "b", "d", "e", "array"]
    assert cursor.fetchone() == ([1], ["x"], None, None, ["1"])


def test_a_binary_copy_of_nothing_is_one_message(connection: psycopg.Connection[Any]) -> None:
    """connectorx takes a header without anything behind it for the end of the stream."""
    asked = "COPY (SELECT 1 WHERE false) TO STDOUT WITH BINARY"
    with connection.cursor().copy(asked) as copy:
        pieces = [bytes(piece) for piece in copy]
    assert len(pieces) == 1
    assert pieces[0].endswith(b"\0\0\0\0\xff\xff")


def test_any_word_is_a_name_behind_as(connection: psycopg.Connection[Any]) -> None:
    """Metabase calls a column of its question of privileges so."""
    asked = "WITH p AS (SELECT true AS select, 1 AS from) SELECT p.* FROM p"
    cursor = connection.execute(asked)
    assert [c.name for c in cursor.description or ()] == ["select", "from"]


def test_rows_of_catalogs_have_a_growing_version(connection: psycopg.Connection[Any]) -> None:
    """DataGrip reads again what has a version beyond the one it knows."""
    asked = "SELECT c.xmin AS state, c.xmin > 0 FROM pg_class c ORDER BY c.xmin LIMIT 1"
    first = connection.execute(asked).fetchone()
    second = connection.execute(asked.encode() + b" ").fetchone()
    assert first is not None
    assert second is not None
    assert 0 < first[0] <= second[0]


def test_a_query_without_its_parameter_is_refused(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(errors.UndefinedParameter, match=r"there is no parameter \$1"):
        connection.execute(b"SELECT $1::text", prepare=False)
