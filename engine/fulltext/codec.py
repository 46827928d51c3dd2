"""The file of a text index: a body of sections, checksums of its chunks, a header, a tail.

Called by `build` (to write) and `search` (to read). A reader verifies the chunks it touches and no
others, so a look-up costs no more in a large file. See docs/formats/text-index.md.

    body | crc32 of each 16 KiB of it, u32 each | header JSON | chunks u32 | header bytes u32
    | crc32 of checksums, header and both numbers u32 | magic 8
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np
import numpy.typing as npt

from engine.errors import DbError, ErrorKind
from engine.jit import Bytes

_MAGIC = b"GNOMTXT1"
_NUMBERS = struct.Struct("<II")
_TAIL = struct.Struct("<III8s")
CHUNK_BYTES = 16 << 10
Header = dict[str, Any]


class IndexWriter:
    """Writes one file, section by section."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._checksums: list[int] = []
        self._pending = bytearray()
        self._at = 0

    def add(self, data: bytes) -> int:
        """Appends a section; where it begins."""
        start = self._at
        self._at += len(data)
        self._pending += data
        while len(self._pending) >= CHUNK_BYTES:
            self._write(bytes(self._pending[:CHUNK_BYTES]))
            del self._pending[:CHUNK_BYTES]
        return start

    def finish(self, header: Header) -> int:
        """Ends the file; its bytes. Raises: OSError."""
        if self._pending:
            self._write(bytes(self._pending))
        checksums = np.array(self._checksums, "<u4").tobytes()
        text = json.dumps(header).encode()
        end = checksums + text + _NUMBERS.pack(len(self._checksums), len(text))
        self._file.write(end + crc32(end).to_bytes(4, "little") + _MAGIC)
        return self._file.tell()

    def _write(self, chunk: bytes) -> None:
        self._checksums.append(crc32(chunk))
        self._file.write(chunk)


@dataclass(frozen=True, slots=True)
class IndexFileHead:
    """What is kept of an index file in memory."""

    header: Header
    checksums: npt.NDArray[np.uint32]
    body_bytes: int

    @property
    def nbytes(self) -> int:
        """About its memory."""
        return int(self.checksums.nbytes) + 2_000


def read_head(path: str) -> IndexFileHead:
    """The header of a file. Raises: DbError CORRUPTED, OSError."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < _TAIL.size:
            raise damaged(path, "it is cut short")
        file.seek(size - _TAIL.size)
        chunks, length, crc, magic = _TAIL.unpack(file.read(_TAIL.size))
        begin = size - _TAIL.size - length - 4 * chunks
        if magic != _MAGIC or begin < 0:
            raise damaged(path, "its tail is invalid")
        file.seek(begin)
        end = file.read(4 * chunks + length + _NUMBERS.size)
    if crc32(end) != crc or -(-begin // CHUNK_BYTES) != chunks:
        raise damaged(path, "its header does not match its checksum")
    header: Header = json.loads(end[4 * chunks : 4 * chunks + length])
    return IndexFileHead(header, np.frombuffer(end, "<u4", chunks), begin)


class IndexBody:
    """Reads ranges of an open file, each chunk verified."""

    def __init__(self, path: str, descriptor: int, head: IndexFileHead) -> None:
        self._path = path
        self._descriptor = descriptor
        self._head = head

    def read(self, start: int, length: int) -> Bytes:
        """Some bytes. Raises: DbError CORRUPTED, OSError."""
        head = self._head
        if start < 0 or length < 0 or start + length > head.body_bytes:
            raise damaged(self._path, "its header names places outside of it")
        if not length:
            return np.empty(0, np.uint8)
        first, last = start // CHUNK_BYTES, (start + length - 1) // CHUNK_BYTES
        begin = first * CHUNK_BYTES
        end = min((last + 1) * CHUNK_BYTES, head.body_bytes)
        data = os.pread(self._descriptor, end - begin, begin)
        view = memoryview(data)
        for number in range(first, last + 1):
            at = (number - first) * CHUNK_BYTES
            if crc32(view[at : at + CHUNK_BYTES]) != head.checksums[number]:
                raise damaged(self._path, "a part of it does not match its checksum")
        return np.frombuffer(data, np.uint8, length, start - begin)

    def numbers(self, place: tuple[int, int], type_: str) -> npt.NDArray[Any]:
        """A section of numbers: where it begins, how many bytes."""
        return self.read(*place).view(type_)


@contextmanager
def opened(path: str, head: IndexFileHead) -> Iterator[IndexBody]:
    """The body of a file, for reading. Raises: OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield IndexBody(path, descriptor, head)
    finally:
        os.close(descriptor)


def verify(path: str) -> IndexFileHead:
    """Reads every byte; the header. Raises: DbError CORRUPTED, OSError."""
    head = read_head(path)
    with opened(path, head) as body:
        for start in range(0, head.body_bytes, 64 * CHUNK_BYTES):
            body.read(start, min(64 * CHUNK_BYTES, head.body_bytes - start))
    return head


def damaged(path: str, what: str) -> DbError:
    """The error for a file that cannot be trusted."""
    return DbError(ErrorKind.CORRUPTED, f"the text index {path} is damaged: {what}")
