"""Tables as the source of PromQL's samples.

Made for one evaluation by TQL and the Prometheus API. Tag conditions and times are pushed into the
scan of each table; what the evaluator gets are sorted arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog.records import Column
from engine.api import NotResident
from sql.decode.assign import floats
from sql.ingest.metrics import VALUE
from sql.promql.labels import NAME, LabelColumn, LabelTable, stack
from sql.promql.model import (
    STALE_BITS,
    Samples,
    SelectedSeries,
    Selector,
    holds_histogram,
)
from sql.promql.source_conditions import condition, key_filters, time_range
from sql.promql.source_histograms import histograms_of
from sql.promql.source_series import (
    Block,
    accepted_rows,
    label_column,
    milliseconds,
    selected,
)
from sql.promql.source_store import StoredMetric
from sql.promql.source_tables import FIELD, Catalogue, Metric, metrics
from sql.run.read import Groups, Wanted, read_distinct, read_groups
from sql.run.scan import Runner

SAMPLES_MAX = 50_000_000


@dataclass
class TableSource:
    """A `SampleSource` over the tables of one session.

    `field_number`: of tables with several fields only this one of those that are asked for (TQL
    evaluates once for each); None: all, told apart by the label `__field__`.
    `resident`: only what is in memory, ready to be read, is read; else NotResident is raised.
    `read` tells afterwards what was read, table by table.
    """

    runner: Runner
    catalogue: Catalogue
    samples_max: int = SAMPLES_MAX
    field_number: int | None = None
    resident: bool = False
    read: list[tuple[Metric, int]] = field(default_factory=list)

    def select(self, selector: Selector) -> SelectedSeries:
        """See `SampleSource.select`."""
        found = []
        left = self.samples_max
        for metric in metrics(selector.matchers, self.catalogue):
            if metric.table.store_id:
                one = stored(self.runner, metric, resident=self.resident)
                series = one.select(selector.start_ms, selector.end_ms, left)
                left -= len(series.samples.times)
                self.read.append((metric, len(series.samples.times)))
                found += [series] if series.labels.count else []
                continue
            if self.resident:
                raise NotResident
            groups = self._groups(metric, selector, left)
            rows = groups.values.num_rows
            left -= rows
            self.read.append((metric, rows))
            if rows:
                found += self._series(metric, groups)
        return together(found)

    def _groups(self, metric: Metric, selector: Selector, rows_max: int) -> Groups:
        table = metric.table
        tags = [tag.name for tag in metric.tags]
        names = (*tags, str(table.time_index), *(column.name for column in self._fields(metric)))
        if metric.histograms is not None:
            names = (*names, metric.histograms.name)
        wanted = Wanted(
            table,
            names,
            time_range(selector.start_ms, selector.end_ms, table.region_schema().time_type.unit),
            key_filters(metric),
            condition(metric),
            rows_max,
        )
        return read_groups(self.runner, wanted, tags)

    def _fields(self, metric: Metric) -> tuple[Column, ...]:
        if self.field_number is None or len(metric.fields) == 1:
            return metric.fields
        return metric.fields[self.field_number : self.field_number + 1]

    def _series(self, metric: Metric, groups: Groups) -> list[SelectedSeries]:
        labels = {tag.name: label_column(groups.keys.column(tag.name)) for tag in metric.tags}
        rows = groups.values
        count = rows.num_rows if groups.sizes is None else len(groups.sizes)
        times = milliseconds(rows.column(str(metric.table.time_index)))
        block = Block(labels, count, groups.sizes, times)
        wanted = block.accepted(metric.matchers)
        codes, table = block.series()
        fields = self._fields(metric)
        found = []
        for column in fields:
            values, present = numbers(rows.column(column.name))
            histograms = starts = None
            if metric.histograms is not None and column.name == VALUE:
                histograms, starts, values, present = with_histograms(
                    rows.column(metric.histograms.name), values, present
                )
            if wanted is not None:
                present = wanted if present is None else present & wanted
            series = selected(codes, table, times, values, present, histograms, starts)
            marks = {NAME: metric.table.name}
            if len(fields) > 1:
                marks[FIELD] = column.name
            found.append(_marked(series, marks))
        return found


def stored(runner: Runner, metric: Metric, *, resident: bool = False) -> StoredMetric:
    """A metric whose samples are in a series store. Requires: table.store_id.

    Raises: NotResident if it is to be `resident` and the store's index is not in memory yet.
    """
    if resident and not runner.metrics.stores.is_open(metric.table):
        raise NotResident
    store = runner.metrics.stores.of(metric.table)
    place = (store.index, runner.regions, store.samples_region_id)
    return StoredMetric(metric, metric.table.metric, *place, runner.staged(), resident=resident)


def label_values(
    runner: Runner, metric: Metric, name: str, start_ms: int, end_ms: int
) -> Iterable[str]:
    """The values of a label of a metric's series with rows between two times, "" among them."""
    tag = next((tag for tag in metric.tags if tag.name == name), None)
    if tag is not None and metric.table.store_id:
        return stored(runner, metric).values(tag, start_ms, end_ms)
    if tag is None and name != NAME:
        return ()
    names = frozenset({name} | {matcher.name for matcher in metric.matchers})
    found = series_labels(runner, metric, start_ms, end_ms, names)
    return set(found.column(name).strings())


