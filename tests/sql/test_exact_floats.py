"""Decimal numbers become the floats nearest to them, however they come into a column."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random

import numpy as np
import pytest
from fix_database import Client

from sql.session import Wire

Connect = Callable[..., Client]
_RANDOM = Random(42)
_TEXTS = ["42.23", "0.1", "-7.3", "123456789.123456789"] + [
    f"{_RANDOM.randrange(10**9)}.{_RANDOM.randrange(10**6):06}" for _ in range(200)
]


@pytest.mark.parametrize("wire", list(Wire))
@pytest.mark.parametrize(
    "source",
    [
        "VALUES {pairs}",
        "SELECT x, x FROM (SELECT {first} AS x UNION ALL SELECT * FROM (VALUES {ones}) AS v) AS q",
    ],
)
def test_decimals_in_columns_of_floats(connect: Connect, wire: Wire, source: str) -> None:
    db = connect(wire)
    db.run("CREATE TABLE f (d DOUBLE PRECISION, r FLOAT4)")
    ones = ", ".join(f"({text})" for text in _TEXTS[1:])
    pairs = ", ".join(f"({text}, {text})" for text in _TEXTS)
    db.run("INSERT INTO f " + source.format(pairs=pairs, first=_TEXTS[0], ones=ones))
    stored = db.run("SELECT d, r FROM f")
    assert sorted(stored) == sorted((float(t), float(np.float32(t))) for t in _TEXTS)


def test_lists_of_decimals(db: Client) -> None:
    db.run("CREATE TABLE f (l DOUBLE PRECISION[])")
    db.run(f"INSERT INTO f VALUES (ARRAY[{', '.join(_TEXTS)}, NULL]), (NULL)")
    assert db.run("SELECT l FROM f") == [([*map(float, _TEXTS), None],), (None,)]


def test_decimal_parameters(db: Client) -> None:
    db.run("CREATE TABLE f (d DOUBLE, r REAL)")
    for text in _TEXTS[:10]:
        db.run("INSERT INTO f VALUES ($1, $2)", [Decimal(text), Decimal(text)])
    stored = db.run("SELECT d, r FROM f")
    assert sorted(stored) == sorted((float(t), float(np.float32(t))) for t in _TEXTS[:10])
