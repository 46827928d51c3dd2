"""A native histogram with float counts: its form, its buckets and their bounds.

Sources make them, `histogram_math.py` and `histogram_stats.py` compute with them. Schemas -4 to 8
are exponential with base 2^(2^-schema); schema -53 has custom bounds (Prometheus' specification of
native histograms).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from sys import float_info

from sql.promql.numbers import shown

CUSTOM = -53


class Hint(Enum):
    """What is known about the counter between the sample before and this one."""

    UNKNOWN = 0
    RESET = 1
    NO_RESET = 2
    GAUGE = 3


@dataclass(frozen=True)
class Bucket:
    """One bucket with its bounds; `rule` is the HTTP API's code for which of them belong to it.

    0: only the upper, 1: only the lower, 2: neither, 3: both.
    """

    lower: float
    upper: float
    count: float
    rule: int = 0


@dataclass(frozen=True)
class Histogram:
    """One sample of a native histogram; never changed after it is made.

    Attributes:
        positive: counts (not cumulative) by bucket index; bucket i ends at base**i, for custom
            bounds at `bounds[i]` (the last one, i == len(bounds), at infinity).
        negative: the same below zero; empty for custom bounds.
        bounds: ascending upper bounds of custom buckets, +Inf left out; () otherwise.
    """

    schema: int = 0
    count: float = 0.0
    sum: float = 0.0
    zero_threshold: float = 0.0
    zero_count: float = 0.0
    positive: Mapping[int, float] = field(default_factory=dict)
    negative: Mapping[int, float] = field(default_factory=dict)
    bounds: tuple[float, ...] = ()
    hint: Hint = Hint.UNKNOWN

    @property
    def is_custom(self) -> bool:
        """Whether its buckets have custom bounds."""
        return self.schema == CUSTOM

    def with_hint(self, hint: Hint) -> Histogram:
        """The same with another hint."""
        return self if hint is self.hint else replace(self, hint=hint)

    def upper_bound(self, index: int) -> float:
        """Where the positive bucket of this index ends."""
        if self.is_custom:
            return self.bounds[index] if index < len(self.bounds) else math.inf
        return exponential_bound(index, self.schema)

    def buckets(self) -> list[Bucket]:
        """All populated buckets, ascending; a zero bucket of negative count is left out."""
        found = [
            Bucket(*self.clipped(index), count, 1)
            for index, count in sorted(self.negative.items(), reverse=True)
            if count != 0
        ]
        found = [Bucket(-b.upper, -b.lower, b.count, 1) for b in found]
        if self.zero_count > 0:
            found.append(Bucket(-self.zero_threshold, self.zero_threshold, self.zero_count, 3))
        for index, count in sorted(self.positive.items()):
            if count != 0:
                rule = 3 if self.is_custom and index == 0 else 0
                found.append(Bucket(*self.clipped(index), count, rule))
        return found

    def __str__(self) -> str:
        """`{count:2, sum:3, (1,2]:2}`, as PromQL writes histograms into labels."""
        parts = [f"count:{shown(self.count)}", f"sum:{shown(self.sum)}"]
        for bucket in self.buckets():
            left = "[" if bucket.rule in (1, 3) else "("
            right = "]" if bucket.rule in (0, 3) else ")"
            bounds = f"{shown(bucket.lower)},{shown(bucket.upper)}"
            parts.append(f"{left}{bounds}{right}:{shown(bucket.count)}")
        return "{" + ", ".join(parts) + "}"

    def clipped(self, index: int) -> tuple[float, float]:
        """The bounds of a positive bucket, without what the zero bucket covers."""
        if self.is_custom:
            lower = -math.inf if index == 0 else self.bounds[index - 1]
            return lower, self.upper_bound(index)
        lower = exponential_bound(index - 1, self.schema)
        upper = exponential_bound(index, self.schema)
        if lower < self.zero_threshold < upper:
            lower = self.zero_threshold
        return lower, upper


def exponential_bound(index: int, schema: int) -> float:
    """The upper bound of an exponential bucket; the last finite one ends at the largest float."""
    exponent = index * 2.0**-schema
    if exponent > 1024:
        return math.inf
    if exponent == 1024:
        return float_info.max
    return 0.0 if exponent < -1080 else 2.0**exponent


def equal(left: Histogram, right: Histogram) -> bool:
    """Whether two histograms say the same; the hint and empty buckets do not count."""
    return (
        left.schema == right.schema
        and _same(left.count, right.count)
        and _same(left.sum, right.sum)
        and left.zero_threshold == right.zero_threshold
        and _same(left.zero_count, right.zero_count)
        and populated(left.positive) == populated(right.positive)
        and populated(left.negative) == populated(right.negative)
        and left.bounds == right.bounds
    )


def _same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


def populated(buckets: Mapping[int, float]) -> dict[int, float]:
    """Without empty buckets."""
    return {index: count for index, count in buckets.items() if count != 0}
