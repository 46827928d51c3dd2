"""BEGIN, COMMIT, ROLLBACK and their answers in either wire's manner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect.nodes import words_of
from sql.results import Affected, Notice, Result, Severity
from sql.session import Wire
from sql.statements.modes import begin_modes, chained_modes, set_modes
from sql.transaction import Transaction

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement


def run_begin(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """Opens a transaction; MySQL commits an open one first, PostgreSQL warns."""
    tag = "START TRANSACTION" if statement.text.lstrip()[:5].upper() == "START" else "BEGIN"
    if session.transaction is not None and not session.transaction.explicit:
        session.transaction.explicit = True  # in a block: what came before belongs to it
        begin_modes(session)
        return _with_modes(session, statement, tag)
    if session.transaction is not None:
        if session.wire is not Wire.MYSQL:
            message = "there is already a transaction in progress"
            session.notice(Notice(message, Severity.WARNING, "25001"))
            return Affected(tag)
        session.end_transaction(commit=True)
    session.begin(explicit=True)
    return _with_modes(session, statement, tag)


def _with_modes(session: ClientSession, statement: ParsedStatement, tag: str) -> Result:
    assert statement.tree is not None
    set_modes(session, words_of(statement.tree, "modes"))
    return Affected(tag)


def run_commit(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """Commits; a failed transaction is rolled back instead, and the tag says so."""
    failed = session.transaction is not None and session.transaction.failed
    return _end(session, statement, commit=not failed)


def run_rollback(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """Rolls back, all or to a savepoint."""
    tree = statement.tree
    assert tree is not None
    savepoint = tree.args.get("savepoint")
    if savepoint is None:
        return _end(session, statement, commit=False)
    session.duck.settle()
    _open(session, "ROLLBACK TO SAVEPOINT").rollback_to(savepoint.name)
    session.mailbox.rollback_to(savepoint.name)
    session.local_settings.rollback_to(savepoint.name)
    return Affected("ROLLBACK")


def run_savepoint(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """SAVEPOINT name."""
    assert statement.tree is not None
    if session.transaction is None and session.wire is Wire.MYSQL:
        if session.autocommit:
            return Affected("SAVEPOINT")  # a transaction of its own, over at once
        session.begin(explicit=True)
    _open(session, "SAVEPOINT").savepoint(statement.tree.this.name)
    session.mailbox.savepoint(statement.tree.this.name)
    session.local_settings.savepoint(statement.tree.this.name)
    return Affected("SAVEPOINT")


def run_release(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """RELEASE SAVEPOINT name."""
    assert statement.tree is not None
    _open(session, "RELEASE SAVEPOINT").release(statement.tree.this.name)
    session.mailbox.release(statement.tree.this.name)
    session.local_settings.release(statement.tree.this.name)
    return Affected("RELEASE")


def _open(session: ClientSession, what: str) -> Transaction:
    if session.transaction is None:
        raise DbError(ErrorKind.NO_TRANSACTION, f"{what} can only be used in transaction blocks")
    return session.transaction


def _end(session: ClientSession, statement: ParsedStatement, *, commit: bool) -> Result:
    was_open = session.transaction is not None
    modes = chained_modes(session)
    session.end_cursors(commit=commit)
    session.end_transaction(commit=commit)
    if not was_open and session.wire is Wire.POSTGRES:
        session.notice(Notice("there is no transaction in progress", Severity.WARNING, "25P01"))
    tree = statement.tree
    if isinstance(tree, exp.Expr) and tree.args.get("chain") and was_open:
        session.begin(explicit=True)
        set_modes(session, modes)
    return Affected("COMMIT" if commit else "ROLLBACK")
