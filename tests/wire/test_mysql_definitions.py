"""Definitions of relational tables as MySQL's tools read them: SHOW CREATE, keys, indexes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from fix_server import RunningServer

DATABASE = "wire_definitions"
PARENT = "CREATE TABLE p (id INT PRIMARY KEY)"
CHILD = """CREATE TABLE `child` (
  `id` int NOT NULL AUTO_INCREMENT,
  `Name` varchar(20) NOT NULL DEFAULT 'it''s',
  `b` blob,
  `d` timestamp(6) NULL DEFAULT CURRENT_TIMESTAMP(6),
  `v` decimal(10,2) DEFAULT 1.5 COMMENT 'a\\nb',
  `t` text,
  `on_day` date DEFAULT NULL,
  `bo` boolean NOT NULL DEFAULT TRUE,
  `j` json,
  `pid` int unsigned DEFAULT NULL,
  `e` enum('a','b') DEFAULT 'a',
  PRIMARY KEY (`id`),
  UNIQUE KEY `uq` (`Name`,`v`),
  UNIQUE KEY `only` (`t`),
  KEY `ix` (`v`,`on_day`),
  KEY `fk` (`pid`),
  CONSTRAINT `fk` FOREIGN KEY (`pid`) REFERENCES `p` (`id`),
  CONSTRAINT `positive` CHECK (v > 0)
) ENGINE=duckdb DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='children'"""


@pytest.fixture(scope="module")
def cursor(server: RunningServer) -> Iterator[Any]:
    with pymysql.connect(**server.mysql_args(), autocommit=True) as made:
        opened = made.cursor()
        opened.execute(f"CREATE DATABASE {DATABASE}")
        opened.execute(f"USE {DATABASE}")
        opened.execute(PARENT)
        opened.execute(CHILD.replace("`pid` int unsigned", "`pid` int"))
        yield opened
        opened.execute(f"DROP DATABASE {DATABASE}")


def rows(cursor: Any, query: str) -> list[tuple[Any, ...]]:
    cursor.execute(query)
    return list(cursor.fetchall())


def test_a_table_is_shown_as_it_was_written(cursor: Any) -> None:
    shown = rows(cursor, "SHOW CREATE TABLE child")[0][1]
    assert shown == CHILD.replace("`pid` int unsigned", "`pid` int")


def test_what_is_shown_can_be_run_again(cursor: Any) -> None:
    cursor.execute("CREATE TABLE one (a TINYINT UNSIGNED, y YEAR, KEY (a), KEY a_2 (y), KEY (a))")
    shown = rows(cursor, "SHOW CREATE TABLE one")[0][1]
    assert "KEY `a` (`a`),\n  KEY `a_2` (`y`),\n  KEY `a_3` (`a`)" in shown
    cursor.execute("DROP TABLE one")
    cursor.execute(shown)
    assert rows(cursor, "SHOW CREATE TABLE one")[0][1] == shown
    cursor.execute("DROP TABLE one")


def test_keys_of_columns(cursor: Any) -> None:
    columns = {row[0]: row for row in rows(cursor, "SHOW COLUMNS FROM child")}
    keys = {name: row[3] for name, row in columns.items() if row[3]}
    assert keys == {"id": "PRI", "Name": "MUL", "t": "UNI", "v": "MUL", "pid": "MUL"}
    assert columns["id"][4:6] == (None, "auto_increment")
    assert columns["e"][1] == "enum('a','b')"


def test_indexes(cursor: Any) -> None:
    found = [(row[2], row[1], row[3], row[4]) for row in rows(cursor, "SHOW INDEX FROM child")]
    assert found == [
        ("PRIMARY", 0, 1, "id"),
        ("fk", 1, 1, "pid"),
        ("ix", 1, 1, "v"),
        ("ix", 1, 2, "on_day"),
        ("only", 0, 1, "t"),
        ("uq", 0, 1, "Name"),
        ("uq", 0, 2, "v"),
    ]


def test_keys_in_information_schema(cursor: Any) -> None:
    where = f"constraint_schema = '{DATABASE}' AND table_name = 'child'"
    kinds = rows(
        cursor,
        "SELECT constraint_name, constraint_type FROM information_schema.table_constraints"
        f" WHERE {where} ORDER BY 1",
    )
    assert kinds == [
        ("PRIMARY", "PRIMARY KEY"),
        ("fk", "FOREIGN KEY"),
        ("only", "UNIQUE"),
        ("positive", "CHECK"),
        ("uq", "UNIQUE"),
    ]
    named = "referenced_table_schema, referenced_table_name, referenced_column_name"
    usage = f"SELECT column_name, {named} FROM information_schema.key_column_usage WHERE {where}"
    assert rows(cursor, f"{usage} AND constraint_name = 'fk'") == [("pid", DATABASE, "p", "id")]
    referential = "information_schema.referential_constraints"
    query = f"SELECT constraint_name, referenced_table_name FROM {referential} WHERE {where}"
    assert rows(cursor, query) == [("fk", "p")]


def test_columns_that_are_not_grouped_by_are_those_of_any_row(cursor: Any) -> None:
    cursor.execute("CREATE TABLE g (a INT, b VARCHAR(5), c INT)")
    cursor.execute("INSERT INTO g VALUES (1, 'x', 1), (1, 'x', 2), (2, 'y', 3)")
    query = "SELECT a AS k, b, upper(b), max(c) FROM g GROUP BY k HAVING b < 'z' ORDER BY b DESC"
    assert rows(cursor, query) == [(2, "y", "Y", 3), (1, "x", "X", 2)]
    assert [column[0] for column in cursor.description] == ["k", "b", "upper(b)", "max(c)"]
    cursor.execute("DROP TABLE g")


def test_indexes_are_added_and_dropped(cursor: Any) -> None:
    cursor.execute("CREATE TABLE i (a INT, b VARCHAR(9), c INT)")
    cursor.execute("INSERT INTO i VALUES (1, 'x', 1), (2, 'y', 1)")
    cursor.execute(
        "ALTER TABLE i ADD UNIQUE KEY uq (a, b(5)), ADD INDEX (c DESC) USING BTREE,"
        " CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    )
    shown = rows(cursor, "SHOW CREATE TABLE i")[0][1]
    assert "UNIQUE KEY `uq` (`a`,`b`),\n  KEY `c` (`c`)" in shown
    with pytest.raises(pymysql.Error) as caught:
        cursor.execute("INSERT INTO i VALUES (1, 'x', 2)")
    assert caught.value.args[0] == 1062
    with pytest.raises(pymysql.Error):
        cursor.execute("ALTER TABLE i ADD UNIQUE KEY (c)")
    cursor.execute("ALTER TABLE i DROP INDEX uq, DROP KEY c")
    cursor.execute("INSERT INTO i VALUES (1, 'x', 2)")
    assert rows(cursor, "SHOW INDEX FROM i") == []
    with pytest.raises(pymysql.Error):
        cursor.execute("ALTER TABLE i DROP INDEX uq")
    cursor.execute("DROP TABLE i")


def test_how_much_of_a_column_a_key_names_is_told(server: RunningServer) -> None:
    with pymysql.connect(**server.mysql_args(), autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "CREATE TABLE parts (a VARCHAR(50), b TEXT, KEY ka (a(10)), KEY kb (b(20), a))"
        )
        cursor.execute("CREATE INDEX kc ON parts (b(7))")
        cursor.execute("ALTER TABLE parts ADD INDEX kd (a(3), b(4)), ADD INDEX ke (a)")
        cursor.execute("SHOW CREATE TABLE `parts`")
        text = cursor.fetchall()[0][1]
        assert [line.strip(" ,") for line in text.split("\n") if "KEY" in line] == [
            "KEY `ka` (`a`(10))",
            "KEY `kb` (`b`(20),`a`)",
            "KEY `kc` (`b`(7))",
            "KEY `kd` (`a`(3),`b`(4))",
            "KEY `ke` (`a`)",
        ]
        cursor.execute("SHOW INDEX FROM parts WHERE Key_name IN ('kb', 'ke')")
        assert [(row[2], row[4], row[7]) for row in cursor.fetchall()] == [
            ("kb", "b", 20),
            ("kb", "a", None),
            ("ke", "a", None),
        ]
        told = "SELECT sub_part FROM information_schema.statistics WHERE index_name = 'kd'"
        cursor.execute(f"{told} ORDER BY seq_in_index")
        assert list(cursor.fetchall()) == [(3,), (4,)]
        cursor.execute("DROP TABLE parts")


def test_the_present_time_has_the_digits_of_its_column(cursor: Any) -> None:
    cursor.execute(
        "CREATE TABLE moments (a DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)"
        " ON UPDATE CURRENT_TIMESTAMP(6), b TIMESTAMP(3) NULL DEFAULT now(3), c DATETIME DEFAULT"
        " now(), d BOOL DEFAULT TRUE, e BOOL DEFAULT false, f VARCHAR(9) DEFAULT 'true')"
    )
    columns = {row[0]: row[4:6] for row in rows(cursor, "SHOW COLUMNS FROM moments")}
    assert columns == {
        "a": ("CURRENT_TIMESTAMP(6)", "DEFAULT_GENERATED on update CURRENT_TIMESTAMP(6)"),
        "b": ("CURRENT_TIMESTAMP(3)", ""),
        "c": ("CURRENT_TIMESTAMP", ""),
        "d": ("1", ""),
        "e": ("0", ""),
        "f": ("true", ""),
    }
    shown = rows(cursor, "SHOW CREATE TABLE moments")[0][1]
    kept = "`a` datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),"
    assert kept in shown
    assert "`b` timestamp(3) NULL DEFAULT CURRENT_TIMESTAMP(3)," in shown
    cursor.execute("DROP TABLE moments")
    cursor.execute(shown)
    assert rows(cursor, "SHOW CREATE TABLE moments")[0][1] == shown
    cursor.execute("DROP TABLE moments")
