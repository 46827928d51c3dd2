"""Functions that yield scalars: time(), pi(), scalar(v), start(), end(), step(), range().

Registered in `functions.py`.
"""

from __future__ import annotations

import math

import numpy as np

from sql.promql.context import Evaluation, ScalarHandler
from sql.promql.model import Floats, Times
from sql.promql.tree import Call


def _time(ev: Evaluation, call: Call, times: Times) -> Floats:
    return times / 1000.0


def _scalar(ev: Evaluation, call: Call, times: Times) -> Floats:
    frame = ev.frame(call.arguments[0], times).floats()
    total = np.where(frame.present, frame.values, 0.0).sum(axis=0)
    return np.where(frame.present.sum(axis=0) == 1, total, math.nan)


def _of_query(ev: Evaluation, call: Call, times: Times) -> Floats:
    span = ev.span
    found = {
        "start": span.start,
        "end": span.end,
        "step": span.step,
        "range": span.end - span.start,
    }
    return np.full(len(times), found[call.name] / 1000.0)


def _pi(ev: Evaluation, call: Call, times: Times) -> Floats:
    return np.full(len(times), math.pi)


def _of_two(ev: Evaluation, call: Call, times: Times) -> Floats:
    left, right = (ev.scalar(argument, times) for argument in call.arguments)
    return np.minimum(left, right) if call.name == "min_of" else np.maximum(left, right)


HANDLERS: dict[str, ScalarHandler] = {
    "end": _of_query,
    "max_of": _of_two,
    "min_of": _of_two,
    "pi": _pi,
    "range": _of_query,
    "scalar": _scalar,
    "start": _of_query,
    "step": _of_query,
    "time": _time,
}
