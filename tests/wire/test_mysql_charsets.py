"""Character sets of clients on MySQL's wire: what is sent and shown when it is not UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mysql.connector
import pymysql
import pytest
from fix_server import RunningServer

from engine.errors import DbError, ErrorKind
from server.mysql.replies import err
from sql.charsets import charset_named

DATABASE = "wire_charsets"
TEXTS = [
    ("cp1251", "Привет"),
    ("greek", "αντίο"),
    ("latin1", "ëá€"),
    ("latin7", "ąž"),
    ("gbk", "赵孟頫"),
    ("big5", "皿屢"),
    ("sjis", "シイラ"),
    ("ujis", "日本語"),
    ("euckr", "한국"),
    ("gb18030", "赵😀"),
]


@pytest.fixture(scope="module")
def database(server: RunningServer) -> Iterator[RunningServer]:
    with pymysql.connect(**server.mysql_args(), autocommit=True) as made:
        cursor = made.cursor()
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        cursor.execute(f"CREATE TABLE {DATABASE}.texts (id INT, t VARCHAR(40))")
        yield server
        cursor.execute(f"DROP DATABASE {DATABASE}")


def _cursor(server: RunningServer, charset: str = "utf8mb4") -> Any:
    arguments = server.mysql_args() | {"charset": charset, "database": DATABASE}
    connection = pymysql.connect(**arguments, autocommit=True)
    connection.encoding = charset_named(charset).codec
    return connection.cursor()


@pytest.mark.parametrize(("charset", "text"), TEXTS)
def test_texts_and_names_are_in_the_clients_set(
    database: RunningServer, charset: str, text: str
) -> None:
    plain, own = _cursor(database), _cursor(database, charset)
    plain.execute("TRUNCATE texts")
    plain.execute("INSERT INTO texts VALUES (1, %s), (2, NULL), (3, ''), (4, 'abc')", (text,))
    own.execute("INSERT INTO texts VALUES (5, %s)", (text + "x",))
    plain.execute("SELECT t FROM texts WHERE id = 5")
    assert plain.fetchall() == ((text + "x",),)
    own.execute(f"SELECT t AS `{text}`, id, x'ff00' FROM texts ORDER BY id")
    assert own.description[0][0] == text
    shown = [text, None, "", "abc", text + "x"]
    assert list(own.fetchall()) == [(t, n + 1, b"\xff\x00") for n, t in enumerate(shown)]
    plain.connection.close()
    own.connection.close()


def test_what_a_set_has_no_character_for_is_a_question_mark(database: RunningServer) -> None:
    cursor = _cursor(database, "latin1")
    cursor.execute("SET character_set_results = latin2")
    cursor.execute("SELECT char_length('ß€'), concat('ß', unhex('E8B5B5'))")
    assert cursor.fetchall()[0][0] == 2
    cursor.execute("SET character_set_results = NULL")
    cursor.execute("SELECT @@character_set_results, @@character_set_client")
    assert cursor.fetchall()[0][1] == "latin1"
    cursor.connection.close()


def test_errors_are_told_in_the_clients_set() -> None:
    packet = err(DbError(ErrorKind.SYNTAX, "нет"), charset_named("cp1251"))
    assert packet.endswith("нет".encode("cp1251"))


def test_bytes_with_a_set_in_front_are_text_of_that_set(database: RunningServer) -> None:
    cursor = _cursor(database)
    cursor.execute("SELECT _gbk 0xD5D4EF5C5C, _latin1 x'E9', _cp1251 0xC0, _utf8mb4'é'")
    assert cursor.fetchall() == (("赵颸\\", "é", "\u0410", "é"),)
    cursor.connection.close()


def test_parameters_are_in_the_clients_set(database: RunningServer) -> None:
    arguments = database.mysql_args() | {"charset": "cp1251", "database": DATABASE}
    with mysql.connector.connect(**arguments, use_pure=True) as connection:
        cursor = connection.cursor(prepared=True)
        cursor.execute("SELECT ?, char_length(?)", ("аффф", "аффф"))
        assert cursor.fetchall() == [("аффф", 4)]


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("SET NAMES morse", 1115),
        ("SET NAMES utf16", 1231),
        ("SET character_set_client = ucs2", 1231),
        ("SET character_set_results = morse", 1115),
    ],
)
def test_sets_no_client_can_have(database: RunningServer, statement: str, number: int) -> None:
    cursor = _cursor(database)
    with pytest.raises(pymysql.Error) as caught:
        cursor.execute(statement)
    assert caught.value.args[0] == number
    cursor.execute("SELECT @@character_set_client, 'é'")
    assert cursor.fetchall() == (("utf8mb4", "é"),)
    cursor.connection.close()


def test_results_may_be_wide(database: RunningServer) -> None:
    cursor = _cursor(database)
    cursor.execute("SET character_set_results = utf16")
    cursor.connection.encoding = "utf-16-be"
    cursor.execute("SELECT 'aé赵' AS a, 7 AS b".encode())
    assert cursor.fetchall() == (("aé赵", 7),)
    cursor.connection.close()
