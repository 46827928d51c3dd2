"""Operators and aggregations over series in memory: matching, sets, groups, ranks.

Expected values follow Prometheus' documentation of its operators.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from fake_series import STALE, MemorySource, at, matrix, over, vector

from engine.errors import DbError, ErrorKind


def failure(ask: Callable[[], object]) -> DbError:
    with pytest.raises(DbError) as caught:
        ask()
    return caught.value


def test_arithmetic_is_ieee() -> None:
    found = [("1 / 0", math.inf), ("-7 % 3", -1.0), ("2 ^ 10", 1024.0), ("1 atan2 0", math.pi / 2)]
    for query, value in found:
        assert at(MemorySource(), query, 0).values[0, 0] == value
    assert math.isnan(at(MemorySource(), "0 % 0", 0).values[0, 0])


def test_comparisons_filter_or_answer() -> None:
    source = MemorySource().add("x", [1], a="1").add("x", [2], a="2")
    assert vector(at(source, "x > 1", 0)) == {"x{a=2}": 2}
    assert vector(at(source, "1 < x", 0)) == {"x{a=2}": 2}
    assert vector(at(source, "x >bool 1", 0)) == {"{a=1}": 0, "{a=2}": 1}


def many() -> MemorySource:
    source = MemorySource()
    source.add("req", [10], code="200", path="a").add("req", [4], code="500", path="a")
    source.add("req", [20], code="200", path="b")
    return source.add("lim", [2], path="a", team="red").add("lim", [5], path="c", team="blue")


def test_one_to_one_matching() -> None:
    query = 'req{code="200"} / on(path) lim'
    assert vector(at(many(), query, 0)) == {"{path=a}": 5}
    assert vector(at(many(), 'req{code="200"} / ignoring(code, team) lim', 0)) == {"{path=a}": 5}


def test_group_left_takes_labels_over() -> None:
    query = "req / on(path) group_left(team) lim"
    assert vector(at(many(), query, 0)) == {
        "{code=200,path=a,team=red}": 5,
        "{code=500,path=a,team=red}": 2,
    }
    turned = "lim * on(path) group_right req"
    assert vector(at(many(), turned, 0)) == {"{code=200,path=a}": 20, "{code=500,path=a}": 8}


def test_ambiguous_matches_fail() -> None:
    many_to_one = failure(lambda: at(many(), "req / on(path) lim", 0))
    assert many_to_one.kind is ErrorKind.INVALID_ARGUMENT
    assert "many-to-one matching must be explicit" in many_to_one.message
    duplicate = failure(lambda: at(many(), "lim / on(path) req", 0))
    assert "found duplicate series for the match group" in duplicate.message


def test_a_match_may_move_to_another_series_over_time() -> None:
    source = MemorySource().add("l", [1, 2], k="v")
    source.add("r", [10, STALE], k="v", pod="1").add("r", [None, 20], k="v", pod="2")
    assert matrix(over(source, "l + on(k) r", 0, 60, 60)) == {"{k=v}": [11, 22]}


def test_fill_stands_in_for_missing_series() -> None:
    assert vector(at(many(), 'req{code="200"} + on(path) fill(0) lim', 0)) == {
        "{path=a}": 12,
        "{path=b}": 20,
        "{path=c}": 5,
    }
    left_only = 'req{code="200"} + on(path) fill_right(1) lim'
    assert vector(at(many(), left_only, 0)) == {"{path=a}": 12, "{path=b}": 21}


def test_set_operators() -> None:
    assert set(vector(at(many(), "req and on(path) lim", 0))) == {
        "req{code=200,path=a}",
        "req{code=500,path=a}",
    }
    assert set(vector(at(many(), "req unless on(path) lim", 0))) == {"req{code=200,path=b}"}
    assert set(vector(at(many(), 'req{path="b"} or on(path) lim', 0))) == {
        "req{code=200,path=b}",
        "lim{path=a,team=red}",
        "lim{path=c,team=blue}",
    }


def test_aggregations_by_and_without() -> None:
    assert vector(at(many(), "sum by (path) (req)", 0)) == {"{path=a}": 14, "{path=b}": 20}
    assert vector(at(many(), "sum without (code) (req)", 0)) == {"{path=a}": 14, "{path=b}": 20}
    assert vector(at(many(), "count(req)", 0)) == {"": 3}
    assert vector(at(many(), "group(req)", 0)) == {"": 1}
    assert vector(at(many(), "stdvar by (path) (req)", 0)) == {"{path=a}": 9, "{path=b}": 0}
    assert vector(at(many(), "min(req) + max(req)", 0)) == {"": 24}


def test_topk_keeps_series_in_rank_order() -> None:
    top = at(many(), "topk(2, req)", 0)
    assert list(vector(top).items()) == [("req{code=200,path=b}", 20), ("req{code=200,path=a}", 10)]
    assert top.ordered
    assert list(vector(at(many(), "bottomk(1, req)", 0))) == ["req{code=500,path=a}"]
    assert vector(at(many(), "topk(0, req)", 0)) == {}
    assert "NaN" in failure(lambda: at(many(), "topk(NaN, req)", 0)).message


def test_topk_puts_nan_last() -> None:
    source = MemorySource().add("x", [math.nan], a="1").add("x", [-5], a="2").add("x", [3], a="3")
    assert list(vector(at(source, "topk(2, x)", 0))) == ["x{a=3}", "x{a=2}"]
    assert list(vector(at(source, "bottomk(3, x)", 0))) == ["x{a=2}", "x{a=3}", "x{a=1}"]


def test_count_values_writes_values_into_a_label() -> None:
    source = MemorySource().add("x", [1], a="1").add("x", [1], a="2").add("x", [0.25], a="3")
    assert vector(at(source, 'count_values("v", x)', 0)) == {"{v=1}": 2, "{v=0.25}": 1}


def test_limits_of_series() -> None:
    source = MemorySource()
    for place in range(50):
        source.add("x", [place], a=str(place))
    assert len(vector(at(source, "limitk(7, x)", 0))) == 7
    some, rest = (set(vector(at(source, f"limit_ratio({r}, x)", 0))) for r in (0.4, -0.6))
    assert some
    assert rest
    assert not some & rest
    assert len(some | rest) == 50
