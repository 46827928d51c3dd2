"""The door of PromQL: evaluates a text between two times.

TQL and the HTTP API call it with a source of samples. A range query is evaluated some steps at a
time, so that the matrices on the way stay small whatever the range.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine import jit
from engine.errors import DbError, ErrorKind
from sql.promql import check as types
from sql.promql import parser
from sql.promql.durations import Span
from sql.promql.evaluator import Evaluator
from sql.promql.frame import Frame, picked, series_of
from sql.promql.labels import LabelTable, sorted_rows, stack
from sql.promql.model import Check, Kind, Limits, Result, Samples, SampleSource, Times
from sql.promql.tree import Aggregate, Call, Node, Type, unwrap

# Cells of the largest matrix while evaluating some steps: 32 MiB of floats.
_CELLS = 4_000_000
_ORDERED = frozenset({"sort", "sort_desc", "sort_by_label", "sort_by_label_desc"})


def _never() -> None:
    """The check of an evaluation that nobody ends."""


def warm() -> None:
    """Compiles the kernels (see `server.warm`)."""
    jit.warm()


def evaluate(
    query: str,
    start_ms: int,
    end_ms: int,
    step_ms: int,
    source: SampleSource,
    *,
    lookback_ms: int = 300_000,
    limits: Limits = Limits(),  # noqa: B008 - a value, never changed
    check: Check = _never,
) -> Result:
    """Evaluates at start, start + step, … up to end; with step 0 as an instant query at `end_ms`.

    Returns: an instant query's SCALAR, STRING, VECTOR or ragged MATRIX; of a range evaluation
        a MATRIX (a scalar's one row has no labels).
    Raises: DbError: SYNTAX with `position` for text that does not parse or type-check,
        INVALID_ARGUMENT for what fails while evaluating (many-to-many matching, duplicate series),
        LIMIT_EXCEEDED for limits, whatever `check` and the source raise.
    """
    tree = parser.parse(query)
    kind = types.check(tree)
    instant = step_ms == 0
    times = _times(end_ms if instant else start_ms, end_ms, step_ms, limits)
    span = Span(int(times[0]) if instant else start_ms, end_ms, step_ms)
    if not instant and kind in (Type.STRING, Type.MATRIX):
        raise DbError(
            ErrorKind.SYNTAX,
            f'invalid expression type "{kind.value}" for range query, must be Scalar or instant '
            "Vector",
        )
    evaluator = Evaluator(query, span, lookback_ms, source, limits, check)
    evaluator.prepare(tree)
    with np.errstate(all="ignore"):  # arithmetic is IEEE 754's, without complaints
        found = _result(evaluator, tree, kind, times, instant)
    return replace(
        found,
        warnings=evaluator.notes.warnings,
        infos=evaluator.notes.infos,
        samples_read=evaluator.samples_read,
    )


def _times(start: int, end: int, step: int, limits: Limits) -> Times:
    if step == 0:
        return np.array([end], np.int64)
    if step < 0:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            "zero or negative query resolution step widths are not accepted",
        )
    if end < start:
        raise DbError(ErrorKind.INVALID_ARGUMENT, "end timestamp must not be before start time")
    if (end - start) // step >= limits.points:
        raise DbError(
            ErrorKind.LIMIT_EXCEEDED,
            f"exceeded maximum resolution of {limits.points} points per timeseries",
            hint="Decrease the query resolution (the step).",
        )
    return np.arange(start, end + 1, step, dtype=np.int64)


def _result(evaluator: Evaluator, tree: Node, kind: Type, times: Times, instant: bool) -> Result:
    if kind is Type.STRING:
        return Result(Kind.STRING, times, text=evaluator.text(tree))
    if kind is Type.MATRIX:
        return _ragged(evaluator, tree, times)
    if kind is Type.SCALAR:
        values = evaluator.scalar(tree, times).reshape(1, -1)
        present = np.ones(values.shape, np.bool_)
        shape = Kind.SCALAR if instant else Kind.MATRIX
        return Result(shape, times, LabelTable.empty_rows(1), values, present)
    inner = unwrap(tree)
    if instant:
        frame = _named(evaluator.frame(tree, times))
        return _of_frame(Kind.VECTOR, frame, times, ordered=_is_ordered(inner))
    if isinstance(inner, Call) and inner.name in _ORDERED:
        evaluator.notes.warn(
            "sort is ineffective for range queries since results are always ordered by labels",
            inner,
        )
    frame = _named(_in_chunks(evaluator, tree, times))
    if frame.labels.count > 1:
        frame = frame.take(sorted_rows(frame.labels))
    return _of_frame(Kind.MATRIX, frame, times)


def _named(frame: Frame) -> Frame:
    """The frame with names dropped for good, rows of equal labels made one, empty ones gone."""
    return frame.compact().drop_names().merge().compact()


def _of_frame(kind: Kind, frame: Frame, times: Times, *, ordered: bool = False) -> Result:
    return Result(
        kind,
        times,
        frame.labels,
        frame.values,
        frame.present,
        frame.histograms if frame.is_histogram.any() else None,
        ordered=ordered,
    )


def _is_ordered(node: Node) -> bool:
    if isinstance(node, Call):
        return node.name in _ORDERED
    return isinstance(node, Aggregate) and node.op in ("topk", "bottomk")


def _in_chunks(evaluator: Evaluator, tree: Node, times: Times) -> Frame:
    """The frame over all steps, evaluated some steps at a time."""
    width = max(1, _CELLS // evaluator.cells_per_step)
    if width >= len(times):
        return evaluator.frame(tree, times)
    parts: list[Frame] = []
    cells = 0
    for first in range(0, len(times), width):
        part = _named(evaluator.frame(tree, times[first : first + width]))
        cells += part.values.size
        evaluator.refuse_more_than(cells)
        parts.append(part)
    return _joined(evaluator, parts, len(times))


def _joined(evaluator: Evaluator, parts: list[Frame], columns: int) -> Frame:
    """One frame of parts that follow each other in time, no two rows of a part alike."""
    labels = stack([part.labels for part in parts])
    groups, first = labels.groups()
    evaluator.refuse_more_than(len(first) * columns)
    values = np.zeros((len(first), columns))
    present = np.zeros(values.shape, np.bool_)
    histograms = None
    if any(part.histograms is not None for part in parts):
        histograms = np.full(values.shape, None, np.object_)
    row = column = 0
    for part in parts:
        into = groups[row : row + part.labels.count]
        steps = slice(column, column + part.columns)
        values[into, steps], present[into, steps] = part.values, part.present
        if histograms is not None and part.histograms is not None:
            histograms[into, steps] = part.histograms
        row, column = row + part.labels.count, steps.stop
    return Frame(labels.take(first), values, present, np.zeros(len(first), np.bool_), histograms)


def _ragged(evaluator: Evaluator, tree: Node, times: Times) -> Result:
    """The samples of a range vector at one time."""
    window = evaluator.window(tree, times)
    right = int(window.steps[0])
    samples = window.samples
    marks = (samples.times > right - window.span) & (samples.times <= right)
    kept: Samples = picked(samples, marks)
    rows = np.flatnonzero(np.diff(kept.offsets))
    labels = window.labels.take(rows)
    kept = series_of(kept, rows)
    order = sorted_rows(labels)
    return Result(Kind.MATRIX, times, labels.take(order), samples=series_of(kept, order))
