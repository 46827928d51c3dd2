"""Deletion vectors as bytes: the positions of a file's dead rows. See docs/formats/sst.md.

    magic 8 | count u64 | crc of the positions u32 | crc of the header u32 | positions i64 each

Positions are ascending and unique, little-endian. A vector is replaced whole, never changed.
"""

from __future__ import annotations

import struct
from zlib import crc32

import numpy as np
import numpy.typing as npt

from engine.errors import DbError, ErrorKind

_MAGIC = b"GNOMDEL1"
_HEADER = struct.Struct("<8sQII")
Positions = npt.NDArray[np.int64]


def size(count: int) -> int:
    """Bytes of a vector of so many positions."""
    return _HEADER.size + 8 * count


def encode(positions: Positions) -> bytes:
    """The bytes of a vector. Requires: ascending, unique."""
    assert np.all(positions[1:] > positions[:-1])
    body = positions.astype("<i8").tobytes()
    header = _HEADER.pack(_MAGIC, len(positions), crc32(body), 0)[:-4]
    return header + crc32(header).to_bytes(4, "little") + body


def decode(data: bytes, path: str, rows: int) -> Positions:
    """The positions, checked against the number of rows of their file. Raises: DbError CORRUPTED.

    The result is read-only.
    """
    if len(data) < _HEADER.size:
        raise _corrupted(path, "it is cut short")
    magic, count, body_crc, header_crc = _HEADER.unpack_from(data)
    if magic != _MAGIC or crc32(data[: _HEADER.size - 4]) != header_crc:
        raise _corrupted(path, "its header is invalid")
    body = memoryview(data)[_HEADER.size :]
    if len(body) != count * 8 or crc32(body) != body_crc:
        raise _corrupted(path, "its positions do not match their checksum")
    positions = np.frombuffer(body, "<i8").astype(np.int64, copy=False)
    if count and (positions[0] < 0 or positions[-1] >= rows):
        raise _corrupted(path, f"it names rows outside of the {rows} of its file")
    return positions


def _corrupted(path: str, what: str) -> DbError:
    return DbError(ErrorKind.CORRUPTED, f"the deletion vector {path} is damaged: {what}")
