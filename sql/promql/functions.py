"""All functions by name. `evaluator.py` looks them up; `signatures.py` says what they take."""

from __future__ import annotations

from sql.promql import (
    elementwise,
    histogram_functions,
    info,
    label_functions,
    over_time,
    rates,
    scalars,
)
from sql.promql.context import Handler, ScalarHandler

SCALARS: dict[str, ScalarHandler] = scalars.HANDLERS
VECTORS: dict[str, Handler] = {
    **elementwise.HANDLERS,
    **histogram_functions.HANDLERS,
    **info.HANDLERS,
    **label_functions.HANDLERS,
    **over_time.HANDLERS,
    **rates.HANDLERS,
}
