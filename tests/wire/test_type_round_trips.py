"""Random values of every column type through every door, into both stores, and back by each."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pymysql
import pytest
from fix_server import RunningServer
from psycopg.types.json import Json

ROWS = 40
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - columns hold naive moments


@dataclass(frozen=True, slots=True)
class Kind:
    """A column type: how values are made, and what a value read back is compared as."""

    ddl: str
    make: Callable[[random.Random], Any]
    same: Callable[[Any], Any] = lambda value: value


def _whole(low: int, high: int) -> Callable[[random.Random], int]:
    return lambda r: r.choice((low, high, 0, r.randint(low, high)))


def _double(r: random.Random) -> float:
    bits = struct.unpack("<d", r.randbytes(8))[0]
    return float(r.choice((math.nan, math.inf, -math.inf, 0.1, r.gauss(0, 1e6), bits)))


def _single(r: random.Random) -> float:
    return float(struct.unpack("<f", struct.pack("<f", r.choice((1.5, r.gauss(0, 1e3)))))[0])


def _text(r: random.Random) -> str:
    return "".join(r.choice("ab'\"\\,{}[] \t\nžé🐎%_\r`$") for _ in range(r.randint(0, 12)))


def _moment(micros: int) -> Callable[[random.Random], datetime]:
    last = 4_000_000_000_000_000 // micros
    return lambda r: _EPOCH + timedelta(microseconds=r.randint(-last // 4, last) * micros)


def _float_key(value: Any) -> Any:
    return "nan" if isinstance(value, float) and math.isnan(value) else float(value)


def _span(value: Any) -> timedelta:
    """MySQL shows intervals in ISO 8601: P3DT4H5M6.789S."""
    if isinstance(value, timedelta):
        return value
    days, _, clock = value.removeprefix("P").partition("T")
    parts = {"D": 0.0, "H": 0.0, "M": 0.0, "S": 0.0}
    number = ""
    for letter in days + clock:
        if letter in parts:
            parts[letter], number = float(number), ""
        else:
            number += letter
    return timedelta(
        days=parts["D"], hours=parts["H"], minutes=parts["M"], microseconds=round(parts["S"] * 1e6)
    )


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else getattr(value, "obj", value)


def _clock(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    return timedelta(hours=value.hour, minutes=value.minute, seconds=value.second,
                     microseconds=value.microsecond)  # fmt: skip


KINDS = {
    "b": Kind("BOOLEAN", lambda r: r.random() < 0.5, bool),
    "i1": Kind("TINYINT", _whole(-128, 127)),
    "i2": Kind("SMALLINT", _whole(-(2**15), 2**15 - 1)),
    "i4": Kind("INT", _whole(-(2**31), 2**31 - 1)),
    "i8": Kind("BIGINT", _whole(-(2**63), 2**63 - 1)),
    "u1": Kind("UINT8", _whole(0, 255)),
    "u2": Kind("UINT16", _whole(0, 2**16 - 1)),
    "u4": Kind("UINT32", _whole(0, 2**32 - 1)),
    "u8": Kind("UINT64", _whole(0, 2**64 - 1), int),
    "f4": Kind("REAL", _single, lambda v: round(float(v), 2)),
    "f8": Kind("DOUBLE PRECISION", _double, _float_key),
    "d": Kind("DECIMAL(30, 6)", lambda r: Decimal(r.randint(-(10**29), 10**29)).scaleb(-6)),
    "s": Kind("STRING", _text),
    "y": Kind("VARBINARY", lambda r: r.randbytes(r.randint(0, 9)), bytes),
    "day": Kind("DATE", lambda r: date.fromordinal(r.randint(1, 3_000_000))),
    "clock": Kind("TIME", lambda r: time(r.randrange(24), r.randrange(60), 5, 250_000), _clock),
    "t0": Kind("TIMESTAMP(0)", _moment(1_000_000)),
    "t3": Kind("TIMESTAMP(3)", _moment(1_000)),
    "t6": Kind("TIMESTAMP(6)", _moment(1)),
    "span": Kind("INTERVAL", lambda r: timedelta(r.randint(0, 999), r.randint(0, 86_399)), _span),
    "j": Kind("JSON", lambda r: {"a": [r.randint(0, 9), None, "ž"], "b": {"c": True}}, _json),
}
_NAMES = tuple(KINDS)
_LIST = ", ".join(_NAMES)


def _rows(seed: int) -> list[tuple[Any, ...]]:
    r = random.Random(seed)
    made = [
        tuple(None if r.random() < 0.1 else kind.make(r) for kind in KINDS.values())
        for _ in range(ROWS)
    ]
    return [(number, *row) for number, row in enumerate(made)]


def _same(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    kinds = [Kind("", int), *KINDS.values()]
    return [
        tuple(None if v is None else k.same(v) for v, k in zip(row, kinds, strict=True))
        for row in rows
    ]


@pytest.fixture(scope="module", params=["series", "relational"])
def table(server: RunningServer, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"doors_{request.param}"
    columns = ", ".join(f"{column} {kind.ddl}" for column, kind in KINDS.items())
    time_index = ", ts TIMESTAMP TIME INDEX DEFAULT 0" if request.param == "series" else ""
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE {name} (n INT PRIMARY KEY, {columns}{time_index})".encode()
        )
    yield name
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute(f"DROP TABLE {name}".encode())


def _by_parameters(mark: str) -> Callable[[RunningServer, str, list[tuple[Any, ...]]], None]:
    def write(server: RunningServer, table: str, rows: list[tuple[Any, ...]]) -> None:
        marks = ", ".join([mark] * (len(KINDS) + 1))
        with psycopg.connect(server.postgres_dsn()) as connection, connection.cursor() as cursor:
            values = [tuple(Json(v) if isinstance(v, dict) else v for v in row) for row in rows]
            text = f"INSERT INTO {table} (n, {_LIST}) VALUES ({marks})"
            cursor.executemany(text.encode(), values)

    return write


def _by_copy(server: RunningServer, table: str, rows: list[tuple[Any, ...]]) -> None:
    question = f"COPY {table} (n, {_LIST}) FROM STDIN".encode()
    with (
        psycopg.connect(server.postgres_dsn()) as connection,
        connection.cursor().copy(question) as copy,
    ):
        for row in rows:
            copy.write_row([Json(v) if isinstance(v, dict) else v for v in row])


def _mysql(server: RunningServer) -> pymysql.Connection[Any]:
    return pymysql.connect(
        host="127.0.0.1", port=server.port("mysql"), user="gnomon", database="public",
        autocommit=True,
    )  # fmt: skip


def _by_mysql(server: RunningServer, table: str, rows: list[tuple[Any, ...]]) -> None:
    def literal(value: Any) -> Any:
        if isinstance(value, dict):
            return json.dumps(value)
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        is_span = isinstance(value, timedelta)
        return f"{value.days} days {value.seconds} seconds" if is_span else value

    marks = ", ".join(["%s"] * (len(KINDS) + 1))
    with _mysql(server) as connection, connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} (n, {_LIST}) VALUES ({marks})",
            [tuple(literal(v) for v in row) for row in rows],
        )


WRITERS = {
    "text-parameters": _by_parameters("%t"),
    "binary-parameters": _by_parameters("%b"),
    "copy": _by_copy,
    "mysql": _by_mysql,
}


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS)
def test_what_goes_in_by_one_door_comes_out_by_all(
    server: RunningServer, table: str, writer: str
) -> None:
    rows = _rows(seed=list(WRITERS).index(writer))
    question = f"SELECT n, {_LIST} FROM {table} ORDER BY n"
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute(f"DELETE FROM {table}".encode())
        WRITERS[writer](server, table, rows)
        if table.endswith("series"):
            connection.execute(f"ADMIN flush_table('{table}')".encode())
        for binary in (False, True):
            cursor = connection.cursor(binary=binary)
            assert _same(cursor.execute(question.encode()).fetchall()) == _same(rows)
    with _mysql(server) as connection, connection.cursor() as cursor:
        cursor.execute(question)
        assert _same(list(cursor.fetchall())) == _same(rows)
