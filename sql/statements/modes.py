"""Modes of transactions: isolation, read only; and settings that last as long as a transaction.

Called by BEGIN, SET TRANSACTION and SET LOCAL, and by the session when a transaction begins and
ends. READ UNCOMMITTED is READ COMMITTED; REPEATABLE READ is one moment for all reads with the first
committer winning, and so is SERIALIZABLE, which also fails what fits no order (sql/serial.py). On
MySQL's wire READ COMMITTED is the default.
https://www.postgresql.org/docs/current/sql-set-transaction.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.errors import DbError, ErrorKind
from sql.session import Wire

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_LEVEL = "ISOLATION LEVEL "
_SERIALIZABLE = "serializable"
_ONE_MOMENT = ("repeatable read", _SERIALIZABLE)
ISOLATION, READ_ONLY = "transaction_isolation", "transaction_read_only"
DEFERRABLE = "transaction_deferrable"
MODES = (ISOLATION, READ_ONLY, DEFERRABLE)
_ROLE, _PATH = "role", "search_path"
_DEFERRING = {"DEFERRABLE": "on", "NOT DEFERRABLE": "off"}  # told back, waits for nothing


class _Moment(NamedTuple):
    """What a savepoint goes back to."""

    values: dict[str, str]
    role: str
    path: str
    local: frozenset[str]


class TransactionSettings:
    """Goes back to earlier settings: a rollback to all of them, a commit to those set locally,
    ROLLBACK TO to those of the savepoint.

    Whose rights the session has is one of them, and where it finds unqualified names.
    """

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self._settings = session.settings
        self._before: dict[str, str] | None = None
        self._role = self._path = ""
        self._local: set[str] = set()
        self._marks: list[tuple[str, _Moment]] = []  # savepoints, by their names
        self.once: tuple[str, ...] = ()  # modes of the next transaction alone: MySQL's

    def begin(self) -> None:
        """A transaction begins, or several statements that are one without being called so."""
        if self._before is not None:
            return
        self._before = self._settings.copy_values()
        self._role, self._path = self._session.role, self._session.database
        self._local.clear()
        self._marks.clear()

    def savepoint(self, name: str) -> None:
        """What is set from here on is undone by `rollback_to`."""
        if self._before is None:
            return  # MySQL's settings know no transactions
        session = self._session
        values = self._settings.copy_values()
        moment = _Moment(values, session.role, session.database, frozenset(self._local))
        self._marks.append((name, moment))

    def release(self, name: str) -> None:
        """Forgets a savepoint and those after it."""
        del self._marks[self._find(name) :]

    def rollback_to(self, name: str) -> None:
        """Everything is as it was at the savepoint, which stays."""
        at = self._find(name)
        del self._marks[at + 1 :]
        for _, moment in self._marks[at:]:
            self._session.role = moment.role
            if self._session.has_database(moment.path):
                self._session.use(moment.path)
            self._local = set(moment.local)
            self._settings.restore_values(moment.values)

    def _find(self, name: str) -> int:
        """The last savepoint of that name; behind all if there is none."""
        places = [at for at, (mark, _) in enumerate(self._marks) if mark == name]
        return places[-1] if places else len(self._marks)

    def set_local(self, name: str, value: str) -> None:
        """Sets until the transaction ends. Raises: DbError INVALID_ARGUMENT."""
        self._settings.set(name, value)
        self._local.add(name.lower())

    def keep_role_local(self) -> None:
        """The role that is set next lasts until the transaction ends."""
        self._local.add(_ROLE)

    def keep_path_local(self) -> None:
        """The search path that is set next lasts until the transaction ends."""
        self._local.add(_PATH)

    def end(self, *, commit: bool) -> None:
        """It has ended."""
        before, self._before = self._before, None
        if before is None:
            return
        if not commit or _ROLE in self._local:
            self._session.role = self._role
        moved = self._session.database != self._path and (not commit or _PATH in self._local)
        if moved and self._session.has_database(self._path):
            self._session.use(self._path)
        if commit:
            kept = self._settings.copy_values()
            for name in self._local:
                kept.pop(name, None)
                if name in before:
                    kept[name] = before[name]
            before = kept
        self._settings.restore_values(before)


def begin_modes(session: ClientSession) -> None:
    """A transaction that the client has just begun gets the session's default modes."""
    if session.wire is Wire.MYSQL:
        _begin_on_mysql(session)
    if session.wire is not Wire.POSTGRES:
        return
    session.local_settings.begin()
    for name in MODES:
        session.local_settings.set_local(name, session.settings.get(f"default_{name}"))
    _obey(session)


