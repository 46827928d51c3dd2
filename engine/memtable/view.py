"""Deduplicated rows in memory, and how newer ones shadow older ones.

A `View` is immutable: scans hold one while writers go on. `fold` puts a batch of new writes on top
of a view, `stack` puts whole views on top of each other (frozen memtables, the active one, a
transaction's own rows).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine.api import TimeRange
from engine.memtable.keys import Codes, KeySet
from engine.memtable.partial import fill, filled
from engine.schema import MergeMode, RegionOptions, RegionSchema

SMALL_ROWS = 4096  # chunks below this are merged when there are many, so that views stay short
_SMALL_CHUNKS_MAX = 32


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows and the range of their times (both ends included). Never empty."""

    rows: pa.RecordBatch
    first: int
    last: int

    def overlaps(self, first: int, last: int) -> bool:
        """True if some row may be in [first, last]."""
        return self.first <= last and first <= self.last


@dataclass(frozen=True, slots=True)
class Shape:
    """What deduplication must know of a region: constant while its schema is."""

    schema: RegionSchema
    append_mode: bool
    # A row may be partial: its NULL fields are those of the older row with its identity.
    partial: bool = False

    @classmethod
    def of(cls, schema: RegionSchema, options: RegionOptions) -> Shape:
        """The shape of a region."""
        partial = options.merge_mode is MergeMode.LAST_NON_NULL and not options.append_mode
        return cls(schema, options.append_mode, partial)

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that tell rows apart: the key, or all of them in append mode."""
        if self.append_mode:
            return tuple(column.name for column in self.schema.columns)
        return self.schema.sort_key


@dataclass(frozen=True, slots=True)
class View:
    """Live rows and tombstones.

    I1. In upsert mode no two live rows share an identity.
    I2. `deletes` name rows of older sources only; no live row of the view is meant.
    I3. With partial rows, an identity among both is a row that was deleted and written again: its
        NULL fields stay NULL. All others are filled from older sources.
    """

    puts: tuple[Chunk, ...] = ()
    deletes: tuple[Chunk, ...] = ()

    def keys(self, shape: Shape) -> tuple[Chunk, ...]:
        """What shadows older rows: every identity in upsert mode, the deleted ones in append."""
        return self.deletes if shape.append_mode else self.puts + self.deletes


def times(rows: pa.RecordBatch, shape: Shape) -> Codes:
    """The time index as int64 in its own unit."""
    values: Codes = rows.column(shape.schema.time_index).view(pa.int64()).to_numpy()
    return values


def chunk(rows: pa.RecordBatch, shape: Shape) -> Chunk:
    """Measures the range of times. Requires: at least one row."""
    assert rows.num_rows
    values = times(rows, shape)
    return Chunk(rows, int(values.min()), int(values.max()))


def within(part: Chunk, shape: Shape, first: int, last: int) -> pa.RecordBatch:
    """The identity columns of the rows with a time in [first, last]."""
    keys = part.rows.select(shape.identity)
    if first <= part.first and part.last <= last:
        return keys
    values = times(part.rows, shape)
    return keys.take(pa.array(np.flatnonzero((values >= first) & (values <= last))))


def during(part: Chunk, shape: Shape, wanted: TimeRange) -> pa.RecordBatch:
    """The rows with a time in the range."""
    after = wanted.start is None or part.first >= wanted.start
    before = wanted.end is None or part.last < wanted.end
    if after and before:
        return part.rows
    values = times(part.rows, shape)
    keep = np.ones(len(values), np.bool_)
    if wanted.start is not None:
        keep &= values >= wanted.start
    if wanted.end is not None:
        keep &= values < wanted.end
    return part.rows.filter(pa.array(keep))


def keys_within(
    parts: Iterable[Chunk], shape: Shape, first: int, last: int
) -> list[pa.RecordBatch]:
    """The non-empty results of `within` over the parts that overlap."""
    found = [within(p, shape, first, last) for p in parts if p.overlaps(first, last)]
    return [keys for keys in found if keys.num_rows]


def _span(parts: Sequence[Chunk]) -> tuple[int, int]:
    return min(p.first for p in parts), max(p.last for p in parts)


def subtract(parts: Sequence[Chunk], keys: Sequence[Chunk], shape: Shape) -> tuple[Chunk, ...]:
    """The parts without the rows whose identity is among the keys; untouched parts are shared."""
    if not parts or not keys:
        return tuple(parts)
    near = keys_within(keys, shape, *_span(parts))
    if not near:
        return tuple(parts)
    key_set = KeySet(pa.Table.from_batches(near), shape.identity)
    first, last = _span([chunk(batch, shape) for batch in near])
    kept = (_without(part, key_set, shape, first, last) for part in parts)
    return tuple(part for part in kept if part is not None)


def _without(part: Chunk, keys: KeySet, shape: Shape, first: int, last: int) -> Chunk | None:
    """The part less the rows in the set, whose times are all in [first, last]."""
    if not part.overlaps(first, last):
        return part
    values = times(part.rows, shape)
    near = np.flatnonzero((values >= first) & (values <= last))
    candidates = part.rows.select(shape.identity).take(pa.array(near))
    dead = near[keys.contains(candidates)]
    if not len(dead):
        return part
    live = np.ones(part.rows.num_rows, np.bool_)
    live[dead] = False
    return chunk(part.rows.filter(pa.array(live)), shape) if live.any() else None


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Rows of one kind with the number of each row's arrival. Never empty."""

    rows: pa.RecordBatch
    arrival: Codes


