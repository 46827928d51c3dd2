"""Aggregations that keep whole series: topk, bottomk, limitk and limit_ratio.

Called by `aggregate.py`.
"""

from __future__ import annotations

import hashlib

import numpy as np

from sql.promql.frame import Frame
from sql.promql.labels import LabelTable, Rows
from sql.promql.model import Floats


def ranked(frame: Frame, groups: Rows, counts: Floats, *, largest: bool) -> Frame:
    """The `counts[step]` largest (or smallest) of each group at each step; NaN come last.

    At a single step the rows come group by group in their rank's order.
    """
    present = np.zeros(frame.present.shape, np.bool_)
    order = np.zeros(0, np.int64)
    for column in range(frame.columns):
        rows = np.flatnonzero(frame.present[:, column])
        if counts[column] < 1 or not len(rows):
            continue
        order = _best(frame.values[rows, column], groups[rows], counts[column], largest)
        order = rows[order]
        present[order, column] = True
    found = frame.where(present)
    return found.take(order) if frame.columns == 1 else found.compact()


def _best(values: Floats, groups: Rows, count: float, largest: bool) -> Rows:
    """The places of the best of each group, by group and rank."""
    nan = np.isnan(values)
    keys = np.where(nan, 0.0, -values if largest else values)
    if groups.max(initial=0) == 0 and len(values) > 4 * count + 1000:
        return _best_of_one(keys, nan, int(count))
    order = np.lexsort((keys, nan, groups))
    sorted_groups = groups[order]
    starts = np.searchsorted(sorted_groups, sorted_groups, "left")
    kept: Rows = order[np.arange(len(order)) - starts < count]
    return kept


def _best_of_one(keys: Floats, nan: np.ndarray[tuple[int], np.dtype[np.bool_]], count: int) -> Rows:
    """Of one large group: whatever is not worse than the last that counts is sorted."""
    bounded = np.where(nan, np.inf, keys)
    limit = np.partition(bounded, count - 1)[count - 1]
    rows = np.flatnonzero(bounded <= limit)
    order = np.lexsort((keys[rows], nan[rows]))
    best: Rows = rows[order][:count]
    return best


def first_of_each(frame: Frame, groups: Rows, counts: Floats) -> Frame:
    """The first `counts[step]` series of each group at each step."""
    order = np.argsort(groups, kind="stable")
    sorted_groups = groups[order]
    starts = np.searchsorted(sorted_groups, sorted_groups, "left")
    seen = np.cumsum(frame.present[order], axis=0)
    before = np.where((starts > 0)[:, None], seen[np.maximum(starts - 1, 0)], 0)
    kept = np.zeros(frame.present.shape, np.bool_)
    kept[order] = (seen - before) <= counts
    return frame.where(kept).compact()


def sampled(frame: Frame, ratios: Floats) -> Frame:
    """A share of the series, chosen by their labels; r and r - 1 choose complements."""
    shares = _shares(frame.labels).reshape(-1, 1)
    kept = np.where(ratios >= 0, shares < ratios, shares >= 1.0 + ratios)
    return frame.where(kept).compact()


def _shares(labels: LabelTable) -> Floats:
    """A number in [0, 1) per series that depends on its labels alone."""
    total = np.zeros(labels.count, np.uint64)
    for name, column in labels.columns.items():
        hashes = [0, *(_hash(f"{name}\0{value}") for value in column.values[1:])]
        total += np.array(hashes, np.uint64)[column.codes]
    total ^= total >> np.uint64(31)
    total *= np.uint64(0x9E3779B97F4A7C15)
    return (total >> np.uint64(11)).astype(np.float64) / 2.0**53


def _hash(text: str) -> int:
    raw = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest())
