"""OpenTSDB's points as rows of tables, a whole body at a time.

Called by opentsdb.py, which reads what is spelled in an unusual way, or wrong, point by point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from engine.errors import DbError
from server.http import opentsdb_kernels as kernels
from server.http.prometheus.write_request import (
    DATABASE_LABEL,
    NAME,
    PHYSICAL_LABEL,
    Ints,
    Message,
    pieces_of,
    tables_of_message,
    texts_of,
)
from sql.ingest.batch import IngestTable
from sql.ingest.metrics import TIME, VALUE

# Tags of these names mean something else where labels are read, or nothing that can be stored.
_NO_TAGS = frozenset({NAME, DATABASE_LABEL, PHYSICAL_LABEL, TIME, VALUE})
_NO_HISTOGRAMS = pa.array([], pa.binary())


def warm() -> None:
    """Reads a point: this pays what the first one costs."""
    usual_tables(b'{"metric":"m","timestamp":1,"value":1}', {})


def usual_tables(content: bytes, options: Mapping[str, str]) -> list[IngestTable] | None:
    """The rows of a body, one entry per metric; None if it has to be read point by point."""
    message = usual_points(content)
    if message is None:
        return None
    tables = tables_of_message(message, None)
    return [
        replace(
            table,
            columns=(*table.columns[:2], *sorted(table.columns[2:], key=lambda one: one.name)),
            options=dict(options),
            exact=True,
        )
        for table in tables
    ]


def usual_points(content: bytes) -> Message | None:
    """The points as series of one sample each, whose first label is the metric's name."""
    data = np.frombuffer(content, np.uint8)
    counts, nothing = np.zeros(kernels.COUNTS, np.int64), np.zeros(0, np.int64)
    if kernels.read_points(data, False, counts, *(nothing,) * 5):
        return None
    points, labels = counts.tolist()
    metrics, times, values = (np.empty(n * points, np.int64) for n in (2, 1, 2))
    owners, tags = np.empty(labels, np.int64), np.empty(4 * labels, np.int64)
    counts[:] = 0
    if kernels.read_points(data, True, counts, metrics, times, values, owners, tags):
        return None
    numbers = _numbers(data, values)
    try:
        names = texts_of(data, tags.reshape(-1, 4)[:, :2]).dictionary_encode()
        texts = [texts_of(data, spans) for spans in (_pairs(metrics), tags.reshape(-1, 4)[:, 2:])]
    except DbError:
        return None
    if not np.isfinite(numbers).all() or _NO_TAGS.intersection(names.dictionary.to_pylist()):
        return None
    series = np.arange(points)
    return Message(
        points,
        np.concatenate((series, owners)),
        _with_name(names, points),
        pa.concat_arrays(texts),
        series,
        times,
        numbers,
        nothing,
        nothing,
        _NO_HISTOGRAMS,
    )


def _pairs(spans: Ints) -> Ints:
    return spans.reshape(-1, 2)


def _numbers(data: np.ndarray, spans: Ints) -> np.ndarray:
    """Numbers as JSON spells them, rounded to the nearest double; infinite if too large."""
    found: np.ndarray = pieces_of(data, _pairs(spans), pa.string()).cast(pa.float64()).to_numpy()
    return found


def _with_name(names: pa.DictionaryArray, points: int) -> pa.DictionaryArray:
    """The names of tags behind so many times the name of the metric's label."""
    codes = np.concatenate((np.zeros(points, np.int32), names.indices.to_numpy() + np.int32(1)))
    dictionary = pa.concat_arrays([pa.array([NAME]), names.dictionary])
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), dictionary)
