"""Kernels that find, for each series and step, the samples that count."""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from engine import jit
from engine.jit import UINT
from sql.promql.kernels.common import INT, INT64S, OUT_PLACES, Times, first_after

UINT64S = types.Array(types.uint64, 1, "C", readonly=True)


@jit.kernel(INT64S, INT64S, INT64S, INT, OUT_PLACES)
def latest(offsets: Times, times: Times, steps: Times, lookback: int, out: Times) -> None:
    """Per series and step the place of the newest sample in (step - lookback, step], else -1."""
    for row in range(len(offsets) - 1):
        start, end = offsets[row], offsets[row + 1]
        high = start
        for column in range(len(steps)):
            step = steps[column]
            high = first_after(times, high, end, step)
            found = high > start and times[high - 1] > step - lookback
            out[row, column] = high - 1 if found else -1


@jit.kernel(INT64S, INT64S, INT64S, INT, OUT_PLACES, OUT_PLACES)
def bounds(
    offsets: Times, times: Times, steps: Times, span: int, low_out: Times, high_out: Times
) -> None:
    """Per series and step the places [low, high) of the samples in (step - span, step]."""
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        low = offsets[row]
        high = low
        for column in range(len(steps)):
            step = steps[column]
            low = first_after(times, low, end, step - span)
            high = first_after(times, max(low, high), end, step)
            low_out[row, column] = low
            high_out[row, column] = high


@jit.kernel(UINT64S, UINT)
def holds(values: NDArray[np.uint64], wanted: int) -> bool:
    """Whether any value is this one, bit by bit."""
    for value in values:  # noqa: SIM110 - compiled
        if value == wanted:
            return True
    return False
