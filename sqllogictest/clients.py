"""Three ways to ask the same SQL: PostgreSQL wire, MySQL wire and HTTP.

Called by the runner. Each client shows values as the raw text of its wire (values.py makes them
comparable) and every refusal as one `Refused`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from types import TracebackType
from typing import Any, Protocol, Self

import httpx
import psycopg
import pymysql
from pymysql.constants import CLIENT
from pymysql.converters import encoders

from engine.errors import ErrorKind
from sqllogictest.values import timestamp_text, zone

Address = tuple[str, int]
_DIGITS = {"Second": 0, "Millisecond": 3, "Microsecond": 6, "Nanosecond": 9}
_POSTGRES_TIMESTAMPTZ = 1184


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave: names and rows of raw text, or the rows it affected."""

    names: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    affected: int | None = None


class Refused(Exception):  # noqa: N818 - an outcome that cases expect, no failure of ours
    """The server answered with an error; `code` is spelled as that wire spells it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Client(Protocol):
    """One session in one database."""

    wire: str

    def run(self, sql: str) -> Answer:
        """Runs one statement. Raises: Refused."""

    def set_timezone(self, name: str) -> None:
        """Sets the session's time zone the way this wire does it."""

    def close(self) -> None:
        """Ends the session."""


class _Closing:
    """Lets a client be used in `with`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the session."""
        raise AssertionError("each client closes its own connection")


def codes_of(sqlstate: str, wire: str) -> frozenset[str]:
    """How a wire may spell the error that PostgreSQL calls `sqlstate`."""
    if wire == "postgres":
        return frozenset({sqlstate})
    kinds = [kind for kind in ErrorKind if kind.codes.sqlstate == sqlstate]
    if wire != "mysql":
        return frozenset(str(kind.codes.status) for kind in kinds)
    numbers = {kind.codes.errno for kind in kinds} | set(_FINER.get(sqlstate, ()))
    return frozenset(str(number) for number in numbers)


# What MySQL tells apart by the statement (sql/mysql_errors.py).
_FINER = {
    "22003": (1690,),
    "23502": (1364,),
    "23503": (1451,),
    "2BP01": (1451,),
    "3D000": (1008,),
    "3F000": (1008,),
    "42701": (1110,),
    "42703": (1072, 1091),
    "42704": (1064, 1091, 1133, 1396),
    "42710": (1061,),
    "42P01": (1051,),
    "42P10": (1054,),
    "42P16": (1068,),
}


class PostgresClient(_Closing):
    """psycopg, simple queries, text results."""

    wire = "postgres"

    def __init__(
        self, address: Address, database: str, user: str = "gnomon", password: str = ""
    ) -> None:
        self._connection = psycopg.connect(
            host=address[0],
            port=address[1],
            dbname=database,
            user=user,
            password=password,
            autocommit=True,
        )

    def run(self, sql: str) -> Answer:
        """Runs one statement. Raises: Refused."""
        try:
            cursor = self._connection.execute(sql.encode())
        except psycopg.Error as error:
            raise Refused(error.sqlstate or "", str(error)) from None
        result = cursor.pgresult
        if result is None or cursor.description is None:
            return Answer(affected=max(cursor.rowcount, 0))
        names = tuple(column.name for column in cursor.description)
        kinds = [result.ftype(j) for j in range(result.nfields)]
        rows = tuple(
            tuple(_postgres_text(result.get_value(i, j), kind) for j, kind in enumerate(kinds))
            for i in range(result.ntuples)
        )
        return Answer(names, rows)

    def set_timezone(self, name: str) -> None:
        """SET TIME ZONE."""
        self.run(f"SET TIME ZONE '{name}'")

    def close(self) -> None:
        """Ends the session."""
        self._connection.close()


def _postgres_text(value: bytes | None, oid: int) -> str | None:
    if value is None:
        return None
    text = bytes(value).decode()
    if oid == _POSTGRES_TIMESTAMPTZ:  # the session's zone is known: leave out the offset
        cut = max(text.rfind("+"), text.rfind("-"))
        return text[:cut] if cut > len("0000-00-00") else text
    return text


