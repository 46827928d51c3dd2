"""Values of samples as they are stored: whole numbers in a column of their own.

Most metrics count. As whole numbers their values are stored by differences, in a third of the
space of doubles, and are read faster. Called where rows become samples; `engine.samples` and the
scans of SQL put the two columns together again.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_EXACT_MAX = 2.0**53  # beyond, neighbouring whole numbers are the same double


def split(values: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """Doubles as (doubles, whole numbers): each value is in one of them, NULL is in neither."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    valid = None
    if array.null_count:
        valid = array.is_valid().to_numpy(zero_copy_only=False)
        array = pc.fill_null(array, np.nan)
    return split_numbers(array.to_numpy(), valid)


def split_numbers(
    values: NDArray[np.float64], valid: NDArray[np.bool_] | None = None
) -> tuple[pa.Array, pa.Array]:
    """As `split`; `valid` is False for NULLs, which must be NaN."""
    with np.errstate(invalid="ignore"):
        numbers = values.astype(np.int64)
    is_whole = (numbers == values) & (np.abs(values) <= _EXACT_MAX)
    zeros = numbers == 0
    if zeros.any():
        is_whole &= ~(zeros & np.signbit(values))  # -0.0 is another value than 0
    if not is_whole.any():
        doubles = pa.array(values, mask=None if valid is None else ~valid)
        return doubles, pa.nulls(len(values), pa.int64())
    if is_whole.all():
        return pa.nulls(len(values), pa.float64()), pa.array(numbers)
    absent = is_whole if valid is None else is_whole | ~valid
    # What no mask shows would still be written to the log.
    doubles = pa.array(np.where(absent, 0.0, values), mask=absent)
    return doubles, pa.array(np.where(is_whole, numbers, 0), mask=~is_whole)
