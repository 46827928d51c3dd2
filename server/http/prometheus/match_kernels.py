"""A kernel that reads requests of which every series is known: bytes to ids, times and values.

Called by match.py. Most requests bring one sample of each series that they brought before. Whatever
else there is - a new series, a histogram, metadata, an error - is left to peel.py and those after.
"""

from __future__ import annotations

import numpy as np

from engine.jit import Bytes, Int64s, UInt64s, part
from engine.series.hashing import hash128
from engine.series.raw import find_id
from server.encode.kernel import INT, READ_BYTES, READ_UINT64, WRITE_INT64, array_kernel
from server.http.prometheus.peel_kernels import LABEL, short_labels
from server.http.prometheus.wire_kernels import (
    FIXED64,
    LENGTH,
    VARINT,
    WRITE_UINT64,
    fixed64,
    length,
    sample,
    varint,
)

NO = -1  # not everything is a sample of a known series
# The first bytes of a request's series, of a series' samples, of a sample's value and time.
_SERIES, _SAMPLE = 1 << 3 | LENGTH, 2 << 3 | LENGTH
_VALUE, _TIME = 1 << 3 | FIXED64, 2 << 3 | VARINT
_TIME_AT = 9  # where a sample's time begins, after its value


@part
def _sample(data: Bytes, at: int, stop: int, found: UInt64s, out: UInt64s) -> int:
    """As `sample`, sooner for a value and then a time, which is how they are sent."""
    if stop - at > _TIME_AT + 1 and data[at] == _VALUE and data[at + _TIME_AT] == _TIME:
        fixed64(data, at + 1, stop, found)
        end = varint(data, at + _TIME_AT + 1, stop, out)
        if end == stop:
            found[1] = out[0]
            return end
    return sample(data, at, stop, found, out)


@part
def _id(words: UInt64s, start: int, stop: int, key: UInt64s, table: UInt64s) -> int:
    first, second = hash128(words, start, stop, key)
    return find_id(table, first, second)


@part
def _series(
    data: Bytes,
    words: UInt64s,
    at: int,
    end: int,
    tail: int,
    key: UInt64s,
    table: UInt64s,
    out: Int64s,
    size: UInt64s,
) -> int:
    """Finds a series' id, which goes to out[0]; the place after its labels, or NO.

    `tail`: how many bytes the series before had behind its labels. If what is before such a tail is
    known, it is labels and nothing else: these were read when they were remembered.
    """
    guess = end - tail
    if at < guess < end and data[guess] == _SAMPLE:
        out[0] = _id(words, at, guess, key, table)
        if out[0] >= 0:
            return guess
    stop = short_labels(data, at, end)
    while stop < end and data[stop] == LABEL:
        stop = length(data, stop + 1, end, size)
        if stop < 0:
            return NO
        stop = short_labels(data, stop + int(size[0]), end)
    out[0] = _id(words, at, stop, key, table)
    return stop if out[0] >= 0 else NO


@array_kernel(
    INT(
        READ_BYTES, READ_UINT64, INT, INT, READ_UINT64, WRITE_UINT64, INT, WRITE_INT64, WRITE_INT64,
        WRITE_UINT64,
    )
)  # fmt: skip
def match(
    data: Bytes,
    words: UInt64s,
    at: int,
    end: int,
    key: UInt64s,
    table: UInt64s,
    count: int,
    ids: Int64s,
    times: Int64s,
    bits: UInt64s,
) -> int:
    """Reads the WriteRequest in [at, end).

    Args:
        words: the same memory as `data`.
        key, table: of a `RawSeries`.
        count: how many samples are in `ids`, `times` and `bits` of values: they get the request's.

    Returns: how many there are now, or NO.
    """
    found = np.empty(2, np.uint64)
    out = np.empty(1, np.uint64)
    id_ = np.empty(1, np.int64)
    tail = end
    while at < end:
        if data[at] != _SERIES:
            return NO
        at = length(data, at + 1, end, out)
        if at < 0:
            return NO
        stop = at + int(out[0])
        at = _series(data, words, at, stop, tail, key, table, id_, out)
        if at < 0:
            return NO
        tail = stop - at
        while at < stop:
            if data[at] != _SAMPLE or count >= ids.size:
                return NO
            at = length(data, at + 1, stop, out)
            if at < 0:
                return NO
            last = at + int(out[0])
            at = _sample(data, at, last, found, out)
            if at < 0:
                return NO
            ids[count] = id_[0]
            times[count] = np.int64(found[1])
            bits[count] = found[0]
            count += 1
    return count
