# ruff: noqa: DTZ001 - naive UTC is what the columns hold
"""Values as text: what PostgreSQL and MySQL print, checked against Python and by hand."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import datatypes as dt
from engine.datatypes import DataType, TypeId
from engine.errors import DbError
from server.encode.style import MYSQL, POSTGRES, BinaryText, NestedText, TextStyle
from server.encode.text import text_cells, warm


def text(
    values: list[object], data_type: DataType, style: TextStyle = POSTGRES
) -> list[str | None]:
    cells = text_cells(pa.array(values, data_type.arrow), data_type, style).to_list()
    return [None if cell is None else cell.decode() for cell in cells]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.5, "1.5"),
        (100000.0, "100000"),
        (12345678901.5, "12345678901.5"),
        (99999999999999.0, "99999999999999"),
        (123456789012345.0, "123456789012345"),
        (1e15, "1e+15"),
        (1234567890123456.0, "1.234567890123456e+15"),
        (1e20, "1e+20"),
        (1e100, "1e+100"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1.5e-7, "1.5e-07"),
        (5e-324, "5e-324"),
        (-1.7976931348623157e308, "-1.7976931348623157e+308"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (None, None),
    ],
)
def test_float8_as_postgres_prints_it(value, expected) -> None:
    assert text([value], dt.FLOAT64) == [expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (999999.0, "999999"),
        (1e6, "1e+06"),
        (16777216.0, "1.6777216e+07"),
        (0.1, "0.1"),
        (3.4e38, "3.4e+38"),
    ],
)
def test_float4_as_postgres_prints_it(value, expected) -> None:
    assert text([value], dt.FLOAT32) == [expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1e14, "100000000000000"),
        (1e15, "1e15"),
        (1e20, "1e20"),
        (0.00001, "0.00001"),
        (1e-15, "0.000000000000001"),
        (1e-16, "1e-16"),
        (-2.5e-20, "-2.5e-20"),
    ],
)
def test_doubles_as_mysql_prints_them(value, expected) -> None:
    assert text([value], dt.FLOAT64, MYSQL) == [expected]


@given(st.lists(st.floats(), min_size=1, max_size=30))
@settings(deadline=None)
def test_float_text_reads_back_as_the_same_float(numbers) -> None:
    for style in (POSTGRES, MYSQL):
        for number, shown in zip(numbers, text(list(numbers), dt.FLOAT64, style), strict=True):
            assert shown is not None
            back = float(shown)
            assert back == number or (math.isnan(back) and math.isnan(number))
            assert len(shown) <= len(repr(number)) + 18


def _digits(shown: str) -> str:
    return shown.lower().lstrip("-").split("e")[0].replace(".", "").strip("0")


def _floats_of_all_kinds() -> np.ndarray:
    random = np.random.default_rng(7)
    powers = np.ldexp(1.0, np.arange(-1074, 1024))
    return np.concatenate(
        [
            random.integers(0, 2**64, 20_000, dtype=np.uint64).view(np.float64),
            *(powers, np.nextafter(powers, 0), np.nextafter(powers, math.inf)),
            *(10.0 ** np.arange(-307, 308), np.arange(1, 1000) * 5e-324),
            *(random.integers(0, 10**9, 5_000) / 10**k for k in range(8)),
            random.integers(-(10**17), 10**17, 5_000).astype(float),
        ]
    )


def test_doubles_have_the_fewest_and_nearest_digits() -> None:
    numbers = _floats_of_all_kinds()
    finite = numbers[np.isfinite(numbers)]
    for number, shown in zip(finite.tolist(), text(finite, dt.FLOAT64), strict=True):
        assert float(shown) == number
        assert _digits(shown) == _digits(repr(number))


def test_single_floats_have_the_fewest_and_nearest_digits() -> None:
    random = np.random.default_rng(7).integers(0, 2**32, 20_000, dtype=np.uint32)
    powers = np.ldexp(np.float32(1), np.arange(-149, 128))
    hundredths = (np.arange(20_000) / 100).astype(np.float32)
    numbers = np.concatenate([random.view(np.float32), powers, hundredths])
    finite = numbers[np.isfinite(numbers)]
    for number, shown in zip(finite, text(finite, dt.FLOAT32), strict=True):
        assert np.float32(shown) == number
        assert _digits(shown) == _digits(str(number))


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
@pytest.mark.parametrize("sign", ["", "u"])
def test_integers_of_every_width(bits: int, sign: str) -> None:
    kind = getattr(dt, f"{sign}int{bits}".upper())
    limits = np.iinfo(f"{sign}int{bits}")
    values = [int(limits.min), int(limits.max), 0, None]
    values += [n for k in range(20) for n in (10**k - 1, 10**k) if n <= limits.max]
    shown = [None if value is None else str(value) for value in values]
    assert text(values, kind) == shown
    assert text(values, kind, MYSQL) == shown


@given(st.lists(st.none() | st.integers(-(2**127) + 1, 10**38 - 1), max_size=8), st.integers(0, 38))
@settings(deadline=None)
def test_decimals_are_plain_digits(numbers, scale) -> None:
    numbers = [n if n is None or abs(n) < 10**38 else n % 10**38 for n in numbers]
    import decimal

    with decimal.localcontext(decimal.Context(prec=60)):
        values = [None if n is None else Decimal(n).scaleb(-scale) for n in numbers]
        expected = [None if v is None else f"{v:.{scale}f}" for v in values]
    assert text(values, dt.decimal(38, scale)) == expected


@given(
    st.lists(st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), max_size=10),
    st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "+05:30", "-03:00"]),
)
@settings(deadline=None)
def test_timestamps_show_the_session_wall_clock(moments, zone) -> None:
    tz = ZoneInfo(zone) if zone[0] not in "+-" else datetime.strptime(zone, "%z").tzinfo
    expected = []
    for moment in moments:
        try:
            local = None if moment is None else moment.replace(tzinfo=UTC).astimezone(tz)
        except OverflowError:
            return
        if local is None:
            expected.append(None)
            continue
        if local.utcoffset().seconds % 60:  # local mean time before zones
            return
        naive = f"{local.year:04}-{local:%m-%d %H:%M:%S}"
        fraction = f".{local.microsecond:06}".rstrip("0") if local.microsecond else ""
        expected.append(naive + fraction)
    assert text(moments, dt.TIMESTAMP_MICROSECOND, TextStyle(timezone=zone)) == expected


def test_times_on_a_wall_are_the_same_in_every_zone() -> None:
    style = TextStyle(timezone="Asia/Tokyo")
    noon = datetime(2024, 7, 1, 12)
    wall = dt.TIMESTAMP_MICROSECOND.on_wall
    assert text([noon], wall, style) == ["2024-07-01 12:00:00"]
    assert text([[noon]], dt.list_of(wall), style) == ['{"2024-07-01 12:00:00"}']


@pytest.mark.parametrize(
    ("value", "data_type", "expected", "mysql"),
    [
        (0, dt.TIMESTAMP_SECOND, "1970-01-01 00:00:00", "1970-01-01 00:00:00"),
        (-1, dt.TIMESTAMP_MILLISECOND, "1969-12-31 23:59:59.999", "1969-12-31 23:59:59.999"),
        (1500, dt.TIMESTAMP_MILLISECOND, "1970-01-01 00:00:01.5", "1970-01-01 00:00:01.500"),
        (1000, dt.TIMESTAMP_MILLISECOND, "1970-01-01 00:00:01", "1970-01-01 00:00:01.000"),
        (1, dt.TIMESTAMP_MICROSECOND, "1970-01-01 00:00:00.000001", "1970-01-01 00:00:00.000001"),
        (1999, dt.TIMESTAMP_NANOSECOND, "1970-01-01 00:00:00.000001", "1970-01-01 00:00:00.000001"),
        (999, dt.TIMESTAMP_NANOSECOND, "1970-01-01 00:00:00", "1970-01-01 00:00:00.000000"),
        (253402300800, dt.TIMESTAMP_SECOND, "10000-01-01 00:00:00", "+10000-01-01 00:00:00"),
        (-62135596801, dt.TIMESTAMP_SECOND, "0001-12-31 23:59:59 BC", "0000-12-31 23:59:59"),
        (2**63 - 1, dt.TIMESTAMP_MICROSECOND, "infinity", "infinity"),
        (-(2**63) + 1, dt.TIMESTAMP_MICROSECOND, "-infinity", "-infinity"),
    ],
)
def test_timestamp_precision_era_and_infinity(value, data_type, expected, mysql) -> None:
    array = pa.array([value], pa.int64()).view(data_type.arrow)
    assert text_cells(array, data_type, POSTGRES).to_list() == [expected.encode()]
    assert text_cells(array, data_type, MYSQL).to_list() == [mysql.encode()]


def test_nanoseconds_can_be_kept() -> None:
    array = pa.array([1_500_000_001], pa.int64()).view(pa.timestamp("ns"))
    style = TextStyle(fraction_digits=9)
    got = text_cells(array, dt.TIMESTAMP_NANOSECOND, style).to_list()
    assert got == [b"1970-01-01 00:00:01.500000001"]


def test_infinity_is_not_shifted_by_a_time_zone() -> None:
    array = pa.array([2**63 - 1, 0, None], pa.int64()).view(pa.timestamp("us"))
    got = text_cells(array, dt.TIMESTAMP_MICROSECOND, TextStyle(timezone="Asia/Tokyo")).to_list()
    assert got == [b"infinity", b"1970-01-01 09:00:00", None]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", "2024-07-01 12:00:00+00"),
        ("Asia/Kolkata", "2024-07-01 17:30:00+05:30"),
        ("America/New_York", "2024-07-01 08:00:00-04"),
        ("-03:30", "2024-07-01 08:30:00-03:30"),
    ],
)
def test_timestamptz_ends_with_its_offset(zone, expected) -> None:
    moment = datetime(2024, 7, 1, 12, tzinfo=UTC)
    assert text([moment], dt.TIMESTAMP_TZ, TextStyle(timezone=zone)) == [expected]


def test_offset_with_seconds_before_time_zones_were_uniform() -> None:
    moment = datetime(1850, 1, 1, tzinfo=UTC)
    assert text([moment], dt.TIMESTAMP_TZ, TextStyle(timezone="Asia/Kolkata")) == [
        "1850-01-01 05:53:28+05:53:28"
    ]


def test_unknown_time_zone_is_an_error() -> None:
    with pytest.raises(DbError):
        text([datetime(2024, 1, 1)], dt.TIMESTAMP_SECOND, TextStyle(timezone="Mars/Olympus"))


@given(st.lists(st.none() | st.dates(), max_size=20))
@settings(deadline=None)
def test_dates(days) -> None:
    expected = [None if day is None else day.isoformat() for day in days]
    assert text(days, dt.DATE) == expected
    assert text(days, dt.DATE, MYSQL) == expected


def test_dates_outside_python_s_calendar() -> None:
    ides = (date(357, 3, 15) - date(1970, 1, 1)).days - 146097  # 400 years earlier
    array = pa.array([ides, 2932897, 2**31 - 1, -(2**31) + 1], pa.int32()).view(pa.date32())
    got = text_cells(array, dt.DATE, POSTGRES).to_list()
    assert got == [b"0044-03-15 BC", b"10000-01-01", b"infinity", b"-infinity"]


@given(st.lists(st.none() | st.times(), max_size=20))
@settings(deadline=None)
def test_times_of_day(times) -> None:
    trimmed = [
        None
        if t is None
        else f"{t:%H:%M:%S}" + (f".{t.microsecond:06}".rstrip("0") if t.microsecond else "")
        for t in times
    ]
    assert text(times, dt.TIME) == trimmed
    assert text(times, dt.TIME, MYSQL) == [None if t is None else f"{t:%H:%M:%S.%f}" for t in times]


@pytest.mark.parametrize(
    ("months", "days", "nanos", "postgres", "iso"),
    [
        (0, 0, 0, "00:00:00", "PT0S"),
        (14, 3, 14706789000000, "1 year 2 mons 3 days 04:05:06.789", "P1Y2M3DT4H5M6.789S"),
        (-14, 3, -14706000000000, "-1 years -2 mons +3 days -04:05:06", "P-1Y-2M3DT-4H-5M-6S"),
        (1, 0, 0, "1 mon", "P1M"),
        (0, -1, 1000000000, "-1 days +00:00:01", "P-1DT1S"),
        (0, 1, -1000000000, "1 day -00:00:01", "P1DT-1S"),
        (24, 0, 0, "2 years", "P2Y"),
        (0, 0, 133 * 3600 * 10**9, "133:00:00", "PT133H"),
        (0, 0, 1500000, "00:00:00.0015", "PT0.0015S"),
    ],
)
def test_intervals(months, days, nanos, postgres, iso) -> None:
    value = pa.MonthDayNano([months, days, nanos])
    assert text([value, None], dt.INTERVAL) == [postgres, None]
    assert text([value], dt.INTERVAL, MYSQL) == [iso]


def test_booleans_integers_and_strings() -> None:
    assert text([True, False, None], dt.BOOLEAN) == ["t", "f", None]
    assert text([True, False, None], dt.BOOLEAN, MYSQL) == ["1", "0", None]
    assert text([True, None], dt.BOOLEAN, TextStyle(true=b"true", false=b"false")) == ["true", None]
    assert text([-(2**63), 2**63 - 1, None], dt.INT64) == [str(-(2**63)), str(2**63 - 1), None]
    assert text([2**64 - 1], dt.UINT64) == [str(2**64 - 1)]
    assert text(["", "grüß", None], dt.STRING) == ["", "grüß", None]
    assert text([None], dt.NULL) == [None]


def test_bytes_as_hex_escape_and_raw() -> None:
    values = [b"\x00\xffA\\", b"", None]
    assert text(values, dt.BINARY) == ["\\x00ff415c", "\\x", None]
    assert text(values, dt.BINARY, TextStyle(binary=BinaryText.ESCAPE)) == [
        "\\000\\377A\\\\",
        "",
        None,
    ]
    array = pa.array(values, pa.binary())
    assert text_cells(array, dt.BINARY, MYSQL).to_list() == values


def test_lists_as_array_literals() -> None:
    assert text([[1, None, 3], [], None], dt.list_of(dt.INT64)) == ["{1,NULL,3}", "{}", None]
    words = ["a", "", "null", "a b", 'q"', "b\\", "{x}", "c,d", None]
    assert text([words], dt.list_of(dt.STRING)) == [
        '{a,"","null","a b","q\\"","b\\\\","{x}","c,d",NULL}'
    ]
    nested = dt.list_of(dt.list_of(dt.INT32))
    assert text([[[1, 2], [3]], [[]]], nested) == ["{{1,2},{3}}", "{{}}"]
    moments = [datetime(2024, 1, 1, 12)]
    assert text([moments], dt.list_of(dt.TIMESTAMP_SECOND)) == ['{"2024-01-01 12:00:00"}']


json_text = st.text(st.characters(codec="utf-8"), max_size=12)


@given(st.lists(st.none() | st.lists(st.none() | json_text, max_size=4), max_size=6))
@settings(deadline=None)
def test_lists_as_json_read_back(lists) -> None:
    style = TextStyle(nested=NestedText.JSON)
    shown = text(lists, dt.list_of(dt.STRING), style)
    assert [None if cell is None else json.loads(cell) for cell in shown] == lists


_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[^,]+')


@given(st.lists(st.none() | st.lists(st.none() | json_text, max_size=4), max_size=6))
@settings(deadline=None)
def test_lists_of_words_read_back(lists) -> None:
    def read(word: str) -> str | None:
        if word == "null":
            return None
        return json.loads(word) if word.startswith('"') else word

    shown = text(lists, dt.list_of(dt.STRING), MYSQL)
    found = [c if c is None else [read(w) for w in _WORD.findall(c[1:-1])] for c in shown]
    assert found == lists


def test_mysql_quotes_words_of_lists_only_where_it_must() -> None:
    words = ["a b", "", "null", " x", "c,d", "[e", 'q"', "é", None]
    expected = '[a b,"","null"," x","c,d","[e","q\\"",é,null]'
    assert text([words], dt.list_of(dt.STRING), MYSQL) == [expected]
    assert text([[1, None]], dt.list_of(dt.INT8), MYSQL) == ["[1,null]"]


def test_a_slice_of_lists_shows_its_own_elements() -> None:
    array = pa.array([[1], [2, 3], [4]], pa.list_(pa.int64())).slice(1, 2)
    assert text_cells(array, dt.list_of(dt.INT64), POSTGRES).to_list() == [b"{2,3}", b"{4}"]


def test_structs_and_maps_are_json() -> None:
    struct = pa.struct([("a", pa.int32()), ('b"', pa.string()), ("c", pa.list_(pa.bool_()))])
    data_type = DataType(TypeId.STRUCT, arrow_nested=struct)
    rows = [{"a": 1, 'b"': "x\n", "c": [True, None]}, None, {"a": None, 'b"': None, "c": None}]
    shown = text(rows, data_type)
    assert shown[0] == '{"a":1,"b\\"":"x\\n","c":[true,null]}'
    assert shown[1] is None
    assert json.loads(shown[2] or "") == rows[2]
    mapping = DataType(TypeId.MAP, arrow_nested=pa.map_(pa.string(), pa.float64()))
    assert text([[("k", 1.5), ("m", None)], None, []], mapping) == [
        '{"k":1.5,"m":null}',
        None,
        "{}",
    ]
    assert text([[("k", math.nan)]], mapping) == ['{"k":null}']


def test_sliced_columns_show_their_own_rows() -> None:
    samples: list[tuple[DataType, list[object]]] = [
        (dt.INT32, [1, 2, None, 4]),
        (dt.FLOAT64, [1.0, 1e30, None, 4.5]),
        (dt.BOOLEAN, [True, False, None, True]),
        (dt.STRING, ["a", "bb", None, "dddd"]),
        (dt.decimal(10, 2), [Decimal("1.00"), Decimal("-2.50"), None, Decimal("4.00")]),
        (dt.DATE, [date(2024, 1, d) for d in (1, 2, 3, 4)]),
        (dt.TIME, [None, None, None, None]),
        (dt.TIMESTAMP_TZ, [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=d) for d in range(4)]),
        (dt.INTERVAL, [pa.MonthDayNano([1, d, 0]) for d in range(4)]),
        (dt.BINARY, [b"a", b"\x01", None, b""]),
    ]
    for data_type, values in samples:
        whole = pa.array(values, data_type.arrow)
        for style in (POSTGRES, MYSQL):
            expected = text_cells(whole, data_type, style).to_list()
            for start, stop in ((1, 3), (2, 4), (3, 3)):
                part = text_cells(whole.slice(start, stop - start), data_type, style).to_list()
                assert part == expected[start:stop], data_type


def test_warming_up_succeeds_for_every_style() -> None:
    assert warm() is None


def test_daylight_saving_goes_on_for_ever() -> None:
    summer = np.datetime64("9824-07-01T12:00:00", "s").astype(np.int64)
    winter = np.datetime64("9824-01-01T12:00:00", "s").astype(np.int64)
    array = pa.array([summer, winter, 0]).view(pa.timestamp("s"))
    style = TextStyle(timezone="America/New_York")
    assert text_cells(array, dt.TIMESTAMP_SECOND, style).to_list() == [
        b"9824-07-01 08:00:00",
        b"9824-01-01 07:00:00",
        b"1969-12-31 19:00:00",
    ]
