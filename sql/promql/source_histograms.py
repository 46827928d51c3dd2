"""Native histograms as tables keep them: each the message `prometheus.Histogram` it came in.

A float whose counter is known to have begun at some time has a message with nothing but that time
beside its value. Called by source.py for the samples a selector reads, and by remote write.
https://github.com/prometheus/prometheus/blob/main/prompb/io/prometheus/write/v2/types.proto
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.errors import DbError, ErrorKind
from sql.promql.histogram import Hint, Histogram
from sql.promql.model import STALE_BITS
from sql.protobuf import (
    Field,
    double,
    doubles,
    fields,
    last,
    put,
    put_double,
    put_number,
    put_zigzag,
    varints,
    zigzag,
)

_START = 17  # the field with the time at which the counter began
_BUCKETS_MAX = 1_000_000  # of one histogram, whatever its spans say


@dataclass(frozen=True)
class Decoded:
    """What messages tell, row by row.

    Attributes:
        histograms: one each or None.
        stale: it marks the end of a series instead.
        starts: when the counter began, 0: unknown; None: of all.
    """

    histograms: NDArray[np.object_]
    stale: NDArray[np.bool_]
    starts: NDArray[np.int64] | None


def histograms_of(column: pa.ChunkedArray) -> Decoded:
    """Reads messages; each distinct one is read once.

    Raises: DbError CORRUPTED for bytes that are no histogram.
    """
    encoded = column.dictionary_encode().combine_chunks()
    messages = encoded.dictionary.to_pylist()
    # The last one is for rows without any.
    found = np.full(len(messages) + 1, None, np.object_)
    stale = np.zeros(len(found), np.bool_)
    starts = np.zeros(len(found), np.int64)
    for place, message in enumerate(messages):
        try:
            one = list(fields(message))
            starts[place] = _signed(last(one, _START))
            if last(one, 3) == STALE_BITS:
                stale[place] = True
            elif [number for number, _ in one] != [_START]:
                found[place] = _histogram(one)
        except (ValueError, IndexError, KeyError, struct.error) as error:
            raise DbError(ErrorKind.CORRUPTED, "a native histogram cannot be read") from error
    codes = pc.fill_null(encoded.indices, len(messages)).to_numpy()
    return Decoded(found[codes], stale[codes], starts[codes] if starts.any() else None)


def _signed(number: int) -> int:
    """A varint's 64 bits as an integer with a sign."""
    return number - (1 << 64) if number >> 63 else number


def start_messages(starts: NDArray[np.int64]) -> pa.BinaryArray:
    """What is kept beside floats whose counter began at these times; NULL for 0, unknown."""
    known, codes = np.unique(starts, return_inverse=True)
    messages = [put_number(_START, one % (1 << 64)) if one else None for one in known.tolist()]
    return pa.array(messages, pa.binary()).take(pa.array(codes))


def _histogram(found: Sequence[Field]) -> Histogram:
    whole = any(number == 1 for number, _ in found)
    count = float(last(found, 1)) if whole else double(found, 2)
    zero = float(last(found, 6)) if whole else double(found, 7)
    return Histogram(
        schema=zigzag(last(found, 4)),
        count=count,
        sum=double(found, 3),
        zero_threshold=double(found, 5),
        zero_count=zero,
        positive=_buckets(found, 11, 12, 13),
        negative=_buckets(found, 8, 9, 10),
        bounds=tuple(doubles(found, 16)),
        hint=Hint(last(found, 14)),
    )


def _buckets(given: Sequence[Field], spans: int, deltas: int, counts: int) -> dict[int, float]:
    """The counts by bucket index, from spans of indexes and deltas or counts."""
    figures = doubles(given, counts)
    if not figures:
        figures = np.cumsum([zigzag(x) for x in varints(given, deltas)], dtype=float).tolist()
    if len(figures) > _BUCKETS_MAX:
        raise ValueError("too many buckets")
    found: dict[int, float] = {}
    index = place = 0
    for number, content in given:
        if number != spans:
            continue
        assert isinstance(content, bytes)
        span = list(fields(content))
        index += zigzag(last(span, 1))
        length = last(span, 2)
        for figure in figures[place : place + length]:
            found[index] = figure
            index += 1
        place += length
    if place != len(figures):
        raise ValueError("spans and buckets do not fit together")
    return found


# --- Writing --------------------------------------------------------------------------------------


def message_of(one: Histogram, time_ms: int) -> bytes:
    """The message of a histogram with float counts."""
    parts = [
        put_double(2, one.count),
        put_double(3, one.sum),
        put_zigzag(4, one.schema),
        put_double(5, one.zero_threshold),
        put_double(7, one.zero_count),
        _bucket_fields(one.negative, 8, 10),
        _bucket_fields(one.positive, 11, 13),
        put_number(14, one.hint.value),
        put_number(15, time_ms),
    ]
    if one.bounds:
        parts.append(put(16, np.array(one.bounds, "<f8").tobytes()))
    return b"".join(parts)


def _bucket_fields(buckets: Mapping[int, float], spans: int, counts: int) -> bytes:
    """Runs of neighbouring buckets, each with its distance from the one before."""
    runs: list[list[int]] = []
    after = 0
    for index in sorted(buckets):
        if runs and index == after:
            runs[-1][1] += 1
        else:
            runs.append([index - after, 1])
        after = index + 1
    found = [put(spans, put_zigzag(1, offset) + put_number(2, length)) for offset, length in runs]
    if buckets:
        values = [buckets[index] for index in sorted(buckets)]
        found.append(put(counts, np.array(values, "<f8").tobytes()))
    return b"".join(found)
