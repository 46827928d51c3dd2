"""Functions that change each float on its own: mathematics, clamping, parts of dates.

Registered in `functions.py`. Histograms are not floats and drop out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sql.promql.context import Evaluation, Handler
from sql.promql.frame import Frame
from sql.promql.labels import LabelTable
from sql.promql.model import Floats, Times
from sql.promql.tree import Call, VectorSelector, unwrap

Change = Callable[[Floats], Floats]


def _sign(values: Floats) -> Floats:
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


_MATH: dict[str, Change] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "deg": lambda values: values * 180 / math.pi,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "rad": lambda values: values * math.pi / 180,
    "sgn": _sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}


def changed(frame: Frame, values: Floats) -> Frame:
    """The frame with other floats and without its names."""
    return replace(frame, values=values).marked_nameless()


def _applied(change: Change) -> Handler:
    def handler(ev: Evaluation, call: Call, times: Times) -> Frame:
        frame = ev.frame(call.arguments[0], times).floats()
        return changed(frame, change(frame.values)).compact()

    return handler


def _seconds(values: Floats) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int64]], Floats]:
    """Whole seconds, and NaN where a value is no time."""
    usable = np.abs(values) < 2.0**62
    seconds = np.trunc(np.where(usable, values, 0.0)).astype(np.int64)
    return seconds, np.where(usable, 0.0, math.nan)


def _date_part(part: str, values: Floats) -> Floats:
    seconds, invalid = _seconds(values)
    moments = seconds.astype("M8[s]")
    days, months, years = (moments.astype(f"M8[{unit}]") for unit in "DMY")
    if part == "hour":
        found = seconds // 3600 % 24
    elif part == "minute":
        found = seconds // 60 % 60
    elif part == "day_of_week":
        found = (days.astype(np.int64) + 4) % 7
    elif part == "day_of_month":
        found = (days - months.astype("M8[D]")).astype(np.int64) + 1
    elif part == "day_of_year":
        found = (days - years.astype("M8[D]")).astype(np.int64) + 1
    elif part == "days_in_month":
        found = ((months + 1).astype("M8[D]") - months.astype("M8[D]")).astype(np.int64)
    elif part == "month":
        found = months.astype(np.int64) % 12 + 1
    else:
        found = years.astype(np.int64) + 1970
    return found + invalid


_DATE_PARTS = (
    *("day_of_month", "day_of_week", "day_of_year", "days_in_month"),
    *("hour", "minute", "month", "year"),
)


def _dated(part: str) -> Handler:
    def handler(ev: Evaluation, call: Call, times: Times) -> Frame:
        if call.arguments:
            frame = ev.frame(call.arguments[0], times).floats()
        else:
            frame = constant(times / 1000.0)
        return changed(frame, _date_part(part, frame.values)).compact()

    return handler


def constant(values: Floats) -> Frame:
    """One series without labels."""
    row = values.reshape(1, -1)
    return Frame.of(LabelTable.empty_rows(1), row, np.ones(row.shape, np.bool_))


def _vector(ev: Evaluation, call: Call, times: Times) -> Frame:
    return constant(ev.scalar(call.arguments[0], times))


def _clamp(ev: Evaluation, call: Call, times: Times) -> Frame:
    frame = ev.frame(call.arguments[0], times).floats()
    least = np.full(len(times), -math.inf)
    most = np.full(len(times), math.inf)
    if call.name == "clamp_max":
        most = ev.scalar(call.arguments[1], times)
    else:
        least = ev.scalar(call.arguments[1], times)
    if call.name == "clamp":
        most = ev.scalar(call.arguments[2], times)
    values = np.maximum(least, np.minimum(most, frame.values))
    return changed(frame, values).where((~(most < least)).reshape(1, -1)).compact()


def _round(ev: Evaluation, call: Call, times: Times) -> Frame:
    frame = ev.frame(call.arguments[0], times).floats()
    to = ev.scalar(call.arguments[1], times) if len(call.arguments) > 1 else np.ones(len(times))
    inverse = 1.0 / to
    return changed(frame, np.floor(frame.values * inverse + 0.5) / inverse).compact()


def _timestamp(ev: Evaluation, call: Call, times: Times) -> Frame:
    inner = unwrap(call.arguments[0])
    if not isinstance(inner, VectorSelector) or inner.extension.value:
        frame = ev.frame(inner, times)
        values = np.broadcast_to(times / 1000.0, frame.values.shape)
        return replace(changed(frame, values), histograms=None)
    series, places = ev.latest(inner, times)
    if not len(series.samples.times):
        return Frame.nothing(len(times))
    stamps = series.samples.times
    if call.name == "start_timestamp":
        starts = series.samples.starts
        stamps = np.zeros(len(stamps), np.int64) if starts is None else starts
    values = stamps[places] / 1000.0
    return Frame.of(series.labels, values, places >= 0, nameless=True).compact()


HANDLERS: dict[str, Handler] = {
    **{name: _applied(change) for name, change in _MATH.items()},
    **{part: _dated(part) for part in _DATE_PARTS},
    **dict.fromkeys(("clamp", "clamp_min", "clamp_max"), _clamp),
    "round": _round,
    "start_timestamp": _timestamp,
    "timestamp": _timestamp,
    "vector": _vector,
}
