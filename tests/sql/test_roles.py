"""Roles, grants and what they forbid."""

from __future__ import annotations

import hashlib

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind
from sql.session import Wire
from sql.verifiers import parse_scram, scram_verifier

SCRAM = scram_verifier("secret")


@pytest.fixture
def boss(databases: Databases) -> Client:
    made = client(databases.open())
    made.run("CREATE ROLE reader; CREATE USER writer")
    made.run("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)")
    made.run("CREATE TABLE cpu (host TEXT PRIMARY KEY, ts TIMESTAMP TIME INDEX, v DOUBLE)")
    return made


def as_(databases: Databases, name: str) -> Client:
    assert databases.database is not None
    return client(databases.database, user=name)


def denied(who: Client, text: str) -> None:
    with pytest.raises(DbError) as caught:
        who.run(text)
    assert caught.value.kind is ErrorKind.ACCESS_DENIED


def test_a_role_reads_only_what_it_was_granted(databases: Databases, boss: Client) -> None:
    reader = as_(databases, "reader")
    denied(reader, "SELECT * FROM t")
    denied(reader, "SELECT 1 WHERE EXISTS (SELECT 1 FROM t)")
    boss.run("GRANT SELECT ON t TO reader")
    assert reader.run("SELECT * FROM t") == [(1,)]
    denied(reader, "INSERT INTO t VALUES (2)")
    denied(reader, "INSERT INTO t SELECT a FROM t")
    boss.run("REVOKE SELECT ON t FROM reader")
    denied(reader, "SELECT * FROM t")


@pytest.mark.parametrize(
    ("privilege", "statement"),
    [
        ("INSERT", "INSERT INTO cpu VALUES ('b', 1, 2)"),
        ("DELETE", "DELETE FROM cpu"),
        ("TRUNCATE", "TRUNCATE cpu"),
        ("UPDATE", "UPDATE cpu SET v = 3"),
    ],
)
def test_each_change_has_its_privilege(
    databases: Databases, boss: Client, privilege: str, statement: str
) -> None:
    writer = as_(databases, "writer")
    denied(writer, statement)
    boss.run(f"GRANT {privilege} ON cpu TO writer")
    writer.run(statement)


def test_definitions_need_the_owner_or_the_schema(databases: Databases, boss: Client) -> None:
    writer = as_(databases, "writer")
    boss.run("GRANT ALL ON t TO writer")
    for statement in ("DROP TABLE t", "ALTER TABLE t ADD COLUMN b INT", "CREATE TABLE u (a INT)"):
        denied(writer, statement)
    denied(writer, "CREATE SCHEMA s")
    denied(writer, "CREATE ROLE another")
    denied(writer, "COPY t TO '/x'")
    boss.run("GRANT CREATE ON SCHEMA public TO writer")
    writer.run("CREATE TABLE u (a INT); INSERT INTO u VALUES (5); DROP TABLE u")


def test_views_read_in_their_owners_name(databases: Databases, boss: Client) -> None:
    boss.run("CREATE VIEW v AS SELECT a FROM t; GRANT SELECT ON v TO reader")
    assert as_(databases, "reader").run("SELECT * FROM v") == [(1,)]


def test_members_have_the_privileges_of_their_role(databases: Databases, boss: Client) -> None:
    boss.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; GRANT reader TO writer")
    writer = as_(databases, "writer")
    assert writer.run("SELECT * FROM t") == [(1,)]
    boss.run("REVOKE reader FROM writer")
    denied(writer, "SELECT * FROM t")
    with pytest.raises(DbError):
        boss.run("GRANT reader TO reader")


def test_the_grant_option_lets_grant(databases: Databases, boss: Client) -> None:
    writer = as_(databases, "writer")
    boss.run("GRANT SELECT ON t TO writer")
    denied(writer, "GRANT SELECT ON t TO reader")
    boss.run("GRANT SELECT ON t TO writer WITH GRANT OPTION")
    writer.run("GRANT SELECT ON t TO reader")
    assert as_(databases, "reader").run("SELECT * FROM t") == [(1,)]


def test_everybody_has_what_public_has(databases: Databases, boss: Client) -> None:
    boss.run("GRANT SELECT ON t TO PUBLIC")
    assert as_(databases, "reader").run("SELECT * FROM t") == [(1,)]


