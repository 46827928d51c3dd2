"""States of approximate aggregates: HyperLogLog and UDDSketch.

HyperLogLog keeps the greatest rank of 16384 registers (Flajolet et al. 2007); the count is Ertl's
improved estimator (2017, algorithm 6), which needs no tables. UDDSketch (Epicoco et al. 2020)
counts values in logarithmic buckets and merges neighbours when there are too many.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import DbError, ErrorKind
from sql.functions.arrow.columns import numbers, spread, valid

_Array = np.ndarray[Any, Any]

# --- HyperLogLog ----------------------------------------------------------------------------------

_REGISTERS = 1 << 14
_RANK_MAX = 51  # of the 50 bits that choose no register


def _binary(rows: int, flat: _Array) -> pa.Array:
    """A binary column of equal parts of `flat`, one for each row."""
    offsets = (np.arange(rows + 1) * _REGISTERS).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(flat.tobytes())]
    return pa.Array.from_buffers(pa.binary(), rows, buffers)


def hll_state(slots: pa.Array) -> pa.Array:
    """Registers from `register · 64 + rank` numbers; of nothing, an empty state."""
    groups = len(slots)
    parents = np.asarray(pc.list_parent_indices(slots), dtype=np.int64)
    flat = pc.list_flatten(slots)
    present = valid(flat)
    values = numbers(flat, present).astype(np.int64)
    registers = np.zeros(groups * _REGISTERS, dtype=np.uint8)
    places = parents[present] * _REGISTERS + (values >> 6)
    np.maximum.at(registers, places, (values & 63).astype(np.uint8))
    return _binary(groups, registers)


def _registers(states: pa.Array) -> _Array:
    """One row of registers for each state. Raises: DbError INVALID_ARGUMENT."""
    sizes = np.asarray(pc.binary_length(states))
    if np.any(sizes != _REGISTERS):
        raise DbError(ErrorKind.INVALID_ARGUMENT, "these bytes are no state of hll()")
    joined = b"".join(states.to_pylist())
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, _REGISTERS)


def hll_merged(groups: pa.Array) -> pa.Array:
    """The greatest registers of each list's states."""
    parents = np.asarray(pc.list_parent_indices(groups), dtype=np.int64)
    flat = pc.list_flatten(groups)
    present = valid(flat)
    registers = _registers(flat.filter(pa.array(present)))
    merged = np.zeros((len(groups), _REGISTERS), dtype=np.uint8)
    parents = parents[present]
    if len(parents):
        starts = np.flatnonzero(np.diff(parents, prepend=-1))
        merged[parents[starts]] = np.maximum.reduceat(registers, starts, axis=0)
    return _binary(len(groups), merged)


def hll_count(states: pa.Array) -> pa.Array:
    """The estimate of how many distinct values were seen."""
    rows = valid(states)
    registers = _registers(states.filter(pa.array(rows)))
    counts = np.zeros((len(registers), _RANK_MAX + 1))
    for rank in range(_RANK_MAX + 1):
        counts[:, rank] = (registers == rank).sum(axis=1)
    return spread(np.round(_ertl(counts)).astype(np.uint64), rows, pa.uint64())


def _ertl(counts: _Array) -> _Array:
    size = float(_REGISTERS)
    total = size * _tau(1 - counts[:, _RANK_MAX] / size)
    for rank in range(_RANK_MAX - 1, 0, -1):
        total = 0.5 * (total + counts[:, rank])
    total = total + size * _sigma(counts[:, 0] / size)
    with np.errstate(divide="ignore"):
        made: _Array = size * size / (2 * np.log(2) * total)
        return made


def _sigma(x: _Array) -> _Array:
    made, power, y = x.copy(), x.copy(), 1.0
    whole = x == 1
    power[whole] = 0
    while True:
        power = power * power
        before = made
        made = made + power * y
        y += y
        if np.array_equal(before, made):
            return np.where(whole, np.inf, made)


def _tau(x: _Array) -> _Array:
    inner = (x > 0) & (x < 1)
    root = np.where(inner, x, 0.5)
    made, y = 1 - root, 1.0
    while True:
        root = np.sqrt(root)
        before = made
        y *= 0.5
        made = made - (1 - root) ** 2 * y
        if np.array_equal(before, made):
            return np.where(inner, made / 3, 0.0)


# --- UDDSketch ------------------------------------------------------------------------------------
# A state is 64-bit words: magic, buckets allowed, error asked for, how often buckets were merged,
# number of buckets, sum of values; then the buckets' numbers in order of their values, then counts.

