"""All groups of rules: read from files, evaluated when they are due, read again when files change.

Made by server/app.py; the HTTP API shows it. A changed file that cannot be used is logged and the
rules stay as they were.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from engine.clock import Clock
from engine.errors import DbError
from server.rules.files import RuleFileError, RuleGroup, paths_of, read_files
from server.rules.group import Connect, GroupState, Outside
from server.rules.notify import Notifier

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
_FILES_SECONDS = 5.0
_AT_ONCE = 4  # groups evaluated at the same time

Stamp = tuple[tuple[Path, int, int], ...]


@dataclass(frozen=True)
class RuleSettings:
    """What an operator chooses. `interval_ms` is that of groups that have none of their own."""

    files: Sequence[str] = ()
    interval_ms: int = 60_000
    alertmanagers: Sequence[str] = ()
    outside: Outside = field(default_factory=Outside)


class Rules:
    """Every method may be called from any thread."""

    def __init__(self, settings: RuleSettings, connect: Connect, clock: Clock) -> None:
        """Reads the files. Raises: RuleFileError."""
        # Constant after construction.
        self._settings = settings
        self._connect = connect
        self._clock = clock
        outside = settings.outside
        self.notifier = Notifier(
            settings.alertmanagers, outside.external_labels, outside.external_url
        )
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(_AT_ONCE, "rules")
        self._thread: threading.Thread | None = None
        # Used by the watching thread alone, once it runs.
        self._stamp = _stamp(settings.files)
        self._due: dict[tuple[str, str], int] = {}
        self._busy: set[tuple[str, str]] = set()
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._groups = self._made(read_files(settings.files))

    def _made(self, groups: Sequence[RuleGroup]) -> list[GroupState]:
        return [GroupState(group, self._connect, self._settings.outside) for group in groups]

    def groups(self) -> list[GroupState]:
        """All groups, as their files name them."""
        with self._lock:
            return list(self._groups)

    def interval_ms(self, group: RuleGroup) -> int:
        """How often a group is evaluated."""
        return group.interval_ms or self._settings.interval_ms

    def start(self) -> None:
        """Begins to evaluate."""
        if self._settings.files:
            self._thread = threading.Thread(target=self._watch, name="rules")
            self._thread.start()

    def evaluate(self, state: GroupState, now_ms: int) -> None:
        """Evaluates a group as of a time and tells of its alerts. Raises: DbError."""
        for rule, alerts in state.evaluate(now_ms):
            self.notifier.send(alerts, rule.query, now_ms, self.interval_ms(state.group))

    def reload(self) -> None:
        """Reads the files again; rules that stay the same keep alerts. Raises: RuleFileError."""
        fresh = self._made(read_files(self._settings.files))
        with self._lock:
            before = {_key(state): state for state in self._groups}
            for state in fresh:
                if _key(state) in before:
                    state.take_over(before[_key(state)])
            self._groups = fresh

    def close(self) -> None:
        """Stops; evaluations that run are waited for."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.notifier.close()

    # --- The watching thread ----------------------------------------------------------------------

    def _watch(self) -> None:
        looked_ms = self._clock.now_ms()
        while not self._stop.wait(_LOOK_SECONDS):
            try:
                now = self._clock.now_ms()
                if now - looked_ms >= _FILES_SECONDS * 1000:
                    looked_ms = now
                    self._look_at_files()
                for state in self.groups():
                    self._start_if_due(state, now)
            except Exception:  # noqa: BLE001 - the thread must not end
                _LOG.exception("looking for rules that are due failed")

    def _look_at_files(self) -> None:
        stamp = _stamp(self._settings.files)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.reload()
        except RuleFileError as error:
            _LOG.error("rules stay as they were: %s", error)
        else:
            _LOG.info("rule files were read again", extra={"groups": len(self.groups())})

    def _start_if_due(self, state: GroupState, now_ms: int) -> None:
        key, interval = _key(state), self.interval_ms(state.group)
        slot = slot_ms(state.group, interval, now_ms)
        if key in self._busy or self._due.setdefault(key, slot) > slot:
            return
        self._due[key] = slot + interval
        self._busy.add(key)
        self._pool.submit(self._evaluated, state, slot, lambda: self._busy.discard(key))

    def _evaluated(self, state: GroupState, slot: int, done: Callable[[], None]) -> None:
        try:
            self.evaluate(state, slot)
        except DbError as error:
            _LOG.warning("group %s was not evaluated: %s", state.group.name, error.message)
        except Exception:  # noqa: BLE001 - nobody waits for it
            _LOG.exception("group %s was not evaluated", state.group.name)
        finally:
            done()


def _key(state: GroupState) -> tuple[str, str]:
    return state.group.file, state.group.name


def slot_ms(group: RuleGroup, interval_ms: int, now_ms: int) -> int:
    """The last time up to now at which a group is due; groups are spread over the interval."""
    offset = crc32(f"{group.file}\0{group.name}".encode()) % interval_ms
    return (now_ms - offset) // interval_ms * interval_ms + offset


def _stamp(patterns: Sequence[str]) -> Stamp:
    """What changes when a rule file does."""
    found = []
    for path in paths_of(patterns):
        try:
            state = path.stat()
        except OSError:
            continue
        found.append((path, state.st_mtime_ns, state.st_size))
    return tuple(found)
