"""Arrays that a worker thread uses again and again to read requests.

Pages of fresh memory cost about as much as reading a small request into them. What outlives the
request is copied out, so that a memtable holds no more than it counts.
"""

from __future__ import annotations

from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT_MAX = 1 << 18  # entries of an array that a thread keeps


class Scratch(local):
    """The arrays of one thread, by name."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[Any]] = {}

    def of(self, name: str, size: int, kind: type[np.generic]) -> NDArray[Any]:
        """An array with anything in it, good until the thread asks for that name again."""
        kept = self._kept.get(name)
        if kept is None or len(kept) < size:
            kept = np.empty(size, kind)
            if size <= KEPT_MAX:
                self._kept[name] = kept
        return kept[:size]


SCRATCH = Scratch()
