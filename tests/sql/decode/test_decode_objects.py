"""Text to columns: JSON, UUIDs, intervals and arrays, by PostgreSQL's input rules."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import datatypes as dt
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.decode.text import column_from_text


def column(texts: list[str | None], type_: DataType, timezone: str = "UTC") -> pa.Array:
    result = column_from_text(pa.array(texts, pa.string()), type_, timezone, column="c")
    result.validate(full=True)
    assert result.type == type_.arrow
    return result


def values(texts: list[str | None], type_: DataType, timezone: str = "UTC") -> list[object]:
    return column(texts, type_, timezone).to_pylist()


def refused(text: str, type_: DataType, timezone: str = "UTC") -> DbError:
    """The error for a bad text in row 3."""
    good = None
    with pytest.raises(DbError) as caught:
        column([good, good, text], type_, timezone)
    return caught.value


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)  # fmt: skip


def is_json(text: str) -> bool:
    """What Python's own reader thinks, without its extensions."""

    def no_constant(name: str) -> None:
        raise ValueError(name)

    try:
        json.loads(text, parse_constant=no_constant)
    except ValueError:
        return False
    return True


@given(JSON_VALUES, st.booleans(), st.data())
@settings(max_examples=300, deadline=None)
def test_json_is_checked_and_kept_as_it_is(
    value: object, ascii_only: bool, data: st.DataObject
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=data.draw(st.sampled_from([None, 1])))
    assert values([text, None], dt.JSON) == [text, None]
    at = data.draw(st.integers(0, len(text)))
    broken = text[:at] + data.draw(st.sampled_from(["", *'{}[],:"\\0e.-t \n'])) + text[at + 1 :]
    if is_json(broken):
        assert values([broken], dt.JSON) == [broken]
    else:
        assert refused(broken, dt.JSON).kind is ErrorKind.INVALID_TEXT


def test_json_may_be_deep_but_not_bottomless() -> None:
    assert column(["[" * 1000 + "]" * 1000], dt.JSON).null_count == 0
    assert refused("[" * 100_000, dt.JSON).kind is ErrorKind.INVALID_TEXT


@given(st.uuids())
@settings(deadline=None)
def test_uuids_become_canonical(value: object) -> None:
    text = str(value)
    bare = text.replace("-", "")
    texts = [
        text.upper(),
        bare,
        "{" + text + "}",
        "-".join(bare[i : i + 4] for i in range(0, 32, 4)),
    ]
    assert values([*texts, None], dt.UUID) == [text] * 4 + [None]


@pytest.mark.parametrize("text", ["", "a0", "g" * 32, "0" * 33, "-" + "0" * 32, "0" * 32 + "-"])
def test_what_is_no_uuid_is_refused(text: str) -> None:
    assert refused(text, dt.UUID).kind is ErrorKind.INVALID_TEXT


HOUR = 3_600_000_000_000


@pytest.mark.parametrize(
    ("text", "months", "days", "nanos"),
    [
        ("1 year 2 mons 3 days 04:05:06", 14, 3, 4 * HOUR + 306_000_000_000),
        ("3y2mon4h", 38, 0, 4 * HOUR),
        ("-1h5m", 0, 0, -HOUR + HOUR // 12),
        ("P1Y2M3DT4H5M6.5S", 14, 3, 4 * HOUR + 306_500_000_000),
        ("P1W", 0, 7, 0),
        ("1-2", 14, 0, 0),
        ("-1-2", -14, 0, 0),
        ("3 4:05:06", 0, 3, 4 * HOUR + 306_000_000_000),
        ("-00:00:01.5", 0, 0, -1_500_000_000),
        ("5", 0, 0, 5_000_000_000),
        ("1.5 days", 0, 1, 12 * HOUR),
        ("1.5 months", 1, 15, 0),
        ("0.5 year", 6, 0, 0),
        ("1 week", 0, 7, 0),
        ("@ 2 days ago", 0, -2, 0),
        ("1 millennium 1 century 1 decade", 13_320, 0, 0),
        ("7 ms 8 us 9 ns", 0, 0, 7_008_009),
    ],
)
def test_intervals(text: str, months: int, days: int, nanos: int) -> None:
    assert values([None, text], dt.INTERVAL) == [None, (months, days, nanos)]


def test_bad_intervals() -> None:
    for text in ("", "x", "1 foo", "P", "1 2 days", "ago", "1:2:3:4", "01:99:00"):
        assert refused(text, dt.INTERVAL).kind is ErrorKind.INVALID_DATETIME
    error = refused("999999999999 years", dt.INTERVAL)
    assert error.kind is ErrorKind.DATETIME_OVERFLOW
    assert error.detail == 'column "c", row 3'


def array_text(items: object) -> str:
    if items is None:
        return "NULL"
    if isinstance(items, list):
        return "{" + ",".join(array_text(item) for item in items) + "}"
    text = str(items).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


@given(st.lists(st.none() | st.lists(st.none() | st.text())))
@settings(deadline=None)
def test_arrays_of_text_come_back(rows: list[list[str | None] | None]) -> None:
    texts = [None if row is None else array_text(row) for row in rows]
    assert values(texts, dt.list_of(dt.STRING)) == rows


def test_arrays_may_be_nested_spaced_and_have_bounds() -> None:
    integers = dt.list_of(dt.INT32)
    assert values([" { 1 , 2 } ", "{}", "{null}", "[0:1]={7,8}"], integers) == [
        [1, 2],
        [],
        [None],
        [7, 8],
    ]
    assert values(["{{1,2},{3}}", None], dt.list_of(integers)) == [[[1, 2], [3]], None]
    assert values([r"{a b,\{,NULLS}"], dt.list_of(dt.STRING)) == [["a b", "{", "NULLS"]]


@pytest.mark.parametrize("text", ["", "1", "{1", "{1}}", "{1,}", "{,}", '{"1}', "{{1}}", "{1}x"])
def test_malformed_arrays_are_refused(text: str) -> None:
    error = refused(text, dt.list_of(dt.INT32))
    assert error.kind is ErrorKind.INVALID_TEXT
    assert error.detail == 'column "c", row 3'


def test_a_bad_element_names_the_row_of_its_array() -> None:
    error = refused("{1,2,x}", dt.list_of(dt.INT32))
    assert error.message == 'invalid input syntax for type integer: "x"'
    assert error.detail == 'column "c", row 3'


def test_a_type_without_text_form_is_unsupported() -> None:
    struct = DataType(dt.TypeId.STRUCT, arrow_nested=pa.struct([("a", pa.int32())]))
    assert refused("(1)", struct).kind is ErrorKind.UNSUPPORTED


def test_a_long_value_is_cut_in_the_message() -> None:
    assert len(refused("x" * 100_000, dt.INT32).message) < 300
