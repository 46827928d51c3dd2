"""Kernels that take a remote write 2.0 request apart: symbols, references, samples, histograms.

Called by write_request_v2.py, twice for each message: first to count, then to fill arrays.
https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/
"""

from __future__ import annotations

import numpy as np

from engine.jit import Bytes, Int64s, UInt64s, part
from server.encode.kernel import BOOL, INT, READ_BYTES, WRITE_INT64, array_kernel
from server.http.prometheus.wire_kernels import (
    BAD_FIELD,
    BAD_SYMBOL,
    FIXED64,
    LENGTH,
    VARINT,
    WRITE_UINT64,
    fixed64,
    histogram,
    length,
    skip,
    varint,
)

# Places in `counts`.
SERIES, SYMBOLS, LABELS, SAMPLES, HISTOGRAMS, EXEMPLARS, EXEMPLAR_LABELS, COUNTS = range(8)
# Places of a series' metadata.
KIND, HELP, UNIT, METADATA = 0, 1, 2, 3


@part
def _references(
    data: Bytes,
    at: int,
    end: int,
    fill: bool,
    symbols: int,
    place: int,
    out_refs: Int64s,
    out: UInt64s,
    found: Int64s,
) -> int:
    """Packed numbers of symbols, from `place` on; found[0] becomes how many there are."""
    count = 0
    while at < end:
        at = varint(data, at, end, out)
        if at < 0:
            return at
        if out[0] >= np.uint64(symbols):
            return BAD_SYMBOL
        if fill:
            out_refs[place + count] = np.int64(out[0])
        count += 1
    found[0] = count
    return at


@part
def _exemplar(
    data: Bytes,
    at: int,
    end: int,
    fill: bool,
    symbols: int,
    place: int,
    refs: Int64s,
    found: UInt64s,
    out: UInt64s,
    counted: Int64s,
) -> int:
    """An Exemplar: references from `place` on, found as of a sample, counted[1] references."""
    found[0] = found[1] = np.uint64(0)
    counted[1] = 0
    while at < end:
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if field == 1 and wire == LENGTH:
            at = length(data, at, end, out)
            if at < 0:
                return at
            stop = at + int(out[0])
            at = _references(data, at, stop, fill, symbols, place + counted[1], refs, out, counted)
            counted[1] += counted[0]
        elif field == 2 and wire == FIXED64:
            at = fixed64(data, at, end, out)
            found[0] = out[0]
        elif field == 3 and wire == VARINT:
            at = varint(data, at, end, out)
            found[1] = out[0]
        elif 1 <= field <= 3:
            return BAD_FIELD
        else:
            at = skip(data, at, end, wire, out)
        if at < 0:
            return at
    return at


@part
def _sample(data: Bytes, at: int, end: int, found: UInt64s, out: UInt64s) -> int:
    """Reads a Sample into found: the bits of its value, of its time and of its start time."""
    found[0] = found[1] = found[2] = np.uint64(0)
    while at < end:
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if field == 1 and wire == FIXED64:
            at = fixed64(data, at, end, out)
            found[0] = out[0]
        elif (field == 2 or field == 3) and wire == VARINT:
            at = varint(data, at, end, out)
            found[field - 1] = out[0]
        elif 1 <= field <= 3:
            return BAD_FIELD
        else:
            at = skip(data, at, end, wire, out)
        if at < 0:
            return at
    return at


@part
def _metadata(
    data: Bytes, at: int, end: int, symbols: int, base: int, out_meta: Int64s, out: UInt64s
) -> int:
    """A Metadata: its type and the symbols of its help and unit go into out_meta from `base`."""
    while at < end:
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if wire != VARINT:
            at = skip(data, at, end, wire, out)
        else:
            at = varint(data, at, end, out)
            if at >= 0 and field == 1:
                out_meta[base + KIND] = np.int64(out[0] & np.uint64(255))
            elif at >= 0 and (field == 3 or field == 4):
                if out[0] >= np.uint64(symbols):
                    return BAD_SYMBOL
                out_meta[base + field - 2] = np.int64(out[0])
        if at < 0:
            return at
    return at


@part
def _point(
    data: Bytes,
    field: int,
    at: int,
    stop: int,
    fill: bool,
    symbols: int,
    counts: Int64s,
    sample_series: Int64s,
    samples: UInt64s,
    histogram_series: Int64s,
    histograms: Int64s,
    exemplar_series: Int64s,
    exemplars: UInt64s,
    exemplar_counts: Int64s,
    exemplar_refs: Int64s,
    found: UInt64s,
    out: UInt64s,
    counted: Int64s,
) -> int:
    """Reads a Sample (field 2), a Histogram (3) or an Exemplar (4) of the current series."""
    number = counts[SERIES]
    if field == 2:
        at = _sample(data, at, stop, found, out)
        if fill:
            k = counts[SAMPLES]
            sample_series[k] = number
            samples[3 * k] = found[0]
            samples[3 * k + 1] = found[1]
            samples[3 * k + 2] = found[2]
        counts[SAMPLES] += 1
    elif field == 3:
        begin = at
        at = histogram(data, at, stop, found, out)
        if fill:
            k = counts[HISTOGRAMS]
            histogram_series[k] = number
            histograms[3 * k] = begin
            histograms[3 * k + 1] = stop
            histograms[3 * k + 2] = np.int64(found[0])
        counts[HISTOGRAMS] += 1
    else:
        place = counts[EXEMPLAR_LABELS]
        at = _exemplar(data, at, stop, fill, symbols, place, exemplar_refs, found, out, counted)
        counts[EXEMPLAR_LABELS] += counted[1]
        if fill:
            k = counts[EXEMPLARS]
            exemplar_series[k] = number
            exemplars[2 * k] = found[0]
            exemplars[2 * k + 1] = found[1]
            exemplar_counts[k] = counted[1]
        counts[EXEMPLARS] += 1
    return at


