"""RAISE: what a block tells its client, or fails with.

Called by run.py. https://www.postgresql.org/docs/current/plpgsql-errors-and-messages.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.errors import DbError, ErrorKind
from sql.blocks.conditions import sqlstate_of
from sql.blocks.steps import Raise
from sql.results import Notice, Severity

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_FIELDS = ("COLUMN", "CONSTRAINT", "DATATYPE", "TABLE", "SCHEMA")
_Value = Callable[[str], object]  # what an expression gives


def tell(session: ClientSession, step: Raise, value: _Value) -> None:
    """Sends a notice. Raises: DbError of the level EXCEPTION."""
    options = {name: text_of(value(text)) for name, text in step.options}
    code = options.get("ERRCODE") or step.condition
    state = sqlstate_of(code) if code else None
    message = options.get("MESSAGE")
    if step.text is not None:
        message = _formatted(step, value)
    if message is None:
        message = step.condition or code or state or "unhandled exception"
    about = {name.lower(): options[name] for name in _FIELDS if name in options}
    if step.level == "EXCEPTION":
        raise DbError(
            ErrorKind.RAISED,
            message,
            detail=options.get("DETAIL"),
            hint=options.get("HINT"),
            sqlstate=state,
            about=about,
        )
    severity = Severity[step.level]
    default = "01000" if severity is Severity.WARNING else "00000"
    session.notice(
        Notice(
            message,
            severity,
            state or default,
            hint=options.get("HINT"),
            detail=options.get("DETAIL"),
            about=about,
        )
    )


def _formatted(step: Raise, value: _Value) -> str:
    assert step.text is not None
    parts = re.split(r"(%%|%)", step.text)
    wanted = parts.count("%")
    if wanted != len(step.arguments):
        few = "few" if wanted > len(step.arguments) else "many"
        raise DbError(ErrorKind.SYNTAX, f"too {few} parameters specified for RAISE")
    values = iter(step.arguments)
    filled = [
        text_of(value(next(values))) if part == "%" else part.replace("%%", "%") for part in parts
    ]
    return "".join(filled)


def text_of(value: object) -> str:
    """A value in a message."""
    if value is None:
        return "<NULL>"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, list):
        return "{" + ",".join(text_of(item) for item in value) + "}"
    return str(value)
