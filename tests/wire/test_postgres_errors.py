"""What drivers read beside an error's message: names of constraints, tables and columns; RAISE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fix_server import RunningServer
from psycopg import errors

pytestmark = pytest.mark.slow

Names = tuple[str | None, str | None, str | None]


@pytest.fixture(scope="module")
def tables(server: RunningServer) -> Iterator[psycopg.Connection]:
    # "postgres" is what PostgreSQL's tools connect to; here it is a name of the default database.
    with psycopg.connect(server.postgres_dsn(database="postgres"), autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE told (id int PRIMARY KEY, u int UNIQUE, n int NOT NULL,"
            " k int CHECK (k > 0));"
            "CREATE TABLE told_child (id int REFERENCES told (id));"
            "INSERT INTO told VALUES (1, 1, 1, 1)"
        )
        yield connection
        connection.execute("DROP TABLE told_child, told")


@pytest.mark.parametrize(
    ("statement", "kind", "names"),
    [
        ("INSERT INTO told VALUES (1, 2, 1)", errors.UniqueViolation, ("told", None, "told_pkey")),
        ("INSERT INTO told VALUES (2, 1, 1)", errors.UniqueViolation, ("told", None, "told_u_key")),
        ("INSERT INTO told VALUES (2, 2)", errors.NotNullViolation, ("told", "n", None)),
        ("UPDATE told SET n = NULL", errors.NotNullViolation, ("told", "n", None)),
        ("UPDATE told SET k = 0", errors.CheckViolation, ("told", None, "told_k_check")),
        (
            "INSERT INTO told_child VALUES (9)",
            errors.ForeignKeyViolation,
            ("told_child", None, "told_child_id_fkey"),
        ),
    ],
)
def test_violations_name_what_is_violated(
    tables: psycopg.Connection, statement: str, kind: type[psycopg.Error], names: Names
) -> None:
    with pytest.raises(kind) as caught:
        tables.execute(statement)
    told = caught.value.diag
    assert (told.table_name, told.column_name, told.constraint_name) == names
    assert told.schema_name == "public"


@pytest.mark.parametrize(
    ("row", "name", "detail"),
    [
        ("2, 'b, a', 3, 4", "fresh_name_key", "Key (name)=(b, a) already exists."),
        ("1, 'c', 3, 4", None, None),  # 1 may be a number or a name: nothing wrong is said
        ("2, 'c', 1, 2", "fresh_pair", "Key (a, b)=(1, 2) already exists."),
    ],
)
def test_a_duplicate_of_a_row_just_inserted_names_its_constraint(
    tables: psycopg.Connection, row: str, name: str | None, detail: str | None
) -> None:
    tables.execute(
        "CREATE TABLE fresh (id int PRIMARY KEY, name text UNIQUE, a int, b int,"
        " CONSTRAINT fresh_pair UNIQUE (a, b))"
    )
    try:
        tables.execute("BEGIN; INSERT INTO fresh VALUES (1, 'b, a', 1, 2)")
        with pytest.raises(errors.UniqueViolation) as caught:
            tables.execute(f"INSERT INTO fresh VALUES ({row})".encode())
        told = caught.value.diag
        assert told.constraint_name == name
        assert name is None or told.message_detail == detail
    finally:
        tables.execute("ROLLBACK; DROP TABLE fresh")


def test_the_maintenance_database_is_the_default_one(tables: psycopg.Connection) -> None:
    row = tables.execute("SELECT current_database(), current_schema()").fetchone()
    assert row == ("postgres", "public")


def test_do_blocks_raise(tables: psycopg.Connection) -> None:
    told: list[tuple[str | None, ...]] = []
    tables.add_notice_handler(
        lambda d: told.append((d.severity, d.sqlstate, d.message_primary, d.message_hint))
    )
    tables.execute("DO $$ BEGIN RAISE NOTICE 'hello %', 1 + 1; NULL; END $$")
    tables.execute("DO LANGUAGE plpgsql 'BEGIN RAISE WARNING ''100%%'' USING HINT = ''h''; END'")
    assert told == [("NOTICE", "00000", "hello 2", None), ("WARNING", "01000", "100%", "h")]
    raised = (
        "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'unique_violation', TABLE = 't'; END $$"
    )
    with pytest.raises(errors.UniqueViolation, match="no") as caught:
        tables.execute(raised)
    assert caught.value.diag.table_name == "t"
    with pytest.raises(errors.RaiseException):
        tables.execute("DO $$ BEGIN RAISE 'plain'; END $$")


def test_do_blocks_run_statements_as_one(tables: psycopg.Connection) -> None:
    tables.execute(
        """
        DO $$ BEGIN
            CREATE TABLE done (a int);
            IF NOT EXISTS (SELECT 1 FROM done) THEN
                INSERT INTO done VALUES (1);
            ELSE
                RAISE EXCEPTION 'not empty';
            END IF;
            PERFORM count(*) FROM done;
            EXECUTE 'INSERT INTO done VALUES (' || 2 || ')';
        END $$
        """
    )
    assert tables.execute("SELECT a FROM done ORDER BY a").fetchall() == [(1,), (2,)]
    with pytest.raises(errors.DivisionByZero):
        tables.execute("DO $$ BEGIN DELETE FROM done; PERFORM 1 / 0; END $$")
    assert tables.execute("SELECT count(*) FROM done").fetchone() == (2,)


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        ("DO $$ DECLARE x int; BEGIN x := 'a'; END $$", errors.InvalidTextRepresentation),
        ("DO $$ BEGIN COMMIT; END $$", errors.FeatureNotSupported),
        ("DO $$ BEGIN RAISE NOTICE '% %', 1; END $$", errors.SyntaxError),
        ("DO $$ BEGIN RAISE no_such_condition; END $$", errors.UndefinedObject),
        ("DO LANGUAGE tcl $$ x $$", errors.UndefinedObject),
        ("DO $$ BEGIN IF true THEN NULL; END $$", errors.SyntaxError),
    ],
)
def test_other_blocks_are_refused(
    tables: psycopg.Connection, block: str, kind: type[psycopg.Error]
) -> None:
    with pytest.raises(kind):
        tables.execute(block)


@pytest.mark.parametrize(
    ("index", "key"),
    [
        ("told_some (team) WHERE id > 0", "(team)=(x)"),
        ("told_some (lower(team))", "(lower(team))=(x)"),
        ("told_some (team, id2) NULLS NOT DISTINCT", None),
    ],
)
def test_an_index_of_expressions_is_named_too(
    tables: psycopg.Connection, index: str, key: str | None
) -> None:
    tables.execute("CREATE TABLE told_team (id int PRIMARY KEY, team text, id2 int)")
    try:
        tables.execute(
            f"CREATE UNIQUE INDEX {index}".replace("told_some", "told_some ON told_team")
        )
        tables.execute("INSERT INTO told_team VALUES (1, 'x', 1)")
        with pytest.raises(errors.UniqueViolation) as caught:
            tables.execute("INSERT INTO told_team VALUES (2, 'x', 1)")
        told = caught.value.diag
        assert told.constraint_name == "told_some"
        assert '"told_some"' in (told.message_primary or "")
        if key is not None:
            assert told.message_detail == f"Key {key} already exists."
    finally:
        tables.execute("DROP TABLE told_team")


HANDLED = """DO $$ BEGIN
    INSERT INTO handled VALUES (1);
    BEGIN
        INSERT INTO handled VALUES (2);
        INSERT INTO handled VALUES (1);
    EXCEPTION
        WHEN undefined_table OR division_by_zero THEN NULL;
        WHEN unique_violation THEN
            RAISE NOTICE '% SQLERRM %', SQLSTATE, SQLERRM;
            INSERT INTO handled VALUES (3);
    END;
    INSERT INTO handled VALUES (4);
