"""A store that fails on purpose: the twin of a dying disk, for tests.

It wraps a real store and counts its calls. It never hides an effect: a failed call either did
nothing or did everything, as its mode says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

from engine.api import StoredFile
from engine.errors import DbError, ErrorKind
from engine.store.store import ObjectStore


class FaultyStore:
    """Implements `ObjectStore`; change number `fail_at` fails, and unless `once` all later ones.

    `after`: the failing call takes effect before it reports failure, as when the answer is lost.
    """

    def __init__(
        self,
        inner: ObjectStore,
        *,
        fail_at: int | None = None,
        after: bool = False,
        once: bool = False,
    ) -> None:
        # Constant after construction.
        self._inner = inner
        self._after = after
        self._once = once
        # Guarded by _lock.
        self._lock = Lock()
        self._fail_at = fail_at
        self.calls = 0
        self.failures = 0

    @property
    def is_remote(self) -> bool:
        """As the inner store."""
        return self._inner.is_remote

    def fail_from(self, call: int | None) -> None:
        """Sets the number of the call that fails; None: nothing fails from now on."""
        with self._lock:
            self._fail_at = call

    def put(self, path: str, data: bytes) -> None:
        """As the inner store, or fails."""
        with self._step(f"write {path}"):
            self._inner.put(path, data)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """As the inner store, or fails."""
        with self._step(f"write {path}"):
            return self._inner.put_if_absent(path, data)

    def get(self, path: str) -> bytes | None:
        """Reading never fails here."""
        return self._inner.get(path)

    def delete(self, path: str) -> None:
        """As the inner store, or fails."""
        with self._step(f"remove {path}"):
            self._inner.delete(path)

    def list(self, prefix: str) -> list[str]:
        """Listing never fails here."""
        return self._inner.list(prefix)

    def details(self, prefix: str) -> Sequence[StoredFile]:
        """Listing never fails here."""
        return self._inner.details(prefix)

    @contextmanager
    def create(self, path: str) -> Iterator[str]:
        """As the inner store, or fails at the end of the block."""
        fails = self._count()
        if fails and not self._after:
            raise _failure(f"write {path}")
        with self._inner.create(path) as temporary:
            yield temporary
        if fails:
            raise _failure(f"write {path}")

    def local_path(self, path: str) -> str:
        """The inner store's file."""
        return self._inner.local_path(path)

    def fetch(self, paths: Iterable[str]) -> None:
        """Reading never fails here."""
        self._inner.fetch(paths)

    def hold(self, paths: Iterable[str]) -> None:
        """As the inner store."""
        self._inner.hold(paths)

    def release(self, paths: Iterable[str]) -> None:
        """As the inner store."""
        self._inner.release(paths)

    def clean(self, prefix: str) -> None:
        """Cleaning never fails here."""
        self._inner.clean(prefix)

    @contextmanager
    def _step(self, action: str) -> Iterator[None]:
        fails = self._count()
        if fails and not self._after:
            raise _failure(action)
        yield
        if fails:
            raise _failure(action)

    def _count(self) -> bool:
        with self._lock:
            self.calls += 1
            at = self._fail_at
            fails = at is not None and (self.calls == at or (self.calls > at and not self._once))
            self.failures += fails
            return fails


def _failure(action: str) -> DbError:
    return DbError(ErrorKind.STORAGE_UNAVAILABLE, f"cannot {action}: injected failure")
