"""Column definitions: what MySQL clients learn about a result's columns before its rows.

Called by the command handlers. Pure. The wire types follow this table; rows.py must agree with it.

    Boolean TINY(1)          Int8..Int64 TINY SHORT LONG LONGLONG, UInt* the same + UNSIGNED
    Float32/64 FLOAT DOUBLE  Decimal NEWDECIMAL        Date DATE       Time TIME(6)
    Timestamp* TIMESTAMP with 0, 3, 6, 6 digits (clients know no more than microseconds)
    Json JSON                Binary BLOB (charset 63)  String, Uuid, Interval (ISO 8601), List
    ([a, b]), Struct and Map (JSON text) VAR_STRING

Source: MySQL protocol page "Column Definition" (ColumnDefinition41).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from engine.datatypes import DataType, TypeId
from server.mysql.charsets import shown
from server.mysql.constants import CHARSET_BINARY, ColumnFlag, ColumnType
from server.mysql.packets import lenenc_integer, lenenc_string
from sql.charsets import Charset
from sql.results import ResultColumn

_TEXT_CHARACTERS = 16383  # VARCHAR(16383): the longest that utf8mb4 allows in 65535 bytes
_UTF8MB4_BYTES = 4
_BLOB_BYTES = 0xFFFFFFFF  # LONGBLOB
_BITS = re.compile(r"bit\((\d{1,2})\)")
_TIME = re.compile(r"time(?:\((\d)\))?")
_CLOCK_CHARACTERS = len("-838:59:59")
_FLOATING = 31  # `decimals` of a number with a floating point
_FIXED_LENGTH_FIELDS = 0x0C
TIMESTAMP_DIGITS = {
    TypeId.TIMESTAMP_SECOND: 0,
    TypeId.TIMESTAMP_MILLISECOND: 3,
    TypeId.TIMESTAMP_MICROSECOND: 6,
    TypeId.TIMESTAMP_NANOSECOND: 6,
    TypeId.TIMESTAMP_TZ: 6,
}


@dataclass(frozen=True, slots=True)
class WireType:
    """How one data type is announced. `length` is the display width in bytes."""

    type: ColumnType
    length: int
    flags: ColumnFlag = ColumnFlag.BINARY
    decimals: int = 0
    text: bool = False  # carries characters: the client's charset applies


_UNSIGNED = ColumnFlag.BINARY | ColumnFlag.UNSIGNED
_NONE = ColumnFlag(0)

_WIRE_TYPES = {
    TypeId.NULL: WireType(ColumnType.NULL, 0),
    TypeId.BOOLEAN: WireType(ColumnType.TINY, 1),
    TypeId.INT8: WireType(ColumnType.TINY, 4),
    TypeId.INT16: WireType(ColumnType.SHORT, 6),
    TypeId.INT32: WireType(ColumnType.LONG, 11),
    TypeId.INT64: WireType(ColumnType.LONGLONG, 20),
    TypeId.UINT8: WireType(ColumnType.TINY, 3, _UNSIGNED),
    TypeId.UINT16: WireType(ColumnType.SHORT, 5, _UNSIGNED),
    TypeId.UINT32: WireType(ColumnType.LONG, 10, _UNSIGNED),
    TypeId.UINT64: WireType(ColumnType.LONGLONG, 20, _UNSIGNED),
    TypeId.FLOAT32: WireType(ColumnType.FLOAT, 12, decimals=_FLOATING),
    TypeId.FLOAT64: WireType(ColumnType.DOUBLE, 22, decimals=_FLOATING),
    TypeId.BINARY: WireType(ColumnType.BLOB, _BLOB_BYTES, ColumnFlag.BLOB | ColumnFlag.BINARY),
    TypeId.JSON: WireType(
        ColumnType.JSON, _BLOB_BYTES, ColumnFlag.BLOB | ColumnFlag.BINARY, text=True
    ),
    TypeId.UUID: WireType(ColumnType.VAR_STRING, 36 * _UTF8MB4_BYTES, _NONE, text=True),
    TypeId.DATE: WireType(ColumnType.DATE, 10),
    TypeId.TIME: WireType(ColumnType.TIME, 17, decimals=6),
}
_CLOCK = _WIRE_TYPES[TypeId.TIME]
_TEXT = WireType(ColumnType.VAR_STRING, _TEXT_CHARACTERS * _UTF8MB4_BYTES, _NONE, text=True)


def wire_type(data_type: DataType) -> WireType:
    """How a data type is announced."""
    if data_type.id is TypeId.DECIMAL:
        # One place for the sign, one for the point.
        length = data_type.precision + (2 if data_type.scale else 1)
        return WireType(ColumnType.NEWDECIMAL, length, decimals=data_type.scale)
    digits = TIMESTAMP_DIGITS.get(data_type.id)
    if digits is not None:
        length = 20 + digits if digits else 19
        flags = ColumnFlag.BINARY | ColumnFlag.TIMESTAMP
        kind = ColumnType.DATETIME if data_type.wall else ColumnType.TIMESTAMP
        return WireType(kind, length, flags, digits)
    return _WIRE_TYPES.get(data_type.id, _TEXT)


_TEXT_BLOB = WireType(ColumnType.BLOB, _BLOB_BYTES, ColumnFlag.BLOB, text=True)
_DECLARED = {
    "enum": WireType(ColumnType.STRING, _TEXT.length, ColumnFlag.ENUM, text=True),
    "set": WireType(ColumnType.STRING, _TEXT.length, ColumnFlag.SET, text=True),
    "text": _TEXT_BLOB,
    "tinytext": _TEXT_BLOB,
    "mediumtext": _TEXT_BLOB,
    "longtext": _TEXT_BLOB,
    "mediumint": WireType(ColumnType.INT24, 9),
    "year": WireType(ColumnType.YEAR, 4, ColumnFlag.UNSIGNED),
}


def _wire_type(column: ResultColumn) -> WireType:
    """How a column is announced: what its table calls it tells more than its type."""
    digits = time_digits(column)
    if digits is not None:
        return replace(_CLOCK, length=_CLOCK_CHARACTERS + (digits and digits + 1), decimals=digits)
    if is_clock(column):
        return _CLOCK
    if column.declared == "tinyint(1)":
        return replace(_WIRE_TYPES[TypeId.INT8], length=1)
    bits = bits_of(column)
    if bits:
        return WireType(ColumnType.BIT, bits, ColumnFlag.UNSIGNED)
    kind = column.declared.partition("(")[0].lower() if column.table else ""
    return _DECLARED.get(kind) or wire_type(column.type)


def is_text(column: ResultColumn) -> bool:
    """True for characters: the client's character set applies."""
    return _wire_type(column).text


