"""Writes rows whose place in the regions is known: nothing else happens in their statement.

Called by the tasks of this package. Agents write thousands of times a second: where the client has
no transaction open, none is begun, since a write to regions is all or nothing by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sql.statements.modes import check_writable

if TYPE_CHECKING:
    from engine.api import Write
    from sql.client_session import ClientSession


def put(session: ClientSession, writes: Sequence[Write]) -> None:
    """Writes rows of time-series tables; durable at once, or with the client's transaction.

    Raises: DbError, and nothing was written then.
    """
    if session.transaction is None and session.autocommit and not session.in_block:
        check_writable(session)
        session.write_now(writes)
        return
    with session.writing() as transaction:
        session.apply(transaction, writes)
