"""Numbers as PromQL shows them in labels and messages."""

from __future__ import annotations

import math

import numpy as np


def shown(value: float) -> str:
    """The shortest decimal that is this number, never with an exponent; NaN, +Inf, -Inf."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return np.format_float_positional(value, trim="-")


def quoted(text: str) -> str:
    """A text in double quotes; bytes that are no UTF-8 as `\\xNN`."""
    raw = text.encode("utf-8", "surrogateescape")
    return '"' + raw.decode("utf-8", "backslashreplace") + '"'