def test_set_role_takes_and_gives_back(boss: Client) -> None:
    boss.run("SET ROLE reader")
    assert boss.run("SELECT current_user") == [("reader",)]
    denied(boss, "SELECT * FROM t")
    boss.run("PREPARE p AS SELECT 1")
    boss.run("SET ROLE NONE")
    assert boss.run("SELECT * FROM t") == [(1,)]
    with pytest.raises(DbError) as caught:
        boss.run("SET ROLE nobody")
    assert caught.value.kind is ErrorKind.UNDEFINED_OBJECT


def test_a_prepared_statement_is_checked_when_it_runs(boss: Client) -> None:
    boss.run("PREPARE p AS SELECT * FROM t; SET ROLE reader")
    denied(boss, "EXECUTE p")


def test_grants_are_shown_and_survive(databases: Databases, boss: Client) -> None:
    boss.run("GRANT SELECT, UPDATE ON t TO writer WITH GRANT OPTION; ALTER TABLE t RENAME TO t2")
    again = client(databases.open())
    shown = again.run(
        "SELECT grantee, privilege_type, is_grantable, grantor FROM"
        " information_schema.role_table_grants WHERE table_name = 't2' AND grantee = 'writer'"
    )
    assert sorted(shown) == [("writer", "SELECT", "YES", "me"), ("writer", "UPDATE", "YES", "me")]
    acl = again.run("SELECT relacl FROM pg_class WHERE relname = 't2'")[0][0]
    assert acl[1] == "writer=r*w*/me"
    roles = again.run("SELECT rolname, rolcanlogin FROM pg_roles WHERE NOT rolsuper ORDER BY 1")
    assert roles == [("reader", False), ("writer", True)]


def test_a_role_in_use_is_not_dropped(boss: Client) -> None:
    boss.run("GRANT SELECT ON t TO reader")
    with pytest.raises(DbError) as caught:
        boss.run("DROP ROLE reader")
    assert caught.value.kind is ErrorKind.DEPENDENT_OBJECTS
    boss.run("REVOKE ALL ON t FROM reader; DROP ROLE reader; DROP ROLE IF EXISTS reader")


def test_roles_and_grants_are_transactional(databases: Databases, boss: Client) -> None:
    boss.run("BEGIN; CREATE ROLE third; GRANT SELECT ON t TO reader; ROLLBACK")
    denied(as_(databases, "reader"), "SELECT * FROM t")
    with pytest.raises(DbError) as caught:
        boss.run("GRANT SELECT ON t TO third")
    assert caught.value.kind is ErrorKind.UNDEFINED_OBJECT


AUTHID = "SELECT rolpassword, rolvaliduntil::text, rolconnlimit FROM pg_authid WHERE rolname = "


def test_of_a_password_a_verifier_is_kept_and_shown_to_superusers(
    databases: Databases, boss: Client
) -> None:
    boss.run(
        "CREATE USER x WITH ENCRYPTED PASSWORD 'it''s' "
        "VALID UNTIL '2030-01-01 00:00:00+02' CONNECTION LIMIT 2"
    )
    [(kept, until, limit)] = boss.run(f"{AUTHID} 'x'")
    iterations, salt = parse_scram(kept)
    assert scram_verifier("it's", salt, iterations) == kept
    assert (until, limit) == ("2029-12-31 22:00:00+00", 2)
    assert as_(databases, "writer").run("SELECT passwd FROM pg_shadow WHERE usename = 'x'") == [
        (None,)
    ]
    boss.run("ALTER ROLE x PASSWORD NULL VALID UNTIL 'infinity' CONNECTION LIMIT -1")
    assert boss.run(f"{AUTHID} 'x'") == [(None, None, -1)]


@pytest.mark.parametrize(
    ("setting", "given", "kept"),
    [
        ("md5", "secret", "md5" + hashlib.md5(b"secretx").hexdigest()),
        ("scram-sha-256", "md5" + "a" * 32, "md5" + "a" * 32),
        ("md5", SCRAM, SCRAM),
        ("md5", "", None),
    ],
)
def test_a_password_is_kept_as_it_was_hashed(
    boss: Client, setting: str, given: str, kept: str | None
) -> None:
    boss.run(f"SET password_encryption = '{setting}'")
    boss.run(f"CREATE USER x PASSWORD '{given}'")
    assert boss.run(f"{AUTHID} 'x'")[0][0] == kept


