"""Geometric types: what they read, what they print, and their bytes."""

from __future__ import annotations

import struct

import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind
from sql.named.geometric import packer_of, reader_of, unpacker_of

_SAMPLES = (
    ("point", " ( 1 , -2.5 ) ", "(1,-2.5)"),
    ("point", "1e3,inf", "(1000,Infinity)"),
    ("lseg", "1,2,3,4", "[(1,2),(3,4)]"),
    ("box", "(1,2),(3,4)", "(3,4),(1,2)"),
    ("path", "[(1,2),(3,4)]", "[(1,2),(3,4)]"),
    ("path", "(1,2),(3,4)", "((1,2),(3,4))"),
    ("polygon", "((1,2),(3,4),(5,6))", "((1,2),(3,4),(5,6))"),
    ("line", "{1,2,3}", "{1,2,3}"),
    ("circle", "<(1,2),3>", "<(1,2),3>"),
)


@pytest.mark.parametrize(("name", "text", "shown"), _SAMPLES)
def test_texts_and_bytes(name: str, text: str, shown: str) -> None:
    assert reader_of(name)(text, "UTC") == shown
    assert unpacker_of(name)(packer_of(name)(shown)) == shown


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            ("point", "1 2"),
            ("point", "(1,2"),
            ("point", "#,#"),
            ("point", "n,n"),
            ("box", "1,2,3"),
        ),
        *(("line", "{0,0,1}"), ("circle", "<(1,2),-3>"), ("path", "[1,2,3]"), ("point", "")),
    ],
)
def test_other_texts_are_refused(name: str, text: str) -> None:
    with pytest.raises(DbError) as caught:
        reader_of(name)(text, "UTC")
    assert caught.value.kind is ErrorKind.INVALID_TEXT


def test_other_bytes_are_refused() -> None:
    for name, data in (("point", b"\0" * 8), ("path", b"\1" + struct.pack("!i", 2) + b"\0" * 16)):
        with pytest.raises((ValueError, struct.error)):
            unpacker_of(name)(data)


def test_columns_keep_them(db: Client) -> None:
    db.run("CREATE TABLE t (p POINT, b box, x txid_snapshot, y xid8)")
    db.run("INSERT INTO t VALUES ('1,2', '1,2,3,4', '10:20:10,14', '7'), (NULL, NULL, NULL, '10')")
    assert db.run("SELECT * FROM t ORDER BY y") == [
        ("(1,2)", "(3,4),(1,2)", "10:20:10,14", "7"),
        (None, None, None, "10"),
    ]
    assert db.run("SELECT justify_hours(interval '-2 days 22 hours')::text") == [
        ("-1 days -02:00:00",)
    ]