_MAGIC = 0x31484353_444455  # "UDDSCH1" backwards
_HEAD = 6
_ZERO = np.int64(0)


def udd_state(
    buckets: pa.Array, error: pa.Array, keys: pa.Array, counts: pa.Array, total: pa.Array
) -> pa.Array:
    """States from lists of buckets (see udd_slot) and how often each occurs."""
    limit, wanted = _parameters(buckets, error)
    rows = valid(buckets, error, keys, counts)
    kept = keys.filter(pa.array(rows))
    lengths = np.asarray(pc.list_value_length(kept), dtype=np.int64)
    parents = np.repeat(np.arange(len(lengths)), lengths)
    slots = np.asarray(pc.list_flatten(kept), dtype=np.int64)
    times = np.asarray(pc.list_flatten(counts.filter(pa.array(rows)))).astype(np.int64)
    sums = np.asarray(pc.fill_null(total.filter(pa.array(rows)), 0.0))
    levels = np.zeros(len(lengths), np.int64)
    return spread(_packed(parents, slots, times, levels, sums, limit, wanted), rows, pa.binary())


def _parameters(buckets: pa.Array, error: pa.Array) -> tuple[int, float]:
    """The one number of buckets and error of all rows. Raises: DbError INVALID_ARGUMENT."""
    limits, errors = pc.unique(buckets).to_pylist(), pc.unique(error).to_pylist()
    if len(limits) != 1 or len(errors) != 1 or limits[0] is None or errors[0] is None:
        raise DbError(ErrorKind.INVALID_ARGUMENT, "buckets and error of a sketch must be constant")
    if limits[0] < 1 or not 0 < errors[0] < 1:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT, "a sketch has at least 1 bucket and an error within 0 to 1"
        )
    return int(limits[0]), float(errors[0])


