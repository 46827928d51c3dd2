"""The spelling of computed columns in TQL answers, after the expressions of GreptimeDB's plans.

Called by shape.py, one name at a time. Pure.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

import numpy as np

# They hand on some of the series they are given.
SELECTING = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})

_AGGREGATES = {"stddev": "stddev_pop", "stdvar": "var_pop"}
_RENAMED = {"deg": "degrees", "rad": "radians", "sgn": "signum", "round": "prom_round"}
_WITH_TIMES = frozenset({"rate", "increase", "delta"})
_RANGED = frozenset(
    {"irate", "idelta", "changes", "resets", "deriv", "predict_linear", "holt_winters"}
    | {"double_exponential_smoothing"}
)
_PARTS = {
    "minute": "minute",
    "hour": "hour",
    "day_of_week": "dow",
    "day_of_month": "day",
    "day_of_year": "doy",
    "month": "month",
    "year": "year",
}
_MONTH_END = (
    'date_part(Utf8("day"),date_trunc(Utf8("month"),{time}) + IntervalYearMonth("1")'
    ' - IntervalDayTime("IntervalDayTime {{ days: 1, milliseconds: 0 }}"))'
)
# Functions that may stand without arguments; None: named as with their argument.
OF_NOTHING: dict[str, str | None] = {
    "time": "time / Float64(1000)",
    "pi": "pi()",
    "days_in_month": None,
    **dict.fromkeys(_PARTS),
}
_FOLDS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}


def number(value: float) -> str:
    """A literal: `Float64(0.5)`, never with an exponent.

    >>> number(1e9), number(-0.5)
    ('Float64(1000000000)', 'Float64(-0.5)')
    """
    if math.isnan(value):
        return "Float64(NaN)"
    if math.isinf(value):
        return "Float64(inf)" if value > 0 else "Float64(-inf)"
    return f"Float64({np.format_float_positional(value, trim='-')})"


def folded(op: str, left: float, right: float) -> float | None:
    """The value of an operation of two literals; None where it is not that simple."""
    if op == "/":
        return left / right if right else None
    fold = _FOLDS.get(op)
    return None if fold is None else fold(left, right)


def operation(op: str, left: str, right: str) -> str:
    """The name of `left op right`."""
    if op == "^":
        return f"power({left},{right})"
    if op == "atan2":
        return f"atan2({left},{right})"
    return f"{left} {'=' if op == '==' else op} {right}"


def aggregate(op: str, argument: str, parameter: float | None) -> str:
    """The name of an aggregate.

    >>> aggregate("quantile", "t.val", 0.5)
    'quantile(Float64(0.5),t.val)'
    """
    if op == "count_values":
        return f"count({argument})"
    first = "" if parameter is None else f"{number(parameter)},"
    return f"{_AGGREGATES.get(op, op)}({first}{argument})"


def call(name: str, field: str, time: str, range_ms: int, literals: tuple[float, ...]) -> str:
    """The name of a function of a field; `literals` are its constant arguments.

    >>> call("rate", "val", "ts", 60_000, ())
    'prom_rate(ts_range,val,ts,Int64(60000))'
    """
    if name in _PARTS:
        return f'date_part(Utf8("{_PARTS[name]}"),{time})'
    if name == "days_in_month":
        return _MONTH_END.format(time=time)
    if name == "timestamp":
        return "value"
    if name in _WITH_TIMES:
        return f"prom_{name}({time}_range,{field},{time},Int64({range_ms}))"
    rest = "".join(f",{number(value)}" for value in literals)
    if name in _RANGED or name.endswith("_over_time"):
        return f"prom_{name}({time}_range,{field}{rest})"
    if name == "round" and not literals:
        rest = f",{number(0.0)}"
    return f"{_RENAMED.get(name, name)}({field}{rest})"
