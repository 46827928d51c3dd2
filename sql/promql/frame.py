"""What expressions yield while they are evaluated: vectors over steps, and windows of samples.

Every module of the evaluator takes and returns these. A `Frame` is an instant vector at every step
at once, a `Window` the range vectors that a function reduces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.errors import DbError, ErrorKind
from sql.promql.kernels import aggregate as kernels
from sql.promql.labels import METADATA, LabelTable, Rows, stack
from sql.promql.model import Floats, Objects, Samples, Times, holds_histogram
from sql.promql.tree import Extension, MatrixSelector, Subquery

Marks = NDArray[np.bool_]


@dataclass(frozen=True)
class Frame:
    """An instant vector at each of several steps: row i is a series, column j a step.

    Attributes:
        values: what holds no meaning where `present` is False or a histogram is.
        histograms: None, or a matrix of Histogram and None.
        nameless: per row, whether its metric's name is to be dropped once the query is done;
            until then `label_replace` and grouping may still look at it.
    """

    labels: LabelTable
    values: Floats
    present: Marks
    nameless: Marks
    histograms: Objects | None = None

    @staticmethod
    def of(labels: LabelTable, values: Floats, present: Marks, *, nameless: bool = False) -> Frame:
        """A frame of floats whose rows all keep or all drop their names."""
        return Frame(labels, values, present, np.full(labels.count, nameless, np.bool_))

    @staticmethod
    def nothing(columns: int) -> Frame:
        """No series at all."""
        return Frame.of(LabelTable(0, {}), np.zeros((0, columns)), np.zeros((0, columns), np.bool_))

    @property
    def columns(self) -> int:
        """How many steps."""
        return int(self.values.shape[1])

    @cached_property
    def is_histogram(self) -> Marks:
        """Which cells hold a histogram."""
        if self.histograms is None:
            return np.zeros(self.present.shape, np.bool_)
        return holds_histogram(self.histograms) & self.present

    @cached_property
    def is_float(self) -> Marks:
        """Which cells hold a float."""
        return self.present if self.histograms is None else self.present & ~self.is_histogram

    def take(self, rows: Rows) -> Frame:
        """These rows in this order."""
        return Frame(
            self.labels.take(rows),
            self.values[rows],
            self.present[rows],
            self.nameless[rows],
            None if self.histograms is None else self.histograms[rows],
        )

    def where(self, marks: Marks) -> Frame:
        """Only these cells."""
        return replace(self, present=self.present & marks)

    def floats(self) -> Frame:
        """Only the cells with floats."""
        if self.histograms is None:
            return self
        return replace(self, present=self.is_float, histograms=None)

    def compact(self) -> Frame:
        """Without rows that are absent at every step."""
        rows = np.flatnonzero(self.present.any(axis=1))
        return self if len(rows) == self.labels.count else self.take(rows)

    def drop_names(self) -> Frame:
        """The names of rows marked as nameless are removed for good."""
        if not self.nameless.any():
            return self
        if self.nameless.all():
            labels = self.labels.drop(METADATA)
        else:
            labels = self.labels.blank(METADATA, self.nameless)
        return replace(self, labels=labels, nameless=np.zeros(labels.count, np.bool_))

    def marked_nameless(self) -> Frame:
        """With every name to be dropped."""
        return replace(self, nameless=np.ones(self.labels.count, np.bool_))

    def merge(self, message: str = "") -> Frame:
        """Rows of equal labels become one.

        Raises: DbError(INVALID_ARGUMENT) if two of them are present at the same step.
        """
        groups, first = self.labels.groups()
        if len(first) == self.labels.count:
            return self
        return merged(self, groups, first, message or SAME_LABELS)


SAME_LABELS = "vector cannot contain metrics with the same labelset"


def merged(frame: Frame, groups: Rows, first: Rows, message: str) -> Frame:
    """One row per group. Raises: DbError(INVALID_ARGUMENT) with `message` on two at one step."""
    columns = frame.columns
    values = np.zeros((len(first), columns))
    taken = np.zeros((len(first), columns), np.int64)
    kernels.count_marks(groups, np.ascontiguousarray(frame.present), taken)
    if (taken > 1).any():
        raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    rows, places = np.nonzero(frame.present)
    values[groups[rows], places] = frame.values[rows, places]
    histograms = None
    if frame.histograms is not None:
        histograms = np.full((len(first), columns), None, np.object_)
        histograms[groups[rows], places] = frame.histograms[rows, places]
    nameless = np.zeros(len(first), np.bool_)
    np.logical_or.at(nameless, groups, frame.nameless)
    return Frame(frame.labels.take(first), values, taken > 0, nameless, histograms)


def stacked(frames: list[Frame]) -> Frame:
    """The rows of all frames, one after the other."""
    if len(frames) == 1:
        return frames[0]
    histograms = None
    if any(frame.histograms is not None for frame in frames):
        histograms = np.concatenate(
            [
                np.full(frame.values.shape, None, np.object_)
                if frame.histograms is None
                else frame.histograms
                for frame in frames
            ]
        )
    return Frame(
        stack([frame.labels for frame in frames]),
        np.concatenate([frame.values for frame in frames]),
        np.concatenate([frame.present for frame in frames]),
        np.concatenate([frame.nameless for frame in frames]),
        histograms,
    )


@dataclass(frozen=True)
class Window:
    """The samples of a range vector and the windows (step - span, step] a function looks at.

    Attributes:
        samples: without staleness markers.
        steps: the right end of each window, with offset and @ applied.
        times: when each step is evaluated.
        span: milliseconds.
    """

    node: MatrixSelector | Subquery
    labels: LabelTable
    samples: Samples
    steps: Times
    times: Times
    span: int
    nameless: Marks
    extension: Extension = Extension.NONE
    lookback: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Series and steps."""
        return self.labels.count, len(self.steps)

    @cached_property
    def histogram_marks(self) -> Marks:
        """Which samples are histograms."""
        histograms = self.samples.histograms
        if histograms is None:
            return np.zeros(len(self.samples.times), np.bool_)
        return holds_histogram(histograms)

    @cached_property
    def float_samples(self) -> Samples:
        """The samples that are floats."""
        if self.samples.histograms is None or not self.histogram_marks.any():
            return replace(self.samples, histograms=None)
        return replace(picked(self.samples, ~self.histogram_marks), histograms=None)

    @cached_property
    def histogram_rows(self) -> Rows:
        """The series that have any histogram."""
        if self.samples.histograms is None:
            return np.zeros(0, np.int64)
        counts = np.concatenate([[0], np.cumsum(self.histogram_marks)])
        return np.flatnonzero(np.diff(counts[self.samples.offsets]))

    def take(self, rows: Rows) -> Window:
        """Only these series."""
        return replace(
            self,
            labels=self.labels.take(rows),
            samples=series_of(self.samples, rows),
            nameless=self.nameless[rows],
        )


