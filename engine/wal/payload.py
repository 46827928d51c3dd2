"""Payloads of log records: rows and transaction names as bytes, and back.

Encoding runs on the writer's own thread, outside every lock. See docs/formats/wal.md.

    writes    count u32, then per write: region id u64 | op u8 | 0 0 0 | length u32 | Arrow stream
    prepare   length u16 | transaction id (UTF-8) | writes
    decision  sequence of the PREPARE u64 | transaction id (UTF-8)
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from engine.api import Op
from engine.errors import DbError, ErrorKind

_COUNT = struct.Struct("<I")
_WRITE = struct.Struct("<QB3xI")
_NAME = struct.Struct("<H")
_DECISION = struct.Struct("<Q")
# Not by threads: waking some up takes longer than compressing what a request brings.
_LARGE = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_SMALL = pa.ipc.IpcWriteOptions(use_threads=False)
# Each buffer is compressed by itself, which takes longer than it saves for few rows: of one row of
# 21 columns it was nine tenths of the whole write.
_COMPRESSED_BYTES_MIN = 16 << 10
TRANSACTION_ID_BYTES_MAX = 512  # ids are ours (a UUID or two), not a client's


@dataclass(frozen=True)
class RegionRows:
    """Rows of one region in one batch: `engine.api.Write` after validation."""

    region_id: int
    op: Op
    rows: pa.RecordBatch

    @cached_property
    def nbytes(self) -> int:
        """Memory that the rows hold; at most twice that of their values (write.py)."""
        return int(self.rows.get_total_buffer_size())


def size_of(rows: Sequence[RegionRows]) -> int:
    """Memory of the values of all batches."""
    return sum(batch.nbytes for batch in rows)


def encode_writes(writes: Sequence[RegionRows]) -> list[bytes | pa.Buffer]:
    """The buffers of a WRITE payload."""
    buffers: list[bytes | pa.Buffer] = [_COUNT.pack(len(writes))]
    for write in writes:
        sink = pa.BufferOutputStream()
        options = _LARGE if write.nbytes >= _COMPRESSED_BYTES_MIN else _SMALL
        with pa.ipc.new_stream(sink, write.rows.schema, options=options) as stream:
            stream.write_batch(write.rows)
        rows = sink.getvalue()
        buffers += (_WRITE.pack(write.region_id, write.op.value, rows.size), rows)
    return buffers


def decode_writes(payload: memoryview) -> list[RegionRows]:
    """The inverse of `encode_writes`. Raises: DbError CORRUPTED."""
    try:
        return _decode_writes(payload)
    except (struct.error, ValueError, OSError, pa.ArrowException) as error:
        raise _malformed(str(error)) from error


def _decode_writes(payload: memoryview) -> list[RegionRows]:
    (count,) = _COUNT.unpack_from(payload)
    offset = _COUNT.size
    writes = []
    for _ in range(count):
        region_id, op, length = _WRITE.unpack_from(payload, offset)
        offset += _WRITE.size
        if length > len(payload) - offset:
            raise _malformed(f"{length} bytes announced, {len(payload) - offset} left")
        # A copy: rows must not keep a whole segment in memory.
        reader = pa.ipc.open_stream(bytes(payload[offset : offset + length]))
        writes.append(RegionRows(region_id, Op(op), reader.read_next_batch()))
        offset += length
    return writes


def encode_prepare(transaction: str, writes: Sequence[RegionRows]) -> list[bytes | pa.Buffer]:
    """The buffers of a PREPARE payload."""
    name = transaction.encode()
    assert len(name) <= TRANSACTION_ID_BYTES_MAX
    return [_NAME.pack(len(name)), name, *encode_writes(writes)]


def decode_prepare(payload: memoryview) -> tuple[str, list[RegionRows]]:
    """The inverse of `encode_prepare`. Raises: DbError CORRUPTED."""
    try:
        (length,) = _NAME.unpack_from(payload)
        name = bytes(payload[_NAME.size : _NAME.size + length]).decode()
    except (struct.error, ValueError) as error:
        raise _malformed(str(error)) from error
    return name, decode_writes(payload[_NAME.size + length :])


def encode_decision(transaction: str, prepare_sequence: int) -> list[bytes | pa.Buffer]:
    """The buffers of a COMMIT or ABORT payload."""
    return [_DECISION.pack(prepare_sequence), transaction.encode()]


def decode_decision(payload: memoryview) -> tuple[str, int]:
    """The transaction id and the sequence of its PREPARE. Raises: DbError CORRUPTED."""
    try:
        (sequence,) = _DECISION.unpack_from(payload)
        return bytes(payload[_DECISION.size :]).decode(), sequence
    except (struct.error, ValueError) as error:
        raise _malformed(str(error)) from error


def _malformed(why: str) -> DbError:
    return DbError(ErrorKind.CORRUPTED, f"a log record has a valid checksum but no sense: {why}")
