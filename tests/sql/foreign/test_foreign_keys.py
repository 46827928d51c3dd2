"""Foreign keys: what they refuse, what follows from their actions, when they are checked."""

from __future__ import annotations

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind

MISSING, REFERENCED = ErrorKind.FOREIGN_KEY_VIOLATION, ErrorKind.STILL_REFERENCED


@pytest.fixture
def one(databases: Databases) -> Client:
    made = client(databases.open())
    made.run("CREATE TABLE p (id INT PRIMARY KEY, code TEXT UNIQUE, n INT)")
    made.run("INSERT INTO p VALUES (1, 'a', 10), (2, 'b', 20), (3, 'c', 30)")
    return made


def refused(one: Client, sql: str, kind: ErrorKind) -> DbError:
    with pytest.raises(DbError) as caught:
        one.run(sql)
    assert caught.value.kind is kind, caught.value
    return caught.value


def child(one: Client, options: str = "", rows: str = "(1, 1), (2, 2), (3, NULL)") -> None:
    one.run(f"CREATE TABLE c (id INT PRIMARY KEY, pid INT DEFAULT 3 REFERENCES p {options})")
    one.run(f"INSERT INTO c VALUES {rows}")


def test_a_child_needs_its_parent(one: Client) -> None:
    child(one)
    error = refused(one, "INSERT INTO c VALUES (4, 1), (5, 9)", MISSING)
    assert "c_pid_fkey" in error.message
    assert error.detail == 'Key (pid)=(9) is not present in table "p".'
    refused(one, "UPDATE c SET pid = 9 WHERE id = 1", MISSING)
    refused(one, "UPDATE c SET pid = pid + 7", MISSING)
    assert one.run("SELECT * FROM c ORDER BY id") == [(1, 1), (2, 2), (3, None)]


def test_a_parent_stays_while_it_has_children(one: Client) -> None:
    child(one)
    error = refused(one, "DELETE FROM p WHERE id <= 2", REFERENCED)
    assert error.detail in {
        f'Key (id)=({number}) is still referenced from table "c".' for number in (1, 2)
    }
    refused(one, "UPDATE p SET id = 8 WHERE id = 1", REFERENCED)
    one.run("UPDATE p SET n = 0 WHERE id = 1; DELETE FROM p WHERE id = 3")
    one.run("DELETE FROM c; DELETE FROM p")
    assert one.run("SELECT count(*) FROM p") == [(0,)]


def test_a_key_that_moves_on_is_looked_at_when_the_statement_ends(one: Client) -> None:
    child(one, rows="(1, 1), (2, 2), (3, 3)")
    one.run("UPDATE p SET id = 4 - id")  # the same keys, at other rows
    assert one.run("SELECT id, n FROM p ORDER BY id") == [(1, 30), (2, 20), (3, 10)]


def test_cascades_go_over_several_levels(one: Client) -> None:
    child(one, "ON DELETE CASCADE ON UPDATE CASCADE")
    one.run("CREATE TABLE g (id INT, cid INT REFERENCES c ON DELETE CASCADE)")
    one.run("INSERT INTO g VALUES (1, 1), (2, 1), (3, 2)")
    one.run("UPDATE p SET id = id + 10")
    assert one.run("SELECT pid FROM c ORDER BY id") == [(11,), (12,), (None,)]
    one.run("DELETE FROM p WHERE id = 11")
    assert one.run("SELECT id FROM c ORDER BY id") == [(2,), (3,)]
    assert one.run("SELECT id FROM g") == [(3,)]


@pytest.mark.parametrize(
    ("options", "left"),
    [("ON DELETE SET NULL", None), ("ON DELETE SET DEFAULT", 3)],
)
def test_children_may_lose_their_parent(one: Client, options: str, left: int | None) -> None:
    child(one, options)
    one.run("DELETE FROM p WHERE id = 1")
    assert one.run("SELECT pid FROM c ORDER BY id") == [(left,), (2,), (None,)]


