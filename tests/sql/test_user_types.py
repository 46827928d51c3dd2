"""Types of users through every life: transactions, restarts, changes, what depends on them."""

from __future__ import annotations

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind


def refused(db: Client, text: str) -> ErrorKind:
    with pytest.raises(DbError) as caught:
        db.run(text)
    return caught.value.kind


@pytest.fixture
def moods(db: Client) -> Client:
    db.run("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')")
    db.run("CREATE TABLE t (id INT PRIMARY KEY, m mood, ms mood[])")
    db.run("INSERT INTO t VALUES (1, 'ok', '{ok,sad}'), (2, 'happy', NULL), (3, 'sad', '{}')")
    return db


def test_enums_are_ordered_as_they_were_declared(moods: Client) -> None:
    assert moods.run("SELECT m FROM t ORDER BY m") == [("sad",), ("ok",), ("happy",)]
    assert moods.run("SELECT id FROM t WHERE m > 'sad' ORDER BY m DESC") == [(2,), (1,)]
    assert moods.run("SELECT min(m), max(m) FROM t") == [("sad", "happy")]
    assert moods.run("SELECT id FROM t WHERE m IN ('sad', 'happy') ORDER BY id") == [(2,), (3,)]
    assert moods.run("SELECT id FROM t WHERE m BETWEEN 'sad' AND 'ok' ORDER BY id") == [(1,), (3,)]


def test_a_label_that_is_not_there_is_refused(moods: Client) -> None:
    for text in (
        "INSERT INTO t VALUES (4, 'angry', NULL)",
        "INSERT INTO t VALUES (4, NULL, '{angry}')",
        "SELECT 'angry'::mood",
        "SELECT lower('ANGRY')::mood",
        "SELECT id FROM t WHERE m = 'angry'",
        "UPDATE t SET m = 'angry'",
    ):
        assert refused(moods, text) is ErrorKind.INVALID_TEXT, text
    assert moods.run("SELECT count(*) FROM t") == [(3,)]


def test_labels_are_added_and_renamed_with_the_rows(moods: Client) -> None:
    moods.run("CREATE INDEX one ON t (id)")
    moods.run("ALTER TYPE mood ADD VALUE 'meh' AFTER 'sad'")
    moods.run("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'meh'")
    moods.run("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'")
    assert moods.run("SELECT m, ms FROM t ORDER BY m") == [
        ("blue", []),
        ("ok", ["ok", "blue"]),
        ("happy", None),
    ]
    moods.run("INSERT INTO t VALUES (4, 'meh', NULL)")
    assert moods.run("SELECT id FROM t WHERE m < 'ok' ORDER BY m") == [(3,), (4,)]
    moods.run("CREATE UNIQUE INDEX two ON t (m)")
    assert refused(moods, "INSERT INTO t VALUES (5, 'meh', NULL)") is ErrorKind.UNIQUE_VIOLATION
    assert refused(moods, "ALTER TYPE mood ADD VALUE 'x'") is ErrorKind.UNSUPPORTED
    assert moods.run("SELECT enumlabel FROM pg_enum ORDER BY enumsortorder") == [
        ("blue",),
        ("meh",),
        ("ok",),
        ("happy",),
    ]


def test_a_type_outlives_a_restart_with_its_oid(databases: Databases) -> None:
    db = client(databases.open())
    db.run("CREATE TYPE mood AS ENUM ('b', 'a')")
    db.run("CREATE TABLE t (m mood, r int4range)")
    db.run("INSERT INTO t VALUES ('a', '[1,3]'), ('b', NULL)")
    oid = db.run("SELECT 'mood'::regtype::oid")
    db = client(databases.open())
    assert db.run("SELECT 'mood'::regtype::oid") == oid
    assert db.run("SELECT m, r FROM t ORDER BY m") == [("b", None), ("a", "[1,4)")]


def test_definitions_of_types_are_transactional(moods: Client) -> None:
    moods.run("BEGIN")
    moods.run("CREATE TYPE other AS ENUM ('x')")
    moods.run("ALTER TYPE mood ADD VALUE 'new'")
    moods.run("INSERT INTO t VALUES (4, 'new', NULL)")
    moods.run("ROLLBACK")
    assert refused(moods, "SELECT 'x'::other") is ErrorKind.UNDEFINED_OBJECT
    assert refused(moods, "SELECT 'new'::mood") is ErrorKind.INVALID_TEXT
    assert moods.run("SELECT count(*) FROM t") == [(3,)]


