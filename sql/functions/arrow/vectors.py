"""Vectors: binary values of little-endian 32-bit floats, worked on as one matrix.

https://docs.greptime.com/reference/sql/functions/vector
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import DbError, ErrorKind
from sql.functions.arrow.columns import numbers, spread, valid

_Array = np.ndarray[Any, Any]
_FLOAT = np.dtype("<f4")


def _error(text: str) -> DbError:
    return DbError(ErrorKind.INVALID_ARGUMENT, text)


def _flat(column: pa.Array, rows: _Array) -> tuple[_Array, _Array]:
    """All elements of these rows' vectors, and where each begins (one more offset than rows)."""
    kept = column.filter(pa.array(rows)) if not rows.all() or column.null_count else column
    lengths = np.asarray(pc.binary_length(kept), dtype=np.int64)
    if np.any(lengths % 4):
        raise _error("these bytes are no vector: their number is no multiple of four")
    if pa.types.is_large_binary(kept.type):
        kept = kept.cast(pa.binary())
    kept = pa.concat_arrays([kept])  # without an offset
    data = kept.buffers()[2]
    raw = np.frombuffer(data, dtype=np.uint8)[: lengths.sum()] if data else np.empty(0, np.uint8)
    offsets = np.concatenate(([0], np.cumsum(lengths // 4)))
    first = int(np.frombuffer(kept.buffers()[1], dtype=np.int32)[0]) if len(kept) else 0
    if first and data:
        raw = np.frombuffer(data, dtype=np.uint8)[first : first + lengths.sum()]
    return np.frombuffer(raw.tobytes(), dtype=_FLOAT), offsets


def _vectors(values: _Array, lengths: _Array, rows: _Array) -> pa.Array:
    """A binary column of vectors, one after another in `values`."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths * 4, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(values.astype(_FLOAT).tobytes())]
    return spread(pa.Array.from_buffers(pa.binary(), len(lengths), buffers), rows, pa.binary())


def _pair(name: str, a: pa.Array, b: pa.Array) -> tuple[_Array, _Array, _Array, _Array]:
    rows = valid(a, b)
    left, offsets = _flat(a, rows)
    right, others = _flat(b, rows)
    if not np.array_equal(offsets, others):
        raise _error(f"vec_{name} needs vectors of the same length")
    return left, right, offsets, rows


def _sums(values: _Array, offsets: _Array) -> _Array:
    """The sum of each vector's elements."""
    if len(offsets) == 1:
        return np.empty(0, np.float32)
    lengths = np.diff(offsets)
    if len(lengths) and np.all(lengths == lengths[0]) and lengths[0]:
        made: _Array = values.reshape(-1, lengths[0]).sum(axis=1, dtype=np.float64)
        return made
    totals = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    return totals[offsets[1:]] - totals[offsets[:-1]]


def _float(values: _Array, rows: _Array) -> pa.Array:
    return spread(values.astype(np.float32), rows, pa.float32())


# --- Text -----------------------------------------------------------------------------------------


def parse_vec(texts: pa.Array) -> pa.Array:
    """`[1, 2.5]` as a vector. Raises: DbError INVALID_ARGUMENT."""
    rows = valid(texts)
    kept = pc.utf8_trim_whitespace(texts.filter(pa.array(rows)).cast(pa.string()))
    shaped = pc.and_(pc.starts_with(kept, "["), pc.ends_with(kept, "]"))
    if not pc.all(shaped, min_count=0).as_py():
        wrong = kept.filter(pc.invert(shaped))[0].as_py()
        raise _error(f"{wrong!r} is no vector: it is written as [1.0, 2.0]")
    inner = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(kept, 1, -1))
    parts = pc.split_pattern(inner, ",")
    empty = np.asarray(pc.equal(inner, ""))
    lengths = np.where(empty, 0, np.asarray(pc.list_value_length(parts), dtype=np.int64))
    pieces = pc.list_flatten(parts.filter(pa.array(~empty)))
    try:
        values = pc.cast(pc.utf8_trim_whitespace(pieces), pa.float32())
    except pa.ArrowInvalid as error:
        raise _error(f"a vector has an element that is no number: {error}") from error
    return _vectors(np.asarray(values), lengths, rows)


def any_vector(kind: pa.Array, data: pa.Array) -> pa.Array:
    """Binary values as they are, the bytes of texts as the vectors they spell."""
    if pc.all(pc.equal(kind, "BLOB")).as_py():
        return data
    return parse_vec(data.cast(pa.string()))


def to_string(vectors: pa.Array) -> pa.Array:
    """A vector as text, whole numbers without a point."""
    rows = valid(vectors)
    values, offsets = _flat(vectors, rows)
    texts = pc.replace_substring_regex(pa.array(values).cast(pa.string()), r"\.0$", "")
    pieces = pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), texts)
    joined = pc.binary_join(pieces, ",")
    return spread(pc.binary_join_element_wise("[", joined, "]", ""), rows, pa.string())


