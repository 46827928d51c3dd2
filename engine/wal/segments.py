"""Segment files of the log: the only place where it touches the disk.

`LogFolder` and `LogFile` are the seam; tests put a failing twin there. The writer and the reader
decide what to write and when; nothing here knows what a record is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa

from engine.store.local import make_folder, sync_folder, translated

Buffers = Sequence[bytes | pa.Buffer]
_NAME = re.compile(r"(\d{20})\.wal")
ZEROS = bytes(1 << 20)  # as many are put behind what was written, at the most
_ZEROS_FOR_MAX = 128 << 10  # bytes: larger writes gain little by them, and would be written twice
_IOV_MAX = 1024  # the kernel's limit of buffers in one call (POSIX _XOPEN_IOV_MAX allows less)


@dataclass(frozen=True, slots=True)
class PinnedSegment:
    """A segment's file name, the open file and how many of its bytes are written."""

    name: str
    file: BinaryIO
    length: int


class LogFile(Protocol):
    """One open segment. Methods raise OSError; only one thread calls them at a time."""

    def write_at(self, offset: int, buffers: Buffers) -> None:
        """Writes all buffers one after the other. On failure some bytes may have been written."""

    def sync(self) -> None:
        """Returns when everything written is on the disk."""

    def truncate(self, length: int) -> None:
        """Cuts the file."""

    def close(self) -> None:
        """Closes the file."""


class LogFolder(Protocol):
    """The segments that exist, by number. Methods raise DbError unless said otherwise."""

    def numbers(self) -> list[int]:
        """Numbers of the segments, ascending."""

    def name(self, number: int) -> str:
        """A segment's full file name, for messages."""

    def create(self, number: int, header: bytes) -> LogFile:
        """A new segment, durable with its whole header. Raises: OSError."""

    def read(self, number: int) -> memoryview:
        """A segment's bytes."""

    def truncate(self, number: int, length: int) -> None:
        """Cuts a segment, durably."""

    def remove(self, number: int) -> None:
        """Removes a segment, durably (removals never change their order)."""

    def pin(self) -> list[PinnedSegment]:
        """Every segment, oldest first, while a writer goes on.

        What was written stays readable, even if the segment is removed.
        """


class LocalLogFile:
    """A segment on the local disk.

    Small writes go over zeros that an earlier sync has put behind the end. A file that keeps its
    length and blocks gives the file system's journal nothing to commit, so the sync waits for this
    file's bytes alone; on ext4 that halves it. To a reader the zeros are a torn tail.
    """

    def __init__(self, descriptor: int) -> None:
        self._file = descriptor
        self._length = os.fstat(descriptor).st_size  # with the zeros
        self.written = self._length

    def write_at(self, offset: int, buffers: Buffers) -> None:
        """One `pwritev` unless the kernel takes less than everything."""
        views = [memoryview(buffer).cast("B") for buffer in buffers if len(buffer)]
        began = offset
        while views:
            written = os.pwritev(self._file, views[:_IOV_MAX], offset)
            offset += written
            self.written = max(self.written, offset)
            views = _rest(views, written)
        if offset > self._length:
            self._length = offset
            if offset - began <= _ZEROS_FOR_MAX:
                self._write_zeros()

    def _write_zeros(self) -> None:
        with suppress(OSError):  # a disk without room for them had room for what counts
            self._length += os.pwrite(self._file, ZEROS, self._length)

    def sync(self) -> None:
        """`fdatasync`: the data and the file's length, not its times."""
        os.fdatasync(self._file)

    def truncate(self, length: int) -> None:
        """Cuts the file."""
        os.ftruncate(self._file, length)
        self.written = self._length = length

    def close(self) -> None:
        """Closes the file, without the zeros."""
        if self._length > self.written:
            with suppress(OSError):  # they do no harm
                os.ftruncate(self._file, self.written)
        os.close(self._file)


def _rest(views: list[memoryview], written: int) -> list[memoryview]:
    """What is left of the buffers after so many bytes."""
    for index, view in enumerate(views):
        if written < len(view):
            return [view[written:], *views[index + 1 :]]
        written -= len(view)
    return []


class LocalLogFolder:
    """Segments in one local folder, named by their twenty-digit number."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._newest: tuple[str, LocalLogFile] | None = None  # made by this object
        with translated(f"make the log folder {directory}"):
            make_folder(directory)

    def numbers(self) -> list[int]:
        """Numbers of the segments, ascending; leftovers of an unfinished `create` are removed."""
        found = []
        with translated(f"list the log folder {self._directory}"):
            for path in self._directory.iterdir():
                if match := _NAME.fullmatch(path.name):
                    found.append(int(match[1]))
                elif path.suffix == ".tmp":
                    path.unlink()
        return sorted(found)

    def name(self, number: int) -> str:
        """A segment's full file name."""
        return str(self._path(number))

    def create(self, number: int, header: bytes) -> LogFile:
        """Temporary file, fsync, rename, fsync of the folder: a header is never torn."""
        path = self._path(number)
        temporary = path.with_suffix(".tmp")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(descriptor, header, 0)
            os.fsync(descriptor)
            temporary.replace(path)
            sync_folder(self._directory)
        except OSError:
            os.close(descriptor)
            raise
        file = LocalLogFile(descriptor)
        self._newest = path.name, file
        return file

    def read(self, number: int) -> memoryview:
        """A segment's bytes, by memory map."""
        with translated(f"read the log file {self.name(number)}"):
            return memoryview(pa.memory_map(self.name(number)).read_buffer())

    def truncate(self, number: int, length: int) -> None:
        """Cuts a segment, durably."""
        with translated(f"truncate the log file {self.name(number)}"):
            descriptor = os.open(self._path(number), os.O_RDWR)
            try:
                os.ftruncate(descriptor, length)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def remove(self, number: int) -> None:
        """Removes a segment, durably."""
        with translated(f"remove the log file {self.name(number)}"):
            self._path(number).unlink(missing_ok=True)
            sync_folder(self._directory)

    def pin(self) -> list[PinnedSegment]:
        """Opens every segment; starts again if one was removed between listing and opening."""
        while True:
            with ExitStack() as opened, translated(f"read the log folder {self._directory}"):
                names = sorted(p.name for p in self._directory.iterdir() if _NAME.fullmatch(p.name))
                with suppress(FileNotFoundError):
                    files = [opened.enter_context(open(self._directory / n, "rb")) for n in names]
                    found = [self._pinned(*pair) for pair in zip(names, files, strict=True)]
                    opened.pop_all()
                    return found

    def _pinned(self, name: str, file: BinaryIO) -> PinnedSegment:
        length = os.fstat(file.fileno()).st_size
        if self._newest is not None and self._newest[0] == name:
            # Behind it are zeros, which a record may replace while a copy is made.
            length = min(length, self._newest[1].written)
        return PinnedSegment(name, file, length)

    def _path(self, number: int) -> Path:
        return self._directory / self.file_name(number)

    @staticmethod
    def file_name(number: int) -> str:
        """The file's name without its folder."""
        return f"{number:020}.wal"
