"""Thrift's compact protocol, as far as Parquet footers need it: walked and written.

Called by `engine.sst.page_map` and `engine.sst.pages`. Source: the Thrift compact protocol
specification and parquet.thrift of the Parquet format.
"""

from __future__ import annotations

from collections.abc import Iterator

STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)


class Walker:
    """Reads values one after the other. Raises IndexError or ValueError on what is no Thrift."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def varint(self) -> int:
        """An unsigned number."""
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number is too long")

    def number(self) -> int:
        """A signed number of any width."""
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def binary(self) -> bytes:
        """A text or bytes."""
        length = self.varint()
        self.at += length
        if self.at > len(self.data):
            raise IndexError("a text is cut short")
        return self.data[self.at - length : self.at]

    def fields(self) -> Iterator[tuple[int, int]]:
        """The fields of a struct: number and type. The caller reads or skips each value."""
        field = 0
        while True:
            head = self.data[self.at]
            self.at += 1
            if head == STOP:
                return
            delta = head >> 4
            field = field + delta if delta else self.number()
            yield field, head & 15

    def items(self) -> tuple[int, int]:
        """The type and number of a list's items, which follow."""
        head = self.data[self.at]
        self.at += 1
        count = head >> 4
        return head & 15, self.varint() if count == 15 else count

    def skip(self, kind: int) -> None:
        """Passes over a value."""
        if kind in (TRUE, FALSE):
            return
        if kind == BYTE:
            self.at += 1
        elif kind in (I16, I32, I64):
            self.varint()
        elif kind == DOUBLE:
            self.at += 8
        elif kind == BINARY:
            self.binary()
        elif kind in (LIST, SET):
            self._skip_items()
        elif kind == STRUCT:
            for _, inner in self.fields():
                self.skip(inner)
        else:
            raise ValueError(f"type {kind} is not expected in a footer")

    def _skip_items(self) -> None:
        item, count = self.items()
        if item in (TRUE, FALSE):
            self.at += count
            return
        for _ in range(count):
            self.skip(item)

    def raw(self, kind: int) -> bytes:
        """The bytes of a value."""
        start = self.at
        self.skip(kind)
        return self.data[start : self.at]


class StructWriter:
    """Writes the fields of one struct, in ascending order."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._last = 0

    def number(self, field: int, kind: int, value: int) -> StructWriter:
        """A whole number, of type I32 or I64."""
        return self.raw(field, kind, varint((value << 1) ^ (value >> 63)))

    def structs(self, field: int, items: list[bytes]) -> StructWriter:
        """A list of finished structs."""
        return self.raw(field, LIST, list_head(STRUCT, len(items)) + b"".join(items))

    def raw(self, field: int, kind: int, value: bytes) -> StructWriter:
        """A value that is encoded already."""
        assert 0 < field - self._last < 16
        self._out.append((field - self._last) << 4 | kind)
        self._out += value
        self._last = field
        return self

    def bytes(self) -> bytes:
        """The struct."""
        return bytes(self._out) + b"\0"


def varint(value: int) -> bytes:
    """An unsigned number."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def list_head(kind: int, count: int) -> bytes:
    """What precedes the items of a list."""
    if count < 15:
        return bytes([count << 4 | kind])
    return bytes([0xF0 | kind]) + varint(count)
