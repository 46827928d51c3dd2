"""set_config() and current_setting() in queries."""

from __future__ import annotations

import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind


@pytest.mark.parametrize(
    ("text", "parameters", "name", "value"),
    [
        ("SELECT set_config('jit', 'on', false)", (), "jit", "on"),
        ("SELECT pg_catalog.set_config('lock_timeout', $1, false)", ("5",), "lock_timeout", "5ms"),
        ("SELECT set_config('lock_timeout', '7', $1)", ("f",), "lock_timeout", "7ms"),
        ("SELECT set_config(name, '3', false) FROM pg_settings", (), "lock_timeout", "0"),
        ("SELECT 'set_config'", (), "jit", "off"),
    ],
)
def test_literal_names_are_set(
    db: Client, text: str, parameters: tuple[str, ...], name: str, value: str
) -> None:
    db.run(text, parameters)
    assert db.run(f"SELECT current_setting('{name}')") == [(value,)]


def test_what_is_set_so_is_no_default(db: Client) -> None:
    db.run("SELECT set_config('statement_timeout', '5000', false); RESET ALL")
    assert db.run("SHOW statement_timeout") == [("0",)]
    db.run("SELECT set_config('statement_timeout', '5000', false); DISCARD ALL")
    assert db.run("SHOW statement_timeout") == [("0",)]


def test_local_ones_end_with_the_transaction(db: Client) -> None:
    db.run("BEGIN; SELECT set_config('lock_timeout', '5', true)")
    assert db.run("SHOW lock_timeout") == [("5ms",)]
    db.run("COMMIT")
    assert db.run("SHOW lock_timeout") == [("0",)]
    db.run("SELECT set_config('lock_timeout', '5', true)")
    assert db.run("SHOW lock_timeout") == [("0",)]


def test_the_role_is_set_as_by_set_role(db: Client) -> None:
    db.run("CREATE ROLE low; BEGIN; SELECT set_config('role', 'low', true)")
    assert db.run("SELECT current_user") == [("low",)]
    db.run("COMMIT")
    assert db.run("SELECT current_user") == [("me",)]
    with pytest.raises(DbError):
        db.run("SELECT set_config('role', 'nobody', false)")


def test_a_rollback_takes_back_what_was_set(db: Client) -> None:
    db.run("SET my.x = '1'; BEGIN; SELECT set_config('my.x', '5', false); ROLLBACK")
    assert db.run("SELECT current_setting('my.x')") == [("1",)]


def test_a_setting_may_be_missing(db: Client) -> None:
    assert db.run("SELECT current_setting('my.x', true)") == [(None,)]
    for text in ("current_setting('my.x')", "current_setting('my.x', false)"):
        with pytest.raises(DbError) as caught:
            db.run(f"SELECT {text}")
        assert caught.value.kind is ErrorKind.UNDEFINED_OBJECT


def test_a_rollback_to_a_savepoint_takes_back_what_was_set_since(db: Client) -> None:
    db.run("CREATE SCHEMA aside; BEGIN; SET my.x = '1'; SET LOCAL lock_timeout = '1s'")
    db.run("SAVEPOINT a; SET my.x = '2'; SET LOCAL lock_timeout = '2s'; SET search_path TO aside")
    db.run("SAVEPOINT b; SET my.x = '3'; SAVEPOINT c; RELEASE c; ROLLBACK TO b")
    assert db.run("SHOW my.x") == [("2",)]
    assert db.run("SELECT current_schema()") == [("aside",)]
    db.run("ROLLBACK TO a")
    assert db.run("SHOW my.x") == [("1",)]
    assert db.run("SHOW lock_timeout") == [("1s",)]
    assert db.run("SELECT current_schema()") == [("public",)]
    db.run("SET jit = 'on'; COMMIT")
    assert db.run("SHOW lock_timeout") == [("0",)]
    assert db.run("SELECT current_setting('my.x'), current_setting('jit')") == [("1", "on")]
