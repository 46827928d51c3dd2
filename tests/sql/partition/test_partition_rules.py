"""Rules against brute force: the proof accepts what is complete and disjoint, and rows go there."""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.records import Column
from engine import datatypes as types
from engine.api import TimeRange
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.partition.check import Partitioning, proved
from sql.partition.prune import Asks, candidates
from sql.partition.route import divided, numbers_of
from sql.partition.rules import Op, read_rules, settled

NAN = math.nan
# Type, literals (SQL text and value, ascending), and values between and beyond them. Rows hold
# NULL too unless the column forbids it. All cells that the literals cut are among the values.
Kind = tuple[DataType, list[tuple[str, Any]], list[Any]]
MOMENTS = [dt.datetime.fromisoformat(f"2024-01-0{day}") for day in range(1, 8)]
KINDS: list[Kind] = [
    (types.INT64, [("-3", -3), ("0", 0), ("1", 1), ("7", 7)], [-9, -3, -1, 0, 1, 4, 7, 8]),
    (types.UINT8, [("0", 0), ("1", 1), ("255", 255)], [0, 1, 2, 254, 255]),
    (types.STRING, [("''", ""), ("'b'", "b"), ("'é'", "é")], ["", "a", "b", "b\0", "c", "é", "ü"]),
    (
        types.FLOAT64,
        [("-1.5", -1.5), ("0", 0.0), ("2e300", 2e300)],
        [-math.inf, -1.5, -0.0, 0.0, -0.5, 1.0, 2e300, math.inf, NAN],
    ),
    (types.BOOLEAN, [("FALSE", False), ("TRUE", True)], [False, True]),
    (
        types.TIMESTAMP_MILLISECOND,
        [(f"'{MOMENTS[i]}'", MOMENTS[i]) for i in (1, 3, 5)],
        MOMENTS,
    ),
    (types.DATE, [("'2024-01-02'", dt.date(2024, 1, 2))], [dt.date(2024, 1, d) for d in (1, 2, 3)]),
    (
        types.decimal(6, 2),
        [("1.5", Decimal("1.50")), ("1.51", Decimal("1.51")), ("9", Decimal(9))],
        [Decimal(v) for v in ("0.00", "1.50", "1.51", "3.00", "9.00", "9.01")],
    ),
]
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MIRRORED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
Row = tuple[Any, ...]
Truth = Callable[[Row], bool]
Model = tuple[str, Truth]  # a rule as text, and what it means


def ranked(value: Any) -> tuple[int, Any]:
    """NULL below all values, NaN above."""
    if value is None:
        return 0, 0
    if isinstance(value, float) and math.isnan(value):
        return 2, 0
    return 1, value


