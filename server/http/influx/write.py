"""InfluxDB's endpoints for writing: versions 1, 2 and 3 of its API, ping and health.

A request of versions 1 and 2 is written whole or not at all; version 3 may keep the good lines.
https://docs.influxdata.com/influxdb/v1/tools/api/#write-http-endpoint
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from engine.errors import DbError, ErrorKind
from server.http.auth import authenticate, credentials
from server.http.content import GROWTH_MAX, content_of
from server.http.context import context_of
from server.http.groups import REQUEST_BYTES_MAX, ApartError, Groups
from server.http.hints import hints_of, may_create, table_options
from server.http.influx.lines import BYTES_MAX, LineError, read_lines
from server.http.prometheus.parameters import now_ms
from server.http.request import address, database_name, read_body, timeout_ms
from server.http.tasks import in_session
from sql.ingest.ingest import Ingest
from sql.session import ClientInfo, SessionApi

_NANOSECONDS = {
    **dict.fromkeys(("ns", "n", "nanosecond"), 1),
    **dict.fromkeys(("us", "u", "µ", "microsecond"), 1_000),
    **dict.fromkeys(("ms", "millisecond"), 1_000_000),
    **dict.fromkeys(("s", "second"), 1_000_000_000),
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_GUESSED = 0
_APPLICATION = "influxdb"
_DEFAULTS = {"merge_mode": "last_non_null"}  # points of one time complete each other
_ERRORS_SHOWN = 10
_ERRORS_REPORTED = 1_000
_TOGETHER_BYTES_MAX = 16 << 20  # content of a group; what unpacks to more is written by itself
_NOT_ASKED = frozenset({b"content-length", b"authorization", b"x-greptime-auth"})
_REMEMBERED_MAX = 1_024
_REMEMBERED: dict[Hashable, _Asked] = {}
_WRITTEN = Response(status_code=204)


async def ping(request: Request) -> Response:
    """Tells that the server is there, and its version. Needs no password."""
    version = context_of(request).version
    return Response(status_code=204, headers={"x-influxdb-version": version})


async def health(request: Request) -> Response:
    """Tells that the server is there. Needs no password."""
    del request
    return JSONResponse({})


async def write(request: Request) -> Response:
    """Writes the lines of a request of version 1 or 2, all or none. Raises: DbError."""
    errors = await _written(request, _unit(request, "ns"), partial=False)
    assert not errors
    return _WRITTEN


async def write_lp(request: Request) -> Response:
    """Writes the lines of a request of version 3, by default also if some are bad.

    Raises: DbError.
    """
    partial = _flag(request, "accept_partial", default=True)
    unit = _unit(request, "auto", guess=True)
    errors = await _written(request, unit, partial=partial)
    if not errors:
        return _WRITTEN
    body = {
        "error": "partial write of line protocol occurred",
        "data": [_report(error) for error in errors[:_ERRORS_REPORTED]],
    }
    return JSONResponse(body, 400)


@dataclass(frozen=True)
class LineRequest:
    """One request's body and what is to be done with it; without `partial` all lines or none."""

    body: bytes
    encoding: str
    content_max: int
    unit: int
    partial: bool
    create: bool
    options: Mapping[str, str]


def write_lines(
    session: SessionApi, requests: Sequence[LineRequest]
) -> Sequence[Sequence[LineError]]:
    """Writes some requests at once, all or nothing; the bad lines of each.

    Requires: they differ in nothing but their bodies. Raises: DbError; of several requests, if
    there is anything wrong with any; ApartError.
    """
    first = requests[0]
    contents, size = [], 0
    for one in requests:
        contents.append(content_of(one.body, one.encoding, one.content_max))
        size += len(contents[-1])
        if size > _TOGETHER_BYTES_MAX and len(requests) > 1:
            raise ApartError
    stops = list(accumulate(map(len, contents)))
    content = contents[0] if len(contents) == 1 else b"".join(contents)
    lines = read_lines(content, first.unit, now_ms() * 1_000_000, first.options, stops)
    if lines.errors and (len(requests) > 1 or not first.partial):
        raise _refused(lines.errors)
    session.run(Ingest(lines.tables, first.create, text="LINE PROTOCOL"))
    return [lines.errors] * len(requests)


@dataclass(frozen=True)
class _Asked:
    """What the head of a request says, but for who sends it."""

    database: str
    encoding: str
    create: bool
    options: Mapping[str, str]
    timeout_ms: int
    kind: Hashable  # equal for requests that may be written together


