"""What was computed from a batch of rows in memory, kept as long as the batch lives.

Batches of a memtable are immutable and shared by many scans; used by scans for what is dear to make
and small to keep.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

import pyarrow as pa

_T = TypeVar("_T")
_CLEAN_AT = 256  # entries before those of batches that are gone are looked for


class BatchMemo(Generic[_T]):
    """Values by batch and something else. Any thread; two may make the same value at once."""

    def __init__(self) -> None:
        # Guarded by _lock.
        self._lock = Lock()
        self._values: dict[tuple[int, Hashable], tuple[weakref.ref[pa.RecordBatch], _T]] = {}
        self._clean_at = _CLEAN_AT

    def known(self, batch: pa.RecordBatch, key: Hashable) -> _T | None:
        """The value for a batch and a key, None if it was not made yet."""
        with self._lock:
            found = self._values.get((id(batch), key))
        return found[1] if found is not None and found[0]() is batch else None

    def get(self, batch: pa.RecordBatch, key: Hashable, make: Callable[[], _T]) -> _T:
        """The value for a batch and a key, made if it is not known."""
        known = self.known(batch, key)
        if known is not None:
            return known
        value = make()
        with self._lock:
            self._values[id(batch), key] = weakref.ref(batch), value
            if len(self._values) > self._clean_at:
                self._values = {k: v for k, v in self._values.items() if v[0]() is not None}
                self._clean_at = max(_CLEAN_AT, 2 * len(self._values))
        return value
