"""The kernel that writes samples as the Prometheus API shows them: `[1435781430.781,"1"]`.

Called by result_json.py for all series of an answer at once. It never sees labels.
"""

from __future__ import annotations

import numpy as np
from numba import types as nt

from engine.jit import Bytes, Int64s
from server.encode.cells import Offsets
from server.encode.kernel import (
    INT,
    READ_BYTES,
    READ_INT32,
    READ_INT64,
    WRITE_BYTES,
    WRITE_INT64,
    kernel,
)
from server.encode.times import put_digits
from sql.promql.model import Floats

READ_FLOATS = nt.Array(nt.float64, 1, "C", readonly=True)
# Brackets, quotes and commas, a sign and 20 characters of time; a number without a text.
POINT_BYTES = 32
NUMBER_BYTES = 24

# Below this every number of whole units is told apart by a double, whatever the unit.
_DIGITS_15 = 1e15
_SMALLEST = 1e-6  # below it Go writes an exponent


@kernel(INT(WRITE_BYTES, INT, nt.float64))
def put_short(out: Bytes, at: int, number: float) -> int:
    """Writes a number of at most 15 digits; -1 for one of more, or without plain digits.

    With that few digits no other decimal reads back as the same double, so these are the shortest.
    """
    size = abs(number)
    if not _SMALLEST <= size < _DIGITS_15 and (size != 0 or np.signbit(number)):
        return -1
    scale = 1.0
    decimals = 0
    whole = np.floor(size + 0.5)
    while whole / scale != size:
        scale *= 10.0
        decimals += 1
        whole = np.floor(size * scale + 0.5)
        if whole >= _DIGITS_15 or decimals > 20:
            return -1
    if number < 0:
        out[at] = 45
        at += 1
    if decimals == 0:
        return put_digits(out, at, int(whole), 1)
    units = int(scale) if decimals < 19 else 0
    if units == 0:
        return -1
    at = put_digits(out, at, int(whole) // units, 1)
    out[at] = 46
    return put_digits(out, at + 1, int(whole) % units, decimals)


@kernel(INT(WRITE_BYTES, INT, INT))
def put_seconds(out: Bytes, at: int, milliseconds: int) -> int:
    """Writes a time as seconds, with three decimals if it is no whole number of them."""
    if milliseconds < 0:
        out[at] = 45
        at += 1
        milliseconds = -milliseconds
    at = put_digits(out, at, milliseconds // 1000, 1)
    if milliseconds % 1000:
        out[at] = 46
        at = put_digits(out, at + 1, milliseconds % 1000, 3)
    return at


@kernel(INT(READ_INT64, READ_FLOATS, READ_INT32, READ_BYTES, READ_INT64, WRITE_BYTES, WRITE_INT64))
def write_points(
    times: Int64s,
    values: Floats,
    texts: Offsets,
    data: Bytes,
    offsets: Int64s,
    out: Bytes,
    ends: Int64s,
) -> int:
    """The samples of each series with commas between.

    Series k has samples offsets[k] to offsets[k + 1] and gets out[ends[k] : ends[k + 1]]. The text
    of value i is data[texts[i] : texts[i + 1]]; without any `texts` values are written here.
    Returns: 0; -1 if a value needs a text.
    Requires: POINT_BYTES per sample and the texts, or NUMBER_BYTES for each of those.
    """
    at = 0
    for k in range(len(offsets) - 1):
        for i in range(offsets[k], offsets[k + 1]):
            if i > offsets[k]:
                out[at] = 44
                at += 1
            out[at] = 91
            at = put_seconds(out, at + 1, times[i])
            out[at] = 44
            out[at + 1] = 34
            at += 2
            if len(texts):
                for j in range(texts[i], texts[i + 1]):
                    out[at] = data[j]
                    at += 1
            else:
                at = put_short(out, at, values[i])
                if at < 0:
                    return -1
            out[at] = 34
            out[at + 1] = 93
            at += 2
        ends[k + 1] = at
    return 0
