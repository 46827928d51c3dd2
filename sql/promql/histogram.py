"""A native histogram with float counts, and what can be computed with one.

The evaluator's histogram functions and sources use it. Schemas -4 to 8 are exponential with base
2^(2^-schema); schema -53 has custom bounds (Prometheus' native histogram specification).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

CUSTOM = -53


class Hint(Enum):
    """What is known about the counter between the sample before and this one."""

    UNKNOWN = 0
    RESET = 1
    NO_RESET = 2
    GAUGE = 3


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
