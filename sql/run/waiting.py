"""Statements that meet rows another transaction has changed: they wait for its end and run again.

Called by sql/execute.py around every statement. DuckDB refuses such a statement at once; in READ
COMMITTED it waits and then sees what was committed
(https://www.postgresql.org/docs/current/transaction-iso.html). Only a transaction that has changed
nothing in DuckDB may wait here: it holds nothing that anybody waits for, so nobody waits in a
circle. One with changes has waited for the row's lock, if it could; it repeats them over what is
committed now (sql/repeats.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from engine.errors import DbError, ErrorKind

if TYPE_CHECKING:
    from sql.client_session import ClientSession

T = TypeVar("T")

_STALE = (ErrorKind.PLAN, ErrorKind.UNDEFINED_TABLE, ErrorKind.UNDEFINED_COLUMN)
_STALE_MAX = 10  # attempts
_REPEATS_MAX = 20
_PUBLISH_SECONDS = 10.0  # a commit waits for the disk between DuckDB's end and the catalog's
_LOOK_SECONDS = (0.002, 0.01, 0.05, 0.2)  # between attempts if no transaction seems to end


def run(session: ClientSession, statement: Callable[[], T]) -> T:
    """Runs the statement, again and again while others are in its way.

    Raises: DbError; SERIALIZATION_FAILURE if this transaction holds changes itself, LOCK_TIMEOUT.
    """
    gate = session.server.gate
    seen, version = gate.ends, session.catalog.version
    try:
        return statement()
    except DbError as error:
        if not (_may_wait(session, error) or _is_stale(session, error, version)):
            if not _may_repeat(session, error):
                raise
            return _repeated(session, statement)
    session.duck.tries_again = True  # such attempts would wake each other without end
    try:
        return _tried_again(session, statement, seen)
    finally:
        session.duck.tries_again = False
        gate.left()  # whoever met the last attempt looks again


def _tried_again(session: ClientSession, statement: Callable[[], T], seen: int) -> T:
    """The statement, once others have ended that it met. Raises: as `run`."""
    gate, clock = session.server.gate, session.server.clock
    limit_ms = session.settings.lock_timeout_ms
    until_ms = clock.now_ms() + limit_ms if limit_ms else None
    attempt = 0
    while True:
        session.duck.check()
        if session.transaction is not None:
            session.transaction.recover()
        session.server.row_locks.release_keys(session.id)  # nothing hangs on them
        look = _LOOK_SECONDS[min(attempt, len(_LOOK_SECONDS) - 1)]
        gate.wait_for_end(session.id, seen, look)
        seen, version = gate.ends, session.catalog.version
        attempt += 1
        try:
            return statement()
        except DbError as error:
            stale = attempt < _STALE_MAX and _is_stale(session, error, version)
            if not (stale or _may_wait(session, error)):
                raise
        if until_ms is not None and clock.now_ms() >= until_ms:
            message = "canceling statement due to lock timeout"
            raise DbError(ErrorKind.LOCK_TIMEOUT, message) from None


def _may_repeat(session: ClientSession, error: DbError) -> bool:
    open_ = session.transaction
    if open_ is None or error.kind is not ErrorKind.SERIALIZATION_FAILURE or open_.failed:
        return False
    return open_.has_changes and open_.can_repeat


def _repeated(session: ClientSession, statement: Callable[[], T]) -> T:
    """Runs the transaction's steps again over a newer snapshot, then the statement.

    Raises: DbError; the transaction has failed if its steps cannot be what they were.
    """
    open_ = session.transaction
    assert open_ is not None
    attempt = 0
    while True:
        session.duck.check()
        session.duck.settle()
        open_.restart()
        if not open_.repeats.still_hold:
            raise open_.give_up("rows that it has changed were changed by others meanwhile")
        attempt += 1
        try:
            return statement()
        except DbError as error:
            if attempt == _REPEATS_MAX or not _may_repeat(session, error):
                raise


def _may_wait(session: ClientSession, error: DbError) -> bool:
    return error.kind is ErrorKind.SERIALIZATION_FAILURE and _is_free(session)


def _is_free(session: ClientSession) -> bool:
    open_ = session.transaction
    if open_ is None:
        return True
    holds = open_.has_changes or open_.one_moment or session.server.row_locks.holds(session.id)
    return not holds


def _is_stale(session: ClientSession, error: DbError, version: int) -> bool:
    """True if the error may come of a table that was changed while the statement was planned.

    What DuckDB has committed is in our catalog a moment later.
    """
    if error.kind not in _STALE or not _is_free(session):
        return False
    session.server.gate.wait_for_commits(session.id, _PUBLISH_SECONDS)
    return session.catalog.version != version
