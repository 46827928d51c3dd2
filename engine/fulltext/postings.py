"""The postings of one column: which rows, or blocks of rows, hold a token.

Called by `engine.fulltext.build`, a row group at a time. A part of the file's rows is closed when
it has many entries, so the memory that a build needs does not grow with the file.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from engine.fulltext import kernels, packing
from engine.fulltext.codec import Header, IndexWriter
from engine.fulltext.packing import MapShape
from engine.jit import Bytes, Int32s, UInt64s

BLOCK_SHIFT = 10  # a block is 1024 rows, as is a page
# Tokens in at most so many rows are kept one by one in the map of hashes.
INLINE_ROWS_MAX = 6
# A part ends with so many entries (8 bytes each, and as much again while they are packed).
_PART_ENTRIES = 4_000_000
# Texts that are taken apart at a time: a token for every byte would need eight times the memory.
_SLICE_BYTES = 4 << 20


class Postings:
    """Takes the texts of a column in the order of the file and writes its parts."""

    def __init__(self, writer: IndexWriter, options: int, false_positives: float) -> None:
        # Constant after construction.
        self._writer = writer
        self._options = options
        self._false_positives = false_positives
        # Of the part on its way.
        self._entries: list[UInt64s] = []
        self._dense: list[UInt64s] = []
        self._count = 0
        self._first_row = 0
        self._rows = 0
        self._odd = False
        self.parts: list[Header] = []

    def add(self, texts: pa.Array) -> None:
        """The next rows. Requires: string."""
        offsets, data, missing = buffers(texts)
        start = 0
        while start < len(texts):
            stop = _cut(offsets, start)
            low, high = int(offsets[start]), int(offsets[stop])
            part = offsets[start : stop + 1] - np.int32(low)
            self._add(part, data[low:high], missing[start:stop])
            start = stop
        if self._count >= _PART_ENTRIES:
            self.close_part()

    def _add(self, offsets: Int32s, data: Bytes, missing: Bytes) -> None:
        room = len(data) + len(offsets)
        entries, dense = np.empty(room, np.uint64), np.empty(room // 4 + 1, np.uint64)
        counts = np.empty(4, np.int64)
        self._odd |= kernels.row_entries(
            *(offsets, data, missing, self._rows, BLOCK_SHIFT, self._options),
            *(entries, dense, counts),
        )
        self._entries.append(entries[: counts[0]].copy())
        self._dense.append(dense[: counts[1]].copy())
        self._count += int(counts[0])
        self._rows += len(offsets) - 1

    def close_part(self) -> None:
        """Writes what was added since the last part, if anything."""
        rows = self._rows
        if rows == 0:
            return
        entries, dense = np.concatenate(self._entries), np.concatenate(self._dense)
        self._entries, self._dense, self._count, self._rows = [], [], 0, 0
        entries.sort()
        dense.sort()
        part = self._write(entries, dense, rows)
        self.parts.append({"row": self._first_row, "rows": rows, "odd": bool(self._odd), **part})
        self._first_row += rows
        self._odd = False

    def _write(self, entries: UInt64s, dense: UInt64s, rows: int) -> Header:
        room = len(entries) + len(dense)
        inline, hashes = np.empty(len(entries), np.uint64), np.empty(room, np.uint64)
        kinds, starts = np.empty(room, np.int64), np.empty(room + 1, np.int64)
        values, counts = np.empty(room + INLINE_ROWS_MAX, np.int64), np.empty(3, np.int64)
        kernels.postings(
            *(entries, dense, BLOCK_SHIFT, INLINE_ROWS_MAX, inline, hashes, kinds, starts),
            *(values, counts),
        )
        n_inline, n_lists, n_values = counts.tolist()
        blocks = (rows - 1 >> BLOCK_SHIFT) + 1
        packed = np.zeros(packing.LIST_HEAD_BYTES * n_lists + 5 * n_values + blocks + 16, np.uint8)
        offsets = np.empty(n_lists, np.int64)
        size = packing.pack_lists(
            *(kinds[:n_lists], starts[: n_lists + 1], values, 0, blocks, packed, offsets)
        )
        located = (hashes[:n_lists] << np.uint64(32)) | offsets.astype(np.uint64)
        return {
            "inline": self._map(inline[:n_inline], rows),
            "lists": self._map(located, max(1, size)),
            "at": self._writer.add(packed[:size].tobytes()),
            "bytes": int(size),
        }

    def _map(self, entries: UInt64s, value_max: int) -> Header:
        hashes = entries >> np.uint64(32)
        distinct = 1 + int(np.count_nonzero(hashes[1:] != hashes[:-1]))
        shape = MapShape.of(len(entries), distinct, value_max, self._false_positives)
        directory, body = packing.pack_map(entries, shape)
        return {
            "shape": [shape.entries, shape.bucket_bits, shape.hash_bits, shape.value_bits],
            "directory": self._writer.add(directory),
            "at": self._writer.add(body),
            "bytes": len(body),
        }


def _cut(offsets: Int32s, start: int) -> int:
    """Where a slice of texts ends that begins there: whole blocks of rows, if they are short."""
    most = int(np.searchsorted(offsets, int(offsets[start]) + _SLICE_BYTES, side="right")) - 1
    stop = min(max(most, start + 1), len(offsets) - 1)
    whole = start + (stop - start >> BLOCK_SHIFT << BLOCK_SHIFT)
    return whole if whole > start and stop < len(offsets) - 1 else stop


def buffers(texts: pa.Array) -> tuple[Int32s, Bytes, Bytes]:
    """Offsets and bytes of a string array, and 1 for each NULL (empty if there is none)."""
    texts = texts.cast(pa.string())
    _, places, data = texts.buffers()
    if not len(texts) or places is None:
        return np.zeros(1, np.int32), np.empty(0, np.uint8), np.empty(0, np.uint8)
    offsets = np.frombuffer(places, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    low, high = int(offsets[0]), int(offsets[-1])
    content = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)[low:high]
    missing = np.empty(0, np.uint8)
    if texts.null_count:
        missing = texts.is_null().cast(pa.uint8()).to_numpy()
    return offsets - np.int32(low), content, missing
