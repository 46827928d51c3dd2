"""Metrics in a series store as the source of PromQL's samples: no SQL, no DuckDB.

Called by source.py for logical tables of a store. Series come from the index in memory, samples as
arrays from the engine; labels are looked up where the evaluation reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog.records import Column
from engine.api import Regions, SampleRequest, SampleRows, Write
from engine.datatypes import UNITS_PER_SECOND
from engine.series.index import Condition, Labels, SeriesIndex
from sql.promql import regex
from sql.promql.labels import NAME, LabelColumn, LabelTable, LateColumn, Rows
from sql.promql.model import (
    STALE_BITS,
    Match,
    Matcher,
    Samples,
    SelectedSeries,
    holds_histogram,
)
from sql.promql.source_conditions import listed_values, time_range
from sql.promql.source_histograms import histograms_of
from sql.promql.source_series import matches, selected, series_codes
from sql.promql.source_tables import Metric

Ids = NDArray[np.int64]
_FEW = 32  # series whose labels are looked up together


class StoredMetric:
    """One metric of a store, as a selector sees it.

    `number`: of the metric in the index; `region_id`: of the samples. `staged` are what the
    session's transaction has written and nobody else sees. `resident`: see `SampleRequest`.
    """

    def __init__(
        self,
        metric: Metric,
        number: int,
        index: SeriesIndex,
        regions: Regions,
        region_id: int,
        staged: Sequence[Write],
        *,
        resident: bool = False,
    ) -> None:
        self._metric = metric
        self._number = number
        self._index = index
        self._regions = regions
        self._region_id = region_id
        self._resident = resident
        self._last: tuple[Ids, Rows | None, dict[int, list[str]]] | None = None
        self._staged = tuple(write for write in staged if write.region_id == region_id)

    def select(self, start_ms: int, end_ms: int, samples_max: int) -> SelectedSeries:
        """The series with samples between two times, both included. Raises: DbError."""
        ids, rows = self._read(start_ms, end_ms, rows_max=samples_max)
        samples = _samples(rows, self._unit)
        there = np.flatnonzero(np.diff(rows.offsets))
        if len(there) < len(ids):
            # A series without samples takes no room: those that stay lie together.
            offsets = np.append(np.int64(0), rows.offsets[1:][there])
            samples = replace(samples, offsets=offsets)
            ids = ids[there]
        return self._distinct(SelectedSeries(self._labels(ids), samples))

    def labels(self, start_ms: int, end_ms: int) -> LabelTable:
        """The labels of the series with samples between two times; rows may be equal."""
        return self._labels(self._present(start_ms, end_ms))

    def values(self, tag: Column, start_ms: int, end_ms: int) -> list[str]:
        """The values of one label of those series."""
        found = self._index.labels(self._number, self._present(start_ms, end_ms), tag.id)
        values: list[str] = found.values.to_pylist()  # of these series and no others
        return values

    def names(self, start_ms: int, end_ms: int) -> set[str]:
        """The names of the labels that any of those series has."""
        ids = self._present(start_ms, end_ms)
        if not len(ids):
            return set()
        # Nearly always the first few have all of them.
        first = self._index.texts(self._number, ids[:_FEW], [tag.id for tag in self._metric.tags])
        found = {tag.name for tag in self._metric.tags if any(first[tag.id])}
        for tag in self._metric.tags:
            if tag.name not in found:
                values = self._index.labels(self._number, ids, tag.id).values.to_pylist()
                found |= {tag.name} if any(values) else set()
        return found | {NAME}

    @property
    def is_distinct(self) -> bool:
        """Whether no two series can have equal labels: an empty one is none to PromQL."""
        return not self._index.knows_empty()

    def _present(self, start_ms: int, end_ms: int) -> Ids:
        ids, rows = self._read(start_ms, end_ms, presence=True)
        return ids[np.flatnonzero(np.diff(rows.offsets))]

    @property
    def _unit(self) -> str:
        return self._metric.table.region_schema().time_type.unit

    def _read(
        self, start_ms: int, end_ms: int, *, presence: bool = False, rows_max: int = 2**62
    ) -> tuple[Ids, SampleRows]:
        tags = {tag.name: tag for tag in self._metric.tags}
        conditions = [_condition(tags[one.name], one) for one in self._metric.matchers]
        ids = self._index.select(self._number, conditions).ids
        wanted = time_range(start_ms, end_ms, self._unit)
        request = SampleRequest(
            ids, wanted, self._staged, presence, rows_max, resident=self._resident
        )
        return ids, self._regions.samples(self._region_id, request)

    def _labels(self, ids: Ids) -> LabelTable:
        columns: dict[str, LabelColumn] = {
            tag.name: LateColumn(
                partial(self._column, ids, tag), texts=partial(self._strings, ids, tag)
            )
            for tag in self._metric.tags
        }
        columns[NAME] = LabelColumn.constant(self._metric.table.name, len(ids))
        return LabelTable(len(ids), columns)

    def _column(self, ids: Ids, tag: Column, rows: Rows | None) -> LabelColumn:
        if len(ids if rows is None else rows) <= _FEW:
            return LabelColumn.of(self._few(ids, rows)[tag.id])
        wanted = ids if rows is None else ids[rows]
        return _label_column(self._index.labels(self._number, wanted, tag.id))

    def _strings(self, ids: Ids, tag: Column, rows: Rows | None) -> list[str]:
        if len(ids if rows is None else rows) <= _FEW:
            return self._few(ids, rows)[tag.id]
        return self._column(ids, tag, rows).strings()

    def _few(self, ids: Ids, rows: Rows | None) -> dict[int, list[str]]:
        """All labels of a few series: whoever asks for one of them soon asks for the others."""
        last = self._last
        if last is None or last[0] is not ids or not _same(last[1], rows):
            wanted = ids if rows is None else ids[rows]
            found = self._index.texts(self._number, wanted, [tag.id for tag in self._metric.tags])
            texts = {tag: [one or "" for one in own] for tag, own in found.items()}
            last = self._last = ids, rows, texts
        return last[2]

    def _distinct(self, found: SelectedSeries) -> SelectedSeries:
        """No two series with equal labels: to PromQL a label that is empty is not there.

        Nor two samples of a series in one millisecond.
        """
        finer = UNITS_PER_SECOND[self._unit] > 1000
        if not finer and not self._index.knows_empty():
            return found
        columns = dict(found.labels.columns)
        codes, first = series_codes(columns, found.labels.count)
        if not finer and len(first) == found.labels.count:
            return found
        samples = found.samples
        of_rows = np.repeat(codes, np.diff(samples.offsets))
        labels = found.labels.take(first)
        return selected(
            *(of_rows, labels, samples.times, samples.values, None),
            samples.histograms,
            samples.starts,
        )


def _same(some: Rows | None, others: Rows | None) -> bool:
    """Whether the same rows are meant. Usually they are one object, which is told at once."""
    if some is others or some is None or others is None:
        return some is others
    return np.array_equal(some, others)


def _label_column(labels: Labels) -> LabelColumn:
    values = labels.values.to_pylist()
    if "" in values:
        return LabelColumn.of_dictionary(values, labels.codes)
    return LabelColumn(("", *values), labels.codes + np.int32(1))


def _condition(tag: Column, matcher: Matcher) -> Condition:
    """A matcher as the index knows conditions."""
    absent = bool(matches([""], matcher)[0])
    values = listed_values(matcher)
    if values is not None:
        return Condition(tag.id, values, absent=absent)
    return Condition(tag.id, accepts=partial(_accepted, matcher), absent=absent)


def _accepted(matcher: Matcher, values: pa.StringArray) -> NDArray[np.bool_]:
    """For each of many values whether a matcher accepts it."""
    if matcher.op is Match.NOT_EQUAL:
        return matches(values.to_pylist(), matcher)
    found = regex.matches_array(values, matcher.value)
    return ~found if matcher.op is Match.NOT_REGEX else found


def _samples(rows: SampleRows, unit: str) -> Samples:
    """What the engine read, times as milliseconds, histograms decoded."""
    times, values, histograms, starts = rows.times, rows.values, None, None
    per_second = UNITS_PER_SECOND[unit]
    if per_second > 1000:
        times = times // (per_second // 1000)
    elif per_second < 1000:
        times = times * (1000 // per_second)
    places = rows.histogram_places
    if places is not None and len(places):
        decoded = histograms_of(pa.chunked_array([rows.histograms]))
        if holds_histogram(decoded.histograms).any():
            histograms = np.full(len(times), None, np.object_)
            histograms[places] = decoded.histograms
        if decoded.stale.any():
            values = values.copy()
            values.view(np.uint64)[places[decoded.stale]] = STALE_BITS
        if decoded.starts is not None:
            starts = np.zeros(len(times), np.int64)
            starts[places] = decoded.starts
    return Samples(rows.offsets, times, values, histograms, starts)
