"""DO: runs a block, as one step of the transaction.

Called by sql/statements/utility.py. Everything a block does is undone if it fails.
https://www.postgresql.org/docs/current/sql-do.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import DbError, ErrorKind
from sql.blocks.conditions import sqlstate_of
from sql.blocks.parse import If, Raise, Sql, Step, parse_block
from sql.dialect.parser import ParsedStatement, parse
from sql.privileges import check_privileges
from sql.results import Affected, Notice, Result, Rows, Severity

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_LANGUAGE = re.compile(r"\bLANGUAGE\s+(?:'(\w+)'|\"?(\w+)\"?)", re.IGNORECASE)
_BODY = re.compile(r"\$(\w*)\$(.*)\$\1\$|'((?:[^']|'')*)'", re.DOTALL)
_FIELDS = ("COLUMN", "CONSTRAINT", "DATATYPE", "TABLE", "SCHEMA")


def run_do(session: ClientSession, text: str) -> Result:
    """`text` is what follows DO. Raises: DbError, also any that the block raises itself."""
    body = _BODY.search(text)
    if body is None:
        raise DbError(ErrorKind.SYNTAX, "no inline code specified")
    outside = text[: body.start()] + text[body.end() :]
    language = _LANGUAGE.search(outside)
    name = (language[1] or language[2]).lower() if language is not None else "plpgsql"
    if name != "plpgsql":
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f'language "{name}" does not exist')
    source = body[2] if body[2] is not None else body[3].replace("''", "'")
    steps = parse_block(source)
    alone = session.transaction is None
    if alone:
        session.begin(explicit=False)
    _run(session, steps)
    if alone:
        session.end_transaction(commit=True)
    return Affected("DO")


def _run(session: ClientSession, steps: tuple[Step, ...]) -> None:
    for step in steps:
        session.duck.check()
        if isinstance(step, Raise):
            _raise(session, step)
        elif isinstance(step, Sql):
            text = str(_value(session, step.text)) if step.is_dynamic else step.text
            for statement in parse(text, session.wire):
                _run_sql(session, statement)
        else:
            _run_branch(session, step)


def _run_branch(session: ClientSession, step: If) -> None:
    for condition, steps in step.branches:
        if _value(session, condition) is True:
            _run(session, steps)
            return


def _run_sql(session: ClientSession, statement: ParsedStatement) -> None:
    from sql.execute import handler_of

    tree = statement.tree
    if tree is None:
        return
    if tree.key.endswith("transaction") or tree.key == "savepoint":
        raise DbError(ErrorKind.UNSUPPORTED, "a DO block cannot end or divide its transaction")
    check_privileges(session, lambda: tree)
    result = handler_of(statement)(session, statement, ())
    if isinstance(result, Rows):
        for _ in result:
            session.duck.check()
        result.close()


def _value(session: ClientSession, expression: str) -> object:
    """What an expression gives. Raises: DbError."""
    return session.evaluate(expression, 1)[0].as_py()


# RAISE. https://www.postgresql.org/docs/current/plpgsql-errors-and-messages.html


def _raise(session: ClientSession, step: Raise) -> None:
    options = {name: _text(_value(session, value)) for name, value in step.options}
    code = options.get("ERRCODE") or step.condition
    state = sqlstate_of(code) if code else None
    message = options.get("MESSAGE")
    if step.text is not None:
        message = _formatted(session, step)
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


def _formatted(session: ClientSession, step: Raise) -> str:
    assert step.text is not None
    parts = re.split(r"(%%|%)", step.text)
    wanted = parts.count("%")
    if wanted != len(step.arguments):
        few = "few" if wanted > len(step.arguments) else "many"
        raise DbError(ErrorKind.SYNTAX, f"too {few} parameters specified for RAISE")
    values = iter(step.arguments)
    filled = [
        _text(_value(session, next(values))) if part == "%" else part.replace("%%", "%")
        for part in parts
    ]
    return "".join(filled)


def _text(value: object) -> str:
    if value is None:
        return "<NULL>"
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)
