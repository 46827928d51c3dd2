"""Aggregations: sum, avg, topk and the others, by or without labels.

Called by `evaluator.py`. Floats are reduced by kernels, histograms in `histogram_groups.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from engine.errors import DbError, ErrorKind
from sql.promql import histogram_groups, ranking
from sql.promql.context import Evaluation
from sql.promql.frame import Frame
from sql.promql.kernels import aggregate as kernels
from sql.promql.label_functions import valid_label_name
from sql.promql.labels import METADATA, NAME, LabelColumn, LabelTable, Rows
from sql.promql.model import Floats, Times
from sql.promql.numbers import quoted, shown
from sql.promql.tree import Aggregate


@dataclass(frozen=True)
class Groups:
    """The groups of a frame's rows: of each row its group, of each group its labels."""

    of_rows: Rows
    labels: LabelTable
    nameless: np.ndarray[tuple[int], np.dtype[np.bool_]]

    @property
    def count(self) -> int:
        """How many groups."""
        return self.labels.count


_OPERATIONS = {
    "sum": kernels.SUM,
    "avg": kernels.AVG,
    "min": kernels.MIN,
    "max": kernels.MAX,
    "count": kernels.COUNT,
    "stddev": kernels.STDVAR,
    "stdvar": kernels.STDVAR,
    "group": kernels.GROUP,
}
# Aggregations of histograms too; the others look at floats alone.
_OF_HISTOGRAMS = frozenset({"sum", "avg", "count", "group"})


def evaluate(ev: Evaluation, node: Aggregate, times: Times) -> Frame:
    """The aggregation at every step. Raises: DbError(INVALID_ARGUMENT) for bad parameters."""
    frame = ev.frame(node.inner, times)
    if node.op == "count_values":
        return _count_values(ev, node, frame)
    groups = _groups(node, frame)
    if node.parameter is not None:
        parameter = ev.scalar(node.parameter, times)
        if node.op == "quantile":
            return _quantile(ev, node, frame, groups, parameter)
        return _SELECTIONS[node.op](ev, node, frame, groups.of_rows, parameter)
    if node.op in ("sum", "avg"):
        return histogram_groups.summed(ev, node, frame, groups.of_rows, _reduced(node, groups))
    if node.op not in _OF_HISTOGRAMS and frame.is_histogram.any():
        ev.notes.info(f"ignored histogram in {node.op} aggregation", node.inner)
        frame = frame.floats()
    return _reduced(node, groups)(frame).compact()


def _groups(node: Aggregate, frame: Frame) -> Groups:
    if node.without:
        labels = frame.labels.drop({*node.labels, *METADATA})
    else:
        labels = frame.labels.keep(node.labels)
    of_rows, first = labels.groups()
    nameless = np.zeros(len(first), np.bool_)
    if NAME in labels.columns:
        np.logical_or.at(nameless, of_rows, frame.nameless)
    return Groups(of_rows, labels.take(first), nameless)


def _reduced(node: Aggregate, groups: Groups) -> Callable[[Frame], Frame]:
    """The reduction of a frame's floats to one row per group."""

    def reduce(frame: Frame) -> Frame:
        shape = (groups.count, frame.columns)
        out, counts, found = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.bool_)
        kernels.reduce_groups(
            _OPERATIONS[node.op],
            groups.of_rows,
            np.ascontiguousarray(frame.values),
            np.ascontiguousarray(frame.present),
            out,
            counts,
            found,
        )
        if node.op == "stddev":
            out = np.sqrt(out)
        return Frame(groups.labels, out, found, groups.nameless)

    return reduce


def _quantile(
    ev: Evaluation, node: Aggregate, frame: Frame, groups: Groups, parameter: Floats
) -> Frame:
    if frame.is_histogram.any():
        ev.notes.info("ignored histogram in quantile aggregation", node.inner)
        frame = frame.floats()
    warn_of_quantiles(ev, node, parameter)
    order = np.argsort(groups.of_rows, kind="stable")
    bounds = np.searchsorted(groups.of_rows[order], np.arange(groups.count + 1))
    shape = (groups.count, frame.columns)
    out, found = np.zeros(shape), np.zeros(shape, np.bool_)
    kernels.group_quantiles(
        parameter,
        order,
        bounds.astype(np.int64),
        np.ascontiguousarray(frame.values),
        np.ascontiguousarray(frame.present),
        out,
        found,
    )
    return Frame(groups.labels, out, found, groups.nameless).compact()


