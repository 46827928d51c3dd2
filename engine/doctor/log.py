"""Examines the log: every checksum and sequence, torn tail or damage, sense of every payload.

It applies the rules of engine.wal.reader, but goes on after damage to tell what is behind it, and
changes nothing unless it repairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from engine.doctor.report import Report, Severity
from engine.errors import DbError
from engine.store.local import sync_folder, translated
from engine.wal.format import (
    RECORD_HEADER_BYTES,
    RECORD_MAGIC,
    SEGMENT_HEADER_BYTES,
    Kind,
    RecordHeader,
    SegmentHeader,
    unpack_segment,
)
from engine.wal.payload import RegionRows, decode_decision, decode_prepare, decode_writes
from engine.wal.reader import durable_past, valid_record
from engine.wal.segments import LocalLogFolder


@dataclass
class LogFacts:
    """What the log holds: by region the last sequence with rows of it, and open transactions."""

    last_by_region: dict[int, int] = field(default_factory=dict)
    prepared: dict[str, list[RegionRows]] = field(default_factory=dict)
    last_sequence: int = 0

    def take(self, kind: Kind, sequence: int, payload: memoryview) -> None:
        """Reads one record. Raises: DbError if its payload makes no sense."""
        rows: list[RegionRows] = []
        if kind is Kind.WRITE:
            rows = decode_writes(payload)
        elif kind is Kind.PREPARE:
            transaction, prepared = decode_prepare(payload)
            self.prepared[transaction] = prepared
        elif kind in (Kind.COMMIT, Kind.ABORT):
            decided = self.prepared.pop(decode_decision(payload)[0], [])
            rows = decided if kind is Kind.COMMIT else []
        for batch in rows:
            self.last_by_region[batch.region_id] = sequence
        self.last_sequence = sequence


@dataclass(frozen=True, slots=True)
class _Segment:
    path: Path
    header: SegmentHeader
    data: memoryview


def examine_log(folder: Path, report: Report) -> LogFacts:
    """Reads the whole log, one segment at a time."""
    facts = LogFacts()
    if not folder.is_dir():
        report.found(Severity.DAMAGE, _name(folder), "the log is missing")
        return facts
    for path in sorted(folder.glob("*.tmp")):
        report.found(
            Severity.LEFTOVER, _name(path), "a segment that was not finished", fix=_remover(path)
        )
    segments = _headers(folder, report)
    for index, segment in enumerate(segments):
        following = segments[index + 1] if index + 1 < len(segments) else None
        if following and following.header.number != segment.header.number + 1:
            missing = LocalLogFolder.file_name(segment.header.number + 1)
            report.found(Severity.DAMAGE, f"wal/{missing}", "the segment is missing")
            following = None
        limit = following.header.previous_length if following else None
        _records(segment, limit, facts, report, is_last=index + 1 == len(segments))
        report.checked["log_segments"] += 1
    if not segments:
        report.found(Severity.DAMAGE, _name(folder), "the log has no segment that can be read")
    return facts


def _headers(folder: Path, report: Report) -> list[_Segment]:
    found = []
    for path in sorted(folder.glob("*.wal")):
        with translated(f"read {path}"):
            data = memoryview(pa.memory_map(str(path)).read_buffer())
        try:
            header = unpack_segment(data, path.name)
        except DbError as error:
            readable = f"{len(_behind(data, 0))} records in it"
            report.found(Severity.DAMAGE, _name(path), error.message, readable=readable)
            continue
        if LocalLogFolder.file_name(header.number) != path.name:
            message = f"it says it is segment {header.number}"
            report.found(Severity.DAMAGE, _name(path), message)
            continue
        found.append(_Segment(path, header, data))
    return found


def _records(
    segment: _Segment, limit: int | None, facts: LogFacts, report: Report, *, is_last: bool
) -> None:
    """The records of one segment; `limit` is how much of it counts, None if nobody knows."""
    data, name = segment.data, _name(segment.path)
    end = len(data) if limit is None else min(limit, len(data))
    if limit is not None and limit > len(data):
        message = f"it is cut short: {len(data)} bytes of {limit}"
        report.found(Severity.DAMAGE, name, message)
    offset = SEGMENT_HEADER_BYTES
    least = max(facts.last_sequence + 1, segment.header.first_sequence)
    while offset < end:
        record = valid_record(data[:end], offset)
        if record is None or record.sequence < least:
            _bad_place(segment, offset, limit, report, is_last=is_last)
            return
        _take(record, offset, segment, facts, report)
        least = record.sequence + 1
        offset += RECORD_HEADER_BYTES + record.length


def _take(
    record: RecordHeader, offset: int, segment: _Segment, facts: LogFacts, report: Report
) -> None:
    report.checked["log_records"] += 1
    start = offset + RECORD_HEADER_BYTES
    try:
        facts.take(record.kind, record.sequence, segment.data[start : start + record.length])
    except DbError as error:
        message = f"record {record.sequence} at offset {offset}: {error.message}"
        report.found(Severity.DAMAGE, _name(segment.path), message)


def _bad_place(
    segment: _Segment, offset: int, limit: int | None, report: Report, *, is_last: bool
) -> None:
    """No valid record where one could be: a torn tail, or damage."""
    name = _name(segment.path)
    if is_last and limit is None and not durable_past(segment.data, offset):
        torn = len(bytes(segment.data[offset:]).rstrip(b"\0"))
        if not torn:
            return  # the room of an open segment: a server that was killed leaves it so
        report.found(
            Severity.LEFTOVER,
            name,
            f"{torn} bytes at offset {offset} are a write that was cut off, never acknowledged",
            fix=lambda: _cut(segment, offset),
        )
        return
    behind = _behind(segment.data, offset)
    report.found(
        Severity.DAMAGE,
        name,
        f"no valid record at offset {offset}, where one was written",
        readable=f"the records before it, and {len(behind)} behind it",
    )


def _behind(data: memoryview, offset: int) -> list[int]:
    """Offsets of whole records after a place, wherever they begin."""
    found = []
    rest = bytes(data[offset:])
    at = rest.find(RECORD_MAGIC, 1)
    while at >= 0:
        record = valid_record(data, offset + at)
        if record is not None:
            found.append(offset + at)
        at = rest.find(RECORD_MAGIC, at + (RECORD_HEADER_BYTES + record.length if record else 1))
    return found


def _cut(segment: _Segment, offset: int) -> str:
    LocalLogFolder(segment.path.parent).truncate(segment.header.number, offset)
    return f"cut at offset {offset}"


def _remover(path: Path) -> Callable[[], str]:
    def remove() -> str:
        with translated(f"remove {path}"):
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
        return "removed"

    return remove


def _name(path: Path) -> str:
    return f"wal/{path.name}" if path.suffix else "wal"
