"""What a request asks for: its parameters, database, time zone and time limit.

Called by the endpoints. Query parameters come before form fields of the same name. It never
touches the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from engine.errors import DbError, ErrorKind
from server.config import parse_duration_ms
from server.http.context import context_of

CATALOG = "greptime"
DEFAULT_DATABASE = "public"


@dataclass(frozen=True, slots=True)
class SqlRequest:
    """One request to run SQL."""

    sql: str
    database: str
    format: str = "greptimedb_v1"
    epoch: str | None = None
    compression: str | None = None
    limit: int | None = None
    timezone: str | None = None
    timeout_ms: int = 0  # 0: no limit of its own


async def read_body(request: Request) -> bytes:
    """The whole body.

    Raises: DbError LIMIT_EXCEEDED beyond http_body_limit, ClientDisconnect.
    """
    context = context_of(request)
    bytes_max = context.configuration.settings.http_body_bytes_max
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > bytes_max:
        raise _too_large(bytes_max)
    pieces, size, more = [], 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece = message.get("body", b"")
        size += len(piece)
        if size > bytes_max:
            raise _too_large(bytes_max)
        pieces.append(piece)
        more = message.get("more_body", False)
    context.metrics.http_bytes.labels("in").inc(size)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(bytes_max: int) -> DbError:
    return DbError(
        ErrorKind.LIMIT_EXCEEDED,
        f"the request body is larger than {bytes_max} bytes",
        hint="send smaller batches or raise http_body_limit",
    )


async def parameters(request: Request) -> dict[str, str]:
    """Query parameters and form fields; a body of type application/sql is the field `sql`."""
    found = dict(request.query_params)
    if request.method == "GET":
        return found
    body = await read_body(request)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if content_type == "application/sql":
            return {"sql": body.decode()} | found
        fields = parse_qsl(body.decode(), keep_blank_values=True, encoding="utf-8", errors="strict")
    except UnicodeDecodeError:
        raise DbError(ErrorKind.INVALID_ENCODING, "the request body is not UTF-8") from None
    return dict(fields) | found


async def sql_request(request: Request) -> SqlRequest:
    """Raises: DbError INVALID_ARGUMENT, INVALID_ENCODING, LIMIT_EXCEEDED."""
    given = await parameters(request)
    if not given.get("sql"):
        raise DbError(ErrorKind.INVALID_ARGUMENT, "the parameter sql is missing")
    return request_for(request, given, given["sql"])


def request_for(request: Request, given: dict[str, str], sql: str) -> SqlRequest:
    """A request to run that SQL, everything else as asked. Raises: DbError INVALID_ARGUMENT."""
    return SqlRequest(
        sql=sql,
        database=database_name(request, given),
        format=given.get("format") or "greptimedb_v1",
        epoch=given.get("epoch") or None,
        compression=given.get("compression") or None,
        limit=_limit(given.get("limit")),
        timezone=request.headers.get("x-greptime-timezone") or None,
        timeout_ms=timeout_ms(request.headers.get("x-greptime-timeout")),
    )


def database_name(request: Request, given: dict[str, str]) -> str:
    """Of `db`, else of x-greptime-db-name; `catalog-schema` means the schema."""
    name = given.get("db") or request.headers.get("x-greptime-db-name") or DEFAULT_DATABASE
    return name.removeprefix(f"{CATALOG}-")


def _limit(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal():
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"limit {text!r} is not a whole number")
    return int(text)


def timeout_ms(text: str | None) -> int:
    """The value of x-greptime-timeout, 0 for none. Raises: DbError INVALID_ARGUMENT."""
    if not text:
        return 0
    try:
        return parse_duration_ms(text)
    except ValueError as error:
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"x-greptime-timeout {text!r}: {error}") from None


def address(request: Request) -> str:
    """Where the client is: host and port."""
    return f"{request.client.host}:{request.client.port}" if request.client else ""
