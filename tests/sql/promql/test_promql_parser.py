"""What the parser takes, how it reads it, and what it refuses with which position."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DbError, ErrorKind
from sql.promql.check import check
from sql.promql.model import Match
from sql.promql.parser import parse
from sql.promql.tree import (
    Aggregate,
    Binary,
    Call,
    Edge,
    Extension,
    MatrixSelector,
    Number,
    Subquery,
    Text,
    Type,
    Unary,
    VectorSelector,
)


def refused(text: str) -> DbError:
    with pytest.raises(DbError) as caught:
        check(parse(text))
    assert caught.value.kind is ErrorKind.SYNTAX
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0),
        ("-2.5e3", -2500.0),
        ("0x1F", 31.0),
        ("017", 15.0),
        ("1_000", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+Inf", math.inf),
        ("inf", math.inf),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("100ms", 0.1),
    ],
)
def test_numbers_and_durations_are_scalars(text: str, value: float) -> None:
    tree = parse(text)
    assert isinstance(tree, Number)
    assert tree.value == value
    assert check(tree) is Type.SCALAR


def test_power_binds_to_the_right_and_tighter_than_minus() -> None:
    tree = parse("-x ^ 2 ^ 3")
    assert isinstance(tree, Unary)
    power = tree.inner
    assert isinstance(power, Binary)
    assert power.op == "^"
    assert isinstance(power.right, Binary)


def test_operators_of_one_level_bind_to_the_left() -> None:
    tree = parse("1 - 2 - 3")
    assert isinstance(tree, Binary)
    assert isinstance(tree.left, Binary)


@pytest.mark.parametrize("loose", ["or", "and", "==", "+", "*"])
def test_levels_of_operators(loose: str) -> None:
    order = ["or", "and", "==", "+", "*", "^"]
    tighter = order[order.index(loose) + 1]
    tree = parse(f"a {loose} b {tighter} c")
    assert isinstance(tree, Binary)
    assert tree.op == loose
    assert isinstance(tree.right, Binary)


def test_a_selector_with_all_matchers_and_modifiers() -> None:
    tree = parse("""up{a="1", b!='2', "c.d"=~`3`, e!~"4"}[5m] offset -1m @ 12.5""")
    assert isinstance(tree, MatrixSelector)
    selector = tree.selector
    found = [(one.name, one.op, one.value) for one in selector.matchers]
    assert found == [
        ("__name__", Match.EQUAL, "up"),
        ("a", Match.EQUAL, "1"),
        ("b", Match.NOT_EQUAL, "2"),
        ("c.d", Match.REGEX, "3"),
        ("e", Match.NOT_REGEX, "4"),
    ]
    assert selector.shift.at == 12_500
    assert isinstance(selector.shift.offset, Unary)


def test_names_in_quotes_and_keywords_as_names() -> None:
    quoted = parse('{"my.metric", by="x"}')
    assert isinstance(quoted, VectorSelector)
    assert quoted.name == "my.metric"
    for word in ("sum", "by", "offset", "start", "fill", "step", "and"):
        tree = parse(word)
        assert isinstance(tree, VectorSelector)
        assert tree.name == word


def test_subqueries_edges_and_recorded_names() -> None:
    tree = parse("job:up:sum[1h:5m] @ end()")
    assert isinstance(tree, Subquery)
    assert tree.shift.at is Edge.END
    assert isinstance(tree.inner, VectorSelector)
    assert tree.inner.name == "job:up:sum"
    open_step = parse("up[1h:]")
    assert isinstance(open_step, Subquery)
    assert open_step.step is None


def test_aggregations_take_their_labels_on_either_side() -> None:
    for text in ("topk by (a, b) (3, x)", "topk(3, x) by (a, b)", "TOPK(3, x) BY (a, b,)"):
        tree = parse(text)
        assert isinstance(tree, Aggregate)
        assert tree.labels == ("a", "b")
        assert not tree.without
        assert isinstance(tree.parameter, Number)


def test_matching_groups_and_fills() -> None:
    tree = parse("a / on(x) group_left(y) fill_right(0) b")
    assert isinstance(tree, Binary)
    assert tree.matching.on
    assert tree.matching.group == "left"
    assert tree.matching.include == ("y",)
    assert tree.matching.fill_right == 0
    assert tree.matching.fill_left is None


def test_smoothed_and_anchored_ranges() -> None:
    tree = parse("rate(x[5m] smoothed)")
    assert isinstance(tree, Call)
    inner = tree.arguments[0]
    assert isinstance(inner, MatrixSelector)
    assert inner.selector.extension is Extension.SMOOTHED


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\n\"b\""', 'a\n"b"'),
        (r"'\x41\u00e9\101'", "AéA"),
        (r"`\n`", r"\n"),
    ],
)
def test_strings_are_gos(text: str, value: str) -> None:
    tree = parse(text)
    assert isinstance(tree, Text)
    assert tree.value == value


@pytest.mark.parametrize(
    ("text", "position", "part"),
    [
        ("", 1, "unexpected end of input"),
        ("up +", 5, "unexpected end of input"),
        ("up)", 3, "unexpected"),
        ("1 == 1", 1, "BOOL"),
        ("up + bool 1", 4, "bool"),
        ("nosuch(up)", 1, "unknown function"),
        ("rate(up)", 6, "expected type range vector"),
        ("sum(up[5m])", 5, "expected type instant vector"),
        ("rate(up[5m], 1)", 1, "expected 1 argument"),
        ("up[5m] + 1", 1, "binary expression"),
        ('up{a=~"("}', 7, "regular expression"),
        ('{a=""}', 1, "non-empty matcher"),
        ('{a=~".*"}', 1, "non-empty matcher"),
        ('up{__name__="x"}', 4, "twice"),
        ("up offset 1m offset 2m", 14, "multiple times"),
        ("(up) offset 1m", 6, "must be preceded"),
        ("up[5m][5m]", 7, "only allowed for vector selectors"),
        ("a and on(x) group_left b", 13, "no grouping"),
        ("a + on(x) group_left(x) b", 11, "ON and GROUP"),
        ("1 and up", 1, "set operator"),
        ('"abc', 1, "unterminated"),
        ("3x", 1, "bad number"),
        ("up @ inf", 6, "out of bounds"),
        ("topk(up)", 1, "wrong number of arguments"),
        ("a = b", 3, "unexpected"),
        ('inf{a="b"}', 4, "unexpected"),
        ("up[1h:1m:1s]", 9, 'expected "]"'),
    ],
)
def test_what_is_wrong_is_named_and_placed(text: str, position: int, part: str) -> None:
    error = refused(text)
    assert part in error.message
    assert error.position == position


def test_deep_nesting_is_refused_not_a_crash() -> None:
    assert "nested" in refused("(" * 5000 + "1" + ")" * 5000).message
    assert "nested" in refused("-" * 5000 + "x").message
    assert "nested" in refused("x[" + "(" * 5000).message
    assert "nested" in refused("x offset " + "-" * 5000).message
    assert "nested" in refused("x" + " + x" * 5000).message
    assert "nested" in refused("x[1m" + " + 1m" * 5000 + "]").message


_pieces = st.sampled_from(
    [
        *"()[]{},+-*/%^@:= ",
        *("==", "=~", "!~", "</", "5m", "1", '"a"', "inf", "bool", "on", "and", "group_left"),
        *("up", "sum", "by", "rate", "offset", "step", "start", "fill", "topk", "smoothed"),
    ]
)


@given(st.lists(_pieces, max_size=25))
def test_any_text_is_parsed_or_refused(pieces: list[str]) -> None:
    text = " ".join(pieces)
    try:
        check(parse(text))
    except DbError as error:
        found = (error.kind, error.position is not None and 1 <= error.position <= len(text) + 1)
        assert found == (ErrorKind.SYNTAX, True)


@pytest.mark.parametrize("text", ["deriv(x[5m] anchored)", "changes(x[5m] smoothed)"])
def test_modifiers_of_ranges_are_refused_as_when_evaluating(text: str) -> None:
    with pytest.raises(DbError, match="modifier can only be used with: ") as caught:
        check(parse(text))
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT
