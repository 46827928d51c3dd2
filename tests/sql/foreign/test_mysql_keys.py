"""Foreign keys as MySQL's clients know them: errors, foreign_key_checks, what SHOW tells."""

from __future__ import annotations

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError
from sql.session import Wire

RULES = (
    "SELECT constraint_name, update_rule, delete_rule, referenced_table_name"
    " FROM information_schema.referential_constraints"
)


@pytest.fixture
def one(databases: Databases) -> Client:
    made = client(databases.open(), Wire.MYSQL)
    made.run("CREATE TABLE p (id INT PRIMARY KEY); INSERT INTO p VALUES (1), (2)")
    made.run(
        "CREATE TABLE c (id INT PRIMARY KEY, pid INT, CONSTRAINT `k` FOREIGN KEY `i` (`pid`)"
        " REFERENCES `p` (`id`) ON DELETE CASCADE ON UPDATE RESTRICT)"
    )
    return made


def code_of(one: Client, sql: str) -> tuple[int, str]:
    with pytest.raises(DbError) as caught:
        one.run(sql)
    return caught.value.kind.codes.errno, caught.value.message


def test_errors_are_mysqls(one: Client) -> None:
    key = (
        "(`public`.`c`, CONSTRAINT `k` FOREIGN KEY (`pid`) REFERENCES `p` (`id`)"
        " ON DELETE CASCADE ON UPDATE RESTRICT)"
    )
    assert code_of(one, "INSERT INTO c VALUES (1, 9)") == (
        1452,
        f"Cannot add or update a child row: a foreign key constraint fails {key}",
    )
    one.run("INSERT INTO c VALUES (1, 1)")
    assert code_of(one, "UPDATE p SET id = 9 WHERE id = 1") == (
        1451,
        f"Cannot delete or update a parent row: a foreign key constraint fails {key}",
    )
    assert code_of(one, "TRUNCATE p")[0] == 1701
    assert code_of(one, "DROP TABLE p")[0] == 1451
    one.run("DELETE FROM p WHERE id = 1")
    assert one.run("SELECT * FROM c") == []


def test_writers_of_mysqls_own(one: Client) -> None:
    one.run("INSERT INTO c VALUES (1, 1)")
    for sql in (
        "REPLACE INTO c VALUES (1, 9)",
        "INSERT INTO c VALUES (1, 1) ON DUPLICATE KEY UPDATE pid = 9",
        "INSERT INTO c VALUES (1, 9) ON DUPLICATE KEY UPDATE pid = VALUES(pid)",
        "UPDATE c JOIN p ON c.pid = p.id SET c.pid = 9",
    ):
        assert code_of(one, sql)[0] == 1452, sql
    assert one.run("SELECT * FROM c") == [(1, 1)]


def test_checks_are_off_while_a_dump_is_read(one: Client) -> None:
    one.run("SET FOREIGN_KEY_CHECKS = 0; CREATE TABLE early (a INT REFERENCES late (id))")
    one.run("INSERT INTO early VALUES (7); INSERT INTO c VALUES (1, 9); TRUNCATE p; DROP TABLE p")
    one.run("CREATE TABLE late (id INT PRIMARY KEY); CREATE TABLE p (id INT PRIMARY KEY)")
    one.run("SET FOREIGN_KEY_CHECKS = 1")
    assert code_of(one, "INSERT INTO early VALUES (8)")[0] == 1452
    assert code_of(one, "INSERT INTO c VALUES (2, 9)")[0] == 1452
    one.run("INSERT INTO late VALUES (8); INSERT INTO early VALUES (8)")
    assert code_of(one, "DELETE FROM late")[0] == 1451


def test_what_is_told(one: Client) -> None:
    assert one.run(RULES) == [("k", "RESTRICT", "CASCADE", "p")]
    text = one.run("SHOW CREATE TABLE c")[0][1]
    key = "CONSTRAINT `k` FOREIGN KEY (`pid`) REFERENCES `p` (`id`) ON DELETE CASCADE"
    assert f"{key} ON UPDATE RESTRICT" in text
    one.run("ALTER TABLE p RENAME TO parents; DROP TABLE IF EXISTS d")
    assert "REFERENCES `parents` (`id`)" in one.run("SHOW CREATE TABLE c")[0][1]
    one.run("ALTER TABLE c DROP FOREIGN KEY k")
    assert one.run(RULES) == []
    one.run("ALTER TABLE c ADD FOREIGN KEY (pid) REFERENCES parents (id) ON DELETE SET NULL")
    assert one.run(RULES) == [("c_pid_fkey", "NO ACTION", "SET NULL", "parents")]


def test_a_key_brings_its_index_along(one: Client) -> None:
    one.run(
        "CREATE TABLE d (a INT, b INT, FOREIGN KEY (a) REFERENCES p (id), KEY (b),"
        " FOREIGN KEY (b) REFERENCES p (id))"
    )
    asked = "SELECT index_name, column_name FROM information_schema.statistics WHERE table_name = "
    assert sorted(one.run(asked + "'d'")) == [("a", "a"), ("b", "b")]
    assert ("k", "pid") in one.run(asked + "'c'")


@pytest.mark.parametrize(
    ("type_", "there", "missing"),
    [
        ("ENUM('a', 'b')", "'a'", "'b'"),
        ("DECIMAL(10, 2)", "1.5", "2.5"),
        ("DATETIME", "'2024-01-01'", "'2024-01-02'"),
        ("VARBINARY(10)", "x'01'", "x'02'"),
        ("BIGINT UNSIGNED", "1", "18446744073709551615"),
    ],
)
def test_insert_ignore_leaves_out_orphans_of_tables_without_a_key(
    databases: Databases, type_: str, there: str, missing: str
) -> None:
    db = client(databases.open(), Wire.MYSQL)
    db.run(f"CREATE TABLE p (k {type_} PRIMARY KEY); INSERT INTO p VALUES ({there})")
    db.run(f"CREATE TABLE c (id INT, k {type_}, FOREIGN KEY (k) REFERENCES p (k))")
    db.run(f"INSERT IGNORE INTO c VALUES (1, {there}), (2, {missing})")
    assert db.run("SELECT id FROM c") == [(1,)]


def test_insert_ignore_looks_at_unique_indexes(databases: Databases) -> None:
    db = client(databases.open(), Wire.MYSQL)
    db.run("CREATE TABLE t (a INT, b INT); CREATE UNIQUE INDEX i ON t (a)")
    db.run("INSERT INTO t VALUES (1, 1); INSERT IGNORE INTO t VALUES (1, 2), (2, 3), (2, 4)")
    assert db.run("SELECT a FROM t ORDER BY a") == [(1,), (2,)]
    db.run("INSERT INTO t VALUES (1, 7) ON DUPLICATE KEY UPDATE b = 7")
    assert db.run("SELECT b FROM t WHERE a = 1") == [(7,)]
