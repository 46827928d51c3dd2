"""The contracts of PromQL: what a source of samples gives, what an evaluation returns.

Sources (tables, remote-written series, tests) implement `SampleSource`; `evaluate` (evaluate.py)
asks them and returns a `Result`, which TQL and the HTTP API show. Nothing in here computes.
Times are milliseconds since 1970 everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sql.promql.histogram import Histogram
from sql.promql.labels import LabelColumn, LabelTable

__all__ = [
    "STALE_BITS",
    "Check",
    "Histogram",
    "Kind",
    "LabelColumn",
    "LabelTable",
    "Limits",
    "Match",
    "Matcher",
    "Result",
    "SampleSource",
    "Samples",
    "SelectedSeries",
    "Selector",
    "holds_histogram",
    "is_stale",
]

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Objects = NDArray[np.object_]

# The NaN that says "this series ends here" (Prometheus' staleness marker).
STALE_BITS = 0x7FF0000000000002

# Called now and then while evaluating, also from helper threads; raises DbError(CANCELLED or
# TIMEOUT) to end the evaluation.
Check = Callable[[], None]


def is_stale(values: Floats) -> NDArray[np.bool_]:
    """Which values are staleness markers (ordinary NaN are not)."""
    marks: NDArray[np.bool_] = values.view(np.uint64) == np.uint64(STALE_BITS)
    return marks


def holds_histogram(objects: Objects) -> NDArray[np.bool_]:
    """Where an array of Histogram and None holds one."""
    marks = np.fromiter((item is not None for item in objects.ravel()), np.bool_, objects.size)
    return marks.reshape(objects.shape)


class Match(Enum):
    """How a matcher compares; regular expressions are RE2's, anchored at both ends."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True)
class Matcher:
    """One condition on a label; a label a series does not have counts as ""."""

    name: str
    op: Match
    value: str


@dataclass(frozen=True)
class Selector:
    """Which samples an expression needs: all of the matching series in [start_ms, end_ms].

    Attributes:
        matchers: all must hold; the metric's name is the matcher of `__name__`, if any.
        start_ms: the oldest time that matters, inclusive.
        end_ms: the newest, inclusive.
        function: the function right above the selector ("rate", "sum_over_time"), "" if none;
            a hint only.
        labels: None if any label of the series may matter, else the names that do, a hint only.
    """

    matchers: tuple[Matcher, ...]
    start_ms: int
    end_ms: int
    function: str = ""
    labels: frozenset[str] | None = None


@dataclass(frozen=True)
class Samples:
    """The samples of n series, sorted by (series, time), no time twice in one series.

    Attributes:
        offsets: n + 1 places; series i owns [offsets[i], offsets[i + 1]).
        times: int64, milliseconds.
        values: float64, contiguous; what it holds where a histogram is does not matter.
        histograms: None if there is none at all, else one `Histogram` or None per sample.
        starts: None, or per sample the time its counter began at (0: unknown).
    """

    offsets: Times
    times: Times
    values: Floats
    histograms: Objects | None = None
    starts: Times | None = None

    @property
    def count(self) -> int:
        """How many series."""
        return len(self.offsets) - 1


@dataclass(frozen=True)
class SelectedSeries:
    """What a source found: row i of `labels` belongs to series i of `samples`.

    No two series have equal labels. Series without samples may be there. Samples outside the
    selector's interval may be there too and are not looked at.
    """

    labels: LabelTable
    samples: Samples


class SampleSource(Protocol):
    """Finds series. One evaluation asks from one thread, once per selector in the text."""

    def select(self, selector: Selector) -> SelectedSeries:
        """All series that match. Raises: DbError."""


@dataclass(frozen=True)
class Limits:
    """What one evaluation may use; beyond it is LIMIT_EXCEEDED.

    Attributes:
        samples: samples selected, and cells of any matrix made on the way.
        points: steps of a range evaluation.
    """

    samples: int = 50_000_000
    points: int = 11_000


class Kind(Enum):
    """The type of a result, named as the HTTP API names it."""

    SCALAR = "scalar"
    STRING = "string"
    VECTOR = "vector"
    MATRIX = "matrix"


def _no_labels() -> LabelTable:
    return LabelTable(0, {})


def _no_floats() -> Floats:
    return np.zeros((0, 0))


def _no_marks() -> NDArray[np.bool_]:
    return np.zeros((0, 0), np.bool_)


@dataclass(frozen=True)
class Result:
    """What an evaluation found.

    SCALAR: `values` has one row. STRING: `text`. VECTOR (instant): one column.
    MATRIX of a range evaluation: `values` is (series x steps), its rows sorted by labels.
    MATRIX of an instant query for a range vector (`x[5m]`): `samples` is not None and holds the
    ragged samples of each row of `labels`; `values` is empty.
    A cell counts only where `present` is True; there it is a float, or a histogram where
    `histograms` is not None at that cell. No row is wholly absent.

    Attributes:
        times: the times of the columns, int64 milliseconds.
        ordered: whether the order of a vector's rows was asked for (sort, topk).
        warnings: what may be wrong with the answer, in Prometheus' sense; sorted, none twice.
        infos: what may surprise; the same.
        samples_read: how many samples were looked at, for statistics.
    """

    kind: Kind
    times: Times
    labels: LabelTable = field(default_factory=_no_labels)
    values: Floats = field(default_factory=_no_floats)
    present: NDArray[np.bool_] = field(default_factory=_no_marks)
    histograms: Objects | None = None
    samples: Samples | None = None
    text: str = ""
    ordered: bool = False
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    samples_read: int = 0
