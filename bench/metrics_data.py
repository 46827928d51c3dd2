"""Requests for databases of metrics, made before a clock runs: remote write and line protocol.

CPU readings as TSBS has them (ten metrics of each host, ten labels), and many series with a few
samples each. A request is a template of bytes into which times and values are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from cramjam import snappy

from bench.tsbs import FIELDS, TAGS

KINDS = {"region": 9, "datacenter": 25, "rack": 100, "os": 3, "arch": 2, "team": 4}
_TIME_BYTES = 6  # a varint of milliseconds, from 2004 to 2109
ROWS_EACH = 250  # of a request; each has ten samples


def tags(host: int, hosts: int) -> dict[str, str]:
    """The ten labels of a host."""
    found = {}
    for place, tag in enumerate(TAGS):
        kinds = hosts if tag == "hostname" else KINDS.get(tag, 20)
        word = "host" if tag == "hostname" else tag
        found[tag] = f"{word}_{(host * (place * 7 + 1)) % kinds}"
    return found


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _piece(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


@dataclass(frozen=True)
class Template:
    """A WriteRequest of one sample per series, and where its times and values are."""

    content: np.ndarray  # bytes
    values: np.ndarray  # first byte of each value
    times: np.ndarray

    @staticmethod
    def of(series: Sequence[dict[str, str]]) -> Template:
        """Requires: no more than one `__name__` each."""
        out = bytearray()
        values, times = [], []
        for labels in series:
            pairs = sorted(labels.items())
            head = b"".join(
                _piece(1, _piece(1, name.encode()) + _piece(2, value.encode()))
                for name, value in pairs
            )
            point = _piece(2, b"\x09" + bytes(8) + b"\x10" + bytes(_TIME_BYTES))
            whole = _piece(1, head + point)
            end = len(out) + len(whole)
            values.append(end - _TIME_BYTES - 1 - 8)
            times.append(end - _TIME_BYTES)
            out += whole
        content = np.frombuffer(bytes(out), np.uint8)
        return Template(content, np.array(values), np.array(times))

    def request(self, time_ms: int, values: np.ndarray) -> bytes:
        """Compressed, with a value for each series."""
        out = self.content.copy()
        moment = np.frombuffer(_varint(time_ms), np.uint8)
        assert len(moment) == _TIME_BYTES
        out[self.times[:, None] + np.arange(_TIME_BYTES)] = moment
        out[self.values[:, None] + np.arange(8)] = values.view(np.uint8).reshape(-1, 8)
        return bytes(snappy.compress_raw(out.tobytes()))


class Walk:
    """TSBS's cpu-only: each field of each host walks by N(0, 1) within 0 to 100."""

    def __init__(self, hosts: int) -> None:
        self._random = np.random.default_rng(1)
        self._level = self._random.uniform(0, 100, (hosts, len(FIELDS)))

    def step(self) -> np.ndarray:
        """The next values of all hosts, (hosts x fields)."""
        self._level += self._random.normal(0, 1, self._level.shape)
        np.clip(self._level, 0, 100, out=self._level)
        return np.floor(self._level)


def remote_writes(hosts: int, moments: Sequence[int]) -> Iterator[bytes]:
    """Requests in order of time, each with some hosts at one moment."""
    templates = []
    for first in range(0, hosts, ROWS_EACH):
        own = range(first, min(first + ROWS_EACH, hosts))
        series = [
            {"__name__": f"cpu_{field}", **tags(host, hosts)} for host in own for field in FIELDS
        ]
        templates.append((slice(first, own.stop), Template.of(series)))
    walk = Walk(hosts)
    for moment in moments:
        values = walk.step()
        for own_hosts, template in templates:
            yield template.request(moment, np.ascontiguousarray(values[own_hosts]).ravel())


def lines(hosts: int, moments: Sequence[int], measurement: str) -> Iterator[bytes]:
    """The same readings as line protocol in nanoseconds; each line is a row."""
    heads = []
    for host in range(hosts):
        pairs = ",".join(f"{name}={value}" for name, value in tags(host, hosts).items())
        heads.append(f"{measurement},{pairs} ")
    names = [f"{field}=" for field in FIELDS]
    walk = Walk(hosts)
    for moment in moments:
        values = walk.step().astype(int).tolist()
        end = f" {moment}000000\n"
        rows = [
            head + ",".join(map(str.__add__, names, map(str, row))) + end
            for head, row in zip(heads, values, strict=True)
        ]
        for first in range(0, hosts, ROWS_EACH):
            yield "".join(rows[first : first + ROWS_EACH]).encode()


def many_series(count: int, moments: Sequence[int], each: int = 5000) -> Iterator[bytes]:
    """Requests of `count` series of one metric, all of them at each moment."""
    random = np.random.default_rng(3)
    templates = []
    for first in range(0, count, each):
        numbers = range(first, min(first + each, count))
        series = [
            {
                "__name__": "many",
                "instance": f"host_{number}",
                "region": f"region_{number % 9}",
                "job": f"job_{number % 50}",
            }
            for number in numbers
        ]
        templates.append(Template.of(series))
    for moment in moments:
        for template in templates:
            values = random.integers(0, 1000, len(template.times)).astype(np.float64)
            yield template.request(moment, values)
