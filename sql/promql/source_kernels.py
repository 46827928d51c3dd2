"""Kernels that put rows into the order PromQL wants: by series, then by time.

Called by source_series.py, on whole columns. They never look at labels or values.
"""

from __future__ import annotations

import numpy as np
from numba import types as nt

from engine.jit import INT64S, OUT_INT64, Int32s, Int64s, kernel

CODES = nt.Array(nt.int32, 1, "C", readonly=True)


@kernel(CODES, INT64S, OUT_INT64, OUT_INT64, OUT_INT64)
def series_order(
    codes: Int32s, times: Int64s, places: Int64s, order: Int64s, offsets: Int64s
) -> int:
    """Orders rows by (series, time), of rows at one time only the last.

    Args:
        codes: per row its series.
        times: per row its time.
        places: per series where its rows begin if none were left out; overwritten.
        order: takes the row numbers; as long as `codes`.
        offsets: takes where each series begins, and the end; one longer than `places`.

    Returns: how many places of `order` count.
    """
    for row in range(codes.size):
        place = places[codes[row]]
        order[place] = row
        places[codes[row]] = place + 1
    begin = 0
    at = 0
    for series in range(places.size):
        end = places[series]
        ascending = True
        for k in range(begin + 1, end):
            if times[order[k]] <= times[order[k - 1]]:
                ascending = False
                break
        if ascending:
            for k in range(begin, end):
                order[at] = order[k]
                at += 1
        else:
            rows = order[begin:end].copy()
            ranks = np.argsort(times[rows], kind="mergesort")
            for k in range(rows.size):
                row = rows[ranks[k]]
                if k + 1 < rows.size and times[rows[ranks[k + 1]]] == times[row]:
                    continue
                order[at] = row
                at += 1
        begin = end
        offsets[series + 1] = at
    return at
