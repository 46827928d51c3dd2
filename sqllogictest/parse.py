"""Reads .slt files: the records of one case, in order.

Called by the runner and by its own tests. It never connects to anything.

The format is sqllogictest's, with rows written `a | b | c`. A record ends at a blank line:

    # a comment
    statement ok                    | statement count 3     | statement error 42P01 [regex]
    CREATE TABLE t (a INT)          | INSERT ...            | SELECT * FROM missing

    skipif http                     # or: onlyif postgres mysql; applies to the next record
    query IT rowsort header         # types, then: nosort (default), rowsort, valuesort, header
    SELECT a, b FROM t
    ----
    a | b
    1 | x

    timezone Asia/Shanghai          # of the session, for the records that follow

Types: I integer, R real, D exact decimal, B boolean (true, false), T anything else as text. In SQL
and rows `$db` stands for the name of the case's own database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

WIRES = ("postgres", "mysql", "http")
SORTS = ("nosort", "rowsort", "valuesort")
SQLSTATE = re.compile(r"^(?=.*[0-9])[0-9A-Z]{5}$")


class CaseError(Exception):
    """The .slt file itself is wrong."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL whose rows do not matter.

    `error` is None for one that must succeed, else a regular expression ("" takes any error);
    `count` is None or the number of rows it must affect; `sqlstate` is "" or the expected one.
    """

    line: int
    wires: frozenset[str]
    sql: str
    count: int | None = None
    error: str | None = None
    sqlstate: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """SQL whose rows must be exactly `rows`, after sorting both when `sort` asks for it.

    `answer` is the half-open range of 0-based line numbers that holds the rows in the file.
    """

    line: int
    wires: frozenset[str]
    sql: str
    types: str
    sort: str
    header: bool
    rows: tuple[tuple[str, ...], ...]
    answer: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Timezone:
    """The session time zone of the records that follow."""

    line: int
    wires: frozenset[str]
    name: str


Record = Statement | Query | Timezone


def read(path: Path) -> list[Record]:
    """All records of one file. Raises: CaseError with the line."""
    return parse(path.read_text(encoding="utf-8"), str(path))


def parse(text: str, name: str = "<text>") -> list[Record]:
    """All records of a text. Raises: CaseError naming `name` and the line."""
    lines = text.split("\n")
    records: list[Record] = []
    wires = frozenset(WIRES)
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        if not line or line.startswith("#"):
            at += 1
            continue
        end = _block_end(lines, at)
        try:
            words = line.split()
            if words[0] in ("skipif", "onlyif"):
                wires = _restrict(wires, words)
                at += 1
                continue
            records.append(_record(lines, at, end, wires))
        except CaseError as error:
            raise CaseError(f"{name}:{at + 1}: {error}") from None
        wires = frozenset(WIRES)
        at = end
    return records


def split_row(line: str) -> tuple[str, ...]:
    """The values of one row; `\\|` is a bar inside a value."""
    return tuple(part.strip() for part in re.split(r"(?<!\\)\|", line))


def _block_end(lines: list[str], start: int) -> int:
    at = start
    while at < len(lines) and lines[at].strip():
        at += 1
    return at


def _restrict(wires: frozenset[str], words: list[str]) -> frozenset[str]:
    named = frozenset(words[1:])
    if not named or not named <= frozenset(WIRES):
        raise CaseError(f"{words[0]} takes some of {', '.join(WIRES)}")
    return wires - named if words[0] == "skipif" else wires & named


def _record(lines: list[str], at: int, end: int, wires: frozenset[str]) -> Record:
    words = lines[at].split()
    if words[0] == "statement":
        return _statement(lines, at, end, wires)
    if words[0] == "query":
        return _query(lines, at, end, wires)
    if words[0] == "timezone" and len(words) == 2:
        return Timezone(at + 1, wires, words[1])
    raise CaseError(f"no such record: {lines[at]}")


def _statement(lines: list[str], at: int, end: int, wires: frozenset[str]) -> Statement:
    words = lines[at].split(maxsplit=2)
    sql = "\n".join(lines[at + 1 : end]).strip()
    if not sql or len(words) < 2:
        raise CaseError("a statement needs an outcome and SQL")
    rest = words[2].strip() if len(words) > 2 else ""
    if words[1] == "ok" and not rest:
        return Statement(at + 1, wires, sql)
    if words[1] == "count" and rest.isdigit():
        return Statement(at + 1, wires, sql, count=int(rest))
    if words[1] == "error":
        state, _, pattern = rest.partition(" ")
        if SQLSTATE.match(state):
            return Statement(at + 1, wires, sql, error=pattern, sqlstate=state)
        return Statement(at + 1, wires, sql, error=rest)
    raise CaseError(f"no such outcome: {lines[at]}")


def _query(lines: list[str], at: int, end: int, wires: frozenset[str]) -> Query:
    words = lines[at].split()[1:]
    if not words or not set(words[0]) <= set("IRDBT"):
        raise CaseError("a query needs its types, of I, R, D, B and T")
    rule = next((i for i in range(at + 1, end) if lines[i].strip() == "----"), None)
    if rule is None:
        raise CaseError("a query needs ---- and its rows")
    sort, header = "nosort", False
    for word in words[1:]:
        if word in SORTS:
            sort = word
        elif word == "header":
            header = True
        else:
            raise CaseError(f"no such query option: {word}")
    rows = tuple(split_row(line) for line in lines[rule + 1 : end])
    wrong = next((row for row in rows if len(row) != len(words[0])), None)
    if wrong is not None:
        raise CaseError(f"{len(words[0])} types but a row of {len(wrong)} values: {wrong}")
    sql = "\n".join(lines[at + 1 : rule]).strip()
    return Query(at + 1, wires, sql, words[0], sort, header, rows, (rule + 1, end))
