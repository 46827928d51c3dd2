"""Logins: trust, SCRAM, settings at startup, protocol versions, TLS."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fix_postgres import RunningListener
from patience import wait_until
from raw_postgres import raw_connection, receive_until, send_startup

from server.auth.api import UserRecord
from server.postgres.connection import Options
from server.tls import end_point
from sql.verifiers import md5, scram_verifier


class StaticUsers:
    required = True

    def lookup(self, name: str) -> UserRecord | None:
        if name == "alice":
            return UserRecord("alice", scram_verifier("wönderland", iterations=64))
        if name == "dave":
            return UserRecord("dave", md5=md5("old", "dave"))
        return UserRecord("carol") if name == "carol" else None


@pytest.fixture
def guarded() -> Iterator[RunningListener]:
    running = RunningListener(StaticUsers())
    yield running
    running.stop()


# Login.


@pytest.mark.parametrize("mode", ["disable", "prefer"])
def test_everybody_may_come_when_no_users_are_configured(postgres, mode) -> None:
    with psycopg.connect(postgres.dsn + f" sslmode={mode}", autocommit=True) as connection:
        assert connection.info.parameter_status("server_encoding") == "UTF8"
        assert connection.info.parameter_status("session_authorization") == "tester"
        assert connection.info.server_version == 160003
        (session,) = postgres.database.sessions()
        assert connection.info.backend_pid == session.id
    wait_until(lambda: not postgres.database.sessions())


def test_the_right_password_opens_the_door(guarded) -> None:
    dsn = f"host=127.0.0.1 port={guarded.port} dbname=public"
    with psycopg.connect(dsn, user="alice", password="wönderland") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)

    async def by_asyncpg() -> object:
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=guarded.port,
            user="alice",
            password="wönderland",
            database="public",
        )
        try:
            return await connection.fetchval("SELECT 1")
        finally:
            await connection.close()

    assert asyncio.run(by_asyncpg()) == 1


def test_who_has_an_md5_verifier_alone_logs_in_by_it(guarded) -> None:
    dsn = f"host=127.0.0.1 port={guarded.port} dbname=public user=dave"
    with psycopg.connect(dsn, password="old") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="hashed password"):
        psycopg.connect(dsn, password="old", require_auth="scram-sha-256")


WRONG = [("alice", "wrong"), ("bob", "x"), ("carol", "x"), ("dave", "x")]


@pytest.mark.parametrize(("user", "password"), WRONG)
def test_a_wrong_password_and_an_unknown_user_look_alike(guarded, user, password) -> None:
    dsn = f"host=127.0.0.1 port={guarded.port} dbname=public"
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(dsn, user=user, password=password)
    assert f'password authentication failed for user "{user}"' in str(caught.value)
    assert guarded.database.sessions() == []


def test_an_unknown_database_is_fatal_3d000(postgres) -> None:
    client = raw_connection(postgres)
    send_startup(client, database="nowhere")
    reply = receive_until(client, b"impossible")
    assert b"SFATAL\0VFATAL\0C3D000\0" in reply
    client.close()


def test_startup_parameters_become_settings(postgres) -> None:
    options = "options='-c TimeZone=Asia/Tokyo -c search_path=a\\\\ b' application_name=me"
    with psycopg.connect(postgres.dsn + " " + options) as connection:
        assert connection.info.parameter_status("TimeZone") == "Asia/Tokyo"
        assert connection.info.parameter_status("application_name") == "me"
        (session,) = postgres.database.sessions()
        assert session.show("search_path") == "a b"
        assert session.client.application == "me"


def test_a_wrong_setting_at_startup_is_fatal(postgres) -> None:
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(postgres.dsn + " options='-c TimeZone=Mars/Olympus'")
    assert "Mars/Olympus" in str(caught.value)
    assert all(session.is_closed for session in postgres.database.opened)


def test_newer_minor_versions_and_unknown_options_are_negotiated(postgres) -> None:
    client = raw_connection(postgres)
    send_startup(client, 196608 + 9, **{"_pq_.magic": "1"})
    reply = receive_until(client, b"Z\0\0\0\x05I")
    assert reply[:1] == b"v"
    assert b"_pq_.magic\0" in reply
    assert struct.unpack_from("!i", reply, 5)[0] == 196608 + 2
    client.close()


@pytest.mark.parametrize(("minor", "length"), [(0, 4), (2, 32)])
def test_the_cancel_key_is_as_long_as_the_protocol_allows(postgres, minor, length) -> None:
    client = raw_connection(postgres)
    send_startup(client, 196608 + minor)
    reply = receive_until(client, b"Z\0\0\0\x05I")
    at = reply.index(b"K\0\0\0")
    assert struct.unpack_from("!i", reply, at + 1)[0] == 8 + length
    client.close()


def test_a_connection_without_a_user_is_refused(postgres) -> None:
    client = raw_connection(postgres)
    send_startup(client, user="")
    assert b"C28000\0" in receive_until(client, b"impossible")
    client.close()


def test_who_does_not_log_in_in_time_is_sent_away() -> None:
    running = RunningListener(options=Options(login_seconds_max=0.05))
    client = raw_connection(running)
    assert client.recv(10) == b""
    client.close()
    running.stop()


# TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2024, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2124, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    certificate, private = folder / "server.crt", folder / "server.key"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private


@pytest.fixture
def encrypted(certificate: tuple[Path, Path]) -> Iterator[RunningListener]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    running = RunningListener(options=Options(tls=context))
    yield running
    running.stop()


@pytest.mark.parametrize("binding", ["require", "prefer", "disable"])
def test_logins_are_bound_to_the_tls_connection(certificate, binding) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    options = Options(tls=context, end_point=lambda: end_point(certificate[0]))
    running = RunningListener(StaticUsers(), options)
    dsn = f"host=127.0.0.1 port={running.port} dbname=public user=alice password=wönderland"
    try:
        with psycopg.connect(f"{dsn} sslmode=require channel_binding={binding}") as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="channel binding"):
            psycopg.connect(f"{dsn} sslmode=disable channel_binding=require")
    finally:
        running.stop()


def test_a_login_bound_to_another_certificate_fails(certificate) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    running = RunningListener(StaticUsers(), Options(tls=context, end_point=lambda: b"x" * 32))
    dsn = f"host=127.0.0.1 port={running.port} dbname=public user=alice password=wönderland"
    try:
        with pytest.raises(psycopg.OperationalError, match="channel binding does not match"):
            psycopg.connect(f"{dsn} sslmode=require")
    finally:
        running.stop()


def test_tls_is_started_when_asked_for(encrypted) -> None:
    with psycopg.connect(encrypted.dsn + " sslmode=require", autocommit=True) as connection:
        assert connection.pgconn.ssl_in_use
        rows = connection.execute("SELECT i FROM range(100000) t(i)").fetchall()
        assert len(rows) == 100_000


def test_plain_bytes_behind_the_tls_request_are_refused(encrypted) -> None:
    client = raw_connection(encrypted)
    client.sendall(struct.pack("!ii", 8, 80877103) + struct.pack("!ii", 8, 80877103))
    assert b"C08P01\0" in receive_until(client, b"impossible")
    client.close()
