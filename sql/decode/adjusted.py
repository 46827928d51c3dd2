"""Values that a column cannot take as they are, made to fit: MySQL's INSERT IGNORE, no strict mode.

Called by sql/statements/insert.py and by LOAD DATA. Numbers beyond a type's range become its
nearest end, text becomes the number it begins with, long text is cut, a TIME is its nearest end or
zero; each such value is told by a warning. There is no day of zeros to store, so what is no date
stays an error.
Source: MySQL 8.4 reference, "The Effect of IGNORE on Statement Execution", "Strict SQL Mode".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.records import Column
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql.decode import spans
from sql.decode.assign import assign
from sql.decode.lengths import fitted, length_max
from sql.decode.members import members_of, nearest
from sql.results import Notice, Severity

WARNINGS_MAX = 1024  # as MySQL's max_error_count
_OF_VALUES = frozenset(
    {ErrorKind.INVALID_TEXT, ErrorKind.OUT_OF_RANGE, ErrorKind.TEXT_TOO_LONG}
    | {ErrorKind.INVALID_DATETIME, ErrorKind.DATETIME_OVERFLOW}
)
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)")
_TRUNCATED, _RANGE, _WRONG = 1265, 1264, 1366
_Told = dict[int, tuple[int, str]]  # of which value: the warning's number and words


class Adjuster:
    """Fits the columns of one statement; `warnings` says what it did."""

    def __init__(self, timezone: str) -> None:
        self._timezone = timezone
        self.warnings: list[Notice] = []

    def table(self, found: pa.Table, columns: Sequence[Column]) -> pa.Table:
        """The first columns of an answer as values of a table's columns. Raises: DbError."""
        arrays = [
            self.cut(self.values(found.column(at), column), column)
            for at, column in enumerate(columns)
        ]
        return pa.table(arrays, names=[column.name for column in columns])

    def values(
        self, values: pa.ChunkedArray | pa.Array, column: Column, before: int = 0
    ) -> pa.Array:
        """Of the column's type, of any length; `before`: how many rows came earlier.

        Raises: DbError for what nothing can be made of.
        """
        try:
            return assign(values, column, self._timezone)
        except DbError as error:
            if error.kind not in _OF_VALUES:
                raise
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        codes = pa.array(np.arange(len(values)))
        if pa.types.is_string(values.type):  # each text is looked at once
            encoded = values.dictionary_encode()
            values, codes = encoded.dictionary, encoded.indices
        told: _Told = {}
        made = pa.chunked_array(self._parts(values, 0, column, told), column.type.arrow)
        adjusted = pc.is_in(codes, pa.array(list(told), codes.type))
        rows = np.flatnonzero(adjusted.to_numpy(zero_copy_only=False))
        for row in rows[: WARNINGS_MAX - len(self.warnings)]:
            self._warn(column, before + int(row), *told[codes[int(row)].as_py()])
        return pa.concat_arrays(made.chunks).take(codes)

    def _parts(self, values: pa.Array, first: int, column: Column, told: _Told) -> list[pa.Array]:
        """The values as arrays of the column's type, halved until what is wrong stands alone."""
        try:
            return [assign(values, column, self._timezone)]
        except DbError as error:
            if error.kind not in _OF_VALUES:
                raise
            if len(values) == 1:
                return [self._nearest(values[0].as_py(), first, column, error, told)]
        middle = len(values) // 2
        low = self._parts(values.slice(0, middle), first, column, told)
        return low + self._parts(values.slice(middle), first + middle, column, told)

    def _nearest(
        self, value: Any, place: int, column: Column, error: DbError, told: _Told
    ) -> pa.Array:
        """What the column takes in place of the value. Raises: DbError where there is nothing."""
        if column.type.is_span:
            micros = spans.from_text(str(value))
            told[place] = (_TRUNCATED if micros is None else _RANGE, "")
            kept = max(-spans.MOST, min(spans.MOST, micros or 0))
            return spans.of_micros(pa.array([kept], pa.int64()))
        if not column.type.is_numeric:
            raise error
        number, errno = _number_of(value)
        whole = column.type.is_integer
        low, high = _ends(column)
        clipped = max(low, min(high, number))
        if clipped != number:
            errno = _RANGE
        if errno:
            told[place] = (errno, _wrong(value, whole=whole) if errno == _WRONG else "")
        exact = int(clipped.to_integral_value(ROUND_HALF_UP)) if whole else clipped
        return assign(pa.array([exact]), column, self._timezone)

    def cut(self, values: pa.Array, column: Column) -> pa.Array:
        """Texts no longer than the column has room for; spaces go without a word."""
        limit = length_max(column)
        if limit is None:
            return self._known_words(values, column)
        words = pc.utf8_length(pc.utf8_rtrim(values, characters=" "))
        long = pc.fill_null(pc.greater(words, limit), False)
        for row in np.flatnonzero(long.to_numpy(zero_copy_only=False)):
            self._warn(column, int(row), _TRUNCATED)
        return fitted(column, pc.if_else(long, pc.utf8_slice_codeunits(values, 0, limit), values))

    def _known_words(self, values: pa.Array, column: Column) -> pa.Array:
        """Of an ENUM or a SET without the words that are none of its own."""
        members = members_of(column)
        if members is None:
            return values
        kept, rows = nearest(members, values)
        for row in rows:
            self._warn(column, row, _TRUNCATED)
        return kept

    def _warn(self, column: Column, row: int, errno: int, wrong: str = "") -> None:
        if len(self.warnings) >= WARNINGS_MAX:
            return
        said = wrong or ("Out of range value" if errno == _RANGE else "Data truncated")
        message = f"{said} for column '{column.name}' at row {row + 1}"
        self.warnings.append(Notice(message, Severity.WARNING, "01000", errno))


def _wrong(value: Any, *, whole: bool) -> str:
    return f"Incorrect {'integer' if whole else 'decimal'} value: '{value}'"


def _number_of(value: Any) -> tuple[Decimal, int]:
    """The number a value is or begins with; the warning's number, 0 if that is the whole text."""
    if not isinstance(value, str):
        return Decimal(str(value)), 0
    found = _NUMBER.match(value)
    if found is None:
        return Decimal(0), _WRONG
    return Decimal(found[1]), 0 if found.end() == len(value.rstrip()) else _TRUNCATED


def _ends(column: Column) -> tuple[Decimal, Decimal]:
    """The least and the greatest value of a numeric column."""
    arrow = column.type.arrow
    if pa.types.is_decimal(arrow):
        most = Decimal((0, (9,) * arrow.precision, -arrow.scale))
        return -most, most
    if column.type.is_integer:
        limits = np.iinfo(arrow.to_pandas_dtype())
        return Decimal(int(limits.min)), Decimal(int(limits.max))
    single = column.type.id is TypeId.FLOAT32
    end = Decimal(float(np.finfo(np.float32 if single else np.float64).max))
    return -end, end
