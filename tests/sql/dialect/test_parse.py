"""Splitting, positions, parameters, names; and that any text ends in trees or a DbError."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect.parser import parse
from sql.session import Wire


def failure(text: str, wire: Wire = Wire.POSTGRES) -> DbError:
    with pytest.raises(DbError) as caught:
        parse(text, wire)
    return caught.value


def names(text: str, wire: Wire) -> list[str]:
    tree = parse(text, wire)[0].tree
    assert tree is not None
    return [node.name for node in tree.find_all(exp.Identifier)]


# --- Splitting ------------------------------------------------------------------------------------


def test_statements_are_split_outside_quotes_and_comments() -> None:
    text = "SELECT ';' /* ; */ -- ;\n; SELECT $a$;$a$ ;; SELECT \"a;b\" FROM t;"
    statements = parse(text, Wire.POSTGRES)
    assert [s.text for s in statements] == [
        "SELECT ';'",
        "SELECT $a$;$a$",
        'SELECT "a;b" FROM t',
    ]
    assert [text[s.offset : s.offset + len(s.text)] for s in statements] == [
        s.text for s in statements
    ]


@pytest.mark.parametrize("text", ["", "  \n", ";", "-- nothing", "/* a */ ; /* b */"])
def test_nothing_to_run_is_one_empty_statement(text: str) -> None:
    (statement,) = parse(text, Wire.MYSQL)
    assert statement.is_empty
    assert statement.parameter_count == 0


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a, b, FROM t",
        "INSERT INTO t (a, b,) VALUES (1, 2,), (3, 4,),",
        "CREATE TABLE t (a int, PRIMARY KEY (a),)",
        "SELECT f(1, 2,)",
        "SELECT a, count(*) FROM t GROUP BY a, ORDER BY a,",
        "CREATE TABLE t (ts TIMESTAMP TIME INDEX, a INT,) WITH ('append_mode' = 'true',)",
        "CREATE TABLE t (ts TIMESTAMP TIME INDEX, a STRING SKIPPING INDEX WITH (granularity = 1,))",
        "CREATE TABLE t (ts TIMESTAMP TIME INDEX, a INT) PARTITION ON COLUMNS (a) (a < 1, a >= 1,)",
        "CREATE FLOW f SINK TO s AS SELECT count(*) AS n, FROM t",
    ],
)
@pytest.mark.parametrize("wire", Wire)
def test_trailing_commas_are_accepted(text: str, wire: Wire) -> None:
    assert len(parse(text, wire)) == 1


def test_two_commas_are_not_one() -> None:
    assert failure("SELECT a,, b FROM t").position == 10


# --- Errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "near", "position"),
    [
        ("SELEC 1", "SELEC", 1),
        ("SELECT 1; FOO BAR", "FOO", 11),
        ("SELECT * FROM t WHERE", None, 22),
        ("SELECT (1", None, 10),
        ("SELECT 1 1", "1", 10),
        ("CREATE TABLE t (a int b)", "b", 23),
        ("SHOW COLUMNS t", "t", 14),
        ("'x'", "'x'", 1),
        ("1 + 1", "1", 1),
        ("BEGIN FOO", "FOO", 7),
        ("ALTER TABLE t FROB", "FROB", 15),
    ],
)
def test_syntax_errors_point_at_the_token(text: str, near: str | None, position: int) -> None:
    error = failure(text)
    assert error.kind is ErrorKind.SYNTAX
    assert error.position == position
    assert error.message == (
        f'syntax error at or near "{near}"' if near else "syntax error at end of input"
    )


def test_unterminated_quotes_are_syntax_errors() -> None:
    for text in ("SELECT 'abc", 'SELECT "abc', "SELECT `abc", "SELECT $$abc"):
        error = failure(text, Wire.HTTP)
        assert error.kind is ErrorKind.SYNTAX


def test_deep_nesting_is_refused_not_a_crash() -> None:
    depth = 20_000
    for text in ("SELECT " + "(" * depth, "SELECT " + "(" * depth + "1" + ")" * depth):
        error = failure(text)
        assert error.kind in (ErrorKind.LIMIT_EXCEEDED, ErrorKind.SYNTAX)


def test_moderate_nesting_is_fine() -> None:
    text = "SELECT " + "(" * 100 + "1" + ")" * 100
    assert len(parse(text, Wire.POSTGRES)) == 1
    assert len(parse("SELECT " + " + ".join(["1"] * 2000), Wire.POSTGRES)) == 1


WORDS = """
SELECT FROM WHERE GROUP BY ORDER LIMIT ( ) [ ] { } , ; . * + - / = < > :: : ? $1 @ @@ @a 'x'
"y" `z` 1 2.5 NULL TRUE a b t CREATE TABLE DATABASE VIEW INDEX TIME PRIMARY KEY TIMESTAMP INT
STRING DEFAULT NOT RANGE ALIGN TO NOW FILL PREV '5s' INTERVAL SHOW FULL COLUMNS TABLES LIKE SET
SESSION NAMES TRANSACTION ISOLATION LEVEL BEGIN COMMIT COPY STDIN WITH CSV HEADER PREPARE AS
EXECUTE DECLARE CURSOR FOR FETCH ALL CLOSE TQL EVAL EXPLAIN ANALYZE FORMAT INSERT INTO VALUES
UPDATE DELETE MERGE USING ALTER ADD DROP COLUMN MODIFY RENAME PARTITION ON COLUMNS ENGINE CASE
WHEN END OVER WINDOW JOIN LATERAL UNION EXCEPT CAST EXTRACT OPERATOR COLLATE ANY ARRAY ADMIN USE
KILL COMMENT IS TRUNCATE GRANT /* */ -- $$ \\
"""
TOKENS = st.sampled_from(WORDS.split())


def error_of(text: str, wire: Wire) -> DbError | None:
    try:
        assert parse(text, wire)
    except DbError as error:
        return error
    return None


@settings(max_examples=400, deadline=None)
@given(st.lists(TOKENS, max_size=14), st.sampled_from(list(Wire)))
def test_token_soup_ends_in_trees_or_a_db_error(tokens: list[str], wire: Wire) -> None:
    text = " ".join(tokens)
    error = error_of(text, wire)
    assert error is None or error.position is None or 1 <= error.position <= len(text) + 1


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.sampled_from(list(Wire)))
def test_any_text_ends_in_trees_or_a_db_error(text: str, wire: Wire) -> None:
    error = error_of(text, wire)
    assert error is None or error.kind in (ErrorKind.SYNTAX, ErrorKind.UNDEFINED_PARAMETER)


# --- Parameters -----------------------------------------------------------------------------------


def test_question_marks_are_numbered_within_their_statement() -> None:
    first, second = parse("SELECT ?, '?', ? /* ? */; SELECT ?", Wire.MYSQL)
    assert (first.parameter_count, second.parameter_count) == (2, 1)
    assert second.tree is not None
    assert [p.name for p in second.tree.find_all(exp.Parameter)] == ["1"]


def test_dollar_parameters_count_up_to_the_highest() -> None:
    assert parse("SELECT $3", Wire.POSTGRES)[0].parameter_count == 3


def test_a_question_mark_is_no_parameter_in_postgres() -> None:
    assert failure("SELECT ?").kind is ErrorKind.SYNTAX


def test_parameter_numbers_have_bounds() -> None:
    assert failure("SELECT $0").kind is ErrorKind.UNDEFINED_PARAMETER
    assert failure("SELECT $70000").kind is ErrorKind.UNDEFINED_PARAMETER


# --- Names and literals ---------------------------------------------------------------------------


def test_unquoted_names_fold_and_quoted_ones_do_not() -> None:
    assert names('SELECT Foo, "Bar" FROM Tab', Wire.POSTGRES) == ["foo", "Bar", "tab"]
    assert names("SELECT Foo, `Bar` FROM Tab", Wire.MYSQL) == ["foo", "Bar", "tab"]
    assert names('SELECT Foo, "Bar", `Baz` FROM T', Wire.HTTP) == ["foo", "Bar", "Baz", "t"]


def test_mysql_output_columns_keep_their_case() -> None:
    assert names("SELECT 1 AS Foo", Wire.MYSQL) == ["Foo"]
    assert names("SELECT 1 AS Foo", Wire.POSTGRES) == ["foo"]


def test_double_quotes_in_values_are_strings_on_http() -> None:
    tree = parse("INSERT INTO t VALUES (\"a\", 'b')", Wire.HTTP)[0].tree
    assert tree is not None
    assert [literal.name for literal in tree.find_all(exp.Literal)] == ["a", "b"]


@pytest.mark.parametrize(
    ("literal", "value"),
    [("E'a\\nb\\\\'", "a\nb\\"), ("$$a'b$$", "a'b"), ("$x$a$$b$x$", "a$$b"), ("'it''s'", "it's")],
)
def test_every_quoting_gives_a_plain_string(literal: str, value: str) -> None:
    tree = parse(f"SELECT {literal}", Wire.POSTGRES)[0].tree
    assert tree is not None
    (found,) = tree.expressions
    assert isinstance(found, exp.Literal)
    assert found.name == value


def test_a_search_is_for_something() -> None:
    with pytest.raises(DbError) as caught:
        parse("SELECT a @@", Wire.POSTGRES)
    assert caught.value.kind is ErrorKind.SYNTAX
