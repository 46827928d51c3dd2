"""Reads the log back at start: every record in order, the torn tail found, damage reported.

Called by `engine.recovery`. It changes nothing but the length of the last segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from engine.wal.format import (
    RECORD_HEADER_BYTES,
    RECORD_MAGIC,
    SEGMENT_HEADER_BYTES,
    Kind,
    RecordHeader,
    SegmentHeader,
    corrupted,
    unpack_record,
    unpack_segment,
)
from engine.wal.segments import LogFolder


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the log. `payload` is valid as long as the record."""

    kind: Kind
    sequence: int
    payload: memoryview


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """A segment that was read: what the writer must know of it to go on."""

    number: int
    first_sequence: int
    length: int  # bytes that count


class LogReader:
    """Iterates over all records; afterwards `segments` and `next_sequence` say where to go on.

    I1. Every record that was acknowledged is yielded, or CORRUPTED is raised.
    I2. Sequences rise strictly.
    """

    def __init__(self, folder: LogFolder) -> None:
        self._folder = folder
        self.segments: list[SegmentInfo] = []
        self.next_sequence = 1

    def records(self) -> Iterator[Record]:
        """All records, oldest first; cuts the torn tail when it gets there.

        Raises: DbError CORRUPTED naming file and offset.
        """
        numbers = self._folder.numbers()
        headers = [self._header(number) for number in numbers]
        for index, header in enumerate(headers):
            last = index + 1 == len(headers)
            limit = None if last else headers[index + 1].previous_length
            if not last and headers[index + 1].number != header.number + 1:
                raise corrupted(self._folder.name(header.number + 1), 0, "the segment is missing")
            yield from self._segment(header, limit)

    def _header(self, number: int) -> SegmentHeader:
        name = self._folder.name(number)
        header = unpack_segment(self._folder.read(number), name)
        if header.number != number:
            raise corrupted(name, 8, f"it says it is segment {header.number}")
        return header

    def _segment(self, header: SegmentHeader, limit: int | None) -> Iterator[Record]:
        """The records of one segment; `limit` is how much of it counts, None for the last one."""
        name = self._folder.name(header.number)
        data = self._folder.read(header.number)
        end = len(data) if limit is None else limit
        if end > len(data):
            raise corrupted(name, len(data), f"the file is cut short, {end} bytes were written")
        self.next_sequence = max(self.next_sequence, header.first_sequence)
        offset = SEGMENT_HEADER_BYTES
        while offset < end:
            record = valid_record(data[:end], offset)
            if record is None or record.sequence < self.next_sequence:
                if limit is not None or durable_past(data, offset):
                    raise corrupted(name, offset, "no valid record where one was written")
                break
            self.next_sequence = record.sequence + 1
            start = offset + RECORD_HEADER_BYTES
            offset = start + record.length
            yield Record(record.kind, record.sequence, data[start:offset])
        del data
        if limit is None:
            # Also when nothing is torn: a process that died before its sync left records that only
            # the operating system holds, and the next segment's header will say that they count.
            self._folder.truncate(header.number, offset)
        self.segments.append(SegmentInfo(header.number, header.first_sequence, offset))


def valid_record(data: memoryview, offset: int) -> RecordHeader | None:
    """The record header at an offset, if its payload is whole too."""
    header = unpack_record(data, offset)
    if header is None or offset + RECORD_HEADER_BYTES + header.length > len(data):
        return None
    start = offset + RECORD_HEADER_BYTES
    if crc32(data[start : start + header.length]) != header.payload_crc:
        return None
    return header


def durable_past(data: memoryview, offset: int) -> bool:
    """True if a later record proves that the bytes at `offset` had reached the disk.

    Such a record was written after a successful sync of them, so they are damaged, not torn.
    """
    rest = bytes(data[offset:])
    found = rest.find(RECORD_MAGIC, 1)
    while found >= 0:
        header = unpack_record(data, offset + found)
        if header is not None and header.durable > offset:
            return True
        found = rest.find(RECORD_MAGIC, found + 1)
    return False
