"""One query against two PostgreSQL servers: are the answers the same, in values and types?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from psycopg.postgres import types
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from tests.differential.queries import Query

_FLOATS, _NUMERIC = (700, 701), 1700
_REL = 1e-9
# Ours and the peer's types where they may differ, and why.
ACCEPTED = {
    ("varchar", "text"): "there is one type of text",
    ("int8", "int4"): "lengths, positions, ntile and the like are 64 bits wide",
    ("int8", "numeric"): "sums of bigint are bigint, and an error beyond that",
    ("float8", "numeric"): "numeric division, 1e3 and functions of DOUBLE alone give DOUBLE",
}

Cell = float | Decimal | str | None


@dataclass(frozen=True)
class Answer:
    """Rows as text with the types' numbers, or the SQLSTATE and message of an error."""

    types: tuple[int, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    sqlstate: str = ""
    message: str = ""


def ask(connection: PGconn, text: str) -> Answer:
    """What a server answers."""
    result = connection.exec_(text.encode())
    if result.status != ExecStatus.TUPLES_OK:
        state = result.error_field(DiagnosticField.SQLSTATE) or b"?????"
        message = result.error_message or b"no message"
        return Answer(sqlstate=state.decode(), message=message.decode())
    oids = tuple(result.ftype(place) for place in range(result.nfields))
    rows = tuple(
        tuple(_cell(result, row, place, oids[place]) for place in range(len(oids)))
        for row in range(result.ntuples)
    )
    return Answer(oids, rows)


def _cell(result: PGresult, row: int, place: int, kind: int) -> Cell:
    raw = result.get_value(row, place)
    if raw is None:
        return None
    if kind in _FLOATS:
        return float(raw)
    return Decimal(raw.decode()) if kind == _NUMERIC else raw.decode()


def difference(query: Query, ours: Answer, theirs: Answer) -> str | None:
    """What is not the same; None if nothing is, or the peer refuses the query.

    A row-dependent failure (class 22) may be met or not, by the order in which conditions are
    looked at; so only our failing alone is a difference.
    """
    if theirs.sqlstate or ours.sqlstate == "22003":  # NUMERIC of more than 38 digits is theirs
        return None
    if ours.sqlstate:
        return f"we answer {ours.sqlstate} {ours.message.strip()}"
    if (wrong := _types(ours.types, theirs.types)) is not None:
        return wrong
    if len(ours.rows) != len(theirs.rows):
        return f"{len(ours.rows)} rows, theirs {len(theirs.rows)}"
    mine, others = ours.rows, theirs.rows
    if not query.ordered:
        mine, others = _sorted(mine), _sorted(others)
    for place, (one, other) in enumerate(zip(mine, others, strict=True)):
        if not all(_same(a, b) for a, b in zip(one, other, strict=True)):
            return f"row {place}: {_shown(one)}, theirs {_shown(other)}"
    return None


def _types(ours: tuple[int, ...], theirs: tuple[int, ...]) -> str | None:
    """The first type that must not differ so."""
    for place, (one, other) in enumerate(zip(ours, theirs, strict=True), 1):
        pair = _type_name(one), _type_name(other)
        if one != other and pair not in ACCEPTED:
            return f"type {pair[0]}, theirs {pair[1]} (output {place})"
    return None


def _type_name(oid: int) -> str:
    found = types.get(oid)
    return found.name if found is not None else str(oid)


def _sorted(rows: tuple[tuple[Cell, ...], ...]) -> tuple[tuple[Cell, ...], ...]:
    def key(row: tuple[Cell, ...]) -> list[str]:
        return [
            f"{float(cell) + 0.0:.6e}" if isinstance(cell, float | Decimal) else repr(cell)
            for cell in row
        ]  # -0 is 0

    return tuple(sorted(rows, key=key))


def _same(one: Cell, other: Cell) -> bool:
    if isinstance(one, float | Decimal) and isinstance(other, float | Decimal):
        first, second = float(one), float(other)
        alike = math.isclose(first, second, rel_tol=_REL, abs_tol=1e-12)
        return alike or (math.isnan(first) and math.isnan(second))
    return one == other


def _shown(row: tuple[Cell, ...]) -> str:
    return "(" + ", ".join("NULL" if cell is None else str(cell) for cell in row) + ")"
