"""Binary and unary operators on numbers, over whole arrays.

`binary.py` applies them to frames and scalars. Arithmetic is IEEE 754's and nothing here raises;
`evaluate.py` silences NumPy's warnings for the whole of a query.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sql.promql.frame import Marks
from sql.promql.model import Floats

_OPERATIONS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
_COMPARISONS: dict[str, Callable[[Floats, Floats], Marks]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
}


def compute(op: str, left: Floats, right: Floats) -> Floats:
    """An arithmetic operator, element by element."""
    return _OPERATIONS[op](left, right)


def compare(op: str, left: Floats, right: Floats) -> Marks:
    """A comparison, element by element."""
    return _COMPARISONS[op](left, right)
