"""An object store of a cloud with local files before it, so that readers always open local files.

Reads come from the cache and fill it; large writes go through it. Manifests are neither: they
decide who owns a region, and the cloud alone knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from engine.api import StoredFile
from engine.errors import DbError, ErrorKind
from engine.store.cache import DiskCache
from engine.store.cloud import Cloud
from engine.store.local import translated

# Objects fetched at a time. More would only queue behind each other on a 1 Gbit/s line.
FETCHES = 8


class CachedStore:
    """Implements `ObjectStore` over a `Cloud` and a `DiskCache`. Any thread.

    I1. What `create`, `put` and `put_if_absent` made is durable in the cloud when they return.
    I2. A copy never outlives its object: it is removed before the object is.
    """

    is_remote = True

    def __init__(self, cloud: Cloud, cache: DiskCache) -> None:
        # Constant after construction.
        self._cloud = cloud
        self._cache = cache
        # Guarded by _lock: one lock per path that is being fetched, with its users.
        self._lock = Lock()
        self._fetching: dict[str, tuple[Lock, list[None]]] = {}

    def put(self, path: str, data: bytes) -> None:
        """Makes or replaces an object."""
        self._cache.forget(path)
        self._cloud.put(path, data)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Makes an object; False if one is there already."""
        return self._cloud.put_if_absent(path, data)

    def get(self, path: str) -> bytes | None:
        """The whole object, None if there is none; from its copy if `fetch` has made one."""
        copy = self._cache.find(path)
        if copy is not None:
            # Without a hold it may go at this moment: then the cloud has it.
            with suppress(OSError):
                return Path(copy).read_bytes()
        return self._cloud.get(path)

    def delete(self, path: str) -> None:
        """Removes an object and its copy. A missing one is no error."""
        self._cache.forget(path)  # I2
        self._cloud.delete(path)

    def list(self, prefix: str) -> list[str]:
        """Paths of all objects below a folder, sorted."""
        return sorted(self._cloud.list(prefix))

    def details(self, prefix: str) -> Sequence[StoredFile]:
        """As `list`, with sizes and times."""
        found = sorted(self._cloud.list(prefix).items())
        return [StoredFile(path, info.size, info.modified_ms) for path, info in found]

    @contextmanager
    def create(self, path: str) -> Iterator[str]:
        """Gives a file of the cache's disk to write; at the end of the block it is uploaded."""
        with self._cache.staging() as staged:
            yield staged
            with translated(f"write {path}"):
                self._cache.forget(path)
                copy = self._cloud.upload(path, staged)
            # The object is there (I1); without a copy the next reader fetches it.
            with suppress(OSError):
                self._cache.admit(path, staged, copy)

    def local_path(self, path: str) -> str:
        """The name of the copy, fetched if it is not there. See `hold`."""
        found = self._cache.find(path)
        if found is not None:
            return found
        with self._alone(path):
            found = self._cache.find(path)
            return found if found is not None else self._fetch(path)

    def fetch(self, paths: Iterable[str]) -> None:
        """Makes copies of several objects at a time."""
        missing = [path for path in paths if self._cache.find(path) is None]
        if len(missing) == 1:
            self.local_path(missing[0])
        elif missing:
            with ThreadPoolExecutor(min(FETCHES, len(missing)), "fetch") as pool:
                for _ in pool.map(self.local_path, missing):
                    continue

    def hold(self, paths: Iterable[str]) -> None:
        """Keeps the copies of the paths until `release`."""
        self._cache.hold(paths)

    def release(self, paths: Iterable[str]) -> None:
        """Gives holds back."""
        self._cache.release(paths)

    def clean(self, prefix: str) -> None:
        """Removes the copies below a folder whose objects are gone or were replaced.

        Unfinished uploads are not visible here: the bucket's own lifecycle rule removes them.
        """
        self._cache.reconcile(prefix, self._cloud.list(prefix))

    def _fetch(self, path: str) -> str:
        try:
            return self._fetch_once(path, self._cache.make_room)
        except DbError as error:
            if error.kind is not ErrorKind.DISK_FULL:
                raise
        # Others use the disk as well: copies that nobody reads give way.
        return self._fetch_once(path, lambda _: self._cache.make_room(1 << 62))

    def _fetch_once(self, path: str, make_room: Callable[[int], None]) -> str:
        with self._cache.staging() as staged, translated("write to the cache"):
            copy = self._cloud.download(path, staged, make_room)
            return self._cache.admit(path, staged, copy)

    @contextmanager
    def _alone(self, path: str) -> Iterator[None]:
        """One thread at a time per path."""
        with self._lock:
            lock, users = self._fetching.setdefault(path, (Lock(), []))
            users.append(None)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                users.pop()
                if not users:
                    self._fetching.pop(path, None)
