"""An index without the series that died, made beside the old one while that is still used.

Called by sql/metrics. Who holds the old index goes on reading it; nobody may add to it after
`finish`. Ids stay as they are, so those of the copied series mean the same in both.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from engine.jit import Int64s
from engine.series.index import SERIES_BITS, SeriesIndex

_AT_ONCE = 200_000  # the old index waits for no more than so many
_NUMBER = (1 << SERIES_BITS) - 1


class Renewal:
    """`copy` takes its time, `finish` adds what came meanwhile."""

    def __init__(self, old: SeriesIndex, dead: Int64s) -> None:
        self._old = old
        self._dead = dead  # ascending
        self._new = SeriesIndex()
        self._sizes: dict[int, int] = {}  # of each metric: ids given out when it was copied

    def copy(self) -> None:
        """Copies all series but the dead ones."""
        for metric in self._old.metrics():
            self._copy(metric, self._dead)

    def finish(self, revived: Int64s) -> SeriesIndex:
        """The new index, with what came since `copy` and with some of the dead after all.

        Requires: nobody adds to the old index.
        """
        for metric in self._old.metrics():
            self._copy(metric, np.empty(0, np.int64))
        cuts = np.flatnonzero(np.diff(revived >> SERIES_BITS)) + 1
        for begin, end in pairwise([0, *cuts.tolist(), len(revived)]):
            self._add(revived[begin:end])
        return self._new

    def _copy(self, metric: int, dead: Int64s) -> None:
        since, size = self._sizes.get(metric, 0), self._old.size(metric)
        self._sizes[metric] = size
        if since == size:
            return
        ids = self._old.select(metric).ids
        numbers = ids & _NUMBER
        ids = ids[(numbers >= since) & (numbers < size)]
        self._add(ids[~np.isin(ids, dead)])

    def _add(self, ids: Int64s) -> None:
        for begin in range(0, len(ids), _AT_ONCE):
            found = self._old.definitions(ids[begin : begin + _AT_ONCE])
            labels = found.column("labels").combine_chunks()
            self._new.load(ids[begin : begin + _AT_ONCE], labels)
