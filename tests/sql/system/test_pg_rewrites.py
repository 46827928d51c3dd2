"""PostgreSQL's ways of asking its catalogs, run on DuckDB."""

from __future__ import annotations

import duckdb
import pytest
import sqlglot
from fix_system import ask, system_context
from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect.dialects import GnomonPostgres
from sql.system.pg_regtypes import identifier_parts, type_oid
from sql.system.pg_rewrites import rewrite_pg


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'cpu'::regclass", "cpu"),
        ("'public.cpu'::regclass::oid", 16385),
        ("'other.\"Odd\"'::regclass", 'other."Odd"'),
        ("16388::regclass::text", 'other."Odd"'),
        ("'pg_class'::regclass::oid", 1259),
        ("0::regclass", "-"),
        ("99::regclass", "99"),
        ("NULL::regclass", None),
        ("to_regclass('nope')", None),
        ("to_regclass('cpu')", 16385),
        ("'int4'::regtype", "integer"),
        ("'character varying(5)'::regtype::oid", 1043),
        ("1114::regtype::text", "timestamp without time zone"),
        ("to_regtype('timestamptz[]')", 1185),
        ("to_regtype('nope')", None),
        ("'other'::regnamespace::oid", 16390),
        ("2200::regnamespace", "public"),
        ("'postgres'::regrole::oid", 10),
        ("format_type(1700, 655366)", "numeric(10,2)"),
        ("format_type(1043, 24)", "character varying(20)"),
        ("format_type(1114, 3)", "timestamp(3) without time zone"),
        ("format_type(1007, NULL)", "integer[]"),
        ("format_type(4711, NULL)", "???"),
        ("pg_catalog.quote_ident('Odd One')", '"Odd One"'),
        ("pg_size_pretty(123456789::bigint)", "118 MB"),
        ("pg_encoding_to_char(6)", "UTF8"),
        ("array_upper(ARRAY[4, 5], 1)", 2),
        ("array_remove(ARRAY[1, 2, 1], 1)", [2]),
        ("current_schemas(true)", ["pg_catalog", "public"]),
        ("(current_schemas(false))[1]", "public"),
        ("'ab' OPERATOR(pg_catalog.~) '^a' COLLATE pg_catalog.default", True),
        ("'ab' OPERATOR(pg_catalog.!~~) 'a%'", False),
        ("CAST('x' AS pg_catalog.text)", "x"),
        ("'{1,2}' = 'x'", False),
        ("format('%I.%s is %L%%', 'Odd', 1, 'it''s')", "\"Odd\".1 is 'it''s'%"),
        ("format('%2$s%1$s', 'a', 'b')", "ba"),
        ("parse_ident('Public.\"A.b\"')", ["public", "A.b"]),
        ("quote_literal('it''s')", "'it''s'"),
        ("'{1, NULL, 3}'::int[]", [1, None, 3]),
        ("'{\"a,b\", c}'::text[]", ["a,b", "c"]),
    ],
)
def test_expressions(expression: str, value: object) -> None:
    assert ask(f"SELECT {expression}") == [(value,)]


def test_a_relation_that_is_not_there_is_an_error() -> None:
    with pytest.raises(duckdb.Error, match='relation "nope" does not exist'):
        ask("SELECT 'nope'::regclass")


def test_a_type_that_is_not_there_is_an_error() -> None:
    with pytest.raises(duckdb.Error, match='type "nope" does not exist'):
        ask("SELECT 'nope'::regtype")


def test_unqualified_names_follow_the_search_path() -> None:
    context = system_context(database="other")
    assert ask("SELECT '\"Odd\"'::regclass", context) == [('"Odd"',)]
    visible = "SELECT relname FROM pg_class WHERE pg_table_is_visible(oid) AND relkind = 'r'"
    assert ("Odd",) in ask(visible, context)
    assert ("Odd",) not in ask(visible)


def test_regclass_in_a_comparison_is_a_number() -> None:
    found = ask("SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.cpu'::regclass")
    assert found == [(5,)]


def test_computed_names_are_looked_up() -> None:
    found = ask(
        "SELECT (quote_ident(table_schema) || '.' || quote_ident(table_name))::regclass::oid"
        " FROM information_schema.tables WHERE table_name = 'Odd'"
    )
    assert found == [(16388,)]


def test_vectors_count_from_zero() -> None:
    found = ask("SELECT indkey[0], indkey[2] FROM pg_index WHERE indrelid = 16385 AND indisprimary")
    assert found == [(1, 3)]
    found = ask(
        "SELECT generate_subscripts(indkey, 1), unnest(indkey) FROM pg_index"
        " WHERE indrelid = 16385 AND indisprimary"
    )
    assert found == [(0, 1), (1, 2), (2, 3)]


