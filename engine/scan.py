"""Scans: which files and which rows in memory make up a region, as one snapshot.

Called by `engine.regions`. Files are handed to DuckDB by name, but for selective scans, whose few
rows are read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from engine.api import Op, ScanFile, ScanRequest
from engine.errors import DbError, ErrorKind
from engine.memtable.memtable import Memtable
from engine.memtable.view import Chunk, Shape, View, keys_within, overlapping, stack
from engine.region import Region
from engine.sst.file import FileMeta
from engine.sst.series import SeriesReader
from engine.sst.vectors import VectorCache
from engine.store.store import ObjectStore


@dataclass
class RegionSnapshot:
    """Implements `engine.api.Snapshot`."""

    files: tuple[ScanFile, ...]
    memory: pa.Table
    selected: pa.Table | None
    shadow: pa.Table | None
    identity: tuple[str, ...]
    _region: Region
    _pins: frozenset[str] = field(default_factory=frozenset)

    def close(self) -> None:
        """Releases the pins. A second call does nothing."""
        pins, self._pins = self._pins, frozenset()
        if pins:
            self._region.unpin(pins)


def scan(
    region: Region,
    request: ScanRequest,
    staged: Sequence[tuple[Op, pa.RecordBatch]],
    store: ObjectStore,
    vectors: VectorCache,
    series: SeriesReader,
) -> RegionSnapshot:
    """Pins a snapshot. Raises: DbError REGION_NOT_FOUND, CORRUPTED."""
    state, pins = region.pinned_state(request.time_range)
    try:
        shape = state.shape
        memtables = [m for m in state.memtables if not m.is_empty]
        if staged:
            memtables.append(_overlay(staged, shape))
        view = stack([m.view() for m in memtables], shape) if memtables else View()
        files = state.version.files
        shadow = _shadow(view.keys(shape), files, shape)
        whole: list[ScanFile] = []
        selected: list[pa.Table] = []
        for file in files:
            found = _scan_file(file, _shadows(shadow, file), store, vectors)
            rows = _selected(found, request, shape, series)
            if rows is None:
                whole.append(found)
            elif rows.num_rows:
                selected.append(rows)
        return RegionSnapshot(
            files=tuple(whole),
            memory=_memory(view, request, shape),
            selected=pa.concat_tables(selected) if selected else None,
            shadow=pa.Table.from_batches([p.rows for p in shadow]) if shadow else None,
            identity=shape.identity,
            _region=region,
            _pins=pins,
        )
    except BaseException:
        region.unpin(pins)
        raise


def _selected(
    file: ScanFile, request: ScanRequest, shape: Shape, series: SeriesReader
) -> pa.Table | None:
    """The wanted rows of one series, None if the file is better read whole."""
    if request.first_key is None or file.shadowed or not shape.schema.primary_key:
        return None
    dead = np.empty(0, np.int64) if file.deleted is None else file.deleted.to_numpy()
    try:
        return series.rows(
            file.path, shape.schema, request.first_key, request.columns, request.time_range, dead
        )
    except (OSError, pa.ArrowInvalid) as error:
        message = f"cannot read {file.path}: {error}"
        raise DbError(ErrorKind.CORRUPTED, message) from error


def _overlay(staged: Sequence[tuple[Op, pa.RecordBatch]], shape: Shape) -> Memtable:
    """The caller's own uncommitted rows as the newest layer."""
    layer = Memtable(shape)
    layer.append(staged, sequence=1, log_sequence=1)
    return layer


def _memory(view: View, request: ScanRequest, shape: Shape) -> pa.Table:
    """The wanted columns of the live chunks, shared with the memtable."""
    arrow = shape.schema.arrow
    schema = pa.schema([arrow.field(name) for name in request.columns])
    parts = overlapping(view, request.time_range)
    return pa.Table.from_batches([p.rows.select(list(request.columns)) for p in parts], schema)


def _shadow(keys: Sequence[Chunk], files: Sequence[FileMeta], shape: Shape) -> list[Chunk]:
    """The keys that can meet a row of the files: those within their range of times."""
    if not keys or not files:
        return []
    first, last = min(f.time_min for f in files), max(f.time_max for f in files)
    near = keys_within(keys, shape, first, last)
    return [_key_chunk(batch, shape) for batch in near]


def _key_chunk(keys: pa.RecordBatch, shape: Shape) -> Chunk:
    values = keys.column(shape.schema.time_index).view(pa.int64()).to_numpy()
    return Chunk(keys, int(values.min()), int(values.max()))


def _shadows(keys: Sequence[Chunk], file: FileMeta) -> bool:
    return any(part.overlaps(file.time_min, file.time_max) for part in keys)


def _scan_file(
    file: FileMeta, shadowed: bool, store: ObjectStore, vectors: VectorCache
) -> ScanFile:
    dead = pa.array(vectors.positions(file)) if file.deletion else None
    return ScanFile(store.local_path(file.path), file.rows, dead, shadowed)
