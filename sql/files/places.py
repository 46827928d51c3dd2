"""Where COPY's files are: one directory of the server, out of which no path leads.

Made once by sql/database.py from the setting `copy_root`; used by sql/statements/copy_files.py.
Object stores are in remote.py. Nothing here knows what is in a file.

I1. A file is opened by walking down from the root without following links, along a path whose
    links were resolved before: a link changed in between is an error, never a way out.
I2. What is written has its name only when it is whole and durable.
"""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import DbError, ErrorKind
from engine.store.local import storage_error, translated

TEMPORARY = ".tmp"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read: `name` as errors tell it, `open` gives it from its beginning, seekable."""

    name: str
    open: Callable[[], BinaryIO]


class Place(Protocol):
    """Somewhere files are."""

    def sources(self, path: str, pattern: str | None) -> Sequence[Source]:
        """The file at `path`; for a path that ends in `/`, those in it whose names match.

        Sorted by name. Raises: DbError UNDEFINED_FILE when there is none, ACCESS_DENIED.
        """

    def writing(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Opens a new file; it replaces one of that name at the end, or not at all if it fails."""


def chosen(names: Sequence[str], pattern: str | None, where: str) -> list[str]:
    """The names that match, sorted. Raises: DbError UNDEFINED_FILE when none does."""
    kept = sorted(name for name in names if not name.startswith("."))
    if pattern is not None and kept:
        # RE2: no pattern of a client's takes more than linear time.
        matches = pc.match_substring_regex(pa.array(kept), pattern)
        kept = pa.array(kept).filter(matches).to_pylist()
    if not kept:
        matching = "" if pattern is None else f' that matches "{pattern}"'
        raise DbError(ErrorKind.UNDEFINED_FILE, f'there is no file in "{where}"{matching}')
    return kept


class LocalFiles:
    """The files below one directory, and room for what is on its way. Implements `Place`."""

    def __init__(self, root: Path, spool: Path) -> None:
        """`root` is made when it is first needed; `spool` holds files without names."""
        self.root = root.absolute()
        self._spool = spool

    def sources(self, path: str, pattern: str | None) -> Sequence[Source]:
        """See `Place.sources`."""
        parts = self._resolve(path)
        if not path.endswith("/"):
            if pattern is not None:
                raise DbError(
                    ErrorKind.INVALID_ARGUMENT,
                    "COPY option PATTERN needs a directory",
                    hint=f"did you mean '{path}/'?",
                )
            return [self._source(path, parts)]
        with translated_file("read", path), self._folder(parts, make=False) as folder:
            names = [one.name for one in os.scandir(folder) if not one.is_dir()]
        found = [path + name for name in chosen(names, pattern, path)]
        return [self._source(name, self._resolve(name)) for name in found]

    def _source(self, path: str, parts: tuple[str, ...]) -> Source:
        return Source(path, lambda: self._open(path, parts))

    def _open(self, path: str, parts: tuple[str, ...]) -> BinaryIO:
        if not parts:
            raise DbError(ErrorKind.WRONG_OBJECT_TYPE, f'"{path}" is a directory')
        with translated_file("read", path), self._folder(parts[:-1], make=False) as folder:
            descriptor = os.open(parts[-1], _READ, dir_fd=folder)
        with ExitStack() as undo:
            undo.callback(os.close, descriptor)
            kind = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(kind):
                hint = "end the path with / to read the files in it"
                message = f'"{path}" is a directory'
                raise DbError(ErrorKind.WRONG_OBJECT_TYPE, message, hint=hint)
            if not stat.S_ISREG(kind):
                raise DbError(ErrorKind.WRONG_OBJECT_TYPE, f'"{path}" is not a regular file')
            undo.pop_all()
        return os.fdopen(descriptor, "rb")

    @contextmanager
    def writing(self, path: str) -> Iterator[BinaryIO]:
        """See `Place.writing`. Raises: DbError ACCESS_DENIED, DISK_FULL, STORAGE_UNAVAILABLE."""
        parts = self._resolve(path)
        if not parts or path.endswith("/"):
            raise DbError(ErrorKind.WRONG_OBJECT_TYPE, f'"{path}" is a directory, not a file')
        with translated_file("write", path), self._folder(parts[:-1], make=True) as folder:
            self._check_target(path, parts[-1], folder)
            temporary = f".{parts[-1][:100]}.{secrets.token_hex(8)}{TEMPORARY}"
            descriptor = os.open(temporary, _WRITE, 0o640, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(temporary, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=folder)
                raise

    def _check_target(self, path: str, name: str, folder: int) -> None:
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise DbError(ErrorKind.WRONG_OBJECT_TYPE, f'"{path}" is a directory, not a file')

    def spool(self) -> BinaryIO:
        """A file without a name: it is gone when it is closed, or the process ends."""
        with translated("make a temporary file"):
            self._spool.mkdir(parents=True, exist_ok=True)
            return cast(BinaryIO, tempfile.TemporaryFile(dir=self._spool))

    def _resolve(self, path: str) -> tuple[str, ...]:
        """The path below the root, without links. Raises: DbError ACCESS_DENIED."""
        if not path or "\0" in path:
            raise DbError(ErrorKind.INVALID_ARGUMENT, "COPY needs the path of a file")
        with translated(f"make the directory of COPY's files, {self.root}"):
            self.root.mkdir(parents=True, exist_ok=True)
        root = os.path.realpath(self.root)
        wanted = Path(path)
        real = os.path.realpath(Path(root) / wanted)
        if wanted.is_absolute():  # the root may itself be reached by a link
            real = os.path.realpath(wanted)
        inside = real == root or real.startswith(root.rstrip("/") + "/")
        if ".." in wanted.parts or not inside:
            raise DbError(
                ErrorKind.ACCESS_DENIED,
                f'"{path}" is not below the directory for COPY',
                hint=f"COPY reads and writes below {self.root} (setting copy_root), without ..",
            )
        return Path(real).relative_to(root).parts

    @contextmanager
    def _folder(self, parts: Sequence[str], *, make: bool) -> Iterator[int]:
        """A descriptor of a folder below the root (I1)."""
        descriptor = os.open(os.path.realpath(self.root), _DIRECTORY)
        try:
            for part in parts:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o750, dir_fd=descriptor)
                below = os.open(part, _DIRECTORY, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def translated_file(action: str, path: str) -> Iterator[None]:
    """Turns an OSError of the block into a DbError that names the file."""
    try:
        yield
    except OSError as error:
        raise file_error(error, action, path) from error


_PLAIN = {
    FileNotFoundError: (ErrorKind.UNDEFINED_FILE, "no such file or directory"),
    NotADirectoryError: (ErrorKind.UNDEFINED_FILE, "a part of the path is not a directory"),
    PermissionError: (ErrorKind.ACCESS_DENIED, "the server may not open it"),
    IsADirectoryError: (ErrorKind.WRONG_OBJECT_TYPE, "it is a directory"),
}


def file_error(error: OSError, action: str, path: str) -> DbError:
    """What a client is told of a failure on a file."""
    known = _PLAIN.get(type(error))
    if known is not None:
        kind, reason = known
        return DbError(kind, f'could not {action} "{path}": {reason}')
    return storage_error(error, f'{action} "{path}"')
