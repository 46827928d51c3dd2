"""Every statement family parses on the wires that speak it, and its text parses back equal."""

from __future__ import annotations

import pytest
from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.dialect.dialects import to_sql
from sql.dialect.parser import parse
from sql.session import Wire

EVERYWHERE = """
SELECT 1
SHOW TABLES
SHOW FULL TABLES FROM db LIKE 'x%'
SHOW FULL COLUMNS FROM t FROM d WHERE field = 'a'
SHOW CREATE TABLE a.b
SHOW TABLE STATUS FROM x LIKE 'a'
SHOW INDEX FROM t
SHOW CHARACTER SET
SHOW COLLATION WHERE charset = 'x'
SHOW DATABASES
SHOW FULL PROCESSLIST
SHOW VIEWS
SHOW ENGINES
SHOW WARNINGS
SHOW VARIABLES LIKE 'a%'
SHOW GLOBAL STATUS
SHOW TRANSACTION ISOLATION LEVEL
SHOW TIME ZONE
SHOW ALL
SHOW search_path
SHOW my.setting
DESC t
DESCRIBE TABLE a.t
EXPLAIN SELECT 1
EXPLAIN ANALYZE VERBOSE SELECT 1
EXPLAIN (ANALYZE, VERBOSE off, FORMAT json) SELECT 1
USE db
SET x = 1
SET x TO a, b, 'c'
SET SESSION x = DEFAULT
SET LOCAL a.b TO on
SET TIME ZONE 'UTC'
SET TIME ZONE LOCAL
SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'
SET NAMES utf8mb4
SET CHARACTER SET utf8
SET search_path = "$user", public
SET extra_float_digits = -1
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
RESET ALL
RESET TIME ZONE
DISCARD PLANS
BEGIN
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY DEFERRABLE
START TRANSACTION READ WRITE
START TRANSACTION WITH CONSISTENT SNAPSHOT
COMMIT WORK
COMMIT AND CHAIN
END
ROLLBACK
ABORT
SAVEPOINT x
RELEASE SAVEPOINT x
ROLLBACK TO x
COPY t (a, b) FROM STDIN WITH CSV HEADER DELIMITER AS ';' FORCE NOT NULL a, b
COPY t FROM STDIN (FORMAT csv, HEADER true, NULL '', DELIMITER ',')
COPY (SELECT 1) TO STDOUT WITH (FORMAT binary)
COPY t TO '/x/y' WITH (FORMAT='parquet', START_TIME='2022-04-11 08:00:00')
COPY DATABASE db TO '/x/' WITH (FORMAT='parquet')
EXECUTE a(1, 'x')
DEALLOCATE ALL
DEALLOCATE PREPARE a
DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1
DECLARE c BINARY INSENSITIVE SCROLL CURSOR FOR SELECT 1
FETCH FORWARD 10 FROM c
FETCH 10 FROM c
FETCH c
FETCH ABSOLUTE -1 FROM c
MOVE ALL IN c
CLOSE c
CLOSE ALL
KILL QUERY 4
KILL '127.0.0.1:4001/3'
ADMIN flush_table('x')
CALL f(1)
COMMENT ON TABLE t IS 'x'
COMMENT ON COLUMN t.c IS NULL
LISTEN x
NOTIFY x, 'payload'
GRANT select ON t TO r
REVOKE ALL ON t FROM r
LOCK TABLE a IN SHARE MODE
LOAD DATA LOCAL INFILE 'x' INTO TABLE t
LOAD DATA INFILE 'x' REPLACE INTO TABLE t FIELDS TERMINATED BY ',' IGNORE 2 LINES
LOAD DATA INFILE 'x' INTO TABLE t LINES TERMINATED BY 'y' (a, b) SET c = a + 1
VACUUM ANALYZE t
CREATE ROLE r
CREATE DATABASE IF NOT EXISTS x WITH (ttl='7d', 'compaction.type'='twcs')
CREATE SCHEMA x
DROP DATABASE IF EXISTS x CASCADE
DROP SCHEMA a
CREATE TABLE t (ts timestamp default current_timestamp, TIME INDEX (ts))
CREATE TABLE t (ts timestamp(9) time index, v float null default 0 skipping index)
CREATE TABLE t (a int, b text, PRIMARY KEY (a), UNIQUE (b), CHECK (a > 0)) WITH (ttl = '1d')
CREATE TABLE a LIKE b
CREATE TABLE a AS SELECT 1 AS x
CREATE TEMPORARY TABLE a (x int) ON COMMIT DROP
CREATE TEMP TABLE a AS (SELECT 1 AS x)
CREATE OR REPLACE VIEW v AS SELECT 1 AS x
DROP TABLE a, b CASCADE
DROP TABLE IF EXISTS a
ALTER TABLE t ADD COLUMN x int, DROP COLUMN y
ALTER TABLE t ADD COLUMN IF NOT EXISTS a STRING PRIMARY KEY AFTER b
ALTER TABLE t MODIFY COLUMN x SET FULLTEXT INDEX WITH (analyzer='English')
ALTER TABLE t MODIFY COLUMN x UNSET INVERTED INDEX
ALTER TABLE t MODIFY COLUMN a BIGINT
ALTER TABLE t MODIFY COLUMN a SET DEFAULT 5
ALTER TABLE t MODIFY COLUMN a DROP DEFAULT
ALTER TABLE t MODIFY COLUMN a SET NOT NULL
ALTER TABLE t MODIFY COLUMN a DROP NOT NULL
ALTER TABLE t PARTITION ON COLUMNS (a, b) (a < 5, a >= 5) WITH (TIMEOUT='5m', WAIT=false)
ALTER TABLE t SPLIT PARTITION (a < 5) ON COLUMNS (a, b) INTO (a < 3, a >= 3 AND a < 5)
ALTER TABLE t MERGE PARTITION (a < 5, a >= 5)
ALTER TABLE t RENAME TO b
ALTER TABLE t RENAME COLUMN a TO b
ALTER TABLE t SET 'ttl'='1d'
ALTER TABLE t UNSET 'ttl'
ALTER DATABASE d SET 'ttl'='1d'
TRUNCATE TABLE t
INSERT INTO t VALUES (1, 'a'), (2, DEFAULT)
INSERT INTO TABLE t (a) SELECT 1
REPLACE INTO t VALUES (1)
DELETE FROM t WHERE a = 1
UPDATE t SET a = 1 WHERE b = 2
SELECT min(v) RANGE '10s' FILL PREV FROM h WHERE x > 1 ALIGN '5s' TO NOW BY (h, a + 1) FILL LINEAR
SELECT (max(v) - min(v)) RANGE (INTERVAL '1' HOUR) FROM h ALIGN '5s' TO '2023-01-01' BY ()
SELECT max(v) RANGE '5s' AS m FROM (SELECT * FROM a) ALIGN '5s' BY (h) ORDER BY m LIMIT 5
SELECT avg(x) OVER (ORDER BY ts RANGE BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT ROW) FROM t
TQL EVAL (0, 10, '5s') sum by (k) (rate({a=~"x;.*"}[5m])) AS c
TQL EXPLAIN VERBOSE (0, 1, '5s') test
WITH c AS (TQL EVAL (0, 10, '5s') test{a='b)'} AS v) SELECT * FROM c
""".strip().splitlines()

