"""`gnomon backup`: asks a running server for a backup and keeps it.

Plain HTTP by the standard library. What arrives is verified on its way; a file or folder of the
final name exists only when all of it is there and on the disk.
"""

from __future__ import annotations

import base64
import io
import json
import os
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO, cast

from engine.errors import DbError, ErrorKind
from engine.store.local import make_folder, translated
from server.backup.archive import ENDPOINT, PIECE_BYTES, Contents
from server.backup.unpack import appear, beside, remove, take, tar_members
from server.config import Address

_SILENCE_SECONDS_MAX = 300.0  # a busy disk may keep the server from sending for a while


def fetch(address: Address, login: tuple[str, str] | None, target: Path) -> Contents:
    """Backs a server up into `target`: a tar file if its name ends in `.tar`, else a folder.

    `login` is a user with all rights and the password. Raises: DbError INVALID_ARGUMENT if the
    target exists, what the server answers, CORRUPTED if not all of it arrives.
    """
    target = target.absolute()
    if target.exists():
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"{target} exists")
    unfinished = beside(target, ".partial")
    connection = HTTPConnection(address.host, address.port, timeout=_SILENCE_SECONDS_MAX)
    try:
        with closing(connection), translated(f"back up {address}"):
            make_folder(target.parent)
            response = _asked(connection, login)
            contents = _received(response, unfinished, whole=target.suffix == ".tar")
        appear(unfinished, target)
    except HTTPException as error:
        remove(unfinished)
        raise DbError(
            ErrorKind.STORAGE_UNAVAILABLE, f"the server broke off: {type(error).__name__}"
        ) from error
    except BaseException:
        remove(unfinished)
        raise
    return contents


def _asked(connection: HTTPConnection, login: tuple[str, str] | None) -> HTTPResponse:
    headers = {}
    if login is not None:
        encoded = base64.b64encode(":".join(login).encode()).decode()
        headers["authorization"] = f"Basic {encoded}"
    connection.request("POST", ENDPOINT, headers=headers)
    response = connection.getresponse()
    if response.status != 200:
        raise DbError(ErrorKind.STORAGE_UNAVAILABLE, _reason(response))
    return response


def _reason(response: HTTPResponse) -> str:
    text = response.read(PIECE_BYTES).decode("utf-8", "replace")
    try:
        text = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        text = text or response.reason
    return f"the server refused ({response.status}): {text}"


def _received(response: HTTPResponse, unfinished: Path, *, whole: bool) -> Contents:
    """Verifies what arrives and writes it: as the archive it is, or as its files."""
    if not whole:
        stream = cast(BinaryIO, response)
        with closing(tar_members(stream)) as members:
            contents = take(members, unfinished, with_contents=True)
        _drain(stream)
        return contents
    with unfinished.open("xb") as file:
        tee = _Tee(response, file)
        with closing(tar_members(cast(BinaryIO, tee))) as members:
            contents = take(members, None)
        _drain(cast(BinaryIO, tee))
        file.flush()
        os.fsync(file.fileno())
    return contents


def _drain(stream: BinaryIO) -> None:
    """To the end of the answer: one that breaks off raises."""
    while stream.read(PIECE_BYTES):
        continue


class _Tee(io.RawIOBase):
    """Reads from one stream and writes what it read to another."""

    def __init__(self, source: HTTPResponse, copy: io.BufferedWriter) -> None:
        super().__init__()
        self._source = source
        self._copy = copy

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._source.read(None if size < 0 else size)
        self._copy.write(piece)
        return piece
