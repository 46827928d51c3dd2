"""The few protobuf messages of Flight SQL, read and written field by field.

They are small and flat (numbers, texts, one nested message), so no generated code is needed.
https://arrow.apache.org/docs/format/FlightSql.html, https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import DbError, ErrorKind

TYPE_PREFIX = "type.googleapis.com/arrow.flight.protocol.sql."
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}
_VARINT_BYTES_MAX = 10

Value = int | bytes


@dataclass(frozen=True)
class Message:
    """A message's fields by number; of repeated ones all, in order."""

    fields: Mapping[int, list[Value]]

    def text(self, number: int) -> str | None:
        """A field of text. Raises: DbError PROTOCOL."""
        data = self.data(number)
        try:
            return None if data is None else data.decode()
        except UnicodeDecodeError:
            raise _bad("text that is not UTF-8") from None

    def data(self, number: int) -> bytes | None:
        """A field of bytes, or a message. Raises: DbError PROTOCOL."""
        value = self.fields.get(number, [None])[-1]
        if isinstance(value, int):
            raise _bad(f"a number in field {number}")
        return value

    def number(self, number: int) -> int:
        """A field of a number, 0 if it is not there. Raises: DbError PROTOCOL."""
        value = self.fields.get(number, [0])[-1]
        if isinstance(value, bytes):
            raise _bad(f"bytes in field {number}")
        return value

    def texts(self, number: int) -> list[str]:
        """A repeated field of text."""
        return [v.decode() for v in self.fields.get(number, []) if isinstance(v, bytes)]


def read(data: bytes) -> Message:
    """A message's fields. Raises: DbError PROTOCOL."""
    fields: dict[int, list[Value]] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        value: Value
        if kind == _VARINT:
            value, at = _varint(data, at)
        elif kind == _BYTES:
            length, at = _varint(data, at)
            value, at = _piece(data, at, length), at + length
        elif kind in _WIDTHS:
            value, at = _piece(data, at, _WIDTHS[kind]), at + _WIDTHS[kind]
        else:
            raise _bad(f"fields of kind {kind}")
        fields.setdefault(tag >> 3, []).append(value)
    return Message(fields)


def unpack(data: bytes) -> tuple[str, Message]:
    """The name and the fields of the Flight SQL message in an `Any`. Raises: DbError PROTOCOL."""
    packed = read(data)
    name = packed.text(1) or ""
    if not name.startswith(TYPE_PREFIX):
        raise DbError(ErrorKind.UNSUPPORTED, f"{name or 'this'} is no command of Flight SQL")
    return name.removeprefix(TYPE_PREFIX), read(packed.data(2) or b"")


def message(**fields: Value) -> bytes:
    """A message of fields `f1=…, f2=…`: numbers as varints, bytes with their length."""
    written = b""
    for name, value in fields.items():
        number = int(name[1:])
        if isinstance(value, int):
            written += _written(number << 3) + _written(value)
        else:
            written += _written(number << 3 | _BYTES) + _written(len(value)) + value
    return written


def pack(name: str, body: bytes) -> bytes:
    """An `Any` with a Flight SQL message in it."""
    return message(f1=(TYPE_PREFIX + name).encode(), f2=body)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[at : at + _VARINT_BYTES_MAX]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, at + index + 1
    raise _bad("a number that does not end")


def _piece(data: bytes, at: int, length: int) -> bytes:
    if at + length > len(data):
        raise _bad("less than it announces")
    return data[at : at + length]


def _written(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _bad(what: str) -> DbError:
    return DbError(ErrorKind.PROTOCOL, f"a Flight SQL message holds {what}")
