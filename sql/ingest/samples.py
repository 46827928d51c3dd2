"""Samples with labels as rows of metrics' tables, for whoever computes them in this process.

Called by rules (server/rules). Remote write makes its tables from whole messages instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from engine import datatypes as dt
from engine.schema import Semantic
from sql.ingest.batch import IngestColumn, IngestTable
from sql.ingest.metrics import HISTOGRAM, PHYSICAL_TABLE, TIME, VALUE
from sql.promql.histogram import Histogram
from sql.promql.labels import NAME
from sql.promql.source_histograms import message_of
from sql.statements.metric_engine import LOGICAL

Labels = Mapping[str, str]
Row = tuple[Labels, float | Histogram]


def tables_of_samples(rows: Sequence[Row], time_ms: int) -> list[IngestTable]:
    """One table per metric, all samples at one time. Requires: every row has `__name__`."""
    by_name: dict[str, list[Row]] = {}
    for labels, value in rows:
        by_name.setdefault(labels[NAME], []).append((labels, value))
    return [_table(name, found, time_ms) for name, found in sorted(by_name.items())]


def _table(metric: str, rows: Sequence[Row], time_ms: int) -> IngestTable:
    times = pa.array(np.full(len(rows), time_ms, np.int64), dt.TIMESTAMP_MILLISECOND.arrow)
    floats = [0.0 if isinstance(value, Histogram) else value for _, value in rows]
    is_histogram = np.array([isinstance(value, Histogram) for _, value in rows], np.bool_)
    values = pa.array(np.array(floats, np.float64), mask=is_histogram)
    columns = [
        IngestColumn(TIME, dt.TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, times),
        IngestColumn(VALUE, dt.FLOAT64, Semantic.FIELD, values),
    ]
    for name in sorted({name for labels, _ in rows for name in labels} - {NAME}):
        texts = pa.array([labels.get(name) or None for labels, _ in rows], pa.string())
        columns.append(IngestColumn(name, dt.STRING, Semantic.TAG, texts))
    if not is_histogram.any():
        return IngestTable(metric, tuple(columns), "", "metric", {LOGICAL: PHYSICAL_TABLE})
    messages = [
        message_of(value, time_ms) if isinstance(value, Histogram) else None for _, value in rows
    ]
    histograms = pa.array(messages, pa.binary())
    columns.insert(2, IngestColumn(HISTOGRAM, dt.BINARY, Semantic.FIELD, histograms))
    return IngestTable(metric, tuple(columns))  # physical tables have one field alone
