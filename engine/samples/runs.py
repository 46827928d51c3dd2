"""The samples in a memtable, kept sorted beside it once somebody asks for them.

`engine.samples.read` lets one follow each memtable it meets. Rows that arrive are sorted when they
are asked for (or when many small batches wait) and merged with what is there in steps of like
size, so that each row is copied a few times however the rows come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from threading import Lock

import pyarrow as pa

from engine.api import NotResident, Op
from engine.memtable.memtable import Memtable
from engine.samples.block import Block, Columns, Rows, newest, together

# A run is merged with the one before if that is at most so many times as large.
_RATIO = 3
# So many small batches that wait become one: without a reader they would be too many objects.
_SMALL_MAX = 256
_SMALL_ROWS = 4096

Batches = Sequence[tuple[Op, pa.RecordBatch]]


class SampleRuns:
    """Implements `engine.memtable.memtable.Follower`.

    I1. `blocks` shows every write that was added before, whole; later blocks are newer.
    """

    def __init__(self, columns: Columns) -> None:
        # Constant after construction.
        self._columns = columns
        # Held while runs are made, so that they are made once and in order. Taken before _lock.
        self._merging = Lock()
        self._runs: list[Rows] = []  # oldest first, each sorted and without repetitions
        self._blocks: tuple[Block, ...] = ()
        # Guarded by _lock.
        self._lock = Lock()
        self._waiting: list[tuple[Op, pa.RecordBatch]] = []
        self._new = 0  # of these, how many were not looked at for small ones
        self._waiting_bytes = 0
        self._run_bytes = 0

    @property
    def bytes(self) -> int:
        """Memory of sorted rows, and of batches that the memtable may have merged meanwhile."""
        return self._waiting_bytes + self._run_bytes

    def add(self, writes: Batches) -> None:
        """Takes the writes of one record."""
        with self._lock:
            self._waiting += writes
            self._waiting_bytes += sum(rows.nbytes for _, rows in writes)
            self._new += len(writes)
            if self._new > _SMALL_MAX:
                self._waiting[-self._new :] = _joined(self._waiting[-self._new :])
                self._new = 0

    def blocks(self) -> tuple[Block, ...]:
        """All rows, oldest block first."""
        with self._merging:
            with self._lock:
                waiting, self._waiting, self._new = self._waiting, [], 0
                held, self._waiting_bytes = self._waiting_bytes, 0
            try:
                if waiting:
                    self._take(waiting)
            except BaseException:
                with self._lock:
                    self._waiting = waiting + self._waiting
                    self._waiting_bytes += held
                raise
            return self._blocks

    def ready(self) -> tuple[Block, ...]:
        """As `blocks`, if that takes no time. Raises: NotResident."""
        if not self._merging.acquire(blocking=False):
            raise NotResident
        try:
            if self._waiting:
                raise NotResident
            return self._blocks
        finally:
            self._merging.release()

    def _take(self, waiting: Batches) -> None:
        runs = [*self._runs, newest(together([self._rows(op, rows) for op, rows in waiting]))]
        while len(runs) > 1 and len(runs[-2].series) <= _RATIO * len(runs[-1].series):
            last = runs.pop()
            runs[-1] = newest(together([runs[-1], last]))
        blocks = {id(run): block for run, block in zip(self._runs, self._blocks, strict=True)}
        self._blocks = tuple(blocks.get(id(run)) or run.block() for run in runs)
        self._runs = runs
        self._run_bytes = sum(block.bytes for block in self._blocks) + 8 * sum(
            len(run.series) for run in runs
        )

    def _rows(self, op: Op, batch: pa.RecordBatch) -> Rows:
        return (Rows.of if op is Op.PUT else Rows.dead)(batch, self._columns)


def _joined(waiting: Batches) -> Iterator[tuple[Op, pa.RecordBatch]]:
    """The same rows in the same order, neighbouring small batches of one kind as one."""
    for (op, is_small), group in groupby(waiting, lambda w: (w[0], w[1].num_rows < _SMALL_ROWS)):
        batches = [batch for _, batch in group]
        for batch in [pa.concat_batches(batches)] if is_small else batches:
            yield op, batch


def blocks_of(memtable: Memtable, columns: Columns) -> tuple[Block, ...]:
    """The samples of a memtable, oldest block first."""
    if memtable.is_empty:
        return ()
    runs = memtable.followed(lambda: SampleRuns(columns))
    assert isinstance(runs, SampleRuns)
    return runs.blocks()


def ready_blocks_of(memtable: Memtable) -> tuple[Block, ...]:
    """The same, if they are sorted already. Raises: NotResident."""
    if memtable.is_empty:
        return ()
    runs = memtable.follower
    if not isinstance(runs, SampleRuns):
        raise NotResident
    return runs.ready()
