"""Kernels that take texts apart into tokens and make postings of them.

Called by `engine.fulltext.tokens`, `postings` and `packing`, which prepare the arguments. A token
is a run of ASCII letters and digits, or one character beyond ASCII, or (for Chinese) two such
neighbours; everything else only separates. An entry is a token's hash in the upper and a row (or
block of rows) in the lower half of a number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import jit
from engine.jit import (
    BYTES,
    INT,
    OFFSETS,
    OUT_INT64,
    OUT_UINT64,
    Bytes,
    Int32s,
    Int64s,
    UInt64s,
)

# As constructors: what NumPy's stubs make of mixed numbers is not what Numba does.
_int: Any = np.int64
_uint: Any = np.uint64

FOLD = 1  # upper case is lower case
PAIRS = 2  # neighbours beyond ASCII are a token, too
WHOLE = 4  # the text is one token
# Occurrences of a token in a block of rows that are noted one by one; more make the block dense.
ROWS_PER_BLOCK_MAX = 4
_SLOTS = 1 << 14  # of the table of a block's tokens
_SLOTS_USED_MAX = 11_000


# By byte: 0 separates, 1 is part of a word, 2 of a character beyond ASCII.
_CLASSES = np.zeros(256, np.uint8)
_CLASSES[128:] = 2
for _first, _last in (b"09", b"AZ", b"az"):
    _CLASSES[_first : _last + 1] = 1
# By byte and whether to fold: what is hashed.
_BYTES = np.stack([np.arange(256, dtype=np.uint64)] * 2)
_BYTES[1, 65:91] += 32

_BASIS: Any = np.uint64(14695981039346656037)
_PRIME: Any = np.uint64(1099511628211)
_MIX: Any = np.uint64(0x9E3779B97F4A7C15)
_HALF: Any = np.uint64(32)


@jit.part
def _mixed(value: Any) -> Any:
    """The upper 32 bits of an FNV-1a hash, mixed: near texts must not have near hashes."""
    return ((value ^ (value >> _HALF)) * _MIX) >> _HALF


@jit.part
def _hash(data: Bytes, start: int, stop: int, fold: int) -> Any:
    """32 bits for some bytes."""
    value = _BASIS
    for at in range(start, stop):
        value = (value ^ _BYTES[fold, data[at]]) * _PRIME
    return _mixed(value)


@jit.part
def _character_end(data: Bytes, at: int, end: int) -> int:
    """Behind the UTF-8 character that begins at a byte."""
    at += 1
    while at < end and (data[at] & 0xC0) == 0x80:
        at += 1
    return at


@jit.part
def _token(data: Bytes, at: int, end: int, fold: int) -> tuple[int, int, Any]:
    """Start, stop and hash of the next token that is no pair; start is stop if there is none."""
    while at < end and _CLASSES[data[at]] == 0:
        at += 1
    if at >= end:
        return end, end, _BASIS
    if data[at] >= 128:
        stop = _character_end(data, at, end)
        return at, stop, _hash(data, at, stop, fold)
    start, value = at, _BASIS
    while at < end and _CLASSES[data[at]] == 1:
        value = (value ^ _BYTES[fold, data[at]]) * _PRIME
        at += 1
    return start, at, _mixed(value)


@jit.part
def _folds_into_ascii(data: Bytes, start: int, stop: int) -> bool:
    """True for the two characters beyond ASCII whose lower case is (or begins) within it."""
    if stop - start == 2:
        return bool(data[start] == 0xC4 and data[start + 1] == 0xB0)
    if stop - start == 3:
        is_letterlike = data[start] == 0xE2 and data[start + 1] == 0x84
        return bool(is_letterlike and data[start + 2] == 0xAA)
    return False


@jit.kernel(BYTES, INT, OUT_INT64, OUT_INT64, OUT_UINT64)
def query_tokens(data: Bytes, options: int, starts: Int64s, stops: Int64s, hashes: UInt64s) -> int:
    """The tokens of one text; how many there are. Requires: room for two per byte."""
    fold, pairs = options & FOLD, (options & PAIRS) != 0
    count, at, end = 0, 0, len(data)
    while True:
        start, at, hash_ = _token(data, at, end, fold)
        if start >= at:
            return count
        starts[count], stops[count], hashes[count] = start, at, hash_
        count += 1
        if pairs and data[start] >= 128 and at < end and data[at] >= 128:
            stop = _character_end(data, at, end)
            starts[count], stops[count] = start, stop
            hashes[count] = _hash(data, start, stop, fold)
            count += 1


@jit.part
def _note(
    hash_: Any,
    row: int,
    shift: int,
    tags: UInt64s,
    states: Int64s,
    counts: Int64s,
    entries: UInt64s,
    dense: UInt64s,
) -> None:
    """One token of a row. `counts`: entries, dense blocks, the table's round and its tokens.

    The table is `tags` (round and hash) and `states` (last row and how many, up to dense).
    """
    tag = (_uint(counts[2]) << _HALF) | hash_
    slot = hash_ & _uint(_SLOTS - 1)
    while tags[slot] != tag:
        if tags[slot] >> _HALF != _uint(counts[2]):
            tags[slot], states[slot] = tag, 0
            counts[3] += 1
            break
        slot = (slot + _uint(1)) & _uint(_SLOTS - 1)
    seen = states[slot] & 7
    if seen > ROWS_PER_BLOCK_MAX or states[slot] >> 3 == row + 1:
        return
    states[slot] = (row + 1) << 3 | (seen + 1)
    if seen < ROWS_PER_BLOCK_MAX:
        entries[counts[0]] = (hash_ << _HALF) | _uint(row)
        counts[0] += 1
    else:
        dense[counts[1]] = (hash_ << _HALF) | _uint(row >> shift)
        counts[1] += 1
    if counts[3] >= _SLOTS_USED_MAX:  # the block goes on in an empty table
        counts[2] += 1
        counts[3] = 0


@jit.kernel(OFFSETS, BYTES, BYTES, INT, INT, INT, OUT_UINT64, OUT_UINT64, OUT_INT64)
def row_entries(
    offsets: Int32s,
    data: Bytes,
    missing: Bytes,
    first_row: int,
    shift: int,
    options: int,
    entries: UInt64s,
    dense: UInt64s,
    counts: Int64s,
) -> bool:
    """Entries of some neighbouring rows; blocks in which a token is frequent go to `dense`.

    `missing` is 1 for NULL, or empty. `shift` makes a block of a row. How many of both there are
    goes to the first two places of `counts`, which has four. Requires: room for as many entries as
    `data` has bytes and `offsets` numbers. Returns: True if case folding would need to know more
    than ASCII.
    """
    fold, pairs = options & FOLD, (options & PAIRS) != 0
    tags, states = np.zeros(_SLOTS, np.uint64), np.zeros(_SLOTS, np.int64)
    counts[0], counts[1], counts[2], counts[3] = 0, 0, 1, 0
    odd = False
    block = _int(-1)
    for i in range(len(offsets) - 1):
        row = first_row + i
        if row >> shift != block:
            block = row >> shift
            counts[2] += 1
            counts[3] = 0
        if len(missing) and missing[i]:
            continue
        at, end = _int(offsets[i]), _int(offsets[i + 1])
        if options & WHOLE:
            _note(_hash(data, at, end, 0), row, shift, tags, states, counts, entries, dense)
            continue
        while True:
            start, at, hash_ = _token(data, at, end, fold)
            if start >= at:
                break
            _note(hash_, row, shift, tags, states, counts, entries, dense)
            if data[start] >= 128:
                odd = odd or _folds_into_ascii(data, start, at)
                if pairs and at < end and data[at] >= 128:
                    stop = _character_end(data, at, end)
                    _note(
                        _hash(data, start, stop, fold),
                        row,
                        shift,
                        tags,
                        states,
                        counts,
                        entries,
                        dense,
                    )
    return odd


ROWS_LIST = 0
BLOCKS_LIST = 1


@jit.part
def _rows_of(entries: UInt64s, first: int, stop: int, out: Int64s, at: int) -> int:
    """Appends the distinct rows of sorted entries; where `out` ends then."""
    for i in range(first, stop):
        if i == first or entries[i] != entries[i - 1]:
            out[at] = _int(entries[i] & _uint(0xFFFFFFFF))
            at += 1
    return at


@jit.part
def _blocks_of(
    entries: UInt64s,
    first: int,
    stop: int,
    dense: UInt64s,
    low: int,
    high: int,
    shift: int,
    out: Int64s,
    at: int,
) -> int:
    """Appends the distinct blocks of sorted entries and dense blocks; where `out` ends then."""
    last = _int(-1)
    while first < stop or low < high:
        block = _int(1) << 40
        if first < stop:
            block = _int(entries[first] & _uint(0xFFFFFFFF)) >> shift
        if low < high:
            block = min(block, _int(dense[low] & _uint(0xFFFFFFFF)))
        while first < stop and _int(entries[first] & _uint(0xFFFFFFFF)) >> shift == block:
            first += 1
        while low < high and _int(dense[low] & _uint(0xFFFFFFFF)) == block:
            low += 1
        if block != last:
            out[at] = block
            at += 1
            last = block
    return at


@jit.kernel(
    *(jit.OUT_UINT64, jit.OUT_UINT64, INT, INT, OUT_UINT64, OUT_UINT64, OUT_INT64, OUT_INT64),
    *(OUT_INT64, OUT_INT64),
)
def postings(
    entries: UInt64s,
    dense: UInt64s,
    shift: int,
    inline_max: int,
    inline: UInt64s,
    hashes: UInt64s,
    kinds: Int64s,
    starts: Int64s,
    values: Int64s,
    counts: Int64s,
) -> None:
    """Sorts tokens by how often they occur: few rows stay entries, more make a list.

    Requires: `entries` and `dense` sorted; room in `inline` for all entries, in `values` for both,
    in `hashes` and `kinds` for each and in `starts` for one more. `counts` (three) tells how many
    inline entries, lists and values there are.
    """
    i, k, n_inline, n_lists, n_values = 0, 0, 0, 0, 0
    half = _uint(32)
    while i < len(entries) or k < len(dense):
        hash_ = _uint(0xFFFFFFFF)
        if i < len(entries):
            hash_ = entries[i] >> half
        if k < len(dense):
            hash_ = min(hash_, dense[k] >> half)
        j, m = i, k
        while j < len(entries) and entries[j] >> half == hash_:
            j += 1
        while m < len(dense) and dense[m] >> half == hash_:
            m += 1
        starts[n_lists] = n_values
        if m > k:
            end = _blocks_of(entries, i, j, dense, k, m, shift, values, n_values)
            kinds[n_lists] = BLOCKS_LIST
        else:
            end = _rows_of(entries, i, j, values, n_values)
            kinds[n_lists] = ROWS_LIST
        if m == k and end - n_values <= inline_max:
            for place in range(n_values, end):
                inline[n_inline] = (hash_ << half) | _uint(values[place])
                n_inline += 1
        else:
            hashes[n_lists] = hash_
            n_lists += 1
            n_values = end
        i, k = j, m
    starts[n_lists] = n_values
    counts[0], counts[1], counts[2] = n_inline, n_lists, n_values
