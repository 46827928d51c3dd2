"""Our data types and the Arrow types that carry them.

Used by every floor: a table column, a result column and a parameter all have a `DataType`. SQL
spellings live in sql/types.py, wire spellings with each wire.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import pyarrow as pa

from engine.errors import DbError, ErrorKind
from engine.named import BASE_TYPES, SHOWN_TYPES, WIDE_NUMERIC, Named, NamedKind


class TypeId(Enum):
    """The family of a type; the value is its native name (as DESC and HTTP `data_type` show it)."""

    NULL = "Null"
    BOOLEAN = "Boolean"
    INT8 = "Int8"
    INT16 = "Int16"
    INT32 = "Int32"
    INT64 = "Int64"
    UINT8 = "UInt8"
    UINT16 = "UInt16"
    UINT32 = "UInt32"
    UINT64 = "UInt64"
    FLOAT32 = "Float32"
    FLOAT64 = "Float64"
    DECIMAL = "Decimal"
    STRING = "String"
    BINARY = "Binary"
    JSON = "Json"
    UUID = "Uuid"
    DATE = "Date"
    TIME = "Time"
    TIMESTAMP_SECOND = "TimestampSecond"
    TIMESTAMP_MILLISECOND = "TimestampMillisecond"
    TIMESTAMP_MICROSECOND = "TimestampMicrosecond"
    TIMESTAMP_NANOSECOND = "TimestampNanosecond"
    TIMESTAMP_TZ = "TimestampTz"
    INTERVAL = "IntervalMonthDayNano"
    LIST = "List"
    STRUCT = "Struct"
    MAP = "Map"


@dataclass(frozen=True, slots=True)
class DataType:
    """One column type.

    `precision` and `scale` are set for DECIMAL; `dimensions` for a BINARY that is a vector of that
    many 32-bit floats; `element` for LIST; `arrow_nested` for STRUCT and
    MAP, whose inner layout only Arrow describes; `named` for a STRING that carries a type of
    PostgreSQL's with a name of its own. `wall`: a timestamp is what some clock showed, the same in
    every session's zone, and not a moment; of a TIMESTAMP_TZ, that it is wanted as such a time; of
    an INTERVAL, that it is MySQL's TIME: no months and no days, at most 838:59:59 either way.
    """

    id: TypeId
    precision: int = 0
    scale: int = 0
    element: DataType | None = None
    arrow_nested: pa.DataType | None = None
    dimensions: int = 0
    named: Named | None = None
    wall: bool = False

    @property
    def innermost(self) -> DataType:
        """The type itself, of lists (of lists) that of their items."""
        found = self
        while found.element is not None:
            found = found.element
        return found

    def tagged(self, named: Named | None) -> DataType:
        """The same type, whose text (or whose items' text) is of a type with a name of its own."""
        if self.element is not None:
            return list_of(self.element.tagged(named))
        return DataType(TypeId.STRING, named=named) if named is not None else self

    @property
    def on_wall(self) -> DataType:
        """The same, with timestamps (in lists) as times on a wall; all other types themselves."""
        if self.element is not None:
            return list_of(self.element.on_wall)
        return replace(self, wall=True) if self.is_timestamp else self

    @property
    def name(self) -> str:
        """The native name, e.g. `Int64` or `Decimal(10, 2)`."""
        if self.id is TypeId.DECIMAL:
            return f"Decimal({self.precision}, {self.scale})"
        if self.is_span:
            return _SPAN
        if self.wall:
            return str(self.id.value).replace("Timestamp", _WALL)
        if self.dimensions:
            return f"Vector({self.dimensions})"
        if self.id is TypeId.LIST and self.element is not None:
            return f"List<{self.element.name}>"
        return str(self.id.value)

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type that carries values of this type."""
        if self.id is TypeId.DECIMAL:
            return pa.decimal128(self.precision, self.scale)
        if self.id is TypeId.LIST:
            assert self.element is not None
            return pa.list_(self.element.arrow)
        if self.id in (TypeId.STRUCT, TypeId.MAP):
            return self.arrow_nested
        return _ARROW[self.id]

    @property
    def is_timestamp(self) -> bool:
        """True for the four naive UTC timestamps (not for TIMESTAMP_TZ)."""
        return self.id in TIMESTAMP_UNITS

    @property
    def is_span(self) -> bool:
        """True for MySQL's TIME, which may be negative or longer than a day."""
        return self.wall and self.id is TypeId.INTERVAL

    @property
    def is_integer(self) -> bool:
        """True for all signed and unsigned integers."""
        return self.id in _INTEGERS

    @property
    def is_numeric(self) -> bool:
        """True for integers, floats and decimals."""
        return self.is_integer or self.id in (TypeId.FLOAT32, TypeId.FLOAT64, TypeId.DECIMAL)

    @property
    def unit(self) -> str:
        """The Arrow unit (`s`, `ms`, `us`, `ns`) of a naive timestamp. Requires: is_timestamp."""
        return TIMESTAMP_UNITS[self.id]


TIMESTAMP_UNITS = {
    TypeId.TIMESTAMP_SECOND: "s",
    TypeId.TIMESTAMP_MILLISECOND: "ms",
    TypeId.TIMESTAMP_MICROSECOND: "us",
    TypeId.TIMESTAMP_NANOSECOND: "ns",
}
UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}

_WALL = "DateTime"  # what names of times on a wall begin with
_SPAN = "TimeSpan"

_INTEGERS = frozenset(
    {
        TypeId.INT8,
        TypeId.INT16,
        TypeId.INT32,
        TypeId.INT64,
        TypeId.UINT8,
        TypeId.UINT16,
        TypeId.UINT32,
        TypeId.UINT64,
    }
)

