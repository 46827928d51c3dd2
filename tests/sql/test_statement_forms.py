"""Statements of one row that differ in their values only share what was planned for them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind
from sql.session import Wire


@pytest.fixture
def both(databases: Databases) -> tuple[Client, Client]:
    """A PostgreSQL and a MySQL session of one database with a table of each kind."""
    database = databases.open()
    postgres = client(database)
    postgres.run(
        "CREATE TABLE m (host TEXT, ts TIMESTAMP(3) TIME INDEX, v DOUBLE, note TEXT DEFAULT 'd', "
        "PRIMARY KEY (host));"
        "CREATE TABLE r (id INT PRIMARY KEY, v INT, price DECIMAL(8,2), day DATE, note TEXT)"
    )
    postgres.run("INSERT INTO r VALUES (1, 1, 1.5, '2024-01-01', 'a'), (2, 2, 2.5, NULL, 'b')")
    return postgres, client(database, Wire.MYSQL)


def test_conflicts_by_literals(both: tuple[Client, Client]) -> None:
    postgres, _ = both
    upsert = (
        "INSERT INTO m (host, ts, v) VALUES ({}, {}) "
        "ON CONFLICT (host, ts) DO UPDATE SET v = m.v + excluded.v RETURNING host, v, note"
    )
    for number in range(3):
        assert postgres.run(upsert.format(f"'ON CONFLICT {number}'", "10, 1")) == [
            (f"ON CONFLICT {number}", 1.0, "d")
        ]
    assert postgres.run(upsert.format("'ON CONFLICT 1'", "10, 2.5")) == [
        ("ON CONFLICT 1", 3.5, "d")
    ]
    assert (
        postgres.run("INSERT INTO m (host, ts, v) VALUES ('x', 1, 1) ON CONFLICT DO NOTHING") == 1
    )
    assert (
        postgres.run("INSERT INTO m (host, ts, v) VALUES ('x', 1, 2) ON CONFLICT DO NOTHING") == 0
    )
    assert postgres.run("SELECT v FROM m WHERE host = 'x'") == [(1.0,)]


def test_duplicate_keys_by_literals(both: tuple[Client, Client]) -> None:
    _, mysql = both
    text = "INSERT INTO {} VALUES ({}) ON DUPLICATE KEY UPDATE v = v + VALUES(v)"
    assert mysql.run(text.format("r", "1, 10, 1, NULL, 'c'")) == 2
    assert mysql.run(text.format("r", "3, 30, 1, NULL, 'c'")) == 1
    assert mysql.run("SELECT id, v FROM r ORDER BY id") == [(1, 11), (2, 2), (3, 30)]
    assert mysql.run(text.format("m", "'a', 1, 1, 'n'")) == 1
    assert mysql.run(text.format("m", "'a', 1, 2, 'n'")) == 2
    assert mysql.run("SELECT v FROM m") == [(3.0,)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("INSERT INTO m VALUES ('a', 1) ON CONFLICT DO NOTHING", ErrorKind.COLUMN_COUNT),
        ("INSERT INTO m VALUES ('a', 1, 'x', 'n') ON CONFLICT DO NOTHING", ErrorKind.INVALID_TEXT),
        ("INSERT INTO m VALUES ('a', 1, 1, 'n') ON CONFLICT (v) DO NOTHING", ErrorKind.NO_SUCH_KEY),
        ("INSERT INTO m VALUES ('a', 1, 1, 'n') ON CONFLICT DO", ErrorKind.SYNTAX),
        ("INSERT INTO m VALUES ('a', 1, 1, 'n') RETURNING nothing", ErrorKind.UNDEFINED_COLUMN),
        ("UPDATE r SET nothing = 1 WHERE id = 1", ErrorKind.UNDEFINED_COLUMN),
        ("UPDATE r SET v = 99999999999 WHERE id = 1", ErrorKind.OUT_OF_RANGE),
        ("UPDATE r SET day = 'soon' WHERE id = 1", ErrorKind.INVALID_DATETIME),
    ],
)
def test_errors_are_those_of_the_text_as_written(
    both: tuple[Client, Client], text: str, kind: ErrorKind
) -> None:
    postgres, _ = both
    for _ in range(2):
        with pytest.raises(DbError) as caught:
            postgres.run(text)
        assert caught.value.kind is kind
        if "nothing" in text and caught.value.position is not None:
            assert text[caught.value.position - 1 :].startswith("nothing")
    assert postgres.run("SELECT v FROM r WHERE id = 1") == [(1,)]
    assert postgres.run("SELECT count(*) FROM m") == [(0,)]


def test_updates_by_literals(both: tuple[Client, Client]) -> None:
    for one in both:
        for number in (5, 6):
            text = f"UPDATE r SET v = {number}, price = {number}.25, day = '2024-02-0{number}'"
            assert one.run(f"{text}, note = 'it''s {number}' WHERE id = 1") == 1
            shown = one.run("SELECT v, price, CAST(day AS TEXT), note FROM r WHERE id = 1")
            price = Decimal(f"{number}.25")
            assert shown == [(number, price, f"2024-02-0{number}", f"it's {number}")]
    assert both[0].run("SELECT v FROM r WHERE id = 2") == [(2,)]


def test_series_rows_change_by_literals(both: tuple[Client, Client]) -> None:
    postgres, mysql = both
    postgres.run("INSERT INTO m VALUES ('a', 1000, 1, 'x'), ('b', 2000, 2, 'y')")
    for number, host in ((7, "a"), (8, "b")):
        when = f"1970-01-01 00:00:0{1 if host == 'a' else 2}"
        where = f"WHERE host = '{host}' AND ts = '{when}'"
        assert postgres.run(f"UPDATE m SET v = {number}, note = NULL {where}") == 1
        assert mysql.run(f"UPDATE m SET v = {number}.5 {where}") == 1
    assert postgres.run("SELECT host, v, note FROM m ORDER BY host") == [
        ("a", 7.5, None),
        ("b", 8.5, None),
    ]
    assert postgres.run("DELETE FROM m WHERE host = 'a'") == 1
    assert postgres.run("DELETE FROM m WHERE host = 'c'") == 0
    assert postgres.run("SELECT host FROM m") == [("b",)]


def test_a_changed_table_is_planned_anew(both: tuple[Client, Client]) -> None:
    postgres, _ = both
    upsert = "INSERT INTO r VALUES ({}) ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING *"
    assert len(postgres.run(upsert.format("9, 9, 9, NULL, 'n'"))[0]) == 5
    postgres.run("ALTER TABLE r ADD COLUMN more INT")
    assert postgres.run(upsert.format("9, 10, 9, NULL, 'n', 11")) == [
        (9, 10, Decimal("9.00"), None, "n", None)
    ]


def test_in_a_transaction_the_statement_reads_its_own_rows(both: tuple[Client, Client]) -> None:
    postgres, _ = both
    postgres.run("BEGIN; INSERT INTO m VALUES ('a', 1000, 1, 'x')")
    for number in range(3):
        assert postgres.run(f"UPDATE m SET v = {number} WHERE host = 'a'") == 1
        assert postgres.run(f"UPDATE r SET v = {number} WHERE id = 1") == 1
    assert postgres.run("SELECT v FROM m") == [(2.0,)]
    postgres.run("ROLLBACK")
    assert postgres.run("SELECT v FROM r WHERE id = 1") == [(1,)]
    assert postgres.run("SELECT count(*) FROM m") == [(0,)]


def test_with_queries_before_a_change(both: tuple[Client, Client]) -> None:
    postgres, _ = both
    text = "WITH c AS (SELECT id AS i FROM r WHERE id = {}) DELETE FROM r USING c WHERE r.id = c.i"
    assert postgres.run(text.format(1)) == 1
    assert postgres.run(text.format(2)) == 1
    assert postgres.run("SELECT count(*) FROM r") == [(0,)]


def test_a_range_in_from_gives_rows_and_as_a_value_a_list(db: Client) -> None:
    assert db.run("SELECT i FROM range(1, 3) AS t(i)") == [(1,), (2,)]
    assert db.run("SELECT range(1, 3)") == [([1, 2],)]