def test_the_owner_of_everything_can_have_a_password(boss: Client) -> None:
    boss.run("ALTER ROLE postgres PASSWORD 'secret'")
    assert boss.run(f"{AUTHID} 'postgres'")[0][0].startswith("SCRAM-SHA-256$")
    assert boss.run("SELECT count(*) FROM pg_roles WHERE rolname = 'postgres'") == [(1,)]


@pytest.mark.parametrize(
    "options", ["PASSWORD 'SCRAM-SHA-256$x'", "CONNECTION LIMIT -2", "VALID UNTIL 'some day'"]
)
def test_options_that_cannot_be_are_refused(boss: Client, options: str) -> None:
    with pytest.raises(DbError):
        boss.run(f"CREATE ROLE x {options}")
    assert boss.run(f"{AUTHID} 'x'") == []


def test_a_role_changes_its_own_password_and_nothing_else(
    databases: Databases, boss: Client
) -> None:
    writer = as_(databases, "writer")
    writer.run("ALTER USER writer PASSWORD 'mine'")
    assert boss.run(f"{AUTHID} 'writer'")[0][0] is not None
    for text in (
        "ALTER USER writer SUPERUSER",
        "ALTER USER writer PASSWORD 'mine' CREATEDB",
        "ALTER USER reader PASSWORD 'theirs'",
        "CREATE ROLE x",
        "DROP ROLE reader",
    ):
        denied(writer, text)


def test_createrole_makes_roles_but_no_superusers(databases: Databases, boss: Client) -> None:
    boss.run("ALTER ROLE writer CREATEROLE; CREATE ROLE chief SUPERUSER")
    writer = as_(databases, "writer")
    writer.run("CREATE ROLE x LOGIN; ALTER ROLE x PASSWORD 'y'; DROP ROLE x")
    for text in (
        "CREATE ROLE x SUPERUSER",
        "ALTER ROLE chief PASSWORD 'y'",
        "ALTER ROLE postgres PASSWORD 'y'",
        "ALTER ROLE writer SUPERUSER",
        "DROP ROLE chief",
    ):
        denied(writer, text)


MERGE = "MERGE INTO cpu USING (SELECT 'x' AS h) AS s ON s.h = cpu.host WHEN"


@pytest.mark.parametrize(
    ("wire", "privileges", "statement"),
    [
        (Wire.POSTGRES, "UPDATE, SELECT", "UPDATE cpu SET v = 3 WHERE v = 2"),
        (Wire.POSTGRES, "DELETE, SELECT", "DELETE FROM cpu WHERE v = 2"),
        (Wire.POSTGRES, "DELETE, SELECT", "DELETE FROM cpu RETURNING v"),
        (Wire.POSTGRES, "INSERT, SELECT", "INSERT INTO cpu VALUES ('q', 1, 1) RETURNING v"),
        (
            Wire.POSTGRES,
            "INSERT, UPDATE, SELECT",
            "INSERT INTO cpu VALUES ('q', 1, 1) ON CONFLICT (host, ts) DO UPDATE SET v = 1",
        ),
        (Wire.POSTGRES, "UPDATE, SELECT", f"{MERGE} MATCHED THEN UPDATE SET v = 1"),
        (Wire.POSTGRES, "DELETE, SELECT", f"{MERGE} MATCHED THEN DELETE"),
        (
            Wire.POSTGRES,
            "INSERT, SELECT",
            f"{MERGE} NOT MATCHED THEN INSERT (host, ts) VALUES (s.h, 1)",
        ),
        (Wire.MYSQL, "UPDATE, SELECT", "UPDATE mine JOIN cpu ON mine.a = 1 SET cpu.v = 1"),
        (Wire.MYSQL, "DELETE, SELECT", "DELETE mine, c FROM mine JOIN cpu AS c ON mine.a = 1"),
        (Wire.MYSQL, "DELETE, SELECT", "DELETE FROM cpu USING mine JOIN cpu ON mine.a = 1"),
    ],
)
def test_a_change_needs_all_its_privileges_and_no_other(
    databases: Databases, boss: Client, wire: Wire, privileges: str, statement: str
) -> None:
    boss.run("CREATE TABLE mine (a INT); GRANT SELECT, UPDATE, DELETE ON mine TO writer")
    assert databases.database is not None
    writer = client(databases.database, wire, user="writer")
    for left_out in privileges.split(", "):
        boss.run(f"GRANT {privileges} ON cpu TO writer; REVOKE {left_out} ON cpu FROM writer")
        denied(writer, statement)
    boss.run(f"GRANT {privileges} ON cpu TO writer")
    writer.run(statement)


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("has_table_privilege('t', 'select')", True),
        ("has_table_privilege('reader', 't', 'select')", True),
        ("has_table_privilege('reader', 't', 'insert')", False),
        ("has_table_privilege('writer', 'public.t', 'Select')", True),
        ("has_table_privilege('writer', 't', 'insert with grant option')", True),
        ("has_table_privilege('writer', 't', 'update, select')", True),
        ("has_table_privilege('reader', 'pg_class', 'select')", True),
        ("has_table_privilege('reader', 'pg_class', 'delete')", False),
        ("has_any_column_privilege('reader', 't', 'select')", True),
        ("has_column_privilege('reader', 't', 'a', 'select')", True),
        ("has_column_privilege('reader', 't', 1, 'update')", False),
        ("has_schema_privilege('reader', 'public', 'usage')", True),
        ("has_schema_privilege('reader', 'public', 'create')", False),
        ("has_schema_privilege('writer', 's', 'create')", True),
        ("has_database_privilege('reader', 'public', 'connect')", True),
        ("has_database_privilege('reader', 'public', 'create')", False),
        ("pg_has_role('writer', 'reader', 'member')", True),
        ("pg_has_role('reader', 'writer', 'usage')", False),
        ("pg_has_role('reader', 'member')", True),
    ],
)
def test_privileges_are_told_as_granted(boss: Client, call: str, answer: bool) -> None:
    boss.run("GRANT SELECT ON t TO reader; GRANT reader TO writer; CREATE SCHEMA s")
    boss.run("GRANT INSERT ON t TO writer WITH GRANT OPTION; GRANT CREATE ON SCHEMA s TO reader")
    assert boss.run(f"SELECT {call}") == [(answer,)]


