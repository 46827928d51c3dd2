"""The engine on this machine: regions by id over one log, one store and one flusher.

The composition of everything in engine/; sql/ sees it as `engine.api.Regions`. How a write lives:
checked (write.py), encoded and logged with others (wal/), applied to memtables, acknowledged, and
some time later flushed to a file (flush.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from threading import Lock

import pyarrow as pa

from engine import facts
from engine.alter import alter
from engine.api import (
    ALWAYS,
    Extent,
    FileInfo,
    FilterInfo,
    RegionStatistics,
    SampleRequest,
    SampleRows,
    ScanRequest,
    SeriesRequest,
    Snapshot,
    StoredFile,
    TimeRange,
    Write,
)
from engine.backup import Capture, capture
from engine.budget import MemoryBudget
from engine.changes import RegionChanges
from engine.clock import Clock
from engine.compaction.run import CompactionTools
from engine.compaction.scheduler import Compactor
from engine.errors import DbError, ErrorKind
from engine.flush import FlushTools, Which, flush
from engine.fulltext.backfill import build_missing
from engine.glance import glance
from engine.jobs import Flusher, choose_flush
from engine.lock import DirectoryLock
from engine.manifest.log import Manifest
from engine.moves import Moves, moves_rows
from engine.observe import EngineCounters
from engine.options import EngineOptions
from engine.purge import Purge
from engine.recovery import Replay, drop_marker, open_regions, remove_region_files
from engine.region import Region
from engine.samples.read import SampleReader
from engine.scan import scan, scan_tools
from engine.schema import RegionOptions, RegionSchema
from engine.scrub import Scrubber
from engine.sst.file import region_folder
from engine.sst.vectors import VectorCache
from engine.store.local import make_folder, translated
from engine.store.opening import open_store
from engine.store.options import LOCAL_FILES, StorageOptions
from engine.store.store import ObjectStore
from engine.truncate import discard_unflushed, remove_files
from engine.version import Version
from engine.wal.format import RECORD_HEADER_BYTES, Kind
from engine.wal.payload import (
    TRANSACTION_ID_BYTES_MAX,
    RegionRows,
    encode_decision,
    encode_prepare,
    encode_writes,
    size_of,
)
from engine.wal.segments import LocalLogFolder, LogFolder
from engine.wal.writer import Log
from engine.write import check_size, checked

_LOG = logging.getLogger(__name__)
# One memtable that fills, one that becomes a file and two that wait for it: then writers wait.
_STALL_BUFFERS = 4


class LocalRegions:
    """Implements `engine.api.Regions` in one directory, which it owns while it is open.

    I1. A write is in the log, synced, before any reader sees a row of it.
    I2. The log keeps every record that some memtable or undecided transaction still needs.
    """

    def __init__(
        self,
        directory: Path,
        options: EngineOptions,
        clock: Clock,
        *,
        storage: StorageOptions = LOCAL_FILES,
        store: ObjectStore | None = None,
        log_folder: LogFolder | None = None,
    ) -> None:
        """Opens a directory, made if it is missing. `store` and `log_folder` are for tests.

        Raises: DbError STORAGE_UNAVAILABLE (also: in use by another process, or `storage` is not
        what it was made with), ACCESS_DENIED (by the cloud), CORRUPTED.
        """
        # Constant after construction.
        self.counters = EngineCounters()
        self._options = options
        with translated(f"make the data directory {directory}"):
            make_folder(directory)
        self._directory_lock = DirectoryLock(directory)
        try:
            self._store = store or open_store(storage, directory, sync=options.sync)
            self._purge = Purge(self._store)
            self._vectors = VectorCache(self._store, options.deletion_cache_bytes)
            self._scrubber = Scrubber(self._all, self._store, clock, options)
            needs = (self._store, self._vectors, clock, options)
            self._scan_tools = scan_tools(*needs, self.counters, self._scrubber)
            self._samples = SampleReader(*needs, self._scrubber)
            self._tools = FlushTools(*needs, self.counters)
            self._budget = MemoryBudget(
                2 * options.memtable_total_bytes, options.stall_seconds, self.counters
            )
            # Guarded by _lock.
            self._lock = Lock()
            self._closed = False
            self._regions: dict[int, Region] = {}
            self._prepared: dict[str, tuple[int, list[RegionRows]]] = {}
            self._moves = Moves()
            self._log_folder = log_folder or LocalLogFolder(directory / "wal")
            self._log_keepers = 0
            self._log = self._recover(self._log_folder)
            in_background = partial(self._flush, which=Which.FULL)
            self._flusher = Flusher(self._choose, in_background, options.flush_retry_seconds)
            tools = (self._store, self._vectors, self._purge, clock, options, self.counters)
            self._compactor = Compactor(self._all, CompactionTools(*tools))
        except BaseException:
            self._directory_lock.release()
            raise
        self._scrubber.start()
        with suppress(DbError):  # segments that stay are removed after the next flush
            self._trim_log()
        self._flusher.wake()

    def create(self, region_id: int, schema: RegionSchema, options: RegionOptions) -> None:
        """Makes an empty region, durably. Raises: DbError if it exists or the store fails."""
        self._check_open()
        if self._store.get(drop_marker(region_id)) is not None:
            raise DbError(ErrorKind.REGION_BUSY, f"region {region_id} is still being removed")
        # Records that are in the log already belong to a region of that id that is gone.
        version = Version(schema, options, flushed_sequence=self._log.last_sequence)
        distance = self._options.manifest_checkpoint_actions
        manifest = Manifest.create(self._store, region_id, version, distance)
        if manifest is None:
            raise DbError(ErrorKind.INVALID_ARGUMENT, f"region {region_id} exists already")
        with self._lock:
            self._regions[region_id] = Region(region_id, manifest, version, self._purge)

    def alter(self, region_id: int, schema: RegionSchema, options: RegionOptions) -> None:
        """Gives a region exactly these columns and options, durably."""
        region = self._region(region_id)
        if not alter(region, schema, options, self._tools, self._freed(region)):
            return  # at a start every region is asked
        self._compactor.wake(region)
        with suppress(DbError):  # the region is altered; the log is trimmed after the next flush
            self._trim_log()

    def drop(self, region_id: int) -> None:
        """Removes a region and its files, at the latest when the last snapshot of it closes."""
        self._check_open()
        with self._lock:
            region = self._regions.get(region_id)
        if region is None:
            return
        with region.maintenance:
            self._store.put(drop_marker(region_id), b"")
            paths, freed = region.drop()
        with self._lock:
            self._regions.pop(region_id, None)
        self._budget.adjust(-freed, region_id)
        self._purge.doom(paths)
        folder = region_folder(region_id)
        self._purge.when_unpinned(folder, lambda: remove_region_files(self._store, region_id))
        self._trim_log()

    def write(self, writes: Sequence[Write]) -> None:
        """Applies all writes or none; they are durable and visible when this returns."""
        rows = self._checked(writes)
        if rows:
            encode = partial(encode_writes, rows)
            self._logged(rows, lambda: (Kind.WRITE, encode()), lambda s: self._apply(rows, s, s))

    def prepare(self, transaction: str, writes: Sequence[Write]) -> None:
        """Logs the writes durably without showing them."""
        if not 0 < len(transaction.encode()) <= TRANSACTION_ID_BYTES_MAX:
            raise DbError(ErrorKind.INVALID_ARGUMENT, "a transaction id has 1 to 512 bytes")
        rows = self._checked(writes)
        with self._lock:
            if transaction in self._prepared:
                message = f"transaction {transaction} is prepared already"
                raise DbError(ErrorKind.INVALID_ARGUMENT, message)

        def register(sequence: int) -> None:
            with self._lock:
                self._prepared[transaction] = sequence, rows
            self._budget.adjust(size_of(rows))  # until it is decided

        self._logged(rows, lambda: (Kind.PREPARE, encode_prepare(transaction, rows)), register)

    def commit_prepared(self, transaction: str) -> None:
        """Makes prepared writes visible, durably."""
        self._decide(Kind.COMMIT, transaction)

    def abort_prepared(self, transaction: str) -> None:
        """Forgets prepared writes, durably."""
        self._decide(Kind.ABORT, transaction)

    def prepared(self) -> frozenset[str]:
        """Ids prepared and not yet decided."""
        with self._lock:
            return frozenset(self._prepared)

    def scan(self, region_id: int, request: ScanRequest) -> Snapshot:
        """Pins a snapshot."""
        return scan(self._region(region_id), request, self._scan_tools)

    def glance(self, region_id: int, request: SeriesRequest) -> Sequence[pa.RecordBatch] | None:
        """The rows of a series if they are in memory."""
        return glance(self._region(region_id), request, self._scan_tools)

    def samples(self, region_id: int, request: SampleRequest) -> SampleRows:
        """The samples of some series."""
        return self._samples.read(self._region(region_id), request)

    def scanning_several(self) -> AbstractContextManager[None]:
        """Around scans of several regions."""
        return self._moves.scanning()

    def flush(self, region_id: int) -> None:
        """Moves everything in memory to files; returns when durable."""
        self._flush(self._region(region_id))

    def remove_files(self, region_id: int, ranges: Sequence[tuple[int, int]]) -> int:
        """Removes files of which all rows are within one of the ranges."""
        return remove_files(self._region(region_id), ranges)

    def discard_unflushed(self, region_id: int) -> None:
        """Forgets what no file holds, durably."""
        discard_unflushed(region := self._region(region_id), self._freed(region))

    def compact(
        self,
        region_id: int,
        window_ms: int | None = None,
        *,
        strict: bool = False,
        time_range: TimeRange = ALWAYS,
    ) -> int:
        """Merges a region's files now; returns how many were replaced."""
        return self._compactor.compact(
            self._region(region_id), window_ms=window_ms, strict=strict, time_range=time_range
        )

    def compact_due(self, region_id: int) -> bool:
        """Does the next piece of background work that is due, if any; True if it did."""
        return self._compactor.run_due(self._region(region_id))

    def build_indexes(self, region_id: int) -> int:
        """Makes the text indexes that files lack; of how many files."""
        return build_missing(self._region(region_id), self._store, self._purge)

    def collect(self, region_id: int) -> int:
        """Removes files that nothing needs and that are past the grace period; how many."""
        return self._compactor.collect(self._region(region_id))

    def follow(self, region_id: int) -> RegionChanges:
        """Begins to follow a region."""
        region = self._region(region_id)
        return RegionChanges(region, self._store, self._vectors, self._flush, self._is_undecided)

    def _is_undecided(self, region_id: int) -> bool:
        with self._lock:
            prepared = list(self._prepared.values())
        return any(batch.region_id == region_id for _, rows in prepared for batch in rows)

    def statistics(self, region_id: int) -> RegionStatistics:
        """Current sizes and state of a region."""
        return self._region(region_id).statistics()

    def extent(self, region_id: int) -> Extent:
        """About how many rows a region has, and their times."""
        return self._region(region_id).state().extent()

    def files(self, region_id: int) -> Sequence[FileInfo]:
        """The files of a region, oldest first; opens none."""
        return facts.files(self._region(region_id).state().version)

    def filters(self, region_id: int) -> Sequence[FilterInfo]:
        """The bloom filters in a region's files, from their footers."""
        return facts.filters(self._region(region_id), self._store)

    def stored(self, region_id: int) -> Sequence[StoredFile]:
        """What lies in the store for a region, by path."""
        return self._store.details(region_folder(region_id))

    def log_bytes(self) -> int:
        """Size of the log."""
        return self._log.size()

    def backup(self, region_ids: Collection[int]) -> Capture:
        """Pins what a crash at this moment would leave of the regions and of the log.

        The caller copies and then closes it. Raises: DbError REGION_NOT_FOUND.
        """
        with self._lock:
            self._log_keepers += 1
        try:
            regions = [self._region(region_id) for region_id in sorted(region_ids)]
            return capture(regions, self._store, self._log_folder)
        finally:
            with self._lock:
                self._log_keepers -= 1

    def region_ids(self) -> frozenset[int]:
        """Every region that exists here."""
        with self._lock:
            return frozenset(self._regions)

    def close(self) -> None:
        """Ends background work and closes the log. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            self._scrubber.close()
            self._compactor.close()
            self._flusher.close()
            self._log.close()
            self._purge.close()
        finally:
            self._directory_lock.release()

    def _recover(self, folder: LogFolder) -> Log:
        """Opens the regions, replays the log into them and starts a new segment."""
        for region in open_regions(self._store, self._purge, self._options):
            self._regions[region.id] = region
        replay = Replay(folder, self._reapply)
        replay.run()
        self._prepared = replay.prepared
        self._budget.adjust(sum(size_of(rows) for _, rows in self._prepared.values()))
        flushed = [region.version.flushed_sequence for region in self._regions.values()]
        return Log(
            folder,
            replay.reader.segments,
            max([replay.reader.next_sequence, *(sequence + 1 for sequence in flushed)]),
            segment_bytes=self._options.wal_segment_bytes,
            sync=self._options.sync,
        )

    def _reapply(self, rows: list[RegionRows], sequence: int, log_sequence: int) -> None:
        """Replay: gives regions what they have not flushed."""

        def lacks(region: Region | None) -> bool:
            return region is not None and region.version.flushed_sequence < sequence

        missing = [row for row in rows if lacks(self._regions.get(row.region_id))]
        try:
            self._apply(missing, sequence, log_sequence)
            if self._budget.used > 2 * self._options.memtable_total_bytes:
                largest = max(self._regions.values(), key=Region.memtable_bytes)
                flush(largest, self._tools, self._freed(largest))
        except DbError as error:
            # A deletion that an ALTER overtook was refused to its writer, too. Rows that a full
            # disk does not take stay in memory.
            _LOG.warning("log record %d: %s", sequence, error.message)

    def _checked(self, writes: Sequence[Write]) -> list[RegionRows]:
        """The writes' batches, valid for their regions. Raises: DbError."""
        self._check_open()
        rows = [
            batch
            for write in writes
            for batch in checked(write, self._region(write.region_id).state().shape)
            if self._region(write.region_id).version.options.ttl_ms != 0  # they are never seen
        ]
        check_size(rows, self._options.write_bytes_max)
        return rows

    def _logged(
        self,
        rows: list[RegionRows],
        encode: Callable[[], tuple[Kind, list[bytes]]],
        apply: Callable[[int], None],
    ) -> None:
        """Logs a record with rows once there is memory for them."""
        size = size_of(rows)
        touched = [r for id_ in {b.region_id for b in rows} if (r := self._regions.get(id_))]
        full = self._options.memtable_region_bytes
        self._budget.reserve(size, {r.id: _STALL_BUFFERS * r.buffer_bytes(full) for r in touched})
        try:
            kind, payload = encode()
            self._log.append(kind, payload, apply)
            self.counters.logged(RECORD_HEADER_BYTES + sum(map(len, payload)))
        finally:
            self._budget.adjust(-size)  # `_apply` has counted what the memtables took
        if self._needs_flush(touched):
            self._flusher.wake()

    def _needs_flush(self, touched: list[Region]) -> bool:
        options = self._options
        if self._budget.used > options.memtable_total_bytes:
            return True
        if self._log.size() > options.wal_bytes_max and self._log.oldest_kept_from():
            return True
        return any(r.buffered(options.memtable_region_bytes).is_full for r in touched)

    def _apply(self, rows: list[RegionRows], sequence: int, log_sequence: int) -> None:
        """Shows the rows of one record, region by region."""
        by_region: dict[int, list[RegionRows]] = {}
        for batch in rows:
            by_region.setdefault(batch.region_id, []).append(batch)
        with self._moves.moving() if moves_rows(by_region) else nullcontext():
            for region_id, batches in by_region.items():
                self._apply_to(region_id, batches, sequence, log_sequence)

    def _apply_to(
        self, region_id: int, batches: list[RegionRows], sequence: int, log_sequence: int
    ) -> None:
        region = self._regions.get(region_id)
        if region is not None:
            writes = [(batch.op, batch.rows) for batch in batches]
            full = self._options.memtable_region_bytes
            taken = region.apply(writes, sequence, log_sequence, full)
            self._budget.adjust(taken.held, region_id)
            self.counters.written(sum(batch.rows.num_rows for batch in batches), taken.written)

    def _decide(self, kind: Kind, transaction: str) -> None:
        self._check_open()
        with self._lock:
            if transaction not in self._prepared:
                message = f"transaction {transaction} is not prepared"
                raise DbError(ErrorKind.INVALID_ARGUMENT, message)
            prepare_sequence, rows = self._prepared[transaction]

        def apply(sequence: int) -> None:
            if transaction not in self.prepared():
                return  # someone else's decision was logged before this one
            # Memtables first: at every moment someone holds on to the PREPARE's segment (I2).
            if kind is Kind.COMMIT:
                self._apply(rows, sequence, prepare_sequence)
            with self._lock:
                self._prepared.pop(transaction, None)
            self._budget.adjust(-size_of(rows))

        self._log.append(kind, encode_decision(transaction, prepare_sequence), apply)

    def _all(self) -> list[Region]:
        with self._lock:
            return list(self._regions.values())

    def _choose(self) -> Region | None:
        small = self._log.size() <= self._options.wal_bytes_max
        return choose_flush(
            [r.buffered(self._options.memtable_region_bytes) for r in self._all()],
            total_bytes=self._options.memtable_total_bytes,
            log_needs=0 if small else self._log.oldest_kept_from(),
        )

    def _flush(self, region: Region, which: Which = Which.ALL) -> None:
        flush(region, self._tools, self._freed(region), which)
        self._compactor.wake(region)
        self._trim_log()

    def _freed(self, region: Region) -> Callable[[int], None]:
        return lambda size: self._budget.adjust(-size, region.id)

    def _trim_log(self) -> None:
        """Removes segments that nobody needs (I2)."""
        # The order of these reads matters: rows only move from the log to `_prepared` to regions.
        needed = self._log.applied_sequence + 1
        with self._lock:
            if self._log_keepers:
                return  # what stays is removed after the next flush
            undecided = [sequence for sequence, _ in self._prepared.values()]
            regions = list(self._regions.values())
        unflushed = (region.log_sequence() for region in regions)
        self._log.remove_before(min([needed, *undecided, *(s for s in unflushed if s)]))

    def _region(self, region_id: int) -> Region:
        self._check_open()
        if (region := self._regions.get(region_id)) is None:
            raise DbError(ErrorKind.REGION_NOT_FOUND, f"region {region_id} does not exist")
        return region

    def _check_open(self) -> None:
        if self._closed:
            raise DbError(ErrorKind.SHUTTING_DOWN, "the region engine is closed")