def test_what_depends_on_a_type_keeps_it(moods: Client) -> None:
    assert refused(moods, "DROP TYPE mood") is ErrorKind.DEPENDENT_OBJECTS
    moods.run("CREATE TYPE pair AS (a mood, b int)")
    assert refused(moods, "ALTER TYPE mood ADD VALUE 'x'") is ErrorKind.UNSUPPORTED
    moods.run("DROP TYPE mood CASCADE")
    assert moods.run("SELECT * FROM t ORDER BY id") == [(1,), (2,), (3,)]
    assert refused(moods, "SELECT '(sad,1)'::pair") is ErrorKind.UNDEFINED_OBJECT
    moods.run("DROP TYPE IF EXISTS mood")
    assert refused(moods, "DROP TYPE mood") is ErrorKind.UNDEFINED_OBJECT


def test_a_type_may_be_called_otherwise(moods: Client) -> None:
    moods.run("ALTER TYPE mood RENAME TO feeling")
    assert moods.run("SELECT m::text FROM t WHERE m = 'ok'::feeling") == [("ok",)]
    assert refused(moods, "SELECT 'ok'::mood") is ErrorKind.UNDEFINED_OBJECT
    moods.run("CREATE SCHEMA other")
    moods.run("ALTER TYPE feeling SET SCHEMA other")
    assert moods.run("SELECT 'ok'::other.feeling") == [("ok",)]
    shown = "SELECT udt_name FROM information_schema.columns WHERE table_name = 't'"
    assert moods.run(shown) == [("int4",), ("feeling",), ("_feeling",)]


def test_bad_definitions_are_refused(moods: Client) -> None:
    assert refused(moods, "CREATE TYPE mood AS ENUM ('a')") is ErrorKind.DUPLICATE_OBJECT
    assert refused(moods, "CREATE TYPE e AS ENUM ('a', 'a')") is ErrorKind.UNIQUE_VIOLATION
    assert refused(moods, "CREATE TYPE c AS (a int, a int)") is ErrorKind.DUPLICATE_COLUMN
    assert refused(moods, "CREATE TYPE c AS (a nope)") is ErrorKind.UNDEFINED_OBJECT
    assert refused(moods, "CREATE TYPE r AS RANGE (collation = c)") is (
        ErrorKind.INVALID_TABLE_DEFINITION
    )
    assert refused(moods, "ALTER TYPE mood ADD VALUE 'ok'") is ErrorKind.DUPLICATE_OBJECT
    assert refused(moods, "ALTER TYPE nope ADD VALUE 'ok'") is ErrorKind.UNDEFINED_OBJECT
    assert refused(moods, "CREATE TYPE nope.e AS ENUM ()") is ErrorKind.UNDEFINED_SCHEMA


def test_composite_values_are_built_stored_and_compared(moods: Client) -> None:
    moods.run("CREATE TYPE pair AS (a int, m mood)")
    moods.run("CREATE TABLE p (id int, c pair, cs pair[])")
    moods.run("INSERT INTO p VALUES (1, ROW(1, 'ok'), ARRAY[ROW(2, NULL)]::pair[])")
    moods.run("INSERT INTO p VALUES (2, '( 7 ,sad)', NULL), (3, NULL, '{\"(1,happy)\"}')")
    assert moods.run("SELECT c, cs FROM p ORDER BY id") == [
        ("(1,ok)", ["(2,)"]),
        ("(7,sad)", None),
        (None, ["(1,happy)"]),
    ]
    assert moods.run("SELECT id FROM p WHERE c = ROW(7, 'sad')::pair") == [(2,)]
    assert refused(moods, "INSERT INTO p VALUES (4, '(1,angry)', NULL)") is ErrorKind.INVALID_TEXT


def test_time_series_hold_such_types_as_text(moods: Client) -> None:
    moods.run("CREATE TABLE s (ts TIMESTAMP TIME INDEX, m mood, r int4range)")
    moods.run("INSERT INTO s VALUES (1, 'happy', '[1,3]'), (2, 'ok', 'empty')")
    assert moods.run("SELECT m, r FROM s ORDER BY m") == [("ok", "empty"), ("happy", "[1,4)")]
    assert refused(moods, "INSERT INTO s VALUES (3, 'angry', NULL)") is ErrorKind.INVALID_TEXT
    moods.run("ALTER TYPE mood ADD VALUE 'best'")
    moods.run("INSERT INTO s VALUES (3, 'best', NULL)")
    assert moods.run("SELECT max(m) FROM s") == [("best",)]
    assert refused(moods, "ALTER TYPE mood RENAME VALUE 'ok' TO 'x'") is ErrorKind.UNSUPPORTED


