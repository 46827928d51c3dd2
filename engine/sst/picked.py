"""The rows of some runs of a file, out of columns that are decoded already.

Used by `engine.sst.series`, which finds the runs and decodes. One run per series; tags come from
the index.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from engine.schema import RegionSchema
from engine.sst.compact import Kept
from engine.sst.deletion import Positions
from engine.sst.runs import SeriesIndex

# Up to here the runs are sliced one by one; the rows of more of them are taken by their positions.
_SLICES_MAX = 64

Held = dict[tuple[int, str], Kept]  # by row group and column


def groups_of(groups: Positions, lows: Positions, highs: Positions) -> list[int]:
    """The row groups that runs of rows touch, ascending. Requires: no run is empty."""
    if len(lows) == 1:
        first, last = np.searchsorted(groups, (lows[0] + 1, highs[0])) - 1
        return list(range(int(first), int(last) + 1))
    touched = np.zeros(len(groups) + 1, np.int64)
    np.add.at(touched, np.searchsorted(groups, lows, side="right") - 1, 1)
    np.add.at(touched, np.searchsorted(groups, highs, side="left"), -1)
    return [int(number) for number in np.flatnonzero(np.cumsum(touched)[: len(groups) - 1] > 0)]


def pieces_of(groups: Positions, low: int, high: int) -> list[tuple[int, int, int]]:
    """The parts of a run: row group, first row in it, number of rows."""
    first, last = (np.searchsorted(groups, (low + 1, high)) - 1).tolist()
    if first == last:
        return [(first, low - int(groups[first]), high - low)]
    pieces = []
    for number in range(first, last + 1):
        start, stop = max(low, int(groups[number])), min(high, int(groups[number + 1]))
        pieces.append((number, start - int(groups[number]), stop - start))
    return pieces


class Picked:
    """Which rows: run i, of rows lows[i] to highs[i], belongs to series[i]; less those dead."""

    def __init__(
        self,
        index: SeriesIndex,
        series: Positions,
        lows: Positions,
        highs: Positions,
        dead: Positions,
    ) -> None:
        some = lows < highs
        self._index = index
        self._series, self._lows, self._highs = series[some], lows[some], highs[some]
        self._counts = self._highs - self._lows
        self.groups = groups_of(index.groups, self._lows, self._highs) if some.any() else []
        self._pieces: list[tuple[int, int, int]] = []
        self._places: list[tuple[int, pa.Array]] = []
        if len(self._lows) > _SLICES_MAX or self._any_dead(dead):
            self._places = self._placed(dead)
        else:
            for low, high in zip(self._lows.tolist(), self._highs.tolist(), strict=True):
                self._pieces += pieces_of(index.groups, low, high)

    def _any_dead(self, dead: Positions) -> bool:
        if not len(dead):
            return False
        before, after = np.searchsorted(dead, self._lows), np.searchsorted(dead, self._highs)
        return bool((before < after).any())

    def _placed(self, dead: Positions) -> list[tuple[int, pa.Array]]:
        """The rows by row group and place in it, less those that are dead."""
        number = np.repeat(np.arange(len(self._lows)), self._counts)
        before = np.cumsum(self._counts) - self._counts
        positions = np.arange(len(number)) + (self._lows - before)[number]
        if len(dead):
            at = np.minimum(np.searchsorted(dead, positions), len(dead) - 1)
            live = dead[at] != positions
            positions, number = positions[live], number[live]
            self._counts = np.bincount(number, minlength=len(self._lows))
        groups = self._index.groups
        cuts = np.searchsorted(positions, groups)
        return [
            (number, pa.array(positions[cuts[number] : cuts[number + 1]] - groups[number]))
            for number in self.groups
        ]

    def rows(self, schema: RegionSchema, columns: Sequence[str], held: Held) -> pa.Table:
        """The named columns. Requires: `held` has those that are no tags, of all `groups`."""
        fields = pa.schema([schema.arrow.field(name) for name in columns])
        arrays = [
            self._tag(name)
            if name in schema.primary_key
            else pa.chunked_array(self._parts(name, held), fields.field(place).type)
            for place, name in enumerate(columns)
        ]
        return pa.Table.from_arrays(arrays, schema=fields)

    def _tag(self, name: str) -> pa.ChunkedArray:
        heads = self._index.tags.column(name).chunk(0)
        if len(self._series) == 1:
            value = heads[int(self._series[0])]
            return pa.chunked_array([pa.repeat(value, int(self._counts[0]))])
        return pa.chunked_array([heads.take(pa.array(np.repeat(self._series, self._counts)))])

    def _parts(self, name: str, held: Held) -> list[pa.Array]:
        if self._places:
            return [held[number, name].take(places) for number, places in self._places]
        return [held[number, name].slice(start, count) for number, start, count in self._pieces]