def begin_moment(session: ClientSession) -> None:
    """Without autocommit a read begins a transaction too: it matters if all see one moment."""
    if session.wire is not Wire.MYSQL or session.autocommit or session.transaction is not None:
        return
    if session.settings.get(ISOLATION).replace("-", " ").lower() in _ONE_MOMENT:
        session.begin(explicit=True)


def _begin_on_mysql(session: ClientSession) -> None:
    """https://dev.mysql.com/doc/refman/8.0/en/set-transaction.html"""
    open_, kept = session.transaction, session.local_settings
    assert open_ is not None
    once, kept.once = kept.once, ()
    usual = session.settings.get(ISOLATION).replace("-", " ")
    level = next((one.removeprefix(_LEVEL) for one in once if one.startswith(_LEVEL)), usual)
    open_.one_moment = level.lower() in _ONE_MOMENT
    open_.order.is_kept = level.lower() == _SERIALIZABLE
    reads = session.settings.get(READ_ONLY) in ("on", "1", "ON")
    open_.read_only = "READ ONLY" in once or (reads and "READ WRITE" not in once)


def set_modes(session: ClientSession, modes: Sequence[str]) -> None:
    """Gives the open transaction modes. Raises: DbError ACTIVE_TRANSACTION (25001)."""
    open_ = session.transaction
    assert open_ is not None
    if session.wire is not Wire.POSTGRES:
        open_.read_only = "READ ONLY" in modes or (open_.read_only and "READ WRITE" not in modes)
        open_.one_moment = open_.one_moment or "WITH CONSISTENT SNAPSHOT" in modes
        return
    for mode in modes:
        if mode.startswith(_LEVEL):
            level = mode.removeprefix(_LEVEL).lower()
            if open_.has_run and level != session.settings.get(ISOLATION):
                message = "SET TRANSACTION ISOLATION LEVEL must be called before any query"
                raise DbError(ErrorKind.ACTIVE_TRANSACTION, message)
            session.local_settings.set_local(ISOLATION, level)
        elif mode.startswith("READ "):
            is_only = mode == "READ ONLY"
            if not is_only and open_.read_only and open_.has_run:
                message = "transaction read-write mode must be set before any query"
                raise DbError(ErrorKind.ACTIVE_TRANSACTION, message)
            session.local_settings.set_local(READ_ONLY, "on" if is_only else "off")
        elif mode in _DEFERRING:
            session.local_settings.set_local(DEFERRABLE, _DEFERRING[mode])
    _obey(session)


def chained_modes(session: ClientSession) -> list[str]:
    """The open transaction's modes, for the one that AND CHAIN begins after it."""
    if session.transaction is None or session.wire is not Wire.POSTGRES:
        return []
    reading = "READ ONLY" if session.transaction.read_only else "READ WRITE"
    return [f"{_LEVEL}{session.settings.get(ISOLATION).upper()}", reading]


def _obey(session: ClientSession) -> None:
    open_ = session.transaction
    assert open_ is not None
    open_.read_only = session.settings.get(READ_ONLY) == "on"
    open_.one_moment = session.settings.get(ISOLATION) in _ONE_MOMENT
    open_.order.is_kept = session.settings.get(ISOLATION) == _SERIALIZABLE


def set_defaults(session: ClientSession, modes: Sequence[str]) -> None:
    """Gives the session's later transactions modes."""
    prefix = "" if session.wire is Wire.MYSQL else "default_"
    for mode in modes:
        if mode.startswith(_LEVEL):
            level = mode.removeprefix(_LEVEL)
            name = level.replace(" ", "-") if session.wire is Wire.MYSQL else level.lower()
            session.settings.set(f"{prefix}{ISOLATION}", name)
        elif mode.startswith("READ "):
            value = ("0", "1") if session.wire is Wire.MYSQL else ("off", "on")
            session.settings.set(f"{prefix}{READ_ONLY}", value[mode == "READ ONLY"])
        elif mode in _DEFERRING and session.wire is Wire.POSTGRES:
            session.settings.set(f"{prefix}{DEFERRABLE}", _DEFERRING[mode])


def check_writable(session: ClientSession) -> None:
    """Raises: DbError READ_ONLY if the transaction, or one begun by the statement, only reads."""
    if session.transaction is not None:
        refused = session.transaction.read_only
    else:
        name = READ_ONLY if session.wire is Wire.MYSQL else f"default_{READ_ONLY}"
        refused = session.settings.get(name) in ("on", "1", "ON")
    if refused:
        raise DbError(ErrorKind.READ_ONLY, "cannot write in a read-only transaction")
