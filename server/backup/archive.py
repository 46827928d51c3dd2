"""A captured moment as a tar stream with a checksum of every file. See docs/formats/backup.md.

The server sends it, `gnomon backup` receives it. The list of checksums is the last member: an
archive without it is not a backup, so one that broke off is recognised.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from engine.backup import BackupFile
from engine.errors import DbError, ErrorKind

ENDPOINT = "/v1/admin/backup"  # answers a POST with an archive
CONTENTS = "gnomon-backup.json"
FORMAT = 1
PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a backup."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup says of itself."""

    version: str  # of the product that made it
    created_ms: int
    files: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files)

    def to_json(self) -> bytes:
        """The text of the last member."""
        body = {"format": FORMAT, "version": self.version, "created_ms": self.created_ms}
        files = [asdict(file) for file in self.files]
        return json.dumps({**body, "files": files}, indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Contents:
        """The inverse of `to_json`. Raises: DbError CORRUPTED."""
        try:
            body: dict[str, Any] = json.loads(text)
            if body["format"] > FORMAT:
                raise DbError(
                    ErrorKind.CORRUPTED,
                    f"the backup has format {body['format']}, this version knows {FORMAT}",
                    hint="use the version that made it, or a newer one",
                )
            files = tuple(Entry(f["path"], f["bytes"], f["sha256"]) for f in body["files"])
            return cls(body["version"], body["created_ms"], files)
        except (ValueError, KeyError, TypeError) as error:
            raise DbError(ErrorKind.CORRUPTED, f"{CONTENTS} cannot be read: {error}") from error


def archive(files: Iterable[BackupFile], version: str, created_ms: int) -> Iterator[bytes]:
    """The bytes of the archive, piece by piece; no piece is empty.

    Raises: DbError CORRUPTED if a file is shorter than announced, and what opening one raises.
    """
    entries = []
    for file in files:
        yield _header(file.path, file.size, created_ms)
        digest = sha256()
        for piece in _content(file):
            digest.update(piece)
            yield piece
        if padding := _padding(file.size):
            yield padding
        entries.append(Entry(file.path, file.size, digest.hexdigest()))
    text = Contents(version, created_ms, tuple(entries)).to_json()
    yield _header(CONTENTS, len(text), created_ms) + text + _padding(len(text))
    yield bytes(2 * tarfile.BLOCKSIZE)  # the end of a tar


def _header(path: str, size: int, created_ms: int) -> bytes:
    member = tarfile.TarInfo(path)
    member.size, member.mtime, member.mode = size, created_ms // 1_000, 0o600
    return member.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _content(file: BackupFile) -> Iterator[bytes]:
    left = file.size
    with file.open() as source:
        while left:
            piece = source.read(min(left, PIECE_BYTES))
            if not piece:
                raise DbError(
                    ErrorKind.CORRUPTED, f"{file.path} is {left} bytes shorter than it should be"
                )
            left -= len(piece)
            yield piece
