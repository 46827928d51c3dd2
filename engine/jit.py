"""How Numba kernels are compiled: lazily, for one signature each, cached on disk.

Importing a module of kernels costs nothing. Whoever calls a kernel first compiles it (or loads it
from the cache), it alone; all others that call it wait. `warm` makes all ready that were declared
so far: a server calls it at start, in the background.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock
from typing import Any, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from engine.jit_stamp import check_parts, heed_parts

Function = TypeVar("Function", bound=Callable[..., Any])

# The same as Python sees them.
Bytes = NDArray[np.uint8]
Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
UInt64s = NDArray[np.uint64]

# Parameter types of kernels. A read-only array also accepts a writable one.
BYTES = types.Array(types.uint8, 1, "C", readonly=True)
OFFSETS = types.Array(types.int32, 1, "C", readonly=True)
INT64S = types.Array(types.int64, 1, "C", readonly=True)
OUT_BYTES = types.uint8[::1]
OUT_INT32 = types.int32[::1]
OUT_INT64 = types.int64[::1]
OUT_UINT64 = types.uint64[::1]
INT = types.int64
UINT = types.uint64
# Options of Numba's for functions that count no references to arrays: see `part`.
UNCOUNTED: dict[str, Any] = {"_nrt": False}


class _Kernel:
    """A dispatcher of Numba's that is compiled once, for one signature."""

    def __init__(self, dispatcher: Any, signature: Any) -> None:
        self._dispatcher = dispatcher
        self._signature = signature
        self._lock = Lock()
        self._is_ready = False
        # Asked by Numba what to call instead, where it finds nothing compiled for a call.
        dispatcher._compile_for_args = self._first_call

    @property
    def has_cache(self) -> bool:
        """True if something was compiled before in its folder; whether it still counts, it says."""
        return any(Path(self._dispatcher.stats.cache_path).glob("*.nbi"))

    def make_ready(self) -> bool:
        """Compiles it; True if that was done from nothing, not from the cache."""
        with self._lock:
            if self._is_ready:
                return False
            heed_parts(self._dispatcher)
            self._dispatcher.compile(self._signature)
            check_parts(self._dispatcher)
            self._dispatcher.disable_compile()
            self._is_ready = True
        return bool(self._dispatcher.stats.cache_misses)

    def _first_call(self, *_: Any) -> Any:
        self.make_ready()
        return self._dispatcher


_declared: list[_Kernel] = []  # that `warm` has not met yet
_was_warmed = Event()
_is_filled = Event()  # the cache on disk, by another process, just now


def kernel(*signature: Any) -> Callable[[Function], Function]:
    """Declares a kernel with exactly these parameter types.

    It runs without the GIL and with bounds checked: malformed input must become an error of ours
    or at worst an IndexError, never a wild read.
    """

    def compile_later(function: Function) -> Function:
        compiled: Any = numba.njit(cache=True, nogil=True, boundscheck=True)(function)
        declare(compiled, signature)
        return compiled  # type: ignore[no-any-return]

    return compile_later


def declare(compiled: Any, signature: Any) -> None:
    """Makes a Numba dispatcher a kernel, compiled for one signature.

    It takes no lock: it runs while a module is imported, and who compiles may wait for that import.
    """
    _declared.append(_Kernel(compiled, signature))


def part(function: Function) -> Function:
    """Declares a piece of kernels: compiled into those that call it, never called from Python.

    It makes no arrays, not even slices or sorted ones (`array_part` does), and returns none. So it
    need not count who holds those that it gets: two atomic additions for each at every call, which
    took three quarters of the time of reading known series.
    """
    compiled: Any = numba.njit(nogil=True, boundscheck=True, **UNCOUNTED)(function)
    return compiled  # type: ignore[no-any-return]


def array_part(function: Function) -> Function:
    """As `part`, for one that makes arrays: slices, sorted ones, ones of its own."""
    compiled: Any = numba.njit(nogil=True, boundscheck=True)(function)
    return compiled  # type: ignore[no-any-return]


