"""A remote write 2.0 request (protobuf `io.prometheus.write.v2.Request`), taken apart.

Called by write.py with the uncompressed message. What comes out is what version 1 gives, too. A
series is known by its symbols' hashes, whatever their numbers in this request, and by what is said
of its metric: metadata that changes makes it unknown, and is looked at.
https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.errors import DbError, ErrorKind
from engine.jit import UInt64s
from engine.series.raw import RawSeries
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


def read_request(data: bytes, *, lossy: bool = False) -> tuple[Message, Extras]:
    """Raises: DbError INVALID_ARGUMENT for a malformed message, INVALID_ENCODING."""
    return Request(data, lossy=lossy).read()


class Request:
    """The arrays of one request. Raises: DbError INVALID_ARGUMENT, INVALID_ENCODING.

    Sample k is of series `sample_series[k]`.
    """

    def __init__(self, data: bytes, *, lossy: bool = False) -> None:
        array = np.frombuffer(data, np.uint8)
        counts = np.zeros(kernels.COUNTS, np.int64)
        check(kernels.read_symbols(array, False, counts, np.zeros(0, np.int64)))
        self.spans = np.empty(2 * int(counts[kernels.SYMBOLS]), np.int64)
        counts[:] = 0
        check(kernels.read_symbols(array, True, counts, self.spans))
        self.data = array
        self.symbols = texts_of(array, self.spans.reshape(-1, 2), lossy=lossy)
        self._allocate(np.zeros(kernels.COUNTS, np.int64))
        counts = self._run(fill=False)
        self._allocate(counts)
        self.series = int(counts[kernels.SERIES])
        self._run(fill=True)
        if (self.label_counts % 2).any() or (self.exemplar_counts % 2).any():
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                "the body is not a remote write request: a label has a name and no value",
            )

    def _allocate(self, counts: Ints) -> None:
        sizes = counts.tolist()
        self.label_counts = np.zeros(sizes[kernels.SERIES], np.int64)
        self.label_refs = np.empty(sizes[kernels.LABELS], np.int64)
        self.sample_series = np.empty(sizes[kernels.SAMPLES], np.int64)
        self.samples = np.empty(3 * sizes[kernels.SAMPLES], np.uint64)
        self.histogram_series = np.empty(sizes[kernels.HISTOGRAMS], np.int64)
        self.histograms = np.empty(3 * sizes[kernels.HISTOGRAMS], np.int64)
        self.exemplar_series = np.empty(sizes[kernels.EXEMPLARS], np.int64)
        self.exemplars = np.empty(2 * sizes[kernels.EXEMPLARS], np.uint64)
        self.exemplar_counts = np.empty(sizes[kernels.EXEMPLARS], np.int64)
        self.exemplar_refs = np.empty(sizes[kernels.EXEMPLAR_LABELS], np.int64)
        self.metadata = np.zeros(kernels.METADATA * sizes[kernels.SERIES], np.int64)

    @property
    def plain(self) -> NDArray[np.bool_]:
        """Which series have nothing but labels, samples without start times, and metadata."""
        found = np.ones(self.series, np.bool_)
        found[self.sample_series[self.sample_starts != 0]] = False
        found[self.histogram_series] = False
        found[self.exemplar_series] = False
        return found

    @property
    def sample_times(self) -> Ints:
        """Milliseconds."""
        return self.samples[1::3].view(np.int64)

    @property
    def sample_starts(self) -> Ints:
        """When the counter of each sample began, milliseconds; 0: nothing is said of it."""
        return self.samples[2::3].view(np.int64)

    @property
    def sample_values(self) -> NDArray[np.float64]:
        """As they came, stale markers among them."""
        return self.samples[0::3].view(np.float64)

    def keys(self, raw: RawSeries) -> UInt64s:
        """Two words per series that tell its labels and metadata."""
        symbols = raw.keys(self.data, self.spans).reshape(-1, 2)
        # One after the other: the labels' symbols, and the metadata's type, help and unit.
        ends = np.cumsum(self.label_counts + kernels.METADATA)
        words = np.empty((int(ends[-1]) if len(ends) else 0, 2), np.uint64)
        places = np.arange(len(self.label_refs)) + kernels.METADATA * np.repeat(
            np.arange(self.series), self.label_counts
        )
        words[places] = symbols[self.label_refs]
        about = self.metadata.reshape(-1, kernels.METADATA)
        words[ends - 3] = about[:, [kernels.KIND, kernels.KIND]]
        words[ends - 2] = symbols[about[:, kernels.HELP]] if len(symbols) else 0
        words[ends - 1] = symbols[about[:, kernels.UNIT]] if len(symbols) else 0
        starts = ends - self.label_counts - kernels.METADATA
        spans = words.itemsize * 2 * np.column_stack((starts, ends))
        return raw.keys(words.reshape(-1).view(np.uint8), spans.reshape(-1))

    def without(self, known: NDArray[np.bool_]) -> None:
        """Forgets these series."""
        if not known.any():
            return
        left = ~known
        numbers = np.cumsum(left) - 1
        self.label_refs = self.label_refs[np.repeat(left, self.label_counts)]
        self.label_counts = self.label_counts[left]
        samples = left[self.sample_series]
        self.sample_series = numbers[self.sample_series[samples]]
        self.samples = self.samples.reshape(-1, 3)[samples].reshape(-1)
        self.histogram_series = numbers[self.histogram_series]
        self.exemplar_series = numbers[self.exemplar_series]
        self.metadata = self.metadata.reshape(-1, kernels.METADATA)[left].reshape(-1)
        self.series = len(self.label_counts)

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
        """The series as version 1 has them, and what they bring beside samples."""
        pairs = self.label_refs.reshape(-1, 2)
        names = self.symbols.take(pa.array(pairs[:, 0])).dictionary_encode()
        message = Message(
            self.series,
            np.repeat(np.arange(self.series), self.label_counts // 2),
            names,
            self.symbols.take(pa.array(pairs[:, 1])),
            self.sample_series,
            self.sample_times,
            self.sample_values,
            self.histogram_series,
            self.histograms[2::3],
            pieces_of(self.data, self.histograms.reshape(-1, 3)[:, :2], pa.binary()),
            self.sample_starts,
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
