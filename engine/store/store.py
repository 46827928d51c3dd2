"""The interface between the engine and whatever keeps its files.

Paths are relative, with `/`. An object appears whole or not at all, and is durable when the call
that made it returns. Used for manifests, SSTs and deletion vectors; the log has its own
(engine.wal.segments), because appending is what object stores cannot do.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class ObjectStore(Protocol):
    """Named immutable objects.

    Every method raises DbError DISK_FULL or STORAGE_UNAVAILABLE when the store fails. Any thread.
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

    def create(self, path: str) -> AbstractContextManager[str]:
        """For large objects: gives the name of a local file to write.

        When the block ends well the file becomes the object, otherwise it is removed.
        """

    def local_path(self, path: str) -> str:
        """The name of a local file with the object's content, for Parquet readers."""

    def clean(self, prefix: str) -> None:
        """Removes what unfinished writes left below a folder, and folders that are empty."""
