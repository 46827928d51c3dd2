"""Types with a name of their own in PostgreSQL's binary format, from the texts that carry them.

Called by results.py for columns, each distinct text once. Formats: the `*send` functions of
PostgreSQL's src/backend/utils/adt. sql/named/unpack.py reads what is written here.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import DataType, TypeId
from engine.named import Named, NamedKind
from server.encode.cells import Cells, FixedCells, from_arrow, validity, values
from server.encode.style import TextStyle
from server.postgres.types.arrays import Encoder
from server.postgres.types.oids import describe
from sql.decode.text import column_from_text
from sql.lexemes.configurations import OIDS
from sql.lexemes.queries import pack_query
from sql.lexemes.vectors import pack_vector
from sql.named import geometric
from sql.named.hstore import pack_hstore
from sql.named.numerics import pack_numeric
from sql.named.ranges import Range, is_multirange, is_range, read_multirange, read_printed, subtype
from sql.named.records import read_record
from sql.named.scalars import cents_of, timetz_parts

_EMPTY, _LOWER_INC, _UPPER_INC, _LOWER_INF, _UPPER_INF = 1, 2, 4, 8, 16
_INFINITE = {"infinity": 1, "-infinity": -1}
_NULL = struct.pack("!i", -1)
_AS_TEXT = frozenset({"name", "char", "bpchar", "void", "xml", "citext"})
_VERSIONED = frozenset({"jsonb", "jsonpath"})  # texts behind a version, 1
_NUMBERS = frozenset({"oid", "xid", "cid"})
_INT64_MAX = (1 << 63) - 1
_INT32_MAX = (1 << 31) - 1


def named_cells(array: pa.Array, named: Named, style: TextStyle, encode: Encoder) -> Cells:
    """The binary form of every text. Requires: the texts are as their type prints them."""
    if named.name == "char":  # one byte, which is zero in an empty text
        return from_arrow(pc.replace_substring_regex(array.cast(pa.binary()), "^$", "\0"))
    if named.kind is NamedKind.ENUM or named.name in _AS_TEXT:
        return from_arrow(array)
    if named.name in _VERSIONED:
        return from_arrow(pc.binary_join_element_wise(b"\x01", array.cast(pa.binary()), b""))
    if named.name in _NUMBERS:
        numbers = values(array.cast(pa.uint32()), "u4").astype(">u4")
        return FixedCells(numbers.view(np.uint8).reshape(-1, 4), validity(array))
    distinct = array.dictionary_encode()
    packed = _pack(named, _Plain(style, encode), distinct.dictionary.to_pylist())
    return from_arrow(pa.array(packed, pa.binary()).take(distinct.indices))


class _Plain:
    """How bounds and fields of types without a name of their own are packed."""

    def __init__(self, style: TextStyle, encode: Encoder) -> None:
        self._style = style
        self._encode = encode

    def pack(self, type_: DataType, texts: list[str]) -> list[bytes]:
        """Values of any type from their texts."""
        if type_.named is not None:
            return _pack(type_.named, self, texts)
        if type_.id is TypeId.DECIMAL:
            return [pack_numeric(text) for text in texts]
        endless = {} if type_.id is TypeId.STRING else _INFINITE
        finite = [None if text in endless else text for text in texts]
        array = column_from_text(pa.array(finite, pa.string()), type_, "UTC", column="")
        cells = self._encode(array, type_, self._style).to_list()
        return [
            _endless(type_, endless[text]) if text in endless else cell or b""
            for text, cell in zip(texts, cells, strict=True)
        ]


def _endless(type_: DataType, sign: int) -> bytes:
    if type_.id is TypeId.DATE:
        return struct.pack("!i", _INT32_MAX if sign > 0 else -_INT32_MAX - 1)
    return struct.pack("!q", _INT64_MAX if sign > 0 else -_INT64_MAX - 1)


def _pack(named: Named, plain: _Plain, texts: list[str]) -> list[bytes]:
    if named.kind is NamedKind.ENUM:
        return [text.encode() for text in texts]
    if named.kind is NamedKind.COMPOSITE:
        return _records(named, plain, texts)
    if is_multirange(named):
        parts = [read_multirange(named, text) for text in texts]
        ranges = iter(_ranges([one for part in parts for one in part], subtype(named), plain))
        return [
            struct.pack("!I", len(part)) + b"".join(_sized(next(ranges)) for _ in part)
            for part in parts
        ]
    if is_range(named):
        return _ranges([read_printed(text) for text in texts], subtype(named), plain)
    return [_SCALARS[named.name](text) for text in texts]


def _sized(data: bytes) -> bytes:
    return struct.pack("!i", len(data)) + data


def _ranges(ranges: list[Range], of: DataType, plain: _Plain) -> list[bytes]:
    """Ranges; their bounds are packed together, as a column."""
    bounds = [[b for b in (one.lower, one.upper) if b is not None] for one in ranges]
    packed = iter(plain.pack(of, [bound for pair in bounds for bound in pair]))
    found = []
    for one, pair in zip(ranges, bounds, strict=True):
        flags = _LOWER_INC * one.lower_inc | _UPPER_INC * one.upper_inc
        flags |= _LOWER_INF * (one.lower is None) | _UPPER_INF * (one.upper is None)
        ends = b"".join(_sized(next(packed)) for _ in pair)
        found.append(bytes([_EMPTY]) if one.empty else bytes([flags]) + ends)
    return found


def _records(named: Named, plain: _Plain, texts: list[str]) -> list[bytes]:
    """Composites; each field is packed as a column."""
    records = [read_record(text) for text in texts]
    out = [struct.pack("!i", len(named.fields)) for _ in texts]
    for place, (_, type_) in enumerate(named.fields):
        # A record of one NULL is written as if it had no field.
        fields = [record[place] if place < len(record) else None for record in records]
        packed = iter(plain.pack(type_, [field for field in fields if field is not None]))
        head = struct.pack("!I", describe(type_).oid)
        for row, field in enumerate(fields):
            out[row] += head + (_NULL if field is None else _sized(next(packed)))
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


def _snapshot(text: str) -> bytes:
    first, after, between = text.split(":")
    numbers = [int(word) for word in between.split(",") if word]
    return struct.pack(f"!iqq{len(numbers)}q", len(numbers), int(first), int(after), *numbers)


def _oid(text: str) -> bytes:
    return struct.pack("!I", int(text))


def _regconfig(text: str) -> bytes:
    return struct.pack("!I", OIDS[text])


def _xid8(text: str) -> bytes:
    return struct.pack("!Q", int(text))


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
    "tsvector": pack_vector,
    "tsquery": pack_query,
    "regconfig": _regconfig,
    "txid_snapshot": _snapshot,
    "pg_snapshot": _snapshot,
    "xid8": _xid8,
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
    **{name: geometric.packer_of(name) for name in geometric.NAMES},
    "numeric": pack_numeric,
    "hstore": pack_hstore,
    "citext": str.encode,
}
