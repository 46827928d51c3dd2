"""Intervals as a region keeps them: DuckDB reads back what was written, to the microsecond."""

import duckdb
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from catalog.intervals import interval_texts, stored_rows, stored_type, stored_value
from engine.datatypes import INT64, INTERVAL, STRING

_INTERVALS = st.none() | st.builds(
    lambda months, days, micros: pa.MonthDayNano([months, days, micros * 1_000]),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-9_223_372_036_854_775, 9_223_372_036_854_775),
)


@given(st.lists(_INTERVALS, max_size=20), st.integers(0, 3))
def test_duckdb_reads_back_what_a_region_keeps(values: list[object], skipped: int) -> None:
    array = pa.array(values, INTERVAL.arrow)[skipped:]
    texts = interval_texts(array)
    with duckdb.connect() as connection:
        rows = pa.table({"t": texts})
        connection.register("kept", rows)
        back = connection.sql("SELECT CAST(t AS INTERVAL) AS i FROM kept").to_arrow_table()
    assert back.column("i").to_pylist() == array.to_pylist()


def test_only_intervals_are_kept_as_something_else() -> None:
    assert stored_type(INTERVAL) == STRING
    assert stored_type(INT64) == INT64
    value = pa.scalar(pa.MonthDayNano([1, 2, 1_999]))
    assert stored_value(value).as_py() == "1 months 2 days 1 microseconds"
    assert stored_value(pa.scalar(5)).as_py() == 5
    rows = pa.table({"a": [1], "i": pa.array([None], INTERVAL.arrow)})
    assert stored_rows(rows).schema.types == [pa.int64(), pa.string()]
