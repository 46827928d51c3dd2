"""Texts of types with a name of their own: read, printed, packed and unpacked."""

from __future__ import annotations

import pyarrow as pa
import pytest

from engine import datatypes as dt
from engine.errors import DbError, ErrorKind
from engine.named import BASE_TYPES, SHOWN_TYPES, Named, NamedKind
from server.encode.style import TextStyle
from server.postgres.types.results import binary_cells
from sql.named.duckdb import named_from, named_text
from sql.named.read import read
from sql.named.unpack import unpack

BUILT_IN = BASE_TYPES | SHOWN_TYPES
MOOD = Named(NamedKind.ENUM, 16385, 17385, labels=("sad", "it's ok"))
PAIR = Named(
    NamedKind.COMPOSITE,
    *(16386, 17386),
    fields=(("a", dt.INT32), ("b c", dt.STRING), ("d", dt.list_of(dt.named_type(MOOD)))),
)
WORDS = Named(NamedKind.RANGE, 16387, 17387, fields=(("subtype", dt.STRING),))

# Type, what is written, what is printed.
READ = [
    ("int4range", "[1,3]", "[1,4)"),
    ("int4range", "(1,2)", "empty"),
    ("int4range", " (,5 ] ", "(,6)"),
    ("int8range", "[9223372036854775806,9223372036854775807)", None),
    ("numrange", "[1.50,2)", "[1.50,2)"),
    ("numrange", "[NaN,NaN]", "[NaN,NaN]"),
    ("numrange", "(,)", "(,)"),
    ("daterange", "[2020-01-01,2020-02-28]", "[2020-01-01,2020-02-29)"),
    ("daterange", "[2020-01-01,infinity]", "[2020-01-01,infinity]"),
    ("tsrange", "[2020-01-01 1:2,)", '["2020-01-01 01:02:00",)'),
    ("tstzrange", "(-infinity,2020-01-01 10:00+02]", '(-infinity,"2020-01-01 08:00:00+00"]'),
    ("int4multirange", "{[5,6), [1,3), [3,4]}", "{[1,6)}"),
    ("nummultirange", "{}", "{}"),
    ("datemultirange", "{(,2020-01-01)}", "{(,2020-01-01)}"),
    ("timetz", "24:00 -01:30", "24:00:00-01:30"),
    ("timetz", "1:02:03.4500z", "01:02:03.45+00"),
    ("money", "-1234.567", "-$1,234.57"),
    ("money", "($1,000)", "-$1,000.00"),
    ("bit", "B101", "101"),
    ("varbit", "x1f", "00011111"),
    ("inet", "192.168.0.1/32", "192.168.0.1"),
    ("inet", "::ffff:1.2.3.4/96", "::ffff:1.2.3.4/96"),
    ("cidr", "10.1", "10.1.0.0/16"),
    ("cidr", "2001:db8::/32", "2001:db8::/32"),
    ("macaddr", "08002b-010203", "08:00:2b:01:02:03"),
    ("macaddr8", "8:0:2b:1:2:3", "08:00:2b:ff:fe:01:02:03"),
    ("pg_lsn", "16/b374d848", "16/B374D848"),
    ("tid", "( 7 , 1 )", "(7,1)"),
    ("oid", " 12 ", "12"),
    ("xml", "<a/>", "<a/>"),
]


@pytest.mark.parametrize(("name", "text", "printed"), READ)
def test_a_text_is_printed_as_postgresql_does_and_survives_the_wire(
    name: str, text: str, printed: str | None
) -> None:
    named = BUILT_IN[name]
    found = read(named, text)
    assert found == (text if printed is None else printed)
    assert read(named, found) == found
    assert unpacked(named, found) == found


def unpacked(named: Named, text: str) -> str:
    cells = binary_cells(pa.array([text, None]), dt.named_type(named), TextStyle()).to_list()
    assert cells[1] is None
    assert cells[0] is not None
    return unpack(named, cells[0])


@pytest.mark.parametrize(
    ("named", "text", "printed"),
    [
        (MOOD, "it's ok", "it's ok"),
        (PAIR, '( 7, x y ,"{sad,NULL}")', '(7," x y ","{sad,NULL}")'),
        (PAIR, '(,"","{}")', '(,"",{})'),
        (WORDS, '["a,b",b c]', '["a,b","b c"]'),
    ],
)
def test_types_of_users_too(named: Named, text: str, printed: str) -> None:
    assert read(named, text) == printed
    assert unpacked(named, printed) == printed
    assert dt.from_tag(named.tag) == named
    if named.kind is NamedKind.ENUM:
        assert named_from(named_text(named)) == dt.named_type(named)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("int4range", "[5,1]", ErrorKind.DATA_EXCEPTION),
        ("int4range", "[1", ErrorKind.INVALID_TEXT),
        ("int4range", "[1,2) x", ErrorKind.INVALID_TEXT),
        ("int4range", "[1,2147483648)", ErrorKind.OUT_OF_RANGE),
        ("int4multirange", "{[1,2)", ErrorKind.INVALID_TEXT),
        ("timetz", "25:00+01", ErrorKind.DATETIME_OVERFLOW),
        ("timetz", "noon", ErrorKind.INVALID_DATETIME),
        ("money", "ten", ErrorKind.INVALID_TEXT),
        ("money", "1e30", ErrorKind.INVALID_TEXT),
        ("money", "92233720368547758.08", ErrorKind.OUT_OF_RANGE),
        ("bit", "102", ErrorKind.INVALID_TEXT),
        ("inet", "1.2.3", ErrorKind.INVALID_TEXT),
        ("inet", "1.2.3.4/33", ErrorKind.INVALID_TEXT),
        ("cidr", "10.1.2.3/8", ErrorKind.INVALID_TEXT),
        ("macaddr", "1:2", ErrorKind.INVALID_TEXT),
        ("pg_lsn", "1", ErrorKind.INVALID_TEXT),
        ("oid", "-1", ErrorKind.INVALID_TEXT),
    ],
)
def test_what_is_no_value_is_refused(name: str, text: str, kind: ErrorKind) -> None:
    with pytest.raises(DbError) as caught:
        read(BUILT_IN[name], text)
    assert caught.value.kind is kind


@pytest.mark.parametrize("text", ["(1,2)", "(1,2,,3)", "1,2,{}", '(1,"2,{})', "(x,2,{})"])
def test_a_record_has_the_fields_of_its_type(text: str) -> None:
    with pytest.raises(DbError) as caught:
        read(PAIR, text)
    assert caught.value.kind is ErrorKind.INVALID_TEXT
