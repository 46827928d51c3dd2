"""Kernels over sorted samples: find the rows of series, lay several sources over each other.

Called by `engine.samples.block`, `runs` and `read`, which prepare the arguments. Positions are
int64; a run of rows [low, high) of one series is strictly ascending in time. A reference says what
a row is beside its value: PLAIN, DEAD (it hides older rows and shows nothing) or, from 0 on, the
number of its histogram. An empty array of references means that all rows are plain.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from engine import jit
from engine.jit import BYTES, INT, INT64S, OUT_BYTES, OUT_INT32, OUT_INT64, Bytes, Int32s, Int64s

PLAIN = -1
DEAD = -2

Floats = NDArray[np.float64]

FLOATS = types.Array(types.float64, 1, "C", readonly=True)
OUT_FLOATS = types.float64[::1]
INT32S = types.Array(types.int32, 1, "C", readonly=True)
# Runs this short are copied value by value: making slices would take longer.
_SHORT = 16


@jit.part
def first_at_least(values: Int64s, low: int, high: int, bound: int) -> int:
    """The first position in the ascending values[low:high] that is not below the bound."""
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < bound:
            low = middle + 1
        else:
            high = middle
    return low


@jit.kernel(INT64S, INT64S, INT64S, INT64S, INT, INT, OUT_INT64, OUT_INT64, OUT_INT64)
def locate(
    ids: Int64s,
    starts: Int64s,
    times: Int64s,
    wanted: Int64s,
    first: int,
    end: int,
    lows: Int64s,
    highs: Int64s,
    counts: Int64s,
) -> int:
    """For each wanted series the rows within [first, end); both empty if it is not there.

    `ids` and `wanted` are ascending; series ids[i] has the rows starts[i] to starts[i + 1]. What is
    found is added to `counts`. Returns: the rows found.
    """
    at = total = 0
    count = len(ids)
    for i in range(len(wanted)):
        id_ = wanted[i]
        step = 1
        while at + step < count and ids[at + step] <= id_:
            at += step
            step *= 2
        while step > 1:
            step >>= 1
            if at + step < count and ids[at + step] <= id_:
                at += step
        lows[i] = highs[i] = 0
        if at < count and ids[at] == id_:
            low, high = starts[at], starts[at + 1]
            if times[low] < first:
                low = first_at_least(times, low, high, first)
            if high > low and times[high - 1] >= end:
                high = first_at_least(times, low, high, end)
            lows[i], highs[i] = low, high
            counts[i] += high - low
            total += high - low
    return total


@jit.kernel(
    *(INT64S, INT64S, INT64S, FLOATS, INT32S, INT, INT64S, OUT_INT64),
    *(OUT_INT64, OUT_FLOATS, OUT_INT32, OUT_BYTES),
)
def append(
    lows: Int64s,
    highs: Int64s,
    times: Int64s,
    values: Floats,
    refs: Int32s,
    shift: int,
    begins: Int64s,
    cursors: Int64s,
    out_times: Int64s,
    out_values: Floats,
    out_refs: Int32s,
    mixed: Bytes,
) -> None:
    """Copies the run of each series behind what it has; `begins` is where its own place begins.

    Sets mixed[i] where that is not all: times that do not follow those before, or dead rows.
    Numbers of histograms grow by `shift`. `out_refs` is empty if no source has references.
    """
    for i in range(len(lows)):
        low, high, at = lows[i], highs[i], cursors[i]
        size = high - low
        if size == 0:
            continue
        if at > begins[i] and out_times[at - 1] >= times[low]:
            mixed[i] = 1
        if size < _SHORT:
            for j in range(size):
                out_times[at + j] = times[low + j]
                out_values[at + j] = values[low + j]
        else:
            out_times[at : at + size] = times[low:high]
            out_values[at : at + size] = values[low:high]
        if len(out_refs) > 0:
            for j in range(size):
                ref = PLAIN
                if len(refs) > 0:
                    ref = refs[low + j]
                if ref >= 0:
                    ref += shift
                elif ref == DEAD:
                    mixed[i] = 1
                out_refs[at + j] = ref
        cursors[i] = at + size


@jit.part
def _lay_over(
    begin: int,
    middle: int,
    source: int,
    end: int,
    times: Int64s,
    values: Floats,
    refs: Int32s,
    spare: tuple[Int64s, Floats, Int32s],
) -> int:
    """Merges the newer rows [source, end) into the older [begin, middle), in place.

    Of equal times the newer row stays. Returns: where the merged rows end.
    """
    has_refs = len(refs) > 0
    kept = first_at_least(times, begin, middle, times[source])
    count = middle - kept
    for j in range(count):
        spare[0][j], spare[1][j] = times[kept + j], values[kept + j]
        if has_refs:
            spare[2][j] = refs[kept + j]
    old, new, at = 0, source, kept
    while old < count or new < end:
        takes_new = old == count or (new < end and times[new] <= spare[0][old])
        if takes_new:
            if old < count and times[new] == spare[0][old]:
                old += 1
            times[at], values[at] = times[new], values[new]
            if has_refs:
                refs[at] = refs[new]
            new += 1
        else:
            times[at], values[at] = spare[0][old], spare[1][old]
            if has_refs:
                refs[at] = spare[2][old]
            old += 1
        at += 1
    return at


@jit.kernel(
    *(INT64S, BYTES, OUT_INT64, OUT_FLOATS, OUT_INT32),
    *(OUT_INT64, OUT_FLOATS, OUT_INT32, OUT_INT64),
)
def settle(
    offsets: Int64s,
    mixed: Bytes,
    times: Int64s,
    values: Floats,
    refs: Int32s,
    spare_times: Int64s,
    spare_values: Floats,
    spare_refs: Int32s,
    counts: Int64s,
) -> None:
    """Orders the rows of mixed series: of equal times the last stays, dead rows go.

    The rows of series i are those from offsets[i] to offsets[i + 1]: ascending runs, older first.
    `counts` are how many stay, from offsets[i] on. The spare arrays are as long as the longest
    series.
    """
    spare = (spare_times, spare_values, spare_refs)
    for i in range(len(mixed)):
        begin, end = offsets[i], offsets[i + 1]
        counts[i] = end - begin
        if mixed[i] == 0 or begin == end:
            continue
        at = begin  # all before is merged
        run = begin
        while run < end:
            stop = run + 1
            while stop < end and times[stop] > times[stop - 1]:
                stop += 1
            # What is merged never reaches past `run`, so rows not read yet are not overwritten:
            # _lay_over writes at most as many rows as it has read.
            at = _lay_over(begin, at, run, stop, times, values, refs, spare)
            run = stop
        if len(refs) > 0:
            end, at = at, begin
            for j in range(begin, end):
                if refs[j] != DEAD:
                    times[at], values[at], refs[at] = times[j], values[j], refs[j]
                    at += 1
        counts[i] = at - begin


@jit.kernel(INT64S, INT64S, OUT_INT64, OUT_FLOATS, OUT_INT32)
def squeeze(offsets: Int64s, counts: Int64s, times: Int64s, values: Floats, refs: Int32s) -> int:
    """Moves the first counts[i] rows of each series together. Returns: how many there are."""
    at = 0
    for i in range(len(counts)):
        for j in range(offsets[i], offsets[i] + counts[i]):
            times[at], values[at] = times[j], values[j]
            if len(refs) > 0:
                refs[at] = refs[j]
            at += 1
    return at


def warm() -> None:
    """Compiles the kernels."""
    jit.warm()
