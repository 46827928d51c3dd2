"""The fast path of INSERT … VALUES against values rendered by Python."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.records import Column
from engine import datatypes as dt
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.decode.values import InsertHead, match_insert, read_values, to_table
from sql.session import Wire

POSTGRES, MYSQL, HTTP = Wire.POSTGRES, Wire.MYSQL, Wire.HTTP


def table_of(text: str, *types: DataType, wire: Wire = POSTGRES, zone: str = "UTC") -> pa.Table:
    rows = read_values(text, 0, wire)
    assert rows is not None, text
    columns = [Column(f"c{i}", type_) for i, type_ in enumerate(types)]
    result = to_table(rows, columns, zone)
    result.validate(full=True)
    assert result.schema == pa.schema([(c.name, c.type.arrow) for c in columns])
    return result


def first(text: str, type_: DataType, wire: Wire = POSTGRES) -> list[object]:
    """The values of a table of one column."""
    return table_of(text, type_, wire=wire).column(0).to_pylist()


def refused(text: str, *types: DataType, wire: Wire = POSTGRES) -> DbError:
    with pytest.raises(DbError) as caught:
        table_of(text, *types, wire=wire)
    return caught.value


# --- the head


@pytest.mark.parametrize(
    ("wire", "text", "head"),
    [
        (POSTGRES, "insert into T values ", InsertHead(("t",), None, 21, False)),
        (POSTGRES, " INSERT INTO Ä.b(X)VALUES", InsertHead(("Ä", "b"), ("x",), 25, False)),
        (
            POSTGRES,
            'INSERT INTO a."B ""c""" . d ( e , "F" ) VALUES\n',
            InsertHead(("a", 'B "c"', "d"), ("e", "F"), 47, False),
        ),
        (MYSQL, "REPLACE INTO `a``b`.t VALUES", InsertHead(("a`b", "t"), None, 28, True)),
        (POSTGRES, "INSERT INTO `a b` VALUES", InsertHead(("a b",), None, 24, False)),
        (HTTP, 'INSERT INTO TABLE `a`."b" VALUES', InsertHead(("a", "b"), None, 32, False)),
        (HTTP, "insert into table_x values", InsertHead(("table_x",), None, 26, False)),
    ],
)
def test_the_head_of_an_insert(wire: Wire, text: str, head: InsertHead) -> None:
    assert match_insert(text + "(1)", wire) == head


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (POSTGRES, "INSERT INTO t SELECT 1"),
        (POSTGRES, "INSERT INTO t DEFAULT VALUES"),
        (POSTGRES, "INSERT INTO t AS x VALUES (1)"),
        (POSTGRES, "INSERT INTO tVALUES (1)"),
        (MYSQL, 'INSERT INTO "t" VALUES (1)'),
        (POSTGRES, "INSERT INTO a.b.c.d VALUES (1)"),
        (POSTGRES, "INSERT INTO t () VALUES (1)"),
        (POSTGRES, "INSERT INTO t (a,) VALUES (1)"),
        (POSTGRES, "INSERT /* x */ INTO t VALUES (1)"),
        (POSTGRES, "-- x\nINSERT INTO t VALUES (1)"),
        (POSTGRES, "INSERT INTO t VALUES"),
        (POSTGRES, "UPDATE t SET a = 1"),
        (POSTGRES, ""),
    ],
)
def test_what_is_no_plain_insert_goes_the_usual_way(wire: Wire, text: str) -> None:
    assert match_insert(text, wire) is None


def test_a_hopeless_head_is_given_up_quickly() -> None:
    assert match_insert("INSERT INTO t (" + "a, " * 100_000 + "b", POSTGRES) is None
    assert match_insert("INSERT INTO " + "a" * 300_000 + " " * 300_000, POSTGRES) is None


# --- the rows


