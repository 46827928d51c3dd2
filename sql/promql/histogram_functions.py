"""Functions of histograms, classic and native: histogram_quantile, histogram_count and others.

Registered in `functions.py`. Buckets of classic histograms go through kernels, native histograms
are computed one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from engine.errors import DbError, ErrorKind
from sql.promql import histogram_stats
from sql.promql.context import Evaluation, Handler
from sql.promql.frame import Frame, Marks, stacked
from sql.promql.histogram import Histogram
from sql.promql.kernels import classic as kernels
from sql.promql.labels import NAME, LabelColumn, LabelTable, Rows, stack
from sql.promql.model import Floats, Times
from sql.promql.numbers import shown
from sql.promql.tree import Call, Node

_BUCKET = "le"


def _of_each(compute: Callable[[Histogram], float]) -> Handler:
    """A function of one histogram."""

    def handler(ev: Evaluation, call: Call, times: Times) -> Frame:
        frame = ev.frame(call.arguments[0], times)
        return _computed(frame, lambda item, column: compute(item)).compact()

    return handler


def _computed(frame: Frame, compute: Callable[[Histogram, int], float]) -> Frame:
    """Floats instead of histograms; what was a float drops out."""
    values = np.zeros(frame.values.shape)
    if frame.histograms is not None:
        for row, column in zip(*np.nonzero(frame.is_histogram), strict=True):
            values[row, column] = compute(frame.histograms[row, column], int(column))
    found = Frame(frame.labels, values, frame.is_histogram, frame.nameless)
    return found.marked_nameless()


def _average(item: Histogram) -> float:
    return float(np.float64(item.sum) / np.float64(item.count))


@dataclass(frozen=True)
class _Classic:
    """Classic histograms: their rows sorted by histogram and bound, and their labels."""

    labels: LabelTable
    nameless: Marks
    order: Rows
    offsets: Rows
    uppers: Floats
    frame: Frame

    @property
    def shape(self) -> tuple[int, int]:
        """Histograms and steps."""
        return len(self.offsets) - 1, self.frame.columns


def _upper_bounds(ev: Evaluation, node: Node, frame: Frame) -> tuple[Floats, Marks]:
    """The bound of each row, and whether it is one."""
    column = frame.labels.column(_BUCKET)
    bounds = [_number(text) for text in column.values]
    known = np.array([bound is not None for bound in bounds])
    uppers = np.array([math.nan if bound is None else bound for bound in bounds])
    rows = known[column.codes]
    for row in np.flatnonzero(~rows & frame.is_float.any(axis=1))[:10].tolist():
        text = column.values[column.codes[row]]
        name = frame.labels.column(NAME)
        ev.notes.warn(
            f'bucket label "{_BUCKET}" is missing or has a malformed value of "{text}"'
            f"{_about(name.values[name.codes[row]])}",
            node,
        )
    return uppers[column.codes], rows


def _about(name: str) -> str:
    return f' for metric name "{name}"'


def _number(text: str) -> float | None:
    try:
        return float(text.replace("_", "x"))  # Python would read 1_0
    except ValueError:
        return None


def _split(ev: Evaluation, node: Node, frame: Frame) -> tuple[_Classic, Frame]:
    """The classic and the native histograms of a vector; what is both at a step is neither."""
    floats = replace(frame.floats()).compact()
    uppers, rows = _upper_bounds(ev, node, floats)
    kept = np.flatnonzero(rows)
    floats, uppers = floats.take(kept), uppers[kept]
    native = frame.where(frame.is_histogram).compact()
    signatures = stack([floats.labels.drop([_BUCKET]), native.labels])
    groups, first = signatures.groups()
    of_floats, of_native = groups[: floats.labels.count], groups[floats.labels.count :]
    floats, native = _without_mixed(ev, node, floats, native, of_floats, of_native, len(first))
    order = np.lexsort((uppers, of_floats))
    numbers, starts = np.unique(of_floats[order], return_index=True)
    offsets = np.concatenate([starts, [len(order)]]).astype(np.int64)
    rows_first = first[numbers]
    nameless = np.ones(len(numbers), np.bool_)
    labels = signatures.take(rows_first)
    classic = _Classic(labels, nameless, order.astype(np.int64), offsets, uppers, floats)
    return classic, native


def _without_mixed(
    ev: Evaluation,
    node: Node,
    floats: Frame,
    native: Frame,
    of_floats: Rows,
    of_native: Rows,
    count: int,
) -> tuple[Frame, Frame]:
    if not len(of_native) or not len(of_floats):
        return floats, native
    there = np.zeros((count, floats.columns), np.bool_)
    np.logical_or.at(there, of_floats, floats.present)
    both = there[of_native] & native.present
    for row in np.flatnonzero(both.any(axis=1)).tolist():
        name = native.labels.column(NAME)
        ev.notes.warn(
            "vector contains a mix of classic and native histograms"
            f"{_about(name.values[name.codes[row]])}",
            node,
        )
    mixed = np.zeros((count, floats.columns), np.bool_)
    np.logical_or.at(mixed, of_native, both)
    return floats.where(~mixed[of_floats]), native.where(~mixed[of_native])


def _classic_quantiles(ev: Evaluation, node: Node, classic: _Classic, qs: Floats) -> Frame:
    out = np.zeros(classic.shape)
    present, forced = (np.zeros(classic.shape, np.bool_) for _ in range(2))
    kernels.quantiles(
        qs,
        classic.order,
        classic.offsets,
        classic.uppers,
        np.ascontiguousarray(classic.frame.values),
        np.ascontiguousarray(classic.frame.present),
        out,
        present,
        forced,
    )
    names = classic.labels.column(NAME)
    for row in np.flatnonzero(forced.any(axis=1)).tolist():
        ev.notes.info(
            "input to histogram_quantile needed to be fixed for monotonicity (see "
            "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
            f"{_about(names.values[names.codes[row]])}",
            node,
        )
    return Frame(classic.labels, out, present, classic.nameless)


def _native_quantiles(ev: Evaluation, node: Node, native: Frame, qs: Floats) -> Frame:
    if native.histograms is not None:
        _note_nans(ev, node, native, qs)
    return _computed(native, lambda item, column: histogram_stats.quantile(qs[column], item))


def _note_nans(ev: Evaluation, node: Node, native: Frame, qs: Floats) -> None:
    """Says so where observations of NaN, which are in no bucket, matter."""
    assert native.histograms is not None
    names = native.labels.column(NAME)
    for row, column in zip(*np.nonzero(native.is_histogram), strict=True):
        item = native.histograms[row, column]
        if math.isnan(item.sum) and item.count > 0 and 0 <= qs[column] <= 1:
            lost = math.isnan(histogram_stats.quantile(qs[column], item))
            result = "result is NaN" if lost else "result is skewed higher"
            ev.notes.info(
                f"input to histogram_quantile has NaN observations, {result}"
                f"{_about(names.values[names.codes[row]])}",
                node,
            )


def _quantiles(ev: Evaluation, node: Node, at: Node, frame: Frame, qs: Floats) -> Frame:
    for value in np.unique(qs[~((qs >= 0) & (qs <= 1))]):
        ev.notes.warn(f"quantile value should be between 0 and 1, got {shown(value)}", at)
    classic, native = _split(ev, node, frame)
    return stacked(
        [_classic_quantiles(ev, node, classic, qs), _native_quantiles(ev, node, native, qs)]
    ).compact()


def _quantile(ev: Evaluation, call: Call, times: Times) -> Frame:
    qs = ev.scalar(call.arguments[0], times)
    frame = ev.frame(call.arguments[1], times)
    return _quantiles(ev, call.arguments[1], call.arguments[0], frame, qs)


def _several_quantiles(ev: Evaluation, call: Call, times: Times) -> Frame:
    frame = ev.frame(call.arguments[0], times)
    label = ev.text(call.arguments[1])
    if frame.labels.column(label).codes.any():
        raise DbError(ErrorKind.INVALID_ARGUMENT, f'label "{label}" already exists in the input')
    parts = []
    for argument in call.arguments[2:]:
        qs = ev.scalar(argument, times)
        part = _quantiles(ev, call.arguments[0], argument, frame, qs)
        for q in np.unique(qs):
            text = shown(q)
            text = text if "." in text or not text[-1].isdigit() else text + ".0"
            column = LabelColumn.constant(text, part.labels.count)
            labels = part.labels.put(label, column)
            parts.append(
                replace(part, labels=labels).where((qs == q) | (np.isnan(qs) & np.isnan(q)))
            )
    return stacked(parts).compact()


def _fraction(ev: Evaluation, call: Call, times: Times) -> Frame:
    lowers, highers = (ev.scalar(part, times) for part in call.arguments[:2])
    frame = ev.frame(call.arguments[2], times)
    classic, native = _split(ev, call.arguments[2], frame)
    out, present = np.zeros(classic.shape), np.zeros(classic.shape, np.bool_)
    kernels.fractions(
        lowers,
        highers,
        classic.order,
        classic.offsets,
        classic.uppers,
        np.ascontiguousarray(classic.frame.values),
        np.ascontiguousarray(classic.frame.present),
        out,
        present,
    )
    _note_nan_fractions(ev, call.arguments[2], native)
    found = _computed(
        native,
        lambda item, column: histogram_stats.fraction(lowers[column], highers[column], item),
    )
    return stacked([Frame(classic.labels, out, present, classic.nameless), found]).compact()


def _note_nan_fractions(ev: Evaluation, node: Node, native: Frame) -> None:
    if native.histograms is None:
        return
    names = native.labels.column(NAME)
    for row, column in zip(*np.nonzero(native.is_histogram), strict=True):
        item = native.histograms[row, column]
        if math.isnan(item.sum) and item.count > 0:
            ev.notes.info(
                "input to histogram_fraction has NaN observations, which are excluded from all "
                f"fractions{_about(names.values[names.codes[row]])}",
                node,
            )


HANDLERS: dict[str, Handler] = {
    "histogram_avg": _of_each(_average),
    "histogram_count": _of_each(lambda item: item.count),
    "histogram_fraction": _fraction,
    "histogram_quantile": _quantile,
    "histogram_quantiles": _several_quantiles,
    "histogram_stddev": _of_each(lambda item: math.sqrt(histogram_stats.variance(item))),
    "histogram_stdvar": _of_each(histogram_stats.variance),
    "histogram_sum": _of_each(lambda item: item.sum),
}
