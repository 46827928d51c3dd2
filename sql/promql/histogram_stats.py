"""What native histograms tell: quantiles, fractions, deviation, and parts of them.

Called by `histogram_functions.py`. Inside a bucket observations are taken to be spread
exponentially, in the zero bucket and custom ones evenly.
"""

from __future__ import annotations

import math

from sql.promql.histogram import Bucket, Histogram, populated


def quantile(q: float, histogram: Histogram) -> float:
    """The q-quantile; NaN for no observations, infinite for q outside [0, 1]."""
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    if histogram.count == 0 or math.isnan(q):
        return math.nan
    # The rank is counted from the nearer end, but NaN observations are in no bucket, so that
    # with them only counting upwards is right.
    upwards = math.isnan(histogram.sum) or q < 0.5
    rank = (q if upwards else 1 - q) * histogram.count
    buckets = histogram.buckets()
    count = 0.0
    bucket = Bucket(0.0, 0.0, 0.0)
    for bucket in buckets if upwards else reversed(buckets):
        count += bucket.count
        if count >= rank:
            break
    lower, upper = _quantile_bounds(histogram, bucket)
    if histogram.is_custom and buckets and lower == upper:
        return lower
    count = min(count, histogram.count)
    if count < rank:
        return math.nan if math.isnan(histogram.sum) else (upper if upwards else lower)
    rank = rank - (count - bucket.count) if upwards else count - rank
    return _between(histogram, lower, upper, rank / bucket.count)


def _quantile_bounds(histogram: Histogram, bucket: Bucket) -> tuple[float, float]:
    """Where a quantile in this bucket may lie; equal bounds settle it."""
    lower, upper = bucket.lower, bucket.upper
    if histogram.is_custom:
        if math.isinf(lower) and lower < 0:
            return (upper, upper) if upper <= 0 else (0.0, upper)
        return (lower, lower) if math.isinf(upper) else (lower, upper)
    return one_sided(histogram, lower, upper) if lower < 0 < upper else (lower, upper)


def one_sided(histogram: Histogram, lower: float, upper: float) -> tuple[float, float]:
    """The zero bucket, of which half is out if all other buckets are on one side."""
    positive, negative = bool(populated(histogram.positive)), bool(populated(histogram.negative))
    if positive and not negative:
        return 0.0, upper
    if negative and not positive:
        return lower, 0.0
    return lower, upper


def _between(histogram: Histogram, lower: float, upper: float, fraction: float) -> float:
    """The value this far into a bucket."""
    if histogram.is_custom or lower <= 0 <= upper:
        return lower + (upper - lower) * fraction
    log_lower, log_upper = math.log2(abs(lower)), math.log2(abs(upper))
    if lower > 0:
        return float(2.0 ** (log_lower + (log_upper - log_lower) * fraction))
    return -float(2.0 ** (log_upper + (log_lower - log_upper) * (1 - fraction)))


def share_below(histogram: Histogram, bucket: Bucket, value: float) -> float:
    """Which part of a bucket's observations lies below a value inside it."""
    lower, upper = bucket.lower, bucket.upper
    if histogram.is_custom or lower <= 0 <= upper:
        if math.isinf(lower):
            return 1.0
        return (value - lower) / (upper - lower)
    log_lower, log_upper = math.log2(abs(lower)), math.log2(abs(upper))
    log_value = math.log2(abs(value))
    if value > 0:
        return (log_value - log_lower) / (log_upper - log_lower)
    return 1 - (log_value - log_upper) / (log_lower - log_upper)


def fraction(lower: float, upper: float, histogram: Histogram) -> float:
    """The estimated share of observations in (lower, upper]."""
    if histogram.count == 0 or math.isnan(lower) or math.isnan(upper):
        return math.nan
    if lower >= upper:
        return 0.0
    return (rank_of(upper, histogram) - rank_of(lower, histogram)) / histogram.count


def rank_of(value: float, histogram: Histogram) -> float:
    """How many observations are estimated to lie below a value."""
    rank = 0.0
    for bucket in histogram.buckets():
        if bucket.lower <= 0 <= bucket.upper:
            low, high = one_sided(histogram, bucket.lower, bucket.upper)
            bucket = Bucket(low, high, bucket.count)
        if bucket.lower >= value:
            return min(rank, histogram.count)
        if bucket.upper > value:
            found = rank + bucket.count * share_below(histogram, bucket, value)
            return min(found, histogram.count)
        rank += bucket.count
    # NaN observations are in no bucket and in no fraction.
    return rank if math.isnan(histogram.sum) else histogram.count


def variance(histogram: Histogram) -> float:
    """The estimated variance of the observations."""
    if histogram.count == 0:
        return math.nan
    mean = histogram.sum / histogram.count
    parts = [
        bucket.count * (middle(histogram, bucket) - mean) ** 2 for bucket in histogram.buckets()
    ]
    total = math.fsum(parts) if all(map(math.isfinite, parts)) else sum(parts)
    return total / histogram.count


def middle(histogram: Histogram, bucket: Bucket) -> float:
    """The value that stands for a bucket's observations."""
    if histogram.is_custom:
        return (bucket.upper + bucket.lower) / 2
    if bucket.lower <= 0 <= bucket.upper:
        return 0.0
    root = math.sqrt(bucket.upper * bucket.lower)
    return -root if bucket.upper < 0 else root