# --- Two vectors ----------------------------------------------------------------------------------


def _element_wise(name: str, operation: Callable[..., Any]) -> Callable[..., pa.Array]:
    def made(a: pa.Array, b: pa.Array) -> pa.Array:
        left, right, offsets, rows = _pair(name, a, b)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return _vectors(operation(left, right), np.diff(offsets), rows)

    return made


add = _element_wise("add", np.add)
sub = _element_wise("sub", np.subtract)
mul = _element_wise("mul", np.multiply)
div = _element_wise("div", np.divide)


def dot_product(a: pa.Array, b: pa.Array) -> pa.Array:
    """The sum of the products."""
    left, right, offsets, rows = _pair("dot_product", a, b)
    return _float(_sums(left * right, offsets), rows)


def l2sq_distance(a: pa.Array, b: pa.Array) -> pa.Array:
    """The sum of the squared differences."""
    left, right, offsets, rows = _pair("l2sq_distance", a, b)
    return _float(_sums((left - right) ** 2, offsets), rows)


def cos_distance(a: pa.Array, b: pa.Array) -> pa.Array:
    """One minus the cosine; 1 beside a vector without length."""
    left, right, offsets, rows = _pair("cos_distance", a, b)
    wide, other = left.astype(np.float64), right.astype(np.float64)
    scale = np.sqrt(_sums(wide**2, offsets) * _sums(other**2, offsets))
    dots = _sums(wide * other, offsets)
    cosine = np.divide(dots, scale, out=np.zeros_like(dots), where=scale > 0)
    return _float(1 - cosine, rows)


# --- One vector -----------------------------------------------------------------------------------


def scalar_add(x: pa.Array, vectors: pa.Array) -> pa.Array:
    """The number added to each element."""
    return _scalar(x, vectors, np.add)


def scalar_mul(x: pa.Array, vectors: pa.Array) -> pa.Array:
    """Each element times the number."""
    return _scalar(x, vectors, np.multiply)


def _scalar(x: pa.Array, vectors: pa.Array, operation: Callable[..., Any]) -> pa.Array:
    rows = valid(x, vectors)
    values, offsets = _flat(vectors, rows)
    lengths = np.diff(offsets)
    factors = np.repeat(numbers(x, rows).astype(np.float32), lengths)
    return _vectors(operation(values, factors), lengths, rows)


def elem_sum(vectors: pa.Array) -> pa.Array:
    """The sum of the elements."""
    rows = valid(vectors)
    return _float(_sums(*_flat(vectors, rows)), rows)


def elem_avg(vectors: pa.Array) -> pa.Array:
    """The mean of the elements; NaN of an empty vector."""
    rows = valid(vectors)
    values, offsets = _flat(vectors, rows)
    with np.errstate(invalid="ignore"):
        return _float(_sums(values, offsets) / np.diff(offsets), rows)


