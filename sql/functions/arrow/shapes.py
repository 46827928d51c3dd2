"""Shapes in well-known text, by shapely over whole columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from engine.errors import DbError, ErrorKind
from sql.functions.arrow.columns import spread, valid
from sql.functions.arrow.sphere import angle

_Array = np.ndarray[Any, Any]
_RADIUS_M = 6_371_008.8  # the mean radius of the Earth (IUGG)


def _shapes(texts: pa.Array, rows: _Array) -> _Array:
    """The shapes of these rows; equal texts are read once. Raises: DbError INVALID_ARGUMENT."""
    kept = texts.filter(pa.array(rows)).cast(pa.string()).dictionary_encode()
    try:
        known = shapely.from_wkt(np.asarray(kept.dictionary.to_pylist(), dtype=object))
    except shapely.errors.GEOSException as error:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT, f"a shape is not well-known text: {error}"
        ) from error
    return np.atleast_1d(known)[np.asarray(kept.indices)] if len(kept) else np.empty(0, object)


def _relation(test: Callable[..., Any]) -> Callable[..., pa.Array]:
    def made(a: pa.Array, b: pa.Array) -> pa.Array:
        rows = valid(a, b)
        return spread(np.asarray(test(_shapes(a, rows), _shapes(b, rows))), rows, pa.bool_())

    return made


contains = _relation(shapely.contains)
within = _relation(shapely.within)
intersects = _relation(shapely.intersects)


def distance(a: pa.Array, b: pa.Array) -> pa.Array:
    """The distance in the units of the coordinates."""
    rows = valid(a, b)
    return spread(shapely.distance(_shapes(a, rows), _shapes(b, rows)), rows, pa.float64())


def area(a: pa.Array) -> pa.Array:
    """The area in the units of the coordinates."""
    rows = valid(a)
    return spread(shapely.area(_shapes(a, rows)), rows, pa.float64())


def distance_sphere_m(a: pa.Array, b: pa.Array) -> pa.Array:
    """The great circle between points. Raises: DbError UNSUPPORTED for other shapes."""
    rows = valid(a, b)
    first, second = _shapes(a, rows), _shapes(b, rows)
    for shapes in (first, second):
        if np.any(shapely.get_type_id(shapes) != 0):
            raise DbError(ErrorKind.UNSUPPORTED, "st_distance_sphere_m takes points only")
    metres = _RADIUS_M * angle(*_places(first), *_places(second))
    return spread(metres, rows, pa.float64())


def _places(points: _Array) -> tuple[_Array, _Array]:
    return np.radians(shapely.get_y(points)), np.radians(shapely.get_x(points))
