"""FOR UPDATE and its kin: who waits for whom, who is told so at once, what is skipped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from fix_database import Client, Later

from engine.errors import DbError, ErrorKind
from sql.acts.row_locks import RowLocks, Wanted
from sql.steps import Expectation, check_expected

Connect = Callable[..., Client]
TABLES = {
    "rows": "CREATE TABLE acc (id INT PRIMARY KEY, v INT)",
    "series": "CREATE TABLE acc (ts TIMESTAMP DEFAULT '2024-01-01' TIME INDEX, id INT, v INT,"
    " PRIMARY KEY (id))",
}
LOCK = "BEGIN; SELECT v FROM acc WHERE id = 1 FOR UPDATE"


@pytest.fixture(params=list(TABLES))
def a(request: pytest.FixtureRequest, db: Client) -> Client:
    db.run(f"{TABLES[request.param]}; INSERT INTO acc (id, v) VALUES (1, 0), (2, 0), (3, 0)")
    return db


@pytest.fixture
def b(a: Client, connect: Connect) -> Client:
    return connect()


CHANGES = ["UPDATE acc SET v = v + 5 WHERE id = 1", "DELETE FROM acc WHERE id = 1"]


@pytest.mark.parametrize("change", [*CHANGES, "SELECT v FROM acc WHERE id = 1 FOR UPDATE"])
def test_a_locked_row_is_waited_for(a: Client, b: Client, change: str) -> None:
    a.run(LOCK)
    b.run("BEGIN")
    later = Later(b, change)
    assert later.is_waiting()
    a.run("UPDATE acc SET v = 1 WHERE id = 1; COMMIT")
    later.end()
    assert later.error is None
    b.run("COMMIT")
    rest = a.run("SELECT v FROM acc WHERE id = 1")
    assert rest == {CHANGES[0]: [(6,)], CHANGES[1]: []}.get(change, [(1,)])


def test_who_waited_sees_what_was_committed(a: Client, b: Client) -> None:
    a.run(LOCK)
    later = Later(b, LOCK)
    assert later.is_waiting()
    a.run("UPDATE acc SET v = 7 WHERE id = 1; COMMIT")
    later.end()
    assert later.answer == [(7,)]


def test_other_rows_are_free(a: Client, b: Client) -> None:
    a.run(LOCK)
    assert b.run("UPDATE acc SET v = 2 WHERE id = 2") == 1
    assert b.run("SELECT id FROM acc WHERE id = 3 FOR UPDATE NOWAIT") == [(3,)]


def test_nowait_and_lock_timeout_give_up(a: Client, b: Client) -> None:
    a.run(LOCK)
    for text in (
        "SELECT v FROM acc WHERE id = 1 FOR UPDATE NOWAIT",
        "SET lock_timeout = '60ms'; UPDATE acc SET v = 3 WHERE id = 1",
    ):
        with pytest.raises(DbError) as caught:
            b.run(text)
        assert caught.value.kind is ErrorKind.LOCK_TIMEOUT


def test_locked_rows_are_skipped_and_others_take_their_place(a: Client, b: Client) -> None:
    first = "SELECT id FROM acc ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
    assert a.run(f"BEGIN; {first}") == [(1,)]
    assert b.run(f"BEGIN; {first}") == [(2,)]
    assert b.run("SELECT id FROM acc ORDER BY id OFFSET 1 FOR UPDATE SKIP LOCKED") == [(3,)]
    a.run("COMMIT")
    assert b.run("SELECT count(*) FROM (SELECT 1 FROM acc) AS one") == [(3,)]


def test_a_queue_by_a_sub_query(a: Client, b: Client) -> None:
    take = (
        "UPDATE acc SET v = 9 WHERE id = (SELECT id FROM acc WHERE v = 0 ORDER BY id"
        " FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id"
    )
    assert a.run(f"BEGIN; {take}") == [(1,)]
    assert b.run(f"BEGIN; {take}") == [(2,)]
    b.run("COMMIT")
    a.run("COMMIT")
    assert a.run(take) == [(3,)]
    assert a.run(take) == []


def test_shared_locks_are_shared(a: Client, b: Client) -> None:
    a.run("BEGIN; SELECT id FROM acc WHERE id = 1 FOR SHARE")
    assert b.run("SELECT id FROM acc WHERE id = 1 FOR KEY SHARE NOWAIT") == [(1,)]
    with pytest.raises(DbError, match="could not obtain lock"):
        b.run("SELECT id FROM acc WHERE id = 1 FOR UPDATE NOWAIT")


def test_waiting_in_a_circle_is_told(a: Client, b: Client) -> None:
    a.run(LOCK)
    b.run("BEGIN; SELECT v FROM acc WHERE id = 2 FOR UPDATE")
    later = Later(a, "UPDATE acc SET v = 1 WHERE id = 2")
    assert later.is_waiting()
    with pytest.raises(DbError) as caught:
        b.run("SELECT v FROM acc WHERE id = 1 FOR UPDATE")
    assert caught.value.kind is ErrorKind.DEADLOCK
    b.run("ROLLBACK")
    later.end()
    assert later.error is None


def test_changes_made_before_anybody_locked_rows_are_waited_for(a: Client, b: Client) -> None:
    a.run("BEGIN; UPDATE acc SET v = 4 WHERE id = 1")
    later = Later(b, LOCK)
    assert later.is_waiting()
    a.run("COMMIT")
    later.end()
    assert later.answer == [(4,)]


def test_an_upsert_meets_locks(a: Client, b: Client) -> None:
    a.run(LOCK)
    key = (
        "ts, id"
        if a.run(
            "SELECT 1 FROM information_schema.columns WHERE column_name = 'ts'"
            " AND table_name = 'acc'"
        )
        else "id"
    )
    later = Later(
        b,
        f"INSERT INTO acc (id, v) VALUES (1, 8) ON CONFLICT ({key}) DO UPDATE SET v = excluded.v",
    )
    assert later.is_waiting()
    a.run("ROLLBACK")
    later.end()
    assert b.run("SELECT v FROM acc WHERE id = 1") == [(8,)]


def test_a_locked_table(a: Client, b: Client) -> None:
    with pytest.raises(DbError, match="only be used in transaction blocks"):
        a.run("LOCK TABLE acc")
    a.run("BEGIN; LOCK TABLE acc IN SHARE ROW EXCLUSIVE MODE")
    later = Later(b, "INSERT INTO acc (id, v) VALUES (4, 4)")
    assert later.is_waiting()
    assert a.run("SELECT count(*) FROM acc") == [(3,)]
    a.run("COMMIT")
    later.end()
    assert a.run("SELECT count(*) FROM acc") == [(4,)]
    with pytest.raises(DbError, match='"nope" does not exist'):
        a.run("BEGIN; LOCK TABLE nope")


def test_locking_a_table_waits_for_its_writers(a: Client, b: Client) -> None:
    a.run("BEGIN; INSERT INTO acc (id, v) VALUES (4, 4)")
    with pytest.raises(DbError, match="could not obtain lock"):
        b.run("BEGIN; LOCK TABLE acc IN EXCLUSIVE MODE NOWAIT")
    b.run("ROLLBACK")
    later = Later(b, "BEGIN; LOCK acc IN EXCLUSIVE MODE; SELECT count(*) FROM acc")
    assert later.is_waiting()
    a.run("COMMIT")
    later.end()
    assert later.answer == [(4,)]


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("SELECT DISTINCT v FROM acc FOR UPDATE", "DISTINCT"),
        ("SELECT v FROM acc GROUP BY v FOR SHARE", "FOR SHARE is not allowed with GROUP BY"),
        ("SELECT count(*) FROM acc FOR UPDATE", "aggregate"),
        ("SELECT row_number() OVER () FROM acc FOR UPDATE", "window"),
        ("SELECT * FROM acc FOR UPDATE OF nope", "not found in FROM"),
        ("BEGIN READ ONLY; SELECT * FROM acc FOR UPDATE", "read-only"),
        ("SELECT * FROM (SELECT v FROM acc) AS s FOR UPDATE", "sub-query cannot be locked"),
    ],
)
def test_what_cannot_be_locked_is_told(a: Client, query: str, what: str) -> None:
    with pytest.raises(DbError, match=what):
        a.run(query)


def test_locks_end_with_their_session(a: Client, b: Client) -> None:
    a.run(LOCK)
    a.session.close()
    assert b.run("SELECT v FROM acc WHERE id = 1 FOR UPDATE NOWAIT") == [(0,)]


def test_two_phase_commit_is_refused_as_where_it_is_disabled(db: Client) -> None:
    db.run("BEGIN")
    with pytest.raises(DbError) as caught:
        db.run("PREPARE TRANSACTION 'a'")
    assert caught.value.kind is ErrorKind.NOT_READY
    assert db.session.transaction is None
    with pytest.raises(DbError, match='identifier "a" does not exist'):
        db.run("COMMIT PREPARED 'a'")


def test_the_end_of_other_transactions_shortens_no_patience() -> None:
    locks = RowLocks()
    locks.begin(1, list)
    locks.lock(1, [rows_of(5)], lambda: None)
    noisy = threading.Event()

    def others_end() -> None:
        while not noisy.is_set():
            locks.end_transaction(3)

    noise = threading.Thread(target=others_end)
    noise.start()
    started = time.monotonic()
    try:
        with pytest.raises(DbError) as error:
            locks.lock(2, [rows_of(5)], lambda: None, seconds=0.3)
    finally:
        noisy.set()
        noise.join()
    assert error.value.kind is ErrorKind.LOCK_TIMEOUT
    assert time.monotonic() - started >= 0.3


def test_many_locks_lie_in_few_arrays_and_all_count() -> None:
    locks = RowLocks()
    locks.begin(1, list)
    for row in range(2000):
        locks.lock(1, [rows_of(row, shared=row % 2 == 0)], lambda: None)
    assert sum(map(len, locks._held[1].values())) < 40
    assert locks.count_of_others(2, 1) == 2000
    (free,) = locks.lock_free(2, [Wanted(1, np.array([-1, 0, 1, 1999, 2000]), shared=True)])
    assert free.tolist() == [True, True, False, False, True]
    locks.end_transaction(1)
    assert locks.lock(3, [rows_of(1, 3)], lambda: None, 0)


def test_a_table_is_not_locked_while_a_commit_of_its_rows_is_on_its_way(
    a: Client, b: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go = threading.Event(), threading.Event()
    a.run("BEGIN; UPDATE acc SET v = 9 WHERE id = 1")

    def held_up(expected: Sequence[Expectation]) -> None:
        reached.set()
        assert go.wait(60)
        check_expected(expected)

    monkeypatch.setattr("sql.transaction.check_expected", held_up)
    committing = Later(a, "COMMIT")
    assert reached.wait(60)
    b.run("BEGIN")
    locking = Later(b, "LOCK TABLE acc IN EXCLUSIVE MODE")
    assert locking.is_waiting()
    go.set()
    committing.end()
    locking.end()
    assert (committing.error, locking.error) == (None, None)
    assert b.run("SELECT v FROM acc WHERE id = 1") == [(9,)]


def rows_of(*rows: int, shared: bool = False) -> Wanted:
    return Wanted(1, np.array(rows, np.int64), shared)
