"""Arithmetic on native histograms: add, subtract, scale, compare, detect resets.

Used by binary operators, aggregations and range functions. Two histograms are brought to the
coarser schema, the wider zero bucket and the custom bounds they share before they meet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from sql.promql.histogram import CUSTOM, Hint, Histogram, equal, exponential_bound, populated
from sql.promql.histogram_trim import trim
from sql.promql.kernels.common import add_compensated
from sql.promql.model import Samples
from sql.promql.notes import Notes
from sql.promql.tree import Binary, Node


class Incompatible:
    """An operator that has no meaning for these operands."""


INCOMPATIBLE: Final = Incompatible()


class MixedSchemasError(Exception):
    """Custom and exponential buckets cannot be added; callers drop the result and warn."""


@dataclass(frozen=True)
class Sum:
    """What adding gave, and what had to be done for it."""

    histogram: Histogram
    reconciled: bool = False  # custom bounds differed
    collided: bool = False  # one side was a counter reset, the other surely not


def scaled(histogram: Histogram, factor: float) -> Histogram:
    """All counts and the sum times a factor."""
    found = _mapped(histogram, lambda value: value * factor)
    return found.with_hint(Hint.GAUGE) if factor < 0 else found


def divided(histogram: Histogram, divisor: float) -> Histogram:
    """All counts and the sum by a divisor; by zero no bucket remains."""
    if divisor == 0:
        sign = math.copysign(1.0, divisor)
        found = _mapped(
            histogram,
            lambda value: math.nan if value == 0 or math.isnan(value) else value * sign * math.inf,
        )
        found = replace(found, positive={}, negative={})
    else:
        found = _mapped(histogram, lambda value: value / divisor)
    return found.with_hint(Hint.GAUGE) if divisor < 0 else found


def negated(histogram: Histogram) -> Histogram:
    """All signs turned."""
    return scaled(histogram, -1.0)


def _mapped(histogram: Histogram, change: Callable[[float], float]) -> Histogram:
    return replace(
        histogram,
        count=change(histogram.count),
        sum=change(histogram.sum),
        zero_count=change(histogram.zero_count),
        positive={index: change(count) for index, count in histogram.positive.items()},
        negative={index: change(count) for index, count in histogram.negative.items()},
    )


def add(left: Histogram, right: Histogram, sign: float = 1.0) -> Sum:
    """left + sign * right. Raises: MixedSchemasError."""
    if left.is_custom != right.is_custom:
        raise MixedSchemasError
    hint, collided = _joint_hint(left.hint, right.hint)
    reconciled = False
    if left.is_custom:
        left, right, reconciled = with_shared_bounds(left, right)
    else:
        schema = min(left.schema, right.schema)
        left, right = with_shared_zero(to_schema(left, schema), to_schema(right, schema))
    found = Histogram(
        left.schema,
        left.count + sign * right.count,
        left.sum + sign * right.sum,
        left.zero_threshold,
        left.zero_count + sign * right.zero_count,
        _added(left.positive, right.positive, sign),
        _added(left.negative, right.negative, sign),
        left.bounds,
        hint,
    )
    return Sum(found, reconciled, collided)


def _added(left: Mapping[int, float], right: Mapping[int, float], sign: float) -> dict[int, float]:
    found = dict(left)
    for index, count in right.items():
        found[index] = found.get(index, 0.0) + sign * count
    return found


def _joint_hint(left: Hint, right: Hint) -> tuple[Hint, bool]:
    if left is right:
        return left, False
    if Hint.GAUGE in (left, right):
        return Hint.GAUGE, False
    return Hint.UNKNOWN, Hint.UNKNOWN not in (left, right)


def total(items: list[Histogram], *, mean: bool = False) -> Sum:
    """The sum or mean of histograms, each number of it compensated. Raises: MixedSchemasError."""
    shared, reconciled = _alike(items)
    combine = _mean if mean else _total
    hints = {item.hint for item in items}
    hint = Hint.GAUGE if Hint.GAUGE in hints else Hint.UNKNOWN
    if len(hints) == 1:
        hint = items[0].hint
    found = Histogram(
        shared[0].schema,
        combine([item.count for item in shared]),
        combine([item.sum for item in shared]),
        shared[0].zero_threshold,
        combine([item.zero_count for item in shared]),
        _combined([item.positive for item in shared], combine),
        _combined([item.negative for item in shared], combine),
        shared[0].bounds,
        hint,
    )
    return Sum(found, reconciled, {Hint.RESET, Hint.NO_RESET} <= hints)


def _alike(items: list[Histogram]) -> tuple[list[Histogram], bool]:
    """All in the same buckets, and whether custom bounds had to give way."""
    if len({item.is_custom for item in items}) > 1:
        raise MixedSchemasError
    if items[0].is_custom:
        common = items[0]
        for item in items[1:]:
            common, _, _ = with_shared_bounds(common, item)
        found = [with_shared_bounds(common, item)[1] for item in items]
        return found, any(item.bounds != common.bounds for item in items)
    schema = min(item.schema for item in items)
    items = [to_schema(item, schema) for item in items]
    while len(widths := {item.zero_threshold for item in items}) > 1:
        widest = max(widths)
        items = [
            item if item.zero_threshold == widest else with_zero(item, widest) for item in items
        ]
    return items, False


def _combined(
    buckets: list[Mapping[int, float]], combine: Callable[[list[float]], float]
) -> dict[int, float]:
    indexes = sorted({index for one in buckets for index in one})
    return {index: combine([one.get(index, 0.0) for one in buckets]) for index in indexes}


def _total(values: list[float]) -> float:
    """Neumaier's compensated sum."""
    found, lost = values[0], 0.0
    for value in values[1:]:
        found, lost = add_compensated(value, found, lost)
    return found if math.isinf(found) else found + lost


