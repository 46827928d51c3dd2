"""Who sends a request: HTTP Basic in `Authorization` or `x-greptime-auth`.

Called by endpoints that touch data. The check itself is in server/auth/passwords.py.
"""

from __future__ import annotations

import base64
import binascii

from starlette.requests import Request

from engine.errors import DbError, ErrorKind
from server.auth.api import UserRecord
from server.auth.passwords import PasswordChecks, check
from server.http.context import context_of


def credentials(request: Request) -> tuple[str, str] | None:
    """User and password as sent, None when there are none. Raises: DbError BAD_AUTHORIZATION."""
    header = request.headers.get("x-greptime-auth") or request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, encoded = header.strip().partition(" ")
    if scheme.lower() != "basic":
        raise DbError(ErrorKind.BAD_AUTHORIZATION, "only Basic authorization is understood here")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise DbError(
            ErrorKind.BAD_AUTHORIZATION, "the Basic authorization is not base64 of user:password"
        ) from None
    user, colon, password = decoded.partition(":")
    if not colon:
        raise DbError(ErrorKind.BAD_AUTHORIZATION, "the Basic authorization has no password")
    return user, password


async def authenticate(
    request: Request, sent: tuple[str, str] | None = None
) -> tuple[str, UserRecord | None]:
    """The user who sends this request; `sent` is used in place of the headers.

    Raises: DbError BAD_AUTHORIZATION, BAD_PASSWORD.
    """
    context = context_of(request)
    given = sent or credentials(request)
    checks: PasswordChecks = request.app.state.password_checks
    if checks.is_quick(context.users, given):
        return check(context.users, checks, given)
    return await context.workers.run(check, context.users, checks, given)
