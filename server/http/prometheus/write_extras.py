"""What remote write brings beside samples: exemplars and metadata of metrics, as rows of tables.

Called by write.py. Exemplars go to `prometheus_exemplars`, what is said of metrics to
`prometheus_metadata`, one row whenever something about a metric is new.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine import datatypes as dt
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from server.http.prometheus import write_kernels as kernels
from server.http.prometheus.wire_kernels import BAD_FIELD, WORDS
from server.http.prometheus.write_request import DATABASE_LABEL, NAME, Message, check
from sql.ingest.batch import IngestColumn, IngestTable
from sql.ingest.metrics import (
    EXEMPLARS,
    EXEMPLARS_MODEL,
    METADATA,
    METADATA_KINDS,
    TABLE_MODEL,
    TIME,
    VALUE,
)
from sql.protobuf import content, double, fields, last, signed

_KNOWN_MAX = 1_000_000  # metrics whose metadata are remembered; more are only written again

Labels = dict[str, str]


@dataclass(frozen=True)
class Exemplar:
    """One exemplar of the series with this number in its message."""

    series: int
    labels: Labels
    value: float
    time_ms: int


@dataclass(frozen=True)
class MetricMetadata:
    """What an agent says of a metric."""

    metric: str
    kind: str
    help: str
    unit: str


@dataclass(frozen=True)
class Extras:
    """What a message brings beside samples."""

    exemplars: Sequence[Exemplar] = ()
    metadata: Sequence[MetricMetadata] = ()


# --- Version 1 ------------------------------------------------------------------------------------


def extras_of(data: bytes, *, lossy: bool = False) -> Extras:
    """The exemplars and metadata of a WriteRequest whose samples were read before.

    `lossy`: what is not UTF-8 becomes U+FFFD.

    Raises: DbError INVALID_ARGUMENT, INVALID_ENCODING.
    """
    array = np.frombuffer(data, np.uint8)
    counts, nothing = np.zeros(2, np.int64), np.zeros(0, np.int64)
    check(kernels.read_extras(array, False, counts, nothing, nothing))
    if not counts.any():
        return Extras()
    exemplars = np.empty(3 * int(counts[0]), np.int64)
    metadata = np.empty(2 * int(counts[1]), np.int64)
    counts[:] = 0
    check(kernels.read_extras(array, True, counts, exemplars, metadata))
    errors = "replace" if lossy else "strict"
    try:
        return Extras(
            [_exemplar(data[a:b], n, errors) for n, a, b in exemplars.reshape(-1, 3).tolist()],
            [_metadata(data[a:b], errors) for a, b in metadata.reshape(-1, 2).tolist()],
        )
    except UnicodeDecodeError:
        message = "an exemplar or metadata of the remote write request is not UTF-8"
        raise DbError(ErrorKind.INVALID_ENCODING, message) from None
    except (ValueError, IndexError):
        words = f"the body is not a remote write request: {WORDS[BAD_FIELD]}"
        raise DbError(ErrorKind.INVALID_ARGUMENT, words) from None


def _exemplar(message: bytes, series: int, errors: str) -> Exemplar:
    found = list(fields(message))
    labels = {}
    for number, value in found:
        if number == 1 and isinstance(value, bytes):
            pair = list(fields(value))
            name, text = content(pair, 1), content(pair, 2)
            labels[name.decode(errors=errors)] = text.decode(errors=errors)
    return Exemplar(series, labels, double(found, 2), signed(last(found, 3)))


def _metadata(message: bytes, errors: str) -> MetricMetadata:
    found = list(fields(message))
    return MetricMetadata(
        content(found, 2).decode(errors=errors),
        kind_of(last(found, 1)),
        content(found, 4).decode(errors=errors),
        content(found, 5).decode(errors=errors),
    )


def kind_of(number: int) -> str:
    """The type of a metric in the API's words; unknown ones stay unknown."""
    return METADATA_KINDS[number] if number < len(METADATA_KINDS) else METADATA_KINDS[0]


# --- Tables ---------------------------------------------------------------------------------------


def exemplar_tables(message: Message, found: Sequence[Exemplar]) -> list[IngestTable]:
    """Rows of exemplars, by database; those of series without a name are left out."""
    by_database: dict[str, list[tuple[str, Labels, Exemplar]]] = {}
    known: dict[int, Labels] = {}
    for one in found:
        if one.series not in known:
            known[one.series] = labels_of(message, one.series)
        labels = dict(known[one.series])
        metric, database = labels.pop(NAME, ""), labels.pop(DATABASE_LABEL, "")
        if metric:
            by_database.setdefault(database, []).append((metric, labels, one))
    return [_exemplar_table(database, rows) for database, rows in by_database.items()]


def labels_of(message: Message, series: int) -> Labels:
    """The labels of one series of a message."""
    first, end = np.searchsorted(message.label_series, [series, series + 1]).tolist()
    names = message.names.slice(first, end - first).to_pylist()
    values = message.values.slice(first, end - first).to_pylist()
    return {name: value for name, value in sorted(zip(names, values, strict=True)) if value}


def _exemplar_table(database: str, rows: Sequence[tuple[str, Labels, Exemplar]]) -> IngestTable:
    times = np.array([one.time_ms for _, _, one in rows], np.int64)
    columns = (
        _times(times),
        _texts("metric", Semantic.TAG, [metric for metric, _, _ in rows]),
        _texts("labels", Semantic.TAG, [_json(labels) for _, labels, _ in rows]),
        _texts("exemplar", Semantic.FIELD, [_json(one.labels) for _, _, one in rows]),
        IngestColumn(
            VALUE, dt.FLOAT64, Semantic.FIELD, pa.array([one.value for _, _, one in rows])
        ),
    )
    return IngestTable(EXEMPLARS, columns, database, options={TABLE_MODEL: EXEMPLARS_MODEL})


def metadata_table(found: Sequence[MetricMetadata], now_ms: int) -> IngestTable:
    """Rows of metadata. Requires: at least one."""
    columns = (
        _times(np.full(len(found), now_ms, np.int64)),
        _texts("metric", Semantic.TAG, [one.metric for one in found]),
        _texts("type", Semantic.FIELD, [one.kind for one in found]),
        _texts("help", Semantic.FIELD, [one.help for one in found]),
        _texts("unit", Semantic.FIELD, [one.unit for one in found]),
    )
    return IngestTable(METADATA, columns)


def _times(times: NDArray[np.int64]) -> IngestColumn:
    values = pa.array(times, dt.TIMESTAMP_MILLISECOND.arrow)
    return IngestColumn(TIME, dt.TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, values)


def _texts(name: str, semantic: Semantic, values: Sequence[str]) -> IngestColumn:
    return IngestColumn(name, dt.STRING, semantic, pa.array(values, pa.string()))


def _json(labels: Labels) -> str:
    return json.dumps(labels, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


class KnownMetadata:
    """What was written of metrics since the server started, so that it is not written again."""

    def __init__(self) -> None:
        # Guarded by _lock.
        self._lock = Lock()
        self._known: dict[tuple[str, str], MetricMetadata] = {}

    def news(self, database: str, found: Sequence[MetricMetadata]) -> list[MetricMetadata]:
        """Of each metric the last that is said of it, if it is new."""
        latest = {one.metric: one for one in found if one.metric}
        with self._lock:
            return [
                one for one in latest.values() if self._known.get((database, one.metric)) != one
            ]

    def note(self, database: str, written: Sequence[MetricMetadata]) -> None:
        """Remembers what was written."""
        with self._lock:
            if len(self._known) < _KNOWN_MAX:
                self._known.update({(database, one.metric): one for one in written})
