"""Large objects: bytes under a number, read and written in place through descriptors.

Called by the fast path of PostgreSQL's protocol (libpq's lo_… functions, pgjdbc's LargeObject), as
a task, and by statements that call the functions. The bytes are pages in the embedded store, so
they belong to transactions as rows do; a page that nobody has written is zeros.
https://www.postgresql.org/docs/15/largeobjects.html
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.store import SYSTEM_SCHEMA
from engine.errors import DbError, ErrorKind
from sql.privileges import check_owner

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.transaction import Transaction

PAGE_BYTES = 1 << 16
SIZE_MAX = 4 << 40  # PostgreSQL's: 2^31 pages of 2 kB
_WRITE, _READ = 0x20000, 0x40000  # INV_WRITE, INV_READ
_WHENCE = ("start", "here", "end")
_OBJECTS = f"{SYSTEM_SCHEMA}.large_objects"
_PAGES = f"{SYSTEM_SCHEMA}.large_object_pages"
_COMMENTS = f"{SYSTEM_SCHEMA}.large_object_comments"
_LOCK = " large object"  # no database is called so

INT4, INT8, OID, BYTEA, VOID = "int4", "int8", "oid", "bytea", "void"


@dataclass(slots=True)
class _Descriptor:
    """An open object."""

    oid: int
    writable: bool
    at: int = 0


@dataclass(frozen=True, slots=True)
class Function:
    """One function: PostgreSQL's number of it, what it takes and gives."""

    oid: int
    takes: tuple[str, ...]
    gives: str
    run: Callable[..., object]
    writes: bool = False


# Descriptors live as long as the transaction they were opened in.
_open: weakref.WeakKeyDictionary[Transaction, dict[int, _Descriptor]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class LargeObjectCall:
    """One call, as a task of a session."""

    name: str
    arguments: tuple[Any, ...]

    @property
    def text(self) -> str:
        """What process lists show."""
        return f"{self.name}(…)"

    @property
    def writes(self) -> bool:
        """See `Task.writes`."""
        return FUNCTIONS[self.name][0].writes

    def run(self, session: ClientSession) -> object:
        """Raises: DbError."""
        open_ = session.transaction
        if open_ is None:
            return call(session, self.name, self.arguments)
        if open_.failed:
            raise DbError(
                ErrorKind.FAILED_TRANSACTION,
                "current transaction is aborted, commands ignored until end of transaction block",
            )
        with open_.step(lambda: None):  # what it changes is run again by its effects
            return call(session, self.name, self.arguments)


def call(session: ClientSession, name: str, arguments: tuple[Any, ...]) -> object:
    """What a function gives. Raises: DbError UNDEFINED_FUNCTION and what the function raises."""
    for function in FUNCTIONS.get(name, ()):
        if len(function.takes) == len(arguments):
            return None if None in arguments else function.run(session, *arguments)
    raise DbError(ErrorKind.UNDEFINED_FUNCTION, f"function {name} does not exist")


def by_oid(oid: int) -> tuple[str, Function] | None:
    """The function with that number."""
    return _BY_OID.get(oid)


def all_objects(session: ClientSession) -> list[tuple[int, str]]:
    """Numbers and owners."""
    found = session.duck.execute(f"SELECT id, owner FROM {_OBJECTS} ORDER BY id")
    return [(int(oid), str(owner)) for oid, owner in found]


def all_comments(session: ClientSession) -> list[tuple[int, str]]:
    """Numbers of objects and what was said of them."""
    found = session.duck.execute(f"SELECT id, comment FROM {_COMMENTS} ORDER BY id")
    return [(int(oid), str(comment)) for oid, comment in found]


def comment(session: ClientSession, oid: int, text: str) -> None:
    """COMMENT ON LARGE OBJECT; nothing is said with an empty text. Raises: DbError."""

    def effect() -> None:
        _size(session, oid)
        session.duck.execute(f"DELETE FROM {_COMMENTS} WHERE id = ?", [oid])
        if text:
            session.duck.execute(f"INSERT INTO {_COMMENTS} VALUES (?, ?)", [oid, text])

    _change(session, oid, effect)


# --- The store ------------------------------------------------------------------------------------


def _change(session: ClientSession, oid: int, effect: Callable[[], object]) -> None:
    with session.writing() as transaction:
        # Before DuckDB's transaction begins: who waited sees what the other has done.
        session.catalog.lock(session.duck.cursor, _LOCK, str(oid))
        transaction.change_store(effect)
        effect()


def _size(session: ClientSession, oid: int) -> int:
    """Raises: DbError UNDEFINED_OBJECT, ACCESS_DENIED to all but its owner and superusers."""
    found = session.duck.execute(f"SELECT size, owner FROM {_OBJECTS} WHERE id = ?", [oid])
    if not found:
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f"large object {oid} does not exist")
    size, owner = found[0]
    check_owner(session, owner, f"large object {oid}")
    return int(size)