def bits_of(column: ResultColumn) -> int:
    """How many bits a number of MySQL's type BIT has; 0 for other columns."""
    found = _BITS.fullmatch(column.declared) if column.type.id is TypeId.UINT64 else None
    return 0 if found is None else int(found[1])


def time_digits(column: ResultColumn) -> int | None:
    """The digits of a second that a TIME was declared with; None if nothing is known of it."""
    is_time = column.type.id is TypeId.TIME or column.type.is_span
    found = _TIME.fullmatch(column.declared) if is_time else None
    return int(found[1] or 0) if found is not None else None


def is_clock(column: ResultColumn) -> bool:
    """True for an interval that is shown as a TIME: it may have more than a day's hours."""
    return column.type.is_span


def definition(column: ResultColumn, charset: Charset) -> bytes:
    """The payload that describes one column to a client that takes texts in `charset`."""
    wire = _wire_type(column)
    origin = (column.origin or column.name) if column.table else ""
    names = (column.database, column.alias or column.table, column.table, column.name, origin)
    flags = wire.flags
    if not column.nullable:
        flags |= ColumnFlag.NOT_NULL
    if column.primary_key:
        flags |= ColumnFlag.PRI_KEY | ColumnFlag.PART_KEY
    return b"".join(
        (
            b"\x03def",
            *(lenenc_string(shown(name, charset)) for name in names),
            bytes((_FIXED_LENGTH_FIELDS,)),
            (charset.number if wire.text else CHARSET_BINARY).to_bytes(2, "little"),
            wire.length.to_bytes(4, "little"),
            bytes((wire.type,)),
            int(flags).to_bytes(2, "little"),
            bytes((wire.decimals,)),
            b"\x00\x00",
        )
    )


def parameter_definition(data_type: DataType, charset: Charset) -> bytes:
    """The payload that describes one placeholder of a prepared statement."""
    return definition(ResultColumn("?", data_type), charset)


def heading(columns: tuple[ResultColumn, ...], charset: Charset) -> list[bytes]:
    """The payloads in front of a result's rows: the number of columns and their definitions."""
    return [lenenc_integer(len(columns)), *(definition(column, charset) for column in columns)]