@pytest.mark.parametrize(
    "text",
    [
        "(now())", "(1::int)", "(1+1)", "($1)", "(?)", "(:a)", "(1) ON CONFLICT DO NOTHING",
        "(1) RETURNING a", "(1),", "(1", "(1,", "(", "", "1", "('a", "('a''", "()", "(DEFAULT)",
        "(- 1)", "(--1)", "('a' 'b')", "(1);;", "(1); SELECT 1", "(1) -- x", "(1 /* x */)",
        "(X'00')", "(E'a')", "(N'a')", "('a'::text)", "(1.2.3)", "(1e)", "(1e+)", "(.)", "(+)",
        "(nullx)", "(truee)", "(1x)", "(0x10)", "(1_000)", '("a")', "((1))", "(a)", "(1)(2)",
        "($$a$$)", "(DATE '2024-01-01')", "(NULL::int)", "(1,,2)", "(,)", "(1) (2)", "(nul",
    ],
)  # fmt: skip
def test_what_is_no_plain_literal_goes_the_usual_way(text: str) -> None:
    assert read_values(text, 0, POSTGRES) is None


def test_spaces_and_one_semicolon_are_allowed() -> None:
    text = "\n( 1 ,\t'a' )\r\n,\n(NULL,null) ; \n"
    assert table_of(text, dt.INT32, dt.STRING).to_pylist() == [
        {"c0": 1, "c1": "a"},
        {"c0": None, "c1": None},
    ]


def test_reading_starts_at_a_character_not_a_byte() -> None:
    text = "INSERT INTO täble€ VALUES ('é')"
    head = match_insert(text, POSTGRES)
    assert head is not None
    rows = read_values(text, head.start, POSTGRES)
    assert rows is not None
    assert to_table(rows, [Column("c", dt.STRING)], "UTC").to_pylist() == [{"c": "é"}]


def test_rows_must_be_of_one_width_and_fit_the_columns() -> None:
    error = refused("(1), (2, 3)", dt.INT32)
    assert error.kind is ErrorKind.COLUMN_COUNT
    assert error.detail == "row 2 differs from the rows before it"
    error = refused("(1, 2, 3)", dt.INT32, dt.INT32)
    assert error.kind is ErrorKind.COLUMN_COUNT
    assert error.message == "column count mismatch, columns: 2, values: 3"


def test_a_lone_surrogate_is_an_encoding_error() -> None:
    with pytest.raises(DbError) as caught:
        read_values("('\ud800')", 0, HTTP)
    assert caught.value.kind is ErrorKind.INVALID_ENCODING


def test_very_many_columns_go_the_usual_way() -> None:
    assert read_values(f"({','.join(['1'] * 2048)})", 0, POSTGRES) is not None
    assert read_values(f"({','.join(['1'] * 2049)})", 0, POSTGRES) is None


# --- literals by the type of their column


def test_numbers_go_into_columns_of_numbers() -> None:
    text = "(1), (-2), (+3), (NULL), ('4')"
    assert first(text, dt.INT16) == [1, -2, 3, None, 4]
    assert first(text, dt.FLOAT32) == [1, -2, 3, None, 4]
    assert first(text, dt.decimal(4, 1)) == [Decimal(1), Decimal(-2), Decimal(3), None, Decimal(4)]
    assert first("(1.5), (1), (.5), (5.), (1e2), (-1.5E-1)", dt.FLOAT64) == [
        1.5, 1.0, 0.5, 5.0, 100.0, -0.15,
    ]  # fmt: skip


