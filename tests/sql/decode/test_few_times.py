"""Timestamps that are read without a kernel are those that the kernel reads."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sql.decode.cells import from_strings
from sql.decode.few_times import read_few
from sql.decode.time_kernels import parse_timestamps

UNITS = st.sampled_from([1, 1_000, 1_000_000, 1_000_000_000])
NUMBERS = st.integers(0, 99).map("{:02}".format)
USUAL = st.builds(
    "{:04}-{}-{}{}{}:{}:{}{}".format,
    st.integers(0, 9999),
    NUMBERS,
    NUMBERS,
    st.sampled_from(" T"),
    NUMBERS,
    NUMBERS,
    NUMBERS,
    st.just("") | st.integers(0, 10**9 - 1).map(".{}".format),
)
SENSIBLE = st.datetimes().map(str)


@given(texts=st.lists(st.none() | USUAL | SENSIBLE | st.text(max_size=12)), unit=UNITS)
def test_texts_are_read_alike_or_left_to_the_kernel(texts: list[str | None], unit: int) -> None:
    cells = from_strings(pa.array(texts, pa.string()), str)
    out, status = np.empty(len(texts), np.int64), np.empty(len(texts), np.uint8)
    together = read_few(cells, unit, out, status)
    if together is None:
        return
    expected, codes = np.empty_like(out), np.empty_like(status)
    assert parse_timestamps(*cells.slices, unit, expected, codes) == together
    assert out.tolist() == expected.tolist()
    assert status.tolist() == codes.tolist()


def test_the_usual_form_is_read() -> None:
    cells = from_strings(pa.array(["2024-05-01 10:00:20", None, "1969-12-31T23:59:59.9995"]), str)
    out, status = np.empty(3, np.int64), np.empty(3, np.uint8)
    assert read_few(cells, 1_000, out, status) is not None
    assert out.tolist() == [1_714_557_620_000, 0, 0]