def test_a_role_asks_about_itself(databases: Databases, boss: Client) -> None:
    boss.run("GRANT SELECT ON t TO reader")
    reader = as_(databases, "reader")
    asked = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 2200 AND {}"
    assert reader.run(asked.format("has_table_privilege(oid, 'SELECT')")) == [("t",)]
    assert reader.run(asked.format("has_table_privilege(oid, 'DELETE')")) == []


def test_privileges_that_are_not_there(boss: Client) -> None:
    with pytest.raises(DbError) as caught:
        boss.run("SELECT has_table_privilege('t', 'fly')")
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT
    with pytest.raises(DbError) as caught:
        boss.run("SELECT has_table_privilege('nope', 'select')")
    assert caught.value.kind is ErrorKind.UNDEFINED_TABLE


def test_who_makes_a_table_owns_it(databases: Databases, boss: Client) -> None:
    as_(databases, "ann").run("CREATE TABLE hers (a INT); CREATE VIEW v AS SELECT a FROM hers")
    owners = (
        "SELECT relname, pg_get_userbyid(relowner) FROM pg_class WHERE relname IN ('hers', 'v')"
    )
    assert sorted(boss.run(owners)) == [("hers", "ann"), ("v", "ann")]
    assert boss.run("SELECT tableowner FROM pg_tables WHERE tablename = 'hers'") == [("ann",)]


def test_a_role_lasts_as_long_as_was_said(db: Client) -> None:
    db.run("CREATE ROLE other")

    def is_now(name: str) -> None:
        assert db.run("SELECT current_user") == [(name,)]

    db.run("BEGIN; SET LOCAL ROLE other")
    is_now("other")
    db.run("COMMIT")
    is_now("me")
    db.run("BEGIN; SET ROLE other; ROLLBACK")
    is_now("me")
    db.run("BEGIN; SET ROLE other; COMMIT")
    is_now("other")
    db.run("RESET ROLE")
    is_now("me")
    db.run("SET LOCAL ROLE other")
    is_now("me")
    db.run("SET ROLE other; RESET SESSION AUTHORIZATION")
    is_now("me")


