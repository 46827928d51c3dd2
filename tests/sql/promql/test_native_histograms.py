"""Native histograms: arithmetic, rates, quantiles, and what is warned of.

Expected values follow the specification of native histograms and PromQL's documentation.
"""

from __future__ import annotations

import math

import pytest
from fake_series import MemorySource, at, matrix, over, vector
from hypothesis import given
from hypothesis import strategies as st

from sql.promql.histogram import CUSTOM, Hint, Histogram, equal
from sql.promql.histogram_math import add, compact, is_reset, to_schema, total, with_zero
from sql.promql.histogram_stats import fraction, quantile, variance


def exponential(count: int, *, schema: int = 0, hint: Hint = Hint.UNKNOWN) -> Histogram:
    """`count` observations in (1, 2] of schema 0, of the same sum each."""
    return Histogram(schema, count, 1.5 * count, positive={1: count}, hint=hint)


def custom(*counts: float, bounds: tuple[float, ...] = (1.0, 2.0)) -> Histogram:
    return Histogram(CUSTOM, sum(counts), 3.0, positive=dict(enumerate(counts)), bounds=bounds)


def only(result: dict[str, float | Histogram]) -> Histogram:
    (found,) = result.values()
    assert isinstance(found, Histogram)
    return found


def test_buckets_have_the_bounds_of_their_schema() -> None:
    one = Histogram(1, 6, 0, 0.5, 1, positive={0: 2, 2: 1}, negative={1: 2})
    found = [(bucket.lower, bucket.upper, bucket.count, bucket.rule) for bucket in one.buckets()]
    assert found == [
        (pytest.approx(-math.sqrt(2)), -1, 2, 1),
        (-0.5, 0.5, 1, 3),
        (pytest.approx(math.sqrt(0.5)), 1, 2, 0),
        (pytest.approx(math.sqrt(2)), 2, 1, 0),
    ]
    assert [(b.lower, b.upper, b.rule) for b in custom(1, 1, 1).buckets()] == [
        (-math.inf, 1, 3),
        (1, 2, 0),
        (2, math.inf, 0),
    ]


def test_coarser_schemas_merge_neighbours() -> None:
    fine = Histogram(1, 10, 0, positive={-1: 1, 0: 2, 1: 3, 2: 4})
    assert to_schema(fine, 0).positive == {0: 3, 1: 7}


def test_sums_meet_at_the_coarser_schema_and_wider_zero_bucket() -> None:
    fine = Histogram(1, 5, 7, 0.001, 1, positive={1: 2, 2: 2})
    coarse = Histogram(0, 3, 2, 0.5, 1, positive={0: 1, 1: 1})
    both = compact(add(fine, coarse).histogram)
    assert equal(both, Histogram(0, 8, 9, 0.5, 2, positive={0: 1, 1: 5}))


def test_a_wider_zero_bucket_never_cuts_a_populated_bucket() -> None:
    widened = with_zero(Histogram(0, 4, 0, 0.1, 1, positive={0: 3}), 0.75)
    assert (widened.zero_threshold, widened.zero_count) == (1.0, 4)


def test_custom_bounds_meet_at_those_they_share() -> None:
    found = add(custom(1, 2, 3, bounds=(1.0, 2.0)), custom(4, 5, 6, bounds=(2.0, 3.0)))
    assert found.reconciled
    assert found.histogram.bounds == (2.0,)
    assert found.histogram.positive == {0: 7, 1: 14}


def test_counter_resets_are_seen() -> None:
    assert is_reset(exponential(3), exponential(5))
    assert not is_reset(exponential(5), exponential(3))
    assert is_reset(exponential(9, schema=2), exponential(3))
    moved = Histogram(0, 6, 0, positive={2: 6})
    assert is_reset(moved, exponential(3))
    assert not is_reset(exponential(1, hint=Hint.NO_RESET), exponential(5))
    assert is_reset(exponential(9, hint=Hint.RESET), exponential(5))


def test_rates_across_a_reset() -> None:
    source = MemorySource()
    source.add("h", [exponential(n) for n in (0, 10, 20, 5, 15)], job="a")
    found = only(vector(at(source, "increase(h[4m1ms])", 240)))
    assert found.count == pytest.approx(35, rel=1e-4)
    assert found.hint is Hint.GAUGE
    assert vector(at(source, "resets(h[5m])", 240)) == {"{job=a}": 1}
    assert vector(at(source, "histogram_count(irate(h[5m]))", 240)) == {
        "{job=a}": pytest.approx(10 / 60)
    }


