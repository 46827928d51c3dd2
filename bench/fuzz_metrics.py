"""Fuzzes what agents send: remote write 1 and 2, remote read, snappy, OpenTSDB, line protocol.

    python -m bench.fuzz_metrics [--inputs 1000000] [--seed 1] [write_v1 write_v2 ...]

Every input is a mutated request. It must end in what it says or in a DbError; any other exception
stops the run and prints the input. One in ten goes the whole way to rows of tables.
"""

from __future__ import annotations

import argparse
import random
import struct
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
from cramjam import snappy

from engine import jit
from engine.errors import DbError
from engine.series.hashing import words_of
from engine.series.raw import RawSeries
from server.http.influx.lines import read_lines
from server.http.opentsdb import given_points, read_points, tables_of
from server.http.opentsdb_points import usual_tables
from server.http.prometheus.match import known_samples
from server.http.prometheus.peel import peelable
from server.http.prometheus.read import request_of
from server.http.prometheus.write import decompressed
from server.http.prometheus.write_extras import exemplar_tables, extras_of
from server.http.prometheus.write_request import Message, read_message, tables_of_message
from server.http.prometheus.write_request_v2 import read_request
from sql.ingest.batch import IngestTable
from sql.protobuf import number_bytes, put, put_double, put_number

WHOLE_ONE_IN = 10
BODY_MAX = 1 << 20
NAMES = ("__name__", "job", "instance", "le", "x_greptime_database", "é", "a b", "")
VALUES = ("up", "a", "127.0.0.1:9100", "+Inf", "", "x" * 40, "𝄞")
Build = Callable[[random.Random], bytes]
Read = Callable[[bytes, bool], None]


def _label(rng: random.Random) -> bytes:
    name, value = rng.choice(NAMES).encode(), rng.choice(VALUES).encode()
    return put(1, put(1, name) + put(2, value))


def _sample(rng: random.Random) -> bytes:
    value = rng.choice([0.0, 1.5, -1e300, float("nan"), float("inf")])
    return put(2, put_double(1, value) + put_number(2, rng.choice([0, 1, 1_700_000_000_000, -5])))


def _histogram(rng: random.Random) -> bytes:
    return put_number(1, rng.randint(0, 9)) + put_double(3, 2.5) + put_number(15, 1000)


def _write_v1(rng: random.Random) -> bytes:
    series = []
    for _ in range(rng.randint(0, 3)):
        parts = [_label(rng) for _ in range(rng.randint(0, 4))]
        parts += [_sample(rng) for _ in range(rng.randint(0, 3))]
        if rng.random() < 0.2:
            parts.append(put(4, _histogram(rng)))
        if rng.random() < 0.2:
            parts.append(put(3, _label(rng) + put_double(2, 1.0) + put_number(3, 5)))
        series.append(put(1, b"".join(parts)))
    if rng.random() < 0.2:
        series.append(put(3, put_number(1, 2) + put(2, b"up") + put(4, b"help")))
    return b"".join(series)


def _write_v2(rng: random.Random) -> bytes:
    symbols = ["", *rng.sample(NAMES + VALUES, rng.randint(0, 8))]

    def refs(count: int) -> bytes:
        beyond = len(symbols) if rng.random() < 0.05 else len(symbols) - 1
        return put(1, b"".join(number_bytes(rng.randint(0, beyond)) for _ in range(count)))

    parts = [put(4, text.encode()) for text in symbols]
    for _ in range(rng.randint(0, 3)):
        body = [refs(2 * rng.randint(0, 3) + (rng.random() < 0.05))]
        body += [_sample(rng) for _ in range(rng.randint(0, 3))]
        if rng.random() < 0.2:
            body.append(put(3, _histogram(rng)))
        if rng.random() < 0.2:
            body.append(put(4, refs(2) + put_double(2, 1.0) + put_number(3, 5)))
        if rng.random() < 0.2:
            body.append(put(5, put_number(1, 1) + put_number(3, 0) + put_number(4, 1)))
        parts.append(put(5, b"".join(body)))
    return b"".join(parts)


def _read(rng: random.Random) -> bytes:
    queries = []
    for _ in range(rng.randint(0, 3)):
        matchers = [
            put(3, put_number(1, rng.randint(0, 4)) + put(2, b"job") + put(3, b"a.*"))
            for _ in range(rng.randint(0, 3))
        ]
        queries.append(put(1, put_number(1, 5) + put_number(2, 9) + b"".join(matchers)))
    return b"".join(queries) + rng.choice([b"", put_number(2, 1), put(2, b"\x00\x01")])


def _compressed(rng: random.Random) -> bytes:
    return bytes(snappy.compress_raw(_write_v1(rng) * rng.choice([1, 1, 20])))


_LINES = (
    b"cpu,host=a,region=eu usage=1.5,count=3i,ok=t 1700000000000000000",
    b'm,a\\ b=c\\,d text="say \\"x\\"",u=5u,f=-1e-3',
    b"# a comment",
    b"weather,location=us temperature=82 1465839830100400200\r",
    b"m f=99999999999999999999i",
    b"",
)


