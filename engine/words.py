"""Texts in kernels, eight bytes at a time: comparing, hashing, finding a byte.

Compiled into kernels that meet the same long texts again and again. Each part checks the range it
is given before it reads any of it: what lies outside is unequal, has no hash, is not found. Whoever
calls `load_word` has checked it before.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from engine.jit import Bytes, UInt64s, loop_part, multiply_high

_int: Any = np.int64
_uint: Any = np.uint64
_LOWEST: Any = np.uint64(0x0101010101010101)
_HIGHEST: Any = np.uint64(0x8080808080808080)
_EIGHT: Any = np.uint64(8)


def _load_code(typing: Any, data: Any, at: Any) -> Any:
    """The word at a byte of an array, aligned or not: nothing is checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        first = builder.bitcast(array.data, ir.IntType(8).as_pointer())
        place = builder.bitcast(builder.gep(first, [arguments[1]]), ir.IntType(64).as_pointer())
        return builder.load(place, align=1)

    return types.uint64(data, types.int64), generate


def _store_code(typing: Any, data: Any, at: Any, word: Any) -> Any:
    """Writes a word to a place of a byte array, aligned or not: nothing is checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        builder.store(arguments[2], builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(data, types.int64, types.uint64), generate


load_word: Any = intrinsic(_load_code)
_store: Any = intrinsic(_store_code)


def new_seed() -> UInt64s:
    """Two words that no client knows."""
    seed = np.frombuffer(secrets.token_bytes(16), np.uint64).copy()
    seed |= np.uint64(1)
    return seed


@loop_part
def folded(a: Any, b: Any) -> Any:
    """The two halves of the product of two words, combined by exclusive or."""
    return multiply_high(a, b) ^ (a * b)


@loop_part
def same_bytes(data: Bytes, at: int, other: Bytes, place: int, size: int) -> bool:
    """True if `size` bytes from `at` on equal those of another text from `place` on."""
    if at < 0 or place < 0 or size < 0 or at + size > data.size or place + size > other.size:
        return False
    if size < 8:
        for k in range(size):  # noqa: SIM110 (kernels have no generators)
            if data[at + k] != other[place + k]:
                return False
        return True
    for k in range(0, size - 8, 8):
        if load_word(data, at + k) != load_word(other, place + k):
            return False
    return bool(load_word(data, at + size - 8) == load_word(other, place + size - 8))


@loop_part
def hash_bytes(data: Bytes, at: int, size: int, seed: UInt64s) -> int:
    """A keyed hash of some bytes, below 2**62; 0 for a range that is not there.

    For tables in memory that compare what they find: two texts may meet.
    """
    if at < 0 or size < 0 or at + size > data.size or seed.size < 2:
        return 0
    value = seed[0] ^ _uint(size)
    if size < 8:
        last = _uint(0)
        for k in range(size):
            last = (last << _EIGHT) | _uint(data[at + k])
    else:
        for k in range(0, size - 8, 8):
            value = folded(value ^ load_word(data, at + k), seed[1])
        last = load_word(data, at + size - 8)
    value = folded(folded(value ^ last, seed[1]) ^ seed[0], seed[1])
    found: int = _int(value >> _uint(2))
    return found


@loop_part
def find_byte(data: Bytes, at: int, end: int, byte: int) -> int:
    """The first place of a byte in [at, end); `end` if it is not there.

    A word has a zero byte if subtracting one from each borrows into some top bit that was clear.
    """
    if at < 0 or end > data.size:
        return end
    wanted = _uint(byte) * _LOWEST
    while at + 8 <= end:
        word = load_word(data, at) ^ wanted
        if (word - _LOWEST) & ~word & _HIGHEST:
            break
        at += 8
    while at < end and data[at] != byte:
        at += 1
    return at


@loop_part
def copy_bytes(data: Bytes, at: int, out: Bytes, place: int, size: int) -> None:
    """Copies `size` bytes from `at` on to `place`; nothing if either is not there.

    Where both texts go on for a word, up to seven bytes behind the copy are written, too.
    """
    if at < 0 or place < 0 or at + size > data.size or place + size > out.size:
        return
    if at + size + 8 > data.size or place + size + 8 > out.size:
        for k in range(size):
            out[place + k] = data[at + k]
        return
    for k in range(0, size, 8):
        _store(out, place + k, load_word(data, at + k))
