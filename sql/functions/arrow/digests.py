"""Digests of bytes. Every value has a digest of its own, so this is one library call a value."""

from __future__ import annotations

import hashlib
import zlib

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import DbError, ErrorKind

_METHODS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2s", "blake2b")


def digest(data: pa.Array, method: pa.Array) -> pa.Array:
    """The digest by the method each row names. Raises: DbError INVALID_ARGUMENT."""
    made: list[bytes | None] = [None] * len(data)
    for name in pc.unique(method).to_pylist():
        if name is None:
            continue
        if name not in _METHODS:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f"there is no digest {name!r}; known are {', '.join(_METHODS)}",
            )
        make = getattr(hashlib, name)
        rows = pc.indices_nonzero(pc.fill_null(pc.equal(method, name), False)).to_pylist()
        for row, value in zip(rows, data.take(pa.array(rows)).to_pylist(), strict=True):
            made[row] = None if value is None else make(value).digest()
    return pa.array(made, pa.binary())


def crc(data: pa.Array) -> pa.Array:
    """CRC-32 as zlib has it."""
    values = data.to_pylist()
    return pa.array([None if v is None else zlib.crc32(v) for v in values], pa.int64())
