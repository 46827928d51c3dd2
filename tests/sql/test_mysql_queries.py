"""What MySQL's drivers count on in queries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind
from sql.results import Rows
from sql.session import Wire


@pytest.fixture
def mysql(connect: Callable[..., Client]) -> Client:
    made = connect(Wire.MYSQL)
    made.run("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(10) NOT NULL, c TEXT, UNIQUE (b))")
    made.run("INSERT INTO t VALUES (1, 'x', NULL), (2, 'y', 'z'), (3, 'w', NULL)")
    return made


def test_dual_has_one_row(mysql: Client, db: Client) -> None:
    assert mysql.run("SELECT 1 + 1 FROM DUAL") == [(2,)]
    assert mysql.run("SELECT 1 FROM dual WHERE 1 = 0") == []
    with pytest.raises(DbError) as caught:
        db.run("SELECT 1 FROM dual")
    assert caught.value.kind is ErrorKind.UNDEFINED_TABLE


def test_words_of_information_schema_compare_in_any_case(mysql: Client) -> None:
    asked = "SELECT column_name FROM information_schema.columns WHERE table_name = 't' AND {}"
    assert mysql.run(asked.format("is_nullable = 'yes'")) == [("c",)]
    assert mysql.run(asked.format("column_key IN ('pri')")) == [("a",)]
    assert mysql.run(asked.format("data_type <> 'VARCHAR' AND IS_NULLABLE <> 'No'")) == [("c",)]
    assert mysql.run(asked.format("column_name = 'A'")) == []


def test_sql_select_limit_is_for_queries_without_their_own(mysql: Client) -> None:
    mysql.run("SET SQL_SELECT_LIMIT = 2")
    assert mysql.run("SELECT a FROM t ORDER BY a") == [(1,), (2,)]
    assert len(mysql.run("SELECT a FROM t UNION ALL SELECT a FROM t")) == 2
    assert len(mysql.run("SELECT a FROM t LIMIT 3")) == 3
    assert mysql.run("INSERT INTO t SELECT a + 10, concat('n', a), c FROM t") == 3
    mysql.run("SET SQL_SELECT_LIMIT = DEFAULT")
    assert len(mysql.run("SELECT a FROM t")) == 6


def test_a_result_tells_a_columns_own_name(mysql: Client) -> None:
    rows = mysql.session.execute(mysql.session.parse("SELECT a AS label, 1 AS one FROM t")[0])
    assert isinstance(rows, Rows)
    rows.close()
    assert [(c.name, c.origin) for c in rows.columns] == [("label", "a"), ("one", "")]


def test_declared_indexes_are_statistics(mysql: Client) -> None:
    mysql.run("CREATE INDEX by_c ON t (c)")
    listed = mysql.run(
        "SELECT index_name, non_unique, column_name FROM information_schema.statistics"
        " WHERE table_name = 't' ORDER BY 1"
    )
    assert listed == [("PRIMARY", 0, "a"), ("b", 0, "b"), ("by_c", 1, "c")]
    assert {row[2] for row in mysql.run("SHOW INDEX FROM t")} == {"PRIMARY", "by_c", "b"}


def test_declared_lengths_are_told(mysql: Client) -> None:
    lengths = "SELECT character_maximum_length FROM information_schema.columns WHERE {}"
    assert mysql.run(lengths.format("table_name = 't' AND column_name = 'b'")) == [(10,)]


def test_later_items_read_what_earlier_ones_assigned(mysql: Client) -> None:
    chosen = "CASE b WHEN 'x' THEN @n := a * 10 ELSE IF(a > 2, @n := 7, @n := (8)) END"
    rows = mysql.run(f"SELECT CAST({chosen} AS SIGNED) AS v, @n + 1, @n FROM t ORDER BY a")
    assert rows == [(10, 11, 10), (8, 9, 8), (7, 8, 7)]


@pytest.mark.parametrize(
    "query", ["SELECT @n := 1", "SELECT @n := @n + 1, @n FROM t", "SELECT a FROM t WHERE @n := a"]
)
def test_variables_that_outlive_their_row_are_refused(mysql: Client, query: str) -> None:
    with pytest.raises(DbError) as caught:
        mysql.run(query)
    assert caught.value.kind is ErrorKind.UNSUPPORTED


def test_a_drivers_question_about_the_catalog_may_leave_a_variable(mysql: Client) -> None:
    asked = (
        "SELECT column_name, CASE data_type WHEN 'int' THEN @t := 4 ELSE @t := 12 END AS type"
        " FROM information_schema.columns WHERE table_name = 't' ORDER BY ordinal_position"
    )
    assert mysql.run(asked) == [("a", 4), ("b", 12), ("c", 12)]


def test_parts_of_json_documents_are_computed_with_as_numbers(mysql: Client) -> None:
    mysql.run("CREATE TABLE docs (d JSON)")
    mysql.run("""INSERT INTO docs VALUES ('{"a": 1.5, "b": "7", "c": true, "d": {}}')""")
    asked = "JSON_EXTRACT(d, '$.a') + 0.00, 2 * (d->'$.b'), JSON_EXTRACT(d, '$.c') - 1"
    assert mysql.run(f"SELECT {asked}, JSON_EXTRACT(d, '$.d') + 1 FROM docs") == [(1.5, 14, 0, 1)]


def test_national_text_is_text(mysql: Client) -> None:
    mysql.run("CREATE TABLE n (x NATIONAL VARCHAR(20), y NATIONAL CHARACTER(5), z NCHAR(3))")
    assert "varchar(20)" in mysql.run("SHOW CREATE TABLE n")[0][1]


def test_texts_that_differ_in_literals_share_a_plan(mysql: Client) -> None:
    mysql.run("CREATE TABLE shared (id INT PRIMARY KEY, name VARCHAR(20))")
    mysql.run("INSERT INTO shared VALUES (1, 'a'), (2, '2'), (3, 'c''d')")
    asked = "SELECT id FROM shared WHERE name = {} AND id BETWEEN {} AND 9"
    plans = mysql.session.server.plans
    for name, least, expected in (("'a'", 1, [(1,)]), ("'c''d'", 2, [(3,)]), ("'a'", 2, [])):
        assert mysql.run(asked.format(name, least)) == expected
    assert plans.lifted.get(
        ("SELECT id FROM shared WHERE name = ? AND id BETWEEN ? AND ?", mysql.session.wire)
    )
    assert mysql.run("SELECT id FROM shared WHERE name = 2") == [(2,)]
    assert mysql.run("SELECT id FROM shared WHERE id = '3'") == [(3,)]
    assert mysql.run("SELECT id FROM shared WHERE id = 'x'") == []


def test_whole_numbers_are_calculated_in_64_bits(mysql: Client) -> None:
    mysql.run("CREATE TABLE n (a INT, b SMALLINT, u INT UNSIGNED)")
    mysql.run("INSERT INTO n VALUES (2000000000, 30000, 4000000000)")
    assert mysql.run("SELECT a * 10, 10 * a, a + a, b * b * b, a - u, b + 30000 FROM n") == [
        (20000000000, 20000000000, 4000000000, 27000000000000, -2000000000, 60000)
    ]


def test_match_against_counts_words(mysql: Client) -> None:
    mysql.run("CREATE TABLE f (id INT PRIMARY KEY, a TEXT, b TEXT, FULLTEXT KEY fk (a, b))")
    mysql.run("INSERT INTO f VALUES (1, 'Hello', 'wörld'), (2, 'the database', NULL)")
    mysql.run("INSERT INTO f VALUES (3, 'hello', 'database''s'), (4, 'hello database', '')")

    def found(asked: str, mode: str = "") -> list[int]:
        text = f"SELECT id FROM f WHERE MATCH (a, b) AGAINST ('{asked}'{mode}) ORDER BY id"
        return [row[0] for row in mysql.run(text)]

    assert found("World the is") == [1]
    assert found("world database") == [1, 2, 4]
    assert found("+hello -world", " IN BOOLEAN MODE") == [3, 4]
    assert found('"hello world" data*', " IN BOOLEAN MODE") == [1, 2, 3, 4]
    assert mysql.run("SELECT id FROM f WHERE NOT MATCH (a) AGAINST ('hello')") == [(2,)]
    asked = "SELECT id, MATCH (a, b) AGAINST (?) r FROM f ORDER BY r DESC, id LIMIT 1"
    assert mysql.run(asked, ["hello database"]) == [(4, 2.0)]
    mysql.run("CREATE FULLTEXT INDEX f2 ON f (a)")
    mysql.run("ALTER TABLE f ADD FULLTEXT INDEX f3 (b)")
    shown = mysql.run("SHOW CREATE TABLE f")[0][1]
    assert shown.count("FULLTEXT KEY") == 3


def test_texts_that_are_no_numbers_are_told(mysql: Client) -> None:
    for _ in range(2):  # a kept plan tells again
        assert mysql.run("SELECT 'a' + '3x', '4' * 2") == [(3.0, 8.0)]
        told = [notice.message for notice in mysql.session.take_notices()]
        assert told == [
            "Truncated incorrect DOUBLE value: 'a'",
            "Truncated incorrect DOUBLE value: '3x'",
        ]
    assert mysql.run("SELECT CAST('12abc' AS SIGNED)") == [(12,)]
    (notice,) = mysql.session.take_notices()
    assert notice.message == "Truncated incorrect INTEGER value: '12abc'"
    mysql.run("SELECT a FROM t WHERE a = '1'")
    assert not mysql.session.take_notices()
