"""MySQL's functions of single texts that no column function makes: soundex, compress, password.

Source: MySQL 8.4 reference, "String Functions" and "Encryption and Compression Functions".
"""

from __future__ import annotations

import hashlib
import zlib
from itertools import groupby

import pyarrow as pa

_CODES = dict(
    zip("BFPVCGJKQSXZDTLMNR", "111122222222334556", strict=True),
)
_SHORTEST = 4  # characters of a soundex
_LENGTH_BYTES = 4  # in front of what is compressed: the length before, little endian


def soundex(texts: pa.Array) -> pa.Array:
    """A letter and the codes of the consonants behind it, at least four characters."""
    return pa.array([None if t is None else _soundex(t) for t in texts.to_pylist()], pa.string())


def _soundex(text: str) -> str:
    letters = [c for c in text.upper() if c.isalpha()]
    if not letters:
        return ""
    voiced = [_CODES.get(c, "") for c in letters if c not in "HW"]
    codes = [code for code, _ in groupby(voiced)]
    first = _CODES.get(letters[0], "")
    rest = "".join(codes[1:] if codes and codes[0] == first else codes)
    return (letters[0] + rest).ljust(_SHORTEST, "0")


def compress(texts: pa.Array) -> pa.Array:
    """The length in four bytes, then what zlib makes; nothing of nothing."""
    return pa.array([None if t is None else _compress(t.encode()) for t in texts.to_pylist()])


def _compress(data: bytes) -> bytes:
    return len(data).to_bytes(_LENGTH_BYTES, "little") + zlib.compress(data) if data else b""


def uncompress(data: pa.Array) -> pa.Array:
    """The bytes before `compress`; NULL of what it did not make, or made of other lengths."""
    made = [None if value is None else _uncompress(value) for value in data.to_pylist()]
    return pa.array(made, pa.binary())


def _uncompress(data: bytes) -> bytes | None:
    if not data:
        return b""
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    reader = zlib.decompressobj()
    try:
        made = reader.decompress(data[_LENGTH_BYTES:], length + 1)
    except zlib.error:
        return None
    return made if len(made) == length else None


def uncompressed_length(data: pa.Array) -> pa.Array:
    """The length that stands in front."""
    made = [
        None if value is None else int.from_bytes(value[:_LENGTH_BYTES], "little")
        for value in data.to_pylist()
    ]
    return pa.array(made, pa.int64())


def password(texts: pa.Array) -> pa.Array:
    """`*` and SHA1(SHA1(text)) in hexadecimal digits, as mysql_native_password stores it."""
    made = [None if t is None else _verifier(t) for t in texts.to_pylist()]
    return pa.array(made, pa.string())


def _verifier(text: str) -> str:
    if not text:
        return ""
    once = hashlib.sha1(text.encode()).digest()
    return "*" + hashlib.sha1(once).hexdigest().upper()
