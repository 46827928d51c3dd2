"""The server as a process: starting, stopping, being refused, being killed."""

from __future__ import annotations

import re
import signal
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SLOW = "SELECT count(*) FROM range(30000) a, range(20000) b WHERE (a.range * b.range) % 7 = 3"
ENDLESS = SLOW.replace("20000", "20000000000")


def sql(url: str, text: str) -> httpx.Response:
    return httpx.post(f"{url}/v1/sql", data={"sql": text}, timeout=300)


def wait_for_statement(url: str) -> None:
    """Until a statement runs: one more session than the one that asks."""
    for _ in range(2_000):
        found = re.search(
            r'gnomon_connections\{wire="http"\} (\d+)', httpx.get(f"{url}/metrics").text
        )
        if found is not None and int(found[1]) > 0:
            return
    raise AssertionError("the statement never started")


def in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    return thread, answers


def test_the_ready_line_names_the_real_addresses(server: Any) -> None:
    assert re.fullmatch(
        r"gnomon ready http=127\.0\.0\.1:\d+ mysql=127\.0\.0\.1:\d+ postgres=127\.0\.0\.1:\d+ "
        r"data=/\S+ version=\S+\n",
        server.ready_line,
    )
    for wire in ("http", "mysql", "postgres"):
        socket.create_connection(("127.0.0.1", server.port(wire)), 5).close()
    assert httpx.get(f"{server.http_url}/health").json() == {}


def test_metrics_show_the_storage(server: Any) -> None:
    text = httpx.get(f"{server.http_url}/metrics").text
    for name in ("regions", "rows", "files", "file_bytes", "memtable_rows", "memtable_bytes"):
        assert f"\ngnomon_storage_{name} " in text


def test_config_shows_what_it_was_started_with(server: Any) -> None:
    assert "# flag --data" in httpx.get(f"{server.http_url}/config").text


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_nothing_is_lost(server_factory: Any, number: int) -> None:
    first = server_factory.start()
    made = sql(first.http_url, "CREATE TABLE t (ts TIMESTAMP TIME INDEX, v DOUBLE)")
    assert made.status_code == 200, made.text
    assert sql(first.http_url, "INSERT INTO t VALUES (1, 1.5), (2, 2.5)").status_code == 200
    assert first.stop(number) == 0
    again = server_factory.start()
    answer = sql(again.http_url, "SELECT v FROM t ORDER BY ts")
    assert answer.json()["output"][0]["records"]["rows"] == [[1.5], [2.5]]
    assert again.stop() == 0


@pytest.mark.slow
def test_a_killed_server_has_everything_it_acknowledged(server_factory: Any) -> None:
    first = server_factory.start()
    sql(first.http_url, "CREATE TABLE t (ts TIMESTAMP TIME INDEX, v BIGINT)")
    for number in range(20):
        assert sql(first.http_url, f"INSERT INTO t VALUES ({number}, {number})").status_code == 200
    first.kill()
    again = server_factory.start()
    answer = sql(again.http_url, "SELECT count(*), sum(v)::BIGINT FROM t")
    assert answer.json()["output"][0]["records"]["rows"] == [[20, 190]]


@pytest.mark.slow
def test_a_running_statement_gets_its_grace(server_factory: Any) -> None:
    running = server_factory.start("--shutdown-grace", "30s")
    thread, answers = in_thread(lambda: sql(running.http_url, SLOW))
    wait_for_statement(running.http_url)
    assert running.stop() == 0
    thread.join()
    assert answers[0].status_code == 200, answers[0].text


@pytest.mark.slow
def test_a_statement_beyond_its_grace_is_cancelled(server_factory: Any) -> None:
    running = server_factory.start("--shutdown-grace", "100ms")
    thread, answers = in_thread(lambda: sql(running.http_url, ENDLESS))
    wait_for_statement(running.http_url)
    assert running.stop() == 0
    thread.join()
    assert answers[0].json()["code"] == 1005


@pytest.mark.slow
def test_a_second_server_on_the_same_data_is_refused(server_factory: Any) -> None:
    first = server_factory.start()
    with pytest.raises(AssertionError) as caught:
        server_factory.start()
    assert caught.value.code == 1
    assert str(first.data) in str(caught.value)
    assert sql(first.http_url, "SELECT 1").status_code == 200


@pytest.mark.slow
def test_an_address_in_use_is_named(server_factory: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AssertionError) as caught:
            server_factory.start("--mysql", address)
    assert caught.value.code == 1
    assert f"cannot listen for mysql on {address}" in str(caught.value)


@pytest.mark.slow
def test_a_wrong_users_file_is_a_usage_error(server_factory: Any, tmp_path: Path) -> None:
    (tmp_path / "users").write_text("ann\n")
    with pytest.raises(AssertionError) as caught:
        server_factory.start("--users", str(tmp_path / "users"))
    assert caught.value.code == 2
    assert "line 1" in str(caught.value)


def certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    paths = directory / "cert.pem", directory / "key.pem"
    paths[0].write_bytes(signed.public_bytes(pem))
    paths[1].write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.mark.slow
def test_users_and_tls_hold_on_every_wire(server_factory: Any, tmp_path: Path) -> None:
    (tmp_path / "users").write_text("ann=plain:secret\nbob:ro=plain:pw\n")
    cert, key = certificate(tmp_path)
    running = server_factory.start(
        *("--users", str(tmp_path / "users")),
        *("--tls-certificate", str(cert), "--tls-key", str(key)),
    )
    with psycopg.connect(running.postgres_dsn("ann"), password="secret", sslmode="require") as pg:
        assert pg.pgconn.ssl_in_use
        pg.execute("CREATE TABLE t (ts TIMESTAMP TIME INDEX, v BIGINT)")
        pg.execute("INSERT INTO t VALUES (1, 7)")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(running.postgres_dsn("ann"), password="wrong")
    secure = {"ssl": {"ca": str(cert), "check_hostname": False}}
    with (
        pymysql.connect(**running.mysql_args("bob"), password="pw", **secure) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT v FROM t")
        assert cursor.fetchall() == ((7,),)
        with pytest.raises(pymysql.err.MySQLError) as caught:
            cursor.execute("INSERT INTO t VALUES (2, 8)")
        assert caught.value.args[0] == 1142
    where = f"{running.http_url}/v1/sql"
    assert httpx.post(where, data={"sql": "SELECT v FROM t"}).status_code == 401
    answer = httpx.post(where, data={"sql": "DROP TABLE t"}, auth=("bob", "pw"))
    assert (answer.status_code, answer.json()["code"]) == (403, 7006)
    assert httpx.post(where, data={"sql": "DROP TABLE t"}, auth=("ann", "secret")).is_success


@pytest.mark.slow
def test_wires_can_be_off(server_factory: Any) -> None:
    running = server_factory.start("--mysql", "off", "--postgres", "off")
    assert set(running.addresses) == {"http"}
    assert sql(running.http_url, "SELECT 1").status_code == 200
