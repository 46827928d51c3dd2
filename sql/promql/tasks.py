"""What the Prometheus API asks a session: evaluations, series, label names and values.

Each is a `Task` (sql/session.py), made by server/http/prometheus and run by `SessionApi.run`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import TYPE_CHECKING

import numpy as np

from engine.api import NotResident
from engine.errors import DbError, ErrorKind
from sql.promql.labels import NAME, LabelTable, sorted_rows, stack
from sql.promql.model import Limits, Matcher, Result, SelectedSeries, Selector
from sql.promql.parser import parse
from sql.promql.source import TableSource, distinct, label_names, label_values, series_labels
from sql.promql.source_tables import DATABASE, FIELD, Catalogue, metrics
from sql.promql.tql import catalogue_of
from sql.promql.tree import Extension, Shift, VectorSelector, unwrap

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_FIELD_LABELS = frozenset({FIELD, "__field_name__"})


@dataclass(frozen=True)
class Evaluate:
    """A query at `end_ms` (step 0) or at every step between two times; gives a `Result`."""

    text: str
    start_ms: int
    end_ms: int
    step_ms: int
    lookback_ms: int
    points_max: int
    writes: bool = False

    def run(self, session: ClientSession) -> Result:
        """Raises: DbError."""
        return self.evaluated(session, resident=False)

    def evaluated(self, session: ClientSession, *, resident: bool) -> Result:
        """Raises: DbError; NotResident if it is to be `resident` and cannot be."""
        from sql.promql.evaluate import evaluate  # its kernels are declared when first needed

        limits = Limits(points=self.points_max)
        catalogue = catalogue_of(session)
        return evaluate(
            self.text,
            self.start_ms,
            self.end_ms,
            self.step_ms,
            TableSource(session.runner, catalogue, limits.samples, resident=resident),
            lookback_ms=self.lookback_ms,
            limits=limits,
            check=session.duck.check,
        )


@dataclass(frozen=True)
class EvaluateResident:
    """An evaluation over samples that are in memory, ready to be read; gives None if some are not.

    It opens no file and waits for nobody who does: an event loop may run it.
    """

    task: Evaluate
    writes: bool = False

    @property
    def text(self) -> str:
        """The query."""
        return self.task.text

    def run(self, session: ClientSession) -> Result | None:
        """Raises: DbError."""
        try:
            return self.task.evaluated(session, resident=True)
        except NotResident:
            return None


@dataclass(frozen=True)
class ReadSeries:
    """The samples of all series that some matchers mean, between two times, both included."""

    matchers: tuple[Matcher, ...]
    start_ms: int
    end_ms: int
    text: str = "PROMETHEUS READ"
    writes: bool = False

    def run(self, session: ClientSession) -> SelectedSeries:
        """Sorted by labels; series without samples are left out. Raises: DbError."""
        from sql.promql.frame import picked, series_of

        source = TableSource(session.runner, catalogue_of(session))
        found = source.select(Selector(self.matchers, self.start_ms, self.end_ms))
        times = found.samples.times
        samples = picked(found.samples, (times >= self.start_ms) & (times <= self.end_ms))
        rows = np.flatnonzero(np.diff(samples.offsets))
        rows = rows[sorted_rows(found.labels.take(rows))]
        return SelectedSeries(found.labels.take(rows), series_of(samples, rows))


@dataclass(frozen=True)
class FindSeries:
    """The labels of all series that any of the selectors matches and that have rows in a time;
    if there are more than `limit` (0: none), of any so many and one more.
    """

    selectors: tuple[str, ...]
    start_ms: int
    end_ms: int
    limit: int = 0
    text: str = "PROMETHEUS SERIES"
    writes: bool = False

    def run(self, session: ClientSession) -> LabelTable:
        """Sorted, none twice. Raises: DbError SYNTAX."""
        catalogue = catalogue_of(session)
        tables = [
            series_labels(session.runner, metric, self.start_ms, self.end_ms)
            for text in self.selectors
            for metric in metrics(selector_matchers(text), catalogue)
        ]
        found = stack(tables or [LabelTable(0, {})])
        if len(tables) > 1:
            found = distinct(found)
        if self.limit and found.count > self.limit:
            found = found.take(np.arange(self.limit + 1))
        return found.take(sorted_rows(found))


@dataclass(frozen=True)
class LabelNames:
    """The names of labels: of all metrics, or of the series that the selectors match."""

    selectors: tuple[str, ...]
    start_ms: int
    end_ms: int
    text: str = "PROMETHEUS LABELS"
    writes: bool = False

    def run(self, session: ClientSession) -> list[str]:
        """Sorted. Raises: DbError SYNTAX."""
        if not self.selectors:
            found = metrics((), catalogue_of(session))
            tags = {tag.name for metric in found for tag in metric.tags}
            return sorted({NAME, *tags} if found else ())
        catalogue = catalogue_of(session)
        names: set[str] = set()
        for text in self.selectors:
            for metric in metrics(selector_matchers(text), catalogue):
                names |= label_names(session.runner, metric, self.start_ms, self.end_ms)
        return sorted(names)


@dataclass(frozen=True)
class LabelValues:
    """The values of one label, of all metrics or of the series that the selectors match; if there
    are more than `limit` (0: none), the first so many and one more.
    """

    name: str
    selectors: tuple[str, ...]
    start_ms: int
    end_ms: int
    limit: int = 0
    text: str = "PROMETHEUS LABEL VALUES"
    writes: bool = False

    def run(self, session: ClientSession) -> list[str]:
        """Sorted. Raises: DbError SYNTAX."""
        catalogue = catalogue_of(session)
        if self.name in DATABASE:
            return [one.name for one in session.catalog.databases(session.duck.cursor)]
        if self.name in _FIELD_LABELS:
            return self._fields(catalogue)
        if self.name == NAME and not self.selectors:
            return [metric.table.name for metric in metrics((), catalogue)]
        values = self._values(session, catalogue)
        return nsmallest(self.limit + 1, values) if self.limit else sorted(values)

    def _fields(self, catalogue: Catalogue) -> list[str]:
        asked = [selector_matchers(text) for text in self.selectors] or [()]
        found = [metric for one in asked for metric in metrics(one, catalogue)]
        return sorted({column.name for metric in found for column in metric.fields})

    def _values(self, session: ClientSession, catalogue: Catalogue) -> set[str]:
        asked = [selector_matchers(text) for text in self.selectors] or [()]
        values: set[str] = set()
        times = self.start_ms, self.end_ms
        for metric in (metric for one in asked for metric in metrics(one, catalogue)):
            values.update(label_values(session.runner, metric, self.name, *times))
        values.discard("")
        return values


def selector_matchers(text: str) -> Sequence[Matcher]:
    """The matchers of a selector. Raises: DbError SYNTAX."""
    tree = unwrap(parse(text))
    if not isinstance(tree, VectorSelector):
        raise DbError(ErrorKind.SYNTAX, "a series selector is needed, not another expression")
    if tree.shift != Shift() or tree.extension is not Extension.NONE:
        raise DbError(ErrorKind.SYNTAX, "a series selector has no modifiers")
    return tree.matchers
