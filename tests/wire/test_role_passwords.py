"""Passwords of roles: who has one must prove it on every wire, with or without a users file."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import psycopg
import pymysql
import pytest
from fix_server import RunningServer

Knock = Callable[[RunningServer, str, str], bool]


# Each tells whether it may come in, and not whether something else went wrong.
def _postgres(server: RunningServer, user: str, password: str) -> bool:
    dsn = server.postgres_dsn(user)
    try:
        psycopg.connect(dsn, password=password, sslmode="disable").close()
    except psycopg.OperationalError as error:
        return "password" not in str(error)
    return True


def _mysql(server: RunningServer, user: str, password: str) -> bool:
    try:
        pymysql.connect(**server.mysql_args(user), password=password).close()
    except pymysql.err.OperationalError as error:
        return bool(error.args[0] != 1045)
    return True


def _http(server: RunningServer, user: str, password: str) -> bool:
    request = urllib.request.Request(server.http_url + "/v1/sql?sql=SELECT+1")
    secret = base64.b64encode(f"{user}:{password}".encode()).decode()
    request.add_header("Authorization", f"Basic {secret}")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code != 401


WIRES = pytest.mark.parametrize("knock", [_postgres, _mysql, _http])


@pytest.fixture
def boss(server: RunningServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as link:
        yield link
        link.execute("DROP ROLE IF EXISTS ann")


@WIRES
def test_a_role_with_a_password_must_prove_it(
    server: RunningServer, boss: psycopg.Connection, knock: Knock
) -> None:
    boss.execute("CREATE ROLE ann LOGIN PASSWORD 'Sesame'")
    assert knock(server, "ann", "Sesame")
    assert not knock(server, "ann", "sesame")
    assert not knock(server, "ann", "")
    assert knock(server, "somebody", "")
    boss.execute("ALTER ROLE ann PASSWORD NULL")
    assert knock(server, "ann", "anything")


@WIRES
def test_a_password_ends_with_its_time(
    server: RunningServer, boss: psycopg.Connection, knock: Knock
) -> None:
    boss.execute("CREATE ROLE ann LOGIN PASSWORD 'x' VALID UNTIL '2020-01-01'")
    assert not knock(server, "ann", "x")
    boss.execute("ALTER ROLE ann VALID UNTIL '2100-01-01'")
    assert knock(server, "ann", "x")


@WIRES
@pytest.mark.parametrize("kind", ["scram-sha-256", "md5"])
def test_every_wire_takes_a_password_that_a_client_has_hashed(
    server: RunningServer, boss: psycopg.Connection, knock: Knock, kind: str
) -> None:
    hashed = boss.pgconn.encrypt_password(b"secret", b"ann", kind.encode()).decode()
    boss.execute(f"CREATE ROLE ann LOGIN PASSWORD '{hashed}'")
    assert knock(server, "ann", "secret")
    assert not knock(server, "ann", "Secret")


def test_who_may_not_log_in_is_told_so(server: RunningServer, boss: psycopg.Connection) -> None:
    boss.execute("CREATE ROLE ann")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        psycopg.connect(server.postgres_dsn("ann"))
    with pytest.raises(pymysql.err.OperationalError, match="not permitted to log in"):
        pymysql.connect(**server.mysql_args("ann"))


def test_a_role_has_no_more_connections_than_its_limit(
    server: RunningServer, boss: psycopg.Connection
) -> None:
    boss.execute("CREATE ROLE ann LOGIN CONNECTION LIMIT 1")
    with psycopg.connect(server.postgres_dsn("ann")) as first:
        assert first.info.parameter_status("is_superuser") == "off"
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            psycopg.connect(server.postgres_dsn("ann"))


def test_limits_are_shown(boss: psycopg.Connection) -> None:
    assert boss.execute("SHOW max_connections").fetchone() == ("500",)
    assert boss.execute("SHOW superuser_reserved_connections").fetchone() == ("3",)
    assert boss.execute("SHOW is_superuser").fetchone() == ("on",)
