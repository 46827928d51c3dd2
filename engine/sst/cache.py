"""A bounded map of things that are dear to make: decoded columns, indexes, newest rows.

Used by `engine.sst.series` and `engine.latest`, which say what an entry weighs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any


class ByteCache:
    """Forgets what was not asked for longest once its entries weigh too much. Any thread."""

    def __init__(self, bytes_max: int) -> None:
        # Constant after construction.
        self.bytes_max = bytes_max
        # Guarded by _lock.
        self._lock = Lock()
        self._items: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """What all entries weigh."""
        return self._bytes

    def __contains__(self, key: Hashable) -> bool:
        with self._lock:
            return key in self._items

    def get(self, key: Hashable) -> Any:
        """The entry, None if there is none."""
        with self._lock:
            item = self._items.get(key)
            if item is None:
                return None
            self._items.move_to_end(key)
            return item[0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keeps an entry of `size` bytes in place of an older one of that key."""
        with self._lock:
            old = self._items.pop(key, None)
            self._items[key] = (value, size)
            self._bytes += size - (old[1] if old is not None else 0)
            while self._bytes > self.bytes_max and self._items:
                self._bytes -= self._items.popitem(last=False)[1][1]