def test_gauges_and_counters_are_told_apart() -> None:
    gauges = [exponential(n, hint=Hint.GAUGE) for n in (1, 2, 3)]
    source = MemorySource().add("g", gauges).add("c", [exponential(n) for n in (1, 2, 3)])
    assert at(source, "rate(g[5m])", 120).warnings == (
        'PromQL warning: this native histogram metric is not a counter: "g" (1:6)',
    )
    assert at(source, "delta(c[5m])", 120).warnings == (
        'PromQL warning: this native histogram metric is not a gauge: "c" (1:7)',
    )
    assert at(source, "delta(g[5m])", 120).warnings == ()


def test_floats_and_histograms_do_not_mix() -> None:
    source = MemorySource().add("h", [1.0, exponential(2), exponential(3)])
    rate = at(source, "rate(h[5m])", 120)
    assert vector(rate) == {}
    assert 'mix of histograms and floats for metric name "h"' in rate.warnings[0]
    assert vector(at(source, "count_over_time(h[5m])", 120)) == {"": 3}
    most = at(source, "max_over_time(h[5m])", 120)
    assert vector(most) == {"": 1}
    assert "ignored histograms in a range" in most.infos[0]


def test_sums_of_series() -> None:
    source = MemorySource().add("h", [exponential(2)], a="1").add("h", [exponential(4)], a="2")
    assert only(vector(at(source, "sum(h)", 0))).count == 6
    assert only(vector(at(source, "avg(h)", 0))).count == 3
    assert vector(at(source, "count(h)", 0)) == {"": 2}
    source.add("h", [1.0], a="3")
    mixed = at(source, "sum(h)", 0)
    assert vector(mixed) == {}
    assert mixed.warnings
    least = at(source, "min(h)", 0)
    assert vector(least) == {"": 1}
    assert least.infos


def test_operators() -> None:
    source = MemorySource().add("h", [exponential(2)]).add("f", [3.0])
    assert only(vector(at(source, "h * 2", 0))).count == 4
    assert only(vector(at(source, "h / on() f", 0))).sum == 1
    assert only(vector(at(source, "h - h", 0))).count == 0
    assert only(vector(at(source, "-h", 0))).count == -2
    assert list(vector(at(source, "h == h", 0))) == ["h"]
    assert vector(at(source, "h != h", 0)) == {}
    wrong = at(source, "h + 1", 0)
    assert vector(wrong) == {}
    assert "incompatible sample types" in wrong.infos[0]


def test_what_histograms_tell() -> None:
    source = MemorySource().add("h", [exponential(4)])
    assert vector(at(source, "histogram_count(h)", 0)) == {"": 4}
    assert vector(at(source, "histogram_sum(h)", 0)) == {"": 6}
    assert vector(at(source, "histogram_avg(h)", 0)) == {"": 1.5}
    middle = vector(at(source, "histogram_quantile(0.5, h)", 0))
    assert middle == {"": pytest.approx(math.sqrt(2))}
    assert vector(at(source, "histogram_fraction(1, 2, h)", 0)) == {"": 1}
    assert vector(at(source, "histogram_stdvar(h)", 0)) == {
        "": pytest.approx((math.sqrt(2) - 1.5) ** 2)
    }


def test_quantiles_of_custom_buckets_are_linear() -> None:
    assert quantile(0.5, custom(2, 2, 0)) == 1.0
    assert quantile(0.75, custom(2, 2, 0)) == 1.5
    assert quantile(1.0, custom(2, 2, 1)) == 2.0
    assert quantile(0.25, custom(2, 2, 0)) == 0.5


def test_quantiles_at_the_edges() -> None:
    assert math.isnan(quantile(0.5, Histogram()))
    assert quantile(-0.1, exponential(1)) == -math.inf
    assert quantile(1.1, exponential(1)) == math.inf
    lost = Histogram(0, 10, math.nan, positive={1: 5})
    assert math.isnan(quantile(0.9, lost))
    assert fraction(1, 2, lost) == 0.5


def test_trimming_interpolates_the_bucket_it_cuts() -> None:
    source = MemorySource().add("h", [custom(2, 4, 0)])
    below = only(vector(at(source, "h </ 1.5", 0)))
    assert (below.count, below.positive) == (4, {0: 2, 1: 2, 2: 0})
    assert below.sum == pytest.approx(2 * 0.5 + 2 * 1.25)
    assert list(vector(at(source, "h >/ 1.5", 0))) == ["h"]
    assert only(vector(at(source, "h >/ 1.5", 0))).count == 2