def test_a_null_of_such_a_type_is_null(moods: Client) -> None:
    moods.run("CREATE TABLE n (id int, r int4range, i inet)")
    moods.run("INSERT INTO n VALUES (1, NULL, NULL), (2, 'empty', '::1')")
    assert moods.run("SELECT id FROM n WHERE r IS NULL AND i IS NULL") == [(1,)]
    assert moods.run("SELECT count(r), count(coalesce(i, '1.1.1.1')) FROM n") == [(1, 2)]
    assert moods.run("SELECT r::text FROM n ORDER BY id") == [(None,), ("empty",)]


def test_domains_ask_for_what_they_were_told(db: Client) -> None:
    db.run("CREATE DOMAIN positive AS int DEFAULT 7 NOT NULL CHECK (VALUE > 0)")
    db.run("CREATE DOMAIN small AS positive CONSTRAINT is_small CHECK (VALUE < 100)")
    db.run("CREATE DOMAIN zip AS varchar(5)")
    assert db.run("SELECT 5::positive, '6'::small, 'abc'::zip") == [(5, 6, "abc")]
    for text, kind in (
        ("SELECT (0 - 1)::positive", ErrorKind.CHECK_VIOLATION),
        ("SELECT NULL::small", ErrorKind.NOT_NULL_VIOLATION),
        ("SELECT 100::small", ErrorKind.CHECK_VIOLATION),
        ("SELECT 'abcdef'::zip", ErrorKind.CHECK_VIOLATION),
    ):
        assert refused(db, text) is kind, text
    db.run("CREATE TABLE t (id int, p positive, s small, z zip)")
    db.run("INSERT INTO t (id) VALUES (1)")
    assert db.run("SELECT * FROM t") == [(1, 7, 7, None)]
    assert refused(db, "INSERT INTO t VALUES (2, 0, 1, 'a')") is ErrorKind.CHECK_VIOLATION
    assert refused(db, "INSERT INTO t VALUES (2, 1, 1, 'abcdef')") is ErrorKind.CHECK_VIOLATION
    assert refused(db, "INSERT INTO t VALUES (2, NULL, 1, 'a')") is ErrorKind.NOT_NULL_VIOLATION
    assert refused(db, "DROP DOMAIN zip") is ErrorKind.DEPENDENT_OBJECTS
    db.run("DROP DOMAIN zip CASCADE")
    assert db.run("SELECT * FROM t") == [(1, 7, 7)]
    shown = "SELECT typname, typbasetype FROM pg_type WHERE typtype = 'd' ORDER BY 1"
    assert db.run(shown) == [("positive", "23"), ("small", "23")]


def test_fields_of_a_composite_are_taken(moods: Client) -> None:
    moods.run("CREATE TYPE pair AS (a int, m mood)")
    moods.run("CREATE TABLE p (c pair)")
    moods.run("INSERT INTO p VALUES (ROW(1, 'happy')), (NULL), ('(2,)')")
    taken = "SELECT (c).a + 1, (c).m FROM p WHERE (c).a > 0 ORDER BY (c).a"
    assert moods.run(taken) == [(2, "happy"), (3, None)]
    assert refused(moods, "SELECT (c).b FROM p") is ErrorKind.UNDEFINED_COLUMN


def test_types_whose_texts_have_another_order_are_ordered_by_value(db: Client) -> None:
    db.run("CREATE TABLE o (id int, i inet, m money, t timetz)")
    db.run("INSERT INTO o VALUES (1, '10.0.0.9', '$10.00', '12:00+02')")
    db.run("INSERT INTO o VALUES (2, '9.0.0.1/24', '$9', '11:00+00')")
    db.run("INSERT INTO o VALUES (3, '::1', '-$1', '23:00-05'), (4, NULL, NULL, NULL)")
    assert db.run("SELECT id FROM o ORDER BY i NULLS LAST") == [(2,), (1,), (3,), (4,)]
    assert db.run("SELECT id FROM o WHERE m > '$9.50' OR m < '$0'") == [(1,), (3,)]
    assert db.run("SELECT id FROM o ORDER BY t DESC NULLS FIRST") == [(4,), (3,), (2,), (1,)]
    assert db.run("SELECT min(i), max(m) FROM o") == [("9.0.0.1/24", "$10.00")]
    assert db.run("SELECT max(t), min(t) FROM o") == [("23:00:00-05", "12:00:00+02")]
    different = "SELECT DISTINCT i FROM o WHERE id < 3 ORDER BY 1"
    assert db.run(different) == [("10.0.0.9",), ("9.0.0.1/24",)]


