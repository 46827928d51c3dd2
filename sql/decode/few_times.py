"""A few timestamps of the usual form, read without a kernel while kernels are being compiled.

Called by times.py. What is not of that form, or out of range, is left to the kernel.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from sql.decode.cells import Cells
from sql.decode.jit import Bytes, Int64s
from sql.decode.kernels import KIND, NULL, STRING
from sql.decode.time_kernels import NAIVE

FEW = 1_000
_USUAL = re.compile(rb"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - as if in UTC, like the texts
_SECOND = timedelta(seconds=1)
_VALUE_MAX = 1 << 62


def read_few(cells: Cells, per_second: int, out: Int64s, status: Bytes) -> int | None:
    """As `parse_timestamps`; None if one cell is not of the usual form."""
    together = 0
    for row in range(cells.size):
        cell = cells.first + row * cells.step
        out[row] = status[row] = 0
        if cells.kinds[cell] & KIND == NULL:
            continue
        value = None
        if cells.kinds[cell] == STRING:
            value = _value(cells.data[cells.starts[cell] : cells.ends[cell]].tobytes(), per_second)
        if value is None:
            return None
        out[row], status[row] = value, NAIVE
        together = NAIVE
    return together


def _value(text: bytes, per_second: int) -> int | None:
    found = _USUAL.fullmatch(text)
    if found is None:
        return None
    try:
        moment = datetime(*(int(part) for part in found.groups()[:6]))  # type: ignore[arg-type] # noqa: DTZ001
    except ValueError:
        return None
    nanos = int((found[7] or b"").ljust(9, b"0"))
    step = 1_000_000_000 // per_second
    value = (moment - _EPOCH) // _SECOND * per_second + (nanos + step // 2) // step
    return value if abs(value) < _VALUE_MAX else None
