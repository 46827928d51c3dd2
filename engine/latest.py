"""The newest row of each series, kept so that asking for it reads no file.

Called by `engine.scan` for requests that want nothing else. The newest rows of a region's files are
found once (from the second such question on), and brought up to date when files come and go; rows
in memory are laid over them for each question.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.memo import BatchMemo
from engine.memtable.keys import Codes, KeySet
from engine.memtable.view import Shape, View
from engine.schema import RegionSchema
from engine.sst.cache import ByteCache
from engine.sst.deletion import Positions
from engine.sst.file import FileMeta
from engine.sst.reader import read_rows
from engine.sst.series import SeriesReader, search
from engine.sst.vectors import VectorCache
from engine.store.store import ObjectStore
from engine.version import Version

# Reading all tags of so many rows takes seconds, and is worth it; of more it is left to DuckDB.
_ROWS_MAX = 64_000_000
_FILES_MAX = 500
_REGIONS_MAX = 10_000  # regions remembered as asked once
_OVERLAYS_MAX = 64  # regions whose newest rows are remembered together with memory's
_LEAST = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Newest:
    """The newest live row of each series over some files, and where each of them is.

    In append mode all rows of a series with its last time.
    """

    schema: RegionSchema
    vectors: dict[int, str | None]  # of the files it is made of: their deletion vectors
    rows: pa.Table
    file_ids: Positions
    positions: Positions
    last: int  # the last time of all

    @property
    def nbytes(self) -> int:
        """Memory it takes, about."""
        return int(self.rows.nbytes + self.file_ids.nbytes + self.positions.nbytes) + 1000


@dataclass
class _Overlay:
    """What the newest rows of a region's memory were when they were last asked for."""

    base: Newest
    parts: tuple[pa.RecordBatch, ...]
    rows: pa.Table
    last: int


