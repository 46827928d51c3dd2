"""Definitions read off CREATE TABLE, and the text SHOW CREATE TABLE gives back."""

from __future__ import annotations

import pytest
from sqlglot import exp

from catalog.records import Table, TableKind
from engine import datatypes as dt
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from sql.dialect.create import read_create_table
from sql.dialect.definitions import TableDefinition
from sql.dialect.parser import parse
from sql.dialect.show_create import create_table_sql
from sql.session import Wire

MONITOR = """
CREATE TABLE IF NOT EXISTS ops.monitor (
  host STRING INVERTED INDEX,
  region STRING NULL SKIPPING INDEX WITH (granularity = 8192),
  ts TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  cpu DOUBLE DEFAULT 1.5 COMMENT 'it''s load',
  message TEXT FULLTEXT INDEX WITH (analyzer = 'English', case_sensitive = 'true'),
  TIME INDEX (ts),
  PRIMARY KEY (host, region),
)
PARTITION ON COLUMNS (host) (host < 'm', host >= 'm')
ENGINE=mito
WITH (ttl = '7d', 'compaction.type' = 'twcs', append_mode = true)
"""

ODD = """
CREATE TABLE "select" (
  "a b" STRING DEFAULT 'c:\\dir' COMMENT 'back\\slash',
  "Key" INT,
  "t""s" TIMESTAMP NOT NULL,
  `x"y` STRING DEFAULT 'it''s "so"',
  TIME INDEX ("t""s"),
  PRIMARY KEY ("a b", "Key")
)
PARTITION ON COLUMNS ("a b", "Key") ("a b" < 'm\\n', "a b" >= 'm\\n' AND "Key" < 1,
  "a b" >= 'm\\n' AND "Key" >= 1)
WITH (comment = 'a "table" of it''s own')
"""


def define(text: str, wire: Wire = Wire.HTTP) -> TableDefinition:
    tree = parse(text, wire)[0].tree
    assert isinstance(tree, exp.Create)
    return read_create_table(tree)


def refused(text: str, wire: Wire = Wire.HTTP) -> DbError:
    with pytest.raises(DbError) as caught:
        define(text, wire)
    return caught.value


def stored(definition: TableDefinition) -> Table:
    kind = TableKind.TIME_SERIES if definition.is_time_series else TableKind.RELATIONAL
    return Table(
        id=1,
        database=definition.database or "public",
        name=definition.name,
        kind=kind,
        columns=definition.columns,
        primary_key=definition.primary_key,
        options=definition.options,
        engine=definition.engine,
        partition_columns=definition.partition_columns,
        partition_rules=definition.partition_rules,
    )


@pytest.mark.parametrize("wire", list(Wire))
def test_a_time_series_table(wire: Wire) -> None:
    table = define(MONITOR, wire)
    assert (table.database, table.name, table.if_not_exists) == ("ops", "monitor", True)
    assert table.time_index == "ts"
    assert table.primary_key == ("host", "region")
    assert [(c.name, c.semantic, c.nullable) for c in table.columns] == [
        ("host", Semantic.TAG, True),
        ("region", Semantic.TAG, True),
        ("ts", Semantic.TIMESTAMP, False),
        ("cpu", Semantic.FIELD, True),
        ("message", Semantic.FIELD, True),
    ]
    assert table.columns[2].type == dt.TIMESTAMP_MILLISECOND
    assert table.columns[2].default == "current_timestamp()"
    assert (table.columns[3].default, table.columns[3].comment) == ("1.5", "it's load")
    assert table.columns[1].indexes["SKIPPING"]["granularity"] == "8192"
    assert table.options == {"ttl": "7days", "compaction.type": "twcs", "append_mode": "true"}
    assert table.partition_columns == ("host",)
    assert table.partition_rules == ("host < 'm'", "host >= 'm'")