def test_vectors_are_shown_as_text() -> None:
    found = ask("SELECT indkey, indkey::text || '!' FROM pg_index WHERE indrelid = 16386")
    assert found == [("1", "1!")]
    found = ask("SELECT indkey FROM pg_index WHERE indrelid = 16385 AND indisprimary")
    assert found == [("1 2 3",)]


def test_arrays_count_from_one() -> None:
    found = ask(
        "SELECT generate_subscripts(conkey, 1), unnest(conkey) FROM pg_constraint"
        " WHERE conrelid = 16386"
    )
    assert found == [(1, 1)]


def test_expanded_arrays_have_value_and_place() -> None:
    found = ask(
        "SELECT (k.keys).x, (k.keys).n FROM (SELECT"
        " information_schema._pg_expandarray(i.indkey) AS keys FROM pg_index i"
        " WHERE i.indrelid = 16385 AND i.indisprimary) k ORDER BY 2"
    )
    assert found == [(1, 1), (2, 2), (3, 3)]


def test_keys_join_attributes_by_any() -> None:
    found = ask(
        "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
        " AND a.attnum = ANY(i.indkey) WHERE i.indrelid = 16385 AND i.indisprimary"
        " ORDER BY a.attnum"
    )
    assert found == [("host",), ("Rack No",), ("ts",)]


def test_table_functions_name_their_column_by_their_alias() -> None:
    assert ask("SELECT x FROM pg_catalog.unnest(ARRAY['a', 'b']) x") == [("a",), ("b",)]
    found = ask(
        "SELECT k.attnum, k.at FROM pg_constraint c,"
        " LATERAL unnest(c.conkey) WITH ORDINALITY AS k(attnum, at) WHERE c.conrelid = 16386"
    )
    assert found == [(1, 1)]


def test_scalar_functions_in_from_give_one_row() -> None:
    found = ask("SELECT trim(s[i]) FROM generate_series(1, 2) AS i, string_to_array('a, b', ',') s")
    assert found == [("a",), ("b",)]


def test_options_and_keywords_are_tables() -> None:
    found = ask("SELECT option_name, option_value FROM pg_options_to_table(ARRAY['a=1', 'b=2'])")
    assert found == [("a", "1"), ("b", "2")]
    assert ("select",) in ask("SELECT word FROM pg_catalog.pg_get_keywords()")


def test_format_wants_all_its_arguments() -> None:
    with pytest.raises(DbError) as caught:
        ask("SELECT format('%s %s', 1)")
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT


def test_array_literals_are_arrays() -> None:
    assert ask("SELECT 1 FROM pg_policy WHERE polroles = '{0}'") == []
    found = ask(
        "SELECT coalesce(a.names, '{}') FROM pg_type t LEFT JOIN (SELECT attrelid,"
        " array_agg(attname) AS names FROM pg_attribute GROUP BY attrelid) a"
        " ON a.attrelid = t.typrelid WHERE t.typname = 'int4'"
    )
    assert found == [([],)]


def test_tableoid_is_the_relation_itself() -> None:
    found = ask("SELECT c.tableoid = 'pg_constraint'::regclass FROM pg_constraint c LIMIT 1")
    assert found == [(True,)]


def test_grouping_by_an_output_that_is_also_a_table() -> None:
    found = ask(
        "SELECT kinds.relkind AS kinds, count(*) FROM pg_class kinds"
        " WHERE kinds.relnamespace = 2200 GROUP BY kinds ORDER BY 1"
    )
    assert found == [("i", 3), ("r", 2), ("v", 1)]


def test_arrays_of_object_numbers_parse() -> None:
    assert ask("SELECT typname FROM pg_type WHERE oid = any(ARRAY[23]::oid[])") == [("int4",)]


def test_neighbouring_parameters_are_no_quoted_text() -> None:
    text = "SELECT 1 FROM pg_class WHERE relkind = ANY(ARRAY[$2,$3]) AND relname <> $4"
    tree = sqlglot.parse_one(text, read=GnomonPostgres)
    assert [node.name for node in tree.find_all(exp.Parameter)] == ["4", "2", "3"]


def test_statements_without_catalog_words_stay_as_they_are() -> None:
    text = "SELECT a.name, COUNT(*) FROM t AS a WHERE a.tableoid = 1 GROUP BY a.name"
    tree = sqlglot.parse_one(text, read=GnomonPostgres)
    assert rewrite_pg(tree.copy()) == tree


def test_names_are_split_at_dots_outside_quotes() -> None:
    assert identifier_parts('Public."Odd.One"') == ["public", "Odd.One"]
    assert type_oid("pg_catalog.int4[]") == 1007
    assert type_oid('"char"') == 18
    assert type_oid("char(3)") == 1042