def warn_of_quantiles(ev: Evaluation, node: Aggregate, parameter: Floats) -> None:
    """Says so where a quantile is not between 0 and 1."""
    assert node.parameter is not None
    for value in np.unique(parameter[~((parameter >= 0) & (parameter <= 1))]):
        ev.notes.warn(
            f"quantile value should be between 0 and 1, got {shown(value)}", node.parameter
        )


def _whole(values: Floats) -> Floats:
    """The parameter of topk and its like at each step. Raises: DbError(INVALID_ARGUMENT)."""
    if np.isnan(values).any():
        raise DbError(ErrorKind.INVALID_ARGUMENT, "Parameter value is NaN")
    wrong = values[(values >= 2.0**63) | (values <= -(2.0**63))]
    if len(wrong):
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"Scalar value {shown(wrong[0])} overflows int64")
    return np.trunc(values)


def _ranked(
    ev: Evaluation, node: Aggregate, frame: Frame, groups: Rows, parameter: Floats
) -> Frame:
    if frame.is_histogram.any():
        ev.notes.info(f"ignored histogram in {node.op} aggregation", node.inner)
        frame = frame.floats()
    return ranking.ranked(frame, groups, _whole(parameter), largest=node.op == "topk")


def _limited(
    ev: Evaluation, node: Aggregate, frame: Frame, groups: Rows, parameter: Floats
) -> Frame:
    return ranking.first_of_each(frame, groups, _whole(parameter))


def _sampled(
    ev: Evaluation, node: Aggregate, frame: Frame, groups: Rows, parameter: Floats
) -> Frame:
    if np.isnan(parameter).any():
        raise DbError(ErrorKind.INVALID_ARGUMENT, "Ratio value is NaN")
    assert node.parameter is not None
    for value in np.unique(parameter[np.abs(parameter) > 1]):
        capped = shown(math.copysign(1.0, value))
        ev.notes.warn(
            f"ratio value should be between -1 and 1, got {shown(value)}, capping to {capped}",
            node.parameter,
        )
    return ranking.sampled(frame, np.clip(parameter, -1.0, 1.0))


_SELECTIONS: dict[str, Callable[[Evaluation, Aggregate, Frame, Rows, Floats], Frame]] = {
    "topk": _ranked,
    "bottomk": _ranked,
    "limitk": _limited,
    "limit_ratio": _sampled,
}


def _count_values(ev: Evaluation, node: Aggregate, frame: Frame) -> Frame:
    """One group per label set and value, the value written into a label."""
    assert node.parameter is not None
    label = ev.text(node.parameter)
    if not valid_label_name(label):
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"invalid label name {quoted(label)}")
    if node.without:
        kept = frame.labels.drop({*node.labels, *METADATA, label})
    else:
        kept = frame.labels.keep(set(node.labels) - {label})
    rows, columns = np.nonzero(frame.present)
    labels = kept.take(rows).put(label, _value_column(frame, rows, columns))
    groups, first = labels.groups()
    counts = np.zeros((len(first), frame.columns))
    np.add.at(counts, (groups, columns), 1.0)
    found = Frame.of(labels.take(first), counts, counts > 0)
    return replace(found, nameless=np.zeros(len(first), np.bool_))


def _value_column(frame: Frame, rows: Rows, columns: Rows) -> LabelColumn:
    """The values of cells as texts; equal ones are written once."""
    bits, which = np.unique(frame.values[rows, columns].view(np.int64), return_inverse=True)
    texts = [shown(value) for value in bits.view(np.float64).tolist()]
    if frame.histograms is None:
        return LabelColumn.of_dictionary(texts, which)
    cells = frame.histograms[rows, columns]
    pairs = zip(cells, which.tolist(), strict=True)
    return LabelColumn.of([texts[place] if item is None else str(item) for item, place in pairs])