_ARROW = {
    TypeId.NULL: pa.null(),
    TypeId.BOOLEAN: pa.bool_(),
    TypeId.INT8: pa.int8(),
    TypeId.INT16: pa.int16(),
    TypeId.INT32: pa.int32(),
    TypeId.INT64: pa.int64(),
    TypeId.UINT8: pa.uint8(),
    TypeId.UINT16: pa.uint16(),
    TypeId.UINT32: pa.uint32(),
    TypeId.UINT64: pa.uint64(),
    TypeId.FLOAT32: pa.float32(),
    TypeId.FLOAT64: pa.float64(),
    TypeId.STRING: pa.string(),
    TypeId.BINARY: pa.binary(),
    TypeId.JSON: pa.string(),
    TypeId.UUID: pa.string(),
    TypeId.DATE: pa.date32(),
    TypeId.TIME: pa.time64("us"),
    TypeId.TIMESTAMP_SECOND: pa.timestamp("s"),
    TypeId.TIMESTAMP_MILLISECOND: pa.timestamp("ms"),
    TypeId.TIMESTAMP_MICROSECOND: pa.timestamp("us"),
    TypeId.TIMESTAMP_NANOSECOND: pa.timestamp("ns"),
    TypeId.TIMESTAMP_TZ: pa.timestamp("us", "UTC"),
    TypeId.INTERVAL: pa.month_day_nano_interval(),
}

NULL = DataType(TypeId.NULL)
BOOLEAN = DataType(TypeId.BOOLEAN)
INT8 = DataType(TypeId.INT8)
INT16 = DataType(TypeId.INT16)
INT32 = DataType(TypeId.INT32)
INT64 = DataType(TypeId.INT64)
UINT8 = DataType(TypeId.UINT8)
UINT16 = DataType(TypeId.UINT16)
UINT32 = DataType(TypeId.UINT32)
UINT64 = DataType(TypeId.UINT64)
FLOAT32 = DataType(TypeId.FLOAT32)
FLOAT64 = DataType(TypeId.FLOAT64)
STRING = DataType(TypeId.STRING)
BINARY = DataType(TypeId.BINARY)
JSON = DataType(TypeId.JSON)
UUID = DataType(TypeId.UUID)
DATE = DataType(TypeId.DATE)
TIME = DataType(TypeId.TIME)
TIMESTAMP_SECOND = DataType(TypeId.TIMESTAMP_SECOND)
TIMESTAMP_MILLISECOND = DataType(TypeId.TIMESTAMP_MILLISECOND)
TIMESTAMP_MICROSECOND = DataType(TypeId.TIMESTAMP_MICROSECOND)
TIMESTAMP_NANOSECOND = DataType(TypeId.TIMESTAMP_NANOSECOND)
TIMESTAMP_TZ = DataType(TypeId.TIMESTAMP_TZ)
INTERVAL = DataType(TypeId.INTERVAL)
SPAN = DataType(TypeId.INTERVAL, wall=True)

_DIMENSIONS_MAX = 65_536  # of a vector: 256 KiB a value


def decimal(precision: int, scale: int) -> DataType:
    """A DECIMAL type.

    Raises: DbError INVALID_ARGUMENT outside 1..38 digits or when scale > precision.
    """
    if not 1 <= precision <= 38 or not 0 <= scale <= precision:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"DECIMAL({precision}, {scale}) is out of range",
            hint="precision is 1 to 38 and scale 0 to precision",
        )
    return DataType(TypeId.DECIMAL, precision, scale)


def vector(dimensions: int) -> DataType:
    """A VECTOR type: little-endian 32-bit floats. Raises: DbError INVALID_ARGUMENT."""
    if not 1 <= dimensions <= _DIMENSIONS_MAX:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"a vector cannot have {dimensions} elements",
            hint=f"write VECTOR(n) with n from 1 to {_DIMENSIONS_MAX}",
        )
    return DataType(TypeId.BINARY, dimensions=dimensions)


def list_of(element: DataType) -> DataType:
    """A LIST type."""
    return DataType(TypeId.LIST, element=element)


def named_type(named: Named) -> DataType:
    """Text that is of a type with a name of its own."""
    return DataType(TypeId.STRING, named=named)


def from_tag(text: str) -> Named:
    """The inverse of `Named.tag`."""
    base = BASE_TYPES.get(text) or SHOWN_TYPES.get(text)
    if text == WIDE_NUMERIC.name:
        return WIDE_NUMERIC
    if base is not None:
        return base
    data: dict[str, Any] = json.loads(text)
    return Named(
        NamedKind(data["kind"]),
        data["oid"],
        data["array"],
        data.get("name", ""),
        labels=tuple(data.get("labels", ())),
        fields=tuple(
            (name, from_name(type_).tagged(from_tag(tag) if tag else None))
            for name, type_, tag in data.get("fields", ())
        ),
    )


def from_name(name: str) -> DataType:
    """The inverse of `DataType.name` for every type a table column may have; not of `named`."""
    if name == _SPAN:
        return SPAN
    if name.startswith(_WALL):
        return DataType(TypeId(name.replace(_WALL, "Timestamp"))).on_wall
    if name.startswith("Decimal("):
        precision, scale = name[len("Decimal(") : -1].split(",")
        return decimal(int(precision), int(scale))
    if name.startswith("Vector("):
        return vector(int(name[len("Vector(") : -1]))
    if name.startswith("List<"):
        return list_of(from_name(name[len("List<") : -1]))
    return DataType(TypeId(name))