class LatestRows:
    """Newest rows by region, within a budget. Any thread."""

    def __init__(
        self, store: ObjectStore, vectors: VectorCache, series: SeriesReader, bytes_max: int
    ) -> None:
        # Constant after construction.
        self._store = store
        self._vectors = vectors
        self._series = series
        self._cache = ByteCache(bytes_max)
        self._batches: BatchMemo[Codes] = BatchMemo()
        # Guarded by _lock.
        self._lock = Lock()
        self._asked: OrderedDict[int, Lock] = OrderedDict()
        self._overlays: OrderedDict[int, _Overlay] = OrderedDict()

    def rows(
        self,
        region_id: int,
        version: Version,
        view: View,
        shape: Shape,
        columns: Sequence[str],
        oldest: int | None,
    ) -> tuple[pa.Table, int] | None:
        """The newest rows of all series, and the last time among them.

        `version` is the whole region, `view` its memory in the same schema. Rows before `oldest`
        have expired. None: not known cheaply, or not certain; everything is to be read then.
        Raises: DbError, OSError, pa.ArrowException.
        """
        base = self._base(region_id, version, shape, columns, oldest)
        if base is None or _kills(view, base, shape):
            return None
        if not view.puts:
            return base.rows, base.last
        return self._overlaid(region_id, base, view, shape)

    # Files.

    def _base(
        self,
        region_id: int,
        version: Version,
        shape: Shape,
        columns: Sequence[str],
        oldest: int | None,
    ) -> Newest | None:
        with self._lock:
            mutex = self._asked.get(region_id)
            if mutex is None:
                self._asked[region_id] = Lock()
                if len(self._asked) > _REGIONS_MAX:
                    self._asked.popitem(last=False)
                return None  # one question does not pay
        with mutex:
            known: Newest | None = self._cache.get(region_id)
            found = self._current(known, version, shape, columns, oldest)
            if found is not None and found is not known:
                self._cache.put(region_id, found, found.nbytes)
            return found

    def _current(
        self,
        known: Newest | None,
        version: Version,
        shape: Shape,
        columns: Sequence[str],
        oldest: int | None,
    ) -> Newest | None:
        vectors = {f.id: f.deletion.path if f.deletion else None for f in version.files}
        names = list(dict.fromkeys((*shape.schema.sort_key, *columns)))
        if known is not None and known.schema == shape.schema:
            have = known.rows.column_names
            if set(have).issuperset(names):
                if known.vectors == vectors:
                    return known
                advanced = self._advanced(known, version, vectors, shape, oldest)
                if advanced is not None:
                    return advanced
            names = list(dict.fromkeys((*names, *have)))
        if len(version.files) > _FILES_MAX or sum(f.rows for f in version.files) > _ROWS_MAX:
            return None
        parts = self._of_files(version.files, version, shape, names)
        return None if parts is None else _made(parts, vectors, shape, names)

    def _advanced(
        self,
        known: Newest,
        version: Version,
        vectors: dict[int, str | None],
        shape: Shape,
        oldest: int | None,
    ) -> Newest | None:
        """The newest rows after files came and went, without reading those that stayed.

        None if a newest row was deleted and nothing says what comes before it.
        """
        lost = self._lost(known, version, vectors)
        names = known.rows.column_names
        added = [file for file in version.files if file.id not in known.vectors]
        parts = self._of_files(added, version, shape, names)
        if parts is None:
            return None
        kept = ~lost
        kept_rows = known.rows.filter(pa.array(kept))
        parts = [(kept_rows, known.file_ids[kept], known.positions[kept]), *parts]
        merged = _made(parts, vectors, shape, names)
        gone = known.rows.filter(pa.array(lost))
        return merged if _are_covered(gone, merged.rows, shape, oldest) else None

    def _lost(
        self, known: Newest, version: Version, vectors: dict[int, str | None]
    ) -> npt.NDArray[np.bool_]:
        """Which of the known rows are not where they were, or dead."""
        lost = ~np.isin(known.file_ids, np.fromiter(vectors, np.int64, len(vectors)))
        for file in version.files:
            if known.vectors.get(file.id, vectors[file.id]) != vectors[file.id]:
                mine = known.file_ids == file.id
                lost |= mine & np.isin(known.positions, self._vectors.positions(file))
        return lost

    def _of_files(
        self, files: Sequence[FileMeta], version: Version, shape: Shape, names: Sequence[str]
    ) -> list[tuple[pa.Table, Positions, Positions]] | None:
        """Rows, file ids and positions per file; None if one has too many series."""
        self._store.fetch({file.path for file in files})
        parts = []
        for file in files:
            old = version.schema_of(file.schema_version)
            index = self._series.index(file, old)
            if index is None:
                return None
            dead = self._vectors.positions(file) if file.deletion else np.empty(0, np.int64)
            times = (lambda f=file, s=old: self._series.times(f, s)) if shape.append_mode else None
            places = _last_live(index.starts, dead, file.rows, times)
            path = self._store.local_path(file.path)
            rows = read_rows(path, places, old, shape.schema, names)
            parts.append((rows, np.full(len(places), file.id, np.int64), places))
        return parts

    # Memory.

    def _overlaid(
        self, region_id: int, base: Newest, view: View, shape: Shape
    ) -> tuple[pa.Table, int] | None:
        batches = tuple(part.rows for part in view.puts)
        with self._lock:
            known = self._overlays.get(region_id)
        if known is not None and known.base is base and _identical(known.parts, batches):
            return known.rows, known.last
        names = base.rows.column_names
        parts = [base.rows, *(self._of_batch(batch, shape).select(names) for batch in batches)]
        if shape.partial and _any_same(base.rows, pa.concat_tables(parts[1:]), shape):
            return None  # a partial row over a stored one: it has to be completed
        rows = pa.concat_tables(parts)
        rows = rows.take(pa.array(_newest(rows, shape))).combine_chunks()
        last = _last_time(rows, shape)
        with self._lock:
            self._overlays[region_id] = _Overlay(base, batches, rows, last)
            self._overlays.move_to_end(region_id)
            while len(self._overlays) > _OVERLAYS_MAX:
                self._overlays.popitem(last=False)
        return rows, last

    def _of_batch(self, batch: pa.RecordBatch, shape: Shape) -> pa.Table:
        """The newest rows of a part of memory, found once as long as it lives."""
        table = pa.Table.from_batches([batch])
        return table.take(pa.array(self._batches.get(batch, None, lambda: _newest(table, shape))))