def test_a_default_without_a_parent_is_refused(one: Client) -> None:
    child(one, "ON DELETE SET DEFAULT")
    one.run("DELETE FROM p WHERE id = 3")
    refused(one, "DELETE FROM p WHERE id = 1", MISSING)


def test_set_null_keeps_to_not_null(one: Client) -> None:
    one.run("CREATE TABLE c (pid INT NOT NULL REFERENCES p ON DELETE SET NULL)")
    one.run("INSERT INTO c VALUES (1)")
    refused(one, "DELETE FROM p WHERE id = 1", ErrorKind.NOT_NULL_VIOLATION)
    assert one.run("SELECT * FROM c") == [(1,)]


def test_rows_of_one_table_refer_to_each_other(one: Client) -> None:
    one.run("CREATE TABLE t (id INT PRIMARY KEY, up INT REFERENCES t ON DELETE CASCADE)")
    one.run("INSERT INTO t VALUES (2, 1), (1, 3), (3, 3), (4, 2)")
    refused(one, "INSERT INTO t VALUES (5, 6)", MISSING)
    one.run("DELETE FROM t WHERE id = 1")
    assert one.run("SELECT id FROM t") == [(3,)]
    one.run("DELETE FROM t")


def test_composite_keys_and_matches(one: Client) -> None:
    one.run("CREATE TABLE q (a INT, b TEXT, UNIQUE (a, b)); INSERT INTO q VALUES (1, 'x')")
    one.run("CREATE TABLE s (b TEXT, a INT, FOREIGN KEY (a, b) REFERENCES q (a, b))")
    one.run("CREATE TABLE f (a INT, b TEXT, FOREIGN KEY (a, b) REFERENCES q (a, b) MATCH FULL)")
    one.run("INSERT INTO s VALUES ('x', 1), ('nope', NULL), (NULL, 7)")
    refused(one, "INSERT INTO s VALUES ('y', 1)", MISSING)
    one.run("INSERT INTO f VALUES (1, 'x'), (NULL, NULL)")
    assert "MATCH FULL" in str(refused(one, "INSERT INTO f VALUES (1, NULL)", MISSING).detail)


def test_a_column_may_be_in_two_keys_or_twice_in_one(one: Client) -> None:
    one.run("CREATE TABLE q (x INT, y INT, PRIMARY KEY (x, y)); INSERT INTO q VALUES (1, 1)")
    one.run("CREATE TABLE d (a INT REFERENCES p, FOREIGN KEY (a, a) REFERENCES q (x, y))")
    one.run("INSERT INTO d VALUES (1)")
    assert '"d_a_a_fkey"' in refused(one, "INSERT INTO d VALUES (2)", MISSING).message
    assert (
        '"d_a_fkey"'
        in refused(one, "INSERT INTO q VALUES (9, 9); INSERT INTO d VALUES (9)", MISSING).message
    )


def test_every_writer_is_checked(one: Client) -> None:
    child(one)
    one.run("CREATE TABLE src (id INT, pid INT); INSERT INTO src VALUES (7, 9)")
    for sql in (
        "INSERT INTO c SELECT id, pid FROM src",
        "INSERT INTO c VALUES (7, 9) RETURNING id",
        "INSERT INTO c VALUES (7, 9) ON CONFLICT DO NOTHING",
        "INSERT INTO c VALUES (1, 9) ON CONFLICT (id) DO UPDATE SET pid = excluded.pid",
        "INSERT INTO c VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET pid = c.pid + 8",
        "UPDATE c SET pid = src.pid FROM src WHERE c.id = 1",
        "MERGE INTO c USING src ON c.id = src.id WHEN NOT MATCHED THEN INSERT VALUES (7, 9)",
        "MERGE INTO c USING src ON c.id = 1 WHEN MATCHED THEN UPDATE SET pid = src.pid",
    ):
        refused(one, sql, MISSING)
    for sql in (
        "DELETE FROM p USING src WHERE p.id = 1",
        "DELETE FROM p RETURNING *",
        "MERGE INTO p USING src ON p.id = 2 WHEN MATCHED THEN DELETE",
        "INSERT INTO p VALUES (1, 'z', 0) ON CONFLICT (id) DO UPDATE SET id = 77",
    ):
        refused(one, sql, REFERENCED)
    assert one.run("SELECT count(*) FROM p") == [(3,)]
    assert one.run("SELECT * FROM c ORDER BY id") == [(1, 1), (2, 2), (3, None)]
    one.run("INSERT INTO c VALUES (1, 9) ON CONFLICT DO NOTHING")  # never came to be


