"""A remote write request (protobuf `prometheus.WriteRequest`) as rows of tables.

Called by write.py with the uncompressed message. Each metric is a table: its time, its value, one
text tag per label. Nothing is looked up or written here.
https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine import datatypes as dt
from engine.errors import DbError, ErrorKind
from engine.jit import UInt64s
from engine.schema import Semantic
from server.http.prometheus import write_kernels as kernels
from server.http.prometheus.wire_kernels import WORDS
from sql.ingest.batch import IngestColumn, IngestTable
from sql.ingest.metrics import HISTOGRAM, TIME, VALUE
from sql.promql.source_histograms import start_messages
from sql.statements.metric_engine import LOGICAL

NAME = "__name__"
DATABASE_LABEL = "x_greptime_database"
PHYSICAL_LABEL = "x_greptime_physical_table"
_ROUTES = (NAME, DATABASE_LABEL, PHYSICAL_LABEL)

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Message:
    """A request taken apart. Label k belongs to series `label_series[k]`, samples likewise."""

    series: int
    label_series: Ints
    names: pa.DictionaryArray
    values: pa.StringArray
    sample_series: Ints
    sample_times: Ints
    sample_values: NDArray[np.float64]
    histogram_series: Ints
    histogram_times: Ints
    histograms: pa.BinaryArray
    sample_starts: Ints | None = None  # 0: nothing is said of it
    keys: UInt64s | None = None  # two words per series that tell its labels


def tables_of(data: bytes, physical_table: str | None) -> list[IngestTable]:
    """The rows of a request, one entry per metric.

    `physical_table`: what the tables of new metrics are on; None for tables of their own.
    Raises: DbError INVALID_ARGUMENT for a malformed message, INVALID_ENCODING for text that is not
    UTF-8.
    """
    return tables_of_message(read_message(data), physical_table)


def read_message(data: bytes, *, lossy: bool = False) -> Message:
    """Takes a request apart; `lossy`: as in `texts_of`.

    Raises: DbError INVALID_ARGUMENT, INVALID_ENCODING.
    """
    return _read(np.frombuffer(data, np.uint8), lossy)


def tables_of_message(message: Message, physical_table: str | None) -> list[IngestTable]:
    """The rows of a request that was taken apart. Raises: DbError INVALID_ARGUMENT."""
    return list(_tables(message, physical_table))


def warm() -> None:
    """Reads an empty request: this pays what the first one costs."""
    tables_of(b"", None)


def counts_of(tables: list[IngestTable]) -> tuple[int, int]:
    """How many samples and how many native histograms are in these rows."""
    samples = sum(
        len(column.values) - column.values.null_count
        for table in tables
        for column in table.columns
        if column.name == VALUE
    )
    return samples, sum(table.rows for table in tables) - samples


# --- Taking apart ---------------------------------------------------------------------------------


def _read(data: NDArray[np.uint8], lossy: bool) -> Message:
    counts = np.zeros(kernels.COUNTS, np.int64)
    nothing = np.zeros(0, np.int64)
    no_bits = np.zeros(0, np.uint64)
    check(
        kernels.read_request(
            data, False, counts, nothing, nothing, nothing, no_bits, nothing, nothing
        )
    )
    series, labels, samples, histograms = counts.tolist()
    label_series, label_spans = np.empty(labels, np.int64), np.empty(4 * labels, np.int64)
    sample_series, bits = np.empty(samples, np.int64), np.empty(2 * samples, np.uint64)
    histogram_series = np.empty(histograms, np.int64)
    places = np.empty(3 * histograms, np.int64)
    counts[:] = 0
    check(
        kernels.read_request(
            data, True, counts, label_series, label_spans, sample_series, bits,
            histogram_series, places,
        )
    )  # fmt: skip
    pairs = label_spans.reshape(-1, 4)
    return Message(
        series,
        label_series,
        texts_of(data, pairs[:, :2], lossy=lossy).dictionary_encode(),
        texts_of(data, pairs[:, 2:], lossy=lossy),
        sample_series,
        bits[1::2].view(np.int64),
        bits[0::2].view(np.float64),
        histogram_series,
        places[2::3],
        pieces_of(data, places.reshape(-1, 3)[:, :2], pa.binary()),
    )


def check(code: int) -> None:
    """Raises: DbError INVALID_ARGUMENT for an error of a kernel."""
    if code:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT, f"the body is not a remote write request: {WORDS[code]}"
        )


def texts_of(data: NDArray[np.uint8], spans: Ints, *, lossy: bool = False) -> pa.StringArray:
    """Pieces of the message as text. `lossy`: what is not UTF-8 becomes U+FFFD.

    Raises: DbError INVALID_ENCODING unless `lossy`.
    """
    found = pieces_of(data, spans, pa.string())
    try:
        found.validate(full=True)
    except pa.ArrowInvalid:
        if lossy:
            # Rare, and of series that are not known yet: no kernel is worth it.
            pieces = found.view(pa.binary()).to_pylist()
            return pa.array([piece.decode(errors="replace") for piece in pieces], pa.string())
        raise DbError(
            ErrorKind.INVALID_ENCODING,
            "a label of the remote write request is not UTF-8",
            hint="prom_validation_mode = lossy replaces such bytes",
        ) from None
    return found


def pieces_of(data: NDArray[np.uint8], spans: Ints, kind: pa.DataType) -> pa.Array:
    """Pieces [start, end) of the message, as an array of text or bytes."""
    spans = np.ascontiguousarray(spans)
    offsets = np.append(0, np.cumsum(spans[:, 1] - spans[:, 0])).astype(np.int32)
    out = np.empty(int(offsets[-1]), np.uint8)
    kernels.gather(data, spans.ravel(), out)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(out)]
    return pa.Array.from_buffers(kind, len(spans), buffers)


# --- Metrics --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Segments:
    """Rows sorted by a key: those of key k are `order[starts[k] : starts[k + 1]]`."""

    order: Ints
    starts: Ints

    def rows(self, key: int) -> Ints:
        return self.order[self.starts[key] : self.starts[key + 1]]


def _segments(keys: Ints, count: int) -> _Segments:
    """Rows by key 0 … count - 1, in their order within each; negative keys are left out."""
    order = np.argsort(keys, kind="stable").astype(np.int64)
    starts = np.searchsorted(keys[order], np.arange(count + 1)).astype(np.int64)
    return _Segments(order, starts)


def _tables(message: Message, physical_table: str | None) -> Iterator[IngestTable]:
    names: list[str] = message.names.dictionary.to_pylist()
    codes = message.names.indices.to_numpy().astype(np.int64)
    _check_labels(message, names, codes)
    groups, routes = _grouped(message, names, codes)
    count = len(routes)
    samples = _segments(groups[message.sample_series], count)
    histograms = _segments(groups[message.histogram_series], count)
    members = _segments(groups, count)
    local = np.empty(message.series, np.int64)
    local[members.order] = np.arange(message.series) - np.repeat(
        np.append(0, members.starts), np.diff(np.concatenate(([0], members.starts, [len(local)])))
    )
    is_tag = np.array([name not in _ROUTES for name in names], np.bool_)[codes]
    is_tag &= pc.not_equal(message.values, "").to_numpy(zero_copy_only=False)
    keys = np.where(is_tag, groups[message.label_series] * len(names) + codes, -1)
    labels = _segments(np.where(groups[message.label_series] < 0, -1, keys), count * len(names))
    used = np.flatnonzero(np.diff(labels.starts))
    tags = _segments(used // max(len(names), 1), count)
    for group, (metric, database, physical) in enumerate(routes):
        points = _points(message, samples.rows(group), histograms.rows(group))
        places = local[points.series]
        size = int(members.starts[group + 1] - members.starts[group])
        columns = points.columns()
        for key in used[tags.rows(group)].tolist():
            rows = labels.rows(key)
            value_of = np.full(size, -1, np.int64)
            value_of[local[message.label_series[rows]]] = rows
            columns.append(_tag(message, names[key % len(names)], value_of[places]))
        physical = physical or physical_table or ""
        engine, options = ("metric", {LOGICAL: physical}) if physical else ("mito", {})
        yield IngestTable(
            metric, tuple(columns), database, engine, options, keys=_keys(message, points)
        )


def _keys(message: Message, points: _Points) -> UInt64s | None:
    if message.keys is None:
        return None
    return message.keys.reshape(-1, 2)[points.series].reshape(-1)


def _check_labels(message: Message, names: list[str], codes: Ints) -> None:
    """Raises: DbError INVALID_ARGUMENT for labels without a name, and for one given twice."""
    if "" in names:
        raise DbError(ErrorKind.INVALID_ARGUMENT, "a label has no name")
    pairs = np.sort(message.label_series * max(len(names), 1) + codes)
    twice = np.flatnonzero(pairs[1:] == pairs[:-1])
    if len(twice):
        name = names[int(pairs[twice[0]]) % len(names)]
        raise DbError(ErrorKind.INVALID_ARGUMENT, f'a series has the label "{name}" twice')


def _grouped(
    message: Message, names: list[str], codes: Ints
) -> tuple[Ints, list[tuple[str, str, str]]]:
    """Per series the number of its table, -1 without points; per table metric, database, physical.

    Raises: DbError INVALID_ARGUMENT for a series without a metric's name.
    """
    has_points = np.zeros(message.series, np.bool_)
    has_points[message.sample_series] = True
    has_points[message.histogram_series] = True
    parts = [_route(message, names, codes, label) for label in _ROUTES]
    if ((parts[0][1] == 0) & has_points).any():
        raise DbError(ErrorKind.INVALID_ARGUMENT, "a series has no metric name (__name__)")
    keys = np.zeros(message.series, np.int64)
    for texts, places in parts:
        keys = keys * len(texts) + places
    distinct, first, group = np.unique(keys[has_points], return_index=True, return_inverse=True)
    groups = np.full(message.series, -1, np.int64)
    groups[has_points] = group
    rows = np.flatnonzero(has_points)[first]
    found = [tuple(texts[places[row]] for texts, places in parts) for row in rows]
    assert len(found) == len(distinct)
    return groups, [(metric, database, physical) for metric, database, physical in found]


def _route(message: Message, names: list[str], codes: Ints, label: str) -> tuple[list[str], Ints]:
    """The values of one label, "" first, and per series the place of its own."""
    places = np.zeros(message.series, np.int64)
    if label not in names:
        return [""], places
    rows = np.flatnonzero(codes == names.index(label))
    encoded = message.values.take(pa.array(rows)).dictionary_encode()
    texts = ["", *encoded.dictionary.to_pylist()]
    places[message.label_series[rows]] = encoded.indices.to_numpy() + 1
    if "" in texts[1:]:
        places[places == texts.index("", 1)] = 0
    return texts, places


@dataclass(frozen=True)
class _Points:
    """The samples and native histograms of one table."""

    series: Ints
    times: Ints
    values: pa.Array
    histograms: pa.Array | None

    def columns(self) -> list[IngestColumn]:
        """All but the tags."""
        times = pa.array(self.times, dt.TIMESTAMP_MILLISECOND.arrow)
        columns = [
            IngestColumn(TIME, dt.TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, times),
            IngestColumn(VALUE, dt.FLOAT64, Semantic.FIELD, self.values),
        ]
        if self.histograms is not None:
            columns.append(IngestColumn(HISTOGRAM, dt.BINARY, Semantic.FIELD, self.histograms))
        return columns


def _points(message: Message, samples: Ints, histograms: Ints) -> _Points:
    series, times = message.sample_series[samples], message.sample_times[samples]
    values = pa.array(message.sample_values[samples])
    told = _starts(message, samples)
    if not len(histograms):
        return _Points(series, times, values, told)
    if told is None:
        told = pa.nulls(len(samples), pa.binary())
    return _Points(
        np.concatenate((series, message.histogram_series[histograms])),
        np.concatenate((times, message.histogram_times[histograms])),
        pa.concat_arrays([values, pa.nulls(len(histograms), pa.float64())]),
        pa.concat_arrays([told, message.histograms.take(pa.array(histograms))]),
    )


def _starts(message: Message, samples: Ints) -> pa.BinaryArray | None:
    """What tells the start times of these samples, None if they have none."""
    if message.sample_starts is None or not (own := message.sample_starts[samples]).any():
        return None
    return start_messages(own)


def _tag(message: Message, name: str, places: Ints) -> IngestColumn:
    values = message.values.take(pa.array(places, mask=places < 0))
    return IngestColumn(name, dt.STRING, Semantic.TAG, values)