def picked(samples: Samples, marks: Marks) -> Samples:
    """Only the marked samples."""
    before = np.concatenate([[0], np.cumsum(marks)]).astype(np.int64)
    return Samples(
        before[samples.offsets],
        samples.times[marks],
        samples.values[marks],
        None if samples.histograms is None else samples.histograms[marks],
        None if samples.starts is None else samples.starts[marks],
    )


def series_of(samples: Samples, rows: Rows) -> Samples:
    """Only these series, in this order."""
    starts, ends = samples.offsets[rows], samples.offsets[rows + 1]
    offsets = np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int64)
    places = np.repeat(starts - offsets[:-1], ends - starts) + np.arange(offsets[-1])
    return Samples(
        offsets,
        samples.times[places],
        samples.values[places],
        None if samples.histograms is None else samples.histograms[places],
        None if samples.starts is None else samples.starts[places],
    )


def samples_of(frame: Frame, times: Times) -> Samples:
    """A frame's present cells as samples; `times` are its columns'."""
    if frame.histograms is None and frame.present.all():
        count, width = frame.values.shape
        every = np.arange(count + 1, dtype=np.int64) * width
        return Samples(every, np.tile(times, count), np.ascontiguousarray(frame.values).ravel())
    counts = frame.present.sum(axis=1)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows, columns = np.nonzero(frame.present)
    histograms = None if frame.histograms is None else frame.histograms[rows, columns]
    return Samples(offsets, times[columns], frame.values[rows, columns], histograms)
