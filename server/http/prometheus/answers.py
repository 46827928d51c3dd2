"""The envelope of the Prometheus API: success, errors by its own types, compression.

https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from engine.errors import DbError, ErrorKind
from server.http.errors import error_text

_COMPRESS_BYTES_MIN = 1_024
_JSON = "application/json"
CLIENT_CLOSED = 499

# Kinds that only say that evaluating failed; most others say the request is wrong.
_EXECUTION = frozenset(
    {ErrorKind.INVALID_ARGUMENT, ErrorKind.LIMIT_EXCEEDED, ErrorKind.UNSUPPORTED}
)


def bad_data(name: str, why: str) -> DbError:
    """The error for a parameter that cannot be read."""
    return DbError(ErrorKind.SYNTAX, f'invalid parameter "{name}": {why}')


def located(error: DbError, name: str, text: str) -> DbError:
    """The error for a parameter with PromQL that does not parse: line, column, message."""
    if error.kind is not ErrorKind.SYNTAX or error.position is None:
        return error
    before = text[: error.position - 1]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    return bad_data(name, f"{line}:{column}: parse error: {error.message}")


def data_body(data: bytes, warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> bytes:
    """A successful answer around JSON text."""
    notes = b""
    if warnings:
        notes += b',"warnings":' + json.dumps(list(warnings), ensure_ascii=False).encode()
    if infos:
        notes += b',"infos":' + json.dumps(list(infos), ensure_ascii=False).encode()
    return b'{"status":"success","data":' + data + notes + b"}"


def as_json(value: object) -> bytes:
    """Compact JSON."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:  # a query's text may hold bytes that are no UTF-8
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode()


def compressed(request: Request, body: bytes) -> tuple[bytes, dict[str, str]]:
    """The body as the client takes it, and the headers that say so. A MB takes it 10 ms."""
    accepted = request.headers.get("accept-encoding", "")
    if len(body) < _COMPRESS_BYTES_MIN or "gzip" not in accepted.lower():
        return body, {}
    return gzip.compress(body, 1), {"content-encoding": "gzip", "vary": "accept-encoding"}


def success(body: bytes, headers: dict[str, str] | None = None) -> Response:
    """An answer whose body is made."""
    return Response(body, headers=headers, media_type=_JSON)


def failure(error: DbError, *, evaluating: bool = False) -> Response:
    """An error; `evaluating`: it came up after the request was understood."""
    kind, status = _type_of(error, evaluating=evaluating)
    body = {"status": "error", "errorType": kind, "error": error_text(error)}
    headers = {"x-greptime-err-code": str(error.codes.status)}
    if status == 401:
        headers["www-authenticate"] = 'Basic realm="gnomon", charset="UTF-8"'
    return Response(as_json(body), status, headers, _JSON)


def _type_of(error: DbError, *, evaluating: bool) -> tuple[str, int]:
    kind, status = error.kind, error.codes.http
    if kind is ErrorKind.TIMEOUT:
        return "timeout", 503
    if kind is ErrorKind.CANCELLED:
        return "canceled", CLIENT_CLOSED
    if status in (401, 403):
        return "unauthorized", status
    if status == 503:
        return "unavailable", 503
    if status >= 500:
        return "internal", 500
    if evaluating and kind in _EXECUTION:
        return "execution", 422
    return "bad_data", 400
