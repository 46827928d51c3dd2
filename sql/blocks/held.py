"""How variables of blocks and functions hold a value: as Python does."""

from __future__ import annotations

import pyarrow as pa

from engine.errors import DbError, ErrorKind


def held(value: pa.Scalar) -> object:
    """A cell of a result. Raises: DbError DATETIME_OVERFLOW for a time that Python has not."""
    try:
        return value.as_py()
    except (OverflowError, ValueError) as error:
        raise _too_far(error) from error


def held_all(column: pa.Array | pa.ChunkedArray) -> list[object]:
    """The cells of a column. Raises: as `held`."""
    try:
        found: list[object] = column.to_pylist()
    except (OverflowError, ValueError) as error:
        raise _too_far(error) from error
    return found


def _too_far(error: Exception) -> DbError:
    message = "a variable holds times of the years 1 to 9999 alone"
    return DbError(ErrorKind.DATETIME_OVERFLOW, message, detail=str(error))
