"""ALTER TABLE on time-series tables: old rows, new rows, flushed or not, across a restart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind
from sql.session import Wire

CREATE = (
    "CREATE TABLE t (host STRING, ts TIMESTAMP TIME INDEX, v DOUBLE, n INT, s STRING,"
    " PRIMARY KEY (host))"
)
OLD = "INSERT INTO t VALUES ('a', 1000, 1.5, 7, '42'), ('b', 1000, 2.5, 8, 'x')"
ROWS = "SELECT * FROM t ORDER BY host, ts"


def kind_of(call: Callable[[], object]) -> ErrorKind:
    with pytest.raises(DbError) as caught:
        call()
    return caught.value.kind


def flush(one: Client) -> None:
    table = one.session.lookup("public", "t")
    assert table is not None
    for region_id in table.region_ids:
        one.session.regions.flush(region_id)


@pytest.fixture
def one(databases: Databases) -> Client:
    opened = client(databases.open(), Wire.HTTP)
    opened.run(CREATE)
    return opened


# What an ALTER does to the rows above: the statement, the columns asked for, what they read then,
# a row that is written afterwards and how it reads.
CASES: list[tuple[str, str, list[tuple[Any, ...]], str, tuple[Any, ...]]] = [
    (
        "ADD COLUMN c INT DEFAULT 5",
        "host, c",
        [("a", 5), ("b", 5)],
        "(host, ts, c) VALUES ('c', 1, 6)",
        ("c", 6),
    ),
    (
        "ADD COLUMN c INT",
        "host, c",
        [("a", None), ("b", None)],
        "(host, ts, c) VALUES ('c', 1, 6)",
        ("c", 6),
    ),
    (
        "ADD COLUMN c STRING NOT NULL DEFAULT 'it''s' FIRST, ADD COLUMN d BOOLEAN AFTER host",
        "*",
        [
            ("it's", "a", None, 1.5, 7, "42"),
            ("it's", "b", None, 2.5, 8, "x"),
        ],
        "(host, ts, d) VALUES ('c', 1, true)",
        ("it's", "c", True, None, None, None),
    ),
    (
        "ADD COLUMN region STRING DEFAULT 'eu' PRIMARY KEY",
        "host, region, v",
        [("a", "eu", 1.5), ("b", "eu", 2.5)],
        "(host, region, ts, v) VALUES ('a', 'us', 1000, 9)",
        ("a", "us", 9.0),
    ),
    (
        "DROP COLUMN v, DROP COLUMN s",
        "host, n",
        [("a", 7), ("b", 8)],
        "VALUES ('c', 1, 9)",
        ("c", 9),
    ),
    (
        "MODIFY COLUMN s INT",
        "host, s",
        [("a", 42), ("b", None)],
        "(host, ts, s) VALUES ('c', 1, 3)",
        ("c", 3),
    ),
    (
        "MODIFY COLUMN n STRING, MODIFY COLUMN v BIGINT",
        "host, n, v",
        [("a", "7", 2), ("b", "8", 2)],
        "(host, ts, n, v) VALUES ('c', 1, 'nine', 3)",
        ("c", "nine", 3),
    ),
    (
        "RENAME COLUMN host TO server, RENAME COLUMN v TO value, RENAME COLUMN ts TO at",
        "server, value",
        [("a", 1.5), ("b", 2.5)],
        "(server, at, value) VALUES ('c', 1, 3)",
        ("c", 3.0),
    ),
    (
        "DROP COLUMN v, ADD COLUMN v STRING DEFAULT 'new'",
        "host, v",
        [("a", "new"), ("b", "new")],
        "(host, ts, v) VALUES ('c', 1, 'newer')",
        ("c", "newer"),
    ),
    (
        "RENAME COLUMN v TO w, ADD COLUMN v INT DEFAULT 1",
        "host, w, v",
        [("a", 1.5, 1), ("b", 2.5, 1)],
        "(host, ts, w, v) VALUES ('c', 1, 3.5, 4)",
        ("c", 3.5, 4),
    ),
]


def shown(columns: str, statement: str) -> str:
    key = "server" if "server" in statement else "host"
    without_time = columns if columns != "*" else "c, host, d, v, n, s"
    return f"SELECT {without_time} FROM t ORDER BY {key}"


@pytest.mark.parametrize("flushed", [True, False], ids=["flushed", "memory"])
@pytest.mark.parametrize(("statement", "columns", "before", "new", "row"), CASES)
def test_rows_of_before_and_after(
    databases: Databases,
    statement: str,
    columns: str,
    before: list[tuple[Any, ...]],
    new: str,
    row: tuple[Any, ...],
    flushed: bool,
) -> None:
    one = client(databases.open(), Wire.HTTP)
    one.run(CREATE)
    one.run(OLD)
    if flushed:
        flush(one)
    query = shown(columns, statement)
    one.run(f"ALTER TABLE t {statement}")
    assert one.run(query) == before
    one.run(f"INSERT INTO t {new}")
    after = sorted([*before, row], key=repr)
    assert sorted(one.run(query), key=repr) == after
    again = client(databases.open(), Wire.HTTP)
    assert sorted(again.run(query), key=repr) == after
    flush(again)
    assert sorted(again.run(query), key=repr) == after


def test_a_new_row_replaces_an_old_one_under_its_new_names(one: Client) -> None:
    one.run(OLD)
    flush(one)
    one.run("ALTER TABLE t RENAME COLUMN host TO server, ADD COLUMN zone STRING PRIMARY KEY")
    one.run("INSERT INTO t (server, ts, zone, v) VALUES ('a', 1000, NULL, 9)")
    one.run("INSERT INTO t (server, ts, zone, v) VALUES ('a', 1000, 'z', 10)")
    query = "SELECT server, zone, v FROM t ORDER BY server, zone NULLS FIRST"
    expected = [("a", None, 9.0), ("a", "z", 10.0), ("b", None, 2.5)]
    assert one.run(query) == expected
    flush(one)
    assert one.run(query) == expected
    one.run("DELETE FROM t WHERE server = 'a' AND zone IS NULL")
    assert one.run(query) == expected[1:]


def test_many_changes_of_one_column(one: Client) -> None:
    one.run(OLD)
    flush(one)
    one.run("ALTER TABLE t MODIFY COLUMN n STRING")
    one.run("INSERT INTO t VALUES ('c', 1000, 1, 'nine', 'y')")
    flush(one)
    one.run("ALTER TABLE t MODIFY COLUMN n BIGINT")
    one.run("INSERT INTO t VALUES ('d', 1000, 1, 10, 'y')")
    assert one.run("SELECT host, n FROM t ORDER BY host") == [
        ("a", 7),
        ("b", 8),
        ("c", None),
        ("d", 10),
    ]


def test_the_value_old_rows_read_follows_the_type(one: Client) -> None:
    one.run(OLD)
    one.run("ALTER TABLE t ADD COLUMN c STRING DEFAULT '12'")
    one.run("ALTER TABLE t ALTER COLUMN c DROP DEFAULT")
    one.run("ALTER TABLE t MODIFY COLUMN c INT")
    one.run("INSERT INTO t (host, ts) VALUES ('c', 1)")
    assert one.run("SELECT host, c FROM t ORDER BY host") == [("a", 12), ("b", 12), ("c", None)]


DEFAULTS = [
    *("BOOLEAN DEFAULT true", "TINYINT DEFAULT -5", "BIGINT UNSIGNED DEFAULT 18446744073709551615"),
    *("FLOAT DEFAULT 'NaN'", "DOUBLE DEFAULT '-Infinity'", "DECIMAL(38, 10) DEFAULT 0.0000000001"),
    *("STRING DEFAULT 'it''s \\ \n'", "VARBINARY DEFAULT X'00ff41'", "JSON DEFAULT '{\"a\": 1}'"),
    *("DATE DEFAULT '2020-02-29'", "TIME DEFAULT '10:11:12.000123'"),
    *("TIMESTAMP(0) DEFAULT '2020-01-01 00:00:01'", "TIMESTAMPTZ DEFAULT '2020-01-01 00:00:01+02'"),
    *("TIMESTAMP(9) DEFAULT '2020-01-01 00:00:01.123456789'", "INT[] DEFAULT '{1,NULL}'"),
    "TEXT[] DEFAULT '{a,\"b,c\"}'",
]


@pytest.mark.parametrize("column", DEFAULTS)
def test_defaults_of_every_type_read_the_same_in_old_and_new_rows(
    databases: Databases, one: Client, column: str
) -> None:
    one.run(OLD)
    flush(one)
    one.run("INSERT INTO t (host, ts) VALUES ('c', 1)")
    one.run(f"ALTER TABLE t ADD COLUMN c {column}")
    one.run("INSERT INTO t (host, ts) VALUES ('d', 1)")
    values = one.run("SELECT c FROM t ORDER BY host")
    assert len(values) == 4
    assert len(set(map(repr, values))) == 1
    assert values[0][0] is not None
    again = client(databases.open(), Wire.HTTP)
    assert list(map(repr, again.run("SELECT c FROM t"))) == list(map(repr, values))
    again.run(
        f"CREATE TABLE r (a INT); INSERT INTO r VALUES (1); ALTER TABLE r ADD COLUMN c {column}"
    )
    again.run("INSERT INTO r (a) VALUES (2)")
    assert len(set(map(repr, again.run("SELECT c FROM r")))) == 1


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("ADD COLUMN v INT", ErrorKind.DUPLICATE_COLUMN),
        ("ADD COLUMN V INT", ErrorKind.DUPLICATE_COLUMN),
        ("ADD COLUMN c INT NOT NULL", ErrorKind.NOT_NULL_VIOLATION),
        ("ADD COLUMN c INT DEFAULT 'x'", ErrorKind.INVALID_TEXT),
        ("ADD COLUMN c INT AFTER nothing", ErrorKind.UNDEFINED_COLUMN),
        ("ADD COLUMN c INT UNIQUE", ErrorKind.UNSUPPORTED),
        ("ADD COLUMN c MAP(INT, INT)", ErrorKind.UNSUPPORTED),
        ("ADD COLUMN c TIMESTAMP TIME INDEX", ErrorKind.INVALID_TABLE_DEFINITION),
        ("DROP COLUMN nothing", ErrorKind.UNDEFINED_COLUMN),
        ("DROP COLUMN host", ErrorKind.INVALID_TABLE_DEFINITION),
        ("DROP COLUMN ts", ErrorKind.INVALID_TABLE_DEFINITION),
        ("MODIFY COLUMN host INT", ErrorKind.INVALID_TABLE_DEFINITION),
        ("MODIFY COLUMN ts TIMESTAMP(9)", ErrorKind.INVALID_TABLE_DEFINITION),
        ("MODIFY COLUMN n TIMESTAMP", ErrorKind.DATATYPE_MISMATCH),
        ("MODIFY COLUMN nothing INT", ErrorKind.UNDEFINED_COLUMN),
        ("ALTER COLUMN n TYPE BIGINT USING n + 1", ErrorKind.UNSUPPORTED),
        ("RENAME COLUMN v TO n", ErrorKind.DUPLICATE_COLUMN),
        ("RENAME COLUMN nothing TO x", ErrorKind.UNDEFINED_COLUMN),
        ("MODIFY COLUMN n SET DEFAULT 'x'", ErrorKind.INVALID_TEXT),
        ("MODIFY COLUMN n SET DEFAULT random()", ErrorKind.UNSUPPORTED),
        ("MODIFY COLUMN n SET FULLTEXT INDEX", ErrorKind.INVALID_TABLE_DEFINITION),
        ("ADD PRIMARY KEY (n)", ErrorKind.UNSUPPORTED),
        ("SET 'frobs' = '1'", ErrorKind.INVALID_ARGUMENT),
        ("SET 'merge_mode' = 'last_row'", ErrorKind.INVALID_ARGUMENT),
        ("SET 'ttl' = 'soon'", ErrorKind.INVALID_ARGUMENT),
        ("SET 'compaction.twcs.trigger_file_num' = '0'", ErrorKind.INVALID_ARGUMENT),
        ("SET 'max_row_group_row_count' = '10485761'", ErrorKind.INVALID_ARGUMENT),
        ("UNSET 'auto_flush_interval'", ErrorKind.INVALID_ARGUMENT),
        ("RENAME TO t", ErrorKind.DUPLICATE_TABLE),
        ("SET SCHEMA nowhere", ErrorKind.UNDEFINED_SCHEMA),
    ],
)
def test_refusals_change_nothing(one: Client, action: str, kind: ErrorKind) -> None:
    one.run(OLD)
    before = one.session.lookup("public", "t")
    assert kind_of(lambda: one.run(f"ALTER TABLE t ADD COLUMN zz INT, {action}")) is kind
    assert one.session.lookup("public", "t") == before
    assert len(one.run(ROWS)) == 2


def test_if_exists_and_if_not_exists(one: Client) -> None:
    one.run("ALTER TABLE t ADD COLUMN IF NOT EXISTS v INT")
    one.run("ALTER TABLE t DROP COLUMN IF EXISTS nothing")
    one.run("ALTER TABLE IF EXISTS nothing ADD COLUMN v INT")
    assert len(one.session.take_notices()) == 3
    assert kind_of(lambda: one.run("ALTER TABLE nothing ADD COLUMN v INT")) is (
        ErrorKind.UNDEFINED_TABLE
    )


def test_not_null_is_set_where_no_row_says_otherwise(one: Client) -> None:
    one.run(OLD)
    one.run("ALTER TABLE t ALTER COLUMN n SET NOT NULL")
    assert kind_of(lambda: one.run("INSERT INTO t (host, ts) VALUES ('c', 1)")) is (
        ErrorKind.NOT_NULL_VIOLATION
    )
    assert kind_of(lambda: one.run("ALTER TABLE t MODIFY COLUMN n SMALLINT")) is (
        ErrorKind.INVALID_TABLE_DEFINITION
    )
    one.run("ALTER TABLE t MODIFY COLUMN n BIGINT")
    one.run("ALTER TABLE t ALTER COLUMN n DROP NOT NULL")
    one.run("INSERT INTO t (host, ts) VALUES ('c', 1)")
    assert kind_of(lambda: one.run("ALTER TABLE t ALTER COLUMN n SET NOT NULL")) is (
        ErrorKind.NOT_NULL_VIOLATION
    )
    assert one.run("SELECT n FROM t ORDER BY host") == [(7,), (8,), (None,)]


def test_defaults(one: Client) -> None:
    one.run("ALTER TABLE t MODIFY COLUMN n SET DEFAULT 3")
    one.run("INSERT INTO t (host, ts) VALUES ('a', 1)")
    one.run("ALTER TABLE t ALTER COLUMN n DROP DEFAULT")
    one.run("INSERT INTO t (host, ts) VALUES ('b', 1)")
    assert one.run("SELECT n FROM t ORDER BY host") == [(3,), (None,)]


def test_a_clock_is_no_default_for_a_number(one: Client) -> None:
    one.run("ALTER TABLE t ADD COLUMN at TIMESTAMP DEFAULT now(), ADD COLUMN d DATE")
    one.run("ALTER TABLE t MODIFY COLUMN at TIMESTAMP(9)")
    table = one.session.lookup("public", "t")
    assert table is not None
    assert table.columns[-2].default == "now()"
    assert kind_of(lambda: one.run("ALTER TABLE t MODIFY COLUMN at STRING")) is (
        ErrorKind.DATATYPE_MISMATCH
    )


def test_append_mode_can_be_turned_on_but_not_off(one: Client) -> None:
    one.run(OLD)
    one.run("ALTER TABLE t SET 'append_mode' = 'true'")
    one.run(OLD)
    assert len(one.run(ROWS)) == 4
    assert kind_of(lambda: one.run("ALTER TABLE t SET 'append_mode' = 'false'")) is (
        ErrorKind.INVALID_ARGUMENT
    )


def test_rename_and_rename_back(databases: Databases) -> None:
    one = client(databases.open(), Wire.MYSQL)
    one.run(CREATE)
    one.run(OLD)
    one.run("CREATE DATABASE other")
    one.run("RENAME TABLE t TO u, u TO other.t")
    assert len(one.run("SELECT * FROM other.t")) == 2
    assert kind_of(lambda: one.run("SELECT * FROM t")) is ErrorKind.UNDEFINED_TABLE
    again = client(databases.open(), Wire.POSTGRES)
    again.run("ALTER TABLE other.t SET SCHEMA public")
    again.run("ALTER TABLE t RENAME TO x")
    assert len(again.run("SELECT * FROM x")) == 2


def test_comments(one: Client) -> None:
    one.run("COMMENT ON TABLE t IS 'load'; COMMENT ON COLUMN t.v IS 'percent'")
    table = one.session.lookup("public", "t")
    assert table is not None
    assert table.comment == "load"
    assert table.columns[2].comment == "percent"
    one.run("COMMENT ON COLUMN public.t.v IS NULL")
    assert one.run(
        "SELECT column_comment FROM information_schema.columns"
        " WHERE table_name = 't' AND column_name = 'v'"
    ) == [("",)]


# --- Options that regions live by -----------------------------------------------------------------


def options_of(one: Client, name: str = "t") -> Any:
    table = one.session.lookup("public", name)
    assert table is not None
    found = [one.session.regions.statistics(r).options for r in table.region_ids]
    assert all(options == found[0] for options in found)
    return found[0]


def test_options_reach_the_region(databases: Databases, one: Client) -> None:
    one.run(
        "ALTER TABLE t SET 'ttl' = '7d', 'compaction.twcs.time_window' = '2h',"
        " 'compaction.twcs.trigger_file_num' = '8', 'write_buffer_size' = '64MB',"
        " 'compaction.twcs.max_output_file_size' = '1GB', 'max_row_group_row_count' = '5000'"
    )
    before = options_of(one)
    again = client(databases.open(), Wire.HTTP)
    for options in (before, options_of(again)):
        assert options.ttl_ms == 7 * 86_400_000
        assert options.window_ms == 2 * 3_600_000
        assert options.trigger_files == 8
        assert options.max_output_bytes == 1 << 30
        assert options.write_buffer_bytes == 64 << 20
        assert options.row_group_rows == 5000
    again.run("ALTER TABLE t UNSET 'ttl', 'compaction.twcs.time_window'")
    assert options_of(again).ttl_ms is None
    assert options_of(again).window_ms is None
    again.run("ALTER TABLE t SET 'ttl' = 'instant'")
    assert options_of(again).ttl_ms == 0
    again.run("ALTER TABLE t SET 'ttl' = NULL")
    assert options_of(again).ttl_ms is None


def test_tables_without_a_ttl_follow_their_database(databases: Databases, one: Client) -> None:
    one.run("CREATE TABLE own (ts TIMESTAMP TIME INDEX) WITH (ttl = '1d')")
    one.run("CREATE TABLE never (ts TIMESTAMP TIME INDEX) WITH (ttl = 'forever')")
    one.run("ALTER DATABASE public SET 'ttl' = '30d', 'compaction.twcs.time_window' = '1h'")
    day = 86_400_000
    assert options_of(one).ttl_ms == 30 * day
    assert options_of(one).window_ms == 3_600_000
    assert options_of(one, "own").ttl_ms == day
    assert options_of(one, "never").ttl_ms is None
    one.run("CREATE TABLE later (ts TIMESTAMP TIME INDEX)")
    assert options_of(one, "later").ttl_ms == 30 * day
    one.run("ALTER TABLE own UNSET 'ttl'")
    assert options_of(one, "own").ttl_ms == 30 * day
    assert "ttl = '30days'" in one.run("SHOW CREATE TABLE t")[0][1]
    assert "ttl = '30days'" in one.run("SHOW CREATE DATABASE public")[0][1]
    again = client(databases.open(), Wire.HTTP)
    assert options_of(again).ttl_ms == 30 * day
    again.run("ALTER DATABASE public UNSET 'ttl'")
    assert options_of(again).ttl_ms is None


def test_other_options_of_a_database_are_copied_to_new_tables(one: Client) -> None:
    one.run("CREATE DATABASE d WITH (append_mode = 'true', ttl = '1h')")
    one.run("CREATE TABLE d.t (ts TIMESTAMP TIME INDEX)")
    table = one.session.lookup("d", "t")
    assert table is not None
    assert table.options == {"append_mode": "true"}
    for action in ("SET 'append_mode' = 'false'", "SET 'ttl' = 'instant'", "UNSET 'storage'"):
        assert kind_of(lambda text=action: one.run(f"ALTER DATABASE d {text}")) is (
            ErrorKind.INVALID_ARGUMENT
        )
    assert kind_of(lambda: one.run("ALTER DATABASE nothing SET 'ttl' = '1h'")) is (
        ErrorKind.UNDEFINED_DATABASE
    )


# --- Views ----------------------------------------------------------------------------------------


def test_views_go_on_over_added_and_changed_columns(one: Client) -> None:
    one.run(OLD)
    one.run("CREATE VIEW v AS SELECT * FROM t; CREATE VIEW w AS SELECT n AS x FROM v")
    one.run("ALTER TABLE t ADD COLUMN c INT FIRST, MODIFY COLUMN n STRING")
    assert one.names("SELECT * FROM v") == ["host", "ts", "v", "n", "s"]
    assert one.run("SELECT host, n FROM v ORDER BY host") == [("a", "7"), ("b", "8")]
    assert one.run(
        "SELECT data_type FROM information_schema.columns"
        " WHERE table_name = 'w' AND column_name = 'x'"
    ) == [("string",)]


@pytest.mark.parametrize("action", ["DROP COLUMN n", "RENAME COLUMN n TO m"])
def test_a_column_that_a_view_needs_stays(one: Client, action: str) -> None:
    one.run("CREATE VIEW v AS SELECT host, n + 1 AS m FROM t")
    assert kind_of(lambda: one.run(f"ALTER TABLE t {action}")) is ErrorKind.DEPENDENT_OBJECTS
    one.run("ALTER TABLE t DROP COLUMN v")
    assert one.run("SELECT * FROM v") == []


def test_cascade_takes_views_along(one: Client) -> None:
    one.run("CREATE VIEW v AS SELECT host, n FROM t; CREATE VIEW w AS SELECT n FROM v")
    one.run("ALTER TABLE t DROP COLUMN n CASCADE")
    assert kind_of(lambda: one.run("SELECT * FROM v")) is ErrorKind.UNDEFINED_TABLE
    assert kind_of(lambda: one.run("SELECT * FROM w")) is ErrorKind.UNDEFINED_TABLE


def test_a_view_is_renamed_and_not_altered(one: Client) -> None:
    one.run("CREATE VIEW v AS SELECT host FROM t")
    one.run("ALTER VIEW v RENAME TO w")
    one.run("ALTER TABLE w RENAME TO x")
    assert one.run("SELECT * FROM x") == []
    assert kind_of(lambda: one.run("ALTER TABLE x ADD COLUMN a INT")) is (
        ErrorKind.WRONG_OBJECT_TYPE
    )
    assert kind_of(lambda: one.run("ALTER VIEW t RENAME TO y")) is ErrorKind.WRONG_OBJECT_TYPE
