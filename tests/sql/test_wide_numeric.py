"""NUMERIC that no DECIMAL holds is shown as it was given."""

from __future__ import annotations

from decimal import Decimal

import pytest
from fix_database import Client

from engine.datatypes import TypeId
from engine.errors import DbError
from sql.results import Rows

_WIDE = ("NaN", "Infinity", "-Infinity", str(2**128), "1" * 30 + "." + "2" * 30)


@pytest.mark.parametrize("text", _WIDE)
def test_wide_values_are_shown_exactly(db: Client, text: str) -> None:
    assert db.run("SELECT $1::numeric", [Decimal(text)]) == [(text,)]
    assert db.run("SELECT $1::numeric::text AS t", [Decimal(text)]) == [(text,)]
    assert db.run(f"SELECT '{text}'::numeric") == [(text,)]


def test_they_are_told_as_numeric(db: Client) -> None:
    rows = db.session.execute(db.session.parse("SELECT 'NaN'::numeric, 1e100::numeric AS big")[0])
    assert isinstance(rows, Rows)
    rows.close()
    told = [(c.name, c.type.named.oid if c.type.named else 0) for c in rows.columns]
    assert told == [("numeric", 1700), ("big", 1700)]


def test_exponents_are_written_out(db: Client) -> None:
    small = "0." + "0" * 999 + "10"
    assert db.run("SELECT $1::numeric", [Decimal("1.0E-1000")]) == [(small,)]
    assert db.run("SELECT $1::numeric", [Decimal("0.50")]) == [(Decimal("0.50"),)]


def test_nothing_is_computed_with_them(db: Client) -> None:
    with pytest.raises(DbError):
        db.run("SELECT '1e50'::numeric + 1")


def test_a_null_of_numeric_stays_one(db: Client) -> None:
    text = "SELECT CASE WHEN $1::numeric IS NULL THEN 0 ELSE $1::numeric END"
    statement = db.session.parse(text)[0]
    for value, shown in ((None, 0), (Decimal("1.5"), Decimal("1.5"))):
        rows = db.session.execute(statement, [value])
        assert isinstance(rows, Rows)
        (batch,) = list(rows)
        rows.close()
        assert batch.column(0).to_pylist() == [shown]
        assert rows.columns[0].type.id is TypeId.DECIMAL
