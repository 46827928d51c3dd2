"""The tables that both databases hold: the same definitions where they can be, the same rows.

Rows are random but fixed. Values are chosen so that sums are exact in any order (floats are
multiples of a quarter) and so that ties, NULLs, empty texts, signs and cases all occur.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

INT, NUMERIC, FLOAT, TEXT = "integer", "numeric", "double precision", "text"
BOOLEAN, DATE, TIMESTAMP, INTERVAL = "boolean", "date", "timestamp", "interval"

_NAMES = ["ann", "Bob", "", "zoë", "a b", "Ann", "x_1", "50%", "émile", "  pad ", "O'Hara", "日本"]
_HOSTS = ["h1", "h2", "h3", "H1"]
_ROWS = 40


@dataclass(frozen=True)
class Source:
    """A table: its columns and types, and those that order its rows totally."""

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]


PEOPLE = Source(
    "people",
    {
        "id": INT,
        "name": TEXT,
        "age": INT,
        "score": FLOAT,
        "balance": NUMERIC,
        "active": BOOLEAN,
        "joined": DATE,
        "seen": TIMESTAMP,
        "dept": INT,
    },
    ("id",),
)
DEPTS = Source(
    "depts", {"id": INT, "title": TEXT, "budget": NUMERIC, "opened": DATE, "boss": INT}, ("id",)
)
CPU = Source(
    "cpu",
    {"host": TEXT, "rack": INT, "ts": TIMESTAMP, "busy": FLOAT, "hits": INT, "note": TEXT},
    ("host", "rack", "ts"),
)
SOURCES = (PEOPLE, DEPTS, CPU)

_PLAIN = (
    "CREATE TABLE people (id INT PRIMARY KEY, name TEXT, age INT, score DOUBLE PRECISION, "
    "balance NUMERIC(10,2), active BOOLEAN, joined DATE, seen TIMESTAMP, dept INT)",
    "CREATE TABLE depts (id INT PRIMARY KEY, title TEXT, budget NUMERIC(12,3), opened DATE, "
    "boss INT)",
)
_CPU_HERE = (
    "CREATE TABLE cpu (host TEXT, rack INT, ts TIMESTAMP(6) TIME INDEX, busy DOUBLE, hits INT, "
    "note TEXT, PRIMARY KEY (host, rack))"
)
_CPU_THERE = (
    "CREATE TABLE cpu (host TEXT, rack INT, ts TIMESTAMP(6), busy DOUBLE PRECISION, hits INT, "
    "note TEXT)"
)


def statements(*, peer: bool) -> list[str]:
    """What makes and fills the tables, in the peer's dialect or in ours."""
    made = [*_PLAIN, _CPU_THERE if peer else _CPU_HERE, *_inserts()]
    if not peer:  # half of the rows in files, half in memory
        made.insert(-1, "ADMIN flush_table('cpu')")
    return made


def _inserts() -> list[str]:
    chance = random.Random(15)
    people = [_person(chance, number) for number in range(1, _ROWS + 1)]
    depts = [_dept(chance, number) for number in range(1, 8)]
    cpu = [_sample(chance, number) for number in range(3 * _ROWS)]
    halves = cpu[: len(cpu) // 2], cpu[len(cpu) // 2 :]
    return [
        _insert("people", people),
        _insert("depts", depts),
        *(_insert("cpu", half) for half in halves),
    ]


def _insert(table: str, rows: list[str]) -> str:
    return f"INSERT INTO {table} VALUES {', '.join(rows)}"


def _maybe(chance: random.Random, text: str, share: float = 0.15) -> str:
    return "NULL" if chance.random() < share else text


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _day(chance: random.Random) -> str:
    year = chance.choice([1999, 2020, 2023, 2024])
    return f"{year}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"


def _moment(chance: random.Random) -> str:
    part = chance.choice(["", ".5", ".25", ".123456"])
    clock = f"{chance.randint(0, 23):02}:{chance.choice([0, 30, 59]):02}:{chance.randint(0, 59):02}"
    return f"'{_day(chance)} {clock}{part}'"


def _person(chance: random.Random, number: int) -> str:
    cells = [
        str(number),
        _maybe(chance, _text(chance.choice(_NAMES))),
        _maybe(chance, str(chance.randint(-5, 60))),
        _maybe(chance, str(chance.randint(-40, 40) / 4)),
        _maybe(chance, f"{chance.randint(-99_999, 99_999) / 100:.2f}"),
        _maybe(chance, chance.choice(["true", "false"])),
        _maybe(chance, f"'{_day(chance)}'"),
        _maybe(chance, _moment(chance)),
        _maybe(chance, str(chance.randint(1, 9))),
    ]
    return f"({', '.join(cells)})"


def _dept(chance: random.Random, number: int) -> str:
    cells = [
        str(number),
        _maybe(chance, _text(chance.choice(_NAMES))),
        _maybe(chance, f"{chance.randint(-999_999, 999_999) / 1000:.3f}"),
        _maybe(chance, f"'{_day(chance)}'"),
        _maybe(chance, str(chance.randint(1, _ROWS))),
    ]
    return f"({', '.join(cells)})"


def _sample(chance: random.Random, number: int) -> str:
    """Identities are unique, so that an upsert here is an insert there."""
    seconds = number * 37 % 3600
    cells = [
        _maybe(chance, _text(chance.choice(_HOSTS)), 0.05),
        _maybe(chance, str(chance.randint(1, 2)), 0.05),
        f"'2024-03-0{1 + number % 3} {seconds // 60 % 24:02}:{seconds % 60:02}:00.{number:03}'",
        _maybe(chance, str(chance.randint(-40, 400) / 4)),
        _maybe(chance, str(chance.randint(-3, 9))),
        _maybe(chance, _text(chance.choice(_NAMES))),
    ]
    return f"({', '.join(cells)})"
