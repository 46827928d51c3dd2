"""Advisory locks and notifications between sessions, and functions that end or wait."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import pytest
from fix_database import Client, Later
from patience import wait_until

from engine.errors import DbError, ErrorKind
from sql.acts.locks import AdvisoryLocks, Hold
from sql.client_session import ClientSession
from sql.session import TransactionStatus, Wire

Connect = Callable[..., Client]


def one(client: Client, text: str) -> object:
    return client.run(text)[0][0]


def received(client: Client) -> list[tuple[str, str]]:
    return [(n.channel, n.payload) for n in client.session.take_notifications()]


# --- Advisory locks -------------------------------------------------------------------------------


def test_a_lock_is_held_until_it_is_given_back_as_often_as_taken(
    db: Client, connect: Connect
) -> None:
    other = connect()
    db.run("SELECT pg_advisory_lock(7)")
    assert one(db, "SELECT pg_try_advisory_lock(7)") is True
    assert one(other, "SELECT pg_try_advisory_lock(7)") is False
    assert one(other, "SELECT pg_try_advisory_lock(7, 0)") is True  # another kind of name
    assert one(db, "SELECT pg_advisory_unlock(7)") is True
    assert one(other, "SELECT pg_try_advisory_lock(7)") is False
    assert one(db, "SELECT pg_advisory_unlock(7)") is True
    assert one(other, "SELECT pg_try_advisory_lock(7)") is True
    assert one(db, "SELECT pg_advisory_unlock(7)") is False


def test_shared_locks_admit_each_other_only(db: Client, connect: Connect) -> None:
    other = connect()
    db.run("SELECT pg_advisory_lock_shared(1)")
    assert one(other, "SELECT pg_try_advisory_lock_shared(1)") is True
    assert one(connect(), "SELECT pg_try_advisory_lock(1)") is False


def test_a_transactions_lock_ends_with_it(db: Client, connect: Connect) -> None:
    other = connect()
    for end in ("COMMIT", "ROLLBACK"):
        db.run("BEGIN; SELECT pg_advisory_xact_lock(3)")
        assert one(other, "SELECT pg_try_advisory_xact_lock(3)") is False
        db.run(end)
        assert one(other, "SELECT pg_try_advisory_xact_lock(3)") is True
    db.run("SELECT pg_advisory_xact_lock(3)")  # autocommit: it is over at once
    assert one(other, "SELECT pg_try_advisory_lock(3)") is True


def test_locks_end_with_the_session(db: Client, connect: Connect) -> None:
    other = connect()
    other.run("SELECT pg_advisory_lock(5)")
    other.session.close()
    assert one(db, "SELECT pg_try_advisory_lock(5)") is True


def test_a_session_waits_for_a_lock(db: Client, connect: Connect) -> None:
    other = connect()
    db.run("SELECT pg_advisory_lock(9)")
    waiting = Later(other, "SELECT pg_advisory_lock(9)")
    assert waiting.is_waiting()
    db.run("SELECT pg_advisory_unlock(9)")
    waiting.end()
    assert one(db, "SELECT pg_try_advisory_lock(9)") is False


def test_waiting_in_a_circle_is_a_deadlock(db: Client, connect: Connect) -> None:
    other = connect()
    db.run("SELECT pg_advisory_lock(1)")
    other.run("SELECT pg_advisory_lock(2)")
    waiting = Later(db, "SELECT pg_advisory_lock(2)")
    assert waiting.is_waiting()
    with pytest.raises(DbError) as caught:
        other.run("SELECT pg_advisory_lock(1)")
    assert caught.value.kind is ErrorKind.DEADLOCK
    other.run("SELECT pg_advisory_unlock_all()")
    waiting.end()
    assert waiting.error is None


def test_waiting_for_a_lock_ends_with_lock_timeout_or_cancel(db: Client, connect: Connect) -> None:
    other = connect()
    db.run("SELECT pg_advisory_lock(1)")
    with pytest.raises(DbError) as caught:
        other.run("SET lock_timeout = '60ms'; SELECT pg_advisory_lock(1)")
    assert caught.value.kind is ErrorKind.LOCK_TIMEOUT
    with pytest.raises(DbError) as caught:
        other.run(
            "SET lock_timeout = 0; SET statement_timeout = '80ms'; SELECT pg_advisory_lock(1)"
        )
    assert caught.value.kind is ErrorKind.TIMEOUT


def test_what_others_give_back_shortens_no_patience() -> None:
    locks, noisy = AdvisoryLocks(), threading.Event()
    assert locks.try_lock(1, "wanted", Hold())

    def others_come_and_go() -> None:
        while not noisy.is_set():
            locks.try_lock(3, "other", Hold())
            locks.unlock_all(3)

    noise = threading.Thread(target=others_come_and_go)
    noise.start()
    started = time.monotonic()
    try:
        assert not locks.lock(2, "wanted", Hold(), lambda: None, 0.3)
    finally:
        noisy.set()
        noise.join()
    assert time.monotonic() - started >= 0.3


def test_who_waits_is_told_in_pg_stat_activity(db: Client, connect: Connect) -> None:
    first, watching = connect(), connect()
    db.run("CREATE TABLE t (v INT); CREATE TABLE u (v INT); INSERT INTO t VALUES (0)")
    db.run("INSERT INTO u VALUES (0)")
    shown = f"SELECT wait_event_type, wait_event FROM pg_stat_activity WHERE pid = {db.session.id}"
    for taken, wanted, event in (
        ("SELECT pg_advisory_xact_lock(1)", "SELECT pg_advisory_lock(1)", "advisory"),
        ("SELECT v FROM t FOR UPDATE", "SELECT v FROM t FOR UPDATE", "tuple"),
        ("UPDATE u SET v = v + 1", "UPDATE u SET v = v + 1", "transactionid"),
    ):
        first.run(f"BEGIN; {taken}")
        later = Later(db, wanted)
        wait_until(lambda event=event: watching.run(shown) == [("Lock", event)])
        first.run("COMMIT")
        later.end()
        assert watching.run(shown) == [(None, None)]


def test_a_transaction_may_end_while_others_look(
    db: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.run("BEGIN")
    found = itertools.chain([db.session.transaction], itertools.repeat(None))
    monkeypatch.setattr(
        ClientSession, "transaction", property(lambda self: next(found)), raising=False
    )
    assert db.session.activity.state == "idle in transaction"
    assert db.session.transaction_status is TransactionStatus.IDLE


def test_locks_are_listed(db: Client, connect: Connect) -> None:
    db.run("SELECT pg_advisory_lock(4294967298)")
    rows = connect().run(
        "SELECT classid, objid, objsubid, pid, mode, granted FROM pg_locks"
        " WHERE locktype = 'advisory'"
    )
    assert [tuple(map(str, row)) for row in rows] == [
        ("1", "2", "1", str(db.session.id), "ExclusiveLock", "True")
    ]


def test_mysql_locks_have_names(connect: Connect) -> None:
    first, second = connect(Wire.MYSQL), connect(Wire.MYSQL)
    assert one(first, "SELECT get_lock('job', 0)") == 1
    assert one(second, "SELECT get_lock('JOB', 0)") == 0
    assert one(second, "SELECT is_used_lock('job')") == first.session.id
    assert one(second, "SELECT release_lock('job')") == 0
    assert one(first, "SELECT release_lock('job')") == 1
    assert one(second, "SELECT is_free_lock('job')") == 1


# --- Notifications --------------------------------------------------------------------------------


def test_a_notification_comes_when_its_sender_commits(db: Client, connect: Connect) -> None:
    other = connect()
    other.run("LISTEN news")
    db.run("BEGIN; NOTIFY news, 'it''s here'; NOTIFY news, 'it''s here'; NOTIFY other")
    assert received(other) == []
    db.run("COMMIT")
    assert received(other) == [("news", "it's here")]
    db.run("BEGIN; NOTIFY news; ROLLBACK; NOTIFY news")
    assert received(other) == [("news", "")]


def test_a_session_hears_itself_until_unlisten(db: Client) -> None:
    db.run("LISTEN \"Two Words\"; SELECT pg_notify('Two Words', 'x')")
    assert received(db) == [("Two Words", "x")]
    db.run("UNLISTEN *; SELECT pg_notify('Two Words', 'x')")
    assert received(db) == []


def test_rollback_to_forgets_what_came_after(db: Client) -> None:
    db.run("LISTEN c; BEGIN; NOTIFY c, '1'; SAVEPOINT s; NOTIFY c, '2'; ROLLBACK TO s; COMMIT")
    assert received(db) == [("c", "1")]


def test_too_long_notifications_are_refused(db: Client) -> None:
    for text in ("SELECT pg_notify('', 'x')", f"NOTIFY a, '{'x' * 8000}'"):
        with pytest.raises(DbError) as caught:
            db.run(text)
        assert caught.value.kind is ErrorKind.INVALID_ARGUMENT
    with pytest.raises(DbError) as caught:
        db.run("NOTIFY 'a'")
    assert caught.value.kind is ErrorKind.SYNTAX


def test_rows_notify_once_each(db: Client) -> None:
    db.run("LISTEN c; SELECT pg_notify('c', i::text) FROM generate_series(1, 3) AS t(i)")
    assert received(db) == [("c", "1"), ("c", "2"), ("c", "3")]


# --- Others ---------------------------------------------------------------------------------------


def test_another_sessions_statement_is_cancelled(db: Client, connect: Connect) -> None:
    other = connect()
    sleeping = Later(other, "SELECT pg_sleep(600)")
    wait_until(lambda: other.session.activity.state == "active")
    assert one(db, f"SELECT pg_cancel_backend({other.session.id})") is True
    sleeping.end()
    assert sleeping.error is not None
    assert sleeping.error.kind is ErrorKind.CANCELLED
