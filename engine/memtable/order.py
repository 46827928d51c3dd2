"""The order of rows in files: by the primary key, then the time index.

Text is bytewise and NULL sorts behind all values. Each distinct value is ranked once; the ranks of
a row are fused into few numbers, which a radix sort orders. Called by flush; there is no Python per
row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.memtable import kernels
from engine.memtable.keys import Codes, canonical

FUSED_MAX = 1 << 62  # the largest fused number, so that one multiplication never overflows int64
_DIGIT_BITS = 11  # of a radix pass: 2048 counters stay in the first cache
_WORD_BYTES = 7  # of text that one number holds: 257**7 < 2**62
# Arrow's comparison sort is as fast for few values, and better for long ones.
_TEXT_WORDS_MAX = 8
_RADIX_MIN = 1024


@dataclass(frozen=True, slots=True)
class Ranked:
    """A column as numbers that sort like its values: all in [0, size).

    `values` are the distinct non-NULL texts in order, so that values[rank] is the text and a rank
    beyond them is NULL; None for columns of other types.
    """

    ranks: Codes
    size: int
    values: pa.Array | None = None


def rank(column: pa.ChunkedArray) -> Ranked:
    """Ranks of the values. NULL comes last, NaN behind all numbers."""
    is_number = pa.types.is_timestamp(column.type) or pa.types.is_int64(column.type)
    if is_number and column.null_count == 0 and len(column):
        chunks = [chunk.view(pa.int64()).to_numpy() for chunk in column.chunks]
        numbers = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
        least, span = int(numbers.min()), int(numbers.max()) - int(numbers.min())
        if span < FUSED_MAX:
            return Ranked(numbers - least, span + 1)
    if not pa.types.is_string(column.type):
        column = pa.chunked_array([canonical(column)])
    encoded = column.dictionary_encode(null_encoding="encode")
    if len(column) == 0 or pa.types.is_null(encoded.type.value_type):
        return Ranked(np.zeros(len(column), np.int64), 1)
    # All chunks share one dictionary, of which earlier chunks may know the beginning only.
    distinct = max((chunk.dictionary for chunk in encoded.chunks), key=len)
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
    if pa.types.is_string(column.type):
        return _ranked_text(codes, distinct)
    ranks = pc.rank(distinct, sort_keys=[("", "ascending", "at_end")], tiebreaker="dense")
    return Ranked((ranks.to_numpy().astype(np.int64) - 1)[codes], len(distinct))


def _ranked_text(codes: npt.NDArray[np.int32], distinct: pa.Array) -> Ranked:
    known = np.flatnonzero(distinct.is_valid().to_numpy(zero_copy_only=False))
    texts = distinct if len(known) == len(distinct) else distinct.take(pa.array(known))
    order = _text_order(texts)
    ranks = np.full(len(distinct), len(texts), np.int64)  # NULL, if there is one
    ranks[known[order]] = np.arange(len(texts))
    return Ranked(ranks[codes], len(distinct), texts.take(pa.array(order)))


def _text_order(texts: pa.Array) -> Codes:
    """Positions of distinct texts, bytewise ascending."""
    if len(texts) < _RADIX_MIN:
        return _compared(texts)
    _, offsets_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[texts.offset :][: len(texts) + 1]
    data = np.frombuffer(data_buffer, np.uint8)
    prefix = kernels.common_prefix(offsets, data)
    count = -(-(int(np.diff(offsets).max()) - prefix) // _WORD_BYTES)
    if count > _TEXT_WORDS_MAX:
        return _compared(texts)
    words = np.empty(len(texts), np.int64)
    order = np.arange(len(texts), dtype=np.int32)
    for number in reversed(range(count)):
        kernels.words(offsets, data, prefix + number * _WORD_BYTES, words)
        order = _radix(words, order, 257**_WORD_BYTES)
    return order.astype(np.int64)


def _compared(texts: pa.Array) -> Codes:
    order: Codes = pc.array_sort_indices(texts).to_numpy().astype(np.int64)
    return order


def fuse(columns: Sequence[Ranked], rows: int) -> list[Ranked]:
    """Few numbers per row that order rows like all the columns, the most significant first."""
    fused = [Ranked(np.zeros(rows, np.int64), 1)]
    for column in columns:
        last = fused[-1]
        if last.size * column.size > FUSED_MAX:
            fused.append(Ranked(column.ranks, column.size))
        else:
            ranks = column.ranks if last.size == 1 else last.ranks * column.size + column.ranks
            fused[-1] = Ranked(ranks, last.size * column.size)
    return fused


def arranged(keys: Sequence[Ranked], times: Codes, *, unique: bool) -> tuple[Codes, Codes]:
    """Positions of the rows by their keys, then their times; and the times in that order.

    Equal rows keep their order; `unique`: the last of them stays. Rows arrive nearly in order of
    time: sorted by their keys alone, they are nearly where they belong.
    """
    fused = fuse(keys, len(times))
    if len(fused) == 1:
        order, sorted_times = np.empty(len(times), np.int64), np.empty(len(times), np.int64)
        by_key = _by_words(fused)
        count = kernels.settle_times(fused[0].ranks, times, by_key, order, sorted_times, unique)
        if count >= 0:
            return order[:count], sorted_times[:count]
    fused = fuse([*keys, rank(pa.chunked_array([times]))], len(times))
    order = ascending(fused)
    if unique:
        order = last_of_equal(fused, order)
    return order, times[order]


def ascending(fused: Sequence[Ranked]) -> Codes:
    """Positions of the rows in order; equal rows keep theirs."""
    return _by_words(fused).astype(np.int64)


def _by_words(fused: Sequence[Ranked]) -> npt.NDArray[np.int32]:
    order = np.arange(len(fused[0].ranks), dtype=np.int32)
    if len(fused) > 1 or not kernels.is_ascending(fused[0].ranks):
        for word in reversed(fused):
            order = _radix(word.ranks, order, word.size)
    return order


def last_of_equal(fused: Sequence[Ranked], order: Codes) -> Codes:
    """The order without the rows that an equal one follows."""
    if not len(order):
        return order
    last = np.zeros(len(order), np.bool_)
    last[-1] = True
    for word in fused:
        values = word.ranks[order]
        last[:-1] |= values[1:] != values[:-1]
    return order if last.all() else order[last]


def _radix(keys: Codes, order: npt.NDArray[np.int32], bound: int) -> npt.NDArray[np.int32]:
    """The order, sorted by keys in [0, bound)."""
    out = np.empty_like(order)
    counts = np.empty(1 << _DIGIT_BITS, np.int64)
    for shift in range(0, max(1, (bound - 1).bit_length()), _DIGIT_BITS):
        if kernels.radix_pass(keys, order, out, counts, shift, len(counts) - 1):
            order, out = out, order
    return order


def sort_order(rows: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> Codes:
    """Positions of the rows in order of the columns; equal rows keep their order."""
    ranked = [rank(_chunked(rows.column(name))) for name in columns]
    return ascending(fuse(ranked, rows.num_rows))


def _chunked(column: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