@part
def _series(
    data: Bytes,
    at: int,
    end: int,
    fill: bool,
    symbols: int,
    counts: Int64s,
    label_counts: Int64s,
    label_refs: Int64s,
    sample_series: Int64s,
    samples: UInt64s,
    histogram_series: Int64s,
    histograms: Int64s,
    exemplar_series: Int64s,
    exemplars: UInt64s,
    exemplar_counts: Int64s,
    exemplar_refs: Int64s,
    metadata: Int64s,
    found: UInt64s,
    out: UInt64s,
    counted: Int64s,
) -> int:
    """Reads a TimeSeries."""
    number = counts[SERIES]
    while at < end and at >= 0:
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if field < 1 or field > 5:
            at = skip(data, at, end, wire, out)
            continue
        if wire != LENGTH:
            return BAD_FIELD
        at = length(data, at, end, out)
        if at < 0:
            return at
        stop = at + int(out[0])
        if field == 1:
            place = counts[LABELS]
            at = _references(data, at, stop, fill, symbols, place, label_refs, out, counted)
            counts[LABELS] += counted[0]
            if fill:
                label_counts[number] += counted[0]
        elif field < 5:
            at = _point(
                data, field, at, stop, fill, symbols, counts, sample_series, samples,
                histogram_series, histograms, exemplar_series, exemplars, exemplar_counts,
                exemplar_refs, found, out, counted,
            )  # fmt: skip
        elif fill:
            at = _metadata(data, at, stop, symbols, METADATA * number, metadata, out)
        else:
            at = stop
    counts[SERIES] += 1
    return at


@array_kernel(INT(READ_BYTES, BOOL, WRITE_INT64, WRITE_INT64))
def read_symbols(data: Bytes, fill: bool, counts: Int64s, spans: Int64s) -> int:
    """Where the symbols lie: start and end of each. Returns: 0, or an error."""
    out = np.empty(1, np.uint64)
    at = 0
    end = data.size
    while at < end:
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if field == 4:
            if wire != LENGTH:
                return BAD_FIELD
            at = length(data, at, end, out)
            if at < 0:
                return at
            if fill:
                spans[2 * counts[SYMBOLS]] = at
                spans[2 * counts[SYMBOLS] + 1] = at + int(out[0])
            counts[SYMBOLS] += 1
            at += int(out[0])
        elif field < 4:
            return BAD_FIELD  # kept free so that a message of version 1 is seen to be one
        else:
            at = skip(data, at, end, wire, out)
        if at < 0:
            return at
    return 0


@array_kernel(
    INT(
        READ_BYTES,
        BOOL,
        INT,
        WRITE_INT64,
        WRITE_INT64,
        WRITE_INT64,
        WRITE_INT64,
        WRITE_UINT64,
        WRITE_INT64,
        WRITE_INT64,
        WRITE_INT64,
        WRITE_UINT64,
        WRITE_INT64,
        WRITE_INT64,
        WRITE_INT64,
    )
)
def read_series(
    data: Bytes,
    fill: bool,
    symbols: int,
    counts: Int64s,
    label_counts: Int64s,
    label_refs: Int64s,
    sample_series: Int64s,
    samples: UInt64s,
    histogram_series: Int64s,
    histograms: Int64s,
    exemplar_series: Int64s,
    exemplars: UInt64s,
    exemplar_counts: Int64s,
    exemplar_refs: Int64s,
    metadata: Int64s,
) -> int:
    """Reads the series of a request; without `fill` only counts (the arrays may be empty then).

    Args:
        symbols: how many there are; a reference beyond is BAD_SYMBOL.
        counts: all but SYMBOLS must be zero before.
        label_counts: per series how many references it has; zero before.
        samples: per item the bits of its value, of its time and of its start time.
        exemplars: per item the bits of its value, the bits of its time.
        histograms: per native histogram start and end of its message, and its time.
        metadata: per series type, help and unit; zero before.

    Returns: 0, or an error.
    """
    found = np.empty(3, np.uint64)
    counted = np.zeros(2, np.int64)
    out = np.empty(1, np.uint64)
    at = 0
    end = data.size
    while at < end:
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if field == 5:
            if wire != LENGTH:
                return BAD_FIELD
            at = length(data, at, end, out)
            if at < 0:
                return at
            at = _series(
                data, at, at + int(out[0]), fill, symbols, counts, label_counts, label_refs,
                sample_series, samples, histogram_series, histograms, exemplar_series,
                exemplars, exemplar_counts, exemplar_refs, metadata, found, out, counted,
            )  # fmt: skip
        else:
            at = skip(data, at, end, wire, out)
        if at < 0:
            return at
    return 0