END $$"""


def test_a_block_goes_back_to_its_begin_before_it_handles_an_error(
    server: RunningServer,
) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        told: list[Any] = []
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary))
        connection.execute("CREATE TABLE handled (a INT PRIMARY KEY)")
        connection.execute(HANDLED.encode())
        kept = connection.execute("SELECT a FROM handled ORDER BY a").fetchall()
        assert kept == [(1,), (3,), (4,)]
        assert len(told) == 1
        assert told[0].startswith("23505 SQLERRM ")
        assert "duplicate key" in told[0]
        for _ in range(2):
            connection.execute(
                "DO 'BEGIN CREATE TYPE handled_mood AS ENUM (''ok'');"
                " EXCEPTION WHEN duplicate_object THEN null; END'"
            )
        with connection.transaction():
            connection.execute("INSERT INTO handled VALUES (10)")
            connection.execute(
                "DO $$ BEGIN INSERT INTO handled VALUES (11); PERFORM 1 / 0;"
                " EXCEPTION WHEN OTHERS THEN INSERT INTO handled VALUES (12); END $$"
            )
        kept = connection.execute("SELECT a FROM handled WHERE a > 9 ORDER BY a").fetchall()
        assert kept == [(10,), (12,)]
        with pytest.raises(errors.DivisionByZero):
            connection.execute(
                "DO $$ BEGIN INSERT INTO handled VALUES (20); PERFORM 1 / 0;"
                " EXCEPTION WHEN unique_violation THEN NULL; END $$"
            )
        with pytest.raises(errors.UndefinedObject, match="bogus"):
            connection.execute("DO $$ BEGIN NULL; EXCEPTION WHEN bogus THEN NULL; END $$")
        kept = connection.execute("SELECT count(*) FROM handled WHERE a > 12").fetchall()
        assert kept == [(0,)]
        connection.execute("DROP TABLE handled; DROP TYPE handled_mood")
