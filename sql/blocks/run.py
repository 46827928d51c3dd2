"""DO: runs a block, each statement of it as a step of the transaction.

Called by sql/statements/utility.py. Everything a block does is undone if it fails.
https://www.postgresql.org/docs/current/sql-do.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from engine.errors import DbError, ErrorKind
from sql.blocks.conditions import sqlstate_of
from sql.blocks.parse import Block, If, Raise, Sql, Step, parse_block, put_words
from sql.dialect.parser import ParsedStatement, parse
from sql.privileges import check_privileges
from sql.results import Affected, Notice, Result, Rows, Severity
from sql.run import waiting
from sql.statements import violations

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_LANGUAGE = re.compile(r"\bLANGUAGE\s+(?:'(\w+)'|\"?(\w+)\"?)", re.IGNORECASE)
_BODY = re.compile(r"\$(\w*)\$(.*)\$\1\$|'((?:[^']|'')*)'", re.DOTALL)
_MARK = "__block_"  # of the savepoints that handlers go back to
_NOT_OTHERS = ("57014", "P0004")  # query_canceled, assert_failure
_Caught = Mapping[str, str]  # what a handler may say of its error: SQLERRM, SQLSTATE
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
    block = parse_block(source)
    alone = session.transaction is None
    if alone:
        session.begin(explicit=False)
    _run_block(session, block, {})
    if alone:
        session.end_transaction(commit=True)
    return Affected("DO")


def _run(session: ClientSession, steps: tuple[Step, ...], caught: _Caught) -> None:
    for step in steps:
        session.duck.check()
        if isinstance(step, Raise):
            _raise(session, step, caught)
        elif isinstance(step, Sql):
            text = step.text
            if step.is_dynamic:
                text = str(_value(session, text, caught))
            for statement in parse(put_words(text, caught), session.wire):
                _run_sql(session, statement)
        elif isinstance(step, If):
            _run_branch(session, step, caught)
        else:
            _run_block(session, step, caught)


def _run_branch(session: ClientSession, step: If, caught: _Caught) -> None:
    for condition, steps in step.branches:
        if _value(session, condition, caught) is True:
            _run(session, steps, caught)
            return


def _run_block(session: ClientSession, block: Block, caught: _Caught) -> None:
    """A block with handlers goes back to its begin before one of them runs."""
    if not block.handlers:
        _run(session, block.steps, caught)
        return
    handlers = [([_meant(name) for name in names], steps) for names, steps in block.handlers]
    transaction, mark = session.transaction, f"{_MARK}{id(block)}"
    assert transaction is not None
    transaction.savepoint(mark)
    session.mailbox.savepoint(mark)
    try:
        _run(session, block.steps, caught)
    except DbError as error:
        state = error.codes.sqlstate
        found = next((steps for meant, steps in handlers if any(m(state) for m in meant)), None)
        if found is None:
            raise
        session.duck.settle()
        transaction.rollback_to(mark)
        session.mailbox.rollback_to(mark)
        message = error.message.replace("'", "''")
        _run(session, found, {"SQLERRM": f"'{message}'", "SQLSTATE": f"'{state}'"})
    transaction.release(mark)
    session.mailbox.release(mark)


def _meant(condition: str) -> Callable[[str], bool]:
    """Whether an error's SQLSTATE is what a handler's condition means.

    Raises: DbError UNDEFINED_OBJECT.
    """
    if condition == "others":
        return lambda state: state not in _NOT_OTHERS
    wanted = sqlstate_of(condition)
    if wanted.endswith("000"):  # all of the class
        return lambda state: state[:2] == wanted[:2]
    return lambda state: state == wanted


def _run_sql(session: ClientSession, statement: ParsedStatement) -> None:
    from sql.execute import handler_of

    tree = statement.tree
    if tree is None:
        return
    if tree.key.endswith("transaction") or tree.key == "savepoint":
        raise DbError(ErrorKind.UNSUPPORTED, "a DO block cannot end or divide its transaction")
    check_privileges(session, lambda: tree)
    transaction = session.transaction
    assert transaction is not None

    def again() -> None:
        result = handler_of(statement)(session, statement, ())
        if isinstance(result, Rows):
            for _ in result:
                session.duck.check()
            result.close()

    def step() -> None:
        with transaction.step(again, session.moment_ms()):
            again()

    try:
        waiting.run(session, step)
    except DbError as error:
        violations.tell(session, lambda: tree, error)
        raise


def _value(session: ClientSession, expression: str, caught: _Caught) -> object:
    """What an expression gives. Raises: DbError."""
    return session.evaluate(put_words(expression, caught), 1)[0].as_py()


# RAISE. https://www.postgresql.org/docs/current/plpgsql-errors-and-messages.html


def _raise(session: ClientSession, step: Raise, caught: _Caught) -> None:
    options = {name: _text(_value(session, value, caught)) for name, value in step.options}
    code = options.get("ERRCODE") or step.condition
    state = sqlstate_of(code) if code else None
    message = options.get("MESSAGE")
    if step.text is not None:
        message = _formatted(session, step, caught)
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


def _formatted(session: ClientSession, step: Raise, caught: _Caught) -> str:
    assert step.text is not None
    parts = re.split(r"(%%|%)", step.text)
    wanted = parts.count("%")
    if wanted != len(step.arguments):
        few = "few" if wanted > len(step.arguments) else "many"
        raise DbError(ErrorKind.SYNTAX, f"too {few} parameters specified for RAISE")
    values = iter(step.arguments)
    filled = [
        _text(_value(session, next(values), caught)) if part == "%" else part.replace("%%", "%")
        for part in parts
    ]
    return "".join(filled)


def _text(value: object) -> str:
    if value is None:
        return "<NULL>"
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)
