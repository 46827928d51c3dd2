"""Text to integers, floats, decimals and booleans."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from sql.decode.cells import Cells, array_of, strings
from sql.decode.float_kernels import parse_floats
from sql.decode.jit import Int64s
from sql.decode.kernels import DECIMAL, NULL
from sql.decode.number_kernels import (
    RANGE,
    parse_booleans,
    parse_decimals,
    parse_integers,
)

# Bits and signedness of each integer type, and the name in messages.
_INTEGERS = {
    TypeId.INT8: (8, True, "tinyint"),
    TypeId.INT16: (16, True, "smallint"),
    TypeId.INT32: (32, True, "integer"),
    TypeId.INT64: (64, True, "bigint"),
    TypeId.UINT8: (8, False, "tinyint unsigned"),
    TypeId.UINT16: (16, False, "smallint unsigned"),
    TypeId.UINT32: (32, False, "integer unsigned"),
    TypeId.UINT64: (64, False, "bigint unsigned"),
}
_FLOATS = {TypeId.FLOAT32: "real", TypeId.FLOAT64: "double precision"}
_FLOAT_TEXT = re.compile(
    r"\s*[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)\s*", re.I | re.A
)
_NO_NUMBER = frozenset({"nan", "inf", "infinity"})
_WORDS = (1 << 64) - 1


def integers(cells: Cells, type_: DataType, timezone: str) -> Any:
    """Integers, checked for range. Unquoted decimals are rounded half away from zero."""
    bits, signed, name = _INTEGERS[type_.id]
    lowest, highest = (1 << (bits - 1), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    out = np.empty(cells.size, np.uint64)
    decimals_too = cells.has(DECIMAL)
    problem = parse_integers(*cells.slices, _word(lowest), _word(highest), int(decimals_too), out)
    if problem >= 0:
        raise _bad(cells, problem, name)
    if decimals_too:
        rounded = np.flatnonzero(cells.row_kinds() == DECIMAL)
        out[rounded] = _rounded(cells, rounded, lowest, highest, name)
    values = out.view(np.int64) if signed else out
    return array_of(cells, type_.arrow, values.astype(type_.arrow.to_pandas_dtype(), copy=False))


def _rounded(cells: Cells, rows: Int64s, lowest: int, highest: int, name: str) -> Any:
    """Decimals as integers: the low words of their two's complement."""
    some = cells.take(rows)
    words = np.empty(2 * some.size, np.uint64)
    limit = 10**38
    problem = parse_decimals(*some.slices, 0, *_words(limit), words)
    if problem >= 0:
        raise _bad(some, problem, name)
    low, high = words[0::2], words[1::2].view(np.int64)
    magnitude = np.where(high < 0, np.uint64(0) - low, low)
    carried = np.where(high < 0, (high != -1) | (low == 0), high != 0)
    bounds = np.where(high < 0, np.uint64(lowest), np.uint64(highest))
    outside = np.flatnonzero(carried | (magnitude > bounds))
    if len(outside):
        raise _bad(some, int(outside[0]) * 4 + RANGE, name)
    return low


def _word(number: int) -> Any:
    return np.uint64(number)


def _words(number: int) -> tuple[Any, Any]:
    return _word(number & _WORDS), _word(number >> 64)


def decimals(cells: Cells, type_: DataType, timezone: str) -> Any:
    """Decimals, rounded half away from zero to the column's scale."""
    words = np.empty(2 * cells.size, np.uint64)
    limit = _words(10**type_.precision)
    problem = parse_decimals(*cells.slices, type_.scale, *limit, words)
    if problem >= 0:
        raise _bad(cells, problem, f"numeric({type_.precision}, {type_.scale})")
    return array_of(cells, type_.arrow, words)


def _bad(cells: Cells, problem: int, name: str) -> DbError:
    row, code = divmod(problem, 4)
    no_number = cells.text(row).strip().lower().lstrip("+-") in _NO_NUMBER
    if code == RANGE or (no_number and name.startswith("numeric")):
        return cells.fail(
            row, ErrorKind.OUT_OF_RANGE, f"value {{}} is out of range for type {name}"
        )
    message = f"invalid input syntax for type {name}: {{}}"
    return cells.fail(row, ErrorKind.INVALID_TEXT, message)


def floats(cells: Cells, type_: DataType, timezone: str) -> Any:
    """Floats, correctly rounded; NaN and infinities by name."""
    if type_.id is TypeId.FLOAT32:  # not by way of a float64: that would round twice
        rows = np.flatnonzero(cells.row_kinds() != NULL)
        out = np.zeros(cells.size, np.float32)
        out[rows] = _exact_floats(cells.take(rows), type_)
        return array_of(cells, type_.arrow, out)
    bits = np.empty(cells.size, np.uint64)
    status = np.empty(cells.size, np.uint8)
    others = parse_floats(*cells.slices, bits, status)
    values = bits.view(np.float64)
    if others:
        rows = np.flatnonzero(status)
        values[rows] = _exact_floats(cells.take(rows), type_)
    return array_of(cells, type_.arrow, values)


def _exact_floats(cells: Cells, type_: DataType) -> Any:
    """Floats of any spelling. Requires: no NULL."""
    texts = strings(cells)
    try:
        values = np.asarray(texts.cast(type_.arrow))
    except pa.ArrowInvalid:
        values = np.asarray(_trimmed(cells, texts, type_).cast(type_.arrow))
    for row in np.flatnonzero(~np.isfinite(values) | (values == 0)):
        _check_extreme(cells, int(row), float(values[row]), _FLOATS[type_.id])
    return values


def _trimmed(cells: Cells, texts: Any, type_: DataType) -> Any:
    """Texts without white space. Raises: DbError INVALID_TEXT for the first that is no float."""
    for row, text in enumerate(texts.to_pylist()):
        if _FLOAT_TEXT.fullmatch(text) is None:
            message = f"invalid input syntax for type {_FLOATS[type_.id]}: {{}}"
            raise cells.fail(row, ErrorKind.INVALID_TEXT, message)
    return pc.utf8_trim_whitespace(texts)


def _check_extreme(cells: Cells, row: int, value: float, name: str) -> None:
    """Raises OUT_OF_RANGE when digits became infinity or zero, INVALID_TEXT for `nan(1)`."""
    text = cells.text(row).lower()
    if "(" in text:
        message = f"invalid input syntax for type {name}: {{}}"
        raise cells.fail(row, ErrorKind.INVALID_TEXT, message)
    if math.isnan(value):
        return
    mantissa = text.partition("e")[0]
    lost = "i" not in text if math.isinf(value) else any(c in "123456789" for c in mantissa)
    if lost:
        raise cells.fail(row, ErrorKind.OUT_OF_RANGE, f"{{}} is out of range for type {name}")


def booleans(cells: Cells, type_: DataType, timezone: str) -> Any:
    """Booleans: true, false and their usual words, 1 and 0."""
    out = np.empty(cells.size, np.uint8)
    problem = parse_booleans(*cells.slices, out)
    if problem >= 0:
        raise _bad(cells, problem, "boolean")
    return array_of(cells, type_.arrow, np.packbits(out, bitorder="little"))


CONVERTERS = {
    **dict.fromkeys(_INTEGERS, integers),
    **dict.fromkeys(_FLOATS, floats),
    TypeId.DECIMAL: decimals,
    TypeId.BOOLEAN: booleans,
}