def _read(session: ClientSession, oid: int, at: int, length: int) -> bytes:
    length = max(0, min(length, _size(session, oid) - at))
    first, last = at // PAGE_BYTES, (at + length - 1) // PAGE_BYTES
    query = f"SELECT page, data FROM {_PAGES} WHERE id = ? AND page BETWEEN ? AND ?"
    pages = session.duck.execute(query, [oid, first, last]) if length else []
    data = bytearray(length)
    for page, held in pages:
        start = page * PAGE_BYTES - at
        cut = max(0, -start)
        piece = held[cut : length - start]
        data[start + cut : start + cut + len(piece)] = piece
    return bytes(data)


def _write(session: ClientSession, oid: int, at: int, data: bytes) -> None:
    end = at + len(data)
    if end > SIZE_MAX:
        raise DbError(ErrorKind.LIMIT_EXCEEDED, f"large object {oid} would be too large")
    first = at // PAGE_BYTES
    tail_end = -(-end // PAGE_BYTES) * PAGE_BYTES

    def effect() -> None:
        size = _size(session, oid)  # asked within the transaction: another may have written
        before = _read(session, oid, first * PAGE_BYTES, at - first * PAGE_BYTES)
        whole = before.ljust(at - first * PAGE_BYTES, b"\0") + data
        whole += _read(session, oid, end, min(tail_end, size) - end)
        pages = [
            [oid, first + n // PAGE_BYTES, whole[n : n + PAGE_BYTES]]
            for n in range(0, len(whole), PAGE_BYTES)
        ]
        last = first + len(pages) - 1
        gone = f"DELETE FROM {_PAGES} WHERE id = ? AND page BETWEEN ? AND ?"
        session.duck.execute(gone, [oid, first, last])
        for page in pages:
            session.duck.execute(f"INSERT INTO {_PAGES} VALUES (?, ?, ?)", page)
        grown = f"UPDATE {_OBJECTS} SET size = greatest(size, ?) WHERE id = ?"
        session.duck.execute(grown, [end, oid])

    if data:
        _change(session, oid, effect)


def _resize(session: ClientSession, oid: int, size: int) -> None:
    if not 0 <= size <= SIZE_MAX:
        message = f"invalid large object truncation target: {size}"
        raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    last = size // PAGE_BYTES

    def effect() -> None:
        if size < _size(session, oid):
            kept = _read(session, oid, last * PAGE_BYTES, size - last * PAGE_BYTES)
            gone = f"DELETE FROM {_PAGES} WHERE id = ? AND page >= ?"
            session.duck.execute(gone, [oid, last])
            if kept:
                session.duck.execute(f"INSERT INTO {_PAGES} VALUES (?, ?, ?)", [oid, last, kept])
        session.duck.execute(f"UPDATE {_OBJECTS} SET size = ? WHERE id = ?", [size, oid])

    _change(session, oid, effect)


# --- The functions --------------------------------------------------------------------------------


def _create(session: ClientSession, oid: int) -> int:
    if not oid:
        query = f"SELECT nextval('{SYSTEM_SCHEMA}.object_ids')"
        oid = int(session.duck.execute(query)[0][0])
    role = session.role

    def effect() -> None:
        if session.duck.execute(f"SELECT 1 FROM {_OBJECTS} WHERE id = ?", [oid]):
            raise DbError(ErrorKind.UNIQUE_VIOLATION, f"large object {oid} already exists")
        session.duck.execute(f"INSERT INTO {_OBJECTS} VALUES (?, 0, ?)", [oid, role])

    _change(session, oid, effect)
    return oid


def _unlink(session: ClientSession, oid: int) -> int:
    def effect() -> None:
        _size(session, oid)
        session.duck.execute(f"DELETE FROM {_PAGES} WHERE id = ?", [oid])
        session.duck.execute(f"DELETE FROM {_COMMENTS} WHERE id = ?", [oid])
        session.duck.execute(f"DELETE FROM {_OBJECTS} WHERE id = ?", [oid])

    _change(session, oid, effect)
    return 1


def _descriptors(session: ClientSession) -> dict[int, _Descriptor]:
    if session.transaction is None:
        return {}  # it would not outlive this call
    return _open.setdefault(session.transaction, {})


def _opened(session: ClientSession, number: int) -> _Descriptor:
    found = _descriptors(session).get(number)
    if found is None:
        message = f"invalid large-object descriptor: {number}"
        raise DbError(ErrorKind.UNDEFINED_OBJECT, message)
    return found


def _open_object(session: ClientSession, oid: int, mode: int) -> int:
    _size(session, oid)
    if not mode & (_READ | _WRITE):
        raise DbError(
            ErrorKind.INVALID_ARGUMENT, f"invalid flags for opening a large object: {mode}"
        )
    held = _descriptors(session)
    number = next(n for n in range(len(held) + 1) if n not in held)
    held[number] = _Descriptor(oid, writable=bool(mode & _WRITE))
    return number


def _close(session: ClientSession, number: int) -> int:
    _opened(session, number)
    del _descriptors(session)[number]
    return 0


def _read_on(session: ClientSession, number: int, length: int) -> bytes:
    held = _opened(session, number)
    data = _read(session, held.oid, held.at, length)
    held.at += len(data)
    return data


def _for_writing(session: ClientSession, number: int) -> _Descriptor:
    held = _opened(session, number)
    if not held.writable:
        message = f"large object descriptor {number} was not opened for writing"
        raise DbError(ErrorKind.NOT_READY, message)
    return held


def _write_on(session: ClientSession, number: int, data: bytes) -> int:
    held = _for_writing(session, number)
    _write(session, held.oid, held.at, data)
    held.at += len(data)
    return len(data)


def _seek(session: ClientSession, number: int, offset: int, whence: int) -> int:
    held = _opened(session, number)
    if not 0 <= whence < len(_WHENCE):
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"invalid whence setting: {whence}")
    base = (0, held.at, _size(session, held.oid) if whence == 2 else 0)[whence]
    if not 0 <= base + offset <= SIZE_MAX:
        message = f"invalid large object seek target: {base + offset}"
        raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    held.at = base + offset
    return held.at


def _short(number: int) -> int:
    """Raises: DbError OUT_OF_RANGE where only the 64-bit functions can tell."""
    if number >= 1 << 31:
        raise DbError(ErrorKind.OUT_OF_RANGE, f"lo_lseek result out of range: {number}")
    return number


def _truncate(session: ClientSession, number: int, size: int) -> int:
    _resize(session, _for_writing(session, number).oid, size)
    return 0


def _put(session: ClientSession, oid: int, at: int, data: bytes) -> None:
    _write(session, oid, at, data)


def _from_bytes(session: ClientSession, oid: int, data: bytes) -> int:
    made = _create(session, oid)
    _write(session, made, 0, data)
    return made


FUNCTIONS: dict[str, tuple[Function, ...]] = {
    "lo_close": (Function(953, (INT4,), INT4, _close),),
    "lo_creat": (Function(957, (INT4,), OID, lambda s, _: _create(s, 0), True),),
    "lo_create": (Function(715, (OID,), OID, _create, True),),
    "lo_from_bytea": (Function(3457, (OID, BYTEA), OID, _from_bytes, True),),
    "lo_get": (
        Function(3458, (OID,), BYTEA, lambda s, oid: _read(s, oid, 0, SIZE_MAX)),
        Function(3459, (OID, INT8, INT4), BYTEA, _read),
    ),
    "lo_lseek": (
        Function(956, (INT4, INT4, INT4), INT4, lambda s, n, o, w: _short(_seek(s, n, o, w))),
    ),
    "lo_lseek64": (Function(3170, (INT4, INT8, INT4), INT8, _seek),),
    "lo_open": (Function(952, (OID, INT4), INT4, _open_object),),
    "lo_put": (Function(3460, (OID, INT8, BYTEA), VOID, _put, True),),
    "lo_tell": (Function(958, (INT4,), INT4, lambda s, n: _short(_opened(s, n).at)),),
    "lo_tell64": (Function(3171, (INT4,), INT8, lambda s, n: _opened(s, n).at),),
    "lo_truncate": (Function(1004, (INT4, INT4), INT4, _truncate, True),),
    "lo_truncate64": (Function(3172, (INT4, INT8), INT4, _truncate, True),),
    "lo_unlink": (Function(964, (OID,), INT4, _unlink, True),),
    "loread": (Function(954, (INT4, INT4), BYTEA, _read_on),),
    "lowrite": (Function(955, (INT4, BYTEA), INT4, _write_on, True),),
}
_BY_OID = {one.oid: (name, one) for name, forms in FUNCTIONS.items() for one in forms}
