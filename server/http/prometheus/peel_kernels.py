"""A kernel that finds whole series in a WriteRequest without reading their labels.

Called by peel.py. A malformed message gives an error code, never a wild read.
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import numpy as np

from engine.jit import Bytes, Int64s, UInt64s, part
from server.encode.kernel import INT, READ_BYTES, WRITE_INT64, array_kernel
from server.http.prometheus.wire_kernels import (
    BAD_FIELD,
    LENGTH,
    WRITE_UINT64,
    length,
    sample,
    skip,
    varint,
)

# Places in `counts`.
SERIES, SAMPLES, COUNTS = 0, 1, 2
NO_ROOM = 1
LABEL = 1 << 3 | LENGTH  # the first byte of one
# Places in `series`, for each: all of it, its labels, 1 if it is nothing but labels and samples.
START, STOP, LABELS_START, LABELS_STOP, PLAIN, WIDTH = 0, 1, 2, 3, 4, 5


@part
def short_labels(data: Bytes, at: int, end: int) -> int:
    """Steps over labels of less than 128 bytes, which nearly all have."""
    while at + 1 < end and data[at] == LABEL and data[at + 1] < 128:
        stop = at + 2 + data[at + 1]
        if stop > end:
            break
        at = stop
    return at


@part
def _series(
    data: Bytes,
    at: int,
    end: int,
    counts: Int64s,
    series: Int64s,
    sample_series: Int64s,
    samples: UInt64s,
    found: UInt64s,
    out: UInt64s,
) -> int:
    """Reads a TimeSeries whose labels come first, all together; any other is not plain."""
    base = WIDTH * counts[SERIES]
    series[base + LABELS_START] = at
    at = short_labels(data, at, end)
    series[base + LABELS_STOP] = at
    series[base + PLAIN] = 1
    while at < end:
        begin = at
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if wire != LENGTH or field > 2 or field < 1:
            series[base + PLAIN] = 0
            at = skip(data, at, end, wire, out)
            if at < 0:
                return at
            continue
        at = length(data, at, end, out)
        if at < 0:
            return at
        stop = at + int(out[0])
        if field == 1:
            if series[base + LABELS_STOP] != begin:
                series[base + PLAIN] = 0
            series[base + LABELS_STOP] = stop
            at = stop
            continue
        if sample(data, at, stop, found, out) < 0:
            return BAD_FIELD
        number = counts[SAMPLES]
        if number >= sample_series.size:
            counts[SAMPLES] = -1
            return at
        sample_series[number] = counts[SERIES]
        samples[2 * number] = found[0]
        samples[2 * number + 1] = found[1]
        counts[SAMPLES] += 1
        at = stop
    return at


@array_kernel(INT(READ_BYTES, INT, WRITE_INT64, WRITE_INT64, WRITE_INT64, WRITE_UINT64))
def read_plain(
    data: Bytes, at: int, counts: Int64s, series: Int64s, sample_series: Int64s, samples: UInt64s
) -> int:
    """Finds the series of the WriteRequest that begins at a place, and the samples in them.

    Args:
        counts: of series and samples; of several calls they go on.
        series: `WIDTH` places for each.
        samples: per sample the bits of its value, the bits of its time.

    Returns: 0; NO_ROOM if an array is too small; an error.
    """
    found = np.empty(2, np.uint64)
    out = np.empty(1, np.uint64)
    end = data.size
    while at < end:
        begin = at
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if field != 1 or wire != LENGTH:
            at = skip(data, at, end, wire, out)
            if at < 0:
                return at
            continue
        at = length(data, at, end, out)
        if at < 0:
            return at
        stop = at + int(out[0])
        if WIDTH * (counts[SERIES] + 1) > series.size:
            return NO_ROOM
        series[WIDTH * counts[SERIES] + START] = begin
        series[WIDTH * counts[SERIES] + STOP] = stop
        at = _series(data, at, stop, counts, series, sample_series, samples, found, out)
        if at < 0:
            return at
        if counts[SAMPLES] < 0:
            return NO_ROOM
        counts[SERIES] += 1
    return 0
