"""The packet layer: framing with sequence ids, and the primitive integers and strings.

Used by handshake.py, protocol.py, prepared.py and replies.py. It does no I/O and knows no command.
Whatever bytes come in, it answers with values or raises DbError, never anything else.

    packet:  [payload length: 3, little endian] [sequence id: 1] [payload]
    A payload of 0xFFFFFF bytes is continued by the next packet (which may be empty).
"""

from __future__ import annotations

import re

from engine.errors import DbError, ErrorKind
from server.mysql.constants import PACKET_CHUNK_MAX

_HEADER_BYTES = 4
_COMPACT_ABOVE = 1 << 16  # consumed bytes kept at the buffer's front before they are cut off


class Framer:
    """Joins incoming bytes into payloads and frames outgoing payloads.

    I1. `sequence` is the id the next packet must carry, in either direction.
    I2. No more than `packet_bytes_max` bytes of one payload are ever buffered.
    """

    def __init__(self, packet_bytes_max: int) -> None:
        self.sequence = 0
        self._packet_bytes_max = packet_bytes_max
        self._buffer = bytearray()
        self._start = 0  # where the unread part of the buffer begins
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        # A payload above the limit, while it is being dropped.
        self._oversized = False
        self._skip_bytes = 0  # left of its current packet
        self._skip_last = False

    @property
    def buffered(self) -> int:
        """Bytes received but not yet taken as payloads."""
        return len(self._buffer) - self._start + self._parts_bytes

    def allow(self, packet_bytes_max: int) -> None:
        """Changes the limit on payloads: a stranger gets less room than a user."""
        self._packet_bytes_max = packet_bytes_max

    def receive(self, data: bytes) -> None:
        """Takes bytes in pieces of any size."""
        self._buffer += data

    def next_payload(self) -> bytes | None:
        """The next whole payload, None while bytes are missing.

        Raises: DbError LIMIT_EXCEEDED for a payload above the limit, once it has been skipped (so
        that the client is listening again), PROTOCOL for a wrong sequence id. Requires: the
        connection ends after either.
        """
        while True:
            if self._oversized:
                self._skip()
                return None
            part = self._next_part()
            if part is None:
                return None
            if len(part) < PACKET_CHUNK_MAX and not self._parts:
                return part
            self._parts.append(part)
            self._parts_bytes += len(part)
            if len(part) < PACKET_CHUNK_MAX:
                payload = b"".join(self._parts)
                self._parts, self._parts_bytes = [], 0
                return payload

    def _next_part(self) -> bytes | None:
        """The payload of the next packet."""
        length = self._next_length()
        if length is None:
            return None
        if self._parts_bytes + length > self._packet_bytes_max:  # I2: judged by the header alone
            self._oversized = True
            self._parts, self._parts_bytes = [], 0
            self._skip()
            return None
        start = self._start + _HEADER_BYTES
        if len(self._buffer) < start + length:
            return None
        part = bytes(memoryview(self._buffer)[start : start + length])
        self._consume(start + length)
        self.sequence = (self.sequence + 1) & 0xFF
        return part

    def _skip(self) -> None:
        """Drops packets up to the last one of an oversized payload, then raises."""
        while True:
            if self._skip_bytes == 0:
                length = self._next_length()
                if length is None:
                    return
                self._consume(self._start + _HEADER_BYTES)
                self.sequence = (self.sequence + 1) & 0xFF
                self._skip_bytes, self._skip_last = length, length < PACKET_CHUNK_MAX
            dropped = min(self._skip_bytes, len(self._buffer) - self._start)
            self._consume(self._start + dropped)
            self._skip_bytes -= dropped
            if self._skip_bytes:
                return
            if self._skip_last:
                raise DbError(
                    ErrorKind.LIMIT_EXCEEDED,
                    "the packet is bigger than max_allowed_packet",
                    detail=f"at most {self._packet_bytes_max} bytes are accepted",
                )

    def _next_length(self) -> int | None:
        """The length in the next header, which stays; checks its sequence id."""
        start = self._start
        if len(self._buffer) - start < _HEADER_BYTES:
            return None
        self._check_sequence(self._buffer[start + 3])
        return int.from_bytes(self._buffer[start : start + 3], "little")

    def _check_sequence(self, found: int) -> None:
        if found != self.sequence:
            raise DbError(
                ErrorKind.PROTOCOL,
                f"packets out of order: expected number {self.sequence}, got {found}",
            )

    def _consume(self, end: int) -> None:
        if end == len(self._buffer):
            self._buffer.clear()
            self._start = 0
        elif end > _COMPACT_ABOVE:
            del self._buffer[:end]
            self._start = 0
        else:
            self._start = end

    def frame(self, *payloads: bytes) -> bytes:
        """The payloads as packets, numbered on from `sequence`."""
        pieces: list[bytes] = []
        for payload in payloads:
            self._frame_one(payload, pieces)
        return b"".join(pieces)

    def _frame_one(self, payload: bytes, pieces: list[bytes]) -> None:
        for start in range(0, len(payload) + 1, PACKET_CHUNK_MAX):
            # A full part is always followed by another, if by an empty one.
            part = payload[start : start + PACKET_CHUNK_MAX]
            pieces.append(len(part).to_bytes(3, "little") + bytes((self.sequence,)))
            pieces.append(part)
            self.sequence = (self.sequence + 1) & 0xFF


