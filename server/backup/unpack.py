"""Takes a backup apart and checks every byte: from a tar stream or from a folder.

Used by `gnomon backup` while it receives and by `gnomon restore`. Nothing of it trusts names or
sizes in the archive, and nothing appears under its final name before all of it is verified and on
the disk.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from engine.errors import DbError, ErrorKind
from engine.store.local import make_folder, sync_folder, translated
from server.backup.archive import CONTENTS, PIECE_BYTES, Contents, Entry

_CONTENTS_BYTES_MAX = 1 << 30  # some ten million files

Members = Iterable[tuple[str, IO[bytes]]]


def tar_members(stream: BinaryIO) -> Generator[tuple[str, IO[bytes]], None, None]:
    """The files of a tar stream, each valid until the next is asked for.

    Raises: DbError CORRUPTED for what is no tar, breaks off, or holds anything but plain files.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if content is None:
                    raise _bad(f"{member.name!r} is not a plain file")
                yield member.name, content
    except (tarfile.TarError, EOFError) as error:
        raise _bad(f"the archive cannot be read: {error}") from error


def folder_members(folder: Path) -> Generator[tuple[str, IO[bytes]], None, None]:
    """The files that an unpacked backup lists, and the list last. Raises: DbError CORRUPTED."""
    try:
        text = (folder / CONTENTS).read_bytes()
        for entry in Contents.from_json(text).files:
            with (folder / checked_name(entry.path)).open("rb") as file:
                yield entry.path, file
        with (folder / CONTENTS).open("rb") as file:
            yield CONTENTS, file
    except FileNotFoundError as error:
        raise _bad(f"{error.filename} is missing") from error


def take(members: Members, target: Path | None, *, with_contents: bool = False) -> Contents:
    """Checks all files against the list of checksums; writes them below `target` if there is one.

    Everything written is on the disk when it returns. `with_contents`: the list is written too.
    Raises: DbError CORRUPTED, DISK_FULL, STORAGE_UNAVAILABLE.
    """
    seen: list[Entry] = []
    contents: Contents | None = None
    for name, source in members:
        checked_name(name)
        if contents is not None:
            raise _bad(f"{name!r} comes after the list of contents")
        if name == CONTENTS:
            text = _read(name, source, _CONTENTS_BYTES_MAX)
            contents = Contents.from_json(text)
            if target is not None and with_contents:
                _write(target / name, partial(_fill, text))
            continue
        seen.append(_copied(name, source, target))
    if contents is None:
        raise _bad(f"it has no {CONTENTS}: it was not finished")
    _compare(seen, contents)
    if target is not None:
        with translated(f"write {target}"):
            for folder, _, _ in os.walk(target):
                sync_folder(Path(folder))
    return contents


def _compare(seen: list[Entry], contents: Contents) -> None:
    found = {entry.path: entry for entry in seen}
    listed = {entry.path: entry for entry in contents.files}
    if len(found) != len(seen) or len(listed) != len(contents.files):
        raise _bad("a file occurs twice")
    for path in sorted(listed.keys() ^ found.keys()):
        raise _bad(f"{path!r} is missing" if path in listed else f"{path!r} is not listed")
    for path, entry in listed.items():
        if found[path] != entry:
            raise _bad(f"{path!r} does not have its checksum")


def _read(name: str, source: IO[bytes], size: int = PIECE_BYTES) -> bytes:
    try:
        return source.read(size)
    except (tarfile.TarError, EOFError) as error:
        raise _bad(f"{name!r} breaks off") from error


def _fill(text: bytes, file: IO[bytes]) -> None:
    file.write(text)


def _copied(name: str, source: IO[bytes], target: Path | None) -> Entry:
    digest, size = sha256(), 0

    def pump(file: IO[bytes] | None) -> None:
        nonlocal size
        while piece := _read(name, source):
            digest.update(piece)
            size += len(piece)
            if file is not None:
                file.write(piece)

    if target is None:
        pump(None)
    else:
        _write(target / name, pump)
    return Entry(name, size, digest.hexdigest())


def _write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """A new file, on the disk."""
    with translated(f"write {path}"):
        make_folder(path.parent)
        with path.open("xb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())


def checked_name(name: str) -> PurePosixPath:
    """A relative path that stays below its folder. Raises: DbError CORRUPTED."""
    path = PurePosixPath(name)
    if (
        not name
        or path.is_absolute()
        or ".." in path.parts
        or str(path) != name
        or "\0" in name
        or "\\" in name
    ):
        raise _bad(f"{name!r} is no name of a file in a backup")
    return path


def restore(backup: Path, directory: Path) -> Contents:
    """Makes a data directory from a backup (a tar file or a folder).

    `directory` must not exist or be empty; it appears when everything is verified and on the disk.
    Raises: DbError INVALID_ARGUMENT, CORRUPTED, DISK_FULL, STORAGE_UNAVAILABLE.
    """
    directory = directory.absolute()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"{directory} exists and is not empty")
    unfinished = beside(directory, ".restoring")
    try:
        with translated(f"read {backup}"):
            if backup.is_dir():
                with closing(folder_members(backup)) as members:
                    contents = take(members, unfinished)
            else:
                with backup.open("rb") as stream, closing(tar_members(stream)) as members:
                    contents = take(members, unfinished)
        appear(unfinished, directory)
    except BaseException:
        remove(unfinished)
        raise
    return contents


def beside(target: Path, suffix: str) -> Path:
    """The name of an unfinished `target`; what an earlier attempt left there is removed."""
    unfinished = target.with_name(target.name + suffix)
    remove(unfinished)
    return unfinished


def appear(unfinished: Path, target: Path) -> None:
    """Gives something finished its name, durably."""
    with translated(f"rename {unfinished} to {target}"):
        unfinished.replace(target)
        sync_folder(target.parent)


def remove(path: Path) -> None:
    """Removes a file or a folder with everything in it, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _bad(what: str) -> DbError:
    return DbError(ErrorKind.CORRUPTED, f"not a whole backup: {what}")
