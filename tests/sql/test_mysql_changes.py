"""What MySQL's clients count on when they change rows and tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client

from engine.errors import DbError
from sql.session import Wire


@pytest.fixture
def mysql(connect: Callable[..., Client]) -> Client:
    made = connect(Wire.MYSQL)
    made.run("CREATE TABLE t (id INT PRIMARY KEY, n TINYINT NOT NULL, s VARCHAR(3))")
    made.run("INSERT INTO t VALUES (1, 1, 'a')")
    return made


def _errno(client: Client, text: str) -> int:
    with pytest.raises(DbError) as caught:
        client.run(text)
    return (caught.value.mysql or (caught.value.codes.errno, ""))[0]


def test_assignments_follow_each_other(mysql: Client) -> None:
    mysql.run("UPDATE t SET n = 5, s = n + 1")
    assert mysql.run("SELECT n, s FROM t") == [(5, "6")]
    mysql.run("UPDATE t x SET x.n = n + 1, s = (SELECT max(n) FROM t)")
    assert mysql.run("SELECT n, s FROM t") == [(6, "5")]
    mysql.run(
        "INSERT INTO t VALUES (1, 9, 'b') ON DUPLICATE KEY UPDATE n = values(t.n) + 1, s = t.n"
    )
    assert mysql.run("SELECT n, s FROM t") == [(10, "10")]


def test_updates_are_adjusted_without_strict_mode(mysql: Client) -> None:
    assert _errno(mysql, "UPDATE t SET n = 1000") == 1264
    mysql.run("SET sql_mode = ''")
    assert mysql.run("UPDATE t SET n = 1000, s = 'abcd'") == 1
    assert mysql.run("SELECT n, s FROM t") == [(127, "abc")]
    assert {notice.errno for notice in mysql.session.take_notices()} == {1264, 1265}


def test_columns_left_out_have_mysqls_own_defaults(mysql: Client) -> None:
    mysql.run("CREATE TABLE d (id INT, e ENUM('it''s', 'y') NOT NULL, n INT NOT NULL)")
    mysql.run("INSERT INTO d (id, n) VALUES (1, 1)")
    assert mysql.run("SELECT e FROM d") == [("it's",)]
    assert _errno(mysql, "INSERT INTO d (id) VALUES (2)") == 1364
    mysql.run("SET sql_mode = ''")
    mysql.run("INSERT INTO d (id) VALUES (2)")
    (warned,) = mysql.session.take_notices()
    assert (warned.errno, warned.message) == (1364, "Field 'n' doesn't have a default value")
    assert mysql.run("SELECT n FROM d WHERE id = 2") == [(0,)]


def test_years_of_two_digits_get_their_century(mysql: Client) -> None:
    mysql.run("CREATE TABLE y (y YEAR)")
    mysql.run("INSERT INTO y VALUES (99), ('50'), (70), (2024), (NULL), (0)")
    asked = "SELECT y FROM y WHERE y IS NOT NULL ORDER BY y"
    assert mysql.run(asked) == [(0,), (1970,), (1999,), (2024,), (2050,)]
    assert _errno(mysql, "INSERT INTO y VALUES (1800)") == 1264


def test_generated_columns_can_be_added(mysql: Client) -> None:
    mysql.run(
        "ALTER TABLE t ADD COLUMN g INT AS (n * 100) STORED, ADD COLUMN h TEXT AS (concat(s, '!'))"
    )
    mysql.run("INSERT INTO t (id, n, s) VALUES (2, 3, 'b')")
    assert mysql.run("SELECT g, h FROM t ORDER BY id") == [(100, "a!"), (300, "b!")]


def test_ways_to_keep_a_table_are_read_and_left(mysql: Client) -> None:
    mysql.run(
        "CREATE TABLE o (a INT(5) ZEROFILL) ENGINE=MyISAM DATA DIRECTORY='/x' INDEX DIRECTORY='/y'"
        " UNION=(t) INSERT_METHOD=LAST PARTITION BY HASH (a) PARTITIONS 4"
    )
    mysql.run("ALTER TABLE o FORCE")
    mysql.run("ALTER TABLE o ORDER BY a DESC")
    mysql.run("INSERT INTO o VALUES (7)")
    assert mysql.run("SELECT a FROM o") == [(7,)]


def test_indexes_are_renamed(mysql: Client) -> None:
    mysql.run("ALTER TABLE t ADD KEY k (n), ADD UNIQUE u (s)")
    mysql.run("ALTER TABLE t RENAME INDEX k TO k2, RENAME KEY u TO u2")
    shown = mysql.run("SHOW CREATE TABLE t")[0][1]
    assert "KEY `k2` (`n`)" in shown
    assert "UNIQUE KEY `u2` (`s`)" in shown
    assert _errno(mysql, "ALTER TABLE t RENAME INDEX nope TO x") == 1176


def test_a_view_gets_another_query(mysql: Client) -> None:
    mysql.run("CREATE VIEW v AS SELECT id FROM t")
    mysql.run("ALTER VIEW v AS SELECT id, s FROM t")
    assert mysql.run("SELECT * FROM v") == [(1, "a")]


def test_equal_rows_have_equal_checksums(mysql: Client) -> None:
    mysql.run("CREATE TABLE a (x INT)")
    mysql.run("CREATE TABLE b (x INT)")
    mysql.run("INSERT INTO a VALUES (1), (2), (2)")
    mysql.run("INSERT INTO b VALUES (2), (1), (2)")
    (_, one), (_, two), (_, none) = mysql.run("CHECKSUM TABLE a, b, nope")
    assert one == two != 0
    assert none is None


def test_hex_of_aggregates(mysql: Client) -> None:
    mysql.run("CREATE TABLE h (u BIGINT UNSIGNED, s TEXT)")
    mysql.run("INSERT INTO h VALUES (18446744073709551615, 'ab'), (1, 'aa')")
    asked = "SELECT hex(max(u)), hex(max(s)) FROM h"
    assert mysql.run(asked) == [("FFFFFFFFFFFFFFFF", "6162")]


def test_quoted_names_are_found_unquoted_in_their_case(mysql: Client) -> None:
    mysql.run("CREATE TABLE `BigName` (id INT PRIMARY KEY, v TEXT)")
    mysql.run("INSERT INTO BigName VALUES (1, 'a')")
    mysql.run("INSERT INTO BigName (id, v) VALUES (2, 'b') ON DUPLICATE KEY UPDATE v = 'c'")
    mysql.run("UPDATE BigName SET v = 'd' WHERE BigName.id = 1")
    assert mysql.run("SELECT BigName.v FROM BigName JOIN t ON t.id = BigName.id") == [("d",)]
    assert mysql.run("SELECT b.v FROM BigName AS b WHERE b.id = 2") == [("b",)]
    mysql.run("ALTER TABLE BigName ADD COLUMN w INT")
    mysql.run("DROP TABLE BigName")
    assert _errno(mysql, "SELECT * FROM BigName") == 1146
    assert _errno(mysql, "INSERT INTO BigName VALUES (1, 'a')") == 1146


def test_values_of_generated_columns_are_left_aside_without_strict_mode(mysql: Client) -> None:
    mysql.run("CREATE TABLE g (a INT, b INT AS (a * 2) STORED)")
    assert _errno(mysql, "INSERT INTO g VALUES (1, 5)") == 3105
    mysql.run("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
    mysql.run("INSERT INTO g VALUES (1, 5)")
    mysql.run("INSERT INTO g SELECT 2, 9")
    assert mysql.run("SELECT a, b FROM g ORDER BY a") == [(1, 2), (2, 4)]


def test_numbers_are_like_their_text(mysql: Client) -> None:
    assert mysql.run("SELECT id LIKE '1%', n LIKE 'x' FROM t") == [(True, False)]
