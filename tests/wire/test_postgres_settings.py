"""Settings, messages and ends of sessions as PostgreSQL's clients see them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fix_server import RunningServer
from psycopg import errors


@pytest.fixture
def link(server: RunningServer) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        yield connection


def _told(link: psycopg.Connection[Any], query: str) -> object:
    row = link.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_a_setting_nobody_knows_is_refused_and_ones_own_is_kept(
    link: psycopg.Connection[Any],
) -> None:
    for query in ("SET bogus = 1", "SHOW bogus"):
        with pytest.raises(errors.UndefinedObject, match="bogus"):
            link.execute(query.encode())
    link.execute("SET my.setting = 'mine'")
    assert _told(link, "SHOW my.setting") == "mine"


def test_settings_of_postgresql_without_meaning_here_are_checked_and_told_back(
    link: psycopg.Connection[Any],
) -> None:
    link.execute("SET enable_seqscan = false")
    assert _told(link, "SHOW enable_seqscan") == "off"
    with pytest.raises(errors.InvalidParameterValue):
        link.execute("SET enable_seqscan = perhaps")
    assert _told(link, "SHOW password_encryption") == "scram-sha-256"
    cursor = link.execute("SHOW datestyle")
    assert cursor.description is not None
    assert cursor.description[0].name == "DateStyle"


def test_deferrable_is_a_mode_that_is_told_back(link: psycopg.Connection[Any]) -> None:
    link.execute("BEGIN READ ONLY DEFERRABLE")
    assert _told(link, "SHOW transaction_deferrable") == "on"
    link.execute("COMMIT")
    assert _told(link, "SHOW transaction_deferrable") == "off"
    link.execute("SET SESSION CHARACTERISTICS AS TRANSACTION DEFERRABLE")
    assert _told(link, "SHOW transaction_deferrable") == "on"


def test_the_client_chooses_how_loud_messages_must_be(link: psycopg.Connection[Any]) -> None:
    heard: list[str | None] = []
    link.add_notice_handler(lambda message: heard.append(message.message_primary))
    link.execute("CREATE TEMP TABLE quiet (id SERIAL)")
    link.execute("SET client_min_messages = debug1")
    link.execute("CREATE TEMP TABLE loud (id SERIAL)")
    assert len(heard) == 1
    assert '"loud_id_seq"' in str(heard[0])
    link.execute("SET client_min_messages = error")
    link.execute("DROP TABLE IF EXISTS missing")
    assert len(heard) == 1


@pytest.mark.parametrize("query", ["SELECT pg_sleep(60)", ""])
def test_a_terminated_session_hears_57p01(server: RunningServer, query: str) -> None:
    dsn = server.postgres_dsn()
    with psycopg.connect(dsn, autocommit=True) as killer, psycopg.connect(dsn) as victim:
        end = "SELECT pg_terminate_backend(%s)"
        pid = victim.info.backend_pid
        timer = threading.Timer(0.3, lambda: killer.execute(end, (pid,)))
        timer.start()
        if not query:
            timer.join()
        with pytest.raises(errors.AdminShutdown, match="administrator"):
            victim.execute(query or "SELECT 1")
        timer.join()
        assert victim.closed


def test_who_terminates_itself_gets_no_answer(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn()) as link:
        with pytest.raises(errors.AdminShutdown):
            link.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        assert link.closed


def test_set_config_changes_the_search_path(link: psycopg.Connection[Any]) -> None:
    link.execute("CREATE SCHEMA elsewhere")
    link.execute("CREATE TABLE elsewhere.only_there (id INT PRIMARY KEY)")
    link.execute("SELECT set_config('search_path', 'missing, elsewhere', false)")
    assert link.execute("SHOW search_path").fetchone() == ("missing, elsewhere",)
    assert link.execute("SELECT current_schema()").fetchone() == ("elsewhere",)
    assert link.execute("SELECT * FROM only_there").fetchall() == []
    link.execute("SELECT set_config('search_path', %s, false)", ["public"])
    assert link.execute("SELECT current_schema()").fetchone() == ("public",)
    link.execute("DROP SCHEMA elsewhere CASCADE")


def test_a_local_search_path_lasts_as_long_as_its_transaction(
    link: psycopg.Connection[Any],
) -> None:
    link.execute("CREATE SCHEMA aside")
    here = _told(link, "SELECT current_schema()")
    for path in (
        "SET LOCAL search_path TO aside",
        "SELECT set_config('search_path', 'aside', true)",
    ):
        link.execute(b"BEGIN")
        link.execute(path.encode())
        assert _told(link, "SELECT current_schema()") == "aside"
        link.execute(b"COMMIT")
        assert _told(link, "SELECT current_schema()") == here
    link.execute("BEGIN; SET search_path TO aside; ROLLBACK")
    assert _told(link, "SELECT current_schema()") == here
    link.execute("BEGIN; SET search_path TO aside; COMMIT")
    assert _told(link, "SELECT current_schema()") == "aside"
    link.execute(f"SET search_path TO {here}; DROP SCHEMA aside".encode())


def test_a_batch_is_a_transaction_to_set_something_in(link: psycopg.Connection[Any]) -> None:
    before = _told(link, "SHOW work_mem")
    cursor = link.execute("SET LOCAL work_mem = '9MB'; SHOW work_mem")
    assert cursor.nextset()
    assert cursor.fetchone() == ("9MB",)
    assert _told(link, "SHOW work_mem") == before
    link.execute("SET LOCAL work_mem = '9MB'; BEGIN; COMMIT")
    assert _told(link, "SHOW work_mem") == before


def test_a_time_zone_may_be_an_interval(link: psycopg.Connection[Any]) -> None:
    link.execute("SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE")
    noon = "SELECT extract(hour FROM '2024-01-01 12:00+00'::timestamptz)::int"
    assert _told(link, noon) == 4


def test_the_search_path_is_shown_as_it_was_set(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as link:
        link.execute("CREATE SCHEMA shown")
        here = _told(link, "SHOW search_path")
        for path, text in (
            ("SET search_path TO shown, public", "shown, public"),
            ('SET search_path TO "Odd", shown', '"Odd", shown'),
            ("SET search_path TO shown", "shown"),
            ("SELECT set_config('search_path', 'shown,public', false)", "shown,public"),
        ):
            link.execute(path.encode())
            assert _told(link, "SHOW search_path") == text
            assert _told(link, "SELECT current_setting('search_path')") == text
            assert _told(link, "SELECT current_schema()") == "shown"
        link.execute("BEGIN; SET LOCAL search_path TO public, shown")
        assert _told(link, "SHOW search_path") == "public, shown"
        link.execute("COMMIT")
        assert _told(link, "SHOW search_path") == "shown,public"
        link.execute("RESET search_path")
        assert _told(link, "SHOW search_path") == here
        assert _told(link, "SELECT current_schema()") == here
    options = "options='-c search_path=missing,shown'"
    with psycopg.connect(f"{server.postgres_dsn()} {options}", autocommit=True) as link:
        assert _told(link, "SHOW search_path") == "missing,shown"
        assert _told(link, "SELECT current_schema()") == "shown"
        link.execute("DROP SCHEMA shown")