def test_a_decimal_literal_rounds_into_an_integer_but_a_string_does_not() -> None:
    assert first("(1.5), (-2.5), (2.4e0), (1e3), ('7'), (2)", dt.INT32) == [2, -3, 2, 1000, 7, 2]
    assert first("(18446744073709551615.4)", dt.UINT64) == [2**64 - 1]
    assert refused("(1.5), ('1.5')", dt.INT32).kind is ErrorKind.INVALID_TEXT
    for text, type_ in [
        ("(2147483647.5)", dt.INT32),
        ("(-32768.5)", dt.INT16),
        ("(-0.5)", dt.UINT8),
        ("(18446744073709551615.5)", dt.UINT64),
        ("(1e30)", dt.INT64),
        ("(1e50)", dt.INT64),
    ]:
        error = refused(text, type_)
        assert error.kind is ErrorKind.OUT_OF_RANGE
        assert error.detail == 'column "c0", row 1'
    assert first("(-0.4), (-9223372036854775808.4)", dt.INT64) == [0, -(2**63)]


def test_timestamps_take_strings_and_epochs() -> None:
    text = "('2024-01-01 08:00:00'), (1704067200000), ('1704067200000'), (NULL)"
    moment = datetime(2024, 1, 1)  # noqa: DTZ001 (the column is naive)
    result = table_of(text, dt.TIMESTAMP_MILLISECOND, zone="+08:00").column(0).to_pylist()
    assert result == [moment, moment, moment, None]


def test_text_takes_any_literal_in_canonical_form() -> None:
    text = "('it''s'), (''), (''''), (1), (1.50), (+07), (.5), (5.), (1e3), (-0), (TRUE), (null)"
    assert first(text, dt.STRING) == [
        "it's", "", "'", "1", "1.50", "7", "0.5", "5", "1000", "0", "true", None,
    ]  # fmt: skip
    assert refused("(1e999999)", dt.STRING).kind is ErrorKind.OUT_OF_RANGE


@pytest.mark.parametrize(
    ("text", "type_", "literal"),
    [
        ("(NULL), (true)", dt.INT32, "boolean"),
        ("(NULL), (false)", dt.FLOAT64, "boolean"),
        ("(true), (1)", dt.BOOLEAN, "integer"),
        ("(1), (1.5)", dt.TIMESTAMP_SECOND, "numeric"),
        ("('2024-01-01'), (1)", dt.DATE, "integer"),
        ("('1'), (1)", dt.JSON, "integer"),
        ("(NULL), (1)", dt.BINARY, "integer"),
        ("(NULL), (1.0)", dt.UUID, "numeric"),
        ("('{}'), (1)", dt.list_of(dt.INT32), "integer"),
    ],
)
def test_a_literal_of_the_wrong_kind(text: str, type_: DataType, literal: str) -> None:
    error = refused(text, type_)
    assert error.kind is ErrorKind.DATATYPE_MISMATCH
    expected = f'column "c0" is of type {type_.name} but expression is of type {literal}'
    assert error.message == expected
    assert error.detail == 'column "c0", row 2'


def test_booleans_are_numbers_on_mysql() -> None:
    assert first("(TRUE), (false), (0), (2), ('f'), ('1')", dt.BOOLEAN, MYSQL) == [
        True, False, False, True, False, True,
    ]  # fmt: skip
    assert first("(TRUE), (false), (7)", dt.INT8, MYSQL) == [1, 0, 7]
    assert first("(TRUE), (false)", dt.STRING, MYSQL) == ["1", "0"]
    assert first("(true), (2), ('off')", dt.BOOLEAN, HTTP) == [True, True, False]


def test_mysql_strings_have_backslashes_and_two_quotes() -> None:
    text = r"""('a\n\'b\"c'), ("x'y""z"), ('\%\_\0\Z\q\\'), ('p''q'), ("")"""
    assert first(text, dt.STRING, MYSQL) == [
        "a\n'b\"c", "x'y\"z", "\\%\\_\0\x1aq\\", "p'q", "",
    ]  # fmt: skip
    assert read_values(r"('a\')", 0, MYSQL) is None
    assert first(r"('a\'), ('\n')", dt.STRING) == ["a\\", "\\n"]


