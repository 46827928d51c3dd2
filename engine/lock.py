"""The lock on a data directory: one process owns it at a time.

Taken by `LocalRegions` before it reads anything. The kernel drops the lock when its owner dies, so
a crash never leaves a stale one.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from engine.errors import DbError, ErrorKind

NAME = "LOCK"


class DirectoryLock:
    """Holds `LOCK` in a directory until `release`.

    Raises: DbError STORAGE_UNAVAILABLE when another owner has it (the message names its pid).
    """

    def __init__(self, directory: Path) -> None:
        path = directory / NAME
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise DbError(
                ErrorKind.STORAGE_UNAVAILABLE, f"cannot open the lock file {path}: {error.strerror}"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise DbError(
                ErrorKind.STORAGE_UNAVAILABLE,
                f"the data directory {directory} is in use by the process with pid {owner}",
                hint="stop that process, or choose another directory",
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Gives the directory back. A second call does nothing."""
        if self._file >= 0:
            os.close(self._file)  # closing the only descriptor drops the lock
            self._file = -1
