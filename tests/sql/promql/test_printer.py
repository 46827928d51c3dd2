"""PromQL trees as text: what is printed means what was read."""

from __future__ import annotations

import pytest

from sql.promql.parser import parse
from sql.promql.printer import as_object, pretty, text_of

QUERIES = [
    "up",
    'up{job="a",zone!~"x|y"}',
    '{__name__=~"a|b"}',
    '{"odd name",job="a"}',
    "rate(up[5m] offset 1m)",
    "up @ 12.500 offset -1h30m",
    "up @ start()",
    "max_over_time(rate(up[5m])[1h:1m])",
    "sum by (job, zone) (rate(up[5m]))",
    "sum without (job) (up)",
    'topk(3, up{job="a"})',
    "a / on (job) group_left (zone) b",
    "a > bool ignoring (zone) b",
    "a and b or c unless d",
    "-(a + 1) ^ 2",
    'label_replace(up, "a", "$1", "b", "(.*)\\\\d")',
    "1e-09 + 0.5 + NaN + +Inf",
    "vector(scalar(up)) + pi() - time()",
]


def plain(text: str) -> object:
    """The tree without positions."""
    return as_object(parse(text))


@pytest.mark.parametrize("text", QUERIES)
def test_what_is_printed_is_read_back_the_same(text: str) -> None:
    printed = text_of(parse(text))
    assert plain(printed) == plain(text)
    assert text_of(parse(printed)) == printed
    assert plain(pretty(parse(text))) == plain(text)


def test_spaces_and_order_become_canonical() -> None:
    assert text_of(parse("sum(rate( up [ 300s ])) by(job)")) == "sum by (job) (rate(up[5m]))"


def test_long_expressions_go_over_lines() -> None:
    one = 'sum by (job) (rate(http_requests_total{job="api-server",handler="/api/comments"}[5m]))'
    text = pretty(parse(f"{one} / {one}"))
    assert text == f"  {one}\n/\n  {one}"
    wide = pretty(parse(f"max(({one}) * ({one}))"))
    assert all(len(line) <= 100 for line in wide.splitlines())
    assert plain(wide) == plain(f"max(({one}) * ({one}))")


def test_objects_have_the_names_of_prometheus() -> None:
    assert plain("sum(foo) + 1") == {
        "type": "binaryExpr",
        "op": "+",
        "lhs": {
            "type": "aggregation",
            "op": "sum",
            "expr": {
                "type": "vectorSelector",
                "name": "foo",
                "matchers": [{"name": "__name__", "value": "foo", "type": "="}],
                "offset": 0,
                "timestamp": None,
                "startOrEnd": None,
            },
            "param": None,
            "grouping": [],
            "without": False,
        },
        "rhs": {"type": "numberLiteral", "val": "1"},
        "matching": {"card": "one-to-one", "labels": [], "on": False, "include": []},
        "bool": False,
    }