def fold(view: View, puts: Sequence[Arrivals], deletes: Sequence[Arrivals], shape: Shape) -> View:
    """The view after new writes, which are all newer than it."""
    rule = _append_only if shape.append_mode else _last_non_null if shape.partial else _last_row
    merged = _on_top(view, rule(puts, deletes, shape), shape)
    return View(_tidied(merged.puts, shape), _tidied(merged.deletes, shape))


def stack(views: Sequence[View], shape: Shape) -> View:
    """One view of several, oldest first."""
    result = views[-1]
    for older in reversed(views[:-1]):
        result = _on_top(older, result, shape)
    return result


def _on_top(older: View, newer: View, shape: Shape) -> View:
    """One view of two."""
    puts = newer.puts
    if shape.partial and puts and older.puts:
        first, last = _span(puts)
        near = [part.rows for part in older.puts if part.overlaps(first, last)]
        puts = completed(newer, near, shape)
    below = subtract(older.puts, newer.keys(shape), shape)
    return View(below + puts, older.deletes + newer.deletes)


def completed(view: View, older: Sequence[pa.RecordBatch], shape: Shape) -> tuple[Chunk, ...]:
    """The view's rows, their NULL fields filled from older rows of the same identity (I3).

    Requires: `older` has the columns of the view's rows, and no identity twice.
    """
    if not older or not view.puts:
        return view.puts
    base = pa.Table.from_batches(older)
    if view.deletes:
        dead = pa.Table.from_batches([p.rows.select(shape.identity) for p in view.deletes])
        base = base.filter(pa.array(~KeySet(dead, shape.identity).contains(base)))
    if not base.num_rows:
        return view.puts
    known = KeySet(base, shape.identity)
    return tuple(
        _chunk_of(fill(pa.Table.from_batches([part.rows]), base, shape.identity), shape)
        if known.contains(part.rows).any()
        else part
        for part in view.puts
    )


def _chunk_of(rows: pa.Table, shape: Shape) -> Chunk:
    return chunk(rows.combine_chunks().to_batches()[0], shape)


def overlapping(parts: Iterable[Chunk], wanted: TimeRange) -> tuple[Chunk, ...]:
    """The chunks that may hold rows of a range."""
    return tuple(
        part
        for part in parts
        if (wanted.end is None or part.first < wanted.end)
        and (wanted.start is None or part.last >= wanted.start)
    )


