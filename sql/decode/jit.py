"""The machinery of kernels under the name that this package's modules know: see `engine.jit`."""

from __future__ import annotations

from engine.jit import (
    BYTES,
    INT,
    INT64S,
    OFFSETS,
    OUT_BYTES,
    OUT_INT32,
    OUT_INT64,
    OUT_UINT64,
    UINT,
    UNCOUNTED,
    Bytes,
    Int32s,
    Int64s,
    UInt64s,
    array_part,
    declare,
    is_pending,
    kernel,
    part,
    warm,
)

__all__ = [
    "BYTES",
    "INT",
    "INT64S",
    "OFFSETS",
    "OUT_BYTES",
    "OUT_INT32",
    "OUT_INT64",
    "OUT_UINT64",
    "UINT",
    "UNCOUNTED",
    "Bytes",
    "Int32s",
    "Int64s",
    "UInt64s",
    "array_part",
    "declare",
    "is_pending",
    "kernel",
    "part",
    "warm",
]
