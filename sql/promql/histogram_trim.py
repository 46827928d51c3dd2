"""The trim operators `</` and `>/`: a histogram without its observations above or below a value.

Called by `histogram_math.py`. A bucket the value cuts is split as quantiles would split it; the sum
of what remains is estimated from the middles of the buckets.
"""

from __future__ import annotations

import math
from dataclasses import replace

from sql.promql.histogram import Bucket, Histogram
from sql.promql.histogram_stats import one_sided, share_below


class _Trimmed:
    """What remains, bucket by bucket: its count, its sum, and whether anything went."""

    def __init__(self, histogram: Histogram, bound: float, keep_below: bool) -> None:
        self.count = 0.0
        self.sum = 0.0
        self.changed = False
        self._histogram = histogram
        self._bound = bound
        self._keep_below = keep_below

    def kept(self, lower: float, upper: float, count: float) -> float:
        """How many of a bucket's observations remain."""
        bucket = Bucket(lower, upper, count)
        rest, middle = _kept(self._histogram, bucket, self._bound, self._keep_below)
        self.count += rest
        self.sum += rest * middle if rest else 0.0
        self.changed = self.changed or rest != count
        return rest


def trim(histogram: Histogram, bound: float, *, keep_below: bool) -> Histogram:
    """What lies below (or above) the bound; the same histogram if that is all of it."""
    if math.isnan(bound):
        return histogram
    found = _Trimmed(histogram, bound, keep_below)
    negative = {}
    for index, count in sorted(histogram.negative.items(), reverse=True):
        lower, upper = histogram.clipped(index)
        negative[index] = found.kept(-upper, -lower, count)
    zero = histogram.zero_count
    if zero > 0:
        width = histogram.zero_threshold
        zero = found.kept(*one_sided(histogram, -width, width), zero)
    positive = {
        index: found.kept(*histogram.clipped(index), count)
        for index, count in sorted(histogram.positive.items())
    }
    if not found.changed:
        return histogram
    return replace(
        histogram,
        count=found.count,
        sum=found.sum,
        zero_count=zero,
        positive=positive,
        negative=negative,
    )


def _kept(
    histogram: Histogram, bucket: Bucket, bound: float, keep_below: bool
) -> tuple[float, float]:
    """How many observations of a bucket remain, and what stands for their value."""
    lower, upper = bucket.lower, bucket.upper
    if math.isinf(lower) and lower < 0 < upper and bound >= 0 and not math.isinf(upper):
        lower = 0.0  # a first bucket that ends above zero is taken to begin there
    if (upper <= bound) if keep_below else (lower >= bound):
        return bucket.count, _middle_of(histogram, lower, upper)
    if (lower >= bound) if keep_below else (upper <= bound):
        return 0.0, 0.0
    if math.isinf(lower):
        # Nothing is known of where in such a bucket observations lie.
        return (bucket.count, bound) if keep_below and upper <= 0 else (0.0, 0.0)
    if math.isinf(upper):
        return (0.0, 0.0) if keep_below else (bucket.count, bound)
    below = share_below(histogram, Bucket(lower, upper, bucket.count), bound)
    if keep_below:
        return bucket.count * below, _middle_of(histogram, lower, bound)
    return bucket.count * (1 - below), _middle_of(histogram, bound, upper)


def _middle_of(histogram: Histogram, lower: float, upper: float) -> float:
    """The value that stands for the observations between two others."""
    if math.isinf(lower) and math.isinf(upper):
        return 0.0
    if math.isinf(upper):
        return lower
    if math.isinf(lower):
        return upper / 2 if upper > 0 else upper
    in_zero_bucket = max(abs(lower), abs(upper)) <= histogram.zero_threshold
    if histogram.is_custom or in_zero_bucket or lower <= 0 <= upper:
        return (lower + upper) / 2
    root = math.sqrt(lower * upper)
    return -root if upper < 0 else root
