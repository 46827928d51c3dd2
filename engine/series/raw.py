"""Series by the bytes their labels came in: what makes known series of remote write cheap.

Senders repeat a series' labels byte for byte in every request. A keyed 128-bit hash of them finds
the series' id without reading a single label; nobody outside can make two texts meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine import jit
from engine.jit import INT, INT64S, OUT_INT64, OUT_UINT64, Int64s, UInt64s
from engine.series.hashing import WORDS, hash128, new_key, words_of

T = TypeVar("T")

_int: Any = np.int64
_uint: Any = np.uint64
_EMPTY: Any = np.uint64(0xFFFFFFFFFFFFFFFF)  # in place of an id


@jit.kernel(WORDS, INT64S, WORDS, OUT_UINT64)
def _hash_all(words: UInt64s, spans: Int64s, key: UInt64s, out: UInt64s) -> None:
    for k in range(len(spans) // 2):
        first, second = hash128(words, spans[2 * k], spans[2 * k + 1], key)
        out[2 * k] = first
        out[2 * k + 1] = second


@jit.part
def find_id(table: UInt64s, first: Any, second: Any) -> int:
    """The id of a key, -1 if it is not there."""
    mask = len(table) // 3 - 1
    place = _int(first & _uint(mask))
    found: int = _int(-1)
    while table[3 * place + 2] != _EMPTY:
        if table[3 * place] == first and table[3 * place + 1] == second:
            found = _int(table[3 * place + 2])
            break
        place = (place + 1) & mask
    return found


@jit.kernel(OUT_UINT64, WORDS, OUT_INT64)
def _find_all(table: UInt64s, keys: UInt64s, out: Int64s) -> None:
    for k in range(len(out)):
        out[k] = find_id(table, keys[2 * k], keys[2 * k + 1])


@jit.kernel(OUT_UINT64, WORDS, INT64S, INT)
def _put_all(table: UInt64s, keys: UInt64s, ids: Int64s, count: int) -> int:
    """Puts keys with ids that are not negative; how many are in the table now."""
    mask = len(table) // 3 - 1
    for k in range(len(ids)):
        if ids[k] < 0:
            continue
        place = _int(keys[2 * k] & _uint(mask))
        while table[3 * place + 2] != _EMPTY:
            if table[3 * place] == keys[2 * k] and table[3 * place + 1] == keys[2 * k + 1]:
                break
            place = (place + 1) & mask
        if table[3 * place + 2] == _EMPTY:
            count += 1
        table[3 * place] = keys[2 * k]
        table[3 * place + 1] = keys[2 * k + 1]
        table[3 * place + 2] = _uint(ids[k])
    return count


class RawSeries:
    """Ids by hashes of raw labels; it forgets everything when it gets too large. Any thread.

    I1. `_changes` is odd while the table changes: who reads it without the lock reads it again if
        that number is another one afterwards.
    """

    def __init__(self, entries_max: int = 1 << 24) -> None:
        # Constant after construction.
        self._key = new_key()
        self._max = entries_max
        # Guarded by _lock.
        self._lock = Lock()
        self._count = 0
        self._table = _empty(1 << 10)
        self._changes = 0

    @property
    def memory_bytes(self) -> int:
        """Memory in use."""
        return self._table.nbytes

    def keys(self, data: bytes | memoryview | NDArray[np.uint8], spans: Int64s) -> UInt64s:
        """Two words for the bytes of each span [start, stop), given one after the other."""
        return self.keys_in(words_of(data)[1], spans)

    def keys_in(self, words: UInt64s, spans: Int64s) -> UInt64s:
        """As `keys`, of what `room_for` or `words_of` gave."""
        found = np.empty(len(spans), np.uint64)
        _hash_all(words, np.ascontiguousarray(spans), self._key, found)
        return found

    def find(self, keys: UInt64s) -> Int64s:
        """The id of each key, -1 for unknown ones."""
        found = np.empty(len(keys) // 2, np.int64)
        with self._lock:
            _find_all(self._table, keys, found)
        return found

    def reading(self, call: Callable[[UInt64s, UInt64s], T]) -> T:
        """What a call makes of the hash's key and the table, for `find_id`.

        It is called again if the table was changed meanwhile, and changes nothing itself (I1).
        """
        changes = self._changes
        if not changes & 1:
            found = call(self._key, self._table)
            if self._changes == changes:
                return found
        with self._lock:
            return call(self._key, self._table)

    def remember(self, keys: UInt64s, ids: Int64s) -> None:
        """Notes the ids of keys; those below 0 are left out."""
        with self._changing():
            if self._count + len(ids) > self._max:
                self._table, self._count = _empty(1 << 10), 0
            room = len(self._table) // 3
            while 3 * (self._count + len(ids)) > 2 * room:
                room *= 2
            if 3 * room > len(self._table):
                self._move(room)
            self._count = _put_all(self._table, keys, ids, self._count)

    def forget(self, ids: Int64s) -> None:
        """Drops all keys of these ids."""
        with self._changing():
            rows = self._table.reshape(-1, 3)
            rows[np.isin(rows[:, 2].view(np.int64), ids), 2] = _EMPTY
            self._move(len(rows))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            self._changes += 1
            try:
                yield
            finally:
                self._changes += 1

    def _move(self, room: int) -> None:
        rows = self._table.reshape(-1, 3)
        rows = rows[rows[:, 2] != _EMPTY]
        self._table, self._count = _empty(room), len(rows)
        keys = np.ascontiguousarray(rows[:, :2]).reshape(-1)
        _put_all(self._table, keys, rows[:, 2].astype(np.int64), 0)


def _empty(places: int) -> UInt64s:
    return np.full(3 * places, _EMPTY)