@st.composite
def columns_and_rules(draw: st.DrawFn) -> tuple[list[Column], list[Model], list[list[Any]]]:
    """Columns, rules made by halving the space again and again, sometimes spoilt; values."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
    columns = [
        Column(f"c{at}", kind[0], nullable=draw(st.booleans())) for at, kind in enumerate(kinds)
    ]

    def atom() -> tuple[Model, Model]:
        at = draw(st.integers(0, len(kinds) - 1))
        text, key = draw(st.sampled_from(kinds[at][1]))
        op = draw(st.sampled_from(list(OPERATORS)))
        left = draw(st.booleans())
        spelled = f"{text} {MIRRORED[op]} c{at}" if left else f"c{at} {op} {text}"

        def holds(row: Row) -> bool:
            return OPERATORS[op](ranked(row[at]), ranked(key))

        return (spelled, holds), (f"NOT ({spelled})", lambda row: not holds(row))

    rules: list[Model] = list(atom())
    for _ in range(draw(st.integers(0, 3))):
        victim = rules.pop(draw(st.integers(0, len(rules) - 1)))
        rules += [_both(victim, half) for half in atom()]
    spoil = draw(st.sampled_from(["no", "no", "drop", "join", "add"]))
    if spoil == "drop":
        rules.pop()
    elif spoil == "add":
        rules.append(atom()[0])
    elif spoil == "join" and len(rules) > 2:
        rules.append(_either(rules.pop(), rules.pop()))
    values = [
        [*kind[2], *([None] if column.nullable else [])]
        for kind, column in zip(kinds, columns, strict=True)
    ]
    return columns, rules, values


def _both(one: Model, other: Model) -> Model:
    return f"({one[0]}) AND {other[0]}", lambda row: one[1](row) and other[1](row)


def _either(one: Model, other: Model) -> Model:
    return f"({one[0]}) OR ({other[0]})", lambda row: one[1](row) or other[1](row)


def rows_of(values: Sequence[Sequence[Any]]) -> list[Row]:
    rows: list[Row] = [()]
    for choices in values:
        rows = [(*row, value) for row in rows for value in choices]
    return rows


def table_of(columns: Sequence[Column], rows: Sequence[Row]) -> pa.Table:
    return pa.table(
        [pa.array([row[at] for row in rows], c.type.arrow) for at, c in enumerate(columns)],
        names=[c.name for c in columns],
    )


def made(columns: Sequence[Column], texts: Sequence[str]) -> Partitioning:
    return proved(columns, read_rules(texts, columns))


@settings(max_examples=150, deadline=None)
@given(columns_and_rules())
def test_rules_are_accepted_exactly_if_every_value_has_one(
    case: tuple[list[Column], list[Model], list[list[Any]]],
) -> None:
    columns, rules, values = case
    rows = rows_of(values)
    homes = [[at for at, (_, holds) in enumerate(rules) if holds(row)] for row in rows]
    texts = [text for text, _ in rules]
    sound = all(len(home) == 1 for home in homes)
    if not (sound and {home[0] for home in homes} == set(range(len(rules)))):
        with pytest.raises(DbError) as caught:
            made(columns, texts)
        assert caught.value.kind is ErrorKind.INVALID_ARGUMENT
        return
    partitioning = made(columns, texts)
    table = table_of(columns, rows)
    assert numbers_of(partitioning, table).tolist() == [home[0] for home in homes]
    parts = dict(divided(partitioning, table))
    assert sum(part.num_rows for part in parts.values()) == len(rows)
    again = made(columns, [settled(text, columns, "UTC") for text in texts])
    assert (again.numbers == partitioning.numbers).all()


@settings(max_examples=100, deadline=None)
@given(columns_and_rules(), st.data())
def test_pruning_keeps_every_partition_with_a_wanted_row(
    case: tuple[list[Column], list[Model], list[list[Any]]], data: st.DataObject
) -> None:
    columns, rules, values = case
    try:
        partitioning = made(columns, [text for text, _ in rules])
    except DbError:
        return
    at = data.draw(st.integers(0, len(columns) - 1))
    wanted = data.draw(st.sampled_from([v for v in values[at] if v is not None]))
    op = data.draw(st.sampled_from(list(Op)))
    asks = Asks(columns[at].name, op, (None,))  # type: ignore[arg-type]
    reached = candidates(partitioning, asks, lambda _: wanted, "", TimeRange())
    rows = [
        row
        for row in rows_of(values)
        if row[at] is not None and OPERATORS[op.value](ranked(row[at]), ranked(wanted))
    ]
    needed = set(numbers_of(partitioning, table_of(columns, rows)).tolist())
    assert needed <= set(reached)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (["a < 50", "a > 50"], "Checkpoint `a=50` is not covered"),
        (["a <= 50", "a >= 50"], "Checkpoint `a=50` is overlapped"),
        (["a < 50", "a >= 60"], "Checkpoint `a=50` is not covered"),
        (["a < 50", "a > 50 AND a < 60", "a = 50 OR a > 60"], "Checkpoint `a=60` is not covered"),
        (["a < 50 AND b < 'm'", "a >= 50"], "Checkpoint `a<50, b=m` is not covered"),
        (["a = 1", "a != 1", "a = 2"], "Checkpoint `a=2` is overlapped"),
        (["a >= -128"], "Checkpoint `a=NULL` is not covered"),
        (["u > 0"], "Checkpoint `u=0` is not covered"),
    ],
)
def test_the_value_that_is_wrong_is_named(rules: list[str], message: str) -> None:
    columns = [
        Column("a", types.INT8),
        Column("b", types.STRING),
        Column("u", types.UINT8, nullable=False),
    ]
    with pytest.raises(DbError, match=message) as caught:
        made(columns, rules)
    assert caught.value.codes.status == 1004


def test_what_no_value_can_be_need_not_be_covered() -> None:
    assert made([Column("u", types.UINT8, nullable=False)], ["u >= 0"]).count == 1
    assert made([Column("b", types.BOOLEAN, nullable=False)], ["b = TRUE", "b = FALSE"]).count == 2
    neighbours = ["a <= 5", "a >= 6"]
    assert made([Column("a", types.INT32)], neighbours).count == 2


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ("a + 1 < 5", ErrorKind.INVALID_ARGUMENT),
        ("a < b", ErrorKind.INVALID_ARGUMENT),
        ("a BETWEEN 1 AND 2", ErrorKind.INVALID_ARGUMENT),
        ("a", ErrorKind.INVALID_ARGUMENT),
        ("5 < 6", ErrorKind.INVALID_ARGUMENT),
        ("a < NULL", ErrorKind.INVALID_ARGUMENT),
        ("b < 5", ErrorKind.INVALID_ARGUMENT),
        ("a < 'x'", ErrorKind.INVALID_TEXT),
        ("a < 1e99", ErrorKind.INVALID_TEXT),
        ("c < 5", ErrorKind.UNDEFINED_COLUMN),
        ("f < 'NaN'", ErrorKind.INVALID_ARGUMENT),
    ],
)
def test_what_is_no_rule_is_refused(rule: str, kind: ErrorKind) -> None:
    columns = [
        Column("a", types.INT64),
        Column("b", types.STRING),
        Column("f", types.FLOAT64),
    ]
    with pytest.raises(DbError) as caught:
        read_rules([rule], columns)
    assert caught.value.kind is kind


def test_moments_are_kept_in_utc() -> None:
    columns = [Column("ts", types.TIMESTAMP_MILLISECOND, nullable=False)]
    text = settled("ts < '2024-01-01 08:00:00'", columns, "Asia/Shanghai")
    assert text == "ts < '2024-01-01 00:00:00.000+00:00'"
    assert read_rules([text], columns) == read_rules(["ts < '2024-01-01 00:00:00'"], columns)
    assert settled(text, columns, "Asia/Shanghai") == text


def test_many_rows_are_routed_as_few_are() -> None:
    columns = [Column("b", types.STRING)]
    partitioning = made(columns, ["b < 'h3'", "b >= 'h3' AND b < 'h7'", "b >= 'h7'"])
    values = [None if i % 11 == 0 else f"h{i % 10}" for i in range(5000)]
    table = pa.table({"b": pa.chunked_array([values[:2000], values[2000:]], pa.string())})
    expected = [0 if v is None or v < "h3" else 1 if v < "h7" else 2 for v in values]
    assert numbers_of(partitioning, table).tolist() == expected
    few = [int(numbers_of(partitioning, table.slice(at, 1))[0]) for at in range(100)]
    assert few == expected[:100]


def test_a_column_of_nulls_is_routed() -> None:
    partitioning = made([Column("b", types.STRING)], ["b < 'm'", "b >= 'm'"])
    table = pa.table({"b": pa.nulls(3000, pa.string())})
    assert set(numbers_of(partitioning, table).tolist()) == {0}
