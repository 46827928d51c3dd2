"""Which stored rows the rows in memory replace, as positions in their files.

Called by `engine.scan`. With positions DuckDB leaves rows out by their number; otherwise it would
have to read and compare all identity columns of a file for the sake of a few late rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from engine.memo import BatchMemo
from engine.memtable.view import Chunk, Shape, within
from engine.schema import RegionSchema
from engine.sst.deletion import Positions
from engine.sst.file import FileMeta
from engine.sst.series import Effort, SeriesReader, search


class Replaced:
    """Finds replaced rows by the index of a file; remembers them per part of memory. Any thread."""

    def __init__(self, series: SeriesReader) -> None:
        # Constant after construction.
        self._series = series
        self._memo: BatchMemo[Positions] = BatchMemo()

    def positions(
        self,
        file: FileMeta,
        schema: RegionSchema,
        keys: Sequence[Chunk],
        shape: Shape,
        effort: Effort,
    ) -> Positions | None:
        """Ascending positions of the rows with an identity among the keys.

        `schema` is the file's and the shape's. None if the file has no index (yet).
        Raises: OSError, pa.ArrowException.
        """
        if shape.append_mode or not self._series.has_times(file):
            return None
        index = self._series.index(file, schema, effort)
        if index is None:
            return None
        near = [part for part in keys if part.overlaps(file.time_min, file.time_max)]
        found = [
            self._memo.get(part.rows, file.path, partial(self._of, file, schema, part, shape))
            for part in near
        ]
        some = [places for places in found if len(places)]
        if len(some) <= 1:
            return some[0] if some else np.empty(0, np.int64)
        return np.unique(np.concatenate(some))

    def _of(self, file: FileMeta, schema: RegionSchema, part: Chunk, shape: Shape) -> Positions:
        index = self._series.index(file, schema)
        rows = within(part, shape, file.time_min, file.time_max)
        if index is None or not rows.num_rows:
            return np.empty(0, np.int64)
        series = index.numbers_of(pa.Table.from_batches([rows]).select(schema.primary_key))
        moments = rows.column(schema.time_index).view(pa.int64()).to_numpy()
        known = series >= 0
        series, moments = series[known], moments[known]
        times = self._series.times(file, schema)
        highs = index.starts[series + 1]
        places = search(times, index.starts[series], highs, moments)
        hit = (places < highs) & (times[np.minimum(places, len(times) - 1)] == moments)
        return np.unique(places[hit])
