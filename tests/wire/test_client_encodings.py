"""Client encodings and PostgreSQL's older spellings of dates and intervals, by psycopg."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fix_server import RunningServer
from psycopg import errors


@pytest.fixture
def link(server: RunningServer) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        yield connection


def _one(link: psycopg.Connection[Any], query: str, *parameters: object) -> object:
    row = link.execute(query, parameters or None).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("LATIN1", "héh"),
        ("WIN1252", "€uro"),
        ("KOI8R", "привет"),
        ("EUC_JP", "日本"),
        ("UTF8", "😀"),
    ],
)
def test_texts_go_both_ways_in_the_clients_encoding(
    link: psycopg.Connection[Any], encoding: str, text: str
) -> None:
    link.execute(f"SET client_encoding = '{encoding}'")
    assert link.info.parameter_status("client_encoding") == encoding
    assert _one(link, f"SELECT '{text}'") == text
    assert _one(link, "SELECT %s::text", text) == text
    cursor = link.cursor(binary=True)
    row = cursor.execute(f'SELECT %s::text AS "{text}"', (text,)).fetchone()
    assert row == (text,)
    assert cursor.description is not None
    assert cursor.description[0].name == text
    assert _one(link, "SELECT octet_length(%s)", text) == len(text.encode())


def test_copy_in_the_clients_encoding_and_in_one_of_its_own(link: psycopg.Connection[Any]) -> None:
    link.execute("CREATE TEMP TABLE words (word TEXT)")
    link.execute("SET client_encoding = 'SJIS'")
    with link.cursor().copy("COPY words FROM STDIN") as copy:
        data = "日本ソ\n".encode("cp932")  # ソ ends with a byte that is a backslash in ASCII
        for place in range(len(data)):
            copy.write(data[place : place + 1])
    with link.cursor().copy("COPY words TO STDOUT") as copy:
        assert b"".join(bytes(piece) for piece in copy) == "日本ソ\n".encode("cp932")
    with link.cursor().copy("COPY words TO STDOUT (ENCODING 'utf8')") as copy:
        assert b"".join(bytes(piece) for piece in copy).decode() == "日本ソ\n"
    with link.cursor().copy("COPY words FROM STDIN (ENCODING 'euc_jp')") as copy:
        copy.write("語\n".encode("euc_jp"))
    link.execute("SET client_encoding = 'UTF8'")
    assert (
        _one(link, "SELECT string_agg(word, ',' ORDER BY length(word)) FROM words") == "語,日本ソ"
    )


def test_what_has_no_such_character_is_an_error(link: psycopg.Connection[Any]) -> None:
    link.execute("SET client_encoding = 'LATIN1'")
    with pytest.raises(errors.UntranslatableCharacter, match=r"0xe2 0x82 0xac.*LATIN1"):
        link.execute("SELECT chr(8364)")
    with pytest.raises(errors.InvalidParameterValue, match="morse"):
        link.execute("SET client_encoding = 'morse'")
    link.execute("SET client_encoding = 'SQL_ASCII'")
    assert _one(link, "SHOW client_encoding") == b"SQL_ASCII"  # psycopg decodes nothing then


def test_half_a_character_at_the_end_of_copy_is_an_error(link: psycopg.Connection[Any]) -> None:
    link.execute("CREATE TEMP TABLE words (word TEXT)")
    link.execute("SET client_encoding = 'EUC_JP'")
    expected = pytest.raises(errors.CharacterNotInRepertoire, match="EUC_JP")
    with expected, link.cursor().copy("COPY words FROM STDIN") as copy:
        copy.write("日".encode("euc_jp")[:1])


@pytest.mark.parametrize(
    ("style", "date", "moment"),
    [
        ("ISO, MDY", "2023-01-02", "2023-07-02 05:04:05.6+02"),
        ("SQL, MDY", "01/02/2023", "07/02/2023 05:04:05.6 CEST"),
        ("SQL, DMY", "02/01/2023", "02/07/2023 05:04:05.6 CEST"),
        ("Postgres, MDY", "01-02-2023", "Sun Jul 02 05:04:05.6 2023 CEST"),
        ("Postgres, DMY", "02-01-2023", "Sun 02 Jul 05:04:05.6 2023 CEST"),
        ("German", "02.01.2023", "02.07.2023 05:04:05.6 CEST"),
    ],
)
def test_dates_are_spelled_as_the_session_asks(
    link: psycopg.Connection[Any], style: str, date: str, moment: str
) -> None:
    link.execute("SET timezone = 'Europe/Rome'")
    link.execute(f"SET datestyle = '{style}'")
    shown = _shown(link, "SELECT DATE '2023-01-02', TIMESTAMPTZ '2023-07-02 03:04:05.6+00'")
    assert shown == [date, moment]
    assert _shown(link, "SELECT ARRAY[DATE '2023-01-02'], NULL::date") == [f"{{{date}}}", None]


def _shown(link: psycopg.Connection[Any], query: str) -> list[str | None]:
    """The texts of a row as they came."""
    result = link.pgconn.exec_(query.encode())
    cells = (result.get_value(0, n) for n in range(result.nfields))
    return [None if cell is None else bytes(cell).decode() for cell in cells]


@pytest.mark.parametrize(
    ("style", "texts"),
    [
        ("postgres_verbose", ["@ 1 year 2 mons -3 days 4 hours 5 mins 6.7 secs", "@ 2 days ago"]),
        ("sql_standard", ["+1-2 -3 +4:05:06.7", "-2 0:00:00"]),
        ("iso_8601", ["P1Y2M-3DT4H5M6.7S", "P-2D"]),
    ],
)
def test_intervals_are_spelled_as_the_session_asks(
    link: psycopg.Connection[Any], style: str, texts: list[str]
) -> None:
    link.execute(f"SET intervalstyle = '{style}'")
    query = "SELECT INTERVAL '1 year 2 mons -3 days 4:05:06.7', INTERVAL '-2 days'"
    assert _shown(link, query) == texts
