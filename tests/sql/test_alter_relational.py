"""ALTER TABLE on tables without a time index, with the record and DuckDB kept in step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind
from sql.session import Wire


@pytest.fixture
def one(databases: Databases) -> Client:
    opened = client(databases.open())
    opened.run("CREATE TABLE r (id INT PRIMARY KEY, name VARCHAR(10), amount INT DEFAULT 1)")
    opened.run("INSERT INTO r VALUES (1, 'x', 10), (2, 'y', NULL)")
    return opened


def kind_of(call: Callable[[], object]) -> ErrorKind:
    with pytest.raises(DbError) as caught:
        call()
    return caught.value.kind


def test_columns_come_and_go(databases: Databases, one: Client) -> None:
    one.run(
        "ALTER TABLE r ADD COLUMN c INT NOT NULL DEFAULT 5, ADD COLUMN d TEXT, DROP COLUMN name"
    )
    one.run("INSERT INTO r (id) VALUES (3)")
    expected = [(1, 10, 5, None), (2, None, 5, None), (3, 1, 5, None)]
    assert one.run("SELECT * FROM r ORDER BY id") == expected
    again = client(databases.open())
    assert again.run("SELECT * FROM r ORDER BY id") == expected
    assert kind_of(lambda: again.run("UPDATE r SET c = NULL")) is ErrorKind.NOT_NULL_VIOLATION


def test_a_serial_column_numbers_what_is_there(one: Client) -> None:
    one.run("ALTER TABLE r ADD COLUMN n SERIAL")
    one.run("INSERT INTO r (id) VALUES (3)")
    assert sorted(row[0] for row in one.run("SELECT n FROM r")) == [1, 2, 3]
    one.run("ALTER TABLE r DROP COLUMN n; ALTER TABLE r ADD COLUMN n SERIAL")
    assert sorted(row[0] for row in one.run("SELECT n FROM r")) == [1, 2, 3]


def test_types_names_and_defaults(databases: Databases, one: Client) -> None:
    one.run('ALTER TABLE r ALTER COLUMN amount TYPE varchar(9) USING "amount"::varchar(9)')
    one.run("ALTER TABLE r ALTER COLUMN amount SET DEFAULT 'none', RENAME COLUMN id TO key")
    one.run("ALTER TABLE r RENAME TO s")
    one.run("INSERT INTO s (key) VALUES (3)")
    again = client(databases.open())
    assert again.run("SELECT key, amount FROM s ORDER BY key") == [
        (1, "10"),
        (2, None),
        (3, "none"),
    ]
    assert kind_of(lambda: again.run("INSERT INTO s (key) VALUES (3)")) is (
        ErrorKind.UNIQUE_VIOLATION
    )
    assert again.run(
        "SELECT data_type, character_maximum_length FROM information_schema.columns"
        " WHERE table_name = 's' AND column_name = 'amount'"
    ) == [("character varying", 9)]


def test_columns_of_keys_change_their_types(databases: Databases, one: Client) -> None:
    one.run("CREATE TABLE k (id SERIAL PRIMARY KEY, u TEXT UNIQUE, v INT CHECK (v > 0))")
    one.run("INSERT INTO k (u, v) VALUES ('1', 1), ('2', 2); CREATE UNIQUE INDEX k_v ON k (v)")
    one.run("ALTER TABLE k ALTER COLUMN id TYPE BIGINT, ALTER COLUMN v TYPE BIGINT")
    one.run("ALTER TABLE k ALTER COLUMN u TYPE INT USING u::int")
    one.run("INSERT INTO k (u, v) VALUES (3, 30000000000)")
    again = client(databases.open())
    assert again.run("SELECT * FROM k ORDER BY u DESC LIMIT 1") == [(3, 3, 30000000000)]
    violations = {
        "(1, 9, 9)": ErrorKind.UNIQUE_VIOLATION,
        "(9, 1, 9)": ErrorKind.UNIQUE_VIOLATION,
        "(9, 9, 1)": ErrorKind.UNIQUE_VIOLATION,
        "(9, 9, -1)": ErrorKind.CHECK_VIOLATION,
    }
    for row, kind in violations.items():
        assert kind_of(lambda row=row: again.run(f"INSERT INTO k VALUES {row}")) is kind
    again.run("INSERT INTO k VALUES (9, 9, 9)")


def test_a_column_of_intervals_is_added_with_a_default(one: Client) -> None:
    one.run("ALTER TABLE r ADD COLUMN d INTERVAL NOT NULL DEFAULT '-1 months 2 days 3.5 seconds'")
    months, days, nanoseconds = one.run("SELECT d FROM r WHERE id = 1")[0][0]
    assert (months, days, nanoseconds) == (-1, 2, 3_500_000_000)


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        ("UPDATE r SET amount = 11 WHERE id = 1", [(1, 11), (2, None)]),
        ("DELETE FROM r WHERE id = 1; INSERT INTO r VALUES (3, 'z', 10)", [(2, None), (3, 10)]),
    ],
)
def test_a_unique_index_is_made_over_rows_changed_in_its_transaction(
    databases: Databases, one: Client, changes: str, rows: list[tuple[int, int | None]]
) -> None:
    one.run(f"CREATE UNIQUE INDEX r_name ON r (name); BEGIN; {changes}")
    one.run("CREATE UNIQUE INDEX r_amount ON r (amount); COMMIT")
    again = client(databases.open())
    assert again.run("SELECT id, amount FROM r ORDER BY id") == rows
    for row in (f"(9, 'w', {rows[-1][1] or 11})", "(9, 'y', 99)", "(2, 'w', 99)"):
        insert = f"INSERT INTO r VALUES {row}"
        assert kind_of(lambda insert=insert: again.run(insert)) is ErrorKind.UNIQUE_VIOLATION
    again.run("INSERT INTO r VALUES (9, 'w', 99)")


def test_null_is_forbidden_where_it_was_just_filled(databases: Databases, one: Client) -> None:
    one.run("BEGIN; UPDATE r SET amount = 0 WHERE amount IS NULL")
    one.run("ALTER TABLE r ALTER COLUMN amount SET NOT NULL; COMMIT")
    again = client(databases.open())
    assert again.run("SELECT id, amount FROM r ORDER BY id") == [(1, 10), (2, 0)]
    insert = "INSERT INTO r VALUES (3, 'z', NULL)"
    assert kind_of(lambda: again.run(insert)) is ErrorKind.NOT_NULL_VIOLATION
    again.run("BEGIN; UPDATE r SET name = NULL WHERE id = 1")
    forbid = "ALTER TABLE r ALTER COLUMN name SET NOT NULL"
    assert kind_of(lambda: again.run(forbid)) is ErrorKind.NOT_NULL_VIOLATION


def test_nullability(one: Client) -> None:
    assert kind_of(lambda: one.run("ALTER TABLE r ALTER COLUMN amount SET NOT NULL")) is (
        ErrorKind.NOT_NULL_VIOLATION
    )
    one.run("UPDATE r SET amount = 0 WHERE amount IS NULL")
    one.run("ALTER TABLE r ALTER COLUMN amount SET NOT NULL")
    assert kind_of(lambda: one.run("INSERT INTO r VALUES (3, 'z', NULL)")) is (
        ErrorKind.NOT_NULL_VIOLATION
    )
    one.run("ALTER TABLE r ALTER COLUMN amount DROP NOT NULL")
    one.run("INSERT INTO r VALUES (3, 'z', NULL)")
    assert len(one.run("SELECT * FROM r")) == 3


def test_a_primary_key_is_added(one: Client) -> None:
    one.run("CREATE TABLE k (a INT, b INT); INSERT INTO k VALUES (1, 1), (1, 2)")
    assert kind_of(lambda: one.run("ALTER TABLE k ADD PRIMARY KEY (a)")) is (
        ErrorKind.UNIQUE_VIOLATION
    )
    one.run("ALTER TABLE k ADD CONSTRAINT k_key PRIMARY KEY (a, b)")
    assert kind_of(lambda: one.run("INSERT INTO k VALUES (1, 2)")) is ErrorKind.UNIQUE_VIOLATION


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("ALTER COLUMN name TYPE INT", ErrorKind.INVALID_TEXT),
        ("ALTER COLUMN id TYPE BOOLEAN", ErrorKind.UNIQUE_VIOLATION),
        ("DROP COLUMN id", ErrorKind.DEPENDENT_OBJECTS),
        ("ALTER COLUMN id DROP NOT NULL", ErrorKind.INVALID_TABLE_DEFINITION),
        ("ADD COLUMN id INT", ErrorKind.DUPLICATE_COLUMN),
        ("ADD COLUMN c INT NOT NULL", ErrorKind.NOT_NULL_VIOLATION),
        ("ADD CONSTRAINT u CHECK (id > 1)", ErrorKind.CHECK_VIOLATION),
        ("SET 'ttl' = '1d'", ErrorKind.INVALID_ARGUMENT),
        ("MODIFY COLUMN name SET INVERTED INDEX", ErrorKind.UNSUPPORTED),
        ("SET SCHEMA nowhere", ErrorKind.UNSUPPORTED),
    ],
)
def test_refusals_change_nothing(one: Client, action: str, kind: ErrorKind) -> None:
    before = one.session.lookup("public", "r")
    assert kind_of(lambda: one.run(f"ALTER TABLE r ADD COLUMN zz INT, {action}")) is kind
    assert one.session.lookup("public", "r") == before
    assert one.names("SELECT * FROM r") == ["id", "name", "amount"]


def test_rollback_undoes_both_stores(one: Client) -> None:
    one.run("BEGIN; ALTER TABLE r ADD COLUMN c INT DEFAULT 1, DROP COLUMN name")
    one.run("INSERT INTO r VALUES (3, 4, 5)")
    assert len(one.run("SELECT id, c FROM r")) == 3
    one.run("ROLLBACK")
    assert one.run("SELECT * FROM r WHERE id = 1") == [(1, "x", 10)]


def test_tables_are_swapped_in_one_transaction(one: Client) -> None:
    other = client(one.session.server)
    one.run("CREATE TABLE r__new AS SELECT id, 'new' AS name FROM r")
    one.run("BEGIN; ALTER TABLE r RENAME TO r__old; ALTER TABLE r__new RENAME TO r")
    assert other.run("SELECT name FROM r WHERE id = 1") == [("x",)]
    one.run("DROP TABLE IF EXISTS r__old CASCADE; COMMIT")
    assert other.run("SELECT name FROM r WHERE id = 1") == [("new",)]


def test_views_over_relational_tables(one: Client) -> None:
    one.run("CREATE VIEW v AS SELECT id, amount FROM r")
    assert kind_of(lambda: one.run("ALTER TABLE r DROP COLUMN amount")) is (
        ErrorKind.DEPENDENT_OBJECTS
    )
    one.run("ALTER TABLE r ALTER COLUMN amount TYPE BIGINT, DROP COLUMN name")
    assert one.run(
        "SELECT data_type FROM information_schema.columns"
        " WHERE table_name = 'v' AND column_name = 'amount'"
    ) == [("bigint",)]


def test_mysqls_forms(databases: Databases) -> None:
    one = client(databases.open(), Wire.MYSQL)
    one.run("CREATE TABLE m (id INT AUTO_INCREMENT PRIMARY KEY, a INT) ENGINE=InnoDB")
    one.run("INSERT INTO m (a) VALUES (1), (NULL)")
    one.run("ALTER TABLE m CHANGE a b BIGINT DEFAULT 7 COMMENT 'bee', ADD (c INT, d INT)")
    one.run("ALTER TABLE m MODIFY d VARCHAR(5) DEFAULT 'dee', ADD INDEX i (b), ENGINE=InnoDB")
    one.run("INSERT INTO m (c) VALUES (3)")
    assert one.run("SELECT * FROM m ORDER BY id") == [
        (1, 1, None, None),
        (2, None, None, None),
        (3, 7, 3, "dee"),
    ]