def _mean(values: list[float]) -> float:
    """The compensated mean, incremental from where the sum would overflow."""
    found, lost, mean = values[0], 0.0, 0.0
    incremental = False
    for count, value in enumerate(values[1:], 2):
        if not incremental:
            new, new_lost = add_compensated(value, found, lost)
            if not math.isinf(new):
                found, lost = new, new_lost
                continue
            incremental, mean = True, found / (count - 1)
            lost /= count - 1
        share = (count - 1) / count
        mean, lost = add_compensated(value / count, share * mean, share * lost)
    return mean + lost if incremental else found / len(values) + lost / len(values)


def to_schema(histogram: Histogram, schema: int) -> Histogram:
    """With coarser exponential buckets. Requires: schema is not above the histogram's."""
    shift = histogram.schema - schema
    if shift == 0 or histogram.is_custom:
        return histogram
    return replace(
        histogram,
        schema=schema,
        positive=_coarser(histogram.positive, shift),
        negative=_coarser(histogram.negative, shift),
    )


def _coarser(buckets: Mapping[int, float], shift: int) -> dict[int, float]:
    found: dict[int, float] = {}
    for index, count in sorted(buckets.items()):
        place = ((index - 1) >> shift) + 1
        found[place] = found.get(place, 0.0) + count
    return found


def with_shared_bounds(left: Histogram, right: Histogram) -> tuple[Histogram, Histogram, bool]:
    """Both with the custom bounds that both have, and whether that changed anything."""
    if left.bounds == right.bounds:
        return left, right, False
    shared = tuple(bound for bound in left.bounds if bound in set(right.bounds))
    return _rebound(left, shared), _rebound(right, shared), True


def _rebound(histogram: Histogram, bounds: tuple[float, ...]) -> Histogram:
    found: dict[int, float] = {}
    for index, count in sorted(histogram.positive.items()):
        upper = histogram.upper_bound(index)
        place = next((i for i, bound in enumerate(bounds) if upper <= bound), len(bounds))
        found[place] = found.get(place, 0.0) + count
    return replace(histogram, positive=found, bounds=bounds)


def with_shared_zero(left: Histogram, right: Histogram) -> tuple[Histogram, Histogram]:
    """Both with a zero bucket as wide as the wider one's, or as wide as buckets force it to be."""
    while left.zero_threshold != right.zero_threshold:
        if left.zero_threshold > right.zero_threshold:
            right = with_zero(right, left.zero_threshold)
        else:
            left = with_zero(left, right.zero_threshold)
    return left, right


def with_zero(histogram: Histogram, threshold: float) -> Histogram:
    """With a zero bucket at least this wide; it never cuts a populated bucket."""
    threshold = _uncut(histogram, threshold)
    taken = histogram.zero_count
    kept: list[dict[int, float]] = []
    for buckets in (histogram.positive, histogram.negative):
        rest = {}
        for index, count in sorted(buckets.items()):
            if exponential_bound(index, histogram.schema) <= threshold:
                taken += count
            elif count != 0:
                rest[index] = count
        kept.append(rest)
    return replace(
        histogram,
        zero_threshold=threshold,
        zero_count=taken,
        positive=kept[0],
        negative=kept[1],
    )


