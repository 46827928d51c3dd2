"""A source of PromQL samples in memory, and short ways to ask it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from sql.promql import regex
from sql.promql.evaluate import evaluate
from sql.promql.model import (
    STALE_BITS,
    Histogram,
    LabelTable,
    Limits,
    Match,
    Matcher,
    Result,
    Samples,
    SelectedSeries,
    Selector,
)

STALE = float(np.array([STALE_BITS], np.uint64).view(np.float64)[0])
NO_LIMITS = Limits()
Sample = float | Histogram | None
Labels = tuple[tuple[str, str], ...]


class MemorySource:
    """Series by labels; `asked` remembers the selectors."""

    def __init__(self) -> None:
        self.series: dict[Labels, list[tuple[int, float | Histogram, int]]] = {}
        self.asked: list[Selector] = []

    def add(
        self,
        name: str,
        samples: Sequence[Sample],
        *,
        step: int = 60,
        starts: Sequence[int] | None = None,
        **labels: str,
    ) -> MemorySource:
        """One series: a sample every `step` seconds from 0 on, None for none."""
        key = tuple(sorted({"__name__": name, **labels}.items()))
        found = self.series.setdefault(key, [])
        for place, value in enumerate(samples):
            if value is not None:
                start = starts[place] if starts is not None else 0
                found.append((place * step * 1000, value, start))
        return self

    def select(self, selector: Selector) -> SelectedSeries:
        """What `model.SampleSource` promises."""
        self.asked.append(selector)
        keys = [
            key
            for key in self.series
            if all(_matches(matcher, dict(key)) for matcher in selector.matchers)
        ]
        counts, kept = [0], []
        for key in keys:
            inside = [
                sample
                for sample in self.series[key]
                if selector.start_ms <= sample[0] <= selector.end_ms
            ]
            kept += inside
            counts.append(counts[-1] + len(inside))
        return SelectedSeries(
            LabelTable.of_rows([dict(key) for key in keys]), _columns(counts, kept)
        )


def _columns(offsets: list[int], kept: list[tuple[int, float | Histogram, int]]) -> Samples:
    floats = [math.nan if isinstance(value, Histogram) else value for _, value, _ in kept]
    histograms = np.empty(len(kept), np.object_)
    for place, (_, value, _) in enumerate(kept):
        histograms[place] = value if isinstance(value, Histogram) else None
    some = any(item is not None for item in histograms)
    return Samples(
        np.array(offsets, np.int64),
        np.array([time for time, _, _ in kept], np.int64),
        np.array(floats, np.float64),
        histograms if some else None,
        np.array([start for _, _, start in kept], np.int64),
    )


def _matches(matcher: Matcher, labels: Mapping[str, str]) -> bool:
    value = labels.get(matcher.name, "")
    if matcher.op in (Match.EQUAL, Match.NOT_EQUAL):
        return (value == matcher.value) == (matcher.op is Match.EQUAL)
    return bool(regex.matches([value], matcher.value)[0]) == (matcher.op is Match.REGEX)


def at(source: MemorySource, query: str, seconds: float, limits: Limits = NO_LIMITS) -> Result:
    """An instant query."""
    return evaluate(query, 0, round(seconds * 1000), 0, source, limits=limits)


def over(source: MemorySource, query: str, start: int, end: int, step: int) -> Result:
    """A range query; seconds."""
    return evaluate(query, start * 1000, end * 1000, step * 1000, source)


def named(labels: Mapping[str, str]) -> str:
    """`name{a=b}`: short and sorted."""
    rest = ",".join(f"{name}={value}" for name, value in labels.items() if name != "__name__")
    return labels.get("__name__", "") + (f"{{{rest}}}" if rest else "")


def vector(result: Result) -> dict[str, float | Histogram]:
    """The samples of an instant vector by series, in the result's order."""
    found: dict[str, float | Histogram] = {}
    for row, labels in enumerate(result.labels.rows()):
        item = None if result.histograms is None else result.histograms[row, 0]
        found[named(labels)] = float(result.values[row, 0]) if item is None else item
    return found


def matrix(result: Result) -> dict[str, list[float | Histogram | None]]:
    """The samples of each series at every step, None where it has none."""
    found: dict[str, list[float | Histogram | None]] = {}
    for row, labels in enumerate(result.labels.rows()):
        cells: list[float | Histogram | None] = []
        for column in range(result.values.shape[1]):
            item = None if result.histograms is None else result.histograms[row, column]
            present = result.present[row, column]
            cells.append((item or float(result.values[row, column])) if present else None)
        found[named(labels)] = cells
    return found
