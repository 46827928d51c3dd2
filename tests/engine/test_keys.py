"""Row identities: equal as IS NOT DISTINCT FROM says, ordered as files are."""

from __future__ import annotations

import math
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import jit
from engine.memtable import kernels
from engine.memtable import keys as keys_module
from engine.memtable import order as order_module
from engine.memtable.keys import KeySet
from engine.memtable.order import Ranked, arranged, sort_order

TEXT = st.one_of(st.none(), st.sampled_from(["", "a", "b", "ä", "a\0", "zz"]))
NUMBER = st.one_of(st.none(), st.integers(-3, 3))
REAL = st.sampled_from([None, 0.0, -0.0, 1.5, math.nan, math.inf, -math.inf])
ROWS = st.lists(st.tuples(TEXT, NUMBER, REAL, st.integers(0, 4)), min_size=1, max_size=30)
NAMES = ("text", "number", "real", "ts")
TYPES = (pa.string(), pa.int32(), pa.float64(), pa.timestamp("ns"))


@pytest.fixture(autouse=True, scope="module")
def _kernels_are_compiled() -> None:
    jit.warm()  # not while Hypothesis looks at the clock


def table(rows: list[tuple]) -> pa.Table:
    columns = list(zip(*rows, strict=True))
    return pa.table(
        {n: pa.array(c, t) for n, c, t in zip(NAMES, columns, TYPES, strict=True)},
    )


def plain(row: tuple) -> tuple:
    """The row with one spelling for each value, as Python compares it."""
    return tuple(
        "NaN"
        if isinstance(v, float) and math.isnan(v)
        else (v + 0.0 if v == 0 else v)
        if v is not None
        else None
        for v in row
    )


@given(rows=ROWS, others=ROWS, bound=st.sampled_from([1 << 62, 200]))
def test_contains_equals_null_safe_equality(rows, others, bound) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys_module, "_FUSED_MAX", bound)
        found = KeySet(table(rows), NAMES).contains(table(others))
    known = {plain(row) for row in rows}
    assert found.tolist() == [plain(row) in known for row in others]


@given(rows=ROWS, bound=st.sampled_from([1 << 62, 200]))
def test_last_positions_keep_the_latest_of_each_identity(rows, bound) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys_module, "_FUSED_MAX", bound)
        positions = KeySet(table(rows), NAMES).last_positions()
        groups = KeySet(table(rows), NAMES).groups()
    latest = {plain(row): index for index, row in enumerate(rows)}
    assert positions.tolist() == sorted(latest.values())
    for i, row in enumerate(rows):
        assert [g == groups[i] for g in groups] == [plain(r) == plain(row) for r in rows]


@given(rows=ROWS, bound=st.sampled_from([1 << 62, 200]))
def test_order_is_bytewise_with_null_last_and_stable(rows, bound) -> None:
    def rank(row: tuple) -> tuple:
        text, number, real, time = row
        return (
            (text is None, (text or "").encode()),
            (number is None, number or 0),
            # Arrow puts NaN behind all numbers, and NULL behind NaN.
            (real is None, real is not None and math.isnan(real), plain((real,))[0])
            if real is not None and not math.isnan(real)
            else (real is None, real is not None, 0.0),
            time,
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order_module, "FUSED_MAX", bound)
        order = sort_order(table(rows), NAMES)
    assert order.tolist() == sorted(range(len(rows)), key=lambda i: rank(rows[i]))


