"""What a session is doing, as process lists show it; asked by other threads while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sql.session import Activity, TransactionStatus

if TYPE_CHECKING:
    from sql.client_session import ClientSession


def status_of(session: ClientSession) -> TransactionStatus:
    """See `SessionApi.transaction_status`."""
    open_ = session.transaction  # read once: it may end meanwhile
    if open_ is None or not open_.explicit:
        return TransactionStatus.IDLE
    return TransactionStatus.FAILED if open_.failed else TransactionStatus.ACTIVE


def activity_of(session: ClientSession) -> Activity:
    """See `SessionApi.activity`."""
    open_ = session.transaction
    if session.running:
        state = "active"
    elif open_ is None:
        state = "idle"
    else:
        state = f"idle in transaction{' (aborted)' if open_.failed else ''}"
    waits = waits_for(session)
    return Activity(session.query, session.query_ms, state, session.connected_ms, waits)


def waits_for(session: ClientSession) -> str:
    """Which kind of lock its statement waits for, in the words of pg_stat_activity; "" for none."""
    server = session.server
    if server.locks.is_waiting(session.id):
        return "advisory"
    if server.row_locks.is_waiting(session.id):
        return "tuple"
    return "transactionid" if server.gate.is_waiting(session.id) else ""