def _identical(one: Sequence[pa.RecordBatch], other: Sequence[pa.RecordBatch]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _made(
    parts: Sequence[tuple[pa.Table, Positions, Positions]],
    vectors: dict[int, str | None],
    shape: Shape,
    names: Sequence[str],
) -> Newest:
    """The newest rows of several files' newest ones."""
    schema = pa.schema([shape.schema.arrow.field(name) for name in names])
    rows = pa.concat_tables([schema.empty_table(), *(part[0] for part in parts)])
    ids = np.concatenate([np.empty(0, np.int64), *(part[1] for part in parts)])
    places = np.concatenate([np.empty(0, np.int64), *(part[2] for part in parts)])
    chosen = _newest(rows, shape)
    rows = rows.take(pa.array(chosen)).combine_chunks()
    last = _last_time(rows, shape)
    return Newest(shape.schema, vectors, rows, ids[chosen], places[chosen], last)


def _times(rows: pa.Table, shape: Shape) -> Codes:
    column = rows.column(shape.schema.time_index).combine_chunks()
    values: Codes = column.view(pa.int64()).to_numpy()
    return values


def _last_time(rows: pa.Table, shape: Shape) -> int:
    return int(_times(rows, shape).max()) if rows.num_rows else _LEAST


def _groups(rows: pa.Table, shape: Shape) -> Codes:
    return KeySet(rows, shape.schema.primary_key).groups()


def _newest(rows: pa.Table, shape: Shape) -> Codes:
    """Positions of the newest row of each series; of equal times the later row wins.

    In append mode all rows of a series' last time.
    """
    if not rows.num_rows:
        return np.empty(0, np.int64)
    groups, times = _groups(rows, shape), _times(rows, shape)
    last = np.full(int(groups.max()) + 1, _LEAST)
    np.maximum.at(last, groups, times)
    newest = np.flatnonzero(times == last[groups])
    if shape.append_mode:
        return newest
    winner = np.empty(len(last), np.int64)
    winner[groups[newest]] = newest  # done in order: the last of a series stays
    chosen: Codes = np.sort(winner)
    return chosen


def _last_live(
    starts: Positions, dead: Positions, count: int, times: Callable[[], Positions] | None
) -> Positions:
    """The last row of each series that is not dead; with `times`, all live ones of that time."""
    ends = starts[1:] - 1
    if len(dead):
        places = np.arange(count)
        places[dead] = -1
        ends = np.maximum.reduceat(places, starts[:-1])
    some = ends >= starts[:-1]
    first, ends = starts[:-1][some], ends[some]
    if times is None:
        return ends
    values = times()
    first = search(values, first, ends, values[ends])
    counts = ends - first + 1
    number = np.repeat(np.arange(len(first)), counts)
    spread: Positions = np.arange(len(number)) + (first - (np.cumsum(counts) - counts))[number]
    return spread[~np.isin(spread, dead)] if len(dead) else spread


def _are_covered(gone: pa.Table, rows: pa.Table, shape: Shape, oldest: int | None) -> bool:
    """True if each series of the rows that are gone has one at least as new, or has expired."""
    if not gone.num_rows:
        return True
    both = pa.concat_tables([rows, gone])
    groups, times = _groups(both, shape), _times(both, shape)
    last = np.full(int(groups.max()) + 1, _LEAST)
    np.maximum.at(last, groups[: rows.num_rows], times[: rows.num_rows])
    late = times[rows.num_rows :]
    covered = last[groups[rows.num_rows :]] >= late
    if oldest is not None:
        covered |= late < oldest
    return bool(covered.all())


def _kills(view: View, base: Newest, shape: Shape) -> bool:
    """True if a deletion in memory may mean one of the newest stored rows."""
    if not view.deletes or not base.rows.num_rows:
        return False
    if shape.append_mode:
        return True
    keys = pa.Table.from_batches([part.rows.select(shape.identity) for part in view.deletes])
    return _any_same(base.rows, keys, shape)


def _any_same(rows: pa.Table, keys: pa.Table, shape: Shape) -> bool:
    """True if an identity is in both."""
    if not rows.num_rows or not keys.num_rows:
        return False
    return bool(KeySet(rows, shape.identity).contains(keys.select(shape.identity)).any())