def _tidied(parts: tuple[Chunk, ...], shape: Shape) -> tuple[Chunk, ...]:
    """Merges small chunks when there are many."""
    small = [part for part in parts if part.rows.num_rows < SMALL_ROWS]
    if len(small) <= _SMALL_CHUNKS_MAX:
        return parts
    large = tuple(part for part in parts if part.rows.num_rows >= SMALL_ROWS)
    return (*large, chunk(pa.concat_batches([part.rows for part in small]), shape))


def _last_row(puts: Sequence[Arrivals], deletes: Sequence[Arrivals], shape: Shape) -> View:
    """Upsert: of each identity the latest write stays, be it a row or a tombstone."""
    sources = (*puts, *deletes)
    keys = _identities(sources, shape)
    arrival = np.concatenate([source.arrival for source in sources])
    if np.all(arrival[1:] > arrival[:-1]):
        winners = KeySet(keys, shape.identity).last_positions()
    else:
        order = np.argsort(arrival)
        ordered = KeySet(keys.take(pa.array(order)), shape.identity)
        winners = np.sort(order[ordered.last_positions()])
    count = sum(source.rows.num_rows for source in puts)
    split = int(np.searchsorted(winners, count))
    return View(
        _pick(puts, winners[:split], shape),
        _pick(deletes, winners[split:] - count, shape),
    )


def _last_non_null(puts: Sequence[Arrivals], deletes: Sequence[Arrivals], shape: Shape) -> View:
    """Of each identity, every field's latest value since its latest deletion."""
    live = _append_only(puts, deletes, shape)
    if not live.puts:
        return live
    arrival = np.concatenate([source.arrival for source in puts])
    if deletes:
        arrival = arrival[_survivors(puts, deletes, shape)]
    rows = pa.Table.from_batches([part.rows for part in live.puts])
    if not np.all(arrival[1:] > arrival[:-1]):
        rows = rows.take(pa.array(np.argsort(arrival)))
    merged = filled(rows, shape.identity)
    if merged.num_rows == rows.num_rows:
        return live
    return View((_chunk_of(merged, shape),), live.deletes)


def _append_only(puts: Sequence[Arrivals], deletes: Sequence[Arrivals], shape: Shape) -> View:
    """Append: all rows stay but those equal to one that was deleted later."""
    tombstones = tuple(chunk(source.rows, shape) for source in deletes)
    if not puts or not deletes:
        return View(tuple(chunk(source.rows, shape) for source in puts), tombstones)
    return View(_pick(puts, _survivors(puts, deletes, shape), shape), tombstones)


def _survivors(puts: Sequence[Arrivals], deletes: Sequence[Arrivals], shape: Shape) -> Codes:
    """Positions of the rows that no later deletion of their identity follows."""
    groups = KeySet(_identities((*puts, *deletes), shape), shape.identity).groups()
    put_at = np.concatenate([source.arrival for source in puts])
    deleted_at = np.full(int(groups.max()) + 1, -1, np.int64)
    arrival = np.concatenate([source.arrival for source in deletes])
    np.maximum.at(deleted_at, groups[len(put_at) :], arrival)
    return np.flatnonzero(put_at > deleted_at[groups[: len(put_at)]])


def _identities(sources: Iterable[Arrivals], shape: Shape) -> pa.Table:
    return pa.Table.from_batches([source.rows.select(shape.identity) for source in sources])


def _pick(sources: Sequence[Arrivals], positions: Codes, shape: Shape) -> tuple[Chunk, ...]:
    """The rows at ascending positions of all sources together; whole sources are not copied."""
    chunks = []
    start = 0
    for source in sources:
        count = source.rows.num_rows
        first, last = np.searchsorted(positions, (start, start + count))
        if last - first == count:
            chunks.append(chunk(source.rows, shape))
        elif last > first:
            chunks.append(chunk(source.rows.take(pa.array(positions[first:last] - start)), shape))
        start += count
    return tuple(chunks)
