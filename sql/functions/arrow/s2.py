"""S2 cells by their published bit layout: three bits of face, 60 of a Hilbert curve, one marker.

https://s2geometry.io/devguide/s2cell_hierarchy
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from engine.errors import DbError, ErrorKind
from sql.functions.arrow.columns import numbers, spread, valid

_Array = np.ndarray[Any, Any]
_LEVEL_MAX = 30
# The Hilbert curve's order: orientation and the two bits of i and j → place of the quarter, and
# place → what the orientation changes by (1 swaps i and j, 2 inverts both).
_IJ_TO_PLACE = np.array([[0, 1, 3, 2], [0, 3, 1, 2], [2, 3, 1, 0], [2, 1, 3, 0]])
_CHANGES = np.array([1, 0, 0, 3])


def latlng_to_cell(lat: pa.Array, lng: pa.Array) -> pa.Array:
    """The leaf cell of each place."""
    rows = valid(lat, lng)
    y, x = np.radians(numbers(lat, rows)), np.radians(numbers(lng, rows))
    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        raise DbError(ErrorKind.INVALID_ARGUMENT, "latitude and longitude must be finite")
    point = np.stack([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)])
    face, u, v = _face(point)
    return spread(_hilbert(face, _ij(u), _ij(v)), rows, pa.uint64())


def _face(point: _Array) -> tuple[_Array, _Array, _Array]:
    """The face of the cube a point is seen on, and where."""
    axis = np.argmax(np.abs(point), axis=0)
    away = np.take_along_axis(point, axis[None], axis=0)[0]
    face = axis + np.where(away < 0, 3, 0)
    x, y, z = point
    with np.errstate(divide="ignore", invalid="ignore"):
        u = np.choose(face, [y / x, -x / y, -x / z, z / x, z / y, -y / z])
        v = np.choose(face, [z / x, z / y, -y / z, y / x, -x / y, -x / z])
    return face, u, v


def _ij(u: _Array) -> _Array:
    """The place along a side, of 2^30, by the quadratic projection."""
    root = np.sqrt(1 + 3 * np.abs(u))
    s = np.where(u >= 0, 0.5 * root, 1 - 0.5 * root)
    side = 1 << _LEVEL_MAX
    made: _Array = np.clip(np.floor(s * side).astype(np.int64), 0, side - 1)
    return made


def _hilbert(face: _Array, i: _Array, j: _Array) -> _Array:
    orientation = face & 1
    cell = face.astype(np.uint64)
    for level in range(_LEVEL_MAX - 1, -1, -1):
        ij = ((i >> level) & 1) * 2 + ((j >> level) & 1)
        place = _IJ_TO_PLACE[orientation, ij]
        cell = (cell << np.uint64(2)) | place.astype(np.uint64)
        orientation = orientation ^ _CHANGES[place]
    return (cell << np.uint64(1)) | np.uint64(1)


def _lowest_bit(cell: _Array) -> _Array:
    return cell & (~cell + np.uint64(1))


def cell_level(cell: pa.Array) -> pa.Array:
    """0 to 30, by the marker's place. Raises: DbError INVALID_ARGUMENT."""
    rows = valid(cell)
    values = numbers(cell, rows).astype(np.uint64)
    return spread(_levels(values), rows, pa.int32())


def _levels(values: _Array) -> _Array:
    if np.any(values == 0):
        raise DbError(ErrorKind.INVALID_ARGUMENT, "0 is no S2 cell")
    return _LEVEL_MAX - np.log2(_lowest_bit(values).astype(np.float64)).astype(np.int64) // 2


def cell_parent(cell: pa.Array, level: pa.Array) -> pa.Array:
    """The cell of a lower level it lies in. Raises: DbError INVALID_ARGUMENT."""
    rows = valid(cell, level)
    values = numbers(cell, rows).astype(np.uint64)
    wanted = numbers(level, rows).astype(np.int64)
    if np.any((wanted < 0) | (wanted > _levels(values))):
        raise DbError(ErrorKind.INVALID_ARGUMENT, "a parent's level is 0 to the cell's own")
    marker = np.uint64(1) << (2 * (_LEVEL_MAX - wanted)).astype(np.uint64)
    return spread((values & (~marker + np.uint64(1))) | marker, rows, pa.uint64())
