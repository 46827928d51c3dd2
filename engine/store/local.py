"""Objects as local files: temporary file, fsync, rename, fsync of the folder.

Used by the engine for everything but the log. It never keeps a file open between calls.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from engine.api import StoredFile
from engine.errors import DbError, ErrorKind

TEMPORARY = ".tmp"
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


def storage_error(error: OSError, action: str) -> DbError:
    """Our error for one of the operating system's."""
    full = error.errno in _NO_SPACE
    kind = ErrorKind.DISK_FULL if full else ErrorKind.STORAGE_UNAVAILABLE
    return DbError(kind, f"cannot {action}: {error.strerror or error}")


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turns an OSError of the block into a DbError that says what was being done."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, action) from error


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Makes a folder and its missing parents, durably."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


class LocalStore:
    """Implements `ObjectStore` in one folder of the local file system.

    I1. A file without the suffix `.tmp` is whole and durable, or its maker has not been told that
        it is done.
    """

    is_remote = False

    def __init__(self, root: Path, *, sync: bool = True) -> None:
        # Constant after construction.
        self._root = root
        self._sync = sync
        self._numbers = count()  # next() is atomic

    def put(self, path: str, data: bytes) -> None:
        """Makes or replaces an object."""
        with self.create(path) as temporary, translated(f"write {path}"):
            Path(temporary).write_bytes(data)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Makes an object; False if one is there already. A hard link is the atomic step."""
        target = self._root / path
        temporary = self._temporary(target)
        with translated(f"write {path}"):
            make_folder(target.parent)
            try:
                temporary.write_bytes(data)
                self._sync_file(temporary)
                os.link(temporary, target)
            except FileExistsError:
                return False
            finally:
                temporary.unlink(missing_ok=True)
            self._sync_parent(target)
        return True

    def get(self, path: str) -> bytes | None:
        """The whole object, None if there is none."""
        with translated(f"read {path}"):
            try:
                return (self._root / path).read_bytes()
            except FileNotFoundError:
                return None

    def delete(self, path: str) -> None:
        """Removes an object. A missing one is no error."""
        target = self._root / path
        with translated(f"remove {path}"):
            try:
                target.unlink()
            except FileNotFoundError:
                return
            self._sync_parent(target)

    def list(self, prefix: str) -> list[str]:
        """Paths of all objects below a folder, sorted."""
        with translated(f"list {prefix}"):
            names = [
                os.path.join(folder, name)
                for folder, _, files in os.walk(self._root / prefix, onerror=_unless_missing)
                for name in files
                if not name.endswith(TEMPORARY)
            ]
        start = len(str(self._root)) + 1
        return sorted(name[start:] for name in names)

    def details(self, prefix: str) -> Sequence[StoredFile]:
        """As `list`, with sizes and times."""
        found = []
        for path in self.list(prefix):
            with translated(f"look at {path}"), suppress(FileNotFoundError):
                status = (self._root / path).stat()
                found.append(StoredFile(path, status.st_size, status.st_mtime_ns // 1_000_000))
        return found

    @contextmanager
    def create(self, path: str) -> Iterator[str]:
        """Gives a local file to write, which becomes the object at the end of the block."""
        target = self._root / path
        temporary = self._temporary(target)
        with translated(f"write {path}"):
            make_folder(target.parent)
        try:
            yield str(temporary)
            with translated(f"write {path}"):
                self._sync_file(temporary)
                temporary.replace(target)
                self._sync_parent(target)
        finally:
            # Nothing more can be done about a leftover; `clean` removes it at the next start.
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def local_path(self, path: str) -> str:
        """The object's own file."""
        return f"{self._root}/{path}"

    def fetch(self, paths: Iterable[str]) -> None:
        """Nothing to do: the objects are local files."""

    def hold(self, paths: Iterable[str]) -> None:
        """Nothing to do: only `delete` removes a file."""

    def release(self, paths: Iterable[str]) -> None:
        """Nothing to do."""

    def clean(self, prefix: str) -> None:
        """Removes leftovers of unfinished writes and empty folders below (and at) `prefix`."""
        with translated(f"clean {prefix}"):
            tree = os.walk(self._root / prefix, topdown=False, onerror=_unless_missing)
            for folder, _, files in tree:
                for name in files:
                    if name.endswith(TEMPORARY):
                        Path(folder, name).unlink(missing_ok=True)
                _remove_if_empty(Path(folder))

    def _temporary(self, target: Path) -> Path:
        return target.with_name(f"{target.name}.{next(self._numbers)}{TEMPORARY}")

    def _sync_file(self, path: Path) -> None:
        if not self._sync:
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _sync_parent(self, path: Path) -> None:
        if self._sync:
            sync_folder(path.parent)


def _unless_missing(error: OSError) -> None:
    """A folder that cannot be read must not look like an empty one; one that is not there may."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _remove_if_empty(folder: Path) -> None:
    """Removes a folder unless something is in it."""
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise
