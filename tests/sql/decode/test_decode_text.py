"""Text to columns: PostgreSQL's input rules, checked against Python's own readers."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import datatypes as dt
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.decode.text import column_from_text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMESTAMPS = [
    dt.TIMESTAMP_SECOND,
    dt.TIMESTAMP_MILLISECOND,
    dt.TIMESTAMP_MICROSECOND,
    dt.TIMESTAMP_NANOSECOND,
]


def column(texts: list[str | None], type_: DataType, timezone: str = "UTC") -> pa.Array:
    result = column_from_text(pa.array(texts, pa.string()), type_, timezone, column="c")
    result.validate(full=True)
    assert result.type == type_.arrow
    return result


def values(texts: list[str | None], type_: DataType, timezone: str = "UTC") -> list[object]:
    return column(texts, type_, timezone).to_pylist()


def epochs(texts: list[str | None], type_: DataType, timezone: str = "UTC") -> list[int | None]:
    return column(texts, type_, timezone).cast(pa.int64()).to_pylist()


def refused(text: str, type_: DataType, timezone: str = "UTC") -> DbError:
    """The error for a bad text in row 3."""
    good = None
    with pytest.raises(DbError) as caught:
        column([good, good, text], type_, timezone)
    return caught.value


INTEGERS = {
    dt.INT8: (-128, 127),
    dt.INT16: (-32768, 32767),
    dt.INT32: (-(2**31), 2**31 - 1),
    dt.INT64: (-(2**63), 2**63 - 1),
    dt.UINT8: (0, 255),
    dt.UINT16: (0, 65535),
    dt.UINT32: (0, 2**32 - 1),
    dt.UINT64: (0, 2**64 - 1),
}


@pytest.mark.parametrize("type_", INTEGERS, ids=lambda type_: type_.name)
def test_an_integer_is_read_up_to_the_bounds_of_its_type(type_: DataType) -> None:
    low, high = INTEGERS[type_]
    assert values([str(low), None, str(high), " +7 "], type_) == [low, None, high, 7]
    for text in (str(low - 1), str(high + 1), "9" * 40, "-" + "9" * 40):
        assert refused(text, type_).kind is ErrorKind.OUT_OF_RANGE


def test_an_integer_may_be_spelled_in_other_radixes_and_with_underscores() -> None:
    assert values(["0xFf", "0o17", "0b101", "1_000", "-0x10"], dt.INT64) == [255, 15, 5, 1000, -16]


@pytest.mark.parametrize("text", ["", " ", "abc", "1.5", "1e3", "--1", "1__0", "_1", "0x", "1 2"])
def test_what_is_no_integer_names_value_type_column_and_row(text: str) -> None:
    error = refused(text, dt.INT32)
    assert error.kind is ErrorKind.INVALID_TEXT
    assert error.message == f'invalid input syntax for type integer: "{text}"'
    assert error.detail == 'column "c", row 3'


def test_a_sliced_array_is_read_from_its_own_rows() -> None:
    texts = pa.array(["x", "1", None, "3", "y"])[1:4]
    assert column_from_text(texts, dt.INT32, "UTC", column="c").to_pylist() == [1, None, 3]


@pytest.mark.parametrize(
    "type_", [dt.INT64, dt.STRING, dt.decimal(5, 2), dt.BOOLEAN, dt.UUID, dt.DATE, dt.INTERVAL]
)
def test_no_rows_give_an_empty_column(type_: DataType) -> None:
    assert values([], type_) == []


@given(st.lists(st.floats() | st.none()))
@settings(deadline=None)
def test_floats_come_back_from_their_shortest_text(numbers: list[float | None]) -> None:
    texts = [None if number is None else repr(number) for number in numbers]
    result = column(texts, dt.FLOAT64)
    assert np.array_equal(
        np.array(result.to_pylist(), float), np.array(numbers, float), equal_nan=True
    )


@given(st.from_regex(r"[+-]?(\d{1,25}(\.\d{0,25})?|\.\d{1,25})(e[+-]?\d{1,2})?", fullmatch=True))
@settings(max_examples=500, deadline=None)
def test_a_float_is_rounded_as_python_rounds(text: str) -> None:
    text = text.encode("ascii", "ignore").decode() or "0"
    if not any(c.isdigit() for c in text.partition("e")[0]) or text.endswith(("e", "e+", "e-")):
        return
    assert values([text], dt.FLOAT64) == [float(text)]


@given(st.integers(2**52, 2**53 - 1), st.integers(-27, 10))
@settings(max_examples=300, deadline=None)
def test_a_float_halfway_between_two_goes_to_the_even_one(mantissa: int, power: int) -> None:
    halfway = 2 * mantissa + 1  # 54 bits
    texts = [str(halfway), str(halfway * 2**10), f"{halfway}e{power}", f"-{halfway}.0"]
    if power < 0:  # exactly halfway again, with a fraction
        texts.append(f"{halfway * 5**-power}e{power}")
    assert values(texts, dt.FLOAT64) == [float(text) for text in texts]


@given(st.floats(width=32, allow_nan=False))
@settings(deadline=None)
def test_a_real_comes_back_from_its_shortest_text(number: float) -> None:
    assert values([str(np.float32(number))], dt.FLOAT32) == [number]


def test_a_real_is_rounded_once() -> None:
    # Halfway between two reals in binary64, just above it in decimal.
    assert values(["1.00000005960464477539062501"], dt.FLOAT32) == [np.float32(1.0000001)]


@pytest.mark.parametrize("type_", [dt.FLOAT32, dt.FLOAT64])
def test_not_a_number_and_infinity_go_by_several_names(type_: DataType) -> None:
    result = values(["NaN", "inf", "-Infinity", " +INFINITY ", "nan"], type_)
    assert np.array_equal(
        np.array(result, float), [np.nan, np.inf, -np.inf, np.inf, np.nan], equal_nan=True
    )


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1e-400"])
def test_a_float_too_large_or_too_small_is_out_of_range(text: str) -> None:
    assert refused(text, dt.FLOAT64).kind is ErrorKind.OUT_OF_RANGE
    assert values(["0e400", "0e-400"], dt.FLOAT64) == [0.0, 0.0]


@pytest.mark.parametrize("text", ["", "x", "1e", "1_0", "nan(1)", "0x10", "1.2.3", "infinit"])
def test_what_is_no_float_is_refused(text: str) -> None:
    assert refused(text, dt.FLOAT64).kind is ErrorKind.INVALID_TEXT
    assert refused(text, dt.FLOAT32).kind is ErrorKind.INVALID_TEXT


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**22), max_value=10**22),
    st.integers(1, 38),
    st.data(),
)
@settings(max_examples=300, deadline=None)
def test_a_decimal_is_rounded_half_away_and_checked(
    number: Decimal, precision: int, data: st.DataObject
) -> None:
    scale = data.draw(st.integers(0, precision))
    unit = Decimal(1).scaleb(-scale)
    expected = number.quantize(unit, ROUND_HALF_UP, Context(prec=400, Emin=-(10**7), Emax=10**7))
    type_ = dt.decimal(precision, scale)
    if abs(expected) >= Decimal(10) ** (precision - scale):
        assert refused(str(number), type_).kind is ErrorKind.OUT_OF_RANGE
    else:
        assert values([str(number), None], type_) == [expected, None]


def test_decimals_that_are_no_numbers_are_told_apart() -> None:
    assert refused("NaN", dt.decimal(5, 2)).kind is ErrorKind.OUT_OF_RANGE
    assert refused("1,5", dt.decimal(5, 2)).kind is ErrorKind.INVALID_TEXT
    assert refused("1e999999999", dt.decimal(5, 2)).kind is ErrorKind.OUT_OF_RANGE
    assert values(["1e-999999999"], dt.decimal(5, 2)) == [Decimal("0.00")]


def test_booleans_have_many_words() -> None:
    yes = ["t", "tr", "true", "TRUE", "y", "yes", "on", "1", " t "]
    no = ["f", "false", "F", "n", "no", "of", "off", "0", "\tno\n"]
    assert values(yes, dt.BOOLEAN) == [True] * len(yes)
    assert values([*no, None], dt.BOOLEAN) == [False] * len(no) + [None]
    for text in ("", "o", "2", "truex", "10", "ja"):
        assert refused(text, dt.BOOLEAN).kind is ErrorKind.INVALID_TEXT


@given(st.binary())
@settings(deadline=None)
def test_binary_comes_back_from_hex_and_from_escapes(content: bytes) -> None:
    escaped = "".join(
        chr(b) if 32 <= b < 127 and b != 92 else r"\\" if b == 92 else f"\\{b:03o}" for b in content
    )
    texts = ["\\x" + content.hex(), "\\x" + content.hex(" ").upper(), escaped, None]
    assert values(texts, dt.BINARY) == [content, content, content, None]


@pytest.mark.parametrize("text", ["\\xabc", "\\xzz", "\\", "\\9", "\\400", "\\08"])
def test_malformed_binary_is_refused(text: str) -> None:
    assert refused(text, dt.BINARY).kind is ErrorKind.INVALID_TEXT


MOMENTS = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001 (local times)


@pytest.mark.parametrize("type_", TIMESTAMPS, ids=lambda type_: type_.unit)
@given(st.lists(MOMENTS, min_size=1))
@settings(max_examples=40, deadline=None)
def test_naive_timestamps_are_in_the_session_zone(type_: DataType, moments: list[datetime]) -> None:
    per_second = dt.UNITS_PER_SECOND[type_.unit]
    for name in ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"):
        # fold=0 is the earlier of two readings, and the offset from before a gap.
        expected = [
            (m.replace(tzinfo=ZoneInfo(name), microsecond=0) - EPOCH) // timedelta(seconds=1)
            for m in moments
        ]
        texts = [m.replace(microsecond=0).isoformat(" ") for m in moments]
        assert epochs(texts, type_, name) == [second * per_second for second in expected]


def test_skipped_and_repeated_local_times() -> None:
    texts = ["2024-03-31 02:30:00", "2024-10-27 02:30:00", "2024-03-31 03:30:00", None]
    result = values(texts, dt.TIMESTAMP_SECOND, "Europe/Berlin")
    assert [moment and moment.isoformat() for moment in result] == [  # type: ignore[attr-defined]
        "2024-03-31T01:30:00",
        "2024-10-27T00:30:00",
        "2024-03-31T01:30:00",
        None,
    ]


def test_a_zone_may_be_an_offset_and_years_may_be_large() -> None:
    assert epochs(["1970-01-01 08:00"], dt.TIMESTAMP_MILLISECOND, "+08:00") == [0]
    assert epochs(["1969-12-31 18:30"], dt.TIMESTAMP_MILLISECOND, "-5:30") == [0]
    winter = datetime(2000, 1, 1, tzinfo=UTC)
    cycles = (200_000 - 2000) // 400 * 12_622_780_800
    expected = int((winter - EPOCH).total_seconds()) + cycles - 3600
    assert epochs(["200000-01-01"], dt.TIMESTAMP_SECOND, "Europe/Berlin") == [expected]


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("+10000-03-01", 10_000),
        ("+234049-03-01T00:00:00Z", 234_049),
        ("+2024-03-01 00:00:00", 2024),
        ("0000-03-01", None),
        ("-0000-03-01", 0),
        ("+0000-03-01", 0),
        ("-0043-03-01 00:00:00+00", -43),
        ("0044-03-01 BC", -43),
        ("0044-03-01 00:00:00+00 bc", -43),
        ("2024-03-01 AD", 2024),
        ("-19578-03-01 00:00:00.000+0000", -19_578),
        ("-262143-03-01", -262_143),
        ("-262144-03-01", None),
        ("+262144-03-01", None),
    ],
)
def test_years_have_signs_and_eras(text: str, year: int | None) -> None:
    if year is None:
        with pytest.raises(DbError) as caught:
            epochs([text], dt.TIMESTAMP_SECOND)
        assert caught.value.kind is ErrorKind.DATETIME_OVERFLOW
        return
    cycles, rest = divmod(year - 2000, 400)  # the calendar repeats
    moment = datetime(2000 + rest, 3, 1, tzinfo=UTC)
    expected = int((moment - EPOCH).total_seconds()) + cycles * 12_622_780_800
    assert epochs([text], dt.TIMESTAMP_SECOND) == [expected]
    assert epochs([text], dt.TIMESTAMP_MILLISECOND) == [expected * 1000]


def test_leap_days_follow_the_year_0() -> None:
    assert epochs(["0001-02-29 BC", "-0004-02-29"], dt.TIMESTAMP_SECOND)
    for text in ("0004-02-29 BC", "-0001-02-29", "2024-02-29 B C", "24-02-29 BC", "--2024-01-01"):
        with pytest.raises(DbError):
            epochs([text], dt.TIMESTAMP_SECOND)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-02T03:04:05Z",
        "2024-01-02 03:04:05+00",
        "2024-01-02t03:04:05z",
        " 2024-01-02 11:04:05+08:00 ",
        "2024-01-02 11:04:05 +0800",
        "2024-01-01 21:34:05-05:30",
        "2024/1/2 3:04:05 UTC",
        "2024-01-02 03:04:05.0000Z",
        "2024-01-01 22:04:05 America/New_York",
    ],
)
def test_one_moment_has_many_spellings(text: str) -> None:
    for type_ in (*TIMESTAMPS, dt.TIMESTAMP_TZ):
        # The session zone matters to none of them.
        found = column([text], type_, "Asia/Tokyo").cast(pa.int64())[0].as_py()
        unit = type_.arrow.unit
        assert found == 1_704_164_645 * dt.UNITS_PER_SECOND[unit]


def test_fractions_are_rounded_to_the_unit() -> None:
    text = "1970-01-01 00:00:00.1234567895"
    assert [epochs([text], type_)[0] for type_ in TIMESTAMPS] == [0, 123, 123_457, 123_456_790]
    assert epochs(["1969-12-31 23:59:59.9996"], dt.TIMESTAMP_MILLISECOND) == [0]


def test_integers_are_epochs_in_the_unit_of_the_column() -> None:
    for type_ in TIMESTAMPS:
        assert epochs(["1700000000", "-5", None], type_) == [1_700_000_000, -5, None]
    assert refused("9" * 19, dt.TIMESTAMP_MILLISECOND).kind is ErrorKind.DATETIME_OVERFLOW


def test_leap_second_and_midnight_of_the_next_day() -> None:
    texts = ["2023-12-31 24:00:00", "2023-12-31 23:59:60"]
    assert epochs(texts, dt.TIMESTAMP_SECOND) == [1_704_067_200] * 2


def test_moments_by_name() -> None:
    now, today, epoch = epochs(["now", "today", "epoch"], dt.TIMESTAMP_SECOND)
    assert epoch == 0
    assert abs(now - datetime.now(UTC).timestamp()) < 60
    assert today % 86_400 == 0
    assert 0 <= now - today <= 86_460
    (tomorrow,) = values(["tomorrow"], dt.DATE, "+00:00")
    assert isinstance(tomorrow, date)
    assert abs((tomorrow - datetime.now(UTC).date()).days - 1) <= 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", ErrorKind.INVALID_DATETIME),
        ("abc", ErrorKind.INVALID_DATETIME),
        ("2024-01", ErrorKind.INVALID_DATETIME),
        ("2024-01-01T", ErrorKind.INVALID_DATETIME),
        ("2024-01-01 10:00:00 Nowhere/Else", ErrorKind.INVALID_DATETIME),
        ("2024-01-01 10:00:00+", ErrorKind.INVALID_DATETIME),
        ("2024-01-01 10:00:00.5x", ErrorKind.INVALID_DATETIME),
        ("2024-13-01", ErrorKind.DATETIME_OVERFLOW),
        ("2023-02-29", ErrorKind.DATETIME_OVERFLOW),
        ("1900-02-29", ErrorKind.DATETIME_OVERFLOW),
        ("0000-00-00 00:00:00", ErrorKind.DATETIME_OVERFLOW),
        ("2024-01-01 25:00:00", ErrorKind.DATETIME_OVERFLOW),
        ("2024-01-01 10:60:00", ErrorKind.DATETIME_OVERFLOW),
        ("2024-01-01 10:00:00+99", ErrorKind.DATETIME_OVERFLOW),
        ("999999-01-01", ErrorKind.DATETIME_OVERFLOW),
    ],
)
def test_bad_timestamps(text: str, kind: ErrorKind) -> None:
    error = refused(text, dt.TIMESTAMP_MICROSECOND)
    assert error.kind is kind
    assert f'"{text}"' in error.message
    assert error.detail == 'column "c", row 3'


def test_nanoseconds_end_in_2262() -> None:
    assert refused("2263-01-01", dt.TIMESTAMP_NANOSECOND).kind is ErrorKind.DATETIME_OVERFLOW
    assert epochs(["2262-04-01"], dt.TIMESTAMP_NANOSECOND) == [9_222_422_400_000_000_000]
    latest = "2262-04-11 23:47:15.854775807Z"  # an offset needs no room: all but the last second
    assert epochs([latest], dt.TIMESTAMP_NANOSECOND) == [9_223_372_035_854_775_807]


def test_an_unknown_session_zone_is_the_clients_error() -> None:
    error = refused("2024-01-01", dt.TIMESTAMP_SECOND, "Nowhere/Else")
    assert error.kind is ErrorKind.INVALID_ARGUMENT


@given(st.dates())
@settings(deadline=None)
def test_dates_come_back(day: date) -> None:
    texts = [day.isoformat(), f"{day.isoformat()} 23:59:59+05", day.strftime("%Y%m%d").zfill(8)]
    assert values([*texts, None], dt.DATE) == [day, day, day, None]


@given(st.times())
@settings(deadline=None)
def test_times_come_back(moment: time) -> None:
    assert values([moment.isoformat(), f"{moment.isoformat()}+02", None], dt.TIME) == [
        moment,
        moment,
        None,
    ]


def test_bad_dates_and_times() -> None:
    assert refused("2023-02-29", dt.DATE).kind is ErrorKind.DATETIME_OVERFLOW
    assert refused("20230229", dt.DATE).kind is ErrorKind.DATETIME_OVERFLOW
    assert refused("someday", dt.DATE).kind is ErrorKind.INVALID_DATETIME
    assert refused("24:00:00", dt.TIME).kind is ErrorKind.DATETIME_OVERFLOW
    assert refused("noon", dt.TIME).kind is ErrorKind.INVALID_DATETIME
