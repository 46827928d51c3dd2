"""Kernels that write samples for remote read: protobuf messages, compressed chunks, their checksum.

Called by read_answer.py. The chunk is Prometheus' XOR encoding (Pelkonen et al., "Gorilla: a fast,
scalable, in-memory time series database", VLDB 2015, with Prometheus' widths).
"""

from __future__ import annotations

import numpy as np
from numba import types as nt

from engine.jit import Bytes, Int64s, UInt64s, part
from server.encode.kernel import (
    INT,
    READ_BYTES,
    READ_INT64,
    READ_UINT64,
    WRITE_BYTES,
    array_kernel,
    kernel,
)

CHUNK_SAMPLES = 120
# The most bytes a sample takes: tag and length, the double, the time's varint; in a chunk 4 + 64
# bits of time and 13 + 64 bits of value.
SAMPLE_BYTES = 2 + 9 + 11
CHUNK_SAMPLE_BYTES = 20
CHUNK_HEAD_BYTES = 2 + 10 + 8 + 10

_NONE = 255
UINT32 = nt.uint32


@part
def _put_varint(out: Bytes, at: int, number: int) -> int:
    left = np.uint64(number)
    while left > np.uint64(127):
        out[at] = np.uint8((left & np.uint64(127)) | np.uint64(128))
        left >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(left)
    return at + 1


@part
def _put_double(out: Bytes, at: int, bits: int) -> int:
    for k in range(8):
        out[at + k] = np.uint8((np.uint64(bits) >> np.uint64(8 * k)) & np.uint64(255))
    return at + 8


@kernel(INT(READ_INT64, READ_UINT64, WRITE_BYTES))
def write_samples(times: Int64s, values: UInt64s, out: Bytes) -> int:
    """Fields `samples` (number 2) of a TimeSeries. Returns: the bytes written.

    Requires: `out` has SAMPLE_BYTES per sample. `values` are the bits of doubles.
    """
    at = 0
    for k in range(times.size):
        head = at
        at += 2
        out[at] = np.uint8(9)  # field 1, fixed64
        at = _put_double(out, at + 1, values[k])
        out[at] = np.uint8(16)  # field 2, varint
        at = _put_varint(out, at + 1, times[k])
        out[head] = np.uint8(18)  # field 2, a message
        out[head + 1] = np.uint8(at - head - 2)
    return at


@part
def _put_bits(out: Bytes, place: int, number: int, count: int) -> int:
    """Writes the lowest `count` bits of a number, highest first, at a place counted in bits."""
    bits = np.uint64(number)
    left = count
    while left > 0:
        room = 8 - (place & 7)
        width = room if room < left else left
        piece = (bits >> np.uint64(left - width)) & (
            (np.uint64(1) << np.uint64(width)) - np.uint64(1)
        )
        out[place >> 3] |= np.uint8(piece << np.uint64(room - width))
        place += width
        left -= width
    return place


@part
def _put_time(out: Bytes, place: int, change: int) -> int:
    """A change of the distance between times, in one of five widths."""
    if change == 0:
        return _put_bits(out, place, 0, 1)
    if -8191 <= change <= 8192:
        place = _put_bits(out, place, 0b10, 2)
        return _put_bits(out, place, change, 14)
    if -65535 <= change <= 65536:
        place = _put_bits(out, place, 0b110, 3)
        return _put_bits(out, place, change, 17)
    if -524287 <= change <= 524288:
        place = _put_bits(out, place, 0b1110, 4)
        return _put_bits(out, place, change, 20)
    place = _put_bits(out, place, 0b1111, 4)
    return _put_bits(out, place, change, 64)


@part
def _zeros_before(bits: int) -> int:
    count = 0
    while count < 64 and (np.uint64(bits) >> np.uint64(63 - count)) & np.uint64(1) == np.uint64(0):
        count += 1
    return count


@part
def _zeros_after(bits: int) -> int:
    count = 0
    while count < 64 and (np.uint64(bits) >> np.uint64(count)) & np.uint64(1) == np.uint64(0):
        count += 1
    return count


@array_kernel(INT(READ_INT64, READ_UINT64, WRITE_BYTES))
def write_chunk(times: Int64s, values: UInt64s, out: Bytes) -> int:
    """One XOR chunk of at least one and at most 65535 samples. Returns: the bytes written.

    Requires: `out` is zero and has CHUNK_HEAD_BYTES + CHUNK_SAMPLE_BYTES per sample.
    """
    count = times.size
    out[0] = np.uint8(count >> 8)
    out[1] = np.uint8(count & 255)
    first = times[0]
    at = _put_varint(out, 2, (first << 1) ^ (first >> 63))
    place = _put_bits(out, 8 * at, values[0], 64)
    distance = np.int64(0)
    leading, trailing = _NONE, 0
    scratch = np.zeros(10, np.uint8)
    for k in range(1, count):
        step = times[k] - times[k - 1]
        if k == 1:
            length = _put_varint(scratch, 0, step)
            for byte in range(length):
                place = _put_bits(out, place, int(scratch[byte]), 8)
        else:
            place = _put_time(out, place, step - distance)
        distance = step
        changed = values[k] ^ values[k - 1]
        if changed == np.uint64(0):
            place = _put_bits(out, place, 0, 1)
            continue
        place = _put_bits(out, place, 1, 1)
        before, after = _zeros_before(changed), _zeros_after(changed)
        before = min(before, 31)
        if leading != _NONE and before >= leading and after >= trailing:
            place = _put_bits(out, place, 0, 1)
        else:
            leading, trailing = before, after
            place = _put_bits(out, place, 1, 1)
            place = _put_bits(out, place, leading, 5)
            place = _put_bits(out, place, (64 - leading - trailing) & 63, 6)
        width = 64 - leading - trailing
        place = _put_bits(out, place, int(changed >> np.uint64(trailing)), width)
    return (place + 7) >> 3


@array_kernel(INT(READ_BYTES))
def crc32c(data: Bytes) -> int:
    """The CRC-32C (Castagnoli) of some bytes, RFC 3720 appendix B.4."""
    table = np.empty(256, np.uint32)
    for k in range(256):
        value = np.uint32(k)
        for _ in range(8):
            low = value & np.uint32(1)
            value >>= np.uint32(1)
            if low:
                value ^= np.uint32(0x82F63B78)
        table[k] = value
    crc = np.uint32(0xFFFFFFFF)
    for k in range(data.size):
        crc = table[(crc ^ np.uint32(data[k])) & np.uint32(255)] ^ (crc >> np.uint32(8))
    return int(crc ^ np.uint32(0xFFFFFFFF))
