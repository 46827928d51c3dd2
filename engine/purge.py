"""Deletes files that no Version and no snapshot needs any more.

Regions pin what a scan reads and doom what an edit replaced; the last pin to go deletes. A file
that could not be deleted is removed when the region is opened again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from threading import Lock

from engine.errors import DbError
from engine.store.store import ObjectStore

_LOG = logging.getLogger(__name__)


class Purge:
    """Counts the users of files, by path.

    I1. A pinned path is never deleted. (A remote store's local copy of it may be: see
        `ObjectStore.hold`.)
    I2. Nothing is deleted after `close`: the directory may belong to someone else then.
    """

    def __init__(self, store: ObjectStore) -> None:
        # Constant after construction.
        self._store = store
        # Guarded by _lock.
        self._lock = Lock()
        self._pins: Counter[str] = Counter()
        self._doomed: set[str] = set()
        self._waiting: dict[str, Callable[[], None]] = {}  # by folder
        self._closed = False

    def pin(self, paths: Collection[str]) -> None:
        """Keeps the paths until `unpin`. Requires: the caller knows that they are not doomed."""
        with self._lock:
            self._pins.update(paths)

    def unpin(self, paths: Collection[str]) -> None:
        """Gives pins back, and deletes what was doomed meanwhile."""
        with self._lock:
            self._pins.subtract(paths)
            self._pins += Counter()  # forgets those at zero
            ready = [path for path in self._doomed if path not in self._pins]
            self._doomed.difference_update(ready)
            free = [folder for folder in self._waiting if not self._below(folder)]
            calls = [self._waiting.pop(folder) for folder in free]
        self._delete(ready)
        for call in calls:
            try:
                call()
            except DbError as error:  # opening the directory again finishes it
                _LOG.warning("a dropped region is not removed yet: %s", error.message)

    def doom(self, paths: Iterable[str]) -> None:
        """Deletes the paths as soon as nobody pins them."""
        with self._lock:
            doomed = set(paths)
            held = {path for path in doomed if path in self._pins}
            self._doomed |= held
        self._delete(sorted(doomed - held))

    def is_pinned(self, path: str) -> bool:
        """True if someone reads or makes the file."""
        with self._lock:
            return path in self._pins

    def when_unpinned(self, folder: str, then: Callable[[], None]) -> None:
        """Calls `then` once nobody has a pin in the folder: at once, or at the last `unpin`.

        Requires: nothing in the folder is pinned any more from now on that was not before.
        Raises: what `then` raises if it is called at once.
        """
        with self._lock:
            if self._below(folder):
                self._waiting[folder] = then
                return
        then()

    def close(self) -> None:
        """From now on nothing is deleted; what stays is an orphan for the next opening."""
        with self._lock:
            self._closed = True
            self._waiting.clear()

    def _below(self, folder: str) -> bool:
        return any(path.startswith(f"{folder}/") for path in self._pins)

    def _delete(self, paths: Iterable[str]) -> None:
        for path in () if self._closed else paths:
            with suppress(DbError):  # an orphan: removed when the region is opened again
                self._store.delete(path)
