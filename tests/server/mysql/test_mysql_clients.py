"""Real clients against the wire: PyMySQL, mysql-connector and the mariadb command line."""

from __future__ import annotations

import datetime as dt
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import mysql.connector
import pymysql
import pymysql.constants.CLIENT
import pymysql.cursors
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fix_mysql import MysqlDoor, MysqlDoors
from raw_mysql import PLAIN, RawClient, handshake_response
from server_users import Named

from server.auth.api import UserRecord
from server.mysql.connection import MysqlOptions
from server.mysql.constants import Capability
from sql import verifiers

MARIADB = shutil.which("mariadb") or shutil.which("mysql")

# One value of every type that both drivers turn into Python values.
VALUES = """select 1::tinyint as i8, -2::smallint as i16, 3::int as i32, -4::bigint as i64,
 5::utinyint as u8, 6::usmallint as u16, 7::uinteger as u32, 18446744073709551615::ubigint as u64,
 1.5::float as f32, -2.25::double as f64, 12.30::decimal(9, 2) as de, 'zażółć' as s,
 '\\x00\\xFF'::blob as b, date '2024-02-29' as d, timestamp '2024-02-29 12:30:00.123456' as ts,
 null::int as n, time '01:02:03.5' as t, true as bo"""
EXPECTED: list[object] = [
    1,
    -2,
    3,
    -4,
    5,
    6,
    7,
    18446744073709551615,
    1.5,
    -2.25,
    Decimal("12.30"),
    "zażółć",
    b"\x00\xff",
    dt.date(2024, 2, 29),
    dt.datetime.fromisoformat("2024-02-29 12:30:00.123456"),
    None,
    dt.timedelta(hours=1, minutes=2, seconds=3, microseconds=500_000),
    1,
]


@pytest.fixture
def by_pymysql(mysql_door: MysqlDoor) -> Iterator[Any]:
    with pymysql.connect(host="127.0.0.1", port=mysql_door.port, user="root") as connection:
        yield connection


@pytest.fixture
def by_connector(mysql_door: MysqlDoor) -> Iterator[Any]:
    connection = mysql.connector.connect(host="127.0.0.1", port=mysql_door.port, user="root")
    yield connection
    connection.close()


def test_pymysql_reads_every_type(by_pymysql: Any) -> None:
    cursor = by_pymysql.cursor()
    cursor.execute(VALUES)
    assert list(cursor.fetchone()) == EXPECTED


def test_connector_reads_every_type_as_text(by_connector: Any) -> None:
    cursor = by_connector.cursor()
    cursor.execute(VALUES)
    (row,) = cursor.fetchall()
    assert list(row) == EXPECTED


def test_connector_reads_every_type_in_binary(by_connector: Any) -> None:
    cursor = by_connector.cursor(prepared=True)
    cursor.execute(VALUES + ", ?::int as p", (9,))
    (row,) = cursor.fetchall()
    assert list(row) == [*EXPECTED, 9]


def test_connector_sends_every_type_in_binary(mysql_door: MysqlDoor, by_connector: Any) -> None:
    values = (
        1,
        -(1 << 40),
        1 << 63,
        1.5,
        Decimal("1.25"),
        "text",
        b"\xff",
        dt.date(2024, 2, 29),
        dt.datetime.fromisoformat("2024-02-29 01:02:03.000004"),
        dt.time(1, 2, 3),
        None,
    )
    cursor = by_connector.cursor(prepared=True)
    cursor.execute("set x = concat(" + ", ".join("?" * len(values)) + ")", values)
    assert mysql_door.database.parameters == list(values)