def loop_part(function: Function) -> Function:
    """As `part`, without bounds checks: for loops whose whole range is checked before them."""
    compiled: Any = numba.njit(nogil=True, boundscheck=False, **UNCOUNTED)(function)
    return compiled  # type: ignore[no-any-return]


def _multiply_high(_context: Any, _a: Any, _b: Any) -> Any:
    """In kernels only: the upper 64 bits of the product of two unsigned words.

    One machine instruction, which four products of half words are not.
    """

    def generate(_context: Any, builder: Any, _signature: Any, words: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(word, wide) for word in words))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


def _copy_words(_context: Any, _to: Any, _at: Any, _source: Any, _start: Any) -> Any:
    """In kernels only: copies 16 bytes between arrays of bytes, at any places, in one move.

    Requires: both are contiguous and hold so many bytes from there on. Nothing checks it.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.VectorType(ir.IntType(8), 16).as_pointer()
        to, at, source, start = arguments

        def pointer(array: Any, kind: Any, place: Any) -> Any:
            made = context.make_array(kind)(context, builder, array)
            return builder.bitcast(builder.gep(made.data, [place]), wide)

        word = builder.load(pointer(source, signature.args[2], start), align=1)
        builder.store(word, pointer(to, signature.args[0], at), align=1)
        return context.get_dummy_value()

    return types.void(_to, types.intp, _source, types.intp), generate


def _put_int32(_context: Any, _to: Any, _at: Any, _number: Any) -> Any:
    """In kernels only: writes four bytes, the highest first, in one move.

    Requires: the array of bytes has room there. Nothing checks it.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, at, number = arguments
        word = builder.bswap(builder.trunc(number, ir.IntType(32)))
        data = context.make_array(signature.args[0])(context, builder, to).data
        place = builder.bitcast(builder.gep(data, [at]), ir.IntType(32).as_pointer())
        builder.store(word, place, align=1)
        return context.get_dummy_value()

    return types.void(_to, types.intp, types.int64), generate


def _double_of(_context: Any, _bits: Any) -> Any:
    """In kernels only: the double of 64 bits."""

    def generate(_context: Any, builder: Any, _signature: Any, words: Any) -> Any:
        return builder.bitcast(words[0], ir.DoubleType())

    return types.float64(types.uint64), generate


multiply_high: Any = intrinsic(_multiply_high)
copy_words: Any = intrinsic(_copy_words)
put_int32: Any = intrinsic(_put_int32)
double_of: Any = intrinsic(_double_of)


def _next_declared() -> _Kernel | None:
    try:
        return _declared[0]
    except IndexError:
        return None


def is_cold() -> bool:
    """True if the on-disk cache has nothing for the next kernel to be made ready."""
    one = _next_declared()
    return one is not None and not one.has_cache


def is_warm() -> bool:
    """True once `warm` has made all kernels ready that were declared till then."""
    return _was_warmed.is_set()


def make_ready(share: slice) -> None:
    """Makes a share of the kernels ready that were declared so far."""
    for one in _declared[share]:
        one.make_ready()


@contextmanager
def filling() -> Iterator[None]:
    """While another process compiles what the cache on disk lacks; see `is_pending`."""
    _is_filled.set()
    try:
        yield
    finally:
        _is_filled.clear()


def is_pending(compiled: Any) -> bool:
    """True if a kernel's call would compile what another process is about to have compiled.

    That takes seconds, of all statements: who has another way for a little work takes it.
    """
    return _is_filled.is_set() and not compiled.signatures


def warm(one_done: Callable[[bool, int], None] | None = None) -> None:
    """Makes ready what was declared since the last call; cheap when there is nothing to do.

    After this no call compiles: a wrong argument type is a TypeError instead of a pause. `one_done`
    is told after each whether it had to be compiled from nothing, and how many are left.
    """
    while (one := _next_declared()) is not None:
        was_cold = one.make_ready()
        with suppress(ValueError):  # another thread may have met it too
            _declared.remove(one)
        if one_done is not None:
            one_done(was_cold, len(_declared))
    _was_warmed.set()
