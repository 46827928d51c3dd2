"""Defaults that are another value for each row."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client

from sql.session import Wire

Connect = Callable[..., Client]


@pytest.mark.parametrize(
    ("wire", "column"),
    [
        (Wire.POSTGRES, "v uuid PRIMARY KEY DEFAULT gen_random_uuid()"),
        (Wire.POSTGRES, "v uuid PRIMARY KEY DEFAULT uuid_generate_v4()"),
        (Wire.POSTGRES, "v float8 DEFAULT random()"),
        (Wire.POSTGRES, "v text DEFAULT 'x' || gen_random_uuid()::text"),
        (Wire.MYSQL, "v CHAR(36) DEFAULT (uuid())"),
        (Wire.MYSQL, "v DOUBLE DEFAULT (rand())"),
    ],
)
def test_every_row_has_its_own(connect: Connect, wire: Wire, column: str) -> None:
    client = connect(wire)
    client.run(f"CREATE TABLE t (n int, {column})")
    client.run("INSERT INTO t (n) VALUES (1), (2), (3)")
    client.run("INSERT INTO t (n) SELECT n FROM t")
    assert client.run("SELECT count(*), count(DISTINCT v) FROM t") == [(6, 6)]


def test_the_present_time_is_one_for_a_statement(db: Client) -> None:
    db.run("CREATE TABLE t (n int, at timestamptz DEFAULT now(), m int DEFAULT abs(-3))")
    db.run("INSERT INTO t (n) VALUES (1), (2), (3)")
    assert db.run("SELECT count(DISTINCT at), sum(m) FROM t") == [(1, 9)]
