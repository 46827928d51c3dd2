"""Lines of JSON objects to columns: values by INSERT's rules, errors with line and key."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.records import Column
from engine import datatypes as dt
from engine.errors import DbError, ErrorKind
from sql.decode import ndjson
from sql.decode.ndjson import ObjectReader

COLUMNS = (
    Column("a", dt.INT32),
    Column("b c", dt.STRING),
    Column("j", dt.JSON),
    Column("l", dt.list_of(dt.STRING)),
    Column("t", dt.TIMESTAMP_MILLISECOND),
    Column("d", dt.decimal(38, 20)),
)
NAMES = [column.name for column in COLUMNS]


def read(
    data: bytes, *, columns: tuple[Column, ...] = COLUMNS, chunk: int = 0, timezone: str = "UTC"
) -> list[dict[str, Any]]:
    """Every row, with `...` where the object lacks the key."""
    reader = ObjectReader(columns, timezone, name="x.json")
    size = chunk or len(data) or 1
    found = [o for at in range(0, len(data), size) for o in reader.feed(data[at : at + size])]
    rows: list[dict[str, Any]] = []
    for objects in [*found, *reader.finish()]:
        objects.rows.validate(full=True)
        some = objects.rows.to_pylist()
        for name, mask in objects.absent.items():
            for row, absent in zip(some, mask.to_pylist(), strict=True):
                if absent:
                    assert row[name] is None
                    row[name] = ...
        rows += some
    return rows


def refused(data: bytes) -> DbError:
    with pytest.raises(DbError) as caught:
        read(data)
    return caught.value


def test_values_become_columns_by_the_rules_of_insert() -> None:
    line = (
        b'{"a":"12","b c":3.50,"j":{"z":[1, "q"]},"l":["a",null,"b\\"",1.0],'
        b'"t":"2024-06-01 00:00:00","d":0.12345678901234567891}\n'
    )
    assert read(line, timezone="Europe/Berlin") == [
        {
            "a": 12,
            "b c": "3.50",
            "j": '{"z":[1, "q"]}',
            "l": ["a", None, 'b"', "1.0"],
            "t": datetime(2024, 5, 31, 22, 0),  # noqa: DTZ001
            "d": Decimal("0.12345678901234567891"),
        }
    ]


def test_a_number_is_a_timestamp_in_the_column_s_unit() -> None:
    moment = datetime(1970, 1, 1, 0, 0, 1)  # noqa: DTZ001
    assert read(b'{"t":1000}', columns=COLUMNS[4:5]) == [{"t": moment}]


def test_json_columns_keep_values_as_they_are_written() -> None:
    data = b'{"j":"s\\u0041"}\n{"j":null}\n{"j":[1.10]}\n{"j":true}'
    found = read(data, columns=COLUMNS[2:3])
    assert [row["j"] for row in found] == ['"s\\u0041"', None, "[1.10]", "true"]


def test_absent_keys_are_told_from_null() -> None:
    data = b'{"a":1}\n{"a":null}\n{}\n\n  {"b c":"x", "other":{"a":[{}]}}'
    assert read(data, columns=COLUMNS[:2]) == [
        {"a": 1, "b c": ...},
        {"a": None, "b c": ...},
        {"a": ..., "b c": ...},
        {"a": ..., "b c": "x"},
    ]


def test_the_last_of_equal_keys_counts_and_keys_may_have_escapes() -> None:
    assert read(b'{"a":1,"b\\u0020c":"x","a":2}', columns=COLUMNS[:2]) == [{"a": 2, "b c": "x"}]


def test_escapes_spell_characters() -> None:
    data = b'{"b c":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\xc3\xa9"}'
    assert read(data, columns=COLUMNS[1:2]) == [{"b c": '"\\/\b\f\n\r\té😀é'}]


@pytest.mark.parametrize(
    ("data", "kind", "detail"),
    [
        (b"[1]", ErrorKind.BAD_COPY_DATA, "line 1"),
        (b'{"a":1}\n{"a":x}', ErrorKind.BAD_COPY_DATA, "line 2"),
        (b'{"a":1', ErrorKind.BAD_COPY_DATA, "line 1"),
        (b'{"a":1,}', ErrorKind.BAD_COPY_DATA, "line 1"),
        (b'{"a" 1}', ErrorKind.BAD_COPY_DATA, "line 1"),
        (b'{"a":}', ErrorKind.BAD_COPY_DATA, "line 1"),
        (b'{"a', ErrorKind.BAD_COPY_DATA, "line 1"),
        (b"{", ErrorKind.BAD_COPY_DATA, "line 1"),
        (b'{"a":1} {"a":2}', ErrorKind.BAD_COPY_DATA, "line 1"),
        (b'{"a":1}\n\n{"a":"zz"}', ErrorKind.INVALID_TEXT, 'line 3, column "a"'),
        (b'{"a":3000000000}', ErrorKind.OUT_OF_RANGE, 'line 1, column "a"'),
        (b'{"a":{"b":1}}', ErrorKind.INVALID_TEXT, 'line 1, column "a"'),
        (b'{"b c":"\\ud800"}', ErrorKind.INVALID_TEXT, 'line 1, column "b c"'),
        (b'{"b c":"\\u0000"}', ErrorKind.INVALID_TEXT, 'line 1, column "b c"'),
        (b'{"b c":"\xff"}', ErrorKind.INVALID_ENCODING, "line 1"),
        (b'{"l":3}', ErrorKind.INVALID_TEXT, 'line 1, column "l"'),
        (b'{"l":[[1]]}', ErrorKind.INVALID_TEXT, 'line 1, column "l"'),
        (b'{"t":"nope"}', ErrorKind.INVALID_DATETIME, 'line 1, column "t"'),
    ],
)
def test_refused_with_the_line(data: bytes, kind: ErrorKind, detail: str) -> None:
    error = refused(data)
    assert error.kind is kind
    assert error.detail == f'"x.json", {detail}'


KEYS = st.sampled_from([*NAMES, "other", "", "é"])
SCALARS = st.one_of(st.none(), st.integers(-9, 9), st.text(max_size=5), st.booleans())
ANY = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(KEYS, ANY, max_size=4), max_size=5), st.integers(1, 40))
def test_any_objects_in_pieces_of_any_size(objects: list[dict[str, Any]], chunk: int) -> None:
    columns = (Column("a", dt.JSON), Column("b c", dt.JSON), Column("é", dt.JSON))
    data = b"\n".join(json.dumps(one).encode() for one in objects)
    expected = [
        {c.name: json.dumps(one[c.name]) if c.name in one else ... for c in columns}
        for one in objects
    ]
    for row in expected:
        for name, text in row.items():
            row[name] = None if text == "null" else text
    old, ndjson.PIECE = ndjson.PIECE, 8
    try:
        assert read(data, columns=columns, chunk=chunk) == expected
    finally:
        ndjson.PIECE = old


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from('{}[]":,a1.\\u\n tnull\x00é-'), max_size=40).map(str.encode))
def test_broken_input_ends_in_rows_or_in_a_database_error(data: bytes) -> None:
    try:
        rows = read(data)
    except DbError as error:
        rows, kind = [], error.kind
    else:
        kind = ErrorKind.BAD_COPY_DATA
    assert len(rows) <= data.count(b"\n") + 1
    assert kind in KINDS


KINDS = (
    ErrorKind.BAD_COPY_DATA,
    ErrorKind.INVALID_TEXT,
    ErrorKind.INVALID_ENCODING,
    ErrorKind.INVALID_DATETIME,
)
