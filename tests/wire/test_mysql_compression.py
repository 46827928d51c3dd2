"""The compressed protocol, with clients that ask for it."""

from __future__ import annotations

import subprocess
from typing import Any

import mysql.connector
import pytest
from fix_programs import needs
from fix_server import RunningServer

from engine.errors import DbError
from server.mysql.compression import Compression

LONG = 3_000_000


def test_clients_that_compress_get_large_and_small_answers(server: RunningServer) -> None:
    arguments: dict[str, Any] = server.mysql_args()
    connection = mysql.connector.connect(**arguments, compress=True)
    cursor = connection.cursor()
    for text in ("a", "ä" * 1000, "x" * LONG):
        cursor.execute("SELECT %s, length(%s)", (text, text))
        assert cursor.fetchall() == [(text, len(text.encode()))]
    cursor.execute("SELECT i, concat('row ', i) FROM generate_series(1, 20000) t(i)")
    assert cursor.fetchall() == [(i, f"row {i}") for i in range(1, 20001)]
    cursor.execute("SHOW SESSION STATUS LIKE 'Compression'")
    assert cursor.fetchall() == [("Compression", "ON")]
    with pytest.raises(mysql.connector.Error):
        cursor.execute("SELEC")
    prepared = connection.cursor(prepared=True)
    prepared.execute("SELECT ? + 1", (41,))
    assert [int(row[0]) for row in prepared.fetchall()] == [42]
    connection.close()


@needs("mariadb", package="mariadb-client")
def test_the_mariadb_client_compresses(server: RunningServer) -> None:
    port = str(server.port("mysql"))
    command = ["mariadb", "--compress", "-h127.0.0.1", f"-P{port}", "-ugnomon", "-N", "-e"]
    query = "SELECT length(repeat('x', 100000)); SELECT repeat('y', 100000)"
    done = subprocess.run([*command, query], capture_output=True, text=True, check=True)
    assert done.stdout == f"100000\n{'y' * 100000}\n"


def test_pieces_may_arrive_in_any_cut() -> None:
    client, reader = Compression(), Compression()
    plain = b"".join(bytes((n % 251,)) * 100 for n in range(9000))
    packed = b"".join(client.pack([plain[:10], plain[10:]]))
    assert len(packed) < len(plain) / 10
    found = b"".join(reader.receive(packed[at : at + 7]) for at in range(0, len(packed), 7))
    assert found == plain


@pytest.mark.parametrize("announced", [1, 99, 101, 5000])
def test_a_length_that_is_not_true_is_refused(announced: int) -> None:
    packed = bytearray(Compression().pack([b"a" * 100])[0])
    packed[4:7] = announced.to_bytes(3, "little")
    with pytest.raises(DbError):
        Compression().receive(bytes(packed))
