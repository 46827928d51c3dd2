"""Texts by number: each label value of a store is kept once, whoever uses it.

Used by index.py under its lock. Numbers are dense and never change; a text is compared byte for
byte before it counts as known.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine import jit
from engine.jit import (
    BYTES,
    INT,
    INT64S,
    OUT_BYTES,
    OUT_INT32,
    OUT_INT64,
    OUT_UINT64,
    Bytes,
    Int32s,
    Int64s,
    UInt64s,
)
from engine.series.hashing import WORDS, hash128, new_key, words_of

_int: Any = np.int64
_uint: Any = np.uint64


@jit.part
def _find(
    data: Bytes, start: int, stop: int, digest: Any, table: Int32s, hashes: UInt64s,
    offsets: Int64s, texts: Bytes,
) -> int:  # fmt: skip
    """The place in `table` of a text, or of the free one where it belongs."""
    mask = len(table) - 1
    place: int = _int(digest & _uint(mask))
    while table[place] >= 0:
        known = table[place]
        if hashes[known] == digest and offsets[known + 1] - offsets[known] == stop - start:
            at = offsets[known]
            same = True
            for k in range(stop - start):
                if texts[at + k] != data[start + k]:
                    same = False
                    break
            if same:
                return place
        place = (place + 1) & mask
    return place


@jit.kernel(
    BYTES, WORDS, INT64S, INT, INT, INT, WORDS, OUT_INT32, OUT_UINT64, OUT_INT64, OUT_BYTES,
    OUT_INT32,
)  # fmt: skip
def intern(
    data: Bytes, words: UInt64s, spans: Int64s, begin: int, count: int, add: int, key: UInt64s,
    table: Int32s, hashes: UInt64s, offsets: Int64s, texts: Bytes, out: Int32s,
) -> tuple[int, int]:  # fmt: skip
    """Numbers of the texts in spans [start, stop) from the `begin`th on; -1 for unknown ones.

    `count` texts are known before. With `add` unknown ones become known while there is room.
    Returns: how many spans are done, how many texts are known now.
    """
    for k in range(begin, len(out)):
        start, stop = spans[2 * k], spans[2 * k + 1]
        digest, _ = hash128(words, start, stop, key)
        place = _find(data, start, stop, digest, table, hashes, offsets, texts)
        if table[place] < 0 and add:
            end = offsets[count] + stop - start
            if count >= len(hashes) or 2 * count >= len(table) or end > len(texts):
                return k, count
            for at in range(start, stop):
                texts[offsets[count] + at - start] = data[at]
            offsets[count + 1] = end
            hashes[count] = digest
            table[place] = count
            count += 1
        out[k] = table[place]
    return len(out), count


@jit.kernel(WORDS, INT, OUT_INT32)
def place_all(hashes: UInt64s, count: int, table: Int32s) -> None:
    """Fills an empty table (all -1) with the first `count` texts."""
    mask = len(table) - 1
    for number in range(count):
        place = _int(hashes[number] & _uint(mask))
        while table[place] >= 0:
            place = (place + 1) & mask
        table[place] = number


@jit.kernel(INT64S, BYTES, OUT_INT32, OUT_INT32, OUT_BYTES)
def copy_texts(offsets: Int64s, texts: Bytes, numbers: Int32s, ends: Int32s, out: Bytes) -> None:
    """Copies texts one after another; `ends` gets their Arrow offsets."""
    to = 0
    for k in range(len(numbers)):
        for at in range(offsets[numbers[k]], offsets[numbers[k] + 1]):
            out[to] = texts[at]
            to += 1
        ends[k + 1] = to


def grown(array: NDArray[Any], size: int, fill: int | None = None) -> NDArray[Any]:
    """A copy with room for `size` items or more; new ones are `fill`, or anything."""
    if len(array) >= size:
        return array
    room = max(size, len(array) + len(array) // 2)
    more = np.empty(room, array.dtype)
    more[: len(array)] = array
    if fill is not None:
        more[len(array) :] = fill
    return more


class Symbols:
    """The texts of a store. One thread at a time."""

    def __init__(self) -> None:
        self._key = new_key()
        self.count = 0
        self._table = np.full(1 << 10, -1, np.int32)
        self._hashes = np.empty(256, np.uint64)
        self._offsets = np.zeros(257, np.int64)
        self._texts = np.empty(4096, np.uint8)

    @property
    def memory_bytes(self) -> int:
        """Memory in use."""
        arrays = (self._table, self._hashes, self._offsets, self._texts)
        return sum(array.nbytes for array in arrays)

    def numbers(self, values: pa.Array, *, add: bool = True) -> Int32s:
        """The number of each text, -1 for NULL, and for unknown ones unless they are added.

        Requires: text (string or binary with 32-bit offsets).
        """
        if not len(values):
            return np.zeros(0, np.int32)
        buffers = values.buffers()
        ends = np.frombuffer(buffers[1], np.int32)[values.offset : values.offset + len(values) + 1]
        low, high = int(ends[0]), int(ends[-1])
        whole = buffers[2]
        data = b"" if whole is None else memoryview(whole)[low:high]
        spans = np.empty(2 * len(values), np.int64)
        spans[0::2], spans[1::2] = ends[:-1] - low, ends[1:] - low
        found = self.of_spans(*words_of(data), spans, add=add)
        if values.null_count:
            found[values.is_null().to_numpy(zero_copy_only=False)] = -1
        return found

    def of_spans(self, data: Bytes, words: UInt64s, spans: Int64s, *, add: bool = True) -> Int32s:
        """As `numbers`, of texts in `words_of(data)` from spans[2k] to spans[2k + 1]."""
        found = np.empty(len(spans) // 2, np.int32)
        done = 0
        while True:
            done, self.count = intern(
                data, words, spans, done, self.count, int(add), self._key,
                self._table, self._hashes, self._offsets, self._texts, found,
            )  # fmt: skip
            if done == len(found):
                return found
            self._grow(int(spans[2 * done + 1] - spans[2 * done]))

    def _grow(self, text_bytes: int) -> None:
        self._hashes = grown(self._hashes, self.count + 1)
        self._offsets = grown(self._offsets, len(self._hashes) + 1)
        self._texts = grown(self._texts, int(self._offsets[self.count]) + text_bytes)
        if 2 * self.count >= len(self._table):
            self._table = np.full(2 * len(self._table), -1, np.int32)
            place_all(self._hashes, self.count, self._table)

    def texts(self, numbers: Int32s) -> pa.StringArray:
        """The texts of these numbers. Requires: all are known."""
        wanted = np.ascontiguousarray(numbers, np.int32)
        sizes = self._offsets[wanted.astype(np.int64) + 1] - self._offsets[wanted]
        ends = np.zeros(len(wanted) + 1, np.int32)
        out = np.empty(int(sizes.sum()), np.uint8)
        copy_texts(self._offsets, self._texts, wanted, ends, out)
        buffers = [None, pa.py_buffer(ends), pa.py_buffer(out)]
        return pa.StringArray.from_buffers(len(wanted), buffers[1], buffers[2])

    def text(self, number: int) -> str:
        """One text. Requires: it is known."""
        begin, end = self._offsets[number : number + 2].tolist()
        return self._texts[begin:end].tobytes().decode()

    def sizes(self, numbers: Int32s) -> Int64s:
        """How many bytes each of these texts has."""
        found: Int64s = self._offsets[numbers.astype(np.int64) + 1] - self._offsets[numbers]
        return found

    @property
    def arrays(self) -> tuple[Int64s, Bytes]:
        """For kernels: where each text begins and ends, and all bytes."""
        return self._offsets, self._texts
