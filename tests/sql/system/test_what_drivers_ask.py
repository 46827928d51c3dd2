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


def test_parameters_have_the_types_of_arrays_and_bytes_beside_them(db: Client) -> None:
    query = "SELECT 1 WHERE ARRAY[1, 2] <> $1 AND ARRAY['a'] <> $2 AND '\\x00ff'::bytea <> $3"
    described = db.session.describe(db.session.parse(query)[0])
    assert [type_.name for type_ in described.parameters] == [
        "List<Int32>",
        "List<String>",
        "Binary",
    ]
    assert db.run(query, [[1, 3], ["b"], b"\x00"]) == [(1,)]
    assert db.run(query, [[1, 2], ["b"], b"\x00"]) == []


FOREIGN_KEYS = """SELECT kcu.column_name, ccu.table_schema, ccu.table_name, ccu.column_name
 FROM information_schema.table_constraints AS tc
 JOIN information_schema.key_column_usage AS kcu USING (constraint_schema, constraint_name)
 JOIN information_schema.constraint_column_usage AS ccu USING (constraint_schema, constraint_name)
 WHERE tc.constraint_type = 'FOREIGN KEY' AND tc.table_name = 'kid'"""
RELIED_ON = """SELECT rc.constraint_name, tc.table_name, tc.constraint_name, tc.constraint_type
 FROM information_schema.referential_constraints AS rc
 JOIN information_schema.table_constraints AS tc
   ON tc.constraint_schema = rc.unique_constraint_schema
  AND tc.constraint_name = rc.unique_constraint_name
 WHERE rc.constraint_name LIKE 'kid%' ORDER BY 1"""


def test_a_foreign_key_is_told_by_the_columns_it_points_at(db: Client) -> None:
    db.run("CREATE SCHEMA elsewhere")
    db.run("CREATE TABLE elsewhere.parent (id INT PRIMARY KEY, code INT UNIQUE)")
    db.run(
        "CREATE TABLE kid (pid INT, CONSTRAINT kid_a FOREIGN KEY (pid) REFERENCES elsewhere.parent)"
    )
    assert db.run(FOREIGN_KEYS) == [("pid", "elsewhere", "parent", "id")]
    db.run(
        "ALTER TABLE kid ADD CONSTRAINT kid_b FOREIGN KEY (pid) REFERENCES elsewhere.parent (code)"
    )
    assert db.run(RELIED_ON) == [
        ("kid_a", "parent", "parent_pkey", "PRIMARY KEY"),
        ("kid_b", "parent", "parent_code_key", "UNIQUE"),
    ]


def test_a_type_may_be_named_with_its_schema_in_quotes(db: Client) -> None:
    assert db.run("""SELECT '"pg_catalog"."int4"'::regtype::text""") == [("integer",)]
    computed = """('"pg_catalog"."' || typname || '"')::regtype::text"""
    query = f"SELECT {computed} FROM pg_type WHERE typname IN ('_int4', 'timestamptz') ORDER BY 1"
    assert db.run(query) == [("integer[]",), ("timestamp with time zone",)]


def test_a_column_may_change_its_type_using_its_own_cast_in_parentheses(db: Client) -> None:
    db.run("CREATE TABLE widened (name VARCHAR(50) NOT NULL)")
    db.run('ALTER TABLE widened ALTER COLUMN "name" TYPE VARCHAR(80) USING ("name"::varchar(80))')
    query = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = 'name'"
    query += " AND attrelid = 'widened'::regclass"
    assert db.run(query) == [("character varying(80)",)]
