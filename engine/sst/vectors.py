"""Deletion vectors in memory: read once, kept while there is room.

Shared by the scans and flushes of all regions.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np

from engine.errors import DbError, ErrorKind
from engine.sst.deletion import Positions, decode
from engine.sst.file import FileMeta
from engine.store.store import ObjectStore


class VectorCache:
    """Least recently used vectors go first. A vector's path never gets another content."""

    def __init__(self, store: ObjectStore, bytes_max: int) -> None:
        # Constant after construction.
        self._store = store
        self._bytes_max = bytes_max
        # Guarded by _lock.
        self._lock = Lock()
        self._vectors: OrderedDict[str, Positions] = OrderedDict()
        self._bytes = 0

    def positions(self, file: FileMeta) -> Positions:
        """Dead rows of a file, ascending. Raises: DbError CORRUPTED if the vector is not valid."""
        if file.deletion is None:
            return np.empty(0, np.int64)
        path = file.deletion.path
        with self._lock:
            if (cached := self._vectors.get(path)) is not None:
                self._vectors.move_to_end(path)
                return cached
        data = self._store.get(path)
        if data is None:
            raise DbError(ErrorKind.CORRUPTED, f"the deletion vector {path} is missing")
        positions = decode(data, path, file.rows)
        with self._lock:
            if path not in self._vectors:
                self._vectors[path] = positions
                self._bytes += positions.nbytes
            while self._bytes > self._bytes_max:
                self._bytes -= self._vectors.popitem(last=False)[1].nbytes
        return positions
