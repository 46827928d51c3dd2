"""Bytes that are ordered as values of a type are, for types whose texts are not.

What ORDER BY, <, min() and their kin compare in the place of the text.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from engine.datatypes import DataType, TypeId
from engine.named import Named
from sql.named.algebra import element_of, ranges_of
from sql.named.ranges import Range, is_multirange, is_range, key_of
from sql.named.scalars import cents_of, timetz_parts

_SHIFT = 1 << 63


def is_keyed(named: Named) -> bool:
    """True for a type whose texts have another order than its values."""
    return is_range(named) or is_multirange(named) or named.name in _SCALARS


def key(named: Named, text: str) -> bytes:
    """Requires: `is_keyed(named)`, and the text is as the type prints it."""
    scalar = _SCALARS.get(named.name)
    if scalar is not None:
        return scalar(text)
    of = element_of(named)
    return b"".join(b"\1" + _range(one, of) for one in ranges_of(named, text)) + b"\0"


def _range(one: Range, of: DataType) -> bytes:
    """Ranges are ordered by their lower bounds, then by their upper ones."""
    low = b"\0" if one.lower is None else b"\1" + _value(one.lower, of)
    high = b"\2" if one.upper is None else b"\1" + _value(one.upper, of)
    return low + bytes([not one.lower_inc]) + high + bytes([one.upper_inc])


def _value(text: str, of: DataType) -> bytes:
    if of.is_integer:
        return _whole(int(text))
    if of.id is TypeId.DECIMAL:
        return _number(Decimal(text))
    if of.id in (TypeId.FLOAT32, TypeId.FLOAT64):
        return _number(Decimal(float(text)))
    found: Any = key_of(of)(text)
    if isinstance(found, str):
        return found.encode() + b"\0"
    numbers = b"".join(_whole(part) for part in found if isinstance(part, int))
    return numbers + "".join(part for part in found if isinstance(part, str)).encode() + b"\0"


def _whole(number: int) -> bytes:
    return struct.pack(">Q", number + _SHIFT)


def _number(value: Decimal) -> bytes:
    """Sign, exponent and digits; those of negative numbers turned round."""
    if value.is_nan():
        return b"\5"
    if value.is_infinite():
        return b"\4" if value > 0 else b"\0"
    if value == 0:
        return b"\2"
    digits = "".join(map(str, value.as_tuple().digits)).lstrip("0").rstrip("0")
    body = struct.pack(">I", value.adjusted() + (1 << 31)) + digits.encode() + b"\0"
    if value > 0:
        return b"\3" + body
    return b"\1" + bytes(255 - byte for byte in body)


def _timetz(text: str) -> bytes:
    micros, east = timetz_parts(text)
    return _whole(micros - east * 1_000_000) + _whole(-east)


def _address(text: str) -> bytes:
    body, _, length = text.partition("/")
    address = ipaddress.ip_address(body)
    bits = int(length) if length else address.max_prefixlen
    network = int(address) >> (address.max_prefixlen - bits) << (address.max_prefixlen - bits)
    size = len(address.packed)
    return bytes([size]) + network.to_bytes(size, "big") + bytes([bits]) + address.packed


def _lsn(text: str) -> bytes:
    high, low = text.split("/")
    return struct.pack(">II", int(high, 16), int(low, 16))


def _tid(text: str) -> bytes:
    block, place = text[1:-1].split(",")
    return struct.pack(">II", int(block), int(place))


_SCALARS: dict[str, Callable[[str], bytes]] = {
    "money": lambda text: _whole(cents_of(text)),
    "timetz": _timetz,
    "inet": _address,
    "cidr": _address,
    "pg_lsn": _lsn,
    "tid": _tid,
    "xid8": lambda text: struct.pack(">Q", int(text)),
}