def test_binary_is_hex_on_postgres_and_raw_on_mysql() -> None:
    assert first(r"('\x00ff'), ('ab')", dt.BINARY) == [b"\0\xff", b"ab"]
    assert first(r"('\0\x00'), ('ab')", dt.BINARY, MYSQL) == [b"\0x00", b"ab"]


def test_a_bad_string_names_column_and_row() -> None:
    error = refused("(1, '1'), (2, 'b''c')", dt.INT32, dt.INT32)
    assert error.kind is ErrorKind.INVALID_TEXT
    assert error.message == 'invalid input syntax for type integer: "b\'c"'
    assert error.detail == 'column "c1", row 2'


def test_a_column_of_nulls_has_the_columns_type() -> None:
    for type_ in (dt.STRING, dt.TIMESTAMP_NANOSECOND, dt.list_of(dt.INT8), dt.decimal(9, 3)):
        assert first("(NULL), (null)", type_) == [None, None]


# --- random tables


def quoted(text: str, wire: Wire) -> str:
    if wire is MYSQL:
        text = text.replace("\\", "\\\\")
    return "'" + text.replace("'", "''") + "'"


NAIVE = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))  # noqa: DTZ001 (local times)
CELLS: dict[DataType, st.SearchStrategy[object]] = {
    dt.INT64: st.integers(-(2**63), 2**63 - 1),
    dt.UINT8: st.integers(0, 255),
    dt.FLOAT64: st.floats(allow_nan=False, allow_infinity=False),
    dt.decimal(20, 5): st.decimals(-(10**14), 10**14, places=5),
    dt.BOOLEAN: st.booleans(),
    dt.STRING: st.text(),
    dt.BINARY: st.binary(),
    dt.DATE: st.dates(),
    dt.TIMESTAMP_MICROSECOND: NAIVE,
}


def literal(value: object, wire: Wire) -> str:
    """One way to write a value."""
    if value is None:
        return "NULL"
    if isinstance(value, (bool, int, float, Decimal)):
        return str(value)
    if isinstance(value, bytes):
        return quoted("\\x" + value.hex(), wire)
    if isinstance(value, (datetime, date)):
        return quoted(value.isoformat(), wire)
    assert isinstance(value, str)
    return quoted(value, wire)


@given(st.data(), st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_random_tables_come_back(data: st.DataObject, types: list[DataType]) -> None:
    wire = data.draw(st.sampled_from([POSTGRES, MYSQL]))
    if wire is MYSQL:  # strings are raw bytes there
        types = [dt.STRING if type_ is dt.BINARY else type_ for type_ in types]
    row = st.tuples(*(st.none() | CELLS[type_] for type_ in types))
    rows = data.draw(st.lists(row, min_size=1, max_size=8))
    space = st.sampled_from(["", " ", "\n\t"])
    text = ",".join(
        data.draw(space) + "(" + ",".join(literal(value, wire) for value in row) + ")"
        for row in rows
    )
    result = table_of(text + data.draw(st.sampled_from(["", ";", " ; "])), *types, wire=wire)
    assert [tuple(found.values()) for found in result.to_pylist()] == rows


def test_columns_do_not_depend_on_the_statements_memory() -> None:
    text = ",".join(f"('{i}', {i})" for i in range(1000))
    rows = read_values(text, 0, POSTGRES)
    assert rows is not None
    result = to_table(rows, [Column("s", dt.STRING), Column("i", dt.INT64)], "UTC")
    del rows, text
    np.full(100_000, 7).sum()
    assert result.column("s").to_pylist() == [str(i) for i in range(1000)]
    assert result.column("i").to_pylist() == list(range(1000))


def test_short_texts_go_the_usual_way_while_the_kernel_is_being_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sql.decode.jit.is_pending", lambda kernel: True)
    assert read_values("(1, 'x')", 0, POSTGRES) is None
    many = ",".join(["(1, 'x')"] * 5000)
    rows = read_values(many, 0, POSTGRES)
    assert rows is not None
    assert rows.count == 5000
