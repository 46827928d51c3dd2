"""Types with a name of their own in PostgreSQL's binary format, from the texts that carry them.

Called by results.py for columns, each distinct text once. Formats: the `*send` functions of
PostgreSQL's src/backend/utils/adt. sql/named/unpack.py reads what is written here.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from functools import partial

import pyarrow as pa

from engine.datatypes import DataType, TypeId
from engine.named import Named, NamedKind
from server.encode.cells import Cells, VarCells, from_arrow
from server.encode.style import TextStyle
from server.postgres.types.arrays import Encoder
from server.postgres.types.oids import describe
from sql.decode.text import column_from_text
from sql.named.numerics import pack_numeric
from sql.named.ranges import Range, is_multirange, is_range, read_multirange, read_range, subtype
from sql.named.records import read_record
from sql.named.scalars import cents_of, timetz_parts

_EMPTY, _LOWER_INC, _UPPER_INC, _LOWER_INF, _UPPER_INF = 1, 2, 4, 8, 16
_INFINITE = {"infinity": 1, "-infinity": -1}
_INT64_MAX = (1 << 63) - 1
_INT32_MAX = (1 << 31) - 1


def named_cells(array: pa.Array, named: Named, style: TextStyle, encode: Encoder) -> VarCells:
    """The binary form of every text. Requires: the texts are as their type prints them."""
    pack = partial(_pack, named, _Plain(style, encode))
    if named.kind is NamedKind.ENUM:
        return from_arrow(array)
    distinct = array.dictionary_encode()
    packed = [pack(text) for text in distinct.dictionary.to_pylist()]
    return from_arrow(pa.array(packed, pa.binary()).take(distinct.indices))


class _Plain:
    """How bounds and fields of types without a name of their own are packed."""

    def __init__(self, style: TextStyle, encode: Encoder) -> None:
        self._style = style
        self._encode = encode

    def pack(self, type_: DataType, text: str) -> bytes:
        """One value of any type from its text."""
        if type_.named is not None:
            return _pack(type_.named, self, text)
        if type_.id is TypeId.DECIMAL:
            return pack_numeric(text)
        if text in _INFINITE and type_.id is not TypeId.STRING:
            return _endless(type_, _INFINITE[text])
        array = column_from_text(pa.array([text]), type_, "UTC", column="")
        cells: Cells = self._encode(array, type_, self._style)
        return cells.to_list()[0] or b""


def _endless(type_: DataType, sign: int) -> bytes:
    if type_.id is TypeId.DATE:
        return struct.pack("!i", _INT32_MAX if sign > 0 else -_INT32_MAX - 1)
    return struct.pack("!q", _INT64_MAX if sign > 0 else -_INT64_MAX - 1)


def _pack(named: Named, plain: _Plain, text: str) -> bytes:
    if named.kind is NamedKind.ENUM:
        return text.encode()
    if named.kind is NamedKind.COMPOSITE:
        return _record(named, plain, text)
    if is_multirange(named):
        ranges = read_multirange(named, text)
        packed = [_range(one, subtype(named), plain) for one in ranges]
        return struct.pack("!I", len(packed)) + b"".join(map(_sized, packed))
    if is_range(named):
        return _range(read_range(named, text), subtype(named), plain)
    return _SCALARS[named.name](text)


def _sized(data: bytes) -> bytes:
    return struct.pack("!i", len(data)) + data


def _range(one: Range, of: DataType, plain: _Plain) -> bytes:
    if one.empty:
        return bytes([_EMPTY])
    flags = _LOWER_INC * one.lower_inc | _UPPER_INC * one.upper_inc
    flags |= _LOWER_INF * (one.lower is None) | _UPPER_INF * (one.upper is None)
    bounds = (bound for bound in (one.lower, one.upper) if bound is not None)
    return bytes([flags]) + b"".join(_sized(plain.pack(of, bound)) for bound in bounds)


def _record(named: Named, plain: _Plain, text: str) -> bytes:
    out = struct.pack("!i", len(named.fields))
    for (_, type_), field in zip(named.fields, read_record(text), strict=True):
        out += struct.pack("!I", describe(type_).oid)
        out += struct.pack("!i", -1) if field is None else _sized(plain.pack(type_, field))
    return out


# --- Scalars --------------------------------------------------------------------------------------


def _timetz(text: str) -> bytes:
    micros, east = timetz_parts(text)
    return struct.pack("!qi", micros, -east)


def _money(text: str) -> bytes:
    return struct.pack("!q", cents_of(text))


def _bits(text: str) -> bytes:
    size = -(-len(text) // 8)
    number = int(text.ljust(8 * size, "0") or "0", 2)
    return struct.pack("!i", len(text)) + number.to_bytes(size, "big")


def _address(text: str, *, is_cidr: bool) -> bytes:
    body, _, length = text.partition("/")
    packed = ipaddress.ip_address(body).packed
    family = 2 if len(packed) == 4 else 3
    bits = int(length) if length else 8 * len(packed)
    return struct.pack("!BBBB", family, bits, is_cidr, len(packed)) + packed


def _hardware(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _lsn(text: str) -> bytes:
    high, low = text.split("/")
    return struct.pack("!II", int(high, 16), int(low, 16))


def _tid(text: str) -> bytes:
    block, place = text[1:-1].split(",")
    return struct.pack("!IH", int(block), int(place))


def _oid(text: str) -> bytes:
    return struct.pack("!I", int(text))


def _jsonb(text: str) -> bytes:
    return b"\x01" + text.encode()


_SCALARS: dict[str, Callable[[str], bytes]] = {
    "timetz": _timetz,
    "money": _money,
    "bit": _bits,
    "varbit": _bits,
    "inet": partial(_address, is_cidr=False),
    "cidr": partial(_address, is_cidr=True),
    "macaddr": _hardware,
    "macaddr8": _hardware,
    "pg_lsn": _lsn,
    "tid": _tid,
    "oid": _oid,
    "xid": _oid,
    "cid": _oid,
    "name": str.encode,
    "char": str.encode,
    "bpchar": str.encode,
    "void": str.encode,
    "jsonb": _jsonb,
    "xml": str.encode,
    "jsonpath": _jsonb,
}
