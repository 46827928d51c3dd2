"""Tables of labels: grouping, stacking and rewriting agree with plain dictionaries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DbError, ErrorKind
from sql.promql import regex
from sql.promql.labels import LabelColumn, LabelTable, LateColumn, sorted_rows, stack

Row = dict[str, str]
rows_of_labels = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["x", "y", "z"]), max_size=3),
    max_size=12,
)


def plain(rows: list[Row]) -> list[Row]:
    return [dict(sorted(row.items())) for row in rows]


@given(rows_of_labels)
def test_rows_come_back(rows: list[Row]) -> None:
    assert LabelTable.of_rows(rows).rows() == plain(rows)


@given(rows_of_labels)
def test_groups_are_numbered_by_first_appearance(rows: list[Row]) -> None:
    groups, first = LabelTable.of_rows(rows).groups()
    seen: dict[tuple[tuple[str, str], ...], int] = {}
    wanted = [seen.setdefault(tuple(sorted(row.items())), len(seen)) for row in rows]
    assert groups.tolist() == wanted
    assert first.tolist() == [wanted.index(place) for place in range(len(seen))]


def test_groups_of_many_wide_columns() -> None:
    # 12 columns of 40 values do not fit one 64-bit key.
    count = 500
    rows = [{f"l{c}": str((row * (c + 1)) % 40) for c in range(12)} for row in range(count)]
    groups, first = LabelTable.of_rows(rows).groups()
    assert len(first) == 40
    assert (groups == np.arange(count) % 40).all()


def test_a_column_that_tells_all_apart_settles_the_groups() -> None:
    rows = [{"id": str(row), "a": "x"} for row in range(100)]
    groups, first = LabelTable.of_rows(rows).groups()
    assert groups.tolist() == first.tolist() == list(range(100))


@given(rows_of_labels, rows_of_labels)
def test_stacked_tables_are_comparable(one: list[Row], other: list[Row]) -> None:
    both = stack([LabelTable.of_rows(one), LabelTable.of_rows(other)])
    assert both.rows() == plain(one + other)


@given(rows_of_labels, rows_of_labels, st.lists(st.integers(0, 23)))
def test_late_columns_stay_late_in_a_stack(
    one: list[Row], other: list[Row], wanted: list[int]
) -> None:
    """And only what is taken of them is looked up."""
    asked: list[int] = []

    def late(rows: list[Row]) -> LabelTable:
        table = LabelTable.of_rows(rows)

        def column(name: str) -> LateColumn:
            def find(places: np.ndarray | None) -> LabelColumn:
                asked.append(len(rows) if places is None else len(places))
                found = table.column(name)
                return found if places is None else found.take(places)

            return LateColumn(find)

        return LabelTable(len(rows), {name: column(name) for name in "abc"})

    both = stack([late(one), late(other)])
    assert not asked
    chosen = [row for row in wanted if row < both.count]
    part = both.take(np.array(chosen, np.int64))
    assert part.rows() == [plain(one + other)[row] for row in chosen]
    assert sum(asked) <= 3 * len(chosen)
    assert both.rows() == plain(one + other)


def test_parts_of_one_table_share_their_dictionaries() -> None:
    table = LabelTable.of_rows([{"a": "x"}, {"a": "y"}, {}])
    both = stack([table.take(np.array([2, 0])), table.take(np.array([1]))])
    assert both.rows() == [{}, {"a": "x"}, {"a": "y"}]
    assert both.columns["a"].values is table.columns["a"].values


def test_dictionaries_may_repeat_values_and_hold_nulls() -> None:
    codes = np.array([0, 1, 2, 3, -1])
    column = LabelColumn.of_dictionary(["b", None, "b", "a"], codes)
    assert column.strings() == ["b", "", "b", "a", ""]
    assert column.values[0] == ""
    assert len(set(column.values)) == len(column.values)


def test_keeping_dropping_and_blanking() -> None:
    table = LabelTable.of_rows([{"a": "1", "b": "2"}, {"a": "3"}])
    assert table.keep(["a"]).rows() == [{"a": "1"}, {"a": "3"}]
    assert table.drop(["a"]).rows() == [{"b": "2"}, {}]
    assert table.blank(["a"], np.array([True, False])).rows() == [{"b": "2"}, {"a": "3"}]


def test_patterns_match_whole_values_in_linear_time() -> None:
    assert regex.matches(["ab", "abc", "a\nb"], "a.?b").tolist() == [True, False, True]
    # Python's own engine would not return from this one.
    assert regex.matches(["a" * 5000 + "!"], "(a+)+").tolist() == [False]


@pytest.mark.parametrize(
    ("template", "wanted"),
    [("$1-$2", "x-42"), ("${2}0", "420"), ("$name!", "x!"), ("$$1", "$1"), ("$9", ""), ("a", "a")],
)
def test_templates_name_groups(template: str, wanted: str) -> None:
    texts, matched = regex.replaced(["x:42", "none"], r"(?P<name>[a-z]):(\d+)", template)
    assert matched.tolist() == [True, False]
    assert texts == [wanted, ""]


def test_bad_patterns_are_refused() -> None:
    with pytest.raises(DbError) as caught:
        regex.check("(", 7)
    assert (caught.value.kind, caught.value.position) == (ErrorKind.SYNTAX, 8)


@given(rows_of_labels)
def test_rows_are_sorted_as_lists_of_pairs(rows: list[Row]) -> None:
    found = sorted_rows(LabelTable.of_rows(rows)).tolist()
    wanted = sorted(range(len(rows)), key=lambda row: sorted(rows[row].items()))
    assert [sorted(rows[row].items()) for row in found] == [
        sorted(rows[row].items()) for row in wanted
    ]
    assert sorted(found) == sorted(wanted)
