"""What expressions yield over series in memory: selectors, operators, aggregations, functions.

Expected values follow Prometheus' documentation of its query language.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from fake_series import STALE, MemorySource, at, matrix, over, vector

from engine.errors import DbError, ErrorKind
from sql.promql.evaluate import evaluate
from sql.promql.model import Kind, Limits


def failure(ask: Callable[[], object]) -> DbError:
    with pytest.raises(DbError) as caught:
        ask()
    return caught.value


def test_a_selector_takes_the_newest_sample_within_the_lookback() -> None:
    source = MemorySource().add("x", [1, None, None, None, None, None, 7])
    assert matrix(over(source, "x", 0, 420, 60)) == {"x": [1, 1, 1, 1, 1, None, 7, 7]}


def test_a_stale_marker_ends_a_series() -> None:
    source = MemorySource().add("x", [1, STALE, None, 4])
    assert matrix(over(source, "x", 0, 180, 60)) == {"x": [1, None, None, 4]}
    assert vector(at(source, "count_over_time(x[10m])", 180)) == {"": 2}


def test_windows_are_open_on_the_left() -> None:
    source = MemorySource().add("x", [1, 2, 3, 4])
    assert vector(at(source, "count_over_time(x[2m])", 120)) == {"": 2}
    assert vector(at(source, "sum_over_time(x[2m])", 120)) == {"": 5}


def test_offset_and_at() -> None:
    source = MemorySource().add("x", [0, 1, 2, 3, 4])
    assert matrix(over(source, "x offset 1m", 120, 240, 60)) == {"x": [1, 2, 3]}
    assert matrix(over(source, "x offset -1m", 0, 120, 60)) == {"x": [1, 2, 3]}
    assert matrix(over(source, "x @ 60", 0, 120, 60)) == {"x": [1, 1, 1]}
    assert matrix(over(source, "x @ start() offset -1m", 60, 180, 60)) == {"x": [2, 2, 2]}
    assert matrix(over(source, "sum_over_time(x[2m] @ end())", 60, 180, 60)) == {"": [5, 5, 5]}


def test_matchers_are_anchored_and_absent_labels_are_empty() -> None:
    source = MemorySource().add("x", [1], a="foo").add("x", [2], a="foobar").add("x", [3])
    assert vector(at(source, 'x{a=~"foo"}', 0)) == {"x{a=foo}": 1}
    assert vector(at(source, 'x{a!~"foo.*"}', 0)) == {"x": 3}
    assert vector(at(source, 'x{a=""}', 0)) == {"x": 3}
    assert vector(at(source, 'x{a!=""}', 0)) == {"x{a=foo}": 1, "x{a=foobar}": 2}


def test_a_range_vector_is_shown_as_its_samples() -> None:
    source = MemorySource().add("x", [1, 2, 3], a="b")
    result = at(source, "x[2m]", 120)
    assert result.kind is Kind.MATRIX
    assert result.samples is not None
    assert result.samples.times.tolist() == [60_000, 120_000]
    assert result.samples.values.tolist() == [2, 3]


def test_rate_extrapolates_to_the_ends_of_the_range() -> None:
    # 5 samples a minute apart, the last one at the end of the range: the first minute is added.
    source = MemorySource().add("x", [0, 10, 20, 30, 40, 50], a="b")
    assert vector(at(source, "increase(x[5m])", 300)) == {"{a=b}": pytest.approx(50)}
    assert vector(at(source, "rate(x[5m])", 300)) == {"{a=b}": pytest.approx(1 / 6)}


def test_extrapolation_stops_where_a_counter_would_be_below_zero() -> None:
    source = MemorySource().add("x", [None, 5, 105])
    # From 5 at 60 s the counter was zero 3 s earlier: 100 * (60 + 3) / 60.
    assert vector(at(source, "increase(x[2m])", 120)) == {"": pytest.approx(105)}
    assert vector(at(source, "delta(x[2m])", 120)) == {"": pytest.approx(200)}


def test_counter_resets() -> None:
    source = MemorySource().add("x", [0, 5, 10, 2, 4])
    assert vector(at(source, "increase(x[4m1ms])", 240)) == {"": pytest.approx(14, rel=1e-4)}
    assert vector(at(source, "resets(x[5m])", 240)) == {"": 1}
    assert vector(at(source, "irate(x[5m])", 180)) == {"": pytest.approx(2 / 60)}
    assert vector(at(source, "idelta(x[5m])", 180)) == {"": -8}
    assert vector(at(source, "changes(x[5m])", 240)) == {"": 4}


def test_a_lone_sample_has_no_rate() -> None:
    source = MemorySource().add("x", [1])
    assert vector(at(source, "rate(x[5m])", 0)) == {}


@pytest.mark.parametrize(
    ("function", "value"),
    [
        ("avg", 4.0),
        ("min", 1.0),
        ("max", 9.0),
        ("sum", 16.0),
        ("count", 4.0),
        ("first", 1.0),
        ("last", 4.0),
        ("present", 1.0),
        ("stdvar", 9.5),
        ("stddev", math.sqrt(9.5)),
        ("mad", 1.5),
        ("ts_of_max", 60.0),
        ("ts_of_min", 0.0),
        ("ts_of_first", 0.0),
        ("ts_of_last", 180.0),
    ],
)
def test_reductions_over_time(function: str, value: float) -> None:
    source = MemorySource().add("x", [1, 9, 2, 4])
    found = list(vector(at(source, f"{function}_over_time(x[5m])", 180)).values())
    assert found == [pytest.approx(value)]


def test_sums_do_not_lose_small_parts() -> None:
    source = MemorySource().add("x", [5e100, 1, -5e100, 1])
    source.add("y", [5e100], n="1").add("y", [1], n="2").add("y", [-5e100], n="3")
    assert vector(at(source, "sum_over_time(x[5m])", 180)) == {"": 2}
    assert vector(at(source, "avg_over_time(x[5m])", 180)) == {"": 0.5}
    assert vector(at(source, "sum(y)", 0)) == {"": 1}
    assert vector(at(source, "avg(y)", 0)) == {"": pytest.approx(1 / 3)}


def test_means_beyond_the_largest_float() -> None:
    source = MemorySource().add("x", [1.5e308, 1.5e308, 1.5e308])
    assert vector(at(source, "avg_over_time(x[5m])", 120)) == {"": pytest.approx(1.5e308)}
    assert vector(at(source, "sum_over_time(x[5m])", 120)) == {"": math.inf}


def test_lines_through_samples() -> None:
    source = MemorySource().add("x", [10, 12, 14, 16])
    assert vector(at(source, "deriv(x[5m])", 180)) == {"": pytest.approx(2 / 60)}
    assert vector(at(source, "predict_linear(x[5m], 120)", 180)) == {"": pytest.approx(20)}


def test_double_exponential_smoothing_of_a_line_is_the_line() -> None:
    source = MemorySource().add("x", [10, 12, 14, 16])
    query = "double_exponential_smoothing(x[5m], 0.3, 0.6)"
    assert vector(at(source, query, 180)) == {"": pytest.approx(16)}
    error = failure(lambda: at(source, "double_exponential_smoothing(x[5m], 1, 0.5)", 180))
    assert error.kind is ErrorKind.INVALID_ARGUMENT


def test_quantiles_interpolate() -> None:
    source = MemorySource().add("x", [1, 2, 3, 4])
    for name, value in zip("abcd", (4, 3, 2, 1), strict=True):
        source.add("y", [value], n=name)
    assert vector(at(source, "quantile_over_time(0.5, x[5m])", 180)) == {"": 2.5}
    assert vector(at(source, "quantile(0.25, y)", 0)) == {"": 1.75}
    low = at(source, "quantile(-1, y)", 0)
    assert vector(low) == {"": -math.inf}
    assert low.warnings == (
        "PromQL warning: quantile value should be between 0 and 1, got -1 (1:10)",
    )


def test_subqueries_have_steps_of_their_own() -> None:
    source = MemorySource().add("x", [0, 1, 2, 3, 4, 5])
    assert vector(at(source, "sum_over_time(x[4m:2m])", 300)) == {"": 6}
    assert vector(at(source, "max_over_time(rate(x[2m])[3m:1m])", 300)) == {
        "": pytest.approx(1 / 60)
    }
    assert vector(at(source, "count_over_time(x[3m:])", 290)) == {"": 3}


def test_metadata_goes_with_the_name() -> None:
    source = MemorySource().add("x", [1], __type__="gauge", a="b")
    assert vector(at(source, "x + 1", 0)) == {"{a=b}": 2}
    assert vector(at(source, "x > 0", 0)) == {"x{__type__=gauge,a=b}": 1}


def test_labels_are_rewritten() -> None:
    source = MemorySource().add("up", [1], host="web-12", zone="eu")
    found = vector(at(source, 'label_replace(up, "n", "$2-${1}", "host", "([a-z]+)-(.*)")', 0))
    assert found == {"up{host=web-12,n=12-web,zone=eu}": 1}
    untouched = vector(at(source, 'label_replace(up, "n", "x", "host", "nothing")', 0))
    assert untouched == {"up{host=web-12,zone=eu}": 1}
    joined = vector(at(source, 'label_join(up, "k", "/", "zone", "none", "host")', 0))
    assert joined == {"up{host=web-12,k=eu//web-12,zone=eu}": 1}
    renamed = vector(at(source, 'label_replace(up + 1, "__name__", "new", "zone", ".*")', 0))
    assert renamed == {"new{host=web-12,zone=eu}": 2}


def test_equal_label_sets_fail() -> None:
    source = MemorySource().add("a", [1], k="1").add("b", [2], k="1")
    error = failure(lambda: at(source, '{k="1"} + 0', 0))
    assert error.message == "vector cannot contain metrics with the same labelset"
    assert vector(at(source, 'sum by (__name__) ({k="1"})', 0)) == {"a": 1, "b": 2}


def test_sorting() -> None:
    source = MemorySource()
    for name, value in (("n2", 1.0), ("n10", math.nan), ("n1", 7.0)):
        source.add("x", [value], a=name)
    assert list(vector(at(source, "sort(x)", 0))) == ["x{a=n2}", "x{a=n1}", "x{a=n10}"]
    assert list(vector(at(source, "sort_desc(x)", 0))) == ["x{a=n1}", "x{a=n2}", "x{a=n10}"]
    by_label = vector(at(source, 'sort_by_label(x, "a")', 0))
    assert list(by_label) == ["x{a=n1}", "x{a=n2}", "x{a=n10}"]


def test_absence() -> None:
    source = MemorySource().add("x", [1])
    assert vector(at(source, 'absent(y{a="b", c=~"d"})', 0)) == {"{a=b}": 1}
    assert vector(at(source, "absent(x)", 0)) == {}
    gone = matrix(over(source, "absent_over_time(x[2m])", 0, 180, 60))
    assert gone == {"": [None, None, 1, 1]}


def test_parts_of_dates() -> None:
    leap_day = 1_709_210_096  # 2024-02-29 12:34:56 UTC, a Thursday
    names = [
        "year",
        "month",
        "day_of_month",
        "day_of_week",
        "day_of_year",
        "days_in_month",
        "hour",
        "minute",
    ]
    found = [at(MemorySource(), f"{name}()", leap_day).values[0, 0] for name in names]
    assert found == [2024, 2, 29, 4, 60, 29, 12, 34]


def test_values_are_clamped_and_rounded() -> None:
    source = MemorySource().add("x", [-3.5], a="1").add("x", [7.25], a="2")
    assert list(vector(at(source, "clamp(x, -1, 5)", 0)).values()) == [-1, 5]
    assert vector(at(source, "clamp(x, 5, -1)", 0)) == {}
    assert list(vector(at(source, "round(x)", 0)).values()) == [-3, 7]
    assert list(vector(at(source, "round(x, 0.5)", 0)).values()) == [-3.5, 7.5]
    assert list(vector(at(source, "sgn(x)", 0)).values()) == [-1, 1]


def test_scalars_vectors_and_times() -> None:
    source = MemorySource().add("x", [5, 6], a="b")
    assert at(source, "scalar(x)", 60).values[0, 0] == 6
    assert math.isnan(at(source, "scalar(nothing)", 60).values[0, 0])
    assert vector(at(source, "vector(3)", 60)) == {"": 3}
    assert vector(at(source, "timestamp(x)", 90)) == {"{a=b}": 60}
    assert vector(at(source, "timestamp(x + 0)", 90)) == {"{a=b}": 90}
    assert matrix(over(source, "time()", 0, 120, 60)) == {"": [0, 60, 120]}
    assert at(source, '"text"', 0).text == "text"


def test_step_and_range_in_durations() -> None:
    source = MemorySource().add("x", [1, 2, 3, 4, 5])
    assert matrix(over(source, "count_over_time(x[step() * 2])", 120, 240, 60)) == {"": [2, 2, 2]}
    assert matrix(over(source, "x offset max_of(step(), 30s)", 60, 120, 60)) == {"x": [1, 2]}


def test_smoothed_and_anchored() -> None:
    source = MemorySource().add("x", [0, 10, 20, 30])
    assert vector(at(source, "x smoothed", 90)) == {"x": 15}
    assert vector(at(source, "increase(x[1m] smoothed)", 150)) == {"": 10}
    assert vector(at(source, "increase(x[1m] anchored)", 150)) == {"": 10}


def classic() -> MemorySource:
    source = MemorySource()
    for bound, count in (("0.1", 5), ("0.5", 15), ("1", 20), ("+Inf", 25)):
        source.add("h_bucket", [count], le=bound, job="a")
    return source


def test_quantiles_of_classic_histograms() -> None:
    assert vector(at(classic(), "histogram_quantile(0.5, h_bucket)", 0)) == {
        "{job=a}": pytest.approx(0.4)
    }
    assert vector(at(classic(), "histogram_quantile(0.99, h_bucket)", 0)) == {"{job=a}": 1}
    both = vector(at(classic(), 'histogram_quantiles(h_bucket, "q", 0.2, 0.6)', 0))
    assert both == {"{job=a,q=0.2}": pytest.approx(0.1), "{job=a,q=0.6}": pytest.approx(0.5)}


def test_the_lowest_quantile_of_an_empty_bucket_is_no_number() -> None:
    source = MemorySource().add("h_bucket", [0], le="1").add("h_bucket", [5], le="+Inf")
    assert np.isnan(at(source, "histogram_quantile(0, h_bucket)", 0).values).all()


def test_fractions_of_classic_histograms() -> None:
    found = vector(at(classic(), "histogram_fraction(0.1, 0.5, h_bucket)", 0))
    assert found == {"{job=a}": pytest.approx(10 / 25)}


def test_wrong_bucket_bounds_are_warned_of() -> None:
    source = classic().add("h_bucket", [1], le="much", job="a")
    result = at(source, "histogram_quantile(0.5, h_bucket)", 0)
    assert len(vector(result)) == 1
    assert '"much" for metric name "h_bucket"' in result.warnings[0]


def test_info_adds_labels_of_the_newest_info_series() -> None:
    source = MemorySource().add("m", [1, 2], job="j", instance="i")
    source.add("target_info", [1, STALE], job="j", instance="i", version="1")
    source.add("target_info", [None, 1], job="j", instance="i", version="2")
    assert matrix(over(source, "info(m)", 0, 60, 60)) == {
        "m{instance=i,job=j,version=1}": [1, None],
        "m{instance=i,job=j,version=2}": [None, 2],
    }
    assert vector(at(source, 'info(m, {region=~".+"})', 0)) == {}


def test_results_do_not_depend_on_how_steps_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    source = MemorySource()
    for name in "abc":
        source.add("x", list(range(100)), n=name)
    query = "sum by (n) (rate(x[5m])) > 0 or topk(1, x @ end()) - x offset 3m"
    whole = matrix(over(source, query, 600, 6000, 60))
    monkeypatch.setattr("sql.promql.evaluate._CELLS", 10)
    assert matrix(over(source, query, 600, 6000, 60)) == whole


def test_results_in_parts_are_limited_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sql.promql.evaluate._CELLS", 10)
    source = MemorySource().add("x", [1]).add("x", [1], a="b")
    few = Limits(samples=150)
    error = failure(lambda: evaluate("x", 0, 100_000, 1000, source, limits=few))
    assert error.kind is ErrorKind.LIMIT_EXCEEDED


@pytest.mark.parametrize(
    "length",
    ["(1e308*10) % 5", "(-1) ^ (1e308*10 - 1e308*10)", "0 ^ -1", "2 ^ 1e9", "(-2) ^ 0.5", "1e309"],
)
def test_what_is_no_length_of_time_is_refused(length: str) -> None:
    error = failure(lambda: at(MemorySource().add("x", [1]), f"rate(x[{length}])", 0))
    assert error.kind is ErrorKind.SYNTAX


def test_limits_and_cancellation() -> None:
    source = MemorySource().add("x", [1] * 100)
    many = failure(lambda: at(source, "sum_over_time(x[100m])", 6000, Limits(samples=50)))
    assert many.kind is ErrorKind.LIMIT_EXCEEDED
    wide = MemorySource().add("x", [1]).add("x", [1], a="b")
    few = Limits(samples=150)
    cells = failure(lambda: evaluate("x", 0, 100_000, 1000, wide, limits=few))
    assert cells.kind is ErrorKind.LIMIT_EXCEEDED
    points = failure(lambda: over(source, "x", 0, 11_000, 1))
    assert points.kind is ErrorKind.LIMIT_EXCEEDED
    inner = failure(lambda: at(source, "count_over_time(vector(1)[30d:1s])", 0, Limits(10_000)))
    assert inner.kind is ErrorKind.LIMIT_EXCEEDED
    steps = failure(lambda: at(source, "count_over_time(vector(1)[290y:1ms])", 0))
    assert steps.kind is ErrorKind.LIMIT_EXCEEDED

    def cancelled() -> None:
        raise DbError(ErrorKind.CANCELLED, "cancelled")

    error = failure(lambda: evaluate("x", 0, 0, 0, source, check=cancelled))
    assert error.kind is ErrorKind.CANCELLED


def test_a_source_is_asked_for_what_matters_only() -> None:
    source = MemorySource().add("x", [1])
    over(source, "rate(x[5m] offset 1m) + x @ 30", 600, 1200, 60)
    asked = {(one.function, one.start_ms, one.end_ms) for one in source.asked}
    assert asked == {("rate", 240_001, 1_140_000), ("", -269_999, 30_000)}


def test_rows_of_a_matrix_are_sorted_by_labels() -> None:
    source = MemorySource().add("x", [1], b="1").add("x", [1], a="2").add("x", [1], a="10")
    rows = list(matrix(over(source, "x", 0, 60, 60)))
    assert rows == ["x{a=10}", "x{a=2}", "x{b=1}"]


def test_empty_sources_answer_nothing() -> None:
    for query in ("x", "rate(x[5m])", "sum(x)", "x + x", "histogram_quantile(0.5, x)", "info(x)"):
        result = over(MemorySource(), query, 0, 600, 60)
        assert result.labels.count == 0
        assert result.values.shape == (0, 11)
    assert np.isnan(at(MemorySource(), "scalar(x)", 0).values).all()


def test_start_times_tell_of_resets_that_values_hide() -> None:
    # Every minute a new counter that reaches 60: no value ever falls.
    starts = [0, 1, 60_000, 120_000, 180_000]
    source = MemorySource().add("x", [None, 60, 60, 60, 60], starts=starts)
    source.add("y", [None, 60, 60, 60, 60])
    assert vector(at(source, "increase(x[3m])", 240)) == {"": pytest.approx(180)}
    assert vector(at(source, "resets(x[3m])", 240)) == {"": 2}
    assert vector(at(source, "irate(x[3m])", 240)) == {"": 1}
    assert vector(at(source, "increase(y[3m])", 240)) == {"": 0}
    assert vector(at(source, "start_timestamp(x)", 240)) == {"": 180}


def test_a_counter_that_began_inside_the_range_was_zero_then() -> None:
    source = MemorySource().add("x", [None, None, 30], starts=[0, 0, 90_000])
    # One sample and its beginning: 30 in 30 s, nothing before.
    assert vector(at(source, "increase(x[2m])", 120)) == {"": pytest.approx(30)}


def test_overlapping_start_times_are_warned_of() -> None:
    source = MemorySource().add("x", [None, 1, 2, 3], starts=[0, 30_000, 30_000, 60_000])
    result = at(source, "rate(x[5m])", 180)
    assert len(vector(result)) == 1
    assert "start time that overlaps" in result.warnings[0]


def test_rates_of_what_is_not_named_like_a_counter_are_doubted() -> None:
    source = MemorySource().add("temperature", range(10)).add("requests_total", range(10))
    said = 'metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "{}"'
    for function in ("rate", "increase"):
        found = at(source, f"{function}(temperature[5m])", 500).infos
        assert found == (f"PromQL info: {said.format('temperature')} (1:{len(function) + 2})",)
        assert at(source, f"{function}(requests_total[5m])", 500).infos == ()
    assert at(source, "rate(temperature[5m])", 5000).infos == ()
    assert at(source, "irate(temperature[5m])", 500).infos == ()
    assert at(source, "delta(temperature[5m])", 500).infos == ()
