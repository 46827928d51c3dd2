"""The rows of one series in a range of times, if all of them are in memory as they are.

Called by `engine.regions` for questions that are answered on an event loop: nothing is read,
decoded, folded or waited for here. What is not at hand is left to a scan, which keeps what it made.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.api import KeyFilter, NotResident, SeriesRequest, TimeRange
from engine.memtable.keys import Codes
from engine.memtable.view import Chunk, Shape, View, overlapping, times
from engine.region import Region, RegionState
from engine.scan import ScanTools
from engine.sst.whole import WholeSeries
from engine.ttl import clamp, oldest_alive

FILES_MAX = 32  # each costs some microseconds
ROWS_MAX = 16_384  # of memory without an index of its tags, which are compared one by one


class _Run(NamedTuple):
    """Rows of the series in order of time."""

    times: Codes
    rows: pa.RecordBatch


class _Layer(NamedTuple):
    """What a memtable has of the series."""

    runs: list[_Run]
    replaced: Codes  # times of rows of older layers that it replaces or deletes
    deletes: bool


def glance(
    region: Region, request: SeriesRequest, tools: ScanTools
) -> Sequence[pa.RecordBatch] | None:
    """The rows in order of time; None if they are not at hand. `tools`: those of the scans.

    Raises: DbError REGION_NOT_FOUND, CORRUPTED.
    """
    try:
        state = region.state_at_once()
    except NotResident:
        return None
    schema, options = state.version.schema, state.version.options
    if schema.version != request.schema_version:
        return None
    wanted = request.time_range
    if options.ttl_ms is not None:
        wanted = clamp(wanted, oldest_alive(schema, options, tools.clock.now_ms()))
    return _Glance(state, request, wanted, tools).rows()


class _Glance:
    """One question on its way."""

    def __init__(
        self, state: RegionState, request: SeriesRequest, wanted: TimeRange, tools: ScanTools
    ) -> None:
        self.state = state
        self.request = request
        self.shown = request.shown or request.columns
        self.wanted = wanted
        self.tools = tools

    def rows(self) -> Sequence[pa.RecordBatch] | None:
        layers = self._layers()
        stored = None if layers is None else self._stored()
        if layers is None or stored is None:
            return None
        return _together(layers, stored, self.state.shape) if layers else _in_order(stored)

    def _stored(self) -> list[_Run] | None:
        """The series in the files that may hold some of it."""
        version = self.state.version
        files = version.overlapping(self.wanted).files
        if len(files) > FILES_MAX:
            return None
        self.tools.scrubber.check(files)
        runs: list[_Run] = []
        for file in files:
            series = self.tools.series.whole(file, self.request.tags, self.request.columns)
            if series is None or file.schema_version != version.schema.version:
                return None
            part = _within(series, self.shown, self.wanted)
            if part is not None:
                runs.append(part)
        return runs

    def _layers(self) -> list[_Layer] | None:
        """What memtables have of the series, oldest first, those without anything left out."""
        layers: list[_Layer] = []
        for memtable in self.state.memtables:
            if memtable.is_empty:
                continue
            view = memtable.settled()
            layer = None if view is None else self._layer(view)
            if layer is None:
                return None
            if len(layer.replaced):
                layers.append(layer)
        return layers

    def _layer(self, view: View) -> _Layer | None:
        shape = self.state.shape
        runs: list[_Run] = []
        replaced: list[Codes] = []
        live, dead = overlapping(view.puts, self.wanted), overlapping(view.deletes, self.wanted)
        if sum(part.rows.num_rows for part in live + dead if not self._indexes(part)) > ROWS_MAX:
            return None
        for number, part in enumerate(live + dead):
            places = self._places(part, shape)
            if places is None:
                return None
            if len(places):
                moments = times(part.rows, shape)[places]
                replaced.append(moments)
                if number < len(live):
                    rows = part.rows.select(self.shown).take(pa.array(places))
                    runs.append(_Run(moments, rows))
        found = np.concatenate(replaced) if replaced else _NONE
        return _Layer([_merged(runs)] if runs else [], found, len(replaced) > len(runs))

    def _indexes(self, part: Chunk) -> bool:
        return self.tools.memory.indexes(part)

    def _places(self, part: Chunk, shape: Shape) -> Codes | None:
        """Where the rows of the series in the range are; None if that takes too long to find."""
        keys = zip(shape.schema.primary_key, self.request.tags, strict=True)
        if self._indexes(part):
            filters = [KeyFilter(name, (value,)) for name, value in keys]
            places = self.tools.memory.known_places(part, filters)
            if places is None:
                return None
            return places[_during(times(part.rows, shape)[places], self.wanted)]
        keep = _during(times(part.rows, shape), self.wanted)
        for name, value in keys:
            column = part.rows.column(name)
            same = pc.equal(column, pa.scalar(value, column.type))
            keep &= pc.fill_null(same, False).to_numpy(zero_copy_only=False)
        return np.flatnonzero(keep)


_NONE: Codes = np.empty(0, np.int64)


def _during(moments: Codes, wanted: TimeRange) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    keep = np.ones(len(moments), np.bool_)
    if wanted.start is not None:
        keep &= moments >= wanted.start
    if wanted.end is not None:
        keep &= moments < wanted.end
    return keep


def _within(series: WholeSeries, shown: tuple[str, ...], wanted: TimeRange) -> _Run | None:
    """The part of a range of times, None if that is empty."""
    moments = series.times
    low, high = 0, len(moments)
    if wanted.start is not None:
        low = int(moments.searchsorted(wanted.start))
    if wanted.end is not None:
        high = int(moments.searchsorted(wanted.end))
    if low >= high:
        return None
    return _Run(moments[low:high], series.shown(shown).slice(low, high - low))


def _together(
    layers: Sequence[_Layer], stored: Sequence[_Run], shape: Shape
) -> Sequence[pa.RecordBatch] | None:
    """Rows of memory over those of files; None if they do not simply replace them."""
    runs: list[_Run] = []
    replaced = _NONE
    older = _Layer(list(stored), _NONE, deletes=False)
    for layer in (*reversed(layers), older):
        if shape.append_mode:
            if layer.deletes:
                return None  # they name whole rows
            runs += layer.runs
            continue
        for run in layer.runs:
            kept = _less(run, replaced)
            if shape.partial and kept is not run:
                return None  # it may fill fields of the newer row
            runs.append(kept)
        replaced = np.concatenate([replaced, layer.replaced])
    return _in_order(runs)


def _less(run: _Run, replaced: Codes) -> _Run:
    """The rows whose times are not among those replaced; the run itself if that is all."""
    if not len(replaced) or replaced.max() < run.times[0] or replaced.min() > run.times[-1]:
        return run
    kept = np.flatnonzero(~np.isin(run.times, replaced))
    if len(kept) == len(run.times):
        return run
    return _Run(run.times[kept], run.rows.take(pa.array(kept)))


def _in_order(runs: Sequence[_Run]) -> Sequence[pa.RecordBatch]:
    """The rows of all runs in order of time."""
    if len(runs) > 1:
        runs = sorted((run for run in runs if len(run.times)), key=lambda run: int(run.times[0]))
        if any(one.times[-1] > other.times[0] for one, other in pairwise(runs)):
            return [_merged(runs).rows]
    return [run.rows for run in runs]


def _merged(runs: Sequence[_Run]) -> _Run:
    """One run of several parts, which need not be in order."""
    if len(runs) == 1:
        moments, rows = runs[0]
    else:
        moments = np.concatenate([run.times for run in runs])
        rows = pa.concat_batches([run.rows for run in runs])
    if (moments[1:] >= moments[:-1]).all():
        return _Run(moments, rows)
    order = np.argsort(moments, kind="stable")
    return _Run(moments[order], rows.take(pa.array(order)))