@given(
    pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5)), max_size=60),
    unique=st.booleans(),
    bound=st.sampled_from([1 << 62, 2]),
)
def test_rows_are_arranged_by_key_and_time(pairs, unique, bound) -> None:
    keys = [Ranked(np.array([key % 2 for key, _ in pairs], np.int64), 2)]
    keys.append(Ranked(np.array([key // 2 for key, _ in pairs], np.int64), 2))
    times = np.array([time for _, time in pairs], np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order_module, "FUSED_MAX", bound)
        order, sorted_times = arranged(keys, times, unique=unique)
    parts = [(key % 2, key // 2, time) for key, time in pairs]
    expected = sorted(range(len(pairs)), key=parts.__getitem__)
    if unique:
        latest = {part: i for i, part in enumerate(parts)}
        expected = [i for i in expected if latest[parts[i]] == i]
    assert order.tolist() == expected
    assert sorted_times.tolist() == [pairs[i][1] for i in expected]


@pytest.mark.parametrize("unique", [True, False])
def test_rows_that_arrive_in_no_order_of_time_are_arranged(unique: bool) -> None:
    times = np.arange(3000)[::-1] // 6
    order, found = arranged([Ranked(np.arange(3000) % 3, 3)], times, unique=unique)
    rows = [(i % 3, int(times[i])) for i in range(3000)]
    latest = {row: i for i, row in enumerate(rows)}
    expected = sorted(latest.values() if unique else range(3000), key=lambda i: (rows[i], i))
    assert order.tolist() == expected
    assert found.tolist() == [times[i] for i in expected]


def test_a_series_that_is_sent_twice_is_not_settled_row_by_row() -> None:
    """Each row of the second time would look back over all of the first: that ends early."""
    times = np.tile(np.arange(1000), 2)
    keys, order = np.zeros(2000, np.int64), np.arange(2000, dtype=np.int32)
    out, out_times = np.empty(2000, np.int64), np.empty(2000, np.int64)
    assert kernels.settle_times(keys, times, order, out, out_times, 1) == -1
    found, sorted_times = arranged([Ranked(keys, 1)], times, unique=True)
    assert found.tolist() == list(range(1000, 2000))
    assert sorted_times.tolist() == list(range(1000))


def test_dictionary_columns_match_plain_ones() -> None:
    keys = pa.table({"host": pa.array(["a", None])})
    rows = pa.table({"host": pa.array(["b", "a", None]).dictionary_encode()})
    assert KeySet(keys, ("host",)).contains(rows).tolist() == [False, True, True]


def test_columns_that_nothing_hashes_are_compared_by_value() -> None:
    kind = pa.list_(pa.int64())
    keys = pa.table({"tags": pa.array([[1, 2], None], kind)})
    rows = pa.table({"tags": pa.array([[2, 1], [1, 2], None, []], kind)})
    assert KeySet(keys, ("tags",)).contains(rows).tolist() == [False, True, True, False]


def test_a_large_range_of_times_does_not_overflow() -> None:
    extremes = pa.array([2**63 - 1, -(2**63), 0], pa.timestamp("ns"))
    rows = pa.table({"host": ["b", "a", "a"], "ts": extremes})
    assert sort_order(rows, ("host", "ts")).tolist() == [1, 2, 0]
    assert KeySet(rows, ("host", "ts")).contains(rows).all()


def test_many_rows_of_few_series_deduplicate_by_sorting_too() -> None:
    count = 5000
    rows = pa.table(
        {"host": pa.array(np.arange(count) % 7), "ts": pa.array(np.arange(count) % 1000)}
    )
    # 7 * 1000 identities of which 7000/gcd are met; each position is the last of its kind.
    positions = KeySet(rows, ("host", "ts")).last_positions()
    latest = {(i % 7, i % 1000): i for i in range(count)}
    assert positions.tolist() == sorted(latest.values())


@pytest.mark.parametrize("longest", [3, 20, 90])
@pytest.mark.parametrize("prefix", ["", "host_"])
def test_many_distinct_texts_are_ordered_bytewise(longest: int, prefix: str) -> None:
    rng = random.Random(longest)
    texts = {
        prefix + "".join(rng.choices("ab\0~äß€😀", k=rng.randrange(longest))) for _ in range(4000)
    }
    rows: list[str | None] = [*texts, None]
    rng.shuffle(rows)
    order = sort_order(pa.table({"host": rows}), ("host",))
    assert [rows[i] for i in order] == [*sorted(texts, key=str.encode), None]
