"""What was read, in the two shapes of remote read: samples, and streamed XOR chunks.

Called by read.py on worker threads. Series come sorted by their labels, as the protocol asks.
https://prometheus.io/docs/prometheus/latest/querying/remote_read_api/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from engine import jit
from server.http.prometheus import read_kernels as kernels
from sql.promql.model import Samples, SelectedSeries
from sql.promql.source_histograms import message_of
from sql.protobuf import number_bytes, put, put_number

FRAME_BYTES = 1 << 20  # streamed messages are closed beyond this size
_XOR = 1

Ints = NDArray[np.int64]
Bits = NDArray[np.uint64]


def warm() -> None:
    """Writes one sample each way: this pays what the first answer costs."""
    jit.warm()
    _samples(np.zeros(1, np.int64), np.zeros(1, np.uint64))
    _chunk(np.zeros(1, np.int64), np.zeros(1, np.uint64))
    _frame(b"")


def sample_body(found: Sequence[SelectedSeries]) -> bytes:
    """A `prometheus.ReadResponse`, one result per query."""
    return b"".join(put(1, b"".join(put(1, s) for s in _series(one))) for one in found)


def _series(found: SelectedSeries) -> Iterator[bytes]:
    samples = found.samples
    bits = samples.values.view(np.uint64)
    for row, labels in enumerate(found.labels.rows()):
        part = slice(int(samples.offsets[row]), int(samples.offsets[row + 1]))
        text = _labels(labels)
        if samples.histograms is None:
            yield text + _samples(samples.times[part], bits[part])
        else:
            yield text + _mixed(samples, part)


def _mixed(samples: Samples, part: slice) -> bytes:
    """Samples of a series of which some are native histograms."""
    assert samples.histograms is not None
    times, objects = samples.times[part], samples.histograms[part]
    is_float = np.fromiter((one is None for one in objects), np.bool_, len(objects))
    floats = _samples(times[is_float], samples.values[part][is_float].view(np.uint64))
    pairs = zip(times[~is_float].tolist(), objects[~is_float], strict=True)
    return floats + b"".join(put(4, message_of(one, time)) for time, one in pairs)


def _labels(labels: dict[str, str]) -> bytes:
    return b"".join(put(1, put(1, k.encode()) + put(2, v.encode())) for k, v in labels.items())


def _samples(times: Ints, bits: Bits) -> bytes:
    out = np.empty(len(times) * kernels.SAMPLE_BYTES, np.uint8)
    return out[: kernels.write_samples(times, bits, out)].tobytes()


# --- Streamed chunks ------------------------------------------------------------------------------


def chunk_frames(found: Sequence[SelectedSeries]) -> Iterator[bytes]:
    """Messages `prometheus.ChunkedReadResponse`, each with its length and checksum before it.

    Requires: no series has native histograms. A series is split over messages when it is long.
    """
    for query, one in enumerate(found):
        held, size = [], 0
        for message in _chunked(one):
            held.append(put(1, message))
            size += len(message)
            if size >= FRAME_BYTES:
                yield _frame(b"".join(held) + put_number(2, query))
                held, size = [], 0
        if held:
            yield _frame(b"".join(held) + put_number(2, query))


def _chunked(found: SelectedSeries) -> Iterator[bytes]:
    """Messages `prometheus.ChunkedSeries`."""
    samples = found.samples
    bits = samples.values.view(np.uint64)
    for row, labels in enumerate(found.labels.rows()):
        text = _labels(labels)
        held, size = [text], len(text)
        first, end = int(samples.offsets[row]), int(samples.offsets[row + 1])
        for start in range(first, end, kernels.CHUNK_SAMPLES):
            part = slice(start, min(start + kernels.CHUNK_SAMPLES, end))
            held.append(put(2, _chunk(samples.times[part], bits[part])))
            size += len(held[-1])
            if size >= FRAME_BYTES:
                yield b"".join(held)
                held, size = [text], len(text)
        if len(held) > 1:
            yield b"".join(held)


def _chunk(times: Ints, bits: Bits) -> bytes:
    """A message `prometheus.Chunk`."""
    room = kernels.CHUNK_HEAD_BYTES + len(times) * kernels.CHUNK_SAMPLE_BYTES
    out = np.zeros(room, np.uint8)
    data = out[: kernels.write_chunk(times, bits, out)].tobytes()
    head = put_number(1, int(times[0])) + put_number(2, int(times[-1])) + put_number(3, _XOR)
    return head + put(4, data)


def _frame(message: bytes) -> bytes:
    crc = kernels.crc32c(np.frombuffer(message, np.uint8))
    return number_bytes(len(message)) + int(crc).to_bytes(4, "big") + message