def label_names(runner: Runner, metric: Metric, start_ms: int, end_ms: int) -> set[str]:
    """The names of the labels of a metric's series with rows between two times."""
    if metric.table.store_id:
        return stored(runner, metric).names(start_ms, end_ms)
    found = series_labels(runner, metric, start_ms, end_ms)
    return {name for name, column in found.columns.items() if column.codes.any()}


def series_labels(
    runner: Runner, metric: Metric, start_ms: int, end_ms: int, only: frozenset[str] | None = None
) -> LabelTable:
    """The labels of a metric's series with rows between two times, no two rows alike; `only` some
    labels of them.

    Requires: `only` has all labels that the metric's matchers compare.
    """
    tags = [tag.name for tag in metric.tags if only is None or tag.name in only]
    table = metric.table
    if table.store_id:
        one = stored(runner, metric)
        labels = one.labels(start_ms, end_ms)
        if only is None and one.is_distinct:
            return labels
        return distinct(labels.keep([*tags, NAME]))
    unit = table.region_schema().time_type.unit
    wanted = Wanted(
        table,
        tuple(tags) or (str(table.time_index),),
        time_range(start_ms, end_ms, unit),
        key_filters(metric),
        condition(metric),
    )
    rows = read_distinct(runner, wanted)
    if not rows.num_rows:
        return LabelTable(0, {})
    columns = {name: label_column(rows.column(name)) for name in tags}
    columns[NAME] = LabelColumn.constant(table.name, rows.num_rows)
    labels = LabelTable(rows.num_rows, columns)
    accepted = accepted_rows(columns, metric.matchers)
    if accepted is not None:
        labels = labels.take(np.flatnonzero(accepted))
    return distinct(labels)


def distinct(labels: LabelTable) -> LabelTable:
    """The rows, none twice."""
    _, first = labels.groups()
    return labels if len(first) == labels.count else labels.take(first)


def numbers(column: pa.ChunkedArray) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    """A numeric column as floats, and which rows are not NULL (None: all)."""
    present = None
    if column.null_count:
        present = pc.is_valid(column).to_numpy()
        column = pc.fill_null(column, pa.scalar(0, column.type))
    return np.ascontiguousarray(floats(column, pa.float64()).to_numpy()), present


def with_histograms(
    column: pa.ChunkedArray, values: NDArray[np.float64], present: NDArray[np.bool_] | None
) -> tuple[
    NDArray[np.object_] | None,
    NDArray[np.int64] | None,
    NDArray[np.float64],
    NDArray[np.bool_] | None,
]:
    """Histograms of rows that have one, or None; start times of counters, or None; values and
    presence with their markers.
    """
    if column.null_count == len(column):
        return None, None, values, present
    found = histograms_of(column)
    is_one = pc.is_valid(column).to_numpy()
    if found.stale.any():
        bits = values.view(np.uint64).copy()
        bits[found.stale] = STALE_BITS
        values = bits.view(np.float64)
    histograms = found.histograms if holds_histogram(found.histograms).any() else None
    return histograms, found.starts, values, None if present is None else present | is_one


def together(found: Sequence[SelectedSeries]) -> SelectedSeries:
    """The series of all parts, one after the other."""
    if len(found) == 1:
        return found[0]
    if not found:
        nothing = Samples(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0))
        return SelectedSeries(LabelTable(0, {}), nothing)
    counts = [np.diff(part.samples.offsets) for part in found]
    offsets = np.append(np.int64(0), np.cumsum(np.concatenate(counts)))
    times = np.concatenate([part.samples.times for part in found])
    values = np.concatenate([part.samples.values for part in found])
    labels = stack([part.labels for part in found])
    histograms = None
    if any(part.samples.histograms is not None for part in found):
        histograms = np.concatenate([_objects(part.samples) for part in found])
    starts = None
    if any(part.samples.starts is not None for part in found):
        starts = np.concatenate([_starts(part.samples) for part in found])
    return SelectedSeries(labels, Samples(offsets, times, values, histograms, starts))


def _starts(samples: Samples) -> NDArray[np.int64]:
    if samples.starts is not None:
        return samples.starts
    return np.zeros(len(samples.times), np.int64)


def _objects(samples: Samples) -> NDArray[np.object_]:
    if samples.histograms is not None:
        return samples.histograms
    return np.full(len(samples.times), None, np.object_)


def _marked(series: SelectedSeries, marks: dict[str, str]) -> SelectedSeries:
    labels = series.labels
    for name, value in marks.items():
        labels = labels.put(name, LabelColumn.constant(value, labels.count))
    return SelectedSeries(labels, series.samples)
