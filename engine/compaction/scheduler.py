"""When compaction runs: background threads, and those who ask for it and wait.

`LocalRegions` owns the one `Compactor`, wakes it after each flush and closes it. A region has one
task at a time. A failure is kept in the region's health and tried again after a growing pause.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition, Event, Thread
from time import monotonic

from engine.api import TimeRange
from engine.compaction.orphans import collect
from engine.compaction.pace import Prompt, Unhurried, lower_priority
from engine.compaction.picker import Demand, pick, pick_demanded
from engine.compaction.run import CompactionTools, Pace, carry_out
from engine.compaction.task import Task, Widen
from engine.errors import DbError, ErrorKind
from engine.region import Region

_LOG = logging.getLogger(__name__)
# A task that is asked for is tried again that often when the region changes under it.
_ATTEMPTS_MAX = 5


class Compactor:
    """Gives regions the compaction they need.

    I1. At most one task of a region runs.
    """

    def __init__(self, regions: Callable[[], Sequence[Region]], tools: CompactionTools) -> None:
        # Constant after construction.
        self._regions = regions
        self._tools = tools
        self._closing = Event()
        # Guarded by _changed.
        self._changed = Condition()
        self._due: set[int] | None = None  # regions to look at; None is all of them
        self._busy: set[int] = set()
        self._failures: dict[int, tuple[int, float]] = {}  # count, and not again before
        self._collected = monotonic()
        self._threads = [
            Thread(target=self._run, name=f"compaction-{number}", daemon=True)
            for number in range(tools.options.compaction_threads)
        ]
        for thread in self._threads:
            thread.start()

    def wake(self, region: Region) -> None:
        """Tells it that a region may have work."""
        with self._changed:
            if self._due is not None:
                self._due.add(region.id)
            self._changed.notify_all()

    def close(self) -> None:
        """Abandons what runs, within a step of a merge, and ends the threads."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        with self._changed:  # those who asked for it themselves
            self._changed.wait_for(lambda: not self._busy)

    def compact(
        self, region: Region, *, window_ms: int | None, strict: bool, time_range: TimeRange
    ) -> int:
        """Compacts what is there now, however little; returns how many files were replaced.

        Raises: DbError REGION_BUSY if the region is being copied or keeps changing,
        REGION_NOT_FOUND, SHUTTING_DOWN, and what the work raises.
        """
        with region.maintenance:
            first_new = region.take_file_id()
        demand = Demand(region.version.flushed_sequence, first_new, window_ms, strict, time_range)
        count = 0
        for _ in range(_ATTEMPTS_MAX):
            with self._alone(region):
                count += self._meet(region, demand)
                if self._next(region, demand) is None:
                    return count
            self._check(region)
        raise DbError(
            ErrorKind.REGION_BUSY,
            f"region {region.id} keeps changing while it is compacted",
            hint="try again",
        )

    def collect(self, region: Region) -> int:
        """Removes files that nothing refers to; how many. Raises: DbError."""
        return collect(region, self._tools)

    def run_due(self, region: Region) -> bool:
        """Does the next task of a region that is due by itself, if any; True if it did.

        Raises: DbError. For tests and tools: it does not rest and takes no account of failures.
        """
        with self._alone(region):
            return self._do_next(region, Prompt(self._closing.is_set))

    def _meet(self, region: Region, demand: Demand) -> int:
        """Works on a demand until it is met or a task is abandoned."""
        count = 0
        pace = Prompt(self._closing.is_set)
        while (task := self._next(region, demand)) is not None:
            if not carry_out(region, task, self._tools, pace):
                return count
            count += 0 if isinstance(task, Widen) else len(task.files)
        return count

    def _next(self, region: Region, demand: Demand) -> Task | None:
        now_ms = self._tools.clock.now_ms()
        return pick_demanded(region.version, now_ms, self._tools.options, demand)

    def _check(self, region: Region) -> None:
        """Says why a task was abandoned, if trying again is no use. Raises: DbError."""
        if self._closing.is_set():
            raise DbError(ErrorKind.SHUTTING_DOWN, "the region engine is closed")
        region.state()  # REGION_NOT_FOUND
        if region.is_held:
            raise DbError(
                ErrorKind.REGION_BUSY,
                f"region {region.id} is being copied and cannot be compacted meanwhile",
                hint="try again when its partitions have been changed",
            )

    @contextmanager
    def _alone(self, region: Region) -> Iterator[None]:
        """Waits until no task of the region runs, and lets none begin."""
        with self._changed:
            self._changed.wait_for(lambda: region.id not in self._busy or self._closing.is_set())
            if self._closing.is_set():
                raise DbError(ErrorKind.SHUTTING_DOWN, "the region engine is closed")
            self._busy.add(region.id)
        try:
            yield
        finally:
            self._free(region)

    def _free(self, region: Region) -> None:
        with self._changed:
            self._busy.discard(region.id)
            self._changed.notify_all()

    def _run(self) -> None:
        lower_priority(self._tools.options.compaction_nice)
        options, counters = self._tools.options, self._tools.counters
        while self._wait_for_work():
            pace = Unhurried(self._closing, counters, options.compaction_busy_share)
            due = self._take_due()
            while sum(self._attempt(region, pace) for region in due):
                pass  # fairly: one task of each region in turn
            self._forget_dropped()
            self._collect_if_due()

    def _wait_for_work(self) -> bool:
        with self._changed:
            is_told = self._changed.wait_for(
                lambda: self._due is None or self._due or self._closing.is_set(),
                self._pause_seconds(),
            )
            if not is_told:
                self._due = None
        return not self._closing.is_set()

    def _take_due(self) -> list[Region]:
        with self._changed:
            due, self._due = self._due, set()
        return [region for region in self._regions() if due is None or region.id in due]

    def _pause_seconds(self) -> float:
        """Until the next look, or the next attempt of what failed."""
        retries = [moment - monotonic() for _, moment in self._failures.values()]
        return max(0.01, min([self._tools.options.compaction_interval_seconds, *retries]))

    def _attempt(self, region: Region, pace: Pace) -> bool:
        """Does one task; False if there is none, or if it fails."""
        with self._changed:
            if self._closing.is_set() or region.id in self._busy:
                return False
            if self._failures.get(region.id, (0, 0.0))[1] > monotonic():
                return False
            self._busy.add(region.id)
        try:
            done = self._do_next(region, pace)
            with self._changed:
                if self._failures.pop(region.id, None):
                    region.health = None
            return done
        except DbError as error:
            self._failed(region, error)
            return False
        except Exception as error:  # noqa: BLE001 - a bug or want of memory must not end the thread
            _LOG.exception("region %d cannot be compacted", region.id)
            self._failed(region, DbError(ErrorKind.INTERNAL, f"compaction failed: {error!r}"))
            return False
        finally:
            self._free(region)

    def _do_next(self, region: Region, pace: Pace) -> bool:
        if region.is_held or region.is_dropped:
            return False
        tools = self._tools
        task = pick(region.version, tools.clock.now_ms(), tools.options)
        return task is not None and carry_out(region, task, tools, pace)

    def _failed(self, region: Region, error: DbError) -> None:
        options = self._tools.options
        region.health = error
        self._tools.counters.compaction_failed()
        with self._changed:
            count = self._failures.get(region.id, (0, 0.0))[0] + 1
            pause = min(
                options.compaction_retry_seconds * 2 ** min(count - 1, 30),
                options.compaction_retry_seconds_max,
            )
            self._failures[region.id] = count, monotonic() + pause
        _LOG.warning(
            "region %d cannot be compacted, next attempt in %g s: %s",
            region.id,
            pause,
            error.message,
        )

    def _forget_dropped(self) -> None:
        """Failures of regions that are gone are of no interest."""
        here = {region.id for region in self._regions()}
        with self._changed:
            self._failures = {id_: f for id_, f in self._failures.items() if id_ in here}

    def _collect_if_due(self) -> None:
        with self._changed:
            if monotonic() - self._collected < self._tools.options.orphan_interval_seconds:
                return
            self._collected = monotonic()
        for region in self._regions():
            try:
                collect(region, self._tools)
            except DbError as error:
                _LOG.warning("orphans of region %d stay: %s", region.id, error.message)
