"""Counter resets told to functions that look at counts and sums alone.

Prometheus reads native histograms without their buckets below `histogram_count`, `histogram_sum`
and `histogram_avg`, and on that way decides of every histogram whether its counter began anew.
Aggregations then warn of resets that they could not know of elsewhere. Called by `evaluator.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sql.promql.histogram import Hint
from sql.promql.histogram_math import is_reset
from sql.promql.model import Samples
from sql.promql.selection import children
from sql.promql.tree import Binary, Call, MatrixSelector, Node, VectorSelector

_OF_TOTALS = frozenset({"histogram_count", "histogram_sum", "histogram_avg"})
_OF_BUCKETS = frozenset(
    {
        "histogram_fraction",
        "histogram_quantile",
        "histogram_quantiles",
        "histogram_stddev",
        "histogram_stdvar",
    }
)


def of_totals(node: Node, totals: bool = False, buckets: bool = False) -> Iterator[VectorSelector]:
    """The selectors of which only counts and sums matter; `totals` and `buckets` tell what is above
    the node. An operator with two sides hides that: its sides stand for themselves.
    """
    if isinstance(node, MatrixSelector):
        node = node.selector
    if isinstance(node, VectorSelector):
        if totals and not buckets:
            yield node
        return
    if isinstance(node, Binary):
        totals = buckets = False
    elif isinstance(node, Call):
        totals |= node.name in _OF_TOTALS
        buckets |= node.name in _OF_BUCKETS
    for part in children(node):
        yield from of_totals(part, totals, buckets)


def with_resets(samples: Samples, since_ms: int) -> Samples:
    """The samples, each histogram marked as a reset or none if there is one before it.

    Of resets between a histogram before `since_ms` and one after it nothing is told.
    """
    if samples.histograms is None:
        return samples
    histograms = samples.histograms.copy()
    series = np.searchsorted(samples.offsets, np.arange(len(histograms)), "right").tolist()
    is_later = (samples.times >= since_ms).tolist()
    last = -1
    for place, item in enumerate(samples.histograms.tolist()):
        if item is None:
            continue
        if last >= 0 and series[last] == series[place] and item.hint is Hint.UNKNOWN:
            if not is_reset(item, samples.histograms[last]):
                histograms[place] = item.with_hint(Hint.NO_RESET)
            elif is_later[last] == is_later[place]:
                histograms[place] = item.with_hint(Hint.RESET)
        last = place
    return replace(samples, histograms=histograms)
