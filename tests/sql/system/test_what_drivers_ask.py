"""What drivers ask about temporary tables, parameters and JSON paths."""

from __future__ import annotations

from fix_database import Client

from engine import datatypes

SHOWN = """SELECT c.relname, c.relpersistence, pg_table_is_visible(c.oid), n.nspname
 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'mine'"""


def test_a_temporary_table_is_visible_in_its_schema(db: Client) -> None:
    db.run("CREATE TABLE mine (a INT)")
    db.run("CREATE TEMPORARY TABLE mine (a INT, b INT)")
    assert sorted(db.run(SHOWN)) == [
        ("mine", "p", False, "public"),
        ("mine", "t", True, "pg_temp"),
    ]
    assert db.run("SELECT relnatts FROM pg_class WHERE oid = 'mine'::regclass") == [(2,)]


def test_parameters_of_intervals_and_decimals_are_told_as_such(db: Client) -> None:
    statement = db.session.parse("SELECT $1, $2")[0]
    wanted = (datatypes.INTERVAL, datatypes.decimal(10, 2))
    described = db.session.describe(statement, wanted)
    assert described.columns is not None
    kinds = [column.type.id.name for column in described.columns]
    assert kinds == ["INTERVAL", "DECIMAL"]


def test_a_json_path_may_be_a_parameter(db: Client) -> None:
    document = """'{"a": {"b/c": [1, 2]}}'::jsonb"""
    assert db.run(f"SELECT {document} #>> $1", [["a", "b/c", "1"]]) == [("2",)]
    assert db.run(f"SELECT {document} #> $1 IS NULL", [["a", "x"]]) == [(True,)]