def _uncut(histogram: Histogram, threshold: float) -> float:
    """The threshold, moved to the end of a populated bucket it would cut."""
    for buckets in (histogram.positive, histogram.negative):
        for index, count in buckets.items():
            lower = exponential_bound(index - 1, histogram.schema)
            upper = exponential_bound(index, histogram.schema)
            if count != 0 and lower < threshold < upper:
                return _uncut(histogram, upper)
    return threshold


def is_reset(now: Histogram, before: Histogram) -> bool:
    """Whether the counter was reset between two samples."""
    if now.hint in (Hint.RESET, Hint.NO_RESET):
        return now.hint is Hint.RESET
    if now.count < before.count or now.is_custom != before.is_custom:
        return True
    if now.is_custom:
        now, before, _ = with_shared_bounds(now, before)
    else:
        if now.schema > before.schema or now.zero_threshold < before.zero_threshold:
            return True
        before = with_zero(to_schema(before, now.schema), now.zero_threshold)
        if before.zero_threshold != now.zero_threshold or now.zero_count < before.zero_count:
            return True
    return _any_less(now.positive, before.positive) or _any_less(now.negative, before.negative)


def _any_less(now: Mapping[int, float], before: Mapping[int, float]) -> bool:
    return any(now.get(index, 0.0) < count for index, count in before.items())


def empty_like(histogram: Histogram) -> Histogram:
    """No observations, in the same buckets."""
    return Histogram(
        histogram.schema,
        zero_threshold=0.0 if histogram.schema == CUSTOM else histogram.zero_threshold,
        bounds=histogram.bounds,
    )


def compact(histogram: Histogram) -> Histogram:
    """Without empty buckets."""
    return replace(
        histogram,
        positive=populated(histogram.positive),
        negative=populated(histogram.negative),
    )


def operate(
    node: Binary, left: float | Histogram, right: float | Histogram, notes: Notes
) -> float | Histogram | Incompatible | None:
    """A binary operator with a histogram on at least one side.

    Returns: INCOMPATIBLE if it has no meaning; None if the result is absent.
    """
    op = node.op
    if isinstance(left, Histogram) and isinstance(right, Histogram):
        if op in ("+", "-"):
            return _sum_of_two(node, left, right, notes)
        if op in ("==", "!="):
            holds = equal(left, right) == (op == "==")
            if node.boolean:
                return 1.0 if holds else 0.0
            return left if holds else None
        return INCOMPATIBLE
    if isinstance(left, Histogram):
        assert not isinstance(right, Histogram)
        if op in ("*", "/"):
            return scaled(left, right) if op == "*" else divided(left, right)
        if op in ("</", ">/"):
            return trim(left, right, keep_below=op == "</")
        return INCOMPATIBLE
    if op == "*" and isinstance(right, Histogram):
        return scaled(right, left)
    return INCOMPATIBLE


def _sum_of_two(node: Binary, left: Histogram, right: Histogram, notes: Notes) -> Histogram | None:
    what = "addition" if node.op == "+" else "subtraction"
    try:
        found = add(left, right, 1.0 if node.op == "+" else -1.0)
    except MixedSchemasError:
        notes.warn(f"incompatible bucket layout encountered for binary operator {node.op}", node)
        return None
    note_sum(found, what, node, notes)
    result = compact(found.histogram)
    return result if node.op == "+" else result.with_hint(Hint.GAUGE)


def note_sum(found: Sum, what: str, node: Node, notes: Notes) -> None:
    """Says what adding histograms had to gloss over."""
    if found.collided:
        notes.warn(f"conflicting counter resets during histogram {what}", node)
    if found.reconciled:
        notes.info(f"mismatched custom buckets were reconciled during {what}", node)


def without_hints(samples: Samples) -> Samples:
    """Samples that are no longer neighbours: what was known of resets between them is gone."""
    if samples.histograms is None:
        return samples
    histograms = samples.histograms.copy()
    for place, item in enumerate(histograms):
        if item is not None and item.hint is not Hint.GAUGE:
            histograms[place] = item.with_hint(Hint.UNKNOWN)
    return replace(samples, histograms=histograms)