@pytest.mark.parametrize(
    "text",
    [
        "CREATE SEQUENCE other",
        "CREATE SEQUENCE own.other OWNED BY t.a",
        "CREATE TYPE other AS ENUM ('x')",
        "CREATE DOMAIN other AS INT",
        "ALTER SEQUENCE s RESTART",
        "ALTER TYPE mood ADD VALUE 'c'",
        "ALTER TYPE mood OWNER TO writer",
        "DROP SEQUENCE s",
        "DROP TYPE mood CASCADE",
        "DROP INDEX i",
        "DROP SCHEMA own CASCADE",
    ],
)
def test_what_is_beside_tables_has_owners_too(
    databases: Databases, boss: Client, text: str
) -> None:
    boss.run("CREATE SEQUENCE s; CREATE TYPE mood AS ENUM ('a'); CREATE INDEX i ON t (a)")
    boss.run("CREATE SCHEMA own; GRANT ALL ON SCHEMA own TO writer; GRANT ALL ON t TO writer")
    denied(as_(databases, "writer"), text)


def test_owners_change_and_drop_what_is_theirs(databases: Databases, boss: Client) -> None:
    boss.run("CREATE SCHEMA own; GRANT ALL ON SCHEMA own TO writer")
    writer = as_(databases, "writer")
    writer.run("SET search_path TO own; CREATE TABLE u (a INT); CREATE INDEX i ON u (a)")
    writer.run("CREATE SEQUENCE s OWNED BY u.a; ALTER SEQUENCE s RESTART; DROP INDEX i")
    writer.run("CREATE TYPE mood AS ENUM ('a'); ALTER TYPE mood ADD VALUE 'b'; DROP TYPE mood")
    writer.run("DROP SEQUENCE s; DROP TABLE u")
    denied(writer, "DROP SCHEMA own")
    boss.run("ALTER USER writer CREATEDB")
    writer.run("CREATE SCHEMA mine; DROP SCHEMA mine")


def test_who_may_create_in_a_database_makes_schemas_and_works_in_them(
    databases: Databases, boss: Client
) -> None:
    (writer := as_(databases, "writer")).run("CREATE TEMP TABLE w (a INT); DROP TABLE w")
    denied(writer, "CREATE SCHEMA mine")
    boss.run("GRANT CREATE, CONNECT ON DATABASE public TO writer WITH GRANT OPTION")
    writer.run("CREATE SCHEMA IF NOT EXISTS mine; CREATE TABLE mine.u (a INT)")
    assert writer.run("SELECT has_schema_privilege('mine', 'CREATE')") == [(True,)]
    denied(as_(databases, "reader"), "CREATE TABLE mine.v (a INT)")
    writer.run("DROP SCHEMA mine CASCADE")
    boss.run("CREATE SCHEMA its; REVOKE CREATE ON DATABASE public FROM writer")
    denied(writer, "CREATE TABLE its.u (a INT)")
    denied(writer, "CREATE SCHEMA mine")


def test_procedures_have_owners(databases: Databases, boss: Client) -> None:
    assert databases.database is not None
    mine = client(databases.database, Wire.MYSQL)
    mine.run("CREATE PROCEDURE p() SELECT 1")
    low = client(databases.database, Wire.MYSQL, user="reader")
    denied(low, "DROP PROCEDURE p")
    denied(low, "CREATE PROCEDURE q() SELECT 1")


def test_what_others_count_on_is_not_for_everybody(databases: Databases, boss: Client) -> None:
    boss.run("GRANT SELECT, INSERT ON t TO reader")
    reader = as_(databases, "reader")
    denied(reader, "ALTER DATABASE public SET 'ttl' = '1d'")
    denied(reader, "BEGIN; LOCK TABLE t")
    reader.run("ROLLBACK")
    for call in ("pg_terminate_backend", "pg_cancel_backend"):
        denied(reader, f"SELECT {call}({boss.session.id})")
    own = as_(databases, "reader")
    assert reader.run(f"SELECT pg_cancel_backend({own.session.id})") == [(True,)]
    boss.run("GRANT DELETE ON t TO reader")
    reader.run("BEGIN; LOCK TABLE t; COMMIT")


