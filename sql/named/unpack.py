"""PostgreSQL's binary form of types with a name of their own, read into the text they print.

Called for parameters and for COPY. Formats: the `*recv` functions of src/backend/utils/adt. What
does not fit raises ValueError, IndexError or struct.error, which the callers tell with a place.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np

from engine.datatypes import TIMESTAMP_UNITS, DataType, TypeId
from engine.named import Named, NamedKind
from sql.decode.binary import convert_binary
from sql.decode.cells import Cells, Unescape
from sql.decode.kernels import STRING
from sql.lexemes.queries import unpack_query
from sql.lexemes.vectors import unpack_vector
from sql.named import geometric
from sql.named.hstore import unpack_hstore
from sql.named.numerics import unpack_numeric
from sql.named.plain import show_value
from sql.named.ranges import Range, is_multirange, is_range, range_of, shown_multirange, subtype
from sql.named.read import array_item
from sql.named.records import show_record
from sql.named.scalars import show_address, show_money, show_timetz

_EMPTY, _LOWER_INC, _UPPER_INC, _LOWER_INF, _UPPER_INF = 1, 2, 4, 8, 16
_NULL = -1
_TIMES = frozenset({TypeId.DATE, TypeId.TIMESTAMP_TZ, *TIMESTAMP_UNITS})
_ENDLESS = {  # of times and of dates
    **dict.fromkeys((b"\x7f" + b"\xff" * 7, b"\x7f" + b"\xff" * 3), "infinity"),
    **dict.fromkeys((b"\x80" + b"\0" * 7, b"\x80" + b"\0" * 3), "-infinity"),
}


def unpack(named: Named, data: bytes) -> str:
    """The bytes as text, which is yet to be read: it may not be canonical."""
    if named.kind is NamedKind.ENUM:
        return data.decode()
    if named.kind is NamedKind.COMPOSITE:
        return _record(named, data)
    if is_multirange(named):
        return _multirange(named, data)
    if is_range(named):
        return str(_range(subtype(named), data))
    return _SCALARS[named.name](data)


def unpack_value(type_: DataType, data: bytes) -> str:
    """Bytes of any type as text."""
    if type_.named is not None:
        return unpack(type_.named, data)
    if type_.id is TypeId.LIST:
        return _array(type_.innermost, data)
    if type_.id is TypeId.DECIMAL:
        return unpack_numeric(data)
    if type_.id is TypeId.STRING:
        return data.decode()
    if (endless := _ENDLESS.get(data)) is not None and type_.id in _TIMES:
        return endless
    bounds = np.array([0, len(data)], np.int32)
    kinds = np.full(1, STRING, np.uint8)
    content = np.frombuffer(data, np.uint8)
    cells = Cells(
        *(content, bounds[:1], bounds[1:], kinds, 0, 1, 1, 1 << STRING, Unescape(0)),
        lambda row: "",
    )
    return show_value(type_, convert_binary(cells, type_, "UTC")[0])


def _sized(data: bytes, at: int) -> tuple[bytes | None, int]:
    """What an int32 of its length stands before, and the place after it."""
    (length,) = struct.unpack_from("!i", data, at)
    at += 4
    if length == _NULL:
        return None, at
    if length < 0 or at + length > len(data):
        raise ValueError(length)
    return data[at : at + length], at + length


def _range(of: DataType, data: bytes) -> Range:
    flags, at = data[0], 1
    if flags & _EMPTY:
        return Range(empty=True)
    lower = upper = None
    if not flags & _LOWER_INF:
        found, at = _sized(data, at)
        lower = unpack_value(of, _present(found))
    if not flags & _UPPER_INF:
        found, at = _sized(data, at)
        upper = unpack_value(of, _present(found))
    if at != len(data):
        raise ValueError(at)
    return Range(lower, upper, bool(flags & _LOWER_INC), bool(flags & _UPPER_INC))


def _present(found: bytes | None) -> bytes:
    if found is None:
        raise ValueError(found)
    return found


def _multirange(named: Named, data: bytes) -> str:
    (count,) = struct.unpack_from("!I", data)
    at, of = 4, subtype(range_of(named))
    ranges = []
    for _ in range(count):
        found, at = _sized(data, at)
        ranges.append(_range(of, _present(found)))
    return shown_multirange(ranges)


def _record(named: Named, data: bytes) -> str:
    (count,) = struct.unpack_from("!i", data)
    if count != len(named.fields):
        raise ValueError(count)
    at, fields = 4, []
    for _, type_ in named.fields:
        found, at = _sized(data, at + 4)  # after the field's type, which is known
        fields.append(None if found is None else unpack_value(type_, found))
    return show_record(fields)


def _array(element: DataType, data: bytes) -> str:
    dimensions, _, _ = struct.unpack_from("!iiI", data)
    if not 0 <= dimensions <= 6:
        raise ValueError(dimensions)
    sizes = [struct.unpack_from("!ii", data, 12 + 8 * n)[0] for n in range(dimensions)]
    at, items = 12 + 8 * dimensions, []
    while at < len(data):
        found, at = _sized(data, at)
        items.append("NULL" if found is None else array_item(unpack_value(element, found)))
    for size in reversed(sizes[1:]):
        chunks = [items[start : start + size] for start in range(0, len(items), size)]
        items = ["{" + ",".join(chunk) + "}" for chunk in chunks]
    return "{" + ",".join(items) + "}"


# --- Scalars --------------------------------------------------------------------------------------


def _timetz(data: bytes) -> str:
    micros, west = struct.unpack("!qi", data)
    if not 0 <= micros <= 86_400_000_000:
        raise ValueError(micros)
    return show_timetz(micros, -west)


def _money(data: bytes) -> str:
    return show_money(struct.unpack("!q", data)[0])


def _bits(data: bytes) -> str:
    (count,) = struct.unpack_from("!i", data)
    digits = "".join(f"{byte:08b}" for byte in data[4:])
    if not 0 <= count <= len(digits) < count + 8:
        raise ValueError(count)
    return digits[:count]


def _address(data: bytes) -> str:
    family, length, is_cidr, size = struct.unpack_from("!BBBB", data)
    address = data[4:]
    if (family, size, len(address)) not in ((2, 4, 4), (3, 16, 16)) or length > 8 * size:
        raise ValueError(data)
    return show_address(address, length, always=bool(is_cidr))


def _hardware(data: bytes) -> str:
    return data.hex(":")


def _lsn(data: bytes) -> str:
    high, low = struct.unpack("!II", data)
    return f"{high:X}/{low:X}"


def _tid(data: bytes) -> str:
    block, place = struct.unpack("!IH", data)
    return f"({block},{place})"


def _snapshot(data: bytes) -> str:
    count, first, after = struct.unpack_from("!iqq", data)
    between = struct.unpack(f"!{count}q", data[20:])
    return f"{first}:{after}:{','.join(map(str, between))}"


def _oid(data: bytes) -> str:
    return str(struct.unpack("!I", data)[0])


def _char(data: bytes) -> str:
    return "" if data == b"\0" else data.decode()


def _xid8(data: bytes) -> str:
    return str(struct.unpack("!Q", data)[0])


def _jsonb(data: bytes) -> str:
    if data[:1] != b"\x01":
        raise ValueError(data)
    return data[1:].decode()


_SCALARS: dict[str, Callable[[bytes], str]] = {
    "timetz": _timetz,
    "money": _money,
    "bit": _bits,
    "varbit": _bits,
    "inet": _address,
    "cidr": _address,
    "macaddr": _hardware,
    "macaddr8": _hardware,
    "pg_lsn": _lsn,
    "tid": _tid,
    "tsvector": unpack_vector,
    "tsquery": unpack_query,
    "regconfig": _oid,
    "txid_snapshot": _snapshot,
    "pg_snapshot": _snapshot,
    "xid8": _xid8,
    "oid": _oid,
    "xid": _oid,
    "cid": _oid,
    "name": bytes.decode,
    "char": _char,
    "bpchar": bytes.decode,
    "jsonb": _jsonb,
    "xml": bytes.decode,
    "jsonpath": _jsonb,
    **{name: geometric.unpacker_of(name) for name in geometric.NAMES},
    "hstore": unpack_hstore,
    "citext": bytes.decode,
}
