"""The content of a request's body, uncompressed, within a limit.

Called on worker threads by endpoints that ingest: decompression blocks.
"""

from __future__ import annotations

import zlib

import pyarrow as pa

from engine.errors import DbError, ErrorKind

GROWTH_MAX = 8  # how much larger than the body's limit its content may be
_GZIP, _ZLIB = 31, 15  # window bits that name the container
_PIECE_BYTES = 16 << 10  # of compressed data at a time


def content_of(body: bytes, encoding: str, bytes_max: int) -> bytes:
    """The body without its content encoding: gzip, deflate, zstd, or none.

    Raises: DbError INVALID_ARGUMENT, UNSUPPORTED, LIMIT_EXCEEDED beyond `bytes_max`.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding in ("gzip", "x-gzip"):
        return _inflated(body, _GZIP, encoding, bytes_max)
    if encoding == "deflate":
        return _inflated(body, _ZLIB, encoding, bytes_max)
    if encoding == "zstd":
        return zstd_content(body, bytes_max)
    raise DbError(
        ErrorKind.UNSUPPORTED,
        f"the content encoding {encoding} is not supported",
        hint="gzip, deflate and zstd are",
    )


def _inflated(body: bytes, bits: int, encoding: str, bytes_max: int) -> bytes:
    """All members of a gzip file (RFC 1952 section 2.2), or one zlib stream."""
    # Piece by piece: what follows a member is copied, and members may be many and empty.
    content, at, left = memoryview(body), 0, bytes_max
    pieces: list[bytes] = []
    while at < len(content) or not pieces:
        stream = zlib.decompressobj(bits)
        while not stream.eof:
            given = content[at : at + _PIECE_BYTES]
            try:
                piece = stream.decompress(given, left + 1)
            except zlib.error as error:
                raise malformed(encoding) from error
            left -= len(piece)
            if left < 0:
                raise too_large(bytes_max)
            if not given and not stream.eof:
                raise malformed(encoding)
            pieces.append(piece)
            at += len(given) - len(stream.unused_data)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def zstd_content(body: bytes, bytes_max: int) -> bytes:
    """The content of a zstd frame. Raises: DbError INVALID_ARGUMENT, LIMIT_EXCEEDED."""
    try:
        with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
            content: bytes = stream.read(bytes_max + 1)
    except (OSError, pa.ArrowException) as error:
        raise malformed("zstd") from error
    if len(content) > bytes_max:
        raise too_large(bytes_max)
    return content


def malformed(encoding: str) -> DbError:
    """For a body that is not what its Content-Encoding says."""
    return DbError(ErrorKind.INVALID_ARGUMENT, f"the body is not compressed by {encoding}")


def too_large(bytes_max: int) -> DbError:
    """For content beyond what a request may hold."""
    return DbError(
        ErrorKind.LIMIT_EXCEEDED,
        f"the request's content is larger than {bytes_max} bytes",
        hint="send smaller batches or raise http_body_limit",
    )