POSTGRES = """
PREPARE a (int, text) AS SELECT $1, $2
SELECT 'a'::regclass, a[1:2], 3 = ANY(ARRAY[1, 2])
SELECT E'a\\n', $$x$y$$, $t$ a; b $t$, x'41'
SELECT @@version
COPY t FROM STDIN BINARY
ALTER TABLE t ALTER COLUMN a TYPE int
CREATE TABLE t (LIKE u INCLUDING ALL)
""".strip().splitlines()

MYSQL = """
RENAME TABLE a TO b, c TO d.e
ALTER TABLE t CHANGE COLUMN a b BIGINT NOT NULL DEFAULT 5 COMMENT 'q' AFTER c
ALTER TABLE t MODIFY COLUMN a VARCHAR(20) FIRST
ALTER TABLE t COMMENT='x'
SET @a = 1, @b := 'x', autocommit = 0, sql_mode = concat(@@sql_mode, ',STRICT')
SET @@session.autocommit = ON
SET GLOBAL x = 5, SESSION y = 3
SET character_set_results = NULL
SELECT @@session.auto_increment_increment AS increment, @@tx_isolation
SELECT ?, ? FROM t WHERE a = ?
PREPARE s FROM 'select ?'
EXECUTE s USING @a, @b
CREATE TABLE t (id int(11) NOT NULL AUTO_INCREMENT, PRIMARY KEY (id), KEY k (a)) ENGINE=InnoDB
INSERT INTO t VALUES (1, "a") ON DUPLICATE KEY UPDATE a = 1
SELECT 1 LIMIT 1, 2
UNLOCK TABLES
LOCK TABLES a READ
SELECT CAST(a AS SIGNED), IF(a, 1, 2)
EXPLAIN t
SELECT `a b` FROM `T`
""".strip().splitlines()

CASES = [
    *((wire, text) for wire in Wire for text in EVERYWHERE if '"' not in text or "SET" not in text),
    *((Wire.POSTGRES, text) for text in POSTGRES),
    *((Wire.HTTP, text) for text in POSTGRES),
    *((Wire.MYSQL, text) for text in MYSQL),
]


