"""Remote read: samples and streamed chunks say what was written; bad requests say what is wrong."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import write_requests as wr
from cramjam import snappy

from server.http.prometheus import read_kernels
from sql.protobuf import content, fields, last, number_bytes, signed, varint, zigzag

SERIES = (
    ({"__name__": "up", "job": "b"}, [(2000, 7.0)]),
    ({"__name__": "up", "job": "a"}, [(1000, 1.0), (2000, 0.5), (61_000, 3.0)]),
    ({"__name__": "other"}, [(1000, 4.0)]),
)


def query(start: int, end: int, *matchers: tuple[int, str, str]) -> bytes:
    found = [
        wr.piece(
            3, b"\x08" + number_bytes(op) + wr.piece(2, name.encode()) + wr.piece(3, v.encode())
        )
        for op, name, v in matchers
    ]
    times = b"\x08" + number_bytes(start) + b"\x10" + number_bytes(end)
    return wr.piece(1, times + b"".join(found))


async def post(prom: Any, message: bytes, **headers: str) -> Any:
    given = {"content-encoding": "snappy", "content-type": "application/x-protobuf"} | headers
    body = wr.compressed(message)
    return await prom.client.post("/v1/prometheus/read", content=body, headers=given)


def parts(message: bytes, number: int) -> list[bytes]:
    return [v for n, v in fields(message) if n == number and isinstance(v, bytes)]


def labels_of(series: bytes) -> dict[str, str]:
    pairs = [list(fields(one)) for one in parts(series, 1)]
    return {content(pair, 1).decode(): content(pair, 2).decode() for pair in pairs}


def samples_of(series: bytes) -> list[tuple[int, float]]:
    found = [list(fields(one)) for one in parts(series, 2)]
    bits = [(signed(last(one, 2)), struct.pack("<Q", last(one, 1))) for one in found]
    return [(time, struct.unpack("<d", raw)[0]) for time, raw in bits]


async def test_samples_come_sorted_by_labels_one_result_a_query(prom: Any) -> None:
    await prom.write(*SERIES)
    asked = query(1000, 2000, (0, "__name__", "up")) + query(0, 10**6, (2, "__name__", "o.*"))
    answer = await post(prom, asked)
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "snappy"
    results = parts(bytes(snappy.decompress_raw(answer.content)), 1)
    found = [[(labels_of(s), samples_of(s)) for s in parts(result, 1)] for result in results]
    assert found == [
        [
            ({"__name__": "up", "job": "a"}, [(1000, 1.0), (2000, 0.5)]),
            ({"__name__": "up", "job": "b"}, [(2000, 7.0)]),
        ],
        [({"__name__": "other"}, [(1000, 4.0)])],
    ]


async def test_streamed_chunks_hold_the_same(prom: Any) -> None:
    await prom.write(*SERIES)
    asked = query(0, 10**6, (0, "__name__", "up"), (1, "job", "b")) + b"\x10\x01"
    answer = await post(prom, asked)
    assert answer.headers["content-type"].startswith("application/x-streamed-protobuf")
    (message,) = frames(answer.content)
    (series,) = parts(message, 1)
    assert labels_of(series) == {"__name__": "up", "job": "a"}
    (chunk,) = (list(fields(one)) for one in parts(series, 2))
    assert [last(chunk, 1), last(chunk, 2), last(chunk, 3)] == [1000, 61_000, 1]
    assert unpacked(content(chunk, 4)) == [(1000, 1.0), (2000, 0.5), (61_000, 3.0)]


async def test_native_histograms_come_as_samples(prom: Any) -> None:
    body = wr.series({"__name__": "h"}, wr.histogram(1000, 4), wr.sample(2000, 1.5))
    await prom.post(wr.compressed(body))
    answer = await post(prom, query(0, 10**6, (0, "__name__", "h")) + b"\x10\x01")
    (result,) = parts(bytes(snappy.decompress_raw(answer.content)), 1)
    (series,) = parts(result, 1)
    assert samples_of(series) == [(2000, 1.5)]
    (found,) = (list(fields(one)) for one in parts(series, 4))
    assert last(found, 15) == 1000
    assert struct.pack("<Q", last(found, 2)) == struct.pack("<d", 4.0)


@pytest.mark.parametrize(
    "body", [b"\x0a\x05", b"\x0a\x02\x1a\x00\xff", b"\x0a\x04\x1a\x02\x08\x09"]
)
async def test_what_is_no_request_is_refused(prom: Any, body: bytes) -> None:
    answer = await post(prom, body)
    assert (answer.status_code, answer.json()["code"]) == (400, 1004)


async def test_an_unknown_encoding_is_refused(prom: Any) -> None:
    answer = await post(prom, b"", **{"content-encoding": "br"})
    assert answer.status_code == 400


def frames(body: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(body):
        length, at = varint(body, at)
        message = body[at + 4 : at + 4 + length]
        crc = read_kernels.crc32c(np.frombuffer(message, np.uint8))
        assert int.from_bytes(body[at : at + 4], "big") == crc
        yield message
        at += 4 + length


# --- Chunks, read by the paper --------------------------------------------------------------------


class Bits:
    def __init__(self, data: bytes) -> None:
        self.text = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def take(self, count: int) -> int:
        self.at += count
        return int(self.text[self.at - count : self.at] or "0", 2)

    def signed(self, count: int) -> int:
        number = self.take(count)
        return number - (1 << count) if number > 1 << (count - 1) else number

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self.take(8)
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7

    def ones(self, most: int) -> int:
        count = 0
        while count < most and self.take(1):
            count += 1
        return count


def unpacked(chunk: bytes) -> list[tuple[int, float]]:
    bits = Bits(chunk)
    count = bits.take(16)
    time, value = zigzag(bits.varint()), bits.take(64)
    found, step, leading, width = [(time, value)], 0, 0, 0
    for place in range(1, count):
        if place == 1:
            step = bits.varint()
        else:
            kind = bits.ones(4)
            step += bits.signed((0, 14, 17, 20, 64)[kind]) if kind else 0
        time += step
        if bits.take(1):
            if bits.take(1):
                leading, width = bits.take(5), bits.take(6) or 64
            value ^= bits.take(width) << (64 - leading - width)
        found.append((time, value))
    return [(t, struct.unpack("<d", struct.pack("<Q", v))[0]) for t, v in found]


def test_chunks_of_any_times_and_values() -> None:
    random = np.random.default_rng(7)
    for scale in (1, 1_000, 10_000, 100_000, 2**40):
        times = np.cumsum(random.integers(1, scale + 1, 100)).astype(np.int64)
        values = np.where(random.random(100) < 0.3, 1.5, random.normal(0, 10.0**20, 100))
        room = read_kernels.CHUNK_HEAD_BYTES + 100 * read_kernels.CHUNK_SAMPLE_BYTES
        out = np.zeros(room, np.uint8)
        size = read_kernels.write_chunk(times, values.view(np.uint64), out)
        assert unpacked(out[:size].tobytes()) == list(
            zip(times.tolist(), values.tolist(), strict=True)
        )
