"""A memtable: the rows of one region that no file holds yet.

The region's write path appends under the region's lock; scans and flushes ask for a `View`. Small
writes are merged in tiers, so that a million one-row writes cost like one large one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Protocol

import numpy as np
import pyarrow as pa

from engine.api import Op
from engine.memtable.view import Arrivals, Shape, View, fold

# Sixteen equal parts become one of the next tier: a row is copied log16(n) times, and at most
# 15 parts per tier wait, so that a view is made from a few dozen parts.
_FAN_IN = 16
# Parts of this size stay as they came: whoever merges sixteen of them keeps all writers waiting
# (sixteen of 500 rows and 21 columns for ten milliseconds), and a flush copies the rows anyway.
_TIER_ROWS_MAX = 128
_LARGE = -1  # the tier that is never merged
_PART_OVERHEAD_BYTES = 200  # of each column of an Arrow batch: its objects, not its values


def _memory(part: Arrivals) -> int:
    rows = part.rows
    held = rows.get_total_buffer_size() + part.arrival.nbytes
    return int(held + rows.num_columns * _PART_OVERHEAD_BYTES)


class _Tiers:
    """Batches of one kind; their order does not matter, since every row knows its arrival."""

    def __init__(self) -> None:
        self._tiers: dict[int, list[Arrivals]] = {}
        self._sizes: dict[int, int] = {}

    @property
    def bytes(self) -> int:
        """Memory of all parts."""
        return sum(self._sizes.values())

    def add(self, part: Arrivals, size: int) -> None:
        """Takes a part of so many bytes; merges its tier when it has enough parts."""
        while part.rows.num_rows < _TIER_ROWS_MAX:
            number = part.rows.num_rows.bit_length() // 4
            tier = self._tiers.setdefault(number, [])
            tier.append(part)
            self._sizes[number] = self._sizes.get(number, 0) + size
            if len(tier) < _FAN_IN:
                return
            part = _merged(tier)
            size = _memory(part)
            tier.clear()
            self._sizes[number] = 0
        self._tiers.setdefault(_LARGE, []).append(part)
        self._sizes[_LARGE] = self._sizes.get(_LARGE, 0) + size

    def compacted(self) -> list[Arrivals]:
        """The large parts, and all small ones as one; in order of their first arrival."""
        small = sorted(
            (part for tier, parts in self._tiers.items() if tier >= 0 for part in parts),
            key=lambda part: int(part.arrival[0]),
        )
        parts = [*self._tiers.get(_LARGE, ()), *([_merged(small)] if small else ())]
        return sorted(parts, key=lambda part: int(part.arrival[0]))

    def parts(self) -> list[Arrivals]:
        """The parts in no particular order."""
        return [part for tier in self._tiers.values() for part in tier]


def _merged(parts: list[Arrivals]) -> Arrivals:
    if len(parts) == 1:
        return parts[0]
    rows = pa.concat_batches([part.rows for part in parts])
    return Arrivals(rows, np.concatenate([part.arrival for part in parts]))


class Follower(Protocol):
    """Someone who keeps the rows of a memtable in a form of its own."""

    @property
    def bytes(self) -> int:
        """Memory that it holds."""

    def add(self, writes: Sequence[tuple[Op, pa.RecordBatch]]) -> None:
        """Takes the writes of one record, newer than all before. Called under the lock."""


class Memtable:
    """Rows in memory.

    I1. `view` shows every write that was appended before it was called, whole.
    I2. After `freeze` nothing is appended.
    """

    def __init__(self, shape: Shape) -> None:
        # Constant after construction.
        self._shape = shape
        # Held while a view is made, so that it is made once.
        self._folding = Lock()
        # Guarded by _lock.
        self._lock = Lock()
        self._view = View()
        self._puts = _Tiers()
        self._deletes = _Tiers()
        self._arrived = 0
        self._pending = False
        self._frozen = False
        self._folded_bytes = 0  # of what went into the view
        self._bytes = 0
        self._written_bytes = 0
        self._rows = 0
        self._follower: Follower | None = None
        # The oldest log record these rows need, and the last sequence that is in here; 0 if empty.
        self.log_sequence = 0
        self.first_sequence = 0
        self.last_sequence = 0

    @property
    def bytes(self) -> int:
        """Memory of the rows, before deduplication, and of their follower.

        Only `append` changes it: what a follower took since then counts from the next one on.
        """
        return self._bytes

    @property
    def written_bytes(self) -> int:
        """Memory that the rows took when they came, one write at a time. It never shrinks."""
        return self._written_bytes

    @property
    def rows(self) -> int:
        """Rows and tombstones as they arrived, before deduplication."""
        return self._rows

    @property
    def is_empty(self) -> bool:
        """True if nothing was ever appended."""
        return self.last_sequence == 0

    def append(
        self, writes: Sequence[tuple[Op, pa.RecordBatch]], sequence: int, log_sequence: int
    ) -> None:
        """Takes the writes of one log record, visible together.

        Requires: rising sequences; `log_sequence` is that of the record with the rows (of the
        PREPARE, when `sequence` is that of a COMMIT).
        """
        with self._lock:
            assert not self._frozen, "I2"
            assert sequence > self.last_sequence
            for op, rows in writes:
                self._append_locked(op, rows)
            self.first_sequence = self.first_sequence or sequence
            self.log_sequence = min(self.log_sequence or log_sequence, log_sequence)
            self.last_sequence = sequence
            self._bytes = self._folded_bytes + self._puts.bytes + self._deletes.bytes
            if self._follower is not None:
                self._follower.add(writes)
                self._bytes += self._follower.bytes

    @property
    def follower(self) -> Follower | None:
        """The one who follows, if there is one."""
        return self._follower

    def followed(self, make: Callable[[], Follower]) -> Follower:
        """The one who follows, made if there is none: it gets the rows so far, then all others."""
        while True:
            with self._folding, self._lock:
                if self._follower is not None:
                    return self._follower
                pending = self._in_order_locked()
                if pending is not None:
                    follower = make()
                    # No live row of a view is meant by its deletions, so these may go first.
                    follower.add(
                        [(Op.DELETE, part.rows) for part in self._view.deletes]
                        + [(Op.PUT, part.rows) for part in self._view.puts]
                        + [(Op.PUT, rows) for rows in pending]
                    )
                    self._follower = follower
                    return follower
            self.view()

    def freeze(self) -> None:
        """Refuses further appends."""
        with self._lock:
            self._frozen = True

    def view(self) -> View:
        """The deduplicated rows. Only what arrived since the last view costs anything."""
        with self._folding:
            with self._lock:
                if not self._pending:
                    return self._view
                puts, deletes = self._puts, self._deletes
                self._puts, self._deletes = _Tiers(), _Tiers()
                self._pending = False
                self._folded_bytes += puts.bytes + deletes.bytes
            # Nobody else replaces _view or takes what is pending: _folding is held.
            try:
                parts = puts.compacted(), deletes.compacted()
                self._view = fold(self._view, *parts, self._shape)
            except BaseException:
                self._give_back(puts, deletes)
                raise
            slack = (
                puts.bytes + deletes.bytes - sum(_memory(part) for some in parts for part in some)
            )
            with self._lock:
                self._folded_bytes -= slack  # small parts became one
            return self._view

    def settled(self) -> View | None:
        """The deduplicated rows if nothing has arrived since they were; it waits for nobody."""
        if not self._folding.acquire(blocking=False):
            return None
        try:
            return None if self._pending else self._view
        finally:
            self._folding.release()

    def arrived(self) -> list[pa.RecordBatch] | None:
        """All rows in order of arrival, not deduplicated; None if only a view shows what counts.

        That is so with deletions and with partial rows. Requires: frozen.
        """
        with self._folding, self._lock:
            assert self._frozen
            if self._shape.partial or self._view.deletes:
                return None
            pending = self._in_order_locked()
            return None if pending is None else [p.rows for p in self._view.puts] + pending

    def _in_order_locked(self) -> list[pa.RecordBatch] | None:
        """The rows that wait, in order of arrival; None if there are deletions, or it is lost."""
        if self._deletes.parts():
            return None
        pending = self._puts.compacted()
        # Small parts are merged by size: what came between them may be in another one.
        arrival = np.concatenate([np.empty(0, np.int64), *(part.arrival for part in pending)])
        return None if np.any(arrival[1:] < arrival[:-1]) else [part.rows for part in pending]

    def _give_back(self, puts: _Tiers, deletes: _Tiers) -> None:
        """Makes rows pending again whose fold failed, e.g. for want of memory."""
        with self._lock:
            self._folded_bytes -= puts.bytes + deletes.bytes
            for pending, taken in ((self._puts, puts), (self._deletes, deletes)):
                for part in taken.parts():
                    pending.add(part, _memory(part))
            self._pending = True

    def _append_locked(self, op: Op, rows: pa.RecordBatch) -> None:
        count = rows.num_rows
        if count == 0:
            return
        part = Arrivals(rows, np.arange(self._arrived, self._arrived + count))
        size = _memory(part)
        (self._puts if op is Op.PUT else self._deletes).add(part, size)
        self._arrived += count
        self._pending = True
        self._rows += count
        self._written_bytes += size
