"""Reads every file again now and then, so that rot is found before the last good copy is gone.

DuckDB does not verify the page checksums of Parquet files. `LocalRegions` owns one `Scrubber`: a
slow background thread that does, and remembers which files are damaged; scans refuse those instead
of showing rows that nobody wrote. It changes no file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Event, Thread

import pyarrow as pa
import pyarrow.parquet as pq

from engine.api import TimeRange
from engine.clock import Clock
from engine.compaction.pace import lower_priority
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.region import Region
from engine.sst.file import FileMeta
from engine.store.store import ObjectStore

_LOG = logging.getLogger(__name__)
_EVERYTHING = TimeRange()


class Scrubber:
    """Verifies files that this process has not written, then all of them again and again.

    I1. A path in `damaged` was read with a wrong checksum; files never change, so it stays there.
    """

    def __init__(
        self,
        regions: Callable[[], Sequence[Region]],
        store: ObjectStore,
        clock: Clock,
        options: EngineOptions,
    ) -> None:
        # Constant after construction.
        self._regions = regions
        self._store = store
        self._clock = clock
        self._options = options
        self._opened_ms = clock.now_ms()
        self._closing = Event()
        self.damaged: dict[str, str] = {}  # path -> what is wrong; only grows
        self._verified: dict[str, int] = {}  # path -> when, in ms; the thread's own
        self._thread = Thread(target=self._run, name="scrubber", daemon=True)

    def start(self) -> None:
        """Begins to read in the background, if the options want it.

        Never over a remote store: it would fetch everything there is, again and again, from a
        place that verifies what it keeps; local copies are verified before they are used.
        """
        if self._options.scrub_bytes_per_second and not self._store.is_remote:
            self._thread.start()

    def close(self) -> None:
        """Ends the thread within one row group."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()

    def check(self, files: Sequence[FileMeta]) -> None:
        """Raises: DbError CORRUPTED if one of the files is known to be damaged."""
        if not self.damaged:
            return
        for file in files:
            if (what := self.damaged.get(file.path)) is not None:
                raise _corrupted(file.path, what)

    def scrub(self, region: Region) -> None:
        """Verifies the files of a region that are due."""
        state, pins = region.pinned_state(_EVERYTHING)
        try:
            known = {file.path for file in state.version.files}
            for file in state.version.files:
                if self._closing.is_set():
                    return
                if self._is_due(file):
                    self._verify(region, file)
        finally:
            region.unpin(pins)
        self._forget(region, known)

    def _run(self) -> None:
        lower_priority(self._options.compaction_nice)
        while not self._closing.wait(self._options.scrub_pause_seconds):
            for region in self._regions():
                try:
                    self.scrub(region)
                except DbError as error:  # dropped meanwhile, or a store that does not answer
                    _LOG.info("region %d is verified later: %s", region.id, error.message)

    def _is_due(self, file: FileMeta) -> bool:
        """What was written since this process began is trusted for one interval."""
        if file.path in self.damaged:
            return False
        trusted = file.created_ms if file.created_ms >= self._opened_ms else 0
        last = self._verified.get(file.path, trusted)
        return self._clock.now_ms() - last > self._options.scrub_interval_seconds * 1000

    def _verify(self, region: Region, file: FileMeta) -> None:
        try:
            self._read(self._store.local_path(file.path), file)
        except (OSError, pa.ArrowException) as error:
            what = str(error).partition("\n")[0]
            self.damaged[file.path] = what
            region.health = _corrupted(file.path, what)
            _LOG.error("region %d: %s", region.id, region.health.message)
        else:
            self._verified[file.path] = self._clock.now_ms()

    def _read(self, path: str, file: FileMeta) -> None:
        """Every page, a row group at a time, no faster than is allowed."""
        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            groups = parquet.num_row_groups
            for group in range(groups):
                parquet.read_row_group(group, use_threads=False)
                rate = self._options.scrub_bytes_per_second
                if self._closing.wait(file.bytes / groups / rate):
                    return

    def _forget(self, region: Region, known: set[str]) -> None:
        """Files that are gone need no memory."""
        folder = f"regions/{region.id}/"
        for path in [p for p in self._verified if p.startswith(folder) and p not in known]:
            del self._verified[path]


def _corrupted(path: str, what: str) -> DbError:
    return DbError(
        ErrorKind.CORRUPTED,
        f"the file {path} is damaged: {what}",
        hint="`gnomon doctor` tells which rows of it can still be read; restore it from a backup",
    )