def test_deferred_keys_wait_for_commit(one: Client) -> None:
    child(one, "DEFERRABLE INITIALLY DEFERRED")
    one.run("BEGIN; INSERT INTO c VALUES (4, 4); INSERT INTO p VALUES (4, 'd', 0); COMMIT")
    one.run("BEGIN; DELETE FROM p WHERE id = 1")
    refused(one, "COMMIT", REFERENCED)
    assert one.run("SELECT count(*) FROM p") == [(4,)]
    one.run("BEGIN; INSERT INTO c VALUES (5, 5)")
    refused(one, "COMMIT", MISSING)
    refused(one, "INSERT INTO c VALUES (5, 5)", MISSING)  # its own transaction
    one.run("BEGIN; INSERT INTO c VALUES (5, 5); DELETE FROM c WHERE id = 5; COMMIT")


def test_set_constraints(one: Client) -> None:
    child(one, "DEFERRABLE")
    one.run("BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO c VALUES (5, 5)")
    refused(one, "SET CONSTRAINTS c_pid_fkey IMMEDIATE", MISSING)
    one.run("ROLLBACK; BEGIN; SET CONSTRAINTS c_pid_fkey DEFERRED; INSERT INTO c VALUES (5, 5)")
    one.run("INSERT INTO p VALUES (5, 'e', 0); SET CONSTRAINTS ALL IMMEDIATE")
    refused(one, "INSERT INTO c VALUES (6, 6)", MISSING)
    one.run("ROLLBACK")
    refused(one, "BEGIN; SET CONSTRAINTS nope DEFERRED", ErrorKind.UNDEFINED_OBJECT)
    one.run("ROLLBACK")


def test_what_a_savepoint_takes_back_is_checked_again(one: Client) -> None:
    child(one, "DEFERRABLE INITIALLY DEFERRED")
    one.run("BEGIN; INSERT INTO c VALUES (5, 5); SAVEPOINT s; INSERT INTO p VALUES (5, 'e', 0)")
    one.run("SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO s")
    refused(one, "COMMIT", MISSING)


def test_restrict_does_not_wait(one: Client) -> None:
    child(one, "ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED")
    refused(one, "BEGIN; DELETE FROM p WHERE id = 1", REFERENCED)
    one.run("ROLLBACK")


def test_truncate(one: Client) -> None:
    child(one)
    refused(one, "TRUNCATE p", ErrorKind.CANNOT_TRUNCATE)
    one.run("TRUNCATE p, c; INSERT INTO p VALUES (1, 'a', 1); INSERT INTO c VALUES (1, 1)")
    one.run("TRUNCATE p CASCADE")
    assert one.run("SELECT count(*) FROM c") == [(0,)]


