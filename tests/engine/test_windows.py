"""Compaction windows: inference and the split of rows among files."""

from __future__ import annotations

import numpy as np
import pytest

from engine.compaction import windows
from engine.compaction.windows import HOUR_MS
from engine.schema import RegionOptions


def times(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("span_ms", "expected_hours"),
    [
        (0, 1),
        (HOUR_MS, 1),
        (HOUR_MS + 1, 2),
        (3 * HOUR_MS, 12),
        (13 * HOUR_MS, 24),
        (25 * HOUR_MS, 168),
        (9000 * HOUR_MS, 168),
    ],
)
def test_the_shortest_window_that_covers_the_data_is_inferred(
    span_ms: int, expected_hours: int
) -> None:
    values = np.linspace(0, span_ms, 50).astype(np.int64)
    assert windows.infer(values, 1000) == expected_hours * HOUR_MS
    assert windows.infer(values[::-1] * 1_000_000, 10**9) == expected_hours * HOUR_MS


def test_a_few_stray_times_do_not_widen_the_window() -> None:
    values = np.arange(1_700_000_000, 1_700_003_000)
    values[[7, 900]] = 0, 4_000_000_000
    assert windows.infer(values, 1) == HOUR_MS


def test_the_option_wins_over_what_was_inferred() -> None:
    assert windows.chosen(RegionOptions(window_ms=5), 7) == 5
    assert windows.chosen(RegionOptions(), 7) == 7
    assert windows.chosen(RegionOptions(), None) is None


def test_a_window_is_at_least_one_tick() -> None:
    assert windows.ticks(500, 1) == 1
    assert windows.ticks(HOUR_MS, 10**9) == 3600 * 10**9


def test_rows_of_one_window_stay_together() -> None:
    assert [list(piece) for piece in windows.split(times(5, 3, 9), 10)] == [[0, 1, 2]]


def test_every_dense_window_has_its_file_in_order_of_time() -> None:
    values = times(-1, 25, 3, 12, -7, 4, 29, 17)
    pieces = windows.split(values, 10, sparse_rows=1)
    assert [list(piece) for piece in pieces] == [[0, 4], [2, 5], [3, 7], [1, 6]]


def test_sparse_neighbours_share_a_file_and_dense_windows_do_not() -> None:
    assert windows.join([1, 1, 1, 5, 1, 9, 2, 2, 2], 4) == [0, 0, 0, 1, 2, 3, 4, 4, 5]
    assert windows.join([1] * 9, 4) == [0, 0, 0, 0, 1, 1, 1, 1, 2]