def _lines(rng: random.Random) -> bytes:
    return b"\n".join(rng.choice(_LINES) for _ in range(rng.randint(1, 4)))


_POINTS = (
    b'{"metric":"sys.cpu","timestamp":1700000000,"value":18,"tags":{"host":"a","dc":"x"}}',
    b'{"metric": "a", "timestamp": 1700000000123, "value": -1.5e-3, "tags": {}}',
    b'{"tags":{"h":"\xc3\xa9"},"value":0.1,"timestamp":"17","metric":"b"}',
    b'{"metric":"m","timestamp":1,"value":"2.5","tags":{"a":"b\\u00e9"}}',
    b'{"metric":"m","timestamp":0,"value":1e400}',
)


def _points(rng: random.Random) -> bytes:
    """An array of points, or one."""
    chosen = [rng.choice(_POINTS) for _ in range(rng.randint(1, 3))]
    return chosen[0] if len(chosen) == 1 else b"[" + b", ".join(chosen) + b"]"


def _read_points(data: bytes, whole: bool) -> None:
    """What the kernel reads, Python's reader reads, too, and alike."""
    usual = usual_tables(data, {})
    if usual is None:
        given_points(data)
        return
    points, failures = read_points(given_points(data))
    assert not failures, failures
    assert _shown(usual) == _shown(tables_of(points, {}))


def _shown(tables: Sequence[IngestTable]) -> dict[str, object]:
    return {table.name: table.columns for table in tables}


def _tables(message: Message, whole: bool) -> None:
    if whole:
        tables_of_message(message, "phy")


def _read_v1(data: bytes, whole: bool) -> None:
    message = read_message(data)
    extras = extras_of(data)
    _tables(message, whole)
    exemplar_tables(message, extras.exemplars)


def _read_v2(data: bytes, whole: bool) -> None:
    message, extras = read_request(data)
    _tables(message, whole)
    exemplar_tables(message, extras.exemplars)


_KNOWN = RawSeries()


def _read_known(data: bytes, whole: bool) -> None:
    """Matches series that were remembered; one in ten beside the way of all requests."""
    found = known_samples(*words_of(data), [len(data)], _KNOWN)
    if found is not None and not whole:
        return
    peeled = peelable(data)
    keys = _KNOWN.keys(data, peeled.labels.ravel())
    if found is not None:
        (ids, times, values), _ = found
        assert (ids == _KNOWN.find(keys)[peeled.sample_series]).all()
        assert (times == peeled.sample_times).all()
        assert values.tobytes() == peeled.sample_values.tobytes()
    _KNOWN.remember(keys, np.where(peeled.plain, np.int64(len(data)), np.int64(-1)))


TARGETS: dict[str, tuple[Build, Read]] = {
    "write_v1": (_write_v1, _read_v1),
    "known": (_write_v1, _read_known),
    "write_v2": (_write_v2, _read_v2),
    "read": (_read, lambda data, whole: request_of(data) and None),
    "snappy": (_compressed, lambda data, whole: decompressed(data, "snappy", BODY_MAX) and None),
    "opentsdb": (_points, _read_points),
    "lines": (_lines, lambda data, whole: read_lines(data, 1, 0) and None),
}


def mutated(rng: random.Random, data: bytes) -> bytes:
    """The bytes with a few changes; now and then as they are."""
    out = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        at = rng.randint(0, len(out))
        kind = rng.randrange(5)
        if kind == 0 and out:
            out[min(at, len(out) - 1)] = rng.randrange(256)
        elif kind == 1:
            del out[at : at + rng.randint(1, 9)]
        elif kind == 2:
            out[at:at] = rng.randbytes(rng.randint(1, 5))
        elif kind == 3:
            out[at:at] = rng.choice((b"\xff" * 10, b"\x80" * 11, struct.pack("<Q", 2**63)))
        else:
            out[at:] = out[rng.randint(0, len(out)) :]
    return bytes(out)


def fuzz(target: str, inputs: int, seed: int) -> tuple[int, float]:
    """Returns: how many inputs were refused, and seconds. Raises: whatever is no DbError."""
    build, read = TARGETS[target]
    rng = random.Random(seed)
    pool = [build(rng) for _ in range(2000)]
    refused, began = 0, time.monotonic()
    for number in range(inputs):
        data = mutated(rng, pool[rng.randrange(len(pool))])
        try:
            read(data, number % WHOLE_ONE_IN == 0)
        except DbError:
            refused += 1
        except Exception:
            print(f"{target}: input {number} of seed {seed}: {data!r}")
            raise
    return refused, time.monotonic() - began


def main() -> int:
    """Fuzzes the targets asked for, or all. Returns: the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz_metrics", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="TARGET")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    jit.warm()
    for target in options.targets or TARGETS:
        refused, seconds = fuzz(target, options.inputs, options.seed)
        rate = options.inputs / seconds
        print(f"{target}: {options.inputs} inputs, {refused} refused, {rate:.0f}/s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