def _asked(request: Request) -> _Asked:
    """Remembered: agents send the same head again and again. Raises: DbError."""
    # Never who sends it: no password is kept.
    headers = [pair for pair in request.scope["headers"] if pair[0] not in _NOT_ASKED]
    key = request.scope["query_string"], *headers
    asked = _REMEMBERED.get(key)
    if asked is None:
        hints = hints_of(request.headers)
        create, options = may_create(hints), table_options(hints, _DEFAULTS)
        asked = _Asked(
            _database(request),
            request.headers.get("content-encoding", ""),
            create,
            options,
            timeout_ms(request.headers.get("x-greptime-timeout")),
            (create, tuple(options.items())),
        )
        if "p" not in request.query_params:
            if len(_REMEMBERED) >= _REMEMBERED_MAX:
                _REMEMBERED.clear()
            _REMEMBERED[key] = asked
    return asked


async def _written(request: Request, unit: int, *, partial: bool) -> Sequence[LineError]:
    """Reads and writes a request; without `partial` a bad line is an error. Raises: DbError."""
    asked, sent = _asked(request), sent_credentials(request)
    body = await read_body(request)
    body_max = context_of(request).configuration.settings.http_body_bytes_max
    content_max = min(body_max * GROWTH_MAX, BYTES_MAX)
    given = LineRequest(
        body, asked.encoding, content_max, unit, partial, asked.create, asked.options
    )
    if asked.timeout_ms or len(body) > REQUEST_BYTES_MAX:
        return await in_session(
            request,
            asked.database,
            lambda session: write_lines(session, [given])[0],
            timeout_ms=asked.timeout_ms,
            application=_APPLICATION,
            sent=sent,
        )
    groups: Groups[LineRequest, Sequence[LineError]] = request.app.state.line_groups
    name, _ = await authenticate(request, sent)
    client = ClientInfo(name, asked.database, address(request), _APPLICATION)
    return await groups.run(client, (unit, partial, asked.kind), given, len(body))


def _unit(request: Request, default: str, *, guess: bool = False) -> int:
    """Nanoseconds per unit of the request's times, 0 to guess. Raises: DbError."""
    name = request.query_params.get("precision") or default
    if guess and name == "auto":
        return _GUESSED
    unit = _NANOSECONDS.get(name)
    if unit is None:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"precision {name!r} is not known",
            hint="ns, us, ms, s, m and h are",
        )
    return unit


def _flag(request: Request, name: str, *, default: bool) -> bool:
    text = request.query_params.get(name, "").lower()
    if text not in ("", "true", "false"):
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"{name} is true or false, not {text!r}")
    return text == "true" if text else default


def _database(request: Request) -> str:
    """`db`, else `bucket` without a retention policy after its slash, else the header."""
    given = dict(request.query_params)
    if not given.get("db") and given.get("bucket"):
        given["db"] = given["bucket"].partition("/")[0]
    return database_name(request, given)


def sent_credentials(request: Request) -> tuple[str, str] | None:
    """User and password of `u` and `p`, or of `Authorization: Token user:password`.

    Raises: DbError BAD_AUTHORIZATION.
    """
    header = request.headers.get("authorization", "").strip()
    scheme, _, token = header.partition(" ")
    if scheme.lower() in ("token", "bearer"):
        user, colon, password = token.strip().partition(":")
        if not colon:
            raise DbError(ErrorKind.BAD_AUTHORIZATION, "a token must be user:password")
        return user, password
    user = request.query_params.get("u", "")
    if user and not header:
        return user, request.query_params.get("p", "")
    return credentials(request)


def _refused(errors: Sequence[LineError]) -> DbError:
    """The error of a request with bad lines: the first in its message, more in its detail."""
    others = [str(error) for error in errors[1:_ERRORS_SHOWN]]
    if len(errors) > _ERRORS_SHOWN:
        others.append(f"and {len(errors) - _ERRORS_SHOWN} more")
    detail = "nothing of the request was written"
    return DbError(ErrorKind.INVALID_ARGUMENT, str(errors[0]), detail="; ".join([detail, *others]))


def _report(error: LineError) -> dict[str, object]:
    return {
        "original_line": error.text,
        "line_number": error.line,
        "error_message": error.why,
    }