def test_numbers_of_a_sequence_are_for_whom_they_were_granted(
    databases: Databases, boss: Client
) -> None:
    boss.run("CREATE SEQUENCE s")
    reader = as_(databases, "reader")
    denied(reader, "SELECT nextval('s')")
    boss.run("GRANT USAGE ON SEQUENCE s TO reader")
    assert reader.run("SELECT nextval('s'), currval('s')") == [(1, 1)]
    denied(reader, "SELECT setval('s', 9)")
    boss.run(
        "REVOKE ALL ON s FROM reader; GRANT UPDATE ON ALL SEQUENCES IN SCHEMA public TO public"
    )
    assert reader.run("SELECT setval('s', 9)") == [(9,)]
    denied(reader, "SELECT currval('s')")
    asked = "SELECT has_sequence_privilege('reader', 's', '{}')"
    assert boss.run(asked.format("update")) == [(True,)]
    assert boss.run(asked.format("usage")) == [(False,)]
    acl = "SELECT relacl FROM pg_class WHERE relname = 's'"
    assert boss.run(acl) == [(["me=rwU/me", "=w/me"],)]
    with pytest.raises(DbError) as caught:
        boss.run("GRANT INSERT ON SEQUENCE s TO reader")
    assert caught.value.kind is ErrorKind.SYNTAX


def test_what_is_made_later_has_the_default_privileges(databases: Databases, boss: Client) -> None:
    boss.run("CREATE SCHEMA other")
    boss.run("ALTER DEFAULT PRIVILEGES IN SCHEMA other GRANT SELECT ON TABLES TO reader")
    boss.run("ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT USAGE ON SEQUENCES TO reader")
    boss.run("CREATE TABLE other.u (a SERIAL); CREATE VIEW other.v AS SELECT a FROM other.u")
    boss.run("CREATE TABLE u (a INT)")
    reader = as_(databases, "reader")
    assert reader.run("SELECT * FROM other.u; SELECT * FROM other.v") == []
    assert reader.run("SELECT nextval('other.u_a_seq')") == [(1,)]
    denied(reader, "SELECT * FROM u")
    with pytest.raises(DbError) as caught:
        boss.run("DROP TABLE other.u CASCADE; DROP ROLE reader")
    assert caught.value.kind is ErrorKind.DEPENDENT_OBJECTS
    shown = boss.run("SELECT defaclobjtype, defaclacl FROM pg_default_acl ORDER BY 1")
    assert shown == [
        ("S", ["postgres=rwU/postgres", "reader=U/postgres"]),
        ("r", ["reader=r/postgres"]),
    ]
    boss.run("ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM reader")
    boss.run("ALTER DEFAULT PRIVILEGES IN SCHEMA other REVOKE SELECT ON TABLES FROM reader")
    boss.run("CREATE TABLE other.u (a INT)")
    denied(reader, "SELECT * FROM other.u")
    boss.run("DROP ROLE reader")


def test_an_index_is_renamed_by_its_own_name(databases: Databases, boss: Client) -> None:
    boss.run("CREATE TABLE i (a INT PRIMARY KEY, b INT UNIQUE); CREATE UNIQUE INDEX j ON i (b)")
    denied(as_(databases, "reader"), "ALTER INDEX j RENAME TO k")
    boss.run("ALTER INDEX j RENAME TO k; ALTER INDEX i_pkey RENAME TO p")
    boss.run("ALTER TABLE i_b_key RENAME TO u; ALTER INDEX IF EXISTS j RENAME TO l")
    names = "SELECT indexname FROM pg_indexes WHERE tablename = 'i' ORDER BY 1"
    assert boss.run(names) == [("k",), ("p",), ("u",)]
    constraints = "SELECT conname FROM pg_constraint WHERE conrelid = 'i'::regclass ORDER BY 1"
    assert boss.run(constraints) == [("p",), ("u",)]
    for text, kind in (
        ("ALTER INDEX j RENAME TO l", ErrorKind.UNDEFINED_TABLE),
        ("ALTER INDEX k RENAME TO t", ErrorKind.DUPLICATE_TABLE),
        ("ALTER INDEX t RENAME TO l", ErrorKind.WRONG_OBJECT_TYPE),
        ("ALTER INDEX cpu_pkey RENAME TO l", ErrorKind.UNSUPPORTED),
    ):
        with pytest.raises(DbError) as caught:
            boss.run(text)
        assert caught.value.kind is kind
    boss.run("DROP INDEX k; INSERT INTO i VALUES (1, 1)")
    with pytest.raises(DbError) as caught:
        boss.run("INSERT INTO i VALUES (2, 1)")
    assert caught.value.kind is ErrorKind.UNIQUE_VIOLATION
