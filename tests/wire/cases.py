"""The one table of questions that every real driver has to answer alike.

Read by test_values.py. `{}` in SQL is the next parameter, spelled by each driver in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

SETUP = (
    "CREATE TABLE typed (id INT PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX, b BOOLEAN, i1 TINYINT, "
    "i2 SMALLINT, i4 INT, i8 BIGINT, f4 FLOAT, f8 DOUBLE, d DECIMAL(12, 4), s STRING, "
    "y VARBINARY, day DATE, us TIMESTAMP(6), j JSON)",
    "INSERT INTO typed VALUES "
    "(1, 1000, true, 127, 32767, 2147483647, 9223372036854775807, 1.5, 0.1, 12345678.9012, "
    "'žluťoučký 🐎', X'00ff7f', '2024-02-29', '2024-02-29 12:30:45.123456', '{\"a\":[1,2]}'), "
    "(2, 2000, false, -128, -32768, -2147483648, -9223372036854775808, -0.25, -1e300, -0.0001, "
    "'', X'', '1969-07-20', '1969-07-20 20:17:40', '[]'), "
    "(3, 3000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    "CREATE TABLE host (ts TIMESTAMP(3) TIME INDEX, host STRING PRIMARY KEY, val BIGINT)",
    "INSERT INTO host VALUES (0, 'a', 0), (5000, 'a', NULL), (10000, 'a', 1), (20000, 'a', 2)",
    "CREATE TABLE owner (name VARCHAR(20) PRIMARY KEY, since DATE)",
    "INSERT INTO owner VALUES ('a', '2020-01-01'), ('b', NULL)",
)

HUGE = 9223372036854775807
NOON = datetime(2024, 2, 29, 12, 30, 45, 123456)  # noqa: DTZ001 - wires carry naive values
MOON = datetime(1969, 7, 20, 20, 17, 40)  # noqa: DTZ001


def at(seconds: int) -> datetime:
    """A naive UTC moment of 1970-01-01."""
    return datetime(1970, 1, 1, 0, 0, seconds)  # noqa: DTZ001


@dataclass(frozen=True, slots=True)
class Case:
    """A query, its parameters and the Python values that every driver must return."""

    name: str
    sql: str
    expected: list[tuple[Any, ...]]
    parameters: tuple[Any, ...] = ()


def column(name: str, first: Any, second: Any) -> Case:
    """A column of `typed`: two values and NULL."""
    return Case(
        f"column {name}", f"SELECT {name} FROM typed ORDER BY id", [(first,), (second,), (None,)]
    )


def finds(name: str, value: Any, row: int = 1) -> Case:
    """A parameter compared with a column finds that row."""
    return Case(
        f"parameter {name}", f"SELECT id FROM typed WHERE {name} = {{}}", [(row,)], (value,)
    )


CASES = (
    Case("one", "SELECT 1", [(1,)]),
    Case("several columns", "SELECT 1, 'two', NULL", [(1, "two", None)]),
    Case("no rows", "SELECT id, s FROM typed WHERE 1 = 0", []),
    column("b", True, False),
    column("i1", 127, -128),
    column("i2", 32767, -32768),
    column("i4", 2147483647, -2147483648),
    column("i8", HUGE, -HUGE - 1),
    column("f4", 1.5, -0.25),
    column("f8", 0.1, -1e300),
    column("d", Decimal("12345678.9012"), Decimal("-0.0001")),
    column("s", "žluťoučký 🐎", ""),
    column("y", b"\x00\xff\x7f", b""),
    column("day", date(2024, 2, 29), date(1969, 7, 20)),
    column("us", NOON, MOON),
    Case("column ts", "SELECT ts FROM typed ORDER BY id", [(at(1),), (at(2),), (at(3),)]),
    finds("b", True),
    finds("i2", 32767),
    finds("i4", -2147483648, 2),
    finds("i8", HUGE),
    finds("f8", 0.1),
    finds("d", Decimal("12345678.9012")),
    finds("s", "žluťoučký 🐎"),
    finds("day", date(2024, 2, 29)),
    finds("us", NOON),
    finds("ts", at(2), 2),
    Case(
        "several parameters",
        "SELECT id FROM typed WHERE i4 > {} AND s <> {} AND ts < {} ORDER BY id",
        [(1,)],
        (5, 'it\'s \\ "quoted"', at(3)),
    ),
    Case("null parameter", "SELECT count(*) FROM typed WHERE i4 = {}", [(0,)], (None,)),
    Case("limit parameter", "SELECT id FROM typed ORDER BY id LIMIT {}", [(1,), (2,)], (2,)),
    Case("percent sign", "SELECT count(*) FROM typed WHERE s LIKE {}", [(1,)], ("ž%",)),
    Case(
        "aggregates",
        "SELECT count(*), count(i4), max(i8), min(ts), avg(f4) FROM typed",
        [(3, 2, HUGE, at(1), 0.625)],
    ),
    Case(
        "range",
        "SELECT ts, host, min(val) RANGE '5s' FILL PREV FROM host ALIGN '5s' ORDER BY ts",
        [(at(0), "a", 0), (at(5), "a", 0), (at(10), "a", 1), (at(15), "a", 1), (at(20), "a", 2)],
    ),
    Case(
        "join with parameters",
        "SELECT h.host, o.since, sum(h.val) FROM host h JOIN owner o ON o.name = h.host "
        "WHERE h.ts >= {} AND o.name = {} GROUP BY h.host, o.since",
        [("a", date(2020, 1, 1), 3)],
        (at(5), "a"),
    ),
    Case("text with separators", "SELECT 'tab\tand | bar'", [("tab\tand | bar",)]),
    Case("many columns", f"SELECT {', '.join(map(str, range(300)))}", [tuple(range(300))]),
    Case("long text", "SELECT repeat('x', 100000)", [("x" * 100000,)]),
)

# Inserted by parameters into a fresh row, then read back: (column, value). The very first and last
# days are left out: asyncpg sends them as -infinity and infinity.
ROUND_TRIPS: tuple[tuple[str, Any], ...] = (
    ("b", True),
    ("i1", -5),
    ("i2", 1234),
    ("i4", -70000),
    ("i8", 2**53 + 1),
    ("f4", 0.5),
    ("f8", 1 / 3),
    ("f8", 1e-300),
    ("d", Decimal("0.1000")),
    ("d", Decimal("-99999999.9999")),
    ("s", "plain"),
    ("s", "'; DROP TABLE typed; --"),
    ("s", 'back\\slash, "double", new\nline'),
    ("y", bytes(range(256))),
    ("day", date(1, 1, 2)),
    ("day", date(9999, 12, 30)),
    ("us", datetime(2262, 4, 11, 23, 47, 16, 854775)),  # noqa: DTZ001
    ("us", datetime(1970, 1, 1)),  # noqa: DTZ001
    ("s", None),
    ("i8", None),
    ("us", None),
)
