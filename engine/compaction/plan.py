"""How the rows of a merge are spread over files: lanes by time, a few at once.

Called by the job (run.py). A lane is a stretch of time that gets its own files: a compaction
window, or neighbouring windows with few rows. Rows come in order of their tags, so all lanes of a
pass are open at the same time; more of them are done in further passes over the inputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine.api import TimeRange
from engine.compaction import windows
from engine.compaction.source import Input
from engine.schema import RegionSchema
from engine.sst.deletion import Positions
from engine.sst.reader import opened, read_groups
from engine.store.store import ObjectStore, reading

# Files that one pass writes side by side. Each holds part of a row group in memory.
LANES_MAX = 8
# So many can hold whole row groups; more lanes share that memory and get smaller ones.
_WHOLE_LANES = 2
_GROUP_ROWS_MIN = 8192


@dataclass(frozen=True, slots=True)
class Pass:
    """One reading of the inputs: rows of `time_range` go to lanes.

    Window `numbers[i]` belongs to lane `lanes[i]`; both ascend. One lane needs neither.
    """

    time_range: TimeRange
    window: int
    numbers: Positions
    lanes: Positions

    @property
    def lane_count(self) -> int:
        """How many lanes there are."""
        return int(self.lanes[-1]) + 1

    def split(self, times: Positions) -> list[tuple[int, Positions | None]]:
        """Lanes with the positions of their rows; None is all rows."""
        if self.lane_count == 1:
            return [(0, None)]
        lanes = self.lanes[np.searchsorted(self.numbers, times // self.window)]
        first, last = int(lanes.min()), int(lanes.max())
        if first == last:
            return [(first, None)]
        return [(int(lane), np.flatnonzero(lanes == lane)) for lane in np.unique(lanes)]

    def row_group_rows(self, wanted: int) -> int:
        """Rows of a row group, so that all lanes together hold only a few in memory."""
        share = wanted * _WHOLE_LANES // max(_WHOLE_LANES, self.lane_count)
        return max(1, min(wanted, max(share, _GROUP_ROWS_MIN)))


def passes(
    inputs: Sequence[Input],
    window: int,
    sparse_rows: int,
    oldest: int | None,
    schema: RegionSchema,
    store: ObjectStore,
) -> list[Pass]:
    """The passes of a merge; none if every row is expired (older than `oldest`).

    Raises: DbError.
    """
    counts = _counts(inputs, window, oldest, schema, store)
    if not counts:
        return []
    numbers = np.array(sorted(counts), np.int64)
    lanes = np.array(windows.join([counts[n] for n in numbers.tolist()], sparse_rows), np.int64)
    found = []
    for first in range(0, int(lanes[-1]) + 1, LANES_MAX):
        start, stop = np.searchsorted(lanes, (first, first + LANES_MAX))
        bounds = _range(numbers[start:stop], window, oldest)
        found.append(Pass(bounds, window, numbers[start:stop], lanes[start:stop] - first))
    if len(found) == 1:
        found = [Pass(TimeRange(oldest, None), window, numbers, lanes)]
    return found


def _range(numbers: Positions, window: int, oldest: int | None) -> TimeRange:
    start, end = int(numbers[0]) * window, (int(numbers[-1]) + 1) * window
    return TimeRange(start if oldest is None else max(start, oldest), end)


def _counts(
    inputs: Sequence[Input],
    window: int,
    oldest: int | None,
    schema: RegionSchema,
    store: ObjectStore,
) -> dict[int, int]:
    """Rows of each window that has some; dead ones may be among them."""
    counts: Counter[int] = Counter()
    for file in inputs:
        first, last = file.meta.time_min // window, file.meta.time_max // window
        if oldest is not None and file.meta.time_max < oldest:
            continue
        if first == last:
            counts[first] += file.meta.rows
        else:
            counts.update(_counted(file, window, oldest, schema, store))
    return dict(counts)


def _counted(
    file: Input, window: int, oldest: int | None, schema: RegionSchema, store: ObjectStore
) -> Counter[int]:
    """As `_counts` of one file, by reading its times."""
    counts: Counter[int] = Counter()
    name = schema.time_index
    with reading(store, file.meta.path) as path, opened(path) as parquet:
        for group in range(parquet.num_row_groups):
            rows = read_groups(parquet, [group], file.schema, schema, [name], path)
            times = rows.column(name).combine_chunks().view(pa.int64()).to_numpy()
            if oldest is not None:
                times = times[times >= oldest]
            numbers, found = np.unique(times // window, return_counts=True)
            counts.update(dict(zip(numbers.tolist(), found.tolist(), strict=True)))
    return counts