def test_pymysql_streams_unbuffered(mysql_door: MysqlDoor) -> None:
    with pymysql.connect(
        host="127.0.0.1",
        port=mysql_door.port,
        user="root",
        cursorclass=pymysql.cursors.SSCursor,
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("select i, 'row ' || i from range(50000) r(i)")
        assert [row[0] for row in cursor.fetchall_unbuffered()] == list(range(50_000))


def test_pymysql_multi_statements(mysql_door: MysqlDoor) -> None:
    with pymysql.connect(
        host="127.0.0.1",
        port=mysql_door.port,
        user="root",
        client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS,
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("select 1; set x = 2; select 3")
        assert cursor.fetchall() == ((1,),)
        assert cursor.nextset()
        assert cursor.nextset()
        assert cursor.fetchall() == ((3,),)
        assert not cursor.nextset()


def test_connector_multi_statements_and_stored_cursor(by_connector: Any) -> None:
    cursor = by_connector.cursor()
    cursor.execute("select 1; select 2")
    found = [cursor.fetchall()]
    while cursor.nextset():
        found.append(cursor.fetchall())
    assert found == [[(1,)], [(2,)]]


def test_errors_carry_errno_and_sqlstate(by_pymysql: Any, by_connector: Any) -> None:
    with pytest.raises(pymysql.err.ProgrammingError) as first:
        by_pymysql.cursor().execute("select * from nowhere")
    assert first.value.args[0] == 1146
    with pytest.raises(mysql.connector.errors.ProgrammingError) as second:
        by_connector.cursor().execute("select * from nowhere")
    assert (second.value.errno, second.value.sqlstate) == (1146, "42S02")
    by_pymysql.ping()
    by_connector.ping()


def test_connector_changes_user_and_resets(mysql_door: MysqlDoor, by_connector: Any) -> None:
    by_connector.cmd_change_user("eve", "secret", "other")
    session = mysql_door.database.live[by_connector.connection_id]
    assert (session.client.user, session.database) == ("eve", "other")
    by_connector.cmd_reset_connection()
    assert session.resets == 1
    by_connector.cmd_ping()
    assert by_connector.cmd_statistics()["Threads"] >= 1


def test_pymysql_local_infile_is_refused(mysql_door: MysqlDoor, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("1\n")
    with (
        pymysql.connect(
            host="127.0.0.1", port=mysql_door.port, user="root", local_infile=True
        ) as connection,
        pytest.raises(pymysql.err.MySQLError) as caught,
    ):
        connection.cursor().execute(f"load data local infile '{secret}' into table t")
    assert caught.value.args[0] == 3948


def test_a_row_of_more_than_16_mib(by_pymysql: Any) -> None:
    cursor = by_pymysql.cursor()
    cursor.execute("select repeat('x', 20000000), 7")
    ((text, seven),) = cursor.fetchall()
    assert (len(text), seven) == (20_000_000, 7)


NATIVE = UserRecord("nat", mysql_native=verifiers.mysql_native("right"))
SHA2 = UserRecord("sha", caching_sha2=verifiers.caching_sha2("right"))
SCRAM = UserRecord("scr", scram=verifiers.scram_verifier("right", b"salt"))


def test_drivers_log_in_with_every_verifier(mysql_doors: MysqlDoors) -> None:
    where = {"host": "127.0.0.1", "port": mysql_doors.open(Named(NATIVE, SHA2, SCRAM)).port}
    for name in ("nat", "sha", "scr", "scr"):  # the second time by the fast path
        with pymysql.connect(**where, user=name, password="right") as connection:
            connection.ping()
    for name in ("nat", "sha", "scr"):
        mysql.connector.connect(**where, user=name, password="right").close()
    for name in ("nat", "sha", "scr", "nobody"):
        with pytest.raises(pymysql.err.OperationalError) as caught:
            pymysql.connect(**where, user=name, password="wrong")
        assert caught.value.args[0] == 1045
        with pytest.raises(mysql.connector.errors.ProgrammingError) as refused:
            mysql.connector.connect(**where, user=name, password="wrong")
        assert refused.value.errno == 1045


def run_cli(
    port: int, sql: str, *flags: str, user: str = "root"
) -> subprocess.CompletedProcess[str]:
    """Runs statements; as output is a pipe, rows come separated by tabs."""
    assert MARIADB is not None, "mariadb is missing: apt-get install mariadb-client"
    command = [MARIADB, "-h127.0.0.1", f"-P{port}", f"-u{user}", *flags, "-e", sql]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_command_line(mysql_door: MysqlDoor) -> None:
    done = run_cli(mysql_door.port, "select 1 as a, null as b, 'x y' as c; select 2 as d", "public")
    assert (done.stdout, done.stderr) == ("a\tb\tc\n1\tNULL\tx y\nd\n2\n", "")
    failed = run_cli(mysql_door.port, "select * from nowhere")
    assert failed.returncode == 1
    assert "ERROR 1146 (42S02)" in failed.stderr


def test_command_line_shows_column_types(mysql_door: MysqlDoor) -> None:
    done = run_cli(
        mysql_door.port, "select 1::bigint as n, 'x' as s", "--column-type-info", "--table"
    )
    assert "LONGLONG" in done.stdout
    assert "VAR_STRING" in done.stdout


def test_command_line_logs_in(mysql_doors: MysqlDoors) -> None:
    port = mysql_doors.open(Named(NATIVE, SHA2)).port
    for name in ("nat", "sha"):
        assert run_cli(port, "select 1", "-pright", user=name).stdout == "1\n1\n"
        assert "ERROR 1045 (28000)" in run_cli(port, "select 1", "-pwrong", user=name).stderr


def server_context(directory: Path) -> ssl.SSLContext:
    """A context with a fresh self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = directory / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_tls(mysql_doors: MysqlDoors, tmp_path: Path) -> None:
    options = MysqlOptions(tls=server_context(tmp_path))
    port = mysql_doors.open(Named(SCRAM), options).port
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    where: dict[str, Any] = {"host": "127.0.0.1", "port": port, "user": "scr", "password": "right"}
    for _ in range(2):  # the password in the clear, then the fast path
        with pymysql.connect(**where, ssl=trusting) as connection:
            cursor = connection.cursor()
            cursor.execute("select repeat('x', 300000)")
            assert len(cursor.fetchone()[0]) == 300_000
    with pymysql.connect(**where, ssl_disabled=True) as connection:
        connection.ping()
    connection = mysql.connector.connect(**where)
    connection.ping()
    connection.close()


def test_clients_that_do_not_encrypt_can_be_refused(
    mysql_doors: MysqlDoors, tmp_path: Path
) -> None:
    options = MysqlOptions(tls=server_context(tmp_path), tls_required=True)
    port = mysql_doors.open(Named(SCRAM), options).port
    where: dict[str, Any] = {"host": "127.0.0.1", "port": port, "user": "scr", "password": "right"}
    with pytest.raises(pymysql.err.OperationalError) as caught:
        pymysql.connect(**where, ssl_disabled=True)
    assert caught.value.args[0] == 3159
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    with pymysql.connect(**where, ssl=trusting) as connection:
        connection.ping()


def test_tls_request_and_handshake_may_share_a_segment(
    mysql_doors: MysqlDoors, tmp_path: Path
) -> None:
    port = mysql_doors.open(options=MysqlOptions(tls=server_context(tmp_path))).port
    for _ in range(5):
        with RawClient(port, log_in=False) as client:
            assert Capability.SSL in client.greeting.capabilities
            client.start_tls()
            client.send(handshake_response(PLAIN | Capability.SSL))
            assert client.read()[0] == 0


def test_closing_ends_idle_and_busy_clients(mysql_doors: MysqlDoors) -> None:
    door = mysql_doors.open()
    idle = pymysql.connect(host="127.0.0.1", port=door.port, user="root")
    busy = RawClient(door.port)
    busy.tell(3, b"select count(*) from range(100000000000) r(i)")
    door.run(door.listener.close())
    assert door.database.live == {}
    with busy:
        assert busy.is_closed()
    with pytest.raises(pymysql.err.MySQLError):
        idle.ping(reconnect=False)
