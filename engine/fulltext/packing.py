"""Numbers of few bits, packed; a map from hashes to numbers, and lists of ascending numbers.

Called by `engine.fulltext.postings` (to write) and `search` (to read). A packed map is cut into
buckets by the upper bits of the hash, so a look-up unpacks a few dozen numbers. See
docs/formats/text-index.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine import jit
from engine.jit import (
    BYTES,
    INT,
    INT64S,
    OUT_BYTES,
    OUT_INT64,
    OUT_UINT64,
    Bytes,
    Int64s,
    UInt64s,
)

BUCKET_ENTRIES = 64
LIST_HEAD_BYTES = 10
ROWS, BLOCKS, BITMAP = 0, 1, 2  # kinds of lists
_HALF = np.uint64(32)
# As constructors: what NumPy's stubs make of mixed numbers is not what Numba does.
_int: Any = np.int64
_uint: Any = np.uint64


@jit.part
def _put(value: Any, width: int, out: Bytes, bit: Any) -> Any:
    """Writes the lowest bits of a number from a bit on; the bit behind. Requires: `out` is 0."""
    left = width
    while left > 0:
        shift = bit & 7
        taken = min(8 - shift, left)
        out[bit >> 3] |= np.uint8((value & _uint((1 << taken) - 1)) << _uint(shift))
        value >>= _uint(taken)
        bit += taken
        left -= taken
    return bit


@jit.kernel(OUT_UINT64, INT, OUT_BYTES)
def pack_bits(numbers: UInt64s, width: int, out: Bytes) -> None:
    """Packs numbers, lowest bit first. Requires: `out` is 0."""
    bit = _int(0)
    for number in numbers:
        bit = _put(number, width, out, bit)


@jit.kernel(BYTES, INT, INT, OUT_UINT64)
def unpack_bits(data: Bytes, bit: int, width: int, out: UInt64s) -> None:
    """Numbers of `width` bits from a bit on: as many as `out` has."""
    for i in range(len(out)):
        value = _uint(0)
        had = _int(0)
        while had < width:
            place, shift = bit >> 3, bit & 7
            taken = min(8 - shift, width - had)
            part = (_uint(data[place]) >> _uint(shift)) & _uint((1 << taken) - 1)
            value |= part << _uint(had)
            bit += taken
            had += taken
        out[i] = value


@jit.part
def _width(values: Int64s, first: int, stop: int) -> int:
    """Bits of the largest difference of neighbours."""
    most = _int(0)
    for place in range(first + 1, stop):
        most = max(most, values[place] - values[place - 1])
    width = 0
    while most >> width:
        width += 1
    return width


@jit.kernel(INT64S, INT64S, INT64S, INT, INT, OUT_BYTES, OUT_INT64)
def pack_lists(
    kinds: Int64s,
    starts: Int64s,
    values: Int64s,
    first_block: int,
    block_count: int,
    out: Bytes,
    offsets: Int64s,
) -> int:
    """Packs ascending lists one behind the other; where each begins goes to `offsets`.

    A list is its kind u8, the width of its differences u8, its length u32, its first number u32
    and the differences; or its kind and a bitmap of all blocks, where that is smaller.
    Requires: `out` is 0 and has 10 bytes for each list and 4 for each value. Returns: bytes used.
    """
    at = _int(0)
    bitmap_bytes = (block_count + 7) >> 3
    for i in range(len(kinds)):
        offsets[i] = at
        first, stop = starts[i], starts[i + 1]
        width = _width(values, first, stop)
        packed = LIST_HEAD_BYTES + ((width * (stop - first - 1) + 7) >> 3)
        if kinds[i] == BLOCKS and 1 + bitmap_bytes < packed:
            out[at] = BITMAP
            for place in range(first, stop):
                block = values[place] - first_block
                out[at + 1 + (block >> 3)] |= np.uint8(1 << (block & 7))
            at += 1 + bitmap_bytes
            continue
        out[at], out[at + 1] = kinds[i], width
        for byte in range(4):
            out[at + 2 + byte] = ((stop - first) >> (8 * byte)) & 255
            out[at + 6 + byte] = (values[first] >> (8 * byte)) & 255
        bit = (at + LIST_HEAD_BYTES) * 8
        for place in range(first + 1, stop):
            bit = _put(_uint(values[place] - values[place - 1]), width, out, bit)
        at = (bit + 7) >> 3
    return int(at)


@dataclass(frozen=True, slots=True)
class MapShape:
    """How a packed map is laid out: buckets, bits of the hash in an entry, bits of its number."""

    entries: int
    bucket_bits: int
    hash_bits: int
    value_bits: int

    @classmethod
    def of(cls, entries: int, distinct: int, value_max: int, false_positives: float) -> MapShape:
        """Of so many entries: an unknown hash is found with about that probability."""
        bucket_bits = min(20, max(0, (entries // BUCKET_ENTRIES).bit_length()))
        needed = int(max(1, distinct) / false_positives).bit_length()
        return cls(
            entries,
            bucket_bits,
            min(32, max(needed, bucket_bits)) - bucket_bits,
            max(1, int(value_max).bit_length()),
        )

    @property
    def width(self) -> int:
        """Bits of one entry."""
        return self.hash_bits + self.value_bits

    def bucket(self, hash_: int) -> int:
        """The bucket of a hash."""
        return hash_ >> (32 - self.bucket_bits)

    def rest(self, hash_: int) -> int:
        """What an entry keeps of a hash."""
        return (hash_ >> (32 - self.bucket_bits - self.hash_bits)) & ((1 << self.hash_bits) - 1)


def pack_map(entries: UInt64s, shape: MapShape) -> tuple[bytes, bytes]:
    """Directory and entries of a map. Requires: sorted, the hash in the upper half."""
    hashes = entries >> _HALF
    buckets = (hashes >> np.uint64(32 - shape.bucket_bits)).astype(np.int64)
    count = 1 << shape.bucket_bits
    directory = np.zeros(count + 1, np.uint32)
    np.cumsum(np.bincount(buckets, minlength=count), out=directory[1:])
    rest = hashes >> np.uint64(32 - shape.bucket_bits - shape.hash_bits)
    rest &= np.uint64((1 << shape.hash_bits) - 1)
    values = entries & np.uint64(0xFFFFFFFF)
    numbers = (rest << np.uint64(shape.value_bits)) | values
    out = np.zeros((len(numbers) * shape.width + 7) // 8, np.uint8)
    pack_bits(numbers, shape.width, out)
    return directory.astype("<u4").tobytes(), out.tobytes()


def unpack_entries(data: Bytes, skip_bits: int, count: int, shape: MapShape) -> UInt64s:
    """Entries of a map, from a bit on."""
    out = np.empty(count, np.uint64)
    unpack_bits(data, skip_bits, shape.width, out)
    return out


def unpack_list(head: Bytes, body: Bytes) -> Int64s:
    """The numbers of a list that is no bitmap. `body` is what follows its head."""
    width, count = int(head[1]), int(head[2:6].copy().view("<u4")[0])
    first = int(head[6:10].copy().view("<u4")[0])
    steps = np.empty(count - 1, np.uint64)
    unpack_bits(body, 0, width, steps)
    return np.cumsum(np.concatenate([[first], steps.astype(np.int64)]))


def list_body_bytes(head: Bytes) -> int:
    """How many bytes follow the head of a list that is no bitmap."""
    return (int(head[1]) * (int(head[2:6].copy().view("<u4")[0]) - 1) + 7) >> 3
