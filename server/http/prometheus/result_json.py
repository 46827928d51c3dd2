"""Results of evaluations as the JSON of the Prometheus API, whole columns at a time.

Called by the query endpoints on worker threads. Only distinct label values and native histograms
are Python objects; series and samples are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from json.encoder import encode_basestring

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine import datatypes as dt
from server.encode.cells import from_arrow, to_arrow
from server.encode.style import TextStyle
from server.encode.text import text_cells
from server.http.prometheus.answers import as_json
from server.http.prometheus.result_kernels import NUMBER_BYTES, POINT_BYTES, write_points
from sql.promql.histogram import Histogram
from sql.promql.labels import LabelTable
from sql.promql.model import Kind, Result

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]

# As Go's strconv writes them in JSON: digits between 1e-6 and 1e21, else an exponent.
_STYLE = TextStyle(
    exponent_low=-6, exponent_high=21, long_exponent=True, nan=b"NaN", infinity=b"Inf"
)
_BLOCK_CELLS = 1_000_000  # of a matrix at once
_PAIRS_KEPT = 16_384  # labels with their values
_FEW = 16  # series that are put together one by one: a call of Arrow's takes longer
_BINARY = pa.large_binary()  # a whole answer may be beyond 2 GiB
_METRIC = b'{"metric":'
_NO_TEXTS, _NO_BYTES = np.zeros(0, np.int32), np.zeros(0, np.uint8)


def result_json(result: Result) -> bytes:
    """`{"resultType":…,"result":…}`."""
    kind = as_json(result.kind.value)
    return b'{"resultType":' + kind + b',"result":' + _body(result) + b"}"


def truncated(result: Result, limit: int) -> Result:
    """At most `limit` series (0: all of them)."""
    if limit == 0 or result.labels.count <= limit or result.kind in (Kind.SCALAR, Kind.STRING):
        return result
    rows = np.arange(limit, dtype=np.int64)
    samples, histograms = result.samples, result.histograms
    if samples is not None:
        samples = replace(samples, offsets=samples.offsets[: limit + 1])
    return replace(
        result,
        labels=result.labels.take(rows),
        values=result.values[:limit],
        present=result.present[:limit],
        histograms=None if histograms is None else histograms[:limit],
        samples=samples,
        warnings=(*result.warnings, "results truncated due to limit"),
    )


def _body(result: Result) -> bytes:
    if result.kind is Kind.STRING:
        last = seconds(result.times[-1:])[0].as_py() if len(result.times) else "0"
        return f"[{last},".encode() + as_json(result.text) + b"]"
    if result.kind is Kind.SCALAR:
        point: bytes = _points(result.times[-1:], result.values[0, -1:], np.arange(2))[0].as_py()
        return point
    if result.kind is Kind.VECTOR:
        return _vector(result)
    series = _ragged(result) if result.samples is not None else _matrix(result)
    return b"[" + b",".join(series) + b"]"


def _vector(result: Result) -> bytes:
    count = len(result.values)
    times = np.full(count, result.times[-1])
    values = np.ascontiguousarray(result.values[:, -1])
    points = _points(times, values, np.arange(count + 1))
    metrics = metrics_json(result.labels)
    if result.histograms is None:
        return b"[" + _whole(metrics, b',"value":', points, b"}") + b"]"
    time = seconds(times[:1])[0].as_py() if count else ""
    items = []
    for row, (metric, text) in enumerate(zip(metrics.to_pylist(), points.to_pylist(), strict=True)):
        found = result.histograms[row, -1]
        if found is None:
            point = b'"value":' + text
        else:
            point = f'"histogram":[{time},'.encode() + _histogram(found) + b"]"
        items.append(_METRIC + metric + b"," + point + b"}")
    return b"[" + b",".join(items) + b"]"


def _whole(metrics: pa.Array, before: bytes, points: pa.Array, after: bytes) -> bytes:
    """Series with commas between: `{"metric":` and of each its labels, then its samples."""
    if len(metrics) > _FEW:
        return joined(row_by_row(_METRIC, metrics, before, points, after))
    pairs = zip(metrics.to_pylist(), points.to_pylist(), strict=True)
    return b",".join([_METRIC + metric + before + text + after for metric, text in pairs])


def _matrix(result: Result) -> Iterator[bytes]:
    """The series' texts with commas between, block by block."""
    times = result.times
    height = max(1, _BLOCK_CELLS // max(len(result.times), 1))
    metrics = metrics_json(result.labels)
    for first in range(0, len(metrics), height):
        rows = slice(first, first + height)
        present = result.present[rows]
        marked = _marked(None if result.histograms is None else result.histograms[rows], present)
        floats = present if marked is None else present & ~marked
        series, steps = np.nonzero(floats)
        offsets = np.searchsorted(series, np.arange(len(present) + 1)).astype(np.int64)
        values = result.values[rows][series, steps]
        points = _points(times[steps], values, offsets)
        own = metrics.slice(first, height)
        if marked is None or result.histograms is None:
            yield _whole(own, b',"values":[', points, b"]}")
            continue
        texts = points.to_pylist()
        for row, metric in enumerate(own.to_pylist()):
            places = np.flatnonzero(marked[row])
            objects = result.histograms[first + row, places]
            found = list(zip(seconds(times[places]).to_pylist(), objects, strict=True))
            yield _series(metric, texts[row], found)


def label_sets_json(labels: LabelTable) -> bytes:
    """A list of the labels of each series."""
    return b"[" + joined(metrics_json(labels)) + b"]"


def metrics_json(labels: LabelTable) -> pa.LargeBinaryArray:
    """The labels of each series as a JSON object, names in order."""
    if labels.count <= _FEW:
        return pa.array([b"{" + own + b"}" for own in _few_pairs(labels, _json_pair)], _BINARY)
    return row_by_row(b"{", joined_pairs(labels, _json_pair), b"}")


@lru_cache(maxsize=_PAIRS_KEPT)  # dashboards ask for the same series again and again
def _json_pair(name: str, value: str) -> bytes:
    return _quoted(name) + b":" + _quoted(value)


def joined_pairs(labels: LabelTable, pair: Callable[[str, str], bytes]) -> pa.LargeBinaryArray:
    """The labels of each series as texts of `pair`, commas between, names in order."""
    if labels.count <= _FEW:
        return pa.array(_few_pairs(labels, pair), _BINARY)
    pairs: list[pa.Array | bytes] = []
    is_first = np.ones(labels.count, np.bool_)
    for name in sorted(labels.columns):
        column = labels.columns[name]
        if not column.codes.any():
            continue
        texts = [pair(name, value) for value in column.values[1:]]
        whole = pa.array([b"", *texts, *(b"," + text for text in texts)], _BINARY)
        has_comma = ~is_first & (column.codes > 0)
        pairs.append(whole.take(pa.array(column.codes + has_comma * len(texts))))
        is_first &= column.codes == 0
    if not pairs:
        return pa.array([b""] * labels.count, _BINARY)
    return row_by_row(*pairs)


def _few_pairs(labels: LabelTable, pair: Callable[[str, str], bytes]) -> list[bytes]:
    found: list[list[bytes]] = [[] for _ in range(labels.count)]
    for name in sorted(labels.columns):
        for own, text in zip(found, labels.columns[name].strings(), strict=True):
            if text:
                own.append(pair(name, text))
    return [b",".join(own) for own in found]


def _quoted(text: str) -> bytes:
    try:
        return encode_basestring(text).encode()
    except UnicodeEncodeError:
        return as_json(text)


def row_by_row(*parts: pa.Array | bytes) -> pa.LargeBinaryArray:
    """The parts of each row, one after the other; bytes are the same in all rows."""
    wide = [
        pa.scalar(part, _BINARY) if isinstance(part, bytes) else part.cast(_BINARY)
        for part in (*parts, b"")  # the last one is put between the others
    ]
    return pc.binary_join_element_wise(*wide)


def joined(texts: pa.LargeBinaryArray, between: bytes = b",") -> bytes:
    """All texts, one after the other."""
    bounds = pa.array([0, len(texts)], pa.int64())
    lists = pa.LargeListArray.from_arrays(bounds, texts)
    found: bytes = pc.binary_join(lists, pa.scalar(between, _BINARY))[0].as_py()
    return found


def _marked(histograms: NDArray[np.object_] | None, present: Marks) -> Marks | None:
    if histograms is None:
        return None
    return _are_there(histograms) & present


_is_there = np.frompyfunc(lambda one: one is not None, 1, 1)


def _are_there(histograms: NDArray[np.object_]) -> Marks:
    found: Marks = _is_there(histograms).astype(np.bool_)
    return found


def _ragged(result: Result) -> Iterator[bytes]:
    """The samples of an instant query for a range vector."""
    samples = result.samples
    assert samples is not None
    times, offsets = samples.times, samples.offsets
    total = int(offsets[-1])
    whole = np.ones(total, np.bool_)
    marked = None
    if samples.histograms is not None:
        marked = _are_there(samples.histograms[:total])
        whole = ~marked
    kept = np.append(0, np.cumsum(whole))[offsets]
    places = np.flatnonzero(whole)
    texts = _points(times[places], samples.values[places], kept).to_pylist()
    for row, metric in enumerate(metrics_json(result.labels).to_pylist()):
        found: list[tuple[str, Histogram]] = []
        if marked is not None and samples.histograms is not None:
            inside = np.arange(offsets[row], offsets[row + 1])
            inside = inside[marked[inside]]
            objects = samples.histograms[inside]
            found = list(zip(seconds(times[inside]).to_pylist(), objects, strict=True))
        yield _series(metric, texts[row], found)


def _series(metric: bytes, values: bytes, found: list[tuple[str, Histogram]]) -> bytes:
    text = _METRIC + metric
    if values:
        text += b',"values":[' + values + b"]"
    if found:
        points = (f"[{time},".encode() + _histogram(one) + b"]" for time, one in found)
        text += b',"histograms":[' + b",".join(points) + b"]"
    return text + b"}"


def _points(times: Ints, values: Floats, offsets: Ints) -> pa.LargeBinaryArray:
    """Per series its points `[t,"v"]` with commas between."""
    ends = np.zeros(len(offsets), np.int64)
    out = np.empty(len(values) * (POINT_BYTES + NUMBER_BYTES), np.uint8)
    times, values = np.ascontiguousarray(times), np.ascontiguousarray(values)
    if write_points(times, values, _NO_TEXTS, _NO_BYTES, offsets, out, ends):
        texts = from_arrow(numbers(values))
        out = np.empty(len(values) * POINT_BYTES + len(texts.data), np.uint8)
        write_points(times, values, texts.offsets, texts.data, offsets, out, ends)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(out)]
    return pa.LargeBinaryArray.from_buffers(_BINARY, len(offsets) - 1, buffers)


