"""Kernels that take a WriteRequest apart: where its labels and histograms lie, its samples' values.

Called by write_request.py, twice for each message: first to count, then to fill arrays. A message
that is cut off or malformed gives an error code, never a wild read.
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import numpy as np

from engine.jit import Bytes, Int64s, UInt64s, part
from server.encode.kernel import (
    BOOL,
    INT,
    READ_BYTES,
    WRITE_BYTES,
    WRITE_INT64,
    array_kernel,
    kernel,
)
from server.http.prometheus.wire_kernels import (
    BAD_FIELD,
    LENGTH,
    WRITE_UINT64,
    histogram,
    length,
    sample,
    skip,
    varint,
)

# Places in `counts`.
SERIES, LABELS, SAMPLES, HISTOGRAMS, COUNTS = 0, 1, 2, 3, 4
# The first bytes of a Label's fields.
_NAME, _VALUE = 1 << 3 | LENGTH, 2 << 3 | LENGTH


@part
def _is_short(data: Bytes, at: int, end: int) -> bool:
    """True for a name and then a value, each of less than 128 bytes: nearly every Label."""
    if end - at < 4 or data[at] != _NAME or data[at + 1] >= 128:
        return False
    middle = at + 2 + data[at + 1]
    if middle + 2 > end or data[middle] != _VALUE or data[middle + 1] >= 128:
        return False
    return bool(middle + 2 + data[middle + 1] == end)


@part
def _label(data: Bytes, at: int, end: int, spans: Int64s, base: int, out: UInt64s) -> int:
    """Reads a Label: start and end of its name, of its value go into spans from `base` on."""
    if _is_short(data, at, end):
        spans[base] = at + 2
        spans[base + 1] = at + 2 + data[at + 1]
        spans[base + 2] = spans[base + 1] + 2
        spans[base + 3] = end
        return end
    spans[base] = spans[base + 1] = spans[base + 2] = spans[base + 3] = at
    while at < end:
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if field == 1 or field == 2:
            if wire != LENGTH:
                return BAD_FIELD
            at = length(data, at, end, out)
            if at < 0:
                return at
            spans[base + 2 * field - 2] = at
            at += int(out[0])
            spans[base + 2 * field - 1] = at
        else:
            at = skip(data, at, end, wire, out)
            if at < 0:
                return at
    return at


@part
def _series(
    data: Bytes,
    at: int,
    end: int,
    fill: bool,
    counts: Int64s,
    label_series: Int64s,
    label_spans: Int64s,
    sample_series: Int64s,
    samples: UInt64s,
    histogram_series: Int64s,
    histograms: Int64s,
    span: Int64s,
    found: UInt64s,
    out: UInt64s,
) -> int:
    """Reads a TimeSeries; exemplars are stepped over."""
    number = counts[SERIES]
    while at < end:
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if field == 1 or field == 2 or field == 4:
            if wire != LENGTH:
                return BAD_FIELD
            at = length(data, at, end, out)
            if at < 0:
                return at
            stop = at + int(out[0])
            if field == 1:
                if fill:
                    k = counts[LABELS]
                    label_series[k] = number
                    at = _label(data, at, stop, label_spans, 4 * k, out)
                else:
                    at = _label(data, at, stop, span, 0, out)
                counts[LABELS] += 1
            elif field == 2:
                at = sample(data, at, stop, found, out)
                if fill and at >= 0:
                    k = counts[SAMPLES]
                    sample_series[k] = number
                    samples[2 * k] = found[0]
                    samples[2 * k + 1] = found[1]
                counts[SAMPLES] += 1
            else:
                begin = at
                at = histogram(data, at, stop, found, out)
                if fill and at >= 0:
                    k = counts[HISTOGRAMS]
                    histogram_series[k] = number
                    histograms[3 * k] = begin
                    histograms[3 * k + 1] = stop
                    histograms[3 * k + 2] = np.int64(found[0])
                counts[HISTOGRAMS] += 1
        else:
            at = skip(data, at, end, wire, out)
        if at < 0:
            return at
    counts[SERIES] += 1
    return at


@array_kernel(
    INT(
        READ_BYTES,
        BOOL,
        WRITE_INT64,
        WRITE_INT64,
        WRITE_INT64,
        WRITE_INT64,
        WRITE_UINT64,
        WRITE_INT64,
        WRITE_INT64,
    )
)
def read_request(
    data: Bytes,
    fill: bool,
    counts: Int64s,
    label_series: Int64s,
    label_spans: Int64s,
    sample_series: Int64s,
    samples: UInt64s,
    histogram_series: Int64s,
    histograms: Int64s,
) -> int:
    """Reads a WriteRequest; without `fill` only counts (the arrays may be empty then).

    Args:
        counts: of series, labels, samples, histograms; must be zero before.
        label_spans: per label start and end of its name, start and end of its value.
        samples: per sample the bits of its value, the bits of its time.
        histograms: per native histogram start and end of its message, and its time.

    Returns: 0, or an error.
    """
    span = np.empty(4, np.int64)
    found = np.empty(2, np.uint64)
    out = np.empty(1, np.uint64)
    at = 0
    end = data.size
    while at < end:
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if field == 1:
            if wire != LENGTH:
                return BAD_FIELD
            at = length(data, at, end, out)
            if at < 0:
                return at
            at = _series(
                data,
                at,
                at + int(out[0]),
                fill,
                counts,
                label_series,
                label_spans,
                sample_series,
                samples,
                histogram_series,
                histograms,
                span,
                found,
                out,
            )
        else:
            at = skip(data, at, end, wire, out)
        if at < 0:
            return at
    return 0


@kernel(INT(READ_BYTES, WRITE_INT64, WRITE_BYTES))
def gather(data: Bytes, spans: Int64s, out: Bytes) -> int:
    """Copies the pieces of `data` that lie in spans [start, end) into `out`, one after another."""
    at = 0
    for k in range(spans.size // 2):
        for place in range(spans[2 * k], spans[2 * k + 1]):
            out[at] = data[place]
            at += 1
    return at


@part
def _exemplars_of(
    data: Bytes,
    at: int,
    end: int,
    fill: bool,
    counts: Int64s,
    spans: Int64s,
    number: int,
    out: UInt64s,
) -> int:
    """The exemplars of a TimeSeries: its number, start and end of each."""
    while at < end:
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if field == 3:
            if wire != LENGTH:
                return BAD_FIELD
            at = length(data, at, end, out)
            if at < 0:
                return at
            if fill:
                spans[3 * counts[0]] = number
                spans[3 * counts[0] + 1] = at
                spans[3 * counts[0] + 2] = at + int(out[0])
            counts[0] += 1
            at += int(out[0])
        else:
            at = skip(data, at, end, wire, out)
        if at < 0:
            return at
    return at


@array_kernel(INT(READ_BYTES, BOOL, WRITE_INT64, WRITE_INT64, WRITE_INT64))
def read_extras(
    data: Bytes, fill: bool, counts: Int64s, exemplars: Int64s, metadata: Int64s
) -> int:
    """Where the exemplars and metadata of a WriteRequest lie.

    Args:
        counts: of exemplars, of metadata; must be zero before.
        exemplars: per exemplar the number of its series, start and end of its message.
        metadata: per metric start and end.

    Returns: 0, or an error.
    """
    out = np.empty(1, np.uint64)
    at = 0
    series = 0
    end = data.size
    while at < end:
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if field == 1 or field == 3:
            if wire != LENGTH:
                return BAD_FIELD
            at = length(data, at, end, out)
            if at < 0:
                return at
            stop = at + int(out[0])
            if field == 1:
                at = _exemplars_of(data, at, stop, fill, counts, exemplars, series, out)
                series += 1
            else:
                if fill:
                    metadata[2 * counts[1]] = at
                    metadata[2 * counts[1] + 1] = stop
                counts[1] += 1
                at = stop
        else:
            at = skip(data, at, end, wire, out)
        if at < 0:
            return at
    return 0
