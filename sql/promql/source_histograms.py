"""Native histograms as tables keep them: each the message `prometheus.Histogram` it came in.

Called by source.py for the samples a selector reads.
https://github.com/prometheus/prometheus/blob/main/prompb/types.proto
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.errors import DbError, ErrorKind
from sql.promql.histogram import Hint, Histogram
from sql.promql.model import STALE_BITS

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_BUCKETS_MAX = 1_000_000  # of one histogram, whatever its spans say
Field = tuple[int, int | bytes]


def histograms_of(column: pa.ChunkedArray) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Per row its histogram or None; and which rows mark the end of a series instead.

    Raises: DbError CORRUPTED for bytes that are no histogram.
    """
    found = np.full(len(column), None, np.object_)
    stale = np.zeros(len(column), np.bool_)
    for row, message in enumerate(column.to_pylist()):
        if message is None:
            continue
        try:
            fields = list(_fields(message))
            if _last(fields, 3) == STALE_BITS:
                stale[row] = True
            else:
                found[row] = _histogram(fields)
        except (ValueError, IndexError, KeyError, struct.error) as error:
            raise DbError(ErrorKind.CORRUPTED, "a native histogram cannot be read") from error
    return found, stale


def _histogram(fields: Sequence[Field]) -> Histogram:
    whole = any(number == 1 for number, _ in fields)
    count = float(_last(fields, 1)) if whole else _double(fields, 2)
    zero = float(_last(fields, 6)) if whole else _double(fields, 7)
    return Histogram(
        schema=_signed(_last(fields, 4)),
        count=count,
        sum=_double(fields, 3),
        zero_threshold=_double(fields, 5),
        zero_count=zero,
        positive=_buckets(fields, 11, 12, 13),
        negative=_buckets(fields, 8, 9, 10),
        bounds=tuple(_doubles(fields, 16)),
        hint=Hint(_last(fields, 14)),
    )


def _buckets(fields: Sequence[Field], spans: int, deltas: int, counts: int) -> dict[int, float]:
    """The counts by bucket index, from spans of indexes and deltas or counts."""
    figures = _doubles(fields, counts)
    if not figures:
        figures = np.cumsum([_signed(x) for x in _varints(fields, deltas)], dtype=float).tolist()
    if len(figures) > _BUCKETS_MAX:
        raise ValueError("too many buckets")
    found: dict[int, float] = {}
    index = place = 0
    for number, content in fields:
        if number != spans:
            continue
        assert isinstance(content, bytes)
        span = list(_fields(content))
        index += _signed(_last(span, 1))
        length = _last(span, 2)
        for figure in figures[place : place + length]:
            found[index] = figure
            index += 1
        place += length
    if place != len(figures):
        raise ValueError("spans and buckets do not fit together")
    return found


# --- Protobuf -------------------------------------------------------------------------------------


def _fields(message: bytes) -> Iterator[Field]:
    """Numbers and values: integers of varints and fixed ones, bytes of the rest."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        length = {_FIXED64: 8, _FIXED32: 4}.get(wire, 0)
        if wire == _LENGTH:
            length, at = _varint(message, at)
        if not length and wire != _LENGTH:
            raise ValueError("unknown wire type")
        content = message[at : at + length]
        if len(content) < length:
            raise ValueError("cut off")
        at += length
        yield number, content if wire == _LENGTH else int.from_bytes(content, "little")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), at
        shift += 7
    raise ValueError("a number is too long")


def _signed(number: int) -> int:
    """Undoes zigzag."""
    return (number >> 1) ^ -(number & 1)


def _last(fields: Sequence[Field], wanted: int) -> int:
    found = 0
    for number, value in fields:
        if number == wanted:
            if isinstance(value, bytes):
                raise ValueError("a number is needed")
            found = value
    return found


def _double(fields: Sequence[Field], wanted: int) -> float:
    (value,) = struct.unpack("<d", struct.pack("<Q", _last(fields, wanted)))
    return float(value)


def _doubles(fields: Sequence[Field], wanted: int) -> list[float]:
    """Packed or one by one."""
    found: list[float] = []
    for number, value in fields:
        if number != wanted:
            continue
        if isinstance(value, int):
            value = struct.pack("<Q", value)
        if len(value) % 8:
            raise ValueError("cut off")
        found += np.frombuffer(value, "<f8").tolist()
    return found


def _varints(fields: Sequence[Field], wanted: int) -> list[int]:
    """Packed or one by one."""
    found = []
    for number, value in fields:
        if number != wanted:
            continue
        if isinstance(value, int):
            found.append(value)
            continue
        at = 0
        while at < len(value):
            one, at = _varint(value, at)
            found.append(one)
    return found