def test_labels_may_hold_histograms_as_text() -> None:
    source = MemorySource().add("h", [Histogram(0, 3, 4, 0.5, 1, positive={1: 2})])
    assert list(vector(at(source, 'count_values("v", h)', 0))) == [
        "{v={count:3, sum:4, [-0.5,0.5]:1, (1,2]:2}}"
    ]


def test_range_queries_hold_histograms() -> None:
    source = MemorySource().add("h", [exponential(1), exponential(2)])
    (cells,) = matrix(over(source, "h", 0, 60, 60)).values()
    assert [cell.count for cell in cells if isinstance(cell, Histogram)] == [1, 2]


def test_smoothed_histograms_are_drawn_between() -> None:
    source = MemorySource().add("h", [exponential(0), exponential(6)])
    assert vector(at(source, "histogram_count(h smoothed)", 20)) == {"": pytest.approx(2)}
    assert vector(at(source, "histogram_count(increase(h[30s] smoothed))", 60)) == {
        "": pytest.approx(3)
    }


def test_classic_and_native_buckets_of_one_name_are_not_mixed() -> None:
    source = MemorySource().add("h", [exponential(1)]).add("h", [1.0], le="1")
    source.add("h", [1.0], le="+Inf")
    result = at(source, "histogram_quantile(0.5, h)", 0)
    assert vector(result) == {}
    assert "mix of classic and native histograms" in result.warnings[0]


def test_resets_collide_where_only_totals_are_read() -> None:
    """Without buckets it is known of each histogram whether its counter began anew."""
    source = MemorySource().add("h", [exponential(5), exponential(3)], of="a")
    source.add("h", [exponential(5), exponential(6)], of="b")
    warned = at(source, "histogram_count(sum(h))", 60)
    assert (vector(warned), len(warned.warnings)) == ({"": 9}, 1)
    assert "conflicting counter resets during histogram aggregation" in warned.warnings[0]
    for quiet in (
        "sum(h)",
        "histogram_quantile(0.5, sum(h))",
        'histogram_count(sum(h{of="a"}))',
        "histogram_count(sum(h) + sum(h))",
        "histogram_sum(rate(h[2m]))",
    ):
        assert not at(source, quiet, 60).warnings, quiet
    assert not at(source, "histogram_avg(sum(h))", 0).warnings, "nothing comes before these"


def test_what_precedes_a_range_tells_what_is_no_reset() -> None:
    source = MemorySource().add("h", [exponential(5), exponential(6), exponential(3)])
    result = at(source, "histogram_count(sum_over_time(h[2m]))", 120)
    assert (vector(result), len(result.warnings)) == ({"": 9}, 1)
    assert not at(source, "histogram_count(sum_over_time(h[1m]))", 120).warnings


def test_hints_that_came_with_histograms_stay() -> None:
    gauge = exponential(3, hint=Hint.GAUGE)
    source = MemorySource().add("h", [exponential(5), gauge], of="a")
    source.add("h", [exponential(5), exponential(6)], of="b")
    assert not at(source, "histogram_count(sum(h))", 60).warnings


histograms = st.builds(
    lambda schema, width, zero, positive, negative: Histogram(
        schema,
        zero + sum(positive.values()) + sum(negative.values()),
        1.0,
        width,
        zero,
        positive,
        negative,
    ),
    st.integers(-4, 8),
    st.sampled_from([0.0, 0.001, 0.5, 3.0]),
    st.integers(0, 5),
    st.dictionaries(st.integers(-20, 20), st.integers(1, 9), max_size=5),
    st.dictionaries(st.integers(-20, 20), st.integers(1, 9), max_size=5),
)


@given(histograms, histograms)
def test_adding_keeps_every_observation_in_either_order(left: Histogram, right: Histogram) -> None:
    one, other = add(left, right).histogram, add(right, left).histogram
    assert equal(one, other)
    assert equal(one, total([left, right]).histogram)
    buckets = one.zero_count + sum(one.positive.values()) + sum(one.negative.values())
    assert buckets == one.count == left.count + right.count
    back = add(one, right, -1.0).histogram
    assert compact(back).count == left.count


@given(histograms, st.floats(0, 1))
def test_quantiles_lie_within_the_populated_buckets(one: Histogram, q: float) -> None:
    buckets = one.buckets()
    found = quantile(q, one)
    if not buckets:
        assert math.isnan(found)
        return
    low, high = min(b.lower for b in buckets), max(b.upper for b in buckets)
    slack = 1e-9 * max(abs(low), abs(high))
    assert low - slack <= found <= high + slack
    assert variance(one) >= 0
