"""Local copies of objects in a folder, within a budget: the least recently used go first.

Called by `engine.store.cached`. A copy's name holds the object's path, the checksum of the content
and a digest of the version's tag, so a restart finds everything again without an index:

    <folder>/regions/1/sst/<crc32>-<digest>-0000000001.parquet

Nothing is synced: what a power loss tears is found by its checksum and fetched again.
"""

from __future__ import annotations

import os
import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from itertools import count
from pathlib import Path
from threading import Lock

from engine.store.cloud import Copy, ObjectInfo, file_checksum

_STAGING = "staging"
_OBJECTS = "objects"
_NAME = re.compile(r"([0-9a-f]{8})-([0-9a-f]{16})-(.+)")


@dataclass(slots=True)
class _Entry:
    """A copy. `trusted`: its content was seen to be whole since the process started."""

    name: str
    size: int
    checksum: int
    digest: str
    trusted: bool


class DiskCache:
    """Knows which objects have a copy. Any thread.

    I1. A file below `objects` has a final name only when it is whole (rename), and after a restart
        it is used only once its checksum was found right.
    I2. The copy of a held path is not removed to make room.
    I3. All copies together take at most `bytes_max`, but for those that are held and the newest.
    """

    def __init__(self, folder: Path, bytes_max: int) -> None:
        """Finds what an earlier process left. Raises: OSError."""
        # Constant after construction.
        self._objects = folder / _OBJECTS
        self._staging = folder / _STAGING
        self._bytes_max = bytes_max
        self._numbers = count()  # next() is atomic
        # Guarded by _lock.
        self._lock = Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._holds: Counter[str] = Counter()
        self._bytes = 0
        self._objects.mkdir(parents=True, exist_ok=True)
        self._staging.mkdir(exist_ok=True)
        self._load()

    @property
    def bytes(self) -> int:
        """What all copies take."""
        return self._bytes

    def hold(self, paths: Iterable[str]) -> None:
        """Copies of the paths, there already or to come, stay until `release`."""
        with self._lock:
            self._holds.update(paths)

    def release(self, paths: Iterable[str]) -> None:
        """Gives holds back; what is above the budget goes."""
        with self._lock:
            self._holds.subtract(paths)
            self._holds += Counter()  # forgets those at zero
            self._evict_locked(self._bytes_max)

    def find(self, path: str) -> str | None:
        """The name of a whole copy, None if there is none. It is now the most recently used."""
        with self._lock:
            entry = self._entries.get(path)
            if entry is not None:
                self._entries.move_to_end(path)
        if entry is None:
            return None
        if not _is_whole(entry):
            self._remove(path, entry)
            return None
        entry.trusted = True
        return entry.name

    @contextmanager
    def staging(self) -> Iterator[str]:
        """The name of a new file on the cache's disk; `admit` may move it away."""
        name = str(self._staging / f"{next(self._numbers)}.tmp")
        try:
            yield name
        finally:
            # Nothing more can be done about a leftover; the next start removes it.
            with suppress(OSError):
                os.unlink(name)

    def admit(self, path: str, file: str, copy: Copy) -> str:
        """Moves a staged file in as the copy of an object; returns its name. Raises: OSError."""
        name = self._name(path, copy)
        entry = _Entry(name, copy.size, copy.checksum, _digest(copy.etag), True)
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with self._lock:
            os.replace(file, name)
            old = self._entries.pop(path, None)
            self._entries[path] = entry
            self._bytes += entry.size
            if old is not None:
                self._drop_locked(old, keep=name)
            self._evict_locked(self._bytes_max)
        return name

    def make_room(self, size: int) -> None:
        """Removes copies so that one of that size will fit in the budget."""
        with self._lock:
            self._evict_locked(max(self._bytes_max - size, 0), spare_newest=False)

    def forget(self, path: str) -> None:
        """Removes the copy of an object, if there is one."""
        entry = self._entries.get(path)
        if entry is not None:
            self._remove(path, entry)

    def reconcile(self, prefix: str, there: Mapping[str, ObjectInfo]) -> None:
        """Removes the copies below a folder that are not of the objects that are there now."""
        with self._lock:
            known = list(self._entries.items())
        for path, entry in known:
            if not path.startswith(f"{prefix}/"):
                continue
            info = there.get(path)
            if info is None or (info.size, _digest(info.etag)) != (entry.size, entry.digest):
                self._remove(path, entry)

    def _load(self) -> None:
        """Reads the folder, oldest copies first; what is no copy is removed."""
        for leftover in self._staging.iterdir():
            leftover.unlink()
        found: list[tuple[int, str, _Entry]] = []
        for folder, _, files in os.walk(self._objects):
            for file in files:
                name = os.path.join(folder, file)
                matched = _NAME.fullmatch(file)
                if matched is None:
                    os.unlink(name)
                    continue
                checksum, digest, last = matched.groups()
                status = os.stat(name)
                path = os.path.relpath(os.path.join(folder, last), self._objects)
                entry = _Entry(name, status.st_size, int(checksum, 16), digest, False)
                found.append((status.st_mtime_ns, path, entry))
        for _, path, entry in sorted(found, key=lambda copy: copy[0]):
            old = self._entries.pop(path, None)
            if old is not None:
                self._drop_locked(old, keep=entry.name)
            self._entries[path] = entry
            self._bytes += entry.size
        self._evict_locked(self._bytes_max)

    def _remove(self, path: str, entry: _Entry) -> None:
        with self._lock:
            if self._entries.get(path) is entry:
                del self._entries[path]
                self._drop_locked(entry)

    def _evict_locked(self, bytes_max: int, *, spare_newest: bool = True) -> None:
        """Removes copies that nobody holds, the least recently used first (I2, I3)."""
        if self._bytes <= bytes_max:
            return
        candidates = list(self._entries)
        for path in candidates[:-1] if spare_newest else candidates:
            if path not in self._holds:
                self._drop_locked(self._entries.pop(path))
                if self._bytes <= bytes_max:
                    return

    def _drop_locked(self, entry: _Entry, keep: str = "") -> None:
        """Removes the file of an entry that is no longer listed."""
        self._bytes -= entry.size
        if entry.name != keep:
            # It is gone, or the disk is in trouble: the next start counts it again.
            with suppress(OSError):
                os.unlink(entry.name)

    def _name(self, path: str, copy: Copy) -> str:
        folder, _, last = path.rpartition("/")
        return f"{self._objects}/{folder}/{copy.checksum:08x}-{_digest(copy.etag)}-{last}"


def _digest(etag: str) -> str:
    """A version's tag as a short part of a file name."""
    return blake2b(etag.encode(), digest_size=8).hexdigest()


def _is_whole(entry: _Entry) -> bool:
    """True if the file has its size and, the first time, its checksum (I1)."""
    try:
        if os.stat(entry.name).st_size != entry.size:
            return False
        return entry.trusted or file_checksum(entry.name) == entry.checksum
    except OSError:
        return False
