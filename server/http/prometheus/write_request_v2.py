"""A remote write 2.0 request (protobuf `io.prometheus.write.v2.Request`), taken apart.

Called by write.py with the uncompressed message. What comes out is what version 1 gives, too.
https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from engine import jit
from engine.errors import DbError, ErrorKind
from engine.jit import Bytes
from server.http.prometheus import write_kernels_v2 as kernels
from server.http.prometheus.write_extras import Exemplar, Extras, MetricMetadata, kind_of
from server.http.prometheus.write_request import (
    NAME,
    Ints,
    Message,
    check,
    pieces_of,
    texts_of,
)


def read_request(data: bytes) -> tuple[Message, Extras]:
    """Raises: DbError INVALID_ARGUMENT for a malformed message, INVALID_ENCODING."""
    jit.warm()
    array = np.frombuffer(data, np.uint8)
    return _Reader(array).read()


class _Reader:
    """The arrays of one request while it is read."""

    def __init__(self, data: Bytes) -> None:
        counts = np.zeros(kernels.COUNTS, np.int64)
        check(kernels.read_symbols(data, False, counts, np.zeros(0, np.int64)))
        spans = np.empty(2 * int(counts[kernels.SYMBOLS]), np.int64)
        counts[:] = 0
        check(kernels.read_symbols(data, True, counts, spans))
        self.data = data
        self.symbols = texts_of(data, spans.reshape(-1, 2))
        self._allocate(np.zeros(kernels.COUNTS, np.int64))
        counts = self._run(fill=False)
        self._allocate(counts)
        self.series = int(counts[kernels.SERIES])
        self._run(fill=True)

    def _allocate(self, counts: Ints) -> None:
        sizes = counts.tolist()
        self.label_counts = np.zeros(sizes[kernels.SERIES], np.int64)
        self.label_refs = np.empty(sizes[kernels.LABELS], np.int64)
        self.sample_series = np.empty(sizes[kernels.SAMPLES], np.int64)
        self.samples = np.empty(2 * sizes[kernels.SAMPLES], np.uint64)
        self.histogram_series = np.empty(sizes[kernels.HISTOGRAMS], np.int64)
        self.histograms = np.empty(3 * sizes[kernels.HISTOGRAMS], np.int64)
        self.exemplar_series = np.empty(sizes[kernels.EXEMPLARS], np.int64)
        self.exemplars = np.empty(2 * sizes[kernels.EXEMPLARS], np.uint64)
        self.exemplar_counts = np.empty(sizes[kernels.EXEMPLARS], np.int64)
        self.exemplar_refs = np.empty(sizes[kernels.EXEMPLAR_LABELS], np.int64)
        self.metadata = np.zeros(kernels.METADATA * sizes[kernels.SERIES], np.int64)

    def _run(self, *, fill: bool) -> Ints:
        counts = np.zeros(kernels.COUNTS, np.int64)
        check(
            kernels.read_series(
                self.data,
                fill,
                len(self.symbols),
                counts,
                self.label_counts,
                self.label_refs,
                self.sample_series,
                self.samples,
                self.histogram_series,
                self.histograms,
                self.exemplar_series,
                self.exemplars,
                self.exemplar_counts,
                self.exemplar_refs,
                self.metadata,
            )
        )
        return counts

    def read(self) -> tuple[Message, Extras]:
        if (self.label_counts % 2).any() or (self.exemplar_counts % 2).any():
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                "the body is not a remote write request: a label has a name and no value",
            )
        pairs = self.label_refs.reshape(-1, 2)
        names = self.symbols.take(pa.array(pairs[:, 0])).dictionary_encode()
        message = Message(
            self.series,
            np.repeat(np.arange(self.series), self.label_counts // 2),
            names,
            self.symbols.take(pa.array(pairs[:, 1])),
            self.sample_series,
            self.samples[1::2].view(np.int64),
            self.samples[0::2].view(np.float64),
            self.histogram_series,
            self.histograms[2::3],
            pieces_of(self.data, self.histograms.reshape(-1, 3)[:, :2], pa.binary()),
        )
        return message, Extras(self._exemplars(), self._metadata(message))

    def _exemplars(self) -> list[Exemplar]:
        values = self.exemplars[0::2].view(np.float64).tolist()
        times = self.exemplars[1::2].view(np.int64).tolist()
        texts = self.symbols.take(pa.array(self.exemplar_refs)).to_pylist()
        ends = np.cumsum(self.exemplar_counts).tolist()
        found = []
        for place, series in enumerate(self.exemplar_series.tolist()):
            own = texts[ends[place] - int(self.exemplar_counts[place]) : ends[place]]
            labels = dict(zip(own[::2], own[1::2], strict=True))
            found.append(Exemplar(series, labels, values[place], times[place]))
        return found

    def _metadata(self, message: Message) -> list[MetricMetadata]:
        """What is said of each metric; nearly always all series of one say the same."""
        rows = self.metadata.reshape(-1, kernels.METADATA)
        told = np.flatnonzero(rows.any(axis=1))
        if not len(told):
            return []
        metrics = _names(message)
        known, first = np.unique(
            np.column_stack((metrics[told], rows[told])), axis=0, return_index=True
        )
        symbols = self.symbols
        found = []
        for (metric, kind, help_, unit), _ in zip(known.tolist(), first.tolist(), strict=True):
            if metric >= 0:
                name = message.values[metric].as_py()
                texts = symbols[help_].as_py(), symbols[unit].as_py()
                found.append(MetricMetadata(name, kind_of(kind), *texts))
        return found


def _names(message: Message) -> Ints:
    """Per series the first label with its metric's name, -1 without one."""
    found = np.full(message.series, -1, np.int64)
    names: list[str] = message.names.dictionary.to_pylist()
    if NAME not in names:
        return found
    rows = np.flatnonzero(message.names.indices.to_numpy() == names.index(NAME))
    codes = message.values.take(pa.array(rows)).dictionary_encode().indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    found[message.label_series[rows]] = rows[first[codes]]
    return found
