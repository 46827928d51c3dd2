"""How time-series tables keep intervals: as text, since Parquet has no type for them.

Types that are text with a name of their own are kept as plain text.

Used by catalog/records.py for the schema of a region, by sql/partition/route.py for rows on their
way into one; scans cast the text back. The text is `<months> months <days> days <micros>
microseconds`, which DuckDB reads without loss.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import INTERVAL, STRING, DataType, TypeId, list_of

_WIDTH = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])


def stored_type(data_type: DataType) -> DataType:
    """The type of a column in its region."""
    if data_type.element is not None:
        return list_of(stored_type(data_type.element))
    return STRING if data_type.id is TypeId.INTERVAL or data_type.named else data_type


def stored_rows(rows: pa.Table) -> pa.Table:
    """The rows with intervals as a region keeps them."""
    for place, field in enumerate(rows.schema):
        if field.type == INTERVAL.arrow:
            texts = [interval_texts(chunk) for chunk in rows.column(place).chunks]
            column = pa.chunked_array(texts, pa.string())
            rows = rows.set_column(place, field.with_type(pa.string()), column)
    return rows


def stored_value(value: pa.Scalar | None) -> pa.Scalar | None:
    """A value that fills a column, as its region keeps it."""
    if value is None or value.type != INTERVAL.arrow:
        return value
    return interval_texts(pa.array([value.as_py()], INTERVAL.arrow))[0]


def interval_texts(array: pa.Array) -> pa.Array:
    """Intervals as text, cut off to microseconds.

    >>> interval_texts(pa.array([pa.MonthDayNano([1, -2, 3_000])])).to_pylist()
    ['1 months -2 days 3 microseconds']
    """
    if len(array) == 0:
        return pa.array([], pa.string())
    parts = np.frombuffer(array.buffers()[1], _WIDTH)[array.offset : array.offset + len(array)]
    micros = np.sign(parts["nanos"]) * (np.abs(parts["nanos"]) // 1_000)
    pieces = (
        *(_text(parts["months"]), " months ", _text(parts["days"]), " days "),
        *(_text(micros), " microseconds"),
    )
    texts = pc.binary_join_element_wise(*pieces, "")
    return pc.if_else(array.is_valid(), texts, pa.scalar(None, pa.string()))


def _text(numbers: npt.NDArray[np.int64] | npt.NDArray[np.int32]) -> pa.Array:
    return pa.array(np.ascontiguousarray(numbers)).cast(pa.string())
