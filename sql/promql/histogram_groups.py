"""sum and avg over vectors that may hold histograms.

Called by `aggregate.py` with its own reduction of floats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sql.promql import histogram_math
from sql.promql.context import Evaluation
from sql.promql.frame import Frame
from sql.promql.histogram import Histogram
from sql.promql.histogram_math import MixedSchemasError
from sql.promql.labels import Rows
from sql.promql.tree import Aggregate, Node


def summed(
    ev: Evaluation,
    node: Aggregate,
    frame: Frame,
    groups: Rows,
    reduce: Callable[[Frame], Frame],
) -> Frame:
    """The sum or mean of each group; a group of floats and histograms has none."""
    floats = reduce(frame.floats())
    if not frame.is_histogram.any():
        return floats.compact()
    histograms = np.full(floats.values.shape, None, np.object_)
    members: dict[tuple[int, int], list[Histogram]] = {}
    assert frame.histograms is not None
    for row, column in zip(*np.nonzero(frame.is_histogram), strict=True):
        place = (int(groups[row]), int(column))
        members.setdefault(place, []).append(frame.histograms[row, column])
    present = floats.present.copy()
    for place, found in members.items():
        if floats.present[place]:
            ev.notes.warn("encountered a mix of histograms and floats for aggregation", node.inner)
            present[place] = False
            continue
        histograms[place] = combined(ev, node.inner, found, mean=node.op == "avg")
        present[place] = histograms[place] is not None
    return replace(floats, present=present, histograms=histograms).compact()


def combined(
    ev: Evaluation, node: Node, found: list[Histogram], *, mean: bool, name: str = ""
) -> Histogram | None:
    """The sum or mean of histograms; None, with a warning, if their buckets cannot be mixed."""
    try:
        step = histogram_math.total(found, mean=mean)
    except MixedSchemasError:
        ev.notes.warn(mixed_schemas(name), node)
        return None
    histogram_math.note_sum(step, "aggregation", node, ev.notes)
    return histogram_math.compact(step.histogram)


def mixed_schemas(name: str) -> str:
    """The warning about custom and exponential buckets in one place."""
    about = f' for metric name "{name}"' if name else ""
    return "vector contains a mix of histograms with exponential and custom buckets schemas" + about
