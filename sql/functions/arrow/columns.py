"""Arrow columns as NumPy arrays and back; NULL in any argument gives NULL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def valid(*columns: pa.Array) -> np.ndarray[Any, Any]:
    """Which rows have no NULL."""
    mask = np.ones(len(columns[0]), dtype=bool)
    for column in columns:
        if column.null_count:
            mask &= np.asarray(pc.is_valid(column))
    return mask


def numbers(column: pa.Array, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The values of these rows, which are not NULL."""
    if column.null_count or not rows.all():
        column = column.filter(pa.array(rows))
    made: np.ndarray[Any, Any] = column.to_numpy(zero_copy_only=False)
    return made


def spread(
    values: np.ndarray[Any, Any] | pa.Array, rows: np.ndarray[Any, Any], kind: pa.DataType
) -> pa.Array:
    """A column with the values in these rows and NULL in the others."""
    made = values if isinstance(values, pa.Array) else pa.array(values, kind)
    if rows.all():
        return made.cast(kind)
    places = np.where(rows, np.cumsum(rows) - 1, 0)
    return made.take(pa.array(places, mask=~rows)).cast(kind)


def lists(values: pa.Array, lengths: np.ndarray[Any, Any]) -> pa.Array:
    """A list column: the values cut into pieces of these lengths."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def each_row(make: Callable[..., Any], type_: pa.DataType, *columns: pa.Array) -> pa.Array:
    """What is made of each row, of equal ones once; of a NULL nothing."""
    known: dict[tuple[Any, ...], Any] = {}
    found = []
    for row in zip(*(column.to_pylist() for column in columns), strict=True):
        if row not in known:
            known[row] = None if None in row else make(*row)
        found.append(known[row])
    return pa.array(found, type_)