@pytest.mark.parametrize(("wire", "text"), CASES, ids=lambda v: v if isinstance(v, str) else v.name)
def test_text_of_a_tree_parses_back_to_it(wire: Wire, text: str) -> None:
    (statement,) = parse(text, wire)
    assert statement.tree is not None
    assert not isinstance(statement.tree, exp.Command)
    written = to_sql(statement.tree, wire)
    (again,) = parse(written, wire)
    assert again.tree == statement.tree, written


def tree(text: str, wire: Wire = Wire.POSTGRES) -> exp.Expr:
    (statement,) = parse(text, wire)
    assert statement.tree is not None
    return statement.tree


def test_show_synonyms_are_one() -> None:
    for text in ("SHOW FIELDS IN t", "SHOW COLUMNS FROM t"):
        show = tree(text)
        assert isinstance(show, nodes.ShowStatement)
        assert show.name == "COLUMNS"
        assert show.args["target"].name == "t"


def test_show_of_something_unknown_is_a_setting() -> None:
    show = tree("SHOW DateStyle")
    assert isinstance(show, nodes.ShowSetting)
    assert show.name == "datestyle"


def test_set_lists_values_in_postgres_and_variables_in_mysql() -> None:
    values = tree("SET search_path TO a, \"B\", 'c'").expressions
    assert [nodes.constant_text(v) for v in values[0].expressions] == ["a", "B", "c"]
    assignments = tree("SET a = 1, SESSION b = ON, @c = 'x'", Wire.MYSQL).expressions
    assert [(a.name, a.args.get("scope"), a.args.get("user")) for a in assignments] == [
        ("a", None, None),
        ("b", "SESSION", None),
        ("c", None, True),
    ]


@pytest.mark.parametrize(
    ("text", "direction", "count"),
    [
        ("FETCH c", "NEXT", None),
        ("FETCH NEXT FROM c", "NEXT", None),
        ("FETCH 5 IN c", "FORWARD", "5"),
        ("FETCH ALL FROM c", "FORWARD", "ALL"),
        ("FETCH BACKWARD FROM c", "BACKWARD", None),
        ("FETCH LAST c", "LAST", None),
    ],
)
def test_fetch_directions(text: str, direction: str, count: str | None) -> None:
    fetch = tree(text)
    assert fetch.args["direction"] == direction
    assert (fetch.args.get("count") and fetch.args["count"].name) == count
    assert fetch.name == "c"


def test_prepare_keeps_the_inner_text() -> None:
    prepare = tree("PREPARE p AS  SELECT  $1 ;")
    assert prepare.args["text"] == "SELECT  $1"


def test_explain_of_a_name_describes_the_table() -> None:
    assert isinstance(tree("EXPLAIN t", Wire.MYSQL), nodes.DescribeTable)


def test_tql_keeps_promql_as_written() -> None:
    tql = tree("""TQL EVAL (now() - interval '1h', now(), '1m', '5m') {x="a;b'"}  # c\n AS v""")
    assert isinstance(tql, nodes.Tql)
    assert tql.args["text"] == """{x="a;b'"}  # c"""
    assert len(tql.expressions) == 4
    assert tql.args["alias"].name == "v"


def test_tql_ends_at_the_semicolon() -> None:
    first, second = parse("TQL EVAL (0,1,'1s') a{b=';'}; SELECT 1", Wire.HTTP)
    assert first.text == "TQL EVAL (0,1,'1s') a{b=';'}"
    assert second.text == "SELECT 1"


def test_admin_keeps_its_text_as_the_column_name() -> None:
    assert tree("ADMIN flush_table( 'x' )").args["text"] == "flush_table( 'x' )"


def test_executable_comments_run_on_mysql_only() -> None:
    text = "/*!40101 SET NAMES utf8 */; SELECT /*!40000 2 */"
    first, second = parse(text, Wire.MYSQL)
    assert isinstance(first.tree, nodes.SetVariables)
    assert second.tree == tree("SELECT 2")
    assert isinstance(parse("/*!1 x */ SELECT 1", Wire.POSTGRES)[0].tree, exp.Select)


def test_explain_takes_tql_bounds_errors_with_positions() -> None:
    with pytest.raises(DbError) as caught:
        parse("TQL EVAL (0, 1) up", Wire.HTTP)
    assert caught.value.kind is ErrorKind.SYNTAX
    assert caught.value.position is not None


def test_a_derived_join_keeps_range_as_a_name() -> None:
    select = tree("SELECT range, align FROM t AS range JOIN align ON true")
    assert [item.name for item in select.expressions] == ["range", "align"]
    assert select.args.get("align") is None
