"""Walks a PromQL tree: selectors, subqueries and dispatch to the modules of operators.

`evaluate.py` makes one `Evaluator` per query. It asks the source once per selector and keeps what
it found; a query of many steps is evaluated some steps at a time over the same samples.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.errors import DbError, ErrorKind
from sql.promql import (
    aggregate,
    binary,
    durations,
    extended,
    functions,
    histogram_hints,
    histogram_math,
    selection,
)
from sql.promql.durations import Span
from sql.promql.frame import Frame, Window, picked, samples_of
from sql.promql.kernels import windows
from sql.promql.model import (
    STALE_BITS,
    Check,
    Floats,
    Limits,
    Matcher,
    Samples,
    SampleSource,
    SelectedSeries,
    Selector,
    Times,
    is_stale,
)
from sql.promql.notes import Notes
from sql.promql.tree import (
    Aggregate,
    Binary,
    Call,
    Extension,
    MatrixSelector,
    Node,
    Number,
    Parens,
    Shift,
    Subquery,
    Text,
    Unary,
    VectorSelector,
    unwrap,
)

DEFAULT_SUBQUERY_STEP_MS = 60_000


def _any_stale(samples: Samples) -> bool:
    return windows.holds(samples.values.view(np.uint64), STALE_BITS)


class Evaluator:
    """One query over one source; implements `context.Evaluation`."""

    def __init__(
        self,
        text: str,
        span: Span,
        lookback_ms: int,
        source: SampleSource,
        limits: Limits,
        check: Check,
    ) -> None:
        self.notes = Notes(text)
        self.span = span
        self.check = check
        self.samples_read = 0
        # About how large a matrix grows with each step of the query; known once prepared.
        self.cells_per_step = 1
        self._lookback = lookback_ms
        self._source = source
        self._limits = limits
        self._series: dict[int, SelectedSeries] = {}
        self._sound: dict[int, Samples] = {}
        self._others: dict[Selector, SelectedSeries] = {}

    def prepare(self, tree: Node) -> None:
        """Fetches the samples of every selector. Raises: DbError."""
        bounds = selection.Bounds(self.span.start, self.span.end)
        totals = {id(node) for node in histogram_hints.of_totals(tree)}
        for node, selector in selection.selectors(tree, bounds, self.span, self._lookback):
            if id(node) not in totals:
                self._series[id(node)] = self._fetch(selector)
                continue
            # What comes before the first histogram tells whether that is a reset.
            found = self._fetch(replace(selector, start_ms=selector.start_ms - self._lookback))
            samples = histogram_hints.with_resets(found.samples, selector.start_ms)
            self._series[id(node)] = replace(found, samples=samples)
        most = max((found.labels.count for found in self._series.values()), default=1)
        finest = selection.fineness(tree, self.span, DEFAULT_SUBQUERY_STEP_MS)
        self.cells_per_step = max(1, int(most * finest))

    def _fetch(self, selector: Selector) -> SelectedSeries:
        found = self._others.get(selector)
        if found is None:
            self.check()
            found = self._source.select(selector)
            self.samples_read += len(found.samples.times)
            self.refuse_more_than(self.samples_read)
            self._others[selector] = found
        return found

    def refuse_more_than(self, samples: int) -> None:
        """Raises: DbError(LIMIT_EXCEEDED) for more samples or cells than one query may use."""
        if samples > self._limits.samples:
            raise DbError(
                ErrorKind.LIMIT_EXCEEDED,
                "query processing would load too many samples into memory in query execution",
                detail=f"The limit is {self._limits.samples} samples.",
            )

    # Values of each type.

    def scalar(self, node: Node, times: Times) -> Floats:
        """The value at each step of a scalar expression."""
        found = self._value(node, times)
        assert isinstance(found, np.ndarray), node
        return found

    def frame(self, node: Node, times: Times) -> Frame:
        """The instant vectors of an expression of that type."""
        found = self._value(node, times)
        assert isinstance(found, Frame), node
        return found

    def text(self, node: Node) -> str:
        """The value of a string expression."""
        inner = unwrap(node)
        assert isinstance(inner, Text), node
        return inner.value

    def _value(self, node: Node, times: Times) -> Frame | Floats:
        self.check()
        if isinstance(node, Number):
            return np.full(len(times), node.value)
        if isinstance(node, Parens):
            return self._value(node.inner, times)
        if isinstance(node, VectorSelector):
            found = self._instant(node, times)
        elif isinstance(node, Unary):
            return binary.negate(self._value(node.inner, times), node.op)
        elif isinstance(node, Binary):
            return binary.evaluate(self, node, times, self._value)
        elif isinstance(node, Aggregate):
            found = aggregate.evaluate(self, node, times)
        else:
            assert isinstance(node, Call), node
            if node.name in functions.SCALARS:
                return functions.SCALARS[node.name](self, node, times)
            found = functions.VECTORS[node.name](self, node, times)
        self.refuse_more_than(found.values.size)
        return found

    # Selectors.

    def steps_of(self, shift: Shift, times: Times) -> Times:
        """The times that `@` and `offset` make of the times of evaluation."""
        at = selection.fixed_time(shift, self.span)
        steps = times if at is None else np.full(len(times), at, np.int64)
        return steps - selection.offset_of(shift, self.span)

    def latest(self, node: VectorSelector, times: Times) -> tuple[SelectedSeries, Times]:
        """A selector's series, and per series and step the place of its newest sample or -1."""
        series = self._series[id(node)]
        return series, self._newest(series.samples, self.steps_of(node.shift, times))

    def latest_of(
        self, matchers: tuple[Matcher, ...], steps: Times
    ) -> tuple[SelectedSeries, Times]:
        """The same of series that the text does not select itself."""
        first, last = int(steps.min()) - self._lookback + 1, int(steps.max())
        series = self._fetch(Selector(matchers, first, last))
        return series, self._newest(series.samples, steps)

    def _newest(self, samples: Samples, steps: Times) -> Times:
        self.refuse_more_than(samples.count * len(steps))
        places = np.empty((samples.count, len(steps)), np.int64)
        windows.latest(samples.offsets, samples.times, steps, self._lookback, places)
        if _any_stale(samples):
            stale = is_stale(samples.values)
            places[(places >= 0) & stale[places]] = -1
        return places

    def _instant(self, node: VectorSelector, times: Times) -> Frame:
        if node.extension is Extension.SMOOTHED:
            return extended.smoothed_instant(self, self._smoothed_window(node, times))
        series, places = self.latest(node, times)
        samples = series.samples
        present = places >= 0
        if not len(samples.times):
            return Frame.nothing(len(times))
        frame = Frame.of(series.labels, samples.values[places], present)
        if samples.histograms is not None:
            frame = replace(frame, histograms=samples.histograms[places])
        return frame.compact()

    def _smoothed_window(self, node: VectorSelector, times: Times) -> Window:
        series = self._series[id(node)]
        return Window(
            MatrixSelector(node, Number(0.0), start=node.start, end=node.end),
            series.labels,
            self._without_stale(series),
            self.steps_of(node.shift, times),
            times,
            0,
            np.zeros(series.labels.count, np.bool_),
            Extension.SMOOTHED,
            self._lookback,
        )

    def _without_stale(self, series: SelectedSeries) -> Samples:
        found = self._sound.get(id(series))
        if found is None:
            found = series.samples
            if _any_stale(found):
                found = picked(found, ~is_stale(found.values))
            self._sound[id(series)] = found
        return found

    def window(self, node: Node, times: Times) -> Window:
        """The range vectors of an expression of that type."""
        node = unwrap(node)
        if isinstance(node, Subquery):
            return self._subquery(node, times)
        assert isinstance(node, MatrixSelector), node
        series = self._series[id(node.selector)]
        return Window(
            node,
            series.labels,
            self._without_stale(series),
            self.steps_of(node.selector.shift, times),
            times,
            durations.positive(node.range, self.span),
            np.zeros(series.labels.count, np.bool_),
            node.selector.extension,
            self._lookback,
        )

    def _subquery(self, node: Subquery, times: Times) -> Window:
        span = durations.positive(node.range, self.span)
        step = DEFAULT_SUBQUERY_STEP_MS
        if node.step is not None:
            step = durations.positive(node.step, self.span)
        steps = self.steps_of(node.shift, times)
        # Steps of a subquery are multiples of its step, whatever the query's are.
        first = ((int(steps[0]) - span) // step + 1) * step
        end = int(steps[-1]) + 1
        self.refuse_more_than(len(range(first, end, step)))  # before memory is asked for
        inner_times = np.arange(first, end, step, dtype=np.int64)
        frame = self.frame(node.inner, inner_times) if len(inner_times) else Frame.nothing(0)
        samples = histogram_math.without_hints(samples_of(frame, inner_times))
        return Window(node, frame.labels, samples, steps, times, span, frame.nameless)