def numbers(values: Floats) -> pa.Array:
    """Floats as the API writes them: `1`, `0.5`, `1e+21`, `NaN`, `+Inf`."""
    array = pa.array(values)
    texts = to_arrow(text_cells(array, dt.FLOAT64, _STYLE))
    positive = np.isposinf(values)
    if positive.any():
        texts = pc.if_else(pa.array(positive), pa.scalar("+Inf"), texts)
    return texts


def seconds(times: Ints) -> pa.Array:
    """Milliseconds as seconds, with three decimals where there are any."""
    whole, rest = np.divmod(np.abs(times), 1000)
    texts = pa.array(whole).cast(pa.string())
    if rest.any():
        decimals = pc.utf8_lpad(pa.array(rest).cast(pa.string()), 3, "0")
        fine = pc.binary_join_element_wise(texts, ".", decimals, "")
        texts = pc.if_else(pa.array(rest > 0), fine, texts)
    if (times < 0).any():
        texts = pc.binary_join_element_wise(pc.if_else(pa.array(times < 0), "-", ""), texts, "")
    return texts


def _histogram(one: Histogram) -> bytes:
    buckets = one.buckets()
    figures = [one.count, one.sum, *(x for b in buckets for x in (b.lower, b.upper, b.count))]
    texts = numbers(np.array(figures, np.float64)).to_pylist()
    shown: dict[str, object] = {"count": texts[0], "sum": texts[1]}
    if buckets:
        shown["buckets"] = [
            [bucket.rule, *texts[2 + 3 * place : 5 + 3 * place]]
            for place, bucket in enumerate(buckets)
        ]
    return as_json(shown)
