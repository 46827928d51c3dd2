"""strftime patterns over whole columns: Arrow's specifiers and fractions of a second.

Arrow writes a second's fraction into %S; here %S has two digits and fractions are asked for, as in
Python (%f) and in chrono (%3f, %.3f).
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import UNITS_PER_SECOND
from engine.errors import DbError, ErrorKind

_SPECIFIERS = frozenset("aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%")
_TOKEN = re.compile(r"%(\.?[369]?f|.?)", re.DOTALL)
_FRACTION = re.compile(r"(%%)|%(\.?)([369]?)f")


def check_format(pattern: str) -> str:
    """The same pattern. Raises: DbError INVALID_ARGUMENT for a specifier nobody knows."""
    for token in _TOKEN.finditer(pattern):
        word = token[1]
        if not word.endswith("f") and word not in _SPECIFIERS:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f'"%{word}" in the format "{pattern}" is not a strftime specifier',
                hint="for example %Y-%m-%d %H:%M:%S, with %f, %3f, %6f or %9f for fractions",
            )
    return pattern


def formatted(moments: Any, pattern: str, timezone: str) -> Any:
    """A naive UTC timestamp array as text in a time zone; NULL stays NULL."""
    unit = moments.type.unit
    per_second = UNITS_PER_SECOND[unit]
    counts = moments.cast(pa.int64())
    # Rounded down also before 1970: integer division of Arrow truncates.
    remainder = pc.subtract(counts, pc.multiply(pc.divide(counts, per_second), per_second))
    negative = pc.less(remainder, 0)
    fraction = pc.if_else(negative, pc.add(remainder, per_second), remainder)
    seconds = pc.divide(pc.subtract(counts, fraction), per_second)
    zoned = seconds.cast(pa.timestamp("s", timezone))
    pieces = _pieces(pattern, zoned, fraction, per_second)
    if len(pieces) == 1:
        return pieces[0]
    return pc.binary_join_element_wise(*pieces, "")


def _pieces(pattern: str, zoned: Any, fraction: Any, per_second: int) -> list[Any]:
    pieces: list[Any] = []
    rest = 0
    for match in _FRACTION.finditer(pattern):
        if match[1]:
            continue
        if match.start() > rest:
            pieces.append(pc.strftime(zoned, format=pattern[rest : match.start()]))
        pieces.append(_digits(fraction, per_second, match[2], int(match[3] or 6)))
        rest = match.end()
    if rest < len(pattern) or not pieces:
        pieces.append(pc.strftime(zoned, format=pattern[rest:]))
    return pieces


def _digits(fraction: Any, per_second: int, dot: str, digits: int) -> Any:
    wanted = 10**digits
    if wanted >= per_second:
        number = pc.multiply(fraction, wanted // per_second)
    else:
        number = pc.divide(fraction, per_second // wanted)
    text = pc.utf8_lpad(number.cast(pa.string()), digits, "0")
    return pc.binary_join_element_wise(dot, text, "") if dot else text
