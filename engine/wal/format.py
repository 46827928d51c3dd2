"""The bytes of the log, shared by its writer and its reader. See docs/formats/wal.md.

A segment file is a header and then records, one after the other. All numbers are little-endian.

    segment header   magic 8 | number u64 | first sequence u64 | length of previous u64 | crc u32
    record header    magic 4 | kind u8 | 0 0 0 | length u32 | payload crc u32 |
                     sequence u64 | durable u64 | header crc u32
    record           record header, payload

`durable` is the offset in this segment up to which everything was known to be on disk when the
record was written. It tells a torn tail (nothing durable is damaged) from corruption.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from zlib import crc32

from engine.errors import DbError, ErrorKind

SEGMENT_MAGIC = b"GNOMWAL1"
RECORD_MAGIC = b"\xabGnR"
_SEGMENT = struct.Struct("<8sQQQI")
_RECORD = struct.Struct("<4sB3xIIQQI")
SEGMENT_HEADER_BYTES = _SEGMENT.size
RECORD_HEADER_BYTES = _RECORD.size
# The length field is 32 bits wide; a write this large is refused long before by its wire.
PAYLOAD_BYTES_MAX = (1 << 32) - 1


class Kind(IntEnum):
    """What a record says. The numbers are on disk: never change one."""

    WRITE = 1  # rows that are committed by this record alone
    PREPARE = 2  # rows of a transaction whose fate is not known yet
    COMMIT = 3  # the prepared rows count from here on
    ABORT = 4  # the prepared rows never count
    CLOSE = 5  # the log was closed in good order; nothing follows in its segment


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """The start of a segment.

    `previous_length` is how much of the segment before it counts: bytes behind that are leftovers
    of a failed write.
    """

    number: int
    first_sequence: int
    previous_length: int

    def pack(self) -> bytes:
        """The header's bytes with their checksum."""
        fields = (SEGMENT_MAGIC, self.number, self.first_sequence, self.previous_length)
        body = _SEGMENT.pack(*fields, 0)[:-4]
        return body + crc32(body).to_bytes(4, "little")


def unpack_segment(data: memoryview, name: str) -> SegmentHeader:
    """Reads a segment header. Raises: DbError CORRUPTED."""
    if len(data) < SEGMENT_HEADER_BYTES:
        raise corrupted(name, 0, "the segment header is cut short")
    magic, number, first, previous, crc = _SEGMENT.unpack_from(data)
    if magic != SEGMENT_MAGIC:
        raise corrupted(name, 0, f"expected the magic {SEGMENT_MAGIC!r}, got {magic!r}")
    got = crc32(data[: SEGMENT_HEADER_BYTES - 4])
    if got != crc:
        raise corrupted(name, 0, f"header checksum {got:08x}, expected {crc:08x}")
    return SegmentHeader(number, first, previous)


@dataclass(frozen=True, slots=True)
class RecordHeader:
    """What stands before a payload."""

    kind: Kind
    length: int
    payload_crc: int
    sequence: int
    durable: int

    def pack(self) -> bytes:
        """The header's bytes with their checksum."""
        body = _RECORD.pack(
            RECORD_MAGIC, self.kind, self.length, self.payload_crc, self.sequence, self.durable, 0
        )[:-4]
        return body + crc32(body).to_bytes(4, "little")


def unpack_record(data: memoryview, offset: int) -> RecordHeader | None:
    """Reads the record header at an offset; None if there is no valid one."""
    if len(data) - offset < RECORD_HEADER_BYTES:
        return None
    magic, kind, length, payload_crc, sequence, durable, crc = _RECORD.unpack_from(data, offset)
    body = data[offset : offset + RECORD_HEADER_BYTES - 4]
    padding = bytes(data[offset + 5 : offset + 8])
    if magic != RECORD_MAGIC or crc32(body) != crc or any(padding):
        return None
    if kind not in Kind._value2member_map_:
        return None
    return RecordHeader(Kind(kind), length, payload_crc, sequence, durable)


def corrupted(name: str, offset: int, what: str) -> DbError:
    """The error for a log that cannot be trusted."""
    return DbError(
        ErrorKind.CORRUPTED,
        f"the log file {name} is damaged at offset {offset}: {what}",
        hint="restore the data directory from a copy; the engine never skips damaged records",
    )
