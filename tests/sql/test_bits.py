"""PostgreSQL's BIT(n) and BIT VARYING(n): how many bits a value has.

The errors are PostgreSQL 15's.
"""

from __future__ import annotations

import pytest

from engine.errors import DbError, ErrorKind
from tests.fix_database import Client

MISMATCH = "bit string length {} does not match type bit(3)"
TOO_LONG = "bit string too long for type bit varying(5)"


@pytest.fixture
def bits(db: Client) -> Client:
    db.run("CREATE TABLE t (id int PRIMARY KEY, b bit(3), v bit varying(5), c bit, w varbit)")
    db.run("INSERT INTO t VALUES (1, '101', '10', '1', '1010101010')")
    return db


@pytest.mark.parametrize(
    ("statement", "kind", "message"),
    [
        ("INSERT INTO t (id, b) VALUES (2, '1011')", ErrorKind.STRING_LENGTH, MISMATCH.format(4)),
        ("INSERT INTO t (id, b) VALUES (2, '10')", ErrorKind.STRING_LENGTH, MISMATCH.format(2)),
        ("INSERT INTO t (id, v) VALUES (2, '101010')", ErrorKind.TEXT_TOO_LONG, TOO_LONG),
        ("UPDATE t SET b = '11'", ErrorKind.STRING_LENGTH, MISMATCH.format(2)),
        ("UPDATE t SET v = '111111'", ErrorKind.TEXT_TOO_LONG, TOO_LONG),
    ],
)
def test_other_numbers_of_bits_are_refused(
    bits: Client, statement: str, kind: ErrorKind, message: str
) -> None:
    with pytest.raises(DbError, match=r"bit") as raised:
        bits.run(statement)
    assert (raised.value.kind, raised.value.message) == (kind, message)
    assert bits.run("SELECT b, v, c, w FROM t") == [("101", "10", "1", "1010101010")]


def test_fitting_bits_are_kept(bits: Client) -> None:
    bits.run("INSERT INTO t VALUES (2, '111', '', '0', ''), (3, NULL, NULL, NULL, NULL)")
    bits.run("UPDATE t SET b = '000', v = '11111' WHERE id = 2")
    assert bits.run("SELECT b, v, c, w FROM t WHERE id > 1 ORDER BY id") == [
        ("000", "11111", "0", ""),
        (None, None, None, None),
    ]


def test_the_catalog_tells_their_number(bits: Client) -> None:
    rows = bits.run(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = 't'::regclass AND attnum > 1 ORDER BY attnum"
    )
    spelled = ("bit(3)", "bit varying(5)", "bit(1)", "bit varying")
    assert rows == list(zip("bvcw", spelled, strict=True))


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("CREATE TABLE c (w int) INHERITS (t)", "INHERITS"),
        ("CREATE TABLE c (d date) PARTITION BY RANGE (d)", "PARTITION BY"),
        ("CREATE TABLE c PARTITION OF t FOR VALUES FROM (1) TO (2)", "PARTITION OF"),
        ("ALTER TABLE ONLY t ATTACH PARTITION c FOR VALUES FROM (1) TO (2)", "ATTACH PARTITION"),
        ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "ROW LEVEL SECURITY"),
    ],
)
def test_what_dumps_hold_and_we_have_not_is_named(bits: Client, statement: str, what: str) -> None:
    with pytest.raises(DbError, match=f"{what} is not supported") as raised:
        bits.run(statement)
    assert raised.value.kind is ErrorKind.UNSUPPORTED
