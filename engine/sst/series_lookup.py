"""Finds newer rows in a file whose identity is a whole number and a time: both sides are sorted.

Called by `engine.shadow` for what series stores keep; all other identities go by `lookup`. Nothing
is hashed or remembered: a million series that are new meet a file in the time it takes to read two
of its columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine import evolve, jit
from engine.datatypes import TypeId
from engine.jit import INT64S, OUT_INT64, Int64s
from engine.schema import RegionSchema
from engine.sst.deletion import Positions
from engine.sst.reader import opened, readable


@jit.kernel(INT64S, INT64S, INT64S, INT64S, OUT_INT64)
def _common(
    series: Int64s, times: Int64s, file_series: Int64s, file_times: Int64s, out: Int64s
) -> int:
    """Places of the file's rows that are among the keys; how many. All four are in order."""
    count = 0
    key = 0
    for row in range(len(file_series)):
        one, time = file_series[row], file_times[row]
        while key < len(series) and (
            series[key] < one or (series[key] == one and times[key] < time)
        ):
            key += 1
        if key == len(series):
            break
        if series[key] == one and times[key] == time:
            out[count] = row
            count += 1
    return count


def applies(schema: RegionSchema, identity: tuple[str, ...]) -> bool:
    """True if rows of the schema are told apart by one whole number, never NULL, and their time."""
    if len(identity) != 2 or identity[1] != schema.time_index:
        return False
    tag = next(column for column in schema.columns if column.name == identity[0])
    return tag.type.id is TypeId.INT64 and not tag.nullable


@dataclass(frozen=True, slots=True)
class SeriesKeys:
    """Identities in order of (series, time)."""

    series: Int64s
    times: Int64s

    @classmethod
    def of(cls, rows: pa.Table, identity: tuple[str, ...]) -> SeriesKeys:
        """Those of rows in any order. Requires: `applies`."""
        series, times = (_numbers(rows.column(name)) for name in identity)
        if not _is_ascending(series, times):
            order = np.lexsort((times, series))
            series, times = series[order], times[order]
        return cls(series, times)


def positions(
    path: str, keys: SeriesKeys, identity: tuple[str, ...], old: RegionSchema, new: RegionSchema
) -> Positions:
    """Row positions in the file, ascending. The file has schema `old`, the keys have `new`.

    Raises: DbError CORRUPTED, STORAGE_UNAVAILABLE.
    """
    names = [str(column.source) for column in evolve.layout(old, new, identity)]
    found = [np.empty(0, np.int64)]
    start = 0
    with opened(path) as file, readable(path):
        leaf = file.schema_arrow.get_field_index(names[0])
        for group in range(file.num_row_groups):
            about = file.metadata.row_group(group)
            first, last = 0, len(keys.series)
            statistics = about.column(leaf).statistics
            if statistics is not None and statistics.has_min_max:
                first = int(np.searchsorted(keys.series, statistics.min))
                last = int(np.searchsorted(keys.series, statistics.max, "right"))
            if first < last:
                table = file.read_row_group(group, columns=names, use_threads=False)
                out = np.empty(about.num_rows, np.int64)
                file_series, file_times = (_numbers(table.column(name)) for name in names)
                some = slice(first, last)
                count = _common(keys.series[some], keys.times[some], file_series, file_times, out)
                found.append(out[:count] + start)
            start += about.num_rows
    return np.concatenate(found)


def _numbers(column: pa.ChunkedArray) -> Int64s:
    found: Int64s = column.combine_chunks().view(pa.int64()).to_numpy()
    return found


def _is_ascending(series: Int64s, times: Int64s) -> bool:
    later = (series[1:] > series[:-1]) | ((series[1:] == series[:-1]) & (times[1:] >= times[:-1]))
    return bool(later.all())
