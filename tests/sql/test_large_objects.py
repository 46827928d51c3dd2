"""Large objects between sessions: whose they are, and who writes at the same time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind
from sql import large_objects

Connect = Callable[..., Client]


def test_a_write_keeps_what_others_wrote_into_the_same_page(
    db: Client, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = connect()
    ((oid,),) = db.run("SELECT lo_from_bytea(0, 'aaaa'::bytea)")
    plain, met = large_objects._change, []

    def change(session: object, oid: int, effect: Callable[[], object]) -> None:
        if not met:
            met.append(oid)
            other.run(f"SELECT lo_put({oid}, 2, 'ZZ'::bytea)")
        plain(session, oid, effect)

    monkeypatch.setattr(large_objects, "_change", change)
    db.run(f"SELECT lo_put({oid}, 0, 'YY'::bytea)")
    assert db.run(f"SELECT lo_get({oid})") == [(b"YYZZ",)]


def test_a_number_is_given_once(db: Client, connect: Connect) -> None:
    other = connect()
    db.run("BEGIN; SELECT lo_create(77)")
    other.run("BEGIN; SELECT 1")
    db.run("COMMIT")
    with pytest.raises(DbError) as caught:
        other.run("SELECT lo_create(77)")
    assert caught.value.kind is ErrorKind.UNIQUE_VIOLATION


def test_only_the_owner_reads_and_changes_one(db: Client, connect: Connect) -> None:
    db.run("CREATE ROLE low; CREATE ROLE friend IN ROLE low")
    ((oid,),) = db.run("SELECT lo_from_bytea(0, 'abc'::bytea)")
    low = connect(user="low")
    for call in (
        f"lo_get({oid})",
        f"lo_put({oid}, 0, 'x'::bytea)",
        f"lo_unlink({oid})",
        f"lo_open({oid}, 262144)",
    ):
        with pytest.raises(DbError) as caught:
            low.run(f"SELECT {call}")
        assert caught.value.kind is ErrorKind.ACCESS_DENIED
    ((own,),) = low.run("SELECT lo_from_bytea(0, 'own'::bytea)")
    assert connect(user="friend").run(f"SELECT lo_get({own})") == [(b"own",)]
    assert db.run(f"SELECT lo_get({own}), lo_get({oid})") == [(b"own", b"abc")]
