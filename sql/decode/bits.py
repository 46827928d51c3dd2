"""MySQL's BIT columns: numbers of so many bits, which clients send as bytes, the highest first.

Called by assign.py. Source: MySQL 8.4 reference, "Bit-Value Type - BIT".
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from catalog.records import Column
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind

_BITS = re.compile(r"bit\((\d{1,2})\)")
_BYTES_MAX = 8


def bits_of(column: Column) -> int:
    """How many bits the column holds; 0 if it is none of BIT."""
    found = _BITS.fullmatch(column.declared) if column.type.id is TypeId.UINT64 else None
    return 0 if found is None else int(found[1])


def from_bytes(array: pa.Array, column: Column) -> pa.Array:
    """Texts or bytes as the numbers they are. Raises: DbError OUT_OF_RANGE for too many bits."""
    data = array.cast(pa.binary())
    ends = np.frombuffer(data.buffers()[1], np.int32)[data.offset : data.offset + len(data) + 1]
    raw = np.frombuffer(data.buffers()[2] or b"", np.uint8)
    lengths = np.diff(ends)
    numbers = np.zeros(len(data), np.uint64)
    for place in range(min(int(lengths.max(initial=0)), _BYTES_MAX)):
        there = np.flatnonzero(lengths > place)
        found = raw[ends[1:][there] - 1 - place].astype(np.uint64)
        numbers[there] |= found << np.uint64(8 * place)
    limit = np.uint64((1 << bits_of(column)) - 1)
    if (lengths > _BYTES_MAX).any() or (numbers > limit).any():
        raise DbError(
            ErrorKind.OUT_OF_RANGE, f'value out of range for {column.declared} "{column.name}"'
        )
    return pa.array(numbers, pa.uint64(), mask=np.asarray(array.is_null()))