def test_show_create_table_is_canonical() -> None:
    text = create_table_sql(stored(define(MONITOR)), Wire.HTTP)
    fulltext = (
        "FULLTEXT INDEX WITH(analyzer = 'English', backend = 'bloom', case_sensitive = 'true', "
        "false_positive_rate = '0.01', granularity = '10240')"
    )
    skipping = (
        "SKIPPING INDEX WITH(false_positive_rate = '0.01', granularity = '8192', type = 'BLOOM')"
    )
    assert text == (
        'CREATE TABLE IF NOT EXISTS "monitor" (\n'
        '  "host" STRING NULL INVERTED INDEX,\n'
        f'  "region" STRING NULL {skipping},\n'
        '  "ts" TIMESTAMP(3) NOT NULL DEFAULT current_timestamp(),\n'
        "  \"cpu\" DOUBLE NULL DEFAULT 1.5 COMMENT 'it''s load',\n"
        f'  "message" STRING NULL {fulltext},\n'
        '  TIME INDEX ("ts"),\n'
        '  PRIMARY KEY ("host", "region")\n'
        ")\n"
        'PARTITION ON COLUMNS ("host") (\n'
        "  host < 'm',\n"
        "  host >= 'm'\n"
        ")\n"
        "ENGINE=mito\n"
        "WITH(\n"
        "  'compaction.type' = 'twcs',\n"
        "  append_mode = 'true',\n"
        "  ttl = '7days'\n"
        ")"
    )


@pytest.mark.parametrize(
    ("wire", "mark"),
    [(Wire.HTTP, '"'), (Wire.POSTGRES, '"'), (Wire.MYSQL, '"'), (Wire.MYSQL, "`")],
)
@pytest.mark.parametrize("definition", [MONITOR, ODD])
def test_show_create_table_defines_the_same_table(definition: str, wire: Wire, mark: str) -> None:
    table = stored(define(definition))
    again = stored(define(create_table_sql(table, wire, mark=mark), wire))
    assert (again.columns, again.primary_key, again.options, again.partition_rules) == (
        table.columns,
        table.primary_key,
        table.options,
        table.partition_rules,
    )


def test_without_a_partition_or_options_the_lines_stay_empty() -> None:
    text = create_table_sql(
        stored(define("CREATE TABLE t (ts TIMESTAMP TIME INDEX)")), Wire.POSTGRES
    )
    assert text == (
        'CREATE TABLE IF NOT EXISTS "t" (\n  "ts" TIMESTAMP(3) NOT NULL,\n  TIME INDEX ("ts")\n)\n'
        "\nENGINE=mito\n"
    )


def test_a_table_without_a_time_index_is_relational() -> None:
    table = define(
        "CREATE TABLE t (id SERIAL, name VARCHAR(20) NOT NULL UNIQUE, at TIMESTAMP, "
        "parent INT REFERENCES p (id), PRIMARY KEY (id), CHECK (id > 0))",
        Wire.POSTGRES,
    )
    assert table.time_index is None
    assert not table.is_time_series
    assert all(column.semantic is None for column in table.columns)
    assert table.columns[2].type == dt.TIMESTAMP_MICROSECOND
    assert table.columns[1].declared == "VARCHAR(20)"
    assert not table.columns[0].nullable
    assert table.auto_increment == ("id",)
    assert len(table.constraints) == 3


def test_mysql_definitions() -> None:
    table = define(
        "CREATE TABLE `t` (`id` int(11) NOT NULL AUTO_INCREMENT, `n` varchar(10) CHARACTER SET "
        "utf8 COLLATE utf8_bin, PRIMARY KEY (`id`), KEY `k` (`n`)) ENGINE=InnoDB "
        "AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 COMMENT='people'",
        Wire.MYSQL,
    )
    assert table.primary_key == ("id",)
    assert table.comment == "people"
    assert table.auto_increment == ("id",)


def test_create_like_and_as() -> None:
    assert define("CREATE TABLE a LIKE d.b").like == ("d", "b")
    created = define(
        "CREATE TEMP TABLE a ON COMMIT DROP AS SELECT 1 AS x WITH NO DATA", Wire.POSTGRES
    )
    assert created.temporary
    assert created.drop_on_commit
    assert created.as_query is not None
    assert not created.with_data


def test_now_keeps_its_spelling() -> None:
    for wire in Wire:
        table = define("CREATE TABLE t (ts TIMESTAMP TIME INDEX DEFAULT now())", wire)
        assert table.columns[0].default == "now()"


