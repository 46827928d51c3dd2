"""The rows of one series of a file, in order of time: what dashboards ask for piece after piece.

Kept by `engine.sst.series` for series that are asked for more than once; a range of time is a slice
of it, without looking at the file's index or its row groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from engine.api import KeyFilter, KeyValue, TimeRange
from engine.schema import RegionSchema
from engine.sst.deletion import Positions
from engine.sst.file import FileMeta

ROWS_MAX = 65_536  # of a series that is kept whole
_SHOWN_MAX = 4  # choices of columns

Name = tuple[str, str, str, tuple[KeyValue, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class WholeSeries:
    """The rows and their times, ascending."""

    times: Positions
    rows: pa.RecordBatch
    _shown: dict[tuple[str, ...], pa.RecordBatch] = field(default_factory=dict, compare=False)

    def shown(self, columns: tuple[str, ...]) -> pa.RecordBatch:
        """Some columns of all rows, sharing memory; the latest choices are remembered."""
        found = self._shown.get(columns)
        if found is None:
            found = self.rows.select(list(columns))
            if len(self._shown) >= _SHOWN_MAX:
                self._shown.clear()
            self._shown[columns] = found
        return found

    @property
    def nbytes(self) -> int:
        """Memory it takes, about."""
        return int(self.times.nbytes + self.rows.nbytes) + 500

    @property
    def first(self) -> int:
        """The time of the first row. Requires: there is one."""
        return int(self.times[0])

    @property
    def last(self) -> int:
        """The time of the last row. Requires: there is one."""
        return int(self.times[-1])

    def within(self, wanted: TimeRange) -> WholeSeries:
        """The part of a range of times."""
        low, high = 0, len(self.times)
        if wanted.start is not None:
            low = int(self.times.searchsorted(wanted.start))
        if wanted.end is not None:
            high = int(self.times.searchsorted(wanted.end))
        high = max(low, high)
        return WholeSeries(self.times[low:high], self.rows.slice(low, high - low))


def tags_of(schema: RegionSchema, keys: Sequence[KeyFilter]) -> tuple[KeyValue, ...] | None:
    """The tags of the one series that the filters name; None if they may name several."""
    if len(keys) != len(schema.primary_key) or any(len(key.values) != 1 for key in keys):
        return None
    values = {key.column: key.values[0] for key in keys}
    if values.keys() != set(schema.primary_key):
        return None
    return tuple(values[name] for name in schema.primary_key)


def name_of(file: FileMeta, tags: tuple[KeyValue, ...], columns: tuple[str, ...]) -> Name:
    """What tells a series of a file, less its dead rows, from others."""
    return "whole", file.path, file.deletion.path if file.deletion else "", tags, columns
