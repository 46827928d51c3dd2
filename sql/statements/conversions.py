"""Which types a stored field can be changed to.

Old values are converted when they are read, by DuckDB's TRY_CAST: what does not fit reads as NULL.
A pair of types where nothing would ever fit is no change of type but a loss of the column.
"""

from __future__ import annotations

from engine.datatypes import DataType, TypeId

_TEXTS = frozenset({TypeId.STRING, TypeId.JSON, TypeId.UUID})
_TIMES = frozenset({TypeId.DATE, TypeId.TIME, TypeId.TIMESTAMP_TZ})
_BITS = {
    TypeId.INT8: 7,
    TypeId.INT16: 15,
    TypeId.INT32: 31,
    TypeId.INT64: 63,
    TypeId.UINT8: 8,
    TypeId.UINT16: 16,
    TypeId.UINT32: 32,
    TypeId.UINT64: 64,
    TypeId.FLOAT32: 24,
    TypeId.FLOAT64: 53,
}


def converts(old: DataType, new: DataType) -> bool:
    """True if values of a type can be shown in another.

    >>> from engine.datatypes import DATE, INT64, STRING
    >>> converts(INT64, STRING), converts(STRING, INT64), converts(INT64, DATE)
    (True, True, False)
    """
    if new.id is TypeId.STRING:
        return old.id is not TypeId.BINARY
    if old.id in _TEXTS:
        return _is_number(new) or _is_time(new)
    if _is_number(old):
        return _is_number(new)
    if not (_is_time(old) and _is_time(new)):
        return False
    if TypeId.TIME in (old.id, new.id):  # a time of day is part of a moment, not the reverse
        return new.id is TypeId.TIME and old.is_timestamp
    # DuckDB has no way from nanoseconds to seconds.
    return not (old.id is TypeId.TIMESTAMP_NANOSECOND and new.id is TypeId.TIMESTAMP_SECOND)


def keeps_every_value(old: DataType, new: DataType) -> bool:
    """True if every value of the old type fits the new one, so that none can become NULL.

    >>> from engine.datatypes import INT32, INT64
    >>> keeps_every_value(INT32, INT64), keeps_every_value(INT64, INT32)
    (True, False)
    """
    if new.id is TypeId.STRING:
        return converts(old, new)
    if old.is_integer and new.is_integer:
        unsigned_to_signed = old.id.value[:1] == "U" or new.id.value[:1] != "U"
        return unsigned_to_signed and _BITS[old.id] <= _BITS[new.id]
    if new.id in (TypeId.FLOAT32, TypeId.FLOAT64):
        return _is_number(old)
    return old.id is TypeId.BOOLEAN and new.is_integer


def _is_number(type_: DataType) -> bool:
    return type_.is_numeric or type_.id is TypeId.BOOLEAN


def _is_time(type_: DataType) -> bool:
    return type_.is_timestamp or type_.id in _TIMES
