"""Which remembered series still mean the same: tables are dropped, renamed and altered meanwhile.

Used by sql/ingest/hashed.py. A series that the store remembers by the bytes of its labels belongs
to a metric's number; the number is good as long as its table has that name and those tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock

import numpy as np

from catalog.records import Table
from engine import jit
from engine.jit import INT64S, OUT_INT64, Int64s, UInt64s
from engine.series.index import SERIES_BITS
from engine.series.raw import RawSeries
from sql.metrics.tags import Ids, tag_columns

_SPREAD = 0x9E3779B1  # neighbouring numbers are apart in the table
TableOf = Callable[[int], Table | None]


@jit.kernel(INT64S, OUT_INT64, OUT_INT64)
def _numbers_of(ids: Int64s, slots: Int64s, out: Int64s) -> int:
    """The distinct numbers of metrics among ids of series; how many there are.

    Requires: `slots` is -1 everywhere, its size a power of two and above that of `ids`.
    """
    mask = len(slots) - 1
    count = 0
    last = np.int64(-1)
    for k in range(len(ids)):
        number = ids[k] >> SERIES_BITS
        if number == last or number < 0:
            continue
        last = number
        place = (number * _SPREAD) & mask
        while slots[place] >= 0 and slots[place] != number:
            place = (place + 1) & mask
        if slots[place] < 0:
            slots[place] = number
            out[count] = number
            count += 1
    return count


class KnownSeries:
    """What a store remembers of series as they came in. Any thread."""

    def __init__(self) -> None:
        self.raw = RawSeries()
        # Guarded by _lock.
        self._lock = Lock()
        self._tables: dict[int, Table] = {}  # by number, as they were when last looked at
        self._version = -1  # of the catalog when `_checked` were looked at
        self._checked: set[int] = set()

    def find(self, keys: UInt64s, version: int, table_of: TableOf) -> tuple[Ids, list[Table]]:
        """The id of each key, -1 where it is not known or not good any more; and their tables.

        `version`: the catalog's, of which `table_of` gives tables.
        """
        ids = self.raw.find(keys)
        bad, tables = self.check(ids, version, table_of)
        if bad:
            ids = np.where(np.isin(ids >> SERIES_BITS, bad), np.int64(-1), ids)
        return ids, tables

    def check(self, ids: Ids, version: int, table_of: TableOf) -> tuple[list[int], list[Table]]:
        """The numbers whose ids are not good any more, and the tables of the others.

        Ids below 0 are passed over. `version`, `table_of`: as for `find`.
        """
        found = np.empty(len(ids), np.int64)
        slots = np.full(1 << (2 * len(ids)).bit_length(), np.int64(-1))
        numbers = found[: _numbers_of(ids, slots, found)].tolist()
        bad = self._check(numbers, version, table_of)
        with self._lock:
            return bad, [self._tables[number] for number in numbers if number not in bad]

    def _check(self, numbers: Iterable[int], version: int, table_of: TableOf) -> list[int]:
        with self._lock:
            if version != self._version:
                self._version = version
                self._checked.clear()
            bad = []
            for number in numbers:
                if number in self._checked:
                    continue
                then = self._tables.get(number)
                now = table_of(then.id) if then is not None else None
                if then is not None and now is not None and _same(then, now):
                    self._tables[number] = now
                    self._checked.add(number)
                else:
                    bad.append(number)
            return bad

    def remember(self, table: Table, keys: UInt64s, ids: Ids) -> None:
        """Notes that these keys are series of a table. Requires: `ids` are defined."""
        with self._lock:
            self._tables[table.metric] = table
        self.raw.remember(keys, ids)


def _same(then: Table, now: Table) -> bool:
    """True if a series' labels mean the same series of the table that they did."""
    if then is now:
        return True
    named = (then.database, then.name, then.metric) == (now.database, now.name, now.metric)
    names = {column.id: column.name for column in tag_columns(now)}
    return named and all(names.get(c.id) == c.name for c in tag_columns(then))
