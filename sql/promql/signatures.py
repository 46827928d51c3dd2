"""What functions and aggregations there are, and what they take.

The parser looks names up, `check.py` compares arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

from sql.promql.tree import Type

AGGREGATIONS = frozenset(
    {
        *("sum", "avg", "count", "min", "max", "group", "stddev", "stdvar"),
        *("topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"),
    }
)
PARAMETER_AGGREGATIONS = frozenset(
    {"topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"}
)

_S, _T, _V, _M = Type.SCALAR, Type.STRING, Type.VECTOR, Type.MATRIX


@dataclass(frozen=True)
class Signature:
    """A function's parameters.

    Attributes:
        parameters: their types; of these the last `optional` may be left out.
        variadic: whether the last one may be repeated.
    """

    returns: Type
    parameters: tuple[Type, ...] = ()
    optional: int = 0
    variadic: bool = False


def _math(*names: str) -> dict[str, Signature]:
    return dict.fromkeys(names, Signature(_V, (_V,)))


def _over_time(*names: str) -> dict[str, Signature]:
    return dict.fromkeys(names, Signature(_V, (_M,)))


FUNCTIONS: dict[str, Signature] = {
    **_math("abs", "ceil", "exp", "floor", "ln", "log10", "log2", "sgn", "sqrt"),
    **_math("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "sin", "sinh"),
    **_math("tan", "tanh", "deg", "rad"),
    **_math("absent", "sort", "sort_desc", "timestamp", "start_timestamp"),
    **_math("histogram_avg", "histogram_count", "histogram_sum"),
    **_math("histogram_stddev", "histogram_stdvar"),
    **_over_time("rate", "increase", "delta", "irate", "idelta", "deriv", "changes", "resets"),
    **_over_time("avg_over_time", "count_over_time", "sum_over_time", "min_over_time"),
    **_over_time("max_over_time", "stddev_over_time", "stdvar_over_time", "last_over_time"),
    **_over_time("first_over_time", "present_over_time", "absent_over_time", "mad_over_time"),
    **_over_time("ts_of_first_over_time", "ts_of_last_over_time"),
    **_over_time("ts_of_max_over_time", "ts_of_min_over_time"),
    **dict.fromkeys(
        (
            *("day_of_month", "day_of_week", "day_of_year", "days_in_month"),
            *("hour", "minute", "month", "year"),
        ),
        Signature(_V, (_V,), optional=1),
    ),
    "clamp": Signature(_V, (_V, _S, _S)),
    "clamp_max": Signature(_V, (_V, _S)),
    "clamp_min": Signature(_V, (_V, _S)),
    "double_exponential_smoothing": Signature(_V, (_M, _S, _S)),
    "end": Signature(_S),
    "histogram_fraction": Signature(_V, (_S, _S, _V)),
    "histogram_quantile": Signature(_V, (_S, _V)),
    "histogram_quantiles": Signature(_V, (_V, _T, _S), variadic=True),
    "info": Signature(_V, (_V, _V), optional=1),
    "label_join": Signature(_V, (_V, _T, _T, _T), optional=1, variadic=True),
    "label_replace": Signature(_V, (_V, _T, _T, _T, _T)),
    "max_of": Signature(_S, (_S, _S)),
    "min_of": Signature(_S, (_S, _S)),
    "pi": Signature(_S),
    "predict_linear": Signature(_V, (_M, _S)),
    "quantile_over_time": Signature(_V, (_S, _M)),
    "range": Signature(_S),
    "round": Signature(_V, (_V, _S), optional=1),
    "scalar": Signature(_S, (_V,)),
    "sort_by_label": Signature(_V, (_V, _T), optional=1, variadic=True),
    "sort_by_label_desc": Signature(_V, (_V, _T), optional=1, variadic=True),
    "start": Signature(_S),
    "step": Signature(_S),
    "time": Signature(_S),
    "vector": Signature(_V, (_S,)),
}
