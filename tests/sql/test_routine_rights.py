"""What functions let roles do, and what they do not."""

from __future__ import annotations

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind


@pytest.fixture
def boss(databases: Databases) -> Client:
    made = client(databases.open())
    made.run("CREATE ROLE bob; CREATE SCHEMA bobs; GRANT USAGE, CREATE ON SCHEMA bobs TO bob")
    made.run("CREATE TABLE secret (a int); INSERT INTO secret VALUES (42)")
    return made


@pytest.fixture
def bob(databases: Databases, boss: Client) -> Client:
    assert databases.database is not None
    made = client(databases.database, user="bob")
    made.run("SET search_path = bobs; CREATE TABLE bobs.secret (a int)")
    return made


def denied(who: Client, text: str) -> None:
    with pytest.raises(DbError) as caught:
        who.run(text)
    assert caught.value.kind is ErrorKind.ACCESS_DENIED


@pytest.mark.parametrize("rights", ["INVOKER", "DEFINER"])
@pytest.mark.parametrize("source", ["bobs.f()", "bobs.v", "(SELECT bobs.g() AS a) x"])
def test_names_in_a_body_that_mean_another_table_later_show_nothing_more(
    bob: Client, rights: str, source: str
) -> None:
    bob.run(
        f"CREATE FUNCTION bobs.f() RETURNS SETOF int LANGUAGE sql SECURITY {rights}"
        " AS 'SELECT a FROM secret'"
    )
    bob.run(
        f"CREATE FUNCTION bobs.g() RETURNS bigint LANGUAGE sql SECURITY {rights}"
        " AS 'SELECT count(*) FROM bobs.f()'"
    )
    bob.run("CREATE VIEW bobs.v AS SELECT * FROM bobs.f() x")
    bob.run(f"SELECT * FROM {source}")
    bob.run("SET search_path = public")
    denied(bob, f"SELECT * FROM {source}")


def test_a_definer_who_may_no_longer_read_lets_nobody_read(boss: Client, bob: Client) -> None:
    boss.run("GRANT SELECT ON public.secret TO bob")
    bob.run(
        "CREATE FUNCTION bobs.f() RETURNS int LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT a FROM public.secret'"
    )
    assert bob.run("SELECT bobs.f()") == [(42,)]
    boss.run("REVOKE SELECT ON public.secret FROM bob")
    denied(bob, "SELECT bobs.f()")


def test_a_definer_with_rights_lends_them(boss: Client, bob: Client) -> None:
    boss.run(
        "CREATE FUNCTION told() RETURNS int LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT a FROM public.secret'"
    )
    assert bob.run("SET search_path = public; SELECT told()") == [(42,)]


def test_functions_are_given_and_moved_only_where_the_role_may(boss: Client, bob: Client) -> None:
    body = "$$BEGIN RETURN (SELECT a FROM public.secret); END$$"
    bob.run(f"CREATE FUNCTION bobs.f() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS {body}")
    denied(bob, "SELECT bobs.f()")
    boss.run("CREATE ROLE chief SUPERUSER")
    for owner in ("chief", "me"):
        denied(bob, f"ALTER FUNCTION bobs.f() OWNER TO {owner}")
    denied(bob, "ALTER FUNCTION bobs.f() SET SCHEMA public")
    denied(bob, "SELECT bobs.f()")
    boss.run("ALTER FUNCTION bobs.f() OWNER TO chief")
    assert bob.run("SELECT bobs.f()") == [(42,)]


def test_rights_are_asked_in_time_where_functions_double_their_calls(bob: Client) -> None:
    bob.run("SET check_function_bodies = off")
    bob.run("CREATE FUNCTION f(n int) RETURNS int LANGUAGE sql AS 'SELECT f(n) + f(n)'")
    with pytest.raises(DbError, match="too deeply"):
        bob.run("SELECT f(1)")


def test_a_role_with_functions_or_sequences_is_not_dropped(boss: Client) -> None:
    for make, gone in (
        ("CREATE FUNCTION bobs.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "FUNCTION bobs.f()"),
        ("CREATE SEQUENCE bobs.s", "SEQUENCE bobs.s"),
    ):
        boss.run(f"SET ROLE bob; {make}; RESET ROLE")
        with pytest.raises(DbError) as caught:
            boss.run("DROP ROLE bob")
        assert caught.value.kind is ErrorKind.DEPENDENT_OBJECTS
        boss.run(f"DROP {gone}")
    boss.run("REVOKE ALL ON SCHEMA bobs FROM bob; DROP ROLE bob")
