"""Remote write requests for tests, encoded by hand: series as (labels, samples)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from cramjam import snappy

Samples = Sequence[tuple[int, float]]
Series = tuple[Mapping[str, str], Samples]


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def piece(field: int, content: bytes) -> bytes:
    """A field of any length."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def label(name: str, value: str) -> bytes:
    return piece(1, piece(1, name.encode()) + piece(2, value.encode()))


def sample(time: int, value: float) -> bytes:
    return piece(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(time))


def histogram(time: int, count: int = 3) -> bytes:
    """One with an integer count and two buckets of schema 0."""
    spans = piece(11, varint(1 << 3) + varint(2) + varint(2 << 3) + varint(2))
    deltas = piece(12, varint(2) + varint(0))
    head = varint(1 << 3) + varint(count) + b"\x19" + struct.pack("<d", 5.5)
    return piece(4, head + spans + deltas + varint(15 << 3) + varint(time))


def series(labels: Mapping[str, str], *points: bytes) -> bytes:
    return piece(1, b"".join(label(*pair) for pair in labels.items()) + b"".join(points))


def message(*found: Series) -> bytes:
    """An uncompressed request."""
    return b"".join(
        series(labels, *(sample(time, value) for time, value in samples))
        for labels, samples in found
    )


def compressed(content: bytes) -> bytes:
    return bytes(snappy.compress_raw(content))
