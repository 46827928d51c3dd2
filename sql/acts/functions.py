"""SQL functions that do something: pg_notify, advisory locks, pg_sleep, pg_cancel_backend …

In a plan each is a call of one DuckDB function, `gn_act(session, what, a, b)`, made here; it runs
once for each row, when the row is computed, and never while a statement is planned.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import duckdb
from duckdb.func import FunctionNullHandling

from engine.clock import wall_us
from engine.errors import DbError, ErrorKind
from sql.acts.locks import Hold
from sql.privileges import check_owner

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.database import Database

ACT = "gn_act"
_SLEEP_LOOK_SECONDS = 0.02
_SECONDS_MAX = 10 * 365 * 86_400.0

Act = Callable[["ClientSession", str | None, str | None], str | None]


def install_acts(database: Database, cursor: duckdb.DuckDBPyConnection) -> Callable[..., object]:
    """Makes the function known to the store; whoever opened it keeps what this returns."""

    def act(session_id: int, what: str, a: str | None, b: str | None) -> str | None:
        session = database.session(session_id)
        if session is None:
            return None
        try:
            return ACTS[what](session, a, b)
        except DbError as error:
            # DuckDB keeps only the text; sql/run/errors.py finds the kind in it again.
            raise ActError(f"[{error.kind.name}] {error.message}") from error

    cursor.create_function(
        ACT,
        act,
        ["BIGINT", "VARCHAR", "VARCHAR", "VARCHAR"],
        "VARCHAR",
        null_handling=FunctionNullHandling.SPECIAL,
        side_effects=True,
    )
    return act


class ActError(Exception):
    """An error of one of these functions, on its way through DuckDB."""


def _key(a: str | None, b: str | None) -> tuple[int, ...] | None:
    if a is None:
        return None
    return (int(a),) if b is None else (int(a), int(b))


def _locking(*, shared: bool, until_commit: bool, wait: bool) -> Act:
    hold = Hold(shared, until_commit)

    def act(session: ClientSession, a: str | None, b: str | None) -> str | None:
        key = _key(a, b)
        if key is None:
            return None
        locks = session.server.locks
        if not wait:
            return str(locks.try_lock(session.id, key, hold)).lower()
        limit = session.settings.lock_timeout_ms
        if not locks.lock(session.id, key, hold, session.duck.check, limit / 1000 or None):
            raise DbError(ErrorKind.LOCK_TIMEOUT, "canceling statement due to lock timeout")
        return ""

    return act


def _unlocking(*, shared: bool) -> Act:
    def act(session: ClientSession, a: str | None, b: str | None) -> str | None:
        key = _key(a, b)
        if key is None:
            return None
        return str(session.server.locks.unlock(session.id, key, shared=shared)).lower()

    return act


def _unlock_all(session: ClientSession, _: str | None, __: str | None) -> str:
    session.server.locks.unlock_all(session.id)
    return ""


def _notify(session: ClientSession, channel: str | None, payload: str | None) -> str:
    session.mailbox.notify(channel or "", payload or "")
    return ""


def _clock(session: ClientSession, _: str | None, __: str | None) -> str:
    return _moment(wall_us())


def _statement_time(session: ClientSession, _: str | None, __: str | None) -> str:
    return _moment(session.activity.started_ms * 1000)


def _moment(microseconds: int) -> str:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return (epoch + timedelta(microseconds=microseconds)).isoformat(" ")


def _transaction_number(session: ClientSession, _: str | None, __: str | None) -> str:
    """One number for a transaction; a statement alone is one of its own."""
    open_ = session.transaction
    if open_ is None or not open_.explicit:
        return str(next(session.server.transaction_numbers))
    if not open_.number:
        open_.number = next(session.server.transaction_numbers)
    return str(open_.number)


def _sleep(session: ClientSession, seconds: str | None, _: str | None) -> str | None:
    if seconds is None:
        return None
    left = min(float(seconds), _SECONDS_MAX)
    never = threading.Event()
    while left > 0:
        session.duck.check()
        never.wait(min(left, _SLEEP_LOOK_SECONDS))
        left -= _SLEEP_LOOK_SECONDS
    session.duck.check()
    return "0"


def _ending(end: Callable[[ClientSession], None]) -> Act:
    def act(session: ClientSession, pid: str | None, _: str | None) -> str | None:
        if pid is None:
            return None
        victim = session.server.session(int(pid))
        if victim is None:
            return "false"
        check_owner(session, victim.client.user, f"session {pid}")
        end(victim)
        if victim is session:
            session.duck.check()
        return "true"

    return act


# MySQL's named locks. https://dev.mysql.com/doc/refman/8.0/en/locking-functions.html


def _named(name: str | None) -> str:
    if not name or len(name) > 64:
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"Incorrect user-level lock name '{name or ''}'.")
    return name.lower()


def _get_lock(session: ClientSession, name: str | None, seconds: str | None) -> str:
    limit = float(seconds or 0)
    key, locks = _named(name), session.server.locks
    got = locks.lock(session.id, key, Hold(), session.duck.check, None if limit < 0 else limit)
    return str(int(got))


def _release_lock(session: ClientSession, name: str | None, _: str | None) -> str | None:
    key, locks = _named(name), session.server.locks
    if locks.unlock(session.id, key, shared=False):
        return "1"
    return None if locks.holder(key) is None else "0"


def _holder(session: ClientSession, name: str | None, _: str | None) -> str | None:
    holder = session.server.locks.holder(_named(name))
    return None if holder is None else str(holder)


def _release_all(session: ClientSession, _: str | None, __: str | None) -> str:
    return str(session.server.locks.unlock_all(session.id))


def number_of(name: str) -> int:
    """A number for a name that has none, for pg_locks."""
    return zlib.crc32(name.encode())


ACTS: dict[str, Act] = {
    "notify": _notify,
    "sleep": _sleep,
    "txid": _transaction_number,
    "clock": _clock,
    "statement_time": _statement_time,
    "cancel": _ending(lambda victim: victim.cancel()),
    "terminate": _ending(lambda victim: victim.kill()),
    "unlock": _unlocking(shared=False),
    "unlock_shared": _unlocking(shared=True),
    "unlock_all": _unlock_all,
    "get_lock": _get_lock,
    "release_lock": _release_lock,
    "lock_holder": _holder,
    "release_all_locks": _release_all,
} | {
    f"{'' if wait else 'try_'}{'xact_' if xact else ''}lock{'_shared' if shared else ''}": _locking(
        shared=shared, until_commit=xact, wait=wait
    )
    for wait in (True, False)
    for xact in (True, False)
    for shared in (True, False)
}
