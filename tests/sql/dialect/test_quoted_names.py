"""Double-quoted words on MySQL's wire: where they are names and where they stay strings."""

from __future__ import annotations

import pytest
from sqlglot import exp

from sql.dialect.parser import parse
from sql.session import Wire


def names_and_strings(text: str) -> tuple[set[str], set[str]]:
    tree = parse(text, Wire.MYSQL)[0].tree
    assert tree is not None
    names = {node.name for node in tree.find_all(exp.Identifier) if node.args.get("quoted")}
    return names, {node.name for node in tree.find_all(exp.Literal) if node.is_string}


@pytest.mark.parametrize(
    ("text", "names", "strings"),
    [
        ('SELECT "x" FROM "t" WHERE "a" = "b"', {"t", "a"}, {"x", "b"}),
        ('SELECT TRIM("x" FROM "y") FROM "d"."t" JOIN "u" ON true', {"d", "t", "u"}, {"x", "y"}),
        ('SELECT EXTRACT(YEAR FROM "2020-01-01"), concat("a", "b")', set(), {"2020-01-01", *"ab"}),
        ('SELECT a FROM t WHERE a IN ("x", "y") AND b LIKE "z"', set(), {"x", "y", "z"}),
        ('INSERT INTO "t" ("a", "b") VALUES ("x", "y")', {"t", "a", "b"}, {"x", "y"}),
        ('INSERT INTO t VALUES ("x")', set(), {"x"}),
        ('INSERT INTO t SELECT ("x")', set(), {"x"}),
        ('DELETE FROM "t" WHERE a = "x"', {"t"}, {"x"}),
        ('UPDATE "t" SET "a" = "x" WHERE b = "y"', {"t", "a"}, {"x", "y"}),
        ('DROP TABLE IF EXISTS "t", "u"', {"t", "u"}, set()),
        ('CREATE VIEW "v" ("a") AS SELECT "x" AS y FROM "t"', {"v", "a", "t"}, {"x"}),
        ('CREATE TABLE t AS SELECT ("x") FROM u WHERE c LIKE "y"', set(), {"x", "y"}),
        ('CREATE TABLE "t" LIKE "u"', {"t", "u"}, set()),
        ('ALTER TABLE "t" ADD COLUMN "c" INT DEFAULT "3" AFTER "b"', {"t", "c", "b"}, {"3"}),
        ('ALTER TABLE t RENAME COLUMN "a" TO "b"', {"a", "b"}, set()),
        ('SHOW COLUMNS FROM "t" FROM "d" LIKE "x"', {"t", "d"}, {"x"}),
        ('SHOW TABLES LIKE "x"', set(), {"x"}),
        ('COPY t TO "path.csv"', set(), {"path.csv"}),
        (
            'CREATE TABLE "t" ("a b" STRING DEFAULT "x", "ts" TIMESTAMP, TIME INDEX ("ts"),'
            ' PRIMARY KEY ("a b")) PARTITION ON COLUMNS ("a b") ("a b" < "m", "a b" >= "m")',
            {"t", "a b", "ts"},
            {"x", "m"},
        ),
    ],
)
def test_names_stand_where_a_string_makes_no_sense(
    text: str, names: set[str], strings: set[str]
) -> None:
    assert names_and_strings(text) == (names, strings)