def elem_product(vectors: pa.Array) -> pa.Array:
    """The product of the elements; 1 of an empty vector."""
    rows = valid(vectors)
    values, offsets = _flat(vectors, rows)
    padded = np.append(values, np.float32(1))  # so that no piece begins beyond the end
    made = np.multiply.reduceat(padded, offsets[:-1]) if len(offsets) > 1 else padded[:0]
    return _float(np.where(np.diff(offsets) > 0, made, 1), rows)


def norm(vectors: pa.Array) -> pa.Array:
    """The vector divided by its length."""
    rows = valid(vectors)
    values, offsets = _flat(vectors, rows)
    lengths = np.diff(offsets)
    size = np.repeat(np.sqrt(_sums(values.astype(np.float64) ** 2, offsets)), lengths)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _vectors(values / size, lengths, rows)


def dim(vectors: pa.Array) -> pa.Array:
    """The number of elements."""
    rows = valid(vectors)
    return spread(np.diff(_flat(vectors, rows)[1]), rows, pa.int64())


def kth_elem(vectors: pa.Array, place: pa.Array) -> pa.Array:
    """The element at a place from 0. Raises: DbError INVALID_ARGUMENT."""
    rows = valid(vectors, place)
    values, offsets = _flat(vectors, rows)
    at = numbers(place, rows)
    if np.any((at < 0) | (at >= np.diff(offsets))):
        raise _error("vec_kth_elem: the vector has no element at this place")
    return _float(values[offsets[:-1] + at], rows)


def subvector(vectors: pa.Array, start: pa.Array, stop: pa.Array) -> pa.Array:
    """The elements from start up to stop. Raises: DbError INVALID_ARGUMENT."""
    rows = valid(vectors, start, stop)
    values, offsets = _flat(vectors, rows)
    first, last = numbers(start, rows), numbers(stop, rows)
    if np.any((first < 0) | (last < first) | (last > np.diff(offsets))):
        raise _error("vec_subvector: the vector has no such part")
    lengths = last - first
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    return _vectors(values[np.repeat(offsets[:-1] + first, lengths) + within], lengths, rows)


# --- Many vectors ---------------------------------------------------------------------------------


def total(groups: pa.Array) -> pa.Array:
    """The sum of each list's vectors, NULLs aside."""
    return _total(groups, np.add, mean=False)


def product(groups: pa.Array) -> pa.Array:
    """The product of each list's vectors."""
    return _total(groups, np.multiply, mean=False)


def average(groups: pa.Array) -> pa.Array:
    """The mean of each list's vectors."""
    return _total(groups, np.add, mean=True)


def _total(groups: pa.Array, operation: Any, *, mean: bool) -> pa.Array:
    parents = np.asarray(pc.list_parent_indices(groups), dtype=np.int64)
    flat = pc.list_flatten(groups)
    present = valid(flat)
    values, offsets = _flat(flat, present)
    parents, lengths = parents[present], np.diff(offsets)
    counts = np.bincount(parents, minlength=len(groups))
    first = np.searchsorted(parents, np.arange(len(groups)))
    rows = counts > 0
    sizes = lengths[first[rows]]
    if not np.array_equal(np.repeat(sizes, counts[rows]), lengths):
        raise _error("vectors of one group need the same length")
    made = []
    for size in np.unique(sizes):  # groups of vectors of one length are one matrix
        matrix = values[np.repeat(lengths == size, lengths)].reshape(-1, size)
        here = counts[rows][sizes == size]
        starts = np.concatenate(([0], np.cumsum(here)[:-1]))
        total = operation.reduceat(matrix.astype(np.float64), starts, axis=0)
        made.append((size, total / here[:, None] if mean else total))
    whole = np.empty(sizes.sum(), dtype=np.float32)
    begins = np.concatenate(([0], np.cumsum(sizes)))[:-1]
    for size, total in made:
        places = begins[sizes == size][:, None] + np.arange(size)
        whole[places] = total
    return _vectors(whole, sizes, rows)
