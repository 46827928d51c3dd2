"""PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED: as in a server that allows none.

PostgreSQL's own default is max_prepared_transactions = 0, and its answers are these.
https://www.postgresql.org/docs/current/sql-prepare-transaction.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import DbError, ErrorKind
from sql.results import Affected, Notice, Result, Severity

if TYPE_CHECKING:
    from sql.client_session import ClientSession

VERBS = frozenset({"PREPARE TRANSACTION", "COMMIT PREPARED", "ROLLBACK PREPARED"})


def run(session: ClientSession, verb: str, rest: str) -> Result:
    """Ends the open transaction, or finds none prepared. Raises: DbError NOT_READY and others."""
    if verb == "PREPARE TRANSACTION":
        return _prepare(session)
    if session.transaction is not None:
        message = f"{verb} cannot run inside a transaction block"
        raise DbError(ErrorKind.ACTIVE_TRANSACTION, message)
    name = re.sub(r"(?i)^\s*prepared\s+", "", rest).strip().strip("'").replace("''", "'")
    message = f'prepared transaction with identifier "{name}" does not exist'
    raise DbError(ErrorKind.UNDEFINED_OBJECT, message)


def _prepare(session: ClientSession) -> Result:
    if session.transaction is None:
        session.notice(Notice("there is no transaction in progress", Severity.WARNING, "25P01"))
        return Affected("ROLLBACK")
    session.end_cursors(commit=False)
    session.end_transaction(commit=False)
    raise DbError(
        ErrorKind.NOT_READY,
        "prepared transactions are disabled",
        hint="the transaction has been rolled back; two-phase commit is not offered",
    )
