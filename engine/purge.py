"""Deletes files that no Version and no snapshot needs any more.

Regions pin what a scan reads and doom what an edit replaced; the last pin to go deletes. A file
that could not be deleted is removed when the region is opened again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from threading import Lock

from engine.errors import DbError
from engine.store.store import ObjectStore


class Purge:
    """Counts the users of files, by path.

    I1. A pinned path is never deleted, and a remote store keeps its local copy.
    """

    def __init__(self, store: ObjectStore) -> None:
        # Constant after construction.
        self._store = store
        # Guarded by _lock.
        self._lock = Lock()
        self._pins: Counter[str] = Counter()
        self._doomed: set[str] = set()

    def pin(self, paths: Collection[str]) -> None:
        """Keeps the paths until `unpin`. Requires: the caller knows that they are not doomed."""
        with self._lock:
            self._pins.update(paths)
            self._store.hold(paths)

    def unpin(self, paths: Collection[str]) -> None:
        """Gives pins back, and deletes what was doomed meanwhile."""
        with self._lock:
            self._pins.subtract(paths)
            self._store.release(paths)
            self._pins += Counter()  # forgets those at zero
            ready = [path for path in self._doomed if path not in self._pins]
            self._doomed.difference_update(ready)
        self._delete(ready)

    def doom(self, paths: Iterable[str]) -> None:
        """Deletes the paths as soon as nobody pins them."""
        with self._lock:
            doomed = set(paths)
            held = {path for path in doomed if path in self._pins}
            self._doomed |= held
        self._delete(sorted(doomed - held))

    def pinned_below(self, folder: str) -> bool:
        """True if someone still reads a file in the folder, be it one of an older version."""
        with self._lock:
            return any(path.startswith(f"{folder}/") for path in self._pins)

    def _delete(self, paths: Iterable[str]) -> None:
        for path in paths:
            with suppress(DbError):  # an orphan: removed when the region is opened again
                self._store.delete(path)
