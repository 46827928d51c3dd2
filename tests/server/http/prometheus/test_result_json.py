"""Results as JSON: made of whole columns, they read as if made series by series."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from server.http.prometheus.result_json import metrics_json, result_json
from sql.promql.evaluate import sorted_rows
from sql.promql.labels import LabelTable
from sql.promql.model import Kind, Result

VALUES = ("", "a", "b b", 'q"uote', "back\\slash", "new\nline", "é", "\x01")


def some_labels(count: int) -> list[dict[str, str]]:
    chance = random.Random(count)
    rows = []
    for _ in range(count):
        row = {name: chance.choice(VALUES) for name in ("__name__", "job", "z", 'odd"name')}
        rows.append({name: value for name, value in row.items() if value})
    return rows


@pytest.mark.parametrize("count", [0, 1, 5, 200])
def test_labels_are_objects_with_names_in_order(count: int) -> None:
    rows = some_labels(count)
    found = metrics_json(LabelTable.of_rows(rows)).to_pylist()
    assert [json.loads(text) for text in found] == rows
    assert [list(json.loads(text)) for text in found] == [sorted(row) for row in rows]


def test_labels_that_are_no_unicode_are_shown_all_the_same() -> None:
    rows = [{"job": f"bad\udcff{i}"} for i in range(100)]
    found = metrics_json(LabelTable.of_rows(rows)).to_pylist()
    assert json.loads(found[7]) == {"job": "bad\ufffd7"}


@pytest.mark.parametrize("count", [3, 40])
@pytest.mark.parametrize("kind", [Kind.VECTOR, Kind.MATRIX])
def test_series_have_the_points_that_are_there(count: int, kind: Kind) -> None:
    columns = 1 if kind is Kind.VECTOR else 3
    present = np.ones((count, columns), np.bool_)
    present[1, 1:] = False
    values = np.arange(count * columns, dtype=np.float64).reshape(count, columns) / 2
    labels = LabelTable.of_rows([{"n": str(i)} for i in range(count)])
    times = np.arange(columns, dtype=np.int64) * 500
    answer = json.loads(result_json(Result(kind, times, labels, values, present)))
    assert answer["resultType"] == kind.value
    assert len(answer["result"]) == count
    one = answer["result"][1]
    assert one["metric"] == {"n": "1"}
    if kind is Kind.VECTOR:
        assert one["value"] == [0, "0.5"]
    else:
        assert one["values"] == [[0, "1.5"]]
        points = answer["result"][2]["values"]
        assert points == [[0, "3"], [0.5, "3.5"], [1, "4"]]


def test_series_are_ordered_by_names_and_then_values() -> None:
    for rows in (
        some_labels(60),
        [{"a": str(i % 7), "b": str(-i)} for i in range(50)],
        [{}, {"a": "1"}],
    ):
        labels = LabelTable.of_rows(rows)
        plain = [tuple(sorted(row.items())) for row in rows]
        assert [plain[row] for row in sorted_rows(labels)] == sorted(plain)
