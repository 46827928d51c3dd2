"""Reading and writing protobuf messages field by field, for the few that are rare or small.

Called where a message is a thing of its own (a native histogram, a remote read query). What
arrives by the million is read by kernels instead. https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import numpy as np

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
Field = tuple[int, int | bytes]


# --- Reading --------------------------------------------------------------------------------------


def fields(message: bytes) -> Iterator[Field]:
    """Numbers and values: integers of varints and fixed ones, bytes of the rest.

    Raises: ValueError or IndexError for bytes that are no message.
    """
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = varint(message, at)
            yield number, value
            continue
        length = {FIXED64: 8, FIXED32: 4}.get(wire, 0)
        if wire == LENGTH:
            length, at = varint(message, at)
        if not length and wire != LENGTH:
            raise ValueError("unknown wire type")
        content = message[at : at + length]
        if len(content) < length:
            raise ValueError("cut off")
        at += length
        yield number, content if wire == LENGTH else int.from_bytes(content, "little")


def varint(message: bytes, at: int) -> tuple[int, int]:
    """A number and the place after it. Raises: ValueError, IndexError."""
    value = shift = 0
    while shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), at
        shift += 7
    raise ValueError("a number is too long")


def zigzag(number: int) -> int:
    """The signed number that zigzag coding made this of."""
    return (number >> 1) ^ -(number & 1)


def signed(number: int) -> int:
    """The 64 bits of a varint as a signed number (int32, int64)."""
    return number - 2**64 if number >= 2**63 else number


def last(found: Sequence[Field], wanted: int) -> int:
    """The number in a field, 0 without it. Raises: ValueError for a field of bytes."""
    number = 0
    for place, value in found:
        if place == wanted:
            if isinstance(value, bytes):
                raise ValueError("a number is needed")
            number = value
    return number


def content(found: Sequence[Field], wanted: int) -> bytes:
    """The bytes in a field, b"" without it. Raises: ValueError for a field of numbers."""
    data = b""
    for place, value in found:
        if place == wanted:
            if isinstance(value, int):
                raise ValueError("text or a message is needed")
            data = value
    return data


def double(found: Sequence[Field], wanted: int) -> float:
    """The double in a field, 0 without it. Raises: ValueError."""
    (value,) = struct.unpack("<d", struct.pack("<Q", last(found, wanted)))
    return float(value)


def doubles(found: Sequence[Field], wanted: int) -> list[float]:
    """Doubles, packed or one by one. Raises: ValueError."""
    values: list[float] = []
    for number, value in found:
        if number != wanted:
            continue
        if isinstance(value, int):
            value = struct.pack("<Q", value)
        if len(value) % 8:
            raise ValueError("cut off")
        values += np.frombuffer(value, "<f8").tolist()
    return values


def varints(found: Sequence[Field], wanted: int) -> list[int]:
    """Numbers, packed or one by one. Raises: ValueError, IndexError."""
    values = []
    for number, value in found:
        if number != wanted:
            continue
        if isinstance(value, int):
            values.append(value)
            continue
        at = 0
        while at < len(value):
            one, at = varint(value, at)
            values.append(one)
    return values


# --- Writing --------------------------------------------------------------------------------------


def number_bytes(number: int) -> bytes:
    """A varint; negative numbers take all ten bytes."""
    number &= 2**64 - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag_bytes(number: int) -> bytes:
    """A varint of a zigzag-coded number."""
    return number_bytes((number << 1) ^ (number >> 63))


def put_number(field: int, number: int) -> bytes:
    """A field with a varint."""
    return number_bytes(field << 3 | VARINT) + number_bytes(number)


def put_zigzag(field: int, number: int) -> bytes:
    """A field with a zigzag-coded varint."""
    return number_bytes(field << 3 | VARINT) + zigzag_bytes(number)


def put_double(field: int, value: float) -> bytes:
    """A field with a double."""
    return number_bytes(field << 3 | FIXED64) + struct.pack("<d", value)


def put(field: int, data: bytes) -> bytes:
    """A field with text or a message."""
    return number_bytes(field << 3 | LENGTH) + number_bytes(len(data)) + data