class MysqlClient(_Closing):
    """PyMySQL, text protocol, no conversion of values."""

    wire = "mysql"

    def __init__(
        self, address: Address, database: str, user: str = "gnomon", password: str = ""
    ) -> None:
        self._connection = pymysql.connect(
            host=address[0],
            port=address[1],
            database=database or None,
            user=user,
            password=password,
            autocommit=True,
            conv=dict(encoders),
            client_flag=CLIENT.FOUND_ROWS,  # rows an UPDATE matched, as on the other wires
        )

    def run(self, sql: str) -> Answer:
        """Runs one statement. Raises: Refused."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql)
                rows = cursor.fetchall()
        except pymysql.err.MySQLError as error:
            code, *rest = error.args or (0,)
            raise Refused(str(code), " ".join(map(str, rest))) from None
        if cursor.description is None:
            return Answer(affected=cursor.rowcount)
        names = tuple(column[0] for column in cursor.description)
        return Answer(names, tuple(tuple(map(_mysql_text, row)) for row in rows))

    def set_timezone(self, name: str) -> None:
        """SET time_zone."""
        self.run(f"SET time_zone = '{name}'")

    def close(self) -> None:
        """Ends the session."""
        self._connection.close()


def _mysql_text(value: str | bytes | None) -> str | None:
    return "\\x" + value.hex() if isinstance(value, bytes) else value


class HttpClient(_Closing):
    """POST /v1/sql; every request is its own session, so the time zone goes in a header."""

    wire = "http"

    def __init__(self, address: Address, database: str, user: str = "", password: str = "") -> None:
        auth = httpx.BasicAuth(user, password) if user else None
        base = f"http://{address[0]}:{address[1]}"
        self._client = httpx.Client(base_url=base, auth=auth, timeout=60, trust_env=False)
        self._database = database
        self._zone = "UTC"

    def run(self, sql: str) -> Answer:
        """Runs one statement. Raises: Refused."""
        reply = self._client.post(
            "/v1/sql",
            params={"db": self._database},
            data={"sql": sql},
            headers={"x-greptime-timezone": self._zone},
        )
        try:
            body = reply.json()
        except json.JSONDecodeError:
            raise Refused(str(reply.status_code), reply.text[:300]) from None
        if reply.status_code != httpx.codes.OK or "output" not in body:
            raise Refused(str(body.get("code", "")), str(body.get("error", body)))
        return self._answer(body["output"][-1])

    def _answer(self, output: dict[str, Any]) -> Answer:
        if "records" not in output:
            return Answer(affected=output["affectedrows"])
        columns = output["records"]["schema"]["column_schemas"]
        types = [column["data_type"] for column in columns]
        rows = tuple(
            tuple(self._text(value, kind) for value, kind in zip(row, types, strict=True))
            for row in output["records"]["rows"]
        )
        return Answer(tuple(column["name"] for column in columns), rows)

    def _text(self, value: object, kind: str) -> str | None:
        if value is None or isinstance(value, str):
            return value
        if kind.startswith("Timestamp"):
            digits = _DIGITS.get(kind.removeprefix("Timestamp"), 6)
            return timestamp_text(_whole(value), digits, zone(self._zone))
        if kind.startswith("Time"):
            return timestamp_text(_whole(value), 6, UTC).partition(" ")[2]
        if kind == "Date":
            return str(date(1970, 1, 1) + timedelta(days=_whole(value)))
        if kind == "Binary" and isinstance(value, list):
            return "\\x" + bytes(value).hex()
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    def set_timezone(self, name: str) -> None:
        """Remembers the zone for the next requests. Raises: KeyError if there is no such zone."""
        zone(name)
        self._zone = name

    def close(self) -> None:
        """Ends the session."""
        self._client.close()


def _whole(value: object) -> int:
    assert isinstance(value, int), f"{value!r} should be a whole number"
    return value


CLIENTS: dict[str, Any] = {
    "postgres": PostgresClient,
    "mysql": MysqlClient,
    "http": HttpClient,
}


def connect(wire: str, address: Address, database: str, login: Sequence[str] = ()) -> Client:
    """Opens a session; `login` is empty or (user, password)."""
    client: Client = CLIENTS[wire](address, database, *login)
    return client
