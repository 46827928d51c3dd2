"""`INTERVAL DAY TO SECOND` and `INTERVAL(3)`: which parts of an interval a column keeps.

Called for whole rows before they are stored (lengths.py) and by pg_catalog, which tells the fields
as PostgreSQL packs them into a type's modifier: DecodeInterval's masks above, digits below.
https://www.postgresql.org/docs/15/datatype-datetime.html#DATATYPE-INTERVAL-INPUT
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa

_BITS = {"YEAR": 2, "MONTH": 1, "DAY": 3, "HOUR": 10, "MINUTE": 11, "SECOND": 12}
_SPANS = (
    *("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "YEAR TO MONTH", "DAY TO HOUR"),
    *("DAY TO MINUTE", "DAY TO SECOND", "HOUR TO MINUTE", "HOUR TO SECOND", "MINUTE TO SECOND"),
)
_ALL_FIELDS, _ALL_DIGITS = 0x7FFF, 0xFFFF
_DECLARED = re.compile(r"INTERVAL(?: ([A-Z ]+))?(?:\((\d)\))?", re.IGNORECASE)
_NANOS = {"DAY": 86_400 * 10**9, "HOUR": 3_600 * 10**9, "MINUTE": 60 * 10**9}
_PARTS = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])


def _mask(span: str) -> int:
    names = list(_BITS)
    first, _, last = span.partition(" TO ")
    between = names[names.index(first) : names.index(last or first) + 1]
    return sum(1 << _BITS[name] for name in between)


_MASKS = {_mask(span): span for span in _SPANS}
MODIFIERS = (
    *(mask << 16 | _ALL_DIGITS for mask in _MASKS),
    *(_ALL_FIELDS << 16 | digits for digits in range(7)),
)


def modifier(declared: str) -> int:
    """The type's modifier, -1 for an interval that keeps everything.

    >>> spelled(modifier("INTERVAL DAY TO SECOND")), spelled(modifier("INTERVAL(3)"))
    ('interval day to second', 'interval(3)')
    """
    found = _DECLARED.fullmatch(declared)
    if found is None or not (found[1] or found[2]):
        return -1
    fields = _mask(found[1].upper()) if found[1] else _ALL_FIELDS
    return fields << 16 | (min(int(found[2]), 6) if found[2] else _ALL_DIGITS)


def spelled(modifier: int) -> str:
    """What format_type() says of an interval with this modifier."""
    fields, digits = modifier >> 16, modifier & _ALL_DIGITS
    span = f" {_MASKS[fields].lower()}" if fields in _MASKS else ""
    return f"interval{span}" + (f"({digits})" if digits != _ALL_DIGITS else "")


def kept_fields(declared: str, values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The intervals without what is smaller than the last field; seconds are rounded to digits."""
    number = modifier(declared)
    if number < 0 or not pa.types.is_interval(values.type):
        return values
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    parts = np.frombuffer(values.buffers()[1], _PARTS)[values.offset :][: len(values)].copy()
    _keep(parts, _MASKS.get(number >> 16, "SECOND"), number & _ALL_DIGITS)
    mask = None if not values.null_count else np.asarray(values.is_valid())
    valid = None if mask is None else pa.array(mask).buffers()[1]
    return pa.Array.from_buffers(values.type, len(values), [valid, pa.py_buffer(parts)])


def _keep(parts: np.ndarray[Any, Any], span: str, digits: int) -> None:
    last = span.rpartition(" TO ")[2]
    if last in ("YEAR", "MONTH"):
        parts["days"] = parts["nanos"] = 0
    if last == "YEAR":
        parts["months"] = np.fix(parts["months"] / 12).astype(np.int32) * 12
    unit = _NANOS.get(last)
    if unit is not None:
        nanos = parts["nanos"]
        parts["nanos"] = 0 if last == "DAY" else np.sign(nanos) * (np.abs(nanos) // unit * unit)
    if digits < 6:
        step = 10 ** (9 - digits)
        nanos = parts["nanos"]
        parts["nanos"] = np.sign(nanos) * ((np.abs(nanos) + step // 2) // step * step)
