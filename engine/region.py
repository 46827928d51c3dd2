"""A region: the one mutable object of the engine.

Called by regions.py (open, close) and by write.py, flush.py and scan.py, which compose it.
It never reads SQL, never waits for another region and never deletes a file itself (purge.py does).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from threading import Lock, RLock

import pyarrow as pa

from engine import evolve
from engine.api import Extent, NotResident, Op, RegionStatistics, TimeRange
from engine.errors import DbError, ErrorKind
from engine.manifest.log import Manifest
from engine.memtable.memtable import Memtable
from engine.memtable.view import Shape
from engine.purge import Purge
from engine.sst.deletion import size as vector_size
from engine.version import Edit, Version

_AT_ONCE_SECONDS = 0.001  # writers hold a region for less, an ALTER for as long as a flush takes


@dataclass(frozen=True, slots=True)
class Taken:
    """Memory of rows that were applied: when they came, and what the region has more than before.

    The latter is less, even negative, when small writes were merged with others.
    """

    written: int
    held: int


@dataclass(frozen=True, slots=True)
class Buffered:
    """What a region has in memory: its bytes, how many it may have, its oldest log record or 0."""

    region: Region
    bytes: int
    limit: int
    log_sequence: int

    @property
    def is_full(self) -> bool:
        """True if it is time to flush."""
        return self.bytes >= self.limit


@dataclass(frozen=True, slots=True)
class RegionState:
    """What a scan sees: files and memtables (oldest first) that belong together."""

    version: Version
    memtables: tuple[Memtable, ...]

    @property
    def shape(self) -> Shape:
        """How rows of the region are told apart."""
        return Shape.of(self.version.schema, self.version.options)

    def extent(self) -> Extent:
        """About how many rows there are, and their times."""
        parts = [part for m in self.memtables if not m.is_empty for part in m.view().puts]
        stored = self.version.extent
        return Extent(
            stored.rows + sum(part.rows.num_rows for part in parts),
            min([stored.first, *(part.first for part in parts)]),
            max([stored.last, *(part.last for part in parts)]),
        )


class Region:
    """Owns the current Version and memtables and publishes the next ones.

    I1. A Version never changes after it is published; readers hold it without a lock.
    I2. An Edit is durable in the manifest before any reader can see its effect.
    I3. The rows of a memtable are visible at every moment in exactly one place: as a memtable, or
        in the file that its flush published.
    """

    def __init__(self, id_: int, manifest: Manifest, version: Version, purge: Purge) -> None:
        # Constant after construction.
        self.id = id_
        self._purge = purge
        # Held by whoever writes files and edits: flush, drop, compaction. Taken before _lock.
        self.maintenance = Lock()
        # Guarded by maintenance.
        self._manifest = manifest
        self._file_ids = count(version.next_file_id)  # a flush takes some on several threads
        self._holders = 0  # those who follow the region: its files must not be merged
        # Guarded by _lock. Re-entrant, because `still` holds it over a flush.
        self._lock = RLock()
        self._version = version
        self._memtable = Memtable(Shape.of(version.schema, version.options))
        self._frozen: tuple[Memtable, ...] = ()
        self._dropped = False
        self._written_bytes = 0
        # The last failure of background work, None after a success.
        self.health: DbError | None = None

    @property
    def version(self) -> Version:
        """The current version."""
        return self._version

    def apply(
        self,
        writes: Sequence[tuple[Op, pa.RecordBatch]],
        sequence: int,
        log_sequence: int,
        buffer_bytes: int,
    ) -> Taken:
        """Makes the writes of a log record visible together; returns the bytes they take.

        A memtable of `buffer_bytes` (or what the region's own option says) takes no more writes.

        Rows of another schema are shown in the region's own from now on. A region that was dropped
        since the write was accepted takes nothing. Raises: DbError REGION_BUSY for a deletion that
        an ALTER to append mode overtook; nothing is applied then, nor when the log is replayed.
        """
        with self._lock:
            if self._dropped:
                return Taken(0, 0)
            writes = [(op, self._conformed(op, rows)) for op, rows in writes]
            memtable = self._memtable
            held, written = memtable.bytes, memtable.written_bytes
            memtable.append(writes, sequence, log_sequence)
            taken = Taken(memtable.written_bytes - written, memtable.bytes - held)
            self._written_bytes += taken.written
            if memtable.bytes >= self.buffer_bytes(buffer_bytes):
                self._freeze_locked()
            return taken

    def buffer_bytes(self, default: int) -> int:
        """At how many bytes a memtable is to be flushed."""
        return self._version.options.write_buffer_bytes or default

    def _conformed(self, op: Op, rows: pa.RecordBatch) -> pa.RecordBatch:
        version = self._version
        stamped = evolve.stamped(rows)
        rows = evolve.unstamped(rows)
        if (
            op is not Op.PUT
            and version.options.append_mode
            and rows.num_columns < len(version.schema_of(stamped).columns)
        ):
            raise DbError(
                ErrorKind.REGION_BUSY, "the table was altered meanwhile", hint="try again"
            )
        if stamped == version.schema.version:
            return rows
        if op is Op.PUT:
            names = tuple(version.schema.arrow.names)
        else:
            names = Shape.of(version.schema, version.options).identity
        table = pa.Table.from_batches([rows])
        found = evolve.conform(table, version.schema_of(stamped), version.schema, names)
        return found.combine_chunks().to_batches()[0]

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nothing is written to the region and no scan of it starts until the end of the block.

        Requires: maintenance is held.
        """
        assert self.maintenance.locked()
        with self._lock:
            yield

    def state(self) -> RegionState:
        """What is there now. Raises: DbError REGION_NOT_FOUND after a drop."""
        with self._lock:
            return self._state_locked()

    def state_at_once(self) -> RegionState:
        """As `state`, for an event loop. Raises: NotResident while an ALTER holds the region."""
        if not self._lock.acquire(timeout=_AT_ONCE_SECONDS):
            raise NotResident
        try:
            return self._state_locked()
        finally:
            self._lock.release()

    def pinned_state(self, wanted: TimeRange) -> tuple[RegionState, frozenset[str]]:
        """As `state`, with only the files that overlap a range, pinned; the caller unpins them."""
        with self._lock:
            state = self._state_locked()
            version = state.version.overlapping(wanted)
            paths = version.paths()
            self._purge.pin(paths)
            return RegionState(version, state.memtables), paths

    def unpin(self, paths: frozenset[str]) -> None:
        """Gives the pins of `pinned_state` back."""
        self._purge.unpin(paths)

    def freeze(self) -> tuple[Memtable, ...]:
        """Starts a new memtable if the active one has rows; returns the frozen ones, oldest first.

        Requires: maintenance is held.
        """
        assert self.maintenance.locked()
        with self._lock:
            self._freeze_locked()
            return self._frozen

    def full(self) -> tuple[Memtable, ...]:
        """The frozen memtables, or else the active one, frozen now. Requires: as `freeze`."""
        with self._lock:
            return self._frozen or self.freeze()

    def _freeze_locked(self) -> None:
        if not self._memtable.is_empty:
            self._memtable.freeze()
            self._frozen = (*self._frozen, self._memtable)
            self._memtable = Memtable(Shape.of(self._version.schema, self._version.options))

    def hold(self) -> None:
        """From now on files are not merged, until as many calls of `release`."""
        with self.maintenance:
            self._holders += 1

    def release(self) -> None:
        """Takes back a `hold`."""
        with self.maintenance:
            self._holders -= 1

    @property
    def is_held(self) -> bool:
        """True while someone follows the region; sure only while maintenance is held."""
        return self._holders > 0

    def take_file_id(self) -> int:
        """A number that no file of this region has, even an unfinished one."""
        assert self.maintenance.locked()
        return next(self._file_ids)

    def publish(self, edit: Edit, flushed: Memtable | None = None) -> None:
        """Logs, applies and shows the edit; `flushed` leaves memory in the same moment.

        Requires: maintenance is held. Raises: DbError if the log fails (nothing changed).
        """
        assert self.maintenance.locked()
        before = self._version
        after = before.apply(edit)
        self._manifest.append(edit)  # I2: durable first
        with self._lock:
            self._version = after  # I1, I3
            self._frozen = tuple(m for m in self._frozen if m is not flushed)
            if Shape.of(after.schema, after.options) != Shape.of(before.schema, before.options):
                assert self._memtable.is_empty
                assert not self._frozen
                self._memtable = Memtable(Shape.of(after.schema, after.options))
        self._purge.doom(before.paths() - after.paths())
        try:
            self._manifest.checkpoint_if_due(after)
        except DbError as error:
            self.health = error  # the actions are all there: opening just reads more of them

    def settle(self) -> None:
        """Makes certain that an edit whose publication failed never counts.

        Until this has returned, files that it names must stay. Requires: maintenance is held.
        Raises: DbError.
        """
        assert self.maintenance.locked()
        self._manifest.settle()

    def confirm(self) -> None:
        """As `settle`, and the region is still ours: files its version does not name may go.

        Requires: maintenance is held. Raises: DbError.
        """
        assert self.maintenance.locked()
        self._manifest.confirm()

    def drop(self) -> tuple[frozenset[str], int]:
        """Ends the region: it takes no more writes and scans. Its paths, and the bytes freed."""
        assert self.maintenance.locked()
        with self._lock:
            self._dropped = True
            freed = sum(m.bytes for m in (*self._frozen, self._memtable))
            self._frozen = ()
            self._memtable = Memtable(Shape.of(self._version.schema, self._version.options))
            return self._version.paths(), freed

    @property
    def is_dropped(self) -> bool:
        """True after `drop`."""
        return self._dropped

    def buffered(self, buffer_bytes: int) -> Buffered:
        """What is in memory. `buffer_bytes`: as for `apply`."""
        limit = self.buffer_bytes(buffer_bytes)
        return Buffered(self, self.memtable_bytes(), limit, self.log_sequence())

    def memtable_bytes(self) -> int:
        """Memory of all memtables."""
        with self._lock:
            return sum(m.bytes for m in (*self._frozen, self._memtable))

    def log_sequence(self) -> int:
        """The oldest log record that memory still needs; 0 if none."""
        with self._lock:
            needed = [m.log_sequence for m in (*self._frozen, self._memtable) if not m.is_empty]
            return min(needed, default=0)

    def statistics(self) -> RegionStatistics:
        """Current sizes and state."""
        state = self.state()
        version, memtables = state.version, state.memtables
        vectors = [file.deletion for file in version.files if file.deletion]
        return RegionStatistics(
            self.id,
            sum(file.live_rows for file in version.files),
            len(version.files),
            sum(file.bytes for file in version.files),
            sum(m.rows for m in memtables),
            sum(m.bytes for m in memtables),
            vector_bytes=sum(vector_size(vector.count) for vector in vectors),
            manifest_bytes=self._manifest.bytes,
            manifest_version=self._manifest.number,
            written_bytes=self._written_bytes,
            committed_sequence=max(version.flushed_sequence, *(m.last_sequence for m in memtables)),
            flushed_sequence=version.flushed_sequence,
            window_ms=version.options.window_ms or version.window_ms,
            options=version.options,
            index_bytes=sum(file.index.bytes for file in version.files if file.index),
        )

    def _state_locked(self) -> RegionState:
        if self._dropped:
            raise DbError(ErrorKind.REGION_NOT_FOUND, f"region {self.id} does not exist")
        return RegionState(self._version, (*self._frozen, self._memtable))