@pytest.mark.parametrize(
    ("columns", "kind", "words"),
    [
        ("ts TIMESTAMP TIME INDEX, a INT PRIMARY KEY, b INT PRIMARY KEY",
         ErrorKind.INVALID_TABLE_DEFINITION, "inline multiple primary keys"),
        ("ts TIMESTAMP TIME INDEX, a INT PRIMARY KEY, PRIMARY KEY (a)",
         ErrorKind.INVALID_TABLE_DEFINITION, "multiple places"),
        ("ts TIMESTAMP TIME INDEX, PRIMARY KEY (ts)",
         ErrorKind.INVALID_TABLE_DEFINITION, "time index"),
        ("ts INT TIME INDEX", ErrorKind.INVALID_TABLE_DEFINITION, "should be timestamp"),
        ("ts TIMESTAMP NULL TIME INDEX", ErrorKind.INVALID_TABLE_DEFINITION, "can't be null"),
        ("a TIMESTAMP TIME INDEX, b TIMESTAMP, TIME INDEX (b)", ErrorKind.SYNTAX, "actual 2"),
        ("a TIMESTAMP, b TIMESTAMP, TIME INDEX (a, b)", ErrorKind.SYNTAX, "only one column"),
        ("ts TIMESTAMP TIME INDEX, a INT, A INT", ErrorKind.DUPLICATE_COLUMN, "more than once"),
        ("ts TIMESTAMP TIME INDEX, PRIMARY KEY (x)", ErrorKind.UNDEFINED_COLUMN, '"x"'),
        ("a INT, TIME INDEX (x)", ErrorKind.UNDEFINED_COLUMN, '"x"'),
        ("ts TIMESTAMP TIME INDEX, a INT DEFAULT f(1)", ErrorKind.UNSUPPORTED, "f(1)"),
        ("ts TIMESTAMP TIME INDEX, a INT NOT NULL DEFAULT NULL",
         ErrorKind.INVALID_TABLE_DEFINITION, "NOT NULL"),
        ("ts TIMESTAMP TIME INDEX, a INT UNIQUE", ErrorKind.UNSUPPORTED, "UNIQUE"),
        ("ts TIMESTAMP TIME INDEX, a INT FULLTEXT INDEX",
         ErrorKind.INVALID_TABLE_DEFINITION, "string type"),
        ("ts TIMESTAMP TIME INDEX, a TEXT FULLTEXT INDEX WITH (x = 1)",
         ErrorKind.INVALID_ARGUMENT, "option: x"),
        ("a NOSUCH", ErrorKind.UNDEFINED_OBJECT, "nosuch"),
    ],
)  # fmt: skip
def test_bad_definitions(columns: str, kind: ErrorKind, words: str) -> None:
    error = refused(f"CREATE TABLE t ({columns})")
    assert error.kind is kind
    assert words in error.message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("foo = 1", "unrecognized table option key: foo"),
        ("append_mode = 'true', merge_mode = 'last_non_null'", "last_non_null"),
        ("append_mode = 'maybe'", "append_mode"),
        ("ttl = 'soon'", "invalid duration"),
        ("'compaction.twcs.trigger_file_num' = '8d'", "trigger_file_num"),
        ("max_row_group_row_count = 0", "max_row_group_row_count"),
        ("storage = 'S3'", "object store not found: S3"),
    ],
)
def test_bad_options(options: str, words: str) -> None:
    error = refused(f"CREATE TABLE t (ts TIMESTAMP TIME INDEX) WITH ({options})")
    assert error.kind is ErrorKind.INVALID_ARGUMENT
    assert words in error.message


def test_an_engine_of_time_series_needs_a_time_index() -> None:
    error = refused("CREATE TABLE t (a INT) ENGINE=mito")
    assert (error.kind, error.message) == (ErrorKind.SYNTAX, "Missing time index constraint")


def test_semantic_options_are_free() -> None:
    table = define("CREATE TABLE t (ts TIMESTAMP TIME INDEX) WITH ('greptime.semantic.unit' = 's')")
    assert table.options == {"greptime.semantic.unit": "s"}
