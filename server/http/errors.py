"""Errors as HTTP answers: GreptimeDB's JSON body and headers, our message."""

from __future__ import annotations

import logging

from starlette.responses import JSONResponse, Response

from engine.errors import DbError, ErrorKind

logger = logging.getLogger(__name__)

HEADER_CHARACTERS_MAX = 1_000  # clients and proxies commonly allow 8 KiB for all headers


def error_text(error: DbError) -> str:
    """Message, detail and hint in one sentence or three."""
    text = error.message
    if error.detail:
        text += f" ({error.detail})"
    if error.hint:
        text += f"; hint: {error.hint}"
    return text


def error_response(error: DbError, elapsed_ms: int = 0) -> Response:
    """`{"code","error","execution_time_ms"}` with the status and headers of the error's kind."""
    codes = error.codes
    headers = {
        "x-greptime-err-code": str(codes.status),
        "x-greptime-err-msg": _header_text(error.message),
        "x-greptime-execution-time": str(elapsed_ms),
    }
    if codes.http == 401:
        headers["www-authenticate"] = 'Basic realm="gnomon", charset="UTF-8"'
    if error.kind.retryable:
        headers["retry-after"] = "1"
    body = {
        "code": codes.status,
        "error": error_text(error),
        "execution_time_ms": elapsed_ms,
    }
    return JSONResponse(body, codes.http, headers)


def unexpected(error: Exception) -> DbError:
    """An error of ours as the client may see it; the log has the rest."""
    logger.error("internal error", exc_info=error)
    return DbError(
        ErrorKind.INTERNAL,
        f"internal error: {type(error).__name__}",
        hint="the server's log has the details",
    )


def _header_text(text: str) -> str:
    """Header values are one line of Latin-1 without control characters (RFC 9110 section 5.5)."""
    words = " ".join(text.split())[:HEADER_CHARACTERS_MAX]
    line = "".join(one if one.isprintable() else "?" for one in words)
    return line.encode("latin-1", "replace").decode("latin-1")
