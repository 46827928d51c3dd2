"""Geohashes: the bits of longitude and latitude in turn, five to a character.

https://en.wikipedia.org/wiki/Geohash
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from engine.errors import DbError, ErrorKind
from sql.functions.arrow.columns import lists, numbers, spread, valid

_Array = np.ndarray[Any, Any]
_ALPHABET = np.frombuffer(b"0123456789bcdefghjkmnpqrstuvwxyz", dtype=np.uint8)
_LENGTH_MAX = 12
# The eight neighbours (north, then counter-clockwise) as steps of latitude and longitude.
_AROUND = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))


def geohash(lat: pa.Array, lng: pa.Array, length: pa.Array) -> pa.Array:
    """The geohash of each place. Raises: DbError INVALID_ARGUMENT."""
    rows = valid(lat, lng, length)
    y, x, size = _checked(lat, lng, length, rows)
    return spread(pa.array(_encode(y, x, size), pa.string()), rows, pa.string())


def neighbours(lat: pa.Array, lng: pa.Array, length: pa.Array) -> pa.Array:
    """The eight geohashes around each place."""
    rows = valid(lat, lng, length)
    y, x, size = _checked(lat, lng, length, rows)
    bits = size * 5
    y_bits, x_bits = bits // 2, (bits + 1) // 2
    y_cell, x_cell = _cells(y, 90.0, y_bits), _cells(x, 180.0, x_bits)
    made = np.empty((len(size), 8), dtype=f"S{_LENGTH_MAX}")
    for at, (north, east) in enumerate(_AROUND):
        above = np.clip(y_cell + north, 0, (np.int64(1) << y_bits) - 1)
        beside = (x_cell + east) % (np.int64(1) << x_bits)
        made[:, at] = _text(above, beside, size)
    values = pa.array(made.reshape(-1).astype(str), pa.string())
    return spread(lists(values, np.full(len(size), 8)), rows, pa.list_(pa.string()))


def _checked(
    lat: pa.Array, lng: pa.Array, length: pa.Array, rows: _Array
) -> tuple[_Array, _Array, _Array]:
    y, x, size = numbers(lat, rows), numbers(lng, rows), numbers(length, rows).astype(np.int64)
    if np.any((size < 1) | (size > _LENGTH_MAX)):
        raise DbError(ErrorKind.INVALID_ARGUMENT, "a geohash has 1 to 12 characters")
    if np.any((np.abs(y) > 90) | (np.abs(x) > 180) | ~np.isfinite(y) | ~np.isfinite(x)):
        raise DbError(ErrorKind.INVALID_ARGUMENT, "latitude or longitude is out of range")
    return y, x, size


def _encode(y: _Array, x: _Array, size: _Array) -> _Array:
    bits = size * 5
    return _text(_cells(y, 90.0, bits // 2), _cells(x, 180.0, (bits + 1) // 2), size).astype(str)


def _cells(value: _Array, half: float, bits: _Array) -> _Array:
    """Which of 2^bits parts of [-half, half] the value is in."""
    count = np.int64(1) << bits
    scaled = np.floor((value + half) / (2 * half) * count).astype(np.int64)
    return np.clip(scaled, 0, count - 1)


def _text(y_cell: _Array, x_cell: _Array, size: _Array) -> _Array:
    """The characters; those beyond a row's length are left out."""
    codes = np.zeros((len(size), _LENGTH_MAX), dtype=np.uint8)
    bits = size * 5
    for place in range(_LENGTH_MAX):
        digit = np.zeros(len(size), dtype=np.int64)
        for bit in range(5):
            at = place * 5 + bit  # even: of the longitude
            cell, has = (x_cell, (bits + 1) // 2) if at % 2 == 0 else (y_cell, bits // 2)
            shift = np.maximum(has - 1 - at // 2, 0)
            digit = digit * 2 + ((cell >> shift) & 1)
        codes[:, place] = np.where(place < size, _ALPHABET[digit], 0)
    return np.ascontiguousarray(codes).view(f"S{_LENGTH_MAX}").reshape(-1)
