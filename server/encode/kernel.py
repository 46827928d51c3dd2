"""The one way encoders compile loops: Numba, cached on disk, without the GIL, with bounds checked.

Bounds stay checked because a wrong offset must become an error, never a wild read or write.
Importing compiles nothing: `engine.jit.warm` compiles (or loads) all kernels of the process, and
a call before that compiles its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba import types as nt

from sql.decode import jit

P = ParamSpec("P")
T = TypeVar("T")

# Signature parts. Read-only arrays also accept writable ones; Arrow's buffers are read-only.
READ_BYTES = nt.Array(nt.uint8, 1, "C", readonly=True)
READ_INT32 = nt.Array(nt.int32, 1, "C", readonly=True)
READ_INT64 = nt.Array(nt.int64, 1, "C", readonly=True)
READ_UINT64 = nt.Array(nt.uint64, 1, "C", readonly=True)
READ_MASK = nt.Array(nt.boolean, 1, "C", readonly=True)
WRITE_BYTES = nt.uint8[::1]
WRITE_MATRIX = nt.uint8[:, ::1]
WRITE_INT32 = nt.int32[::1]
WRITE_INT64 = nt.int64[::1]
INT = nt.int64
BOOL = nt.boolean
VOID = nt.void


def kernel(signature: object) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Declares a kernel with one signature, which makes no arrays: see `engine.jit.part`."""
    return _declared(signature, boundscheck=True, **jit.UNCOUNTED)


def array_kernel(signature: object) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """As `kernel`, for one that makes arrays of its own."""
    return _declared(signature, boundscheck=True)


def kernel_unchecked(signature: object) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """As `kernel`, for an inner function that checks its whole range once before its loop."""
    return _declared(signature, boundscheck=False, **jit.UNCOUNTED)


def _declared(signature: object, **options: Any) -> Callable[[Callable[P, T]], Callable[P, T]]:
    def declare(function: Callable[P, T]) -> Callable[P, T]:
        compiled: Any = numba.njit(cache=True, nogil=True, **options)(function)
        jit.declare(compiled, signature)
        return cast(Callable[P, T], compiled)

    return declare
