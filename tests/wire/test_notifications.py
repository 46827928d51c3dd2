"""Notifications reach psycopg: with an answer, while the client only waits, never within."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest


def test_a_waiting_client_is_told(server: Any) -> None:
    with (
        psycopg.connect(server.postgres_dsn(), autocommit=True) as listener,
        psycopg.connect(server.postgres_dsn()) as sender,
    ):
        listener.execute("LISTEN news")
        sender.execute("SELECT pg_notify('news', 'hello')")
        assert list(listener.notifies(timeout=0.1)) == []
        sender.commit()
        (found,) = listener.notifies(timeout=60, stop_after=1)
        assert (found.channel, found.payload) == ("news", "hello")
        assert found.pid == sender.info.backend_pid


def test_an_open_transaction_is_told_after_its_end(server: Any) -> None:
    with (
        psycopg.connect(server.postgres_dsn(), autocommit=True) as sender,
        psycopg.connect(server.postgres_dsn()) as listener,
    ):
        listener.execute("LISTEN later")
        listener.commit()
        found: list[str] = []
        listener.add_notify_handler(lambda notify: found.append(notify.payload))
        listener.execute("SELECT 1")
        sender.execute("NOTIFY later, 'x'")
        listener.execute("SELECT 1")
        assert found == []
        listener.commit()
        listener.execute("SELECT 1")
        assert found == ["x"]


def test_a_terminated_backend_is_gone(server: Any) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as admin:
        victim = psycopg.connect(server.postgres_dsn(), autocommit=True)
        pid = victim.info.backend_pid
        assert admin.execute("SELECT pg_terminate_backend(%s)", [pid]).fetchone() == (True,)
        with pytest.raises(psycopg.OperationalError):
            victim.execute("SELECT 1")
        victim.close()
