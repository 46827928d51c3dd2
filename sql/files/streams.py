"""Bytes of a file, decompressed, in pieces. What is wrong with them is told with the file's name.

Called by the readers of text formats beside this module. It closes what it opens.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa

from engine.errors import DbError, ErrorKind
from sql.files.options import Compression
from sql.files.places import Source, file_error

PIECE = 4 << 20
_BOM = b"\xef\xbb\xbf"


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turns what goes wrong while a file is read into a DbError that names it."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, pa.ArrowException) as error:
        reason = str(error).split("\n", 1)[0]
        raise _damaged(name, reason) from error
    except OSError as error:
        if error.errno is None:  # bz2 and Arrow tell of bad data so
            raise _damaged(name, str(error).split("\n", 1)[0]) from error
        raise file_error(error, "read", name) from error


def _damaged(name: str, reason: str) -> DbError:
    message = f'"{name}" is damaged or not what its format says'
    return DbError(ErrorKind.BAD_COPY_DATA, message, detail=reason)


def pieces(source: Source, compression: Compression) -> Iterator[bytes]:
    """A text file's bytes, without a byte order mark. Raises: DbError."""
    with source.open() as file, reading(source.name):
        stream = _decompressed(file, compression)
        piece = stream.read(PIECE)
        if piece[:3] == _BOM:
            piece = piece[3:]
        while piece:
            yield piece
            piece = stream.read(PIECE)


def _decompressed(file: BinaryIO, compression: Compression) -> Any:
    if compression is Compression.GZIP:
        return gzip.GzipFile("", "rb", fileobj=file)
    if compression is Compression.BZIP2:
        return bz2.BZ2File(file, "rb")
    if compression is Compression.XZ:
        return lzma.LZMAFile(file, "rb")
    if compression is Compression.ZSTD:
        return pa.CompressedInputStream(file, "zstd")
    return file
