"""Every example of the registry is run on every wire that offers the function."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from fix_database import Client, client

from sql.database import Database, DatabaseOptions
from sql.functions.index import FUNCTIONS
from sql.functions.registry import Function
from sql.session import Wire


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Wire, Client]]:
    database = Database.open(tmp_path_factory.mktemp("functions") / "data", DatabaseOptions())
    yield {wire: client(database, wire) for wire in Wire}
    database.close()


_CASES = [
    pytest.param(wire, entry, id=f"{wire.value}-{entry.name}")
    for entry in FUNCTIONS
    for wire in Wire
    if wire in entry.wires and entry.examples
]


@pytest.mark.parametrize(("wire", "entry"), _CASES)
def test_examples(sessions: dict[Wire, Client], wire: Wire, entry: Function) -> None:
    for expression, expected in entry.examples:
        [(found,)] = sessions[wire].run(f"SELECT {expression}")
        assert _same(_plain(found), expected), f"{expression} is {found!r}, not {expected!r}"


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (date, datetime, time, timedelta, UUID)):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _same(found: Any, expected: Any) -> bool:
    if found is None or expected is None:
        return found is expected
    if isinstance(expected, bool):
        return bool(found) is expected
    if isinstance(expected, (int, float)):
        return isinstance(found, (int, float)) and math.isclose(
            found, expected, rel_tol=1e-6, abs_tol=1e-12
        )
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(_same, found, expected))
    # A column of nanoseconds shows more zeros than one of seconds.
    return bool(found == expected) or (isinstance(found, str) and found.rstrip("0") == expected)
