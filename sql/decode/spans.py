"""MySQL's TIME of ordinary tables: spans from -838:59:59 to 838:59:59, kept as intervals of
microseconds without months and days.

Called by the readers of text (text.py), by assignment (clock.py), before rows are stored
(lengths.py), by the planner for literals, and by what shows spans as text. Each distinct text is
read once.
Source: MySQL 8.4 reference, "The TIME Type".
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import SPAN
from engine.errors import DbError, ErrorKind
from sql.decode.cells import Cells, array_of, strings

MOST = 3_020_399_000_000  # microseconds of 838:59:59
DAY = 86_400_000_000
_PARTS = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])
# A date in front of a time of day means nothing here.
_TEXT = re.compile(
    r"\s*(?:\d{2,4}-\d{1,2}-\d{1,2}[ T]+(?=\d+:))?(?P<sign>-?)(?:(?P<days>\d{1,3})\s+(?=\d))?"
    r"(?P<first>\d+)(?::(?P<minutes>[0-5]?\d))?(?::(?P<seconds>[0-5]?\d))?"
    r"(?:\.(?P<fraction>\d*))?\s*",
    re.ASCII,
)


def from_text(text: str) -> int | None:
    """Microseconds of a text, also beyond what a TIME holds; None if it is no span.

    >>> from_text("-12:34:56"), from_text("1 02:00"), from_text("101112.5"), from_text("10:61")
    (-45296000000, 93600000000, 36672500000, None)
    """
    found = _TEXT.fullmatch(text)
    if found is None or len(found["first"]) > 12:
        return None
    first, fraction = int(found["first"]), found["fraction"] or "0"
    if found["minutes"] is None and found["days"] is None:
        hours, rest = divmod(first, 10_000)  # digits alone end with seconds
        minutes, seconds = divmod(rest, 100)
        if minutes > 59 or seconds > 59:
            return None
    elif found["fraction"] is not None and found["seconds"] is None:
        return None
    else:
        hours = first + int(found["days"] or 0) * 24
        minutes, seconds = int(found["minutes"] or 0), int(found["seconds"] or 0)
    whole = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000
    micros = whole + int((Decimal(f"0.{fraction}") * 1_000_000).to_integral_value(ROUND_HALF_UP))
    return -micros if found["sign"] else micros


def of_cells(cells: Cells) -> Any:
    """The values of texts and numbers. Raises: DbError DATETIME_OVERFLOW, INVALID_DATETIME."""
    distinct = strings(cells).dictionary_encode()
    values = np.zeros(len(distinct.dictionary) + 1, np.int64)
    codes = pc.fill_null(distinct.indices, len(distinct.dictionary)).to_numpy()
    for code, text in enumerate(distinct.dictionary.to_pylist()):
        micros = from_text(text)
        if micros is None or abs(micros) > MOST:
            wrong = micros is None
            kind = ErrorKind.INVALID_DATETIME if wrong else ErrorKind.DATETIME_OVERFLOW
            error = cells.fail(int(np.argmax(codes == code)), kind, "Incorrect time value: {}")
            error.hint = "a TIME is between -838:59:59 and 838:59:59"
            raise error
        values[code] = micros
    return array_of(cells, SPAN.arrow, _parts(values[codes]).view(np.uint8))


def of_micros(micros: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Spans of so many microseconds; NULL stays NULL."""
    if isinstance(micros, pa.ChunkedArray):
        micros = micros.combine_chunks()
    whole = np.asarray(pc.fill_null(micros, 0), np.int64)
    valid = pa.array(np.asarray(micros.is_valid())).buffers()[1] if micros.null_count else None
    return pa.Array.from_buffers(SPAN.arrow, len(micros), [valid, pa.py_buffer(_parts(whole))])


def micros_of(spans: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Microseconds of intervals; NULL for NULL and for what has months."""
    if isinstance(spans, pa.ChunkedArray):
        spans = spans.combine_chunks()
    if not len(spans):
        return pa.array([], pa.int64())
    parts = np.frombuffer(spans.buffers()[1], _PARTS, len(spans), spans.offset * _PARTS.itemsize)
    micros = pa.array(parts["days"] * np.int64(DAY) + parts["nanos"] // 1000)
    holds = pc.and_(spans.is_valid(), pa.array(parts["months"] == 0))
    return pc.if_else(holds, micros, None)


def fitted(spans: pa.Array | pa.ChunkedArray, digits: int, name: str) -> pa.Array:
    """Spans of a column of that name with so many digits of a second, halves away from zero.

    Raises: DbError OUT_OF_RANGE.
    """
    micros = micros_of(spans)
    if micros.null_count > spans.null_count:
        raise out_of_range(name)
    unit = 10 ** (6 - digits)
    if unit > 1:
        up = pc.divide(pc.add(pc.abs(micros), unit // 2), unit)
        micros = pc.multiply(pc.multiply(up, unit), pc.sign(micros))
    most = pc.max(pc.abs(micros)).as_py()
    if most is not None and most > MOST:
        raise out_of_range(name)
    return of_micros(micros)


def texts(spans: pa.Array, digits: int) -> pa.Array:
    """`[-]HH:MM:SS[.ffffff]` with so many digits of a second."""
    micros = micros_of(spans)
    size = pc.abs(micros)
    seconds = pc.divide(size, 1_000_000)
    minutes = pc.divide(seconds, 60)
    hours = pc.divide(minutes, 60)
    sign = pc.if_else(pc.less(micros, 0), "-", "")
    parts = [pc.binary_join_element_wise(sign, _digits(hours, 2), "")]
    parts += [_digits(pc.subtract(minutes, pc.multiply(hours, 60)), 2)]
    parts += [_digits(pc.subtract(seconds, pc.multiply(minutes, 60)), 2)]
    shown = pc.binary_join_element_wise(*parts, ":")
    if not digits:
        return shown
    rest = pc.subtract(size, pc.multiply(seconds, 1_000_000))
    fraction = _digits(pc.divide(rest, 10 ** (6 - digits)), digits)
    return pc.binary_join_element_wise(shown, fraction, ".")


def out_of_range(name: str) -> DbError:
    """The error for a value that a column cannot hold."""
    return DbError(
        ErrorKind.OUT_OF_RANGE,
        f"Out of range value for column '{name}'",
        hint="a TIME is between -838:59:59 and 838:59:59",
    )


def _digits(numbers: pa.Array, width: int) -> pa.Array:
    return pc.utf8_lpad(numbers.cast(pa.string()), width=width, padding="0")


def _parts(micros: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    parts = np.zeros(len(micros), _PARTS)
    parts["nanos"] = micros * 1_000
    return parts
