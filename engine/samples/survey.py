"""Which series of a region have samples at all, read from the files' series alone.

Called by `engine.samples.read` for whoever looks for series that nothing is left of. It decodes no
values, keeps nothing in memory and stops as soon as every series was met; it errs on one side only:
a series it does not name has no sample, one it names may have lost its last in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.api import TimeRange
from engine.jit import Int64s
from engine.region import RegionState
from engine.samples.block import Columns
from engine.sst.deletion import Positions
from engine.sst.file import FileMeta
from engine.sst.reader import opened, readable

_LEAST, _MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max

Local = Callable[[FileMeta], AbstractContextManager[str]]
Dead = Callable[[FileMeta], Positions]


def survey(
    state: RegionState, series: Int64s, wanted: TimeRange, local: Local, dead: Dead
) -> NDArray[np.bool_]:
    """For each of the ascending series whether it may have samples in the range.

    `local` gives a file's path while it is read, `dead` its dead rows. Requires: the files are
    pinned. Raises: DbError CORRUPTED, STORAGE_UNAVAILABLE.
    """
    met = np.zeros(len(series), np.bool_)
    name = Columns.of(state.version.schema).series
    for memtable in state.memtables:
        for part in memtable.view().puts:
            _meet(met, series, np.unique(part.rows.column(name).to_numpy()))
    for file in sorted(state.version.files, key=lambda file: -file.time_max):
        if met.all():
            break
        columns = Columns.of(state.version.schema_of(file.schema_version))
        with local(file) as path, opened(path) as parquet, readable(path):
            for ids in _series_of(parquet, file, columns, wanted, dead(file), series[~met]):
                _meet(met, series, ids)
    return met


def _meet(met: NDArray[np.bool_], series: Int64s, ids: Int64s) -> None:
    places = np.searchsorted(series, ids)
    inside = places < len(series)
    places = places[inside]
    met[places[series[places] == ids[inside]]] = True


def _series_of(
    parquet: pq.ParquetFile,
    file: FileMeta,
    columns: Columns,
    wanted: TimeRange,
    dead: Positions,
    missing: Int64s,
) -> Iterator[Int64s]:
    """The series of each row group that may hold a missing one, without repetitions."""
    is_covered = wanted.covers(file.time_min, file.time_max)
    names = [columns.series] if is_covered else [columns.series, columns.time]
    leaf = parquet.schema_arrow.get_field_index(columns.series)
    stop = 0
    for group in range(parquet.num_row_groups):
        about = parquet.metadata.row_group(group)
        start, stop = stop, stop + about.num_rows
        statistics = about.column(leaf).statistics
        if statistics is not None and statistics.has_min_max:
            first, last = np.searchsorted(missing, (statistics.min, statistics.max + 1))
            if first == last:
                continue
        table = parquet.read_row_group(group, columns=names, use_threads=False)
        ids = table.column(columns.series).to_numpy()
        live = np.ones(len(ids), np.bool_)
        low, high = np.searchsorted(dead, (start, stop))
        live[dead[low:high] - start] = False
        if not is_covered:
            times = table.column(columns.time).to_numpy().view(np.int64)
            live &= times >= (_LEAST if wanted.start is None else wanted.start)
            live &= times < (_MOST if wanted.end is None else wanted.end)
        ids = ids[live]
        yield ids[np.append(True, ids[1:] != ids[:-1])] if len(ids) else ids