class PacketReader:
    """Reads one payload from front to back.

    Every method raises DbError PROTOCOL when the payload ends too early.
    """

    def __init__(self, payload: bytes, start: int = 0) -> None:
        self._payload = payload
        self._at = start

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return len(self._payload) - self._at

    def fixed(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self._at + count
        if count < 0 or end > len(self._payload):
            raise malformed(f"{count} bytes wanted, {self.remaining} left")
        taken = self._payload[self._at : end]
        self._at = end
        return taken

    def integer(self, size: int) -> int:
        """A little-endian unsigned integer of `size` bytes."""
        return int.from_bytes(self.fixed(size), "little")

    def lenenc(self) -> int:
        """A length-encoded integer. Raises also for the NULL marker and for 0xFF."""
        first = self.integer(1)
        if first < 0xFB:
            return first
        if first in _LENENC_SIZES:
            return self.integer(_LENENC_SIZES[first])
        raise malformed(f"0x{first:02X} does not start a length-encoded integer")

    def lenenc_bytes(self) -> bytes:
        """A length-encoded string, as bytes."""
        return self.fixed(self.lenenc())

    def null_terminated(self) -> bytes:
        """The bytes up to the next zero byte, which is skipped."""
        end = self._payload.find(0, self._at)
        if end < 0:
            raise malformed("a string lacks its terminating zero byte")
        taken = self._payload[self._at : end]
        self._at = end + 1
        return taken

    def rest(self) -> bytes:
        """Everything that is left."""
        taken = self._payload[self._at :]
        self._at = len(self._payload)
        return taken


_LENENC_SIZES = {0xFC: 2, 0xFD: 3, 0xFE: 8}


def malformed(detail: str) -> DbError:
    """The error for bytes that are not what the protocol says."""
    return DbError(ErrorKind.PROTOCOL, "malformed communication packet", detail=detail)


_STRING = rb"'((?:[^'\\]|\\.|'')*)'"
_BINARY_STRING = re.compile(rb"_binary\s*" + _STRING, re.IGNORECASE | re.DOTALL)
_ANY_STRING = re.compile(_STRING, re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)|''", re.DOTALL)
_ESCAPED = {b"0": b"\0", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"Z": b"\x1a"}


def decode_statement(data: bytes) -> str:
    """The text of a statement; strings that are bytes, not text, become hexadecimal literals.

    Those are strings after `_binary`, and strings that are not UTF-8 (mysql-connector sends bytes
    so). Raises: DbError INVALID_ENCODING for other bytes that are not UTF-8.
    """
    data = bytes_as_hexadecimal(data.rstrip(b"\0"))  # mysqlslap sends the end of a C string
    if not _is_text(data):
        data = _ANY_STRING.sub(_hexadecimal_unless_text, data)
    return decode_text(data)


def bytes_as_hexadecimal(data: bytes) -> bytes:
    """A statement whose strings after `_binary` are hexadecimal literals."""
    return _BINARY_STRING.sub(_hexadecimal, data) if b"_binary" in data else data


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _hexadecimal(found: re.Match[bytes]) -> bytes:
    return b"x'%s'" % _unescaped(found[1]).hex().encode()


def _hexadecimal_unless_text(found: re.Match[bytes]) -> bytes:
    return found[0] if _is_text(found[1]) else _hexadecimal(found)


def _unescaped(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]) if found[1] else b"'", text)


def decode_text(data: bytes) -> str:
    """UTF-8 text from the client. Raises: DbError INVALID_ENCODING."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        bad = data[error.start : error.start + 4].hex(" ")
        raise DbError(
            ErrorKind.INVALID_ENCODING,
            f"invalid utf8mb4 character string: byte {error.start} ({bad})",
            hint="send text as utf8mb4",
        ) from None


def lenenc_integer(value: int) -> bytes:
    """A length-encoded integer.

    >>> lenenc_integer(250).hex(), lenenc_integer(251).hex()
    ('fa', 'fcfb00')
    """
    if value < 0xFB:
        return bytes((value,))
    if value <= 0xFFFF:
        return b"\xfc" + value.to_bytes(2, "little")
    if value <= 0xFFFFFF:
        return b"\xfd" + value.to_bytes(3, "little")
    return b"\xfe" + value.to_bytes(8, "little")


def lenenc_string(value: bytes) -> bytes:
    """A length-encoded string."""
    return lenenc_integer(len(value)) + value