@pytest.fixture
def points(db: Client) -> Client:
    db.run("CREATE TYPE point2 AS (x INT, y TEXT)")
    db.run("CREATE TABLE p (id INT, at point2)")
    db.run("INSERT INTO p VALUES (1, (1, 'a b')), (2, NULL), (3, (NULL, NULL))")
    return db


def test_attributes_come_and_go_with_the_rows(points: Client) -> None:
    points.run("ALTER TYPE point2 ADD ATTRIBUTE z DOUBLE PRECISION, ADD ATTRIBUTE w INT")
    assert points.run("SELECT at::text FROM p ORDER BY id") == [
        ('(1,"a b",,)',),
        (None,),
        ("(,,,)",),
    ]
    points.run("UPDATE p SET at = (2, 'c', 1.5, 7) WHERE id = 2")
    points.run("ALTER TYPE point2 DROP ATTRIBUTE x, DROP ATTRIBUTE IF EXISTS x")
    assert points.run("SELECT at::text, (at).z FROM p WHERE id = 2") == [("(c,1.5,7)", 1.5)]
    points.run("ALTER TYPE point2 RENAME ATTRIBUTE z TO height")
    assert points.run("SELECT (at).height FROM p WHERE id = 2") == [(1.5,)]
    points.run("BEGIN; ALTER TYPE point2 DROP ATTRIBUTE y CASCADE; ROLLBACK")
    assert points.run("SELECT (at).y FROM p WHERE id = 1") == [("a b",)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ALTER TYPE point2 ADD ATTRIBUTE y INT", ErrorKind.DUPLICATE_COLUMN),
        ("ALTER TYPE point2 DROP ATTRIBUTE z", ErrorKind.UNDEFINED_COLUMN),
        ("ALTER TYPE point2 RENAME ATTRIBUTE z TO w", ErrorKind.UNDEFINED_COLUMN),
        ("ALTER TYPE point2 RENAME ATTRIBUTE x TO y", ErrorKind.DUPLICATE_COLUMN),
        ("ALTER TYPE point2 ALTER ATTRIBUTE x TYPE BIGINT", ErrorKind.UNSUPPORTED),
        ("ALTER TYPE point2 ADD VALUE 'a'", ErrorKind.WRONG_OBJECT_TYPE),
    ],
)
def test_attributes_that_cannot_change_are_told_so(
    points: Client, text: str, kind: ErrorKind
) -> None:
    assert refused(points, text) is kind
    assert points.run("SELECT (at).x FROM p WHERE id = 1") == [(1,)]


def test_the_type_of_an_attribute_changes_while_no_column_has_it(points: Client) -> None:
    points.run("DROP TABLE p; ALTER TYPE point2 ALTER ATTRIBUTE x SET DATA TYPE TEXT")
    assert points.run("SELECT ('a', 'b')::point2::text") == [("(a,b)",)]


def test_rows_of_time_series_and_arrays_stand_in_the_way_of_attributes(points: Client) -> None:
    points.run("DROP TABLE p; CREATE TABLE ps (at point2[])")
    assert refused(points, "ALTER TYPE point2 ADD ATTRIBUTE z INT") is ErrorKind.UNSUPPORTED
    points.run("DROP TABLE ps; CREATE TABLE s (ts TIMESTAMP TIME INDEX, at point2)")
    assert refused(points, "ALTER TYPE point2 ADD ATTRIBUTE z INT") is ErrorKind.UNSUPPORTED
    points.run("ALTER TYPE point2 RENAME ATTRIBUTE x TO z")
    assert refused(
        points, "CREATE TYPE outer2 AS (p point2); ALTER TYPE point2 ADD ATTRIBUTE q INT"
    ) is (ErrorKind.UNSUPPORTED)
