"""128-bit hashes of bytes, in kernels: keyed, so that no client can choose texts that collide.

Called by the kernels of this package and of remote write: the hash tells series apart by the bytes
of their labels alone. Nobody outside sees one. Texts up to 1 KiB take NH, twice with keys of their
own, so that two texts meet with a chance of 2 ** -128 (Black, Halevi, Krawczyk, Krovetz, Rogaway,
"UMAC: Fast and Secure Message Authentication", 1999); longer ones SipHash-1-3 (Aumasson and
Bernstein, "SipHash: a fast short-input PRF", 2012).
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from engine import jit
from engine.jit import Bytes, UInt64s
from engine.words import folded, load_word

_SHORT = 1024  # bytes
_FIRST_KEY = 4  # words of the key before those that are added
_KEY_WORDS = _FIRST_KEY + _SHORT // 4
WORDS = types.Array(types.uint64, 1, "C", readonly=True)  # a kernel's parameter

# As constructors: what NumPy's stubs make of mixed numbers is not what Numba does.
_uint: Any = np.uint64
_EE: Any = np.uint64(0xEE)
_DD: Any = np.uint64(0xDD)
_V0: Any = np.uint64(0x736F6D6570736575)
_V1: Any = np.uint64(0x646F72616E646F6D)
_V2: Any = np.uint64(0x6C7967656E657261)
_V3: Any = np.uint64(0x7465646279746573)
_13: Any = np.uint64(13)
_16: Any = np.uint64(16)
_17: Any = np.uint64(17)
_21: Any = np.uint64(21)
_32: Any = np.uint64(32)
_64: Any = np.uint64(64)


def new_key() -> UInt64s:
    """A key that nobody outside this process knows."""
    return np.frombuffer(secrets.token_bytes(8 * _KEY_WORDS), np.uint64)


def words_of(data: bytes | memoryview | Bytes) -> tuple[Bytes, UInt64s]:
    """The bytes, and the same memory as words with one to spare: what `hash128` reads."""
    given: NDArray[np.uint8] = np.frombuffer(data, np.uint8)
    padded, words = room_for(len(given))
    padded[:] = given
    return padded, words


def words_for(size: int) -> int:
    """How many words `room_for` needs for so many bytes."""
    return size // 8 + 2


def room_for(size: int, words: UInt64s | None = None) -> tuple[Bytes, UInt64s]:
    """Memory for so many bytes, and the same as words with one to spare.

    `words`: the memory to use, `words_for` many.
    """
    if words is None:
        words = np.empty(words_for(size), np.uint64)
    padded = words.view(np.uint8)
    padded[size:] = 0
    return padded[:size], words


@jit.part
def _rotated(value: Any, bits: Any) -> Any:
    return (value << bits) | (value >> (_64 - bits))


@jit.part
def _round(v0: Any, v1: Any, v2: Any, v3: Any) -> tuple[Any, Any, Any, Any]:
    v0 += v1
    v1 = _rotated(v1, _13) ^ v0
    v0 = _rotated(v0, _32)
    v2 += v3
    v3 = _rotated(v3, _16) ^ v2
    v0 += v3
    v3 = _rotated(v3, _21) ^ v0
    v2 += v1
    v1 = _rotated(v1, _17) ^ v2
    v2 = _rotated(v2, _32)
    return v0, v1, v2, v3


@jit.part
def _word(words: UInt64s, at: int) -> Any:
    """Eight bytes from any place. Requires: a word behind the one that holds the last of them."""
    place, bits = at >> 3, _uint((at & 7) << 3)
    if bits == _uint(0):
        return words[place]
    return (words[place] >> bits) | (words[place + 1] << (_64 - bits))


@jit.part
def hash128(words: UInt64s, start: int, stop: int, key: UInt64s) -> tuple[Any, Any]:
    """128 bits for the bytes [start, stop) of `words_of`, by a key of `new_key`."""
    if stop - start > _SHORT or start < 0 or stop < start or (stop >> 3) + 2 > len(words):
        return _siphash(words, start, stop, key)
    if len(key) < _KEY_WORDS:
        return _siphash(words, start, stop, key)
    return _nh(words, start, stop, key)


@jit.loop_part
def _nh(words: UInt64s, start: int, stop: int, key: UInt64s) -> tuple[Any, Any]:
    """Sums of products of neighbouring words, each with a word of the key added.

    What is left of the last sixteen bytes is filled up with zeros, and the size is mixed in.
    """
    low = other_low = _uint(0)
    high = other_high = _uint(stop - start)
    place = _FIRST_KEY
    for at in range(start, stop, 16):
        a, b = load_word(words, at), _uint(0)
        left = stop - at
        if left > 8:
            b = load_word(words, at + 8)
            if left < 16:
                b &= (_uint(1) << _uint(8 * left - 64)) - _uint(1)
        elif left < 8:
            a &= (_uint(1) << _uint(8 * left)) - _uint(1)
        first, second = a + key[place], b + key[place + 1]
        product = first * second
        low += product
        high += jit.multiply_high(first, second) + _uint(low < product)
        first, second = a + key[place + 2], b + key[place + 3]
        product = first * second
        other_low += product
        other_high += jit.multiply_high(first, second) + _uint(other_low < product)
        place += 4
    return folded(low ^ key[0], high ^ key[1]), folded(other_low ^ key[2], other_high ^ key[3])


@jit.part
def _siphash(words: UInt64s, start: int, stop: int, key: UInt64s) -> tuple[Any, Any]:
    v0, v1, v2, v3 = key[0] ^ _V0, key[1] ^ _V1 ^ _EE, key[0] ^ _V2, key[1] ^ _V3
    size = stop - start
    for at in range(start, start + (size & ~7), 8):
        word = _word(words, at)
        v3 ^= word
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 ^= word
    rest = size & 7
    last = _uint(size & 255) << _uint(56)
    if rest:
        last |= _word(words, stop - rest) & ((_uint(1) << _uint(8 * rest)) - _uint(1))
    v3 ^= last
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0 ^= last
    v2 ^= _EE
    for _ in range(3):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    first = v0 ^ v1 ^ v2 ^ v3
    v1 ^= _DD
    for _ in range(3):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return first, v0 ^ v1 ^ v2 ^ v3
