"""Numbers of sequences: taken from the embedded store, remembered for currval() and lastval().

Called by whoever completes rows and by the statements that call nextval() and its kin. A sequence
goes on counting when a transaction is rolled back, as in PostgreSQL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa

from catalog.objects import ObjectKind, Sequence
from engine.errors import DbError, ErrorKind
from sql.run.duck import Duck
from sql.types import quote

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_NEXT = re.compile(r"nextval\('((?:[^']|'')*)'\)")
_PART = re.compile(r'"((?:[^"]|"")*)"')
_CALL = re.compile(
    r"\b(nextval|currval|lastval|setval|lo_[a-z0-9_]+|loread|lowrite)\s*\(", re.IGNORECASE
)
_STATE = """SELECT last_value, increment_by FROM duckdb_sequences()
 WHERE schema_name = ? AND sequence_name = ?"""


def may_call(text: str) -> bool:
    """True if a statement's text has nextval() and its kin, or works on large objects.

    What is planned for it holds for one run only.
    """
    # Nearly free, unlike the pattern.
    some = "val" in text or "VAL" in text or "Val" in text or "lo_" in text
    some = some or "loread" in text or "lowrite" in text
    return some and _CALL.search(text) is not None


class Numbers:
    """What currval() and lastval() tell one session. One thread at a time."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}  # by stored name
        self._latest: str | None = None

    def took(self, stored: str, number: int) -> None:
        """The session was given a number of the sequence."""
        self._last[stored] = number
        self._latest = stored

    def current(self, stored: str) -> int | None:
        """The last number that the session was given, None if it has none."""
        return self._last.get(stored)

    def latest(self) -> int | None:
        """The same of whichever sequence was asked last."""
        return None if self._latest is None else self._last.get(self._latest)

    def follow(self, old: str, new: str) -> None:
        """The sequence has another counter from now on."""
        if old in self._last:
            self._last[new] = self._last.pop(old)
            self._latest = new if self._latest == old else self._latest

    def forget(self, stored: str | None = None) -> None:
        """What was said of a sequence that is gone; of all without one (DISCARD)."""
        if stored is None:
            self._last.clear()
        self._last.pop(stored or "", None)


def full_name(database: str, name: str) -> str:
    """A sequence's name as SQL, as defaults of columns have it."""
    return f"{quote(database)}.{quote(name)}"


def stored_name(one: Sequence) -> str:
    """A sequence in the embedded store, as SQL."""
    return full_name(one.database, one.counter)


def literal(stored: str) -> str:
    """Its name as a string of SQL."""
    return "'" + stored.replace("'", "''") + "'"


def next_text(name: str) -> str:
    """The default of a column that a sequence of that full name numbers."""
    return f"nextval({literal(name)})"


def in_store(session: ClientSession, default: str) -> str:
    """A column's default as the embedded store understands it: by the names its counters have."""

    def call(found: re.Match[str]) -> str:
        one = find_sequence(session, *_parts(found[1].replace("''", "'")))
        return found[0] if one is None else next_text(stored_name(one))

    return _NEXT.sub(call, default)


def sequences_in(session: ClientSession, default: str) -> list[Sequence]:
    """The sequences that a column's default takes numbers of."""
    names = (_parts(found[1].replace("''", "'")) for found in _NEXT.finditer(default))
    return [one for name in names if (one := find_sequence(session, *name)) is not None]


def _parts(name: str) -> tuple[str, str]:
    """Schema and name of a full name; of a temporary table's sequence, which has none, neither."""
    parts = [part.replace('""', '"') for part in _PART.findall(name)]
    return (parts[0], parts[1]) if len(parts) == 2 else ("", "")


def stored_of(default: str) -> str | None:
    """The counter of a default, as in the store, that is just its next number."""
    found = _NEXT.fullmatch(default)
    return found[1].replace("''", "'") if found is not None else None


def find_sequence(session: ClientSession, database: str, name: str) -> Sequence | None:
    """The record of that exact name."""
    found = session.catalog.object(session.duck.cursor, ObjectKind.SEQUENCE, database, name)
    return found if isinstance(found, Sequence) else None


def sequences_of(session: ClientSession, table_id: int) -> list[Sequence]:
    """Those that belong to columns of a table."""
    return [
        one
        for one in session.catalog.objects(session.duck.cursor)
        if isinstance(one, Sequence) and one.owner is not None and one.owner[0] == table_id
    ]


def _nothing() -> None:
    """Has no effect of its own."""


def draw(session: ClientSession, stored: str, rows: int) -> pa.Array:
    """The next numbers, in order. Raises: DbError OUT_OF_RANGE behind the last one."""
    with session.writing() as transaction:
        transaction.change_store(_nothing, by_key=True)  # `fixed` draws again
        values = session.fixed(lambda: session.evaluate(next_text(stored), rows))
    session.numbers.took(stored, values[-1].as_py())
    return values


def state(duck: Duck, one: Sequence) -> tuple[int | None, int]:
    """The last number given (None: none yet) and the increment. Requires: the sequence is there."""
    found = duck.execute(_STATE, (one.database, one.counter))
    if not found:
        message = f'sequence "{one.database}.{one.name}" does not exist'
        raise DbError(ErrorKind.UNDEFINED_TABLE, message)
    return found[0][0], found[0][1]


def set_value(session: ClientSession, one: Sequence, number: int, *, called: bool = True) -> None:
    """setval(): the next number follows `number`, or is that itself unless `called`.

    Raises: DbError OUT_OF_RANGE.
    """
    if not one.minimum <= number <= one.maximum:
        raise DbError(
            ErrorKind.OUT_OF_RANGE,
            f'setval: value {number} is out of bounds for sequence "{one.name}"'
            f" ({one.minimum}..{one.maximum})",
        )
    stored = stored_name(one)
    with session.writing() as transaction:
        transaction.change_store()
        session.duck.execute("SELECT setval(?, ?, ?)", (stored, number, called))
    if called:
        session.numbers.took(stored, number)
