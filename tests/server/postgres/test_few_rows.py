"""Small results: the same bytes as large ones have."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
import pytest

from engine import datatypes as dt
from engine.datatypes import DataType
from server.postgres import few
from server.postgres.rows import Piece, encode_batch, style_for
from sql.results import ResultColumn
from sql.session import Output

STYLES = [
    Output("UTC", "UTF8", "ISO, MDY", "postgres", "hex"),
    Output("Europe/Berlin", "UTF8", "ISO, MDY", "postgres", "hex"),
    Output("UTC", "LATIN1", "German, DMY", "postgres", "escape"),
]
FLOATS = [0.0, -0.0, 1.0, 0.1, 1e15, 1e14, 123456789012345.0, 1e-4, 9.9e-5, 1e300, math.nan, -2.5]
FLOATS += [math.inf, -math.inf, 5e-324]
INFINITE = 2**63 - 1
MOMENTS = [0, -1, 1_704_067_200_000_000, 1_704_067_200_120_000, INFINITE, -INFINITE]
MOMENTS += [10**17, -(10**17)]
SECONDS = [0, -1, 1_704_067_200, -62_135_596_800, 253_402_300_799, 253_402_300_800, INFINITE]
VALUES: dict[DataType, list[object]] = {
    dt.BOOLEAN: [True, False],
    dt.INT8: [-128, 127],
    dt.INT16: [-32768, 7],
    dt.INT32: [-(2**31), 0, 2**31 - 1],
    dt.INT64: [-(2**63), 0, 2**63 - 1],
    dt.UINT16: [65535, 1],
    dt.UINT64: [2**64 - 1],
    dt.FLOAT64: list(FLOATS),
    dt.FLOAT32: [0.1, 1e10, -3.5],
    dt.STRING: ["", "a", "ä'\\", "x" * 300],
    dt.DATE: [0, -719_162, 19_723],
    dt.TIMESTAMP_SECOND: list(SECONDS),
    dt.TIMESTAMP_MILLISECOND: [1_704_067_200_123, INFINITE, 10**17],
    dt.TIMESTAMP_MICROSECOND: list(MOMENTS),
    dt.TIMESTAMP_NANOSECOND: [1_704_067_200_123_456_789],
}


def column(data_type: DataType, values: list[object]) -> pa.Array:
    if data_type.is_timestamp:
        return pa.array(values, pa.int64()).cast(data_type.arrow)
    if data_type is dt.DATE:
        return pa.array(values, pa.int32()).cast(data_type.arrow)
    return pa.array(values, data_type.arrow)


def batches(chance: random.Random) -> tuple[tuple[ResultColumn, ...], pa.RecordBatch]:
    """One or two columns of one to a hundred rows, out of a larger batch."""
    rows = chance.choice([1, 1, 2, 5, 100])
    made = {}
    for number in range(chance.choice([1, 2, 3])):
        data_type = chance.choice(list(VALUES))
        nulls: list[object] = [None] if chance.random() < 0.3 else []
        values = [chance.choice(VALUES[data_type] + nulls) for _ in range(rows + 3)]
        made[f"c{number}"] = data_type, column(data_type, values)
    whole = pa.RecordBatch.from_arrays([array for _, array in made.values()], list(made))
    columns = tuple(ResultColumn(name, data_type) for name, (data_type, _) in made.items())
    return columns, whole.slice(2, rows)


@pytest.mark.parametrize("seed", range(400))
def test_the_bytes_are_those_of_kernels(seed: int) -> None:
    chance = random.Random(seed)
    columns, batch = batches(chance)
    style = style_for(chance.choice(STYLES))
    codes = tuple(chance.choice([0, 1]) for _ in columns)

    def outcome(encode: Callable[[], Iterable[Piece]]) -> object:
        try:
            return b"".join(map(bytes, encode()))
        except Exception as error:  # noqa: BLE001 - what fails has to fail alike
            return type(error), str(error)

    few_rows = outcome(lambda: few.encoder_of(columns, codes, style).messages(batch))
    assert few_rows == outcome(lambda: encode_batch(batch, columns, codes, style))


@pytest.mark.parametrize("codes", [(1, 1, 1), (0, 0, 0), (1, 0, 1)])
def test_a_hundred_rows_of_numbers_are_written_at_once(
    monkeypatch: pytest.MonkeyPatch, codes: tuple[int, ...]
) -> None:
    def refused(*_: object) -> object:
        raise AssertionError("columns were encoded one by one")

    types = dt.TIMESTAMP_MICROSECOND, dt.FLOAT64, dt.INT16
    columns = tuple(ResultColumn(str(number), type_) for number, type_ in enumerate(types))
    values: list[object] = [None if n % 7 == 0 else n - 50 for n in range(100)]
    batch = pa.record_batch(
        {
            "t": pa.array(np.arange(100) * 1_000_333, pa.timestamp("us")),
            "v": np.arange(100) / 7,
            "n": pa.array(values, pa.int16()),
        }
    )
    expected = b"".join(encode_batch(batch, columns, codes, style_for(STYLES[0])))
    monkeypatch.setattr(few, "encode_batch", refused)
    found = few.encoder_of(columns, codes, style_for(STYLES[0])).messages(batch)
    assert b"".join(map(bytes, found)) == expected


@pytest.mark.parametrize("seed", range(400, 450))
def test_the_bytes_do_not_depend_on_kernels_being_ready(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns, batch = batches(random.Random(seed))
    style, codes = style_for(STYLES[0]), (0,) * len(columns)
    expected = b"".join(map(bytes, few.encoded(batch, columns, codes, style)))
    monkeypatch.setattr("engine.jit.is_pending", lambda kernel: True)
    assert b"".join(map(bytes, few.encoded(batch, columns, codes, style))) == expected
    if all(column.type in (dt.INT64, dt.STRING) for column in columns):
        monkeypatch.setattr(few, "encode_batch", None)
        assert b"".join(map(bytes, few.encoded(batch, columns, codes, style))) == expected
