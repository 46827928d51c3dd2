"""The interface between the engine and whatever keeps its files.

Paths are relative, with `/`. An object appears whole or not at all, and is durable when the call
that made it returns. Used for manifests, SSTs and deletion vectors; the log has its own
(engine.wal.segments), because appending is what object stores cannot do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from engine.api import StoredFile


class ObjectStore(Protocol):
    """Named immutable objects.

    Every method raises DbError DISK_FULL or STORAGE_UNAVAILABLE when the store fails (and
    ACCESS_DENIED when a cloud refuses the credentials). Any thread.
    """

    @property
    def is_remote(self) -> bool:
        """True if a request takes the time of a network, so that several at a time pay, and may
        take effect long after it was given up.
        """

    def put(self, path: str, data: bytes) -> None:
        """Makes or replaces an object."""

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Makes an object; False if one is there already (it is left alone)."""

    def get(self, path: str) -> bytes | None:
        """The whole object, None if there is none."""

    def delete(self, path: str) -> None:
        """Removes an object. A missing one is no error."""

    def list(self, prefix: str) -> list[str]:
        """Paths of all objects below a folder, sorted. Unfinished objects are not shown."""

    def details(self, prefix: str) -> Sequence[StoredFile]:
        """As `list`, with sizes and times. What is removed meanwhile may be missing."""

    def create(self, path: str) -> AbstractContextManager[str]:
        """For large objects: gives the name of a local file to write.

        When the block ends well the file becomes the object, otherwise it is removed.
        """

    def local_path(self, path: str) -> str:
        """The name of a local file with the object's content, for Parquet readers.

        The file stays for as long as the path is held; see `hold` and `reading`.
        """

    def fetch(self, paths: Iterable[str]) -> None:
        """Makes `local_path` and `get` of these paths quick, several at a time."""

    def hold(self, paths: Iterable[str]) -> None:
        """Local files of these paths stay until `release`, which is called as often. No request."""

    def release(self, paths: Iterable[str]) -> None:
        """Gives holds back."""

    def clean(self, prefix: str) -> None:
        """Removes what unfinished writes left below a folder, and folders that are empty."""


@contextmanager
def reading(store: ObjectStore, path: str) -> Iterator[str]:
    """The name of a local file with the object's content, which stays until the block ends."""
    store.hold((path,))
    try:
        yield store.local_path(path)
    finally:
        store.release((path,))
