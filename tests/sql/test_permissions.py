"""Which statements read and which write."""

from __future__ import annotations

import pytest

from sql.dialect.parser import parse
from sql.execute import HANDLERS
from sql.permissions import RULES, Access, access_of
from sql.session import Wire

NONE, READ, WRITE = Access.NONE, Access.READ, Access.WRITE


@pytest.mark.parametrize(
    ("text", "access"),
    [
        ("", NONE),
        ("SELECT 1, version()", NONE),
        ("SELECT * FROM information_schema.tables", NONE),
        ("SELECT relname FROM pg_class", NONE),
        ("SET time_zone = '+08:00'", NONE),
        ("SHOW TABLES", NONE),
        ("DESCRIBE TABLE t", NONE),
        ("BEGIN", NONE),
        ("COMMIT", NONE),
        ("EXECUTE p", NONE),
        ("SELECT * FROM t", READ),
        ("SELECT 1 WHERE EXISTS (SELECT 1 FROM public.t)", READ),
        ("SELECT 1 UNION SELECT a FROM t", READ),
        ("WITH c AS (SELECT * FROM t) SELECT count(*) FROM c", READ),
        ("VALUES (1)", NONE),
        ("EXPLAIN SELECT * FROM t", READ),
        ("PREPARE p AS SELECT * FROM t", READ),
        ("DECLARE c CURSOR FOR SELECT * FROM t", READ),
        ("COPY t TO STDOUT", READ),
        ("COPY (SELECT * FROM t) TO STDOUT", READ),
        ("INSERT INTO t VALUES (now())", WRITE),
        ("COPY t FROM STDIN", WRITE),
        ("CREATE TABLE t (a INT)", WRITE),
        ("DROP TABLE t", WRITE),
        ("TRUNCATE TABLE t", WRITE),
        ("ALTER TABLE t ADD COLUMN b INT", WRITE),
        ("ALTER DATABASE d SET 'ttl' = '1d'", WRITE),
        ("COMMENT ON TABLE t IS 'x'", WRITE),
        ("CREATE DATABASE d", WRITE),
        ("INSERT INTO t SELECT * FROM u", READ | WRITE),
        ("INSERT INTO t VALUES (1) RETURNING a", READ | WRITE),
        ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", READ | WRITE),
        ("TRUNCATE TABLE t FILE RANGE (1, 2)", WRITE),
        ("WITH c AS (DELETE FROM t RETURNING *) SELECT * FROM c", READ | WRITE),
        ("CREATE TABLE t AS SELECT * FROM u", READ | WRITE),
        ("UPDATE t SET a = 1", READ | WRITE),
        ("DELETE FROM t WHERE a = 1", READ | WRITE),
        ("EXPLAIN ANALYZE DELETE FROM t", READ | WRITE),
        ("PREPARE p AS INSERT INTO t SELECT * FROM u", READ | WRITE),
        ("COPY t TO '/tmp/somewhere.csv'", READ | WRITE),
    ],
)
def test_what_a_statement_needs(text: str, access: Access) -> None:
    [statement] = parse(text, Wire.POSTGRES)
    assert access_of(statement) == access


def test_every_kind_of_statement_has_its_rule() -> None:
    assert set(RULES) == set(HANDLERS)


@pytest.mark.parametrize("text", ["PREPARE p FROM 'SELECT 1'", "KILL 3"])
def test_what_cannot_be_known_counts_as_a_write(text: str) -> None:
    [statement] = parse(text, Wire.MYSQL)
    assert Access.WRITE in access_of(statement)


def test_the_insert_fast_path_writes() -> None:
    class Fast:
        text = "INSERT INTO t VALUES (1)"
        parameter_count = 0
        is_empty = False
        tree = None

    assert access_of(Fast()) == Access.WRITE
