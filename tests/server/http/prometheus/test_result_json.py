"""Samples as JSON: the kernel writes what the slow way writes."""

from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine import jit
from server.http.prometheus.result_json import numbers, result_json
from sql.promql.labels import LabelTable
from sql.promql.model import Kind, Result

jit.warm()

decimals = st.builds(
    lambda digits, places: digits / 10**places, st.integers(-(10**16), 10**16), st.integers(0, 22)
)
values = st.lists(st.one_of(st.floats(), decimals, st.integers(-9, 9).map(float)), min_size=1)


def matrix(rows: list[list[float]], times: list[int]) -> list[list[object]]:
    """The points of each series as a client reads them."""
    floats = np.array(rows, np.float64)
    labels = LabelTable.of_rows([{"row": str(number)} for number in range(len(rows))])
    there = np.ones(floats.shape, np.bool_)
    found = result_json(Result(Kind.MATRIX, np.array(times), labels, floats, there))
    return [series["values"] for series in json.loads(found)["result"]]


@given(values)
def test_numbers_are_the_same_alone_and_together(floats: list[float]) -> None:
    wanted = numbers(np.array(floats)).to_pylist()
    together = matrix([floats], list(range(len(floats))))[0]
    assert [point[1] for point in together] == wanted
    alone = matrix([[one] for one in floats], [0])
    assert [points[0][1] for points in alone] == wanted


@given(st.integers(-(2**52), 2**52))
def test_times_are_seconds_to_the_millisecond(time: int) -> None:
    shown = matrix([[1.0]], [time])[0][0][0]
    assert math.isclose(shown * 1000, time, rel_tol=1e-15)
    assert isinstance(shown, int) == (time % 1000 == 0)