def _merged_keys(keys: _Array) -> _Array:
    """Two neighbouring buckets become one: k and k+1 (k odd) the bucket (k+1)/2."""
    number, sign = keys >> 2, keys & 3
    return np.where(keys == _ZERO, keys, ((number + 1) // 2) * 4 + sign)


def _combined(parents: _Array, keys: _Array, counts: _Array) -> tuple[_Array, _Array, _Array]:
    """Equal buckets of a sketch added up; in order of sketch, then value."""
    order = np.lexsort((_order(keys), parents))
    parents, keys, counts = parents[order], keys[order], counts[order]
    fresh = np.flatnonzero(
        (np.diff(parents, prepend=-1) != 0) | (np.diff(keys, prepend=np.int64(-(2**62))) != 0)
    )
    if not len(fresh):
        return parents, keys, counts
    return parents[fresh], keys[fresh], np.add.reduceat(counts, fresh)


def _order(keys: _Array) -> _Array:
    """Negative buckets by falling number, zero, positive ones by rising number."""
    number, sign = keys >> 2, keys & 3
    shift = np.int64(1) << 40
    return np.select([sign == 1, sign == 2], [number + shift, -number - shift], 0)


def _packed(
    parents: _Array,
    keys: _Array,
    counts: _Array,
    levels: _Array,
    sums: _Array,
    limit: int,
    wanted: float,
) -> pa.Array:
    """Merges buckets until there are few enough, and writes the states."""
    parents, keys, counts = _combined(parents, keys, counts)
    sizes = np.bincount(parents, minlength=len(levels))
    while np.any(sizes > limit):
        crowded = (sizes > limit)[parents]
        keys = np.where(crowded, _merged_keys(keys), keys)
        levels = levels + (sizes > limit)
        parents, keys, counts = _combined(parents, keys, counts)
        smaller = np.bincount(parents, minlength=len(levels))
        if np.any((smaller > limit) & (levels > 60)):
            raise DbError(ErrorKind.INVALID_ARGUMENT, "a sketch has too few buckets for its values")
        sizes = smaller
    words = _HEAD + 2 * sizes
    starts = np.concatenate(([0], np.cumsum(words)))
    made = np.zeros(starts[-1], dtype=np.int64)
    heads = starts[:-1]
    made[heads], made[heads + 1] = _MAGIC, limit
    made[heads + 2] = np.float64(wanted).view(np.int64)
    made[heads + 3], made[heads + 4] = levels, sizes
    made[heads + 5] = sums.astype(np.float64).view(np.int64)
    within = np.arange(len(parents)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    places = heads[parents] + _HEAD + within
    made[places] = keys
    made[places + sizes[parents]] = counts
    buffers = [None, pa.py_buffer((starts * 8).astype(np.int32)), pa.py_buffer(made.tobytes())]
    return pa.Array.from_buffers(pa.binary(), len(levels), buffers)


def _unpacked(states: pa.Array) -> tuple[_Array, _Array]:
    """(all words, where each state begins). Raises: DbError INVALID_ARGUMENT."""
    sizes = np.asarray(pc.binary_length(states), dtype=np.int64)
    if np.any(sizes % 8) or np.any(sizes < _HEAD * 8):
        raise DbError(ErrorKind.INVALID_ARGUMENT, "these bytes are no state of uddsketch_state()")
    words = np.frombuffer(b"".join(states.to_pylist()), dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(sizes // 8)))[:-1]
    good = (words[starts] == _MAGIC) & (words[starts + 4] * 2 + _HEAD == sizes // 8)
    if not good.all():
        raise DbError(ErrorKind.INVALID_ARGUMENT, "these bytes are no state of uddsketch_state()")
    return words, starts


def _buckets(words: _Array, starts: _Array) -> tuple[_Array, _Array, _Array]:
    """(state, bucket, count) of all states."""
    sizes = words[starts + 4]
    states = np.repeat(np.arange(len(starts)), sizes)
    within = np.arange(len(states)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    places = starts[states] + _HEAD + within
    return states, words[places], words[places + sizes[states]]


def udd_merged(buckets: pa.Array, error: pa.Array, groups: pa.Array) -> pa.Array:
    """One state of each list's states; all of the given parameters."""
    limit, wanted = _parameters(buckets, error)
    parents = np.asarray(pc.list_parent_indices(groups), dtype=np.int64)
    flat = pc.list_flatten(groups)
    present = valid(flat)
    words, starts = _unpacked(flat.filter(pa.array(present)))
    parents = parents[present]
    asked = words[starts + 2].view(np.float64)
    if np.any(words[starts + 1] != limit) or np.any(asked != wanted):
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"these sketches were not made with {limit} buckets and the error {wanted}",
        )
    levels = words[starts + 3]
    coarsest = np.zeros(len(groups), np.int64)
    np.maximum.at(coarsest, parents, levels)
    states, keys, counts = _buckets(words, starts)
    behind = (coarsest[parents] - levels)[states]
    while np.any(behind > 0):
        keys = np.where(behind > 0, _merged_keys(keys), keys)
        behind = behind - 1
    sums = np.bincount(parents, words[starts + 5].view(np.float64), minlength=len(groups))
    made = _packed(parents[states], keys, counts, coarsest, sums, limit, wanted)
    some = np.bincount(parents, minlength=len(groups)) > 0
    return made if some.all() else spread(made.filter(pa.array(some)), some, pa.binary())


def udd_quantile(quantile: pa.Array, states: pa.Array) -> pa.Array:
    """The middle of the bucket that the quantile falls into; NULL of an empty sketch."""
    rows = valid(quantile, states)
    wanted = numbers(quantile, rows)
    if np.any((wanted < 0) | (wanted > 1)):
        raise DbError(ErrorKind.INVALID_ARGUMENT, "a quantile is 0 to 1")
    words, starts = _unpacked(states.filter(pa.array(rows)))
    owner, keys, counts = _buckets(words, starts)
    totals = np.bincount(owner, counts, minlength=len(starts)).astype(np.int64)
    rank = np.minimum((totals * wanted).astype(np.int64) + 1, totals)
    before = np.concatenate(([0], np.cumsum(totals)))[:-1]
    at = np.searchsorted(np.cumsum(counts), before + rank)
    some = totals > 0
    at = at[some]
    error = _coarser(words[starts + 2].view(np.float64), words[starts + 3])[some]
    values = pa.array(_middle(keys[at], error), pa.float64())
    return spread(spread(values, some, pa.float64()), rows, pa.float64())


def _coarser(error: _Array, levels: _Array) -> _Array:
    """The error after so many merges."""
    made = error.copy()
    for level in range(int(levels.max(initial=0))):
        made = np.where(levels > level, 2 * made / (1 + made**2), made)
    return made


def _middle(keys: _Array, error: _Array) -> _Array:
    number, sign = keys >> 2, keys & 3
    gamma = (1 + error) / (1 - error)
    size = (1 + error) * np.power(gamma, number - 1.0)
    return np.select([sign == 1, sign == 2], [size, -size], 0.0)