def test_drop_table(one: Client) -> None:
    child(one)
    error = refused(one, "DROP TABLE p", ErrorKind.DEPENDENT_OBJECTS)
    assert error.detail == "constraint c_pid_fkey on table c depends on table p"
    one.run("DROP TABLE p CASCADE; INSERT INTO c VALUES (9, 9)")
    assert one.run("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == [(0,)]


def test_both_ends_go_together(one: Client) -> None:
    child(one)
    one.run("DROP TABLE p, c")


def test_keys_are_added_and_dropped(one: Client) -> None:
    one.run("CREATE TABLE c (id INT, pid INT); INSERT INTO c VALUES (1, 1), (2, 9)")
    add = "ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (pid) REFERENCES p ON DELETE CASCADE"
    refused(one, add, MISSING)
    one.run(f"{add} NOT VALID")
    refused(one, "INSERT INTO c VALUES (3, 8)", MISSING)
    refused(one, "ALTER TABLE c VALIDATE CONSTRAINT k", MISSING)
    refused(one, add, ErrorKind.DUPLICATE_OBJECT)
    one.run("UPDATE c SET pid = 2 WHERE id = 2; ALTER TABLE c VALIDATE CONSTRAINT k")
    one.run("ALTER TABLE c RENAME CONSTRAINT k TO kk")
    one.run("ALTER TABLE c ALTER CONSTRAINT kk DEFERRABLE INITIALLY DEFERRED")
    assert one.run("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'kk'") == [
        ("FOREIGN KEY (pid) REFERENCES p(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",)
    ]
    one.run("ALTER TABLE c DROP CONSTRAINT kk; ALTER TABLE c DROP CONSTRAINT IF EXISTS kk")
    refused(one, "ALTER TABLE c DROP CONSTRAINT kk", ErrorKind.UNDEFINED_OBJECT)
    one.run("ALTER TABLE c ADD COLUMN q INT REFERENCES p (id); INSERT INTO c VALUES (3, 8, 1)")
    refused(one, "INSERT INTO c VALUES (4, 8, 99)", MISSING)


def test_keys_follow_names(one: Client) -> None:
    child(one)
    one.run("ALTER TABLE p RENAME TO parents; ALTER TABLE parents RENAME COLUMN id TO number")
    one.run("ALTER TABLE c RENAME COLUMN pid TO parent; ALTER TABLE c RENAME TO children")
    refused(one, "INSERT INTO children VALUES (9, 9)", MISSING)
    refused(one, "DELETE FROM parents", REFERENCED)
    assert one.run("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'") == [
        ("FOREIGN KEY (parent) REFERENCES parents(number)",)
    ]
    refused(one, "ALTER TABLE parents DROP COLUMN number", ErrorKind.DEPENDENT_OBJECTS)


@pytest.mark.parametrize(
    ("clause", "kind"),
    [
        ("a INT REFERENCES nope", ErrorKind.UNDEFINED_TABLE),
        ("a INT REFERENCES p (nope)", ErrorKind.UNDEFINED_COLUMN),
        ("a INT REFERENCES p (n)", ErrorKind.INVALID_FOREIGN_KEY),
        ("a TEXT REFERENCES p", ErrorKind.DATATYPE_MISMATCH),
        ("a INT, FOREIGN KEY (a) REFERENCES p (id, code)", ErrorKind.INVALID_FOREIGN_KEY),
        ("a INT, FOREIGN KEY (b) REFERENCES p", ErrorKind.UNDEFINED_COLUMN),
        ("a INT REFERENCES v", ErrorKind.WRONG_OBJECT_TYPE),
        ("a INT REFERENCES series", ErrorKind.INVALID_FOREIGN_KEY),
        ("a INT REFERENCES p NOT DEFERRABLE INITIALLY DEFERRED", ErrorKind.SYNTAX),
        ("a INT REFERENCES p MATCH PARTIAL", ErrorKind.UNSUPPORTED),
    ],
)
def test_keys_that_cannot_be(one: Client, clause: str, kind: ErrorKind) -> None:
    one.run(
        "CREATE VIEW v AS SELECT 1 AS id; CREATE TABLE series (id INT, ts TIMESTAMP TIME INDEX)"
    )
    refused(one, f"CREATE TABLE c ({clause})", kind)


def test_temporary_tables_have_keys_among_themselves(one: Client) -> None:
    refused(one, "CREATE TEMP TABLE c (a INT REFERENCES p)", ErrorKind.INVALID_TABLE_DEFINITION)
    one.run("CREATE TEMP TABLE tp (id INT PRIMARY KEY); INSERT INTO tp VALUES (1)")
    one.run("CREATE TEMP TABLE tc (a INT REFERENCES tp ON DELETE CASCADE)")
    refused(one, "INSERT INTO tc VALUES (2)", MISSING)
    one.run("INSERT INTO tc VALUES (1); DELETE FROM tp")
    assert one.run("SELECT * FROM tc") == []


def test_keys_reach_into_other_schemas_and_survive(databases: Databases, one: Client) -> None:
    one.run(
        "CREATE SCHEMA far; CREATE TABLE far.x (id INT PRIMARY KEY); INSERT INTO far.x VALUES (1)"
    )
    one.run("CREATE TABLE near (a INT REFERENCES far.x (id))")
    refused(one, "INSERT INTO near VALUES (5)", MISSING)
    again = client(databases.open())
    again.run("INSERT INTO near VALUES (1)")
    refused(again, "DELETE FROM far.x", REFERENCED)
    refused(again, "INSERT INTO near VALUES (5)", MISSING)
    refused(
        again, "DROP SCHEMA far CASCADE; INSERT INTO far.x VALUES (1)", ErrorKind.UNDEFINED_TABLE
    )


def test_what_was_rolled_back_is_not_checked_on(one: Client) -> None:
    child(one)
    one.run("BEGIN; ALTER TABLE c ADD FOREIGN KEY (id) REFERENCES p; ROLLBACK")
    one.run("INSERT INTO c VALUES (99, 1)")
    one.run("BEGIN; DELETE FROM c; DELETE FROM p; SAVEPOINT s; DROP TABLE c; ROLLBACK TO s; COMMIT")
    assert one.run("SELECT count(*) FROM p") == [(0,)]


KEY_TYPES = [
    ("SMALLINT", "1", "2"),
    ("INT", "1", "2"),
    ("BIGINT", "9223372036854775807", "2"),
    ("NUMERIC(20, 3)", "1.5", "2"),
    ("DOUBLE PRECISION", "'NaN'", "2"),
    ("REAL", "0.1", "2"),
    ("BOOLEAN", "true", "false"),
    ("TEXT", "'é'", "'b'"),
    ("VARCHAR(5)", "'a'", "'b'"),
    ("BYTEA", r"'\xff00'", r"'\x01'"),
    ("DATE", "'2024-02-29'", "'2024-01-01'"),
    ("TIME", "'10:11:12.5'", "'01:00'"),
    ("TIMETZ", "'10:11:12+02'", "'01:00+00'"),
    ("TIMESTAMP(3)", "'2024-01-01 00:00:00.5'", "'2024-01-02'"),
    ("TIMESTAMP", "'2024-01-01 00:00:00.000001'", "'2024-01-02'"),
    ("TIMESTAMPTZ", "'2024-01-01 00:00:00+01'", "'2024-01-02'"),
    ("UUID", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    ("INET", "'10.0.0.1/24'", "'::1'"),
    ("MACADDR", "'08:00:2b:01:02:03'", "'08:00:2b:01:02:04'"),
    ("MONEY", "'1.50'", "'2'"),
    ("INT4RANGE", "'[1,5)'", "'[2,3)'"),
    ("mood", "'sad'", "'ok'"),
    ("few", "3", "4"),
]


@pytest.mark.parametrize(("type_", "value", "other"), KEY_TYPES)
def test_an_update_that_leaves_the_key_as_it_is_meets_no_restriction(
    databases: Databases, type_: str, value: str, other: str
) -> None:
    one = client(databases.open())
    one.run("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN few AS INT CHECK (VALUE < 9)")
    one.run(f"CREATE TABLE p (k {type_} PRIMARY KEY, n INT)")
    one.run(f"CREATE TABLE c (id INT, k {type_} REFERENCES p ON UPDATE RESTRICT)")
    one.run(f"INSERT INTO p VALUES ({value}, 1); INSERT INTO c VALUES (1, {value})")
    one.run("UPDATE p SET k = k, n = n + 1")
    one.run(f"UPDATE p SET k = {value}, n = n + 1")
    one.run("UPDATE c SET k = k, id = id + 1")
    refused(one, f"UPDATE p SET k = {other}", REFERENCED)
    refused(one, f"UPDATE c SET k = {other}", MISSING)
    assert one.run("SELECT n, id FROM p JOIN c ON p.k = c.k") == [(3, 2)]
