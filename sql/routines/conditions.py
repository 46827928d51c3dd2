"""Conditions of MySQL's routines: which handler an error meets, and what SIGNAL raises.

Called by run.py. Source: MySQL 8.4 reference, "Condition Handling".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from engine.errors import DbError, ErrorKind
from sql.results import Notice, Severity
from sql.routines.parse import Handler

_RESERVED = ("00", "01", "02")  # classes of states that are no errors
_UNHANDLED = "Unhandled user-defined exception condition"
_NUMBERS = {"01": 1642, "02": 1643}  # of signalled warnings and missing data; else 1644


@dataclass
class Cursor:
    """A declared query; its rows while it is open, and which is next."""

    text: str
    rows: pa.Table | None = None
    at: int = 0


@dataclass
class Scope:
    """What a block has declared."""

    handlers: list[Handler] = field(default_factory=list)
    conditions: dict[str, str] = field(default_factory=dict)
    cursors: dict[str, Cursor] = field(default_factory=dict)


class ExitError(Exception):
    """An EXIT handler has run: its block is left."""

    def __init__(self, scope: Scope) -> None:
        super().__init__("a block is left")
        self.scope = scope


def handler_for(error: DbError, scopes: Sequence[Scope]) -> tuple[int, Handler] | None:
    """The handler an error meets, and the place of its block: the innermost, the most precise."""
    for place in range(len(scopes) - 1, -1, -1):
        names = merged(scopes[: place + 1])
        found = [
            (rank, handler)
            for handler in scopes[place].handlers
            if (rank := max(_rank(error, one, names) for one in handler.conditions))
        ]
        if found:
            return place, max(found, key=lambda one: one[0])[1]
    return None


def merged(scopes: Sequence[Scope]) -> Mapping[str, str]:
    """The conditions with names that the innermost of the blocks sees."""
    return {name: value for scope in scopes for name, value in scope.conditions.items()}


def _rank(error: DbError, condition: str, names: Mapping[str, str]) -> int:
    """How precisely a condition names an error; 0 if it does not."""
    condition = names.get(condition, condition)
    codes = error.codes
    if condition.isdigit() and len(condition) < len("00000"):
        return 3 * (int(condition) == codes.errno)
    if condition == "NOT FOUND":
        return int(codes.mysql_state[:2] == "02")
    if condition == "SQLWARNING":
        return int(codes.mysql_state[:2] == "01")
    if condition == "SQLEXCEPTION":
        return int(codes.mysql_state[:2] not in _RESERVED)
    return 2 * (condition == codes.mysql_state)


def signalled(condition: str, names: Mapping[str, str], items: Mapping[str, object]) -> DbError:
    """What SIGNAL raises. Raises: DbError SYNTAX for a condition that nobody declared."""
    state = names.get(condition, condition)
    if not re.fullmatch("[0-9A-Z]{5}", state):
        error = DbError(ErrorKind.SYNTAX, f"Undefined CONDITION: {condition}")
        error.mysql = (1319, "42000")
        return error
    message = items.get("MESSAGE_TEXT")
    error = DbError(
        ErrorKind.RAISED, _UNHANDLED if message is None else str(message), sqlstate=state
    )
    number = items.get("MYSQL_ERRNO")
    known = _NUMBERS.get(state[:2], 1644)
    error.mysql = (known if number is None else int(str(number)), state)
    return error


def changed(error: DbError, items: Mapping[str, object]) -> DbError:
    """The error that RESIGNAL raises again, with other items."""
    made = DbError(
        error.kind, str(items.get("MESSAGE_TEXT", error.message)), sqlstate=error.sqlstate
    )
    number = items.get("MYSQL_ERRNO", error.codes.errno)
    made.mysql = (int(str(number)), error.codes.mysql_state)
    return made


def no_data() -> DbError:
    """The condition of a row that is not there."""
    error = DbError(
        ErrorKind.RAISED,
        "No data - zero rows fetched, selected, or processed",
        sqlstate="02000",
    )
    error.mysql = (1329, "02000")
    return error


def diagnostic(error: DbError | None, rows: int, item: str) -> object:
    """An item of GET DIAGNOSTICS. Raises: DbError SYNTAX."""
    values: dict[str, object] = {"ROW_COUNT": rows, "NUMBER": 0 if error is None else 1}
    if error is not None:
        values |= {
            "RETURNED_SQLSTATE": error.codes.mysql_state,
            "MYSQL_ERRNO": error.codes.errno,
            "MESSAGE_TEXT": error.message,
        }
    fields = ("RETURNED_SQLSTATE", "MYSQL_ERRNO", "MESSAGE_TEXT", "CLASS_ORIGIN", "TABLE_NAME")
    if item not in values and item not in fields:
        raise DbError(ErrorKind.SYNTAX, f"there is no diagnostics item {item}")
    return values.get(item)


def as_warning(error: DbError) -> Notice:
    """A signalled warning that no handler took."""
    codes = error.codes
    return Notice(error.message, Severity.WARNING, codes.sqlstate, codes.errno)
