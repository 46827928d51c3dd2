"""Waiting for rows and tables that other sessions have locked; LOCK TABLE.

Called by row_locking.py, and before rows are inserted. Patience is the session's lock_timeout.
https://www.postgresql.org/docs/current/sql-lock.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from sqlglot import exp

from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.acts.row_locks import Rows, Wanted
from sql.plan.tables import find_table
from sql.privileges import check_lockable
from sql.results import Affected, Result
from sql.session import Wire

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_LOCK_TABLE = re.compile(
    r"\s*(?:TABLE\s+)?(?P<names>.*?)(?:\s+IN\s+(?P<mode>[A-Z ]+?)\s+MODE)?"
    r"(?P<nowait>\s+NOWAIT)?\s*",
    re.IGNORECASE | re.DOTALL,
)
_ONLY = re.compile(r"^\s*ONLY\s|\*\s*$", re.IGNORECASE)
# Those that keep nobody from changing rows are nothing here; True: others may hold the same.
_MODES = {
    "ACCESS SHARE": None,
    "ROW SHARE": None,
    "ROW EXCLUSIVE": None,
    "SHARE UPDATE EXCLUSIVE": None,
    "SHARE": True,
    "SHARE ROW EXCLUSIVE": False,
    "EXCLUSIVE": False,
    "ACCESS EXCLUSIVE": False,
}


def lock_rows(
    session: ClientSession, wanted: Sequence[Wanted], *, nowait: bool = False, keep: bool = True
) -> bool:
    """False after others were in the way: what they have changed is looked at again."""
    patience = patience_of(session, nowait=nowait)
    if session.server.row_locks.lock(session.id, wanted, session.duck.check, patience, keep=keep):
        return True
    _check_moment(session)
    return False


def patience_of(session: ClientSession, *, nowait: bool) -> float | None:
    """How many seconds to wait for others; None: for ever."""
    return 0 if nowait else session.settings.lock_timeout_ms / 1000 or None


def _check_moment(session: ClientSession) -> None:
    """Raises: DbError SERIALIZATION_FAILURE if the transaction cannot see what others changed."""
    open_ = session.transaction
    if open_ is not None and open_.one_moment:
        raise DbError(
            ErrorKind.SERIALIZATION_FAILURE,
            "could not serialize access due to concurrent update",
            hint="run the transaction again",
        )


def check_insert(session: ClientSession, table: Table) -> None:
    """Waits while another session has locked the whole table. Raises: DbError LOCK_TIMEOUT."""
    while session.server.row_locks.is_locked(session.id, table.home_id):
        if lock_rows(session, [Wanted(table.home_id, _NONE)]):
            return


def check_upsert(session: ClientSession, table: Table) -> None:
    """Waits while others have locked any row: nobody knows which ones will be met."""
    if session.server.row_locks.concerns(session.id, table.home_id, lasting=False):
        wanted = [Wanted(table.home_id, _NONE, whole=True)]
        while not lock_rows(session, wanted, keep=False):
            pass


def run_lock_table(session: ClientSession, rest: str, text: str) -> Result:
    """LOCK TABLE names IN mode MODE. Readers are never kept waiting.

    Raises: DbError NO_TRANSACTION, UNDEFINED_TABLE, ACCESS_DENIED, LOCK_TIMEOUT, DEADLOCK, SYNTAX.
    """
    from sql.dialect.parser import parse

    found = _LOCK_TABLE.fullmatch(rest)
    mode = " ".join(((found and found["mode"]) or "ACCESS EXCLUSIVE").upper().split())
    if found is None or mode not in _MODES:
        raise DbError(ErrorKind.SYNTAX, "syntax error in LOCK TABLE")
    if session.transaction is None:
        message = "LOCK TABLE can only be used in transaction blocks"
        raise DbError(ErrorKind.NO_TRANSACTION, message)
    names = ", ".join(_ONLY.sub("", name) for name in found["names"].split(","))
    tree = parse(f"SELECT 1 FROM {names}", Wire.POSTGRES)[0].tree
    assert tree is not None
    context = session.plan_context(text)
    for node in tree.find_all(exp.Table):
        table = find_table(node, context)
        shared = _MODES[mode]
        if shared is not None:
            check_lockable(session, table)
            _lock_table(session, table, shared=shared, nowait=found["nowait"] is not None)
    return Affected("LOCK TABLE")


def _lock_table(session: ClientSession, table: Table, *, shared: bool, nowait: bool) -> None:
    server = session.server
    server.begin_row_locks(table.home_id)
    wanted = [Wanted(table.home_id, _NONE, shared, whole=True)]

    def changing() -> list[int]:
        return [one for one in server.changing(table.home_id) if one != session.id]

    patience = patience_of(session, nowait=nowait)
    while not server.row_locks.lock(session.id, wanted, session.duck.check, patience, changing):
        pass


_NONE: Rows = np.zeros(0, np.int64)
