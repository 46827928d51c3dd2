"""Who sends a request: HTTP Basic in `Authorization` or `x-greptime-auth`.

Called by endpoints that touch data. The password arrives in the clear, so it is checked against
whichever verifier the user has; the last successful checks are remembered, because a SCRAM
verifier costs milliseconds and an agent sends its password with every request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections import OrderedDict

from starlette.requests import Request

from engine.errors import DbError, ErrorKind
from server.auth.api import UserRecord, Users
from server.auth.verifiers import matches
from server.http.context import context_of

ANONYMOUS = "gnomon"  # the user name of whoever gives none where none is needed
REMEMBERED_MAX = 1_000


class PasswordChecks:
    """Remembers which (user record, password) pairs matched, without keeping the password.

    A changed record is another pair, so a reloaded users file takes effect at once.
    """

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(16)
        # Single operations on it are atomic; losing a race only costs another check.
        self._known: OrderedDict[bytes, UserRecord] = OrderedDict()

    def matches(self, user: UserRecord, password: str) -> bool:
        """True if the password is the user's."""
        pair = f"{user.name}\0{password}".encode("utf-8", "surrogatepass")
        key = hashlib.blake2b(pair, key=self._salt, digest_size=32).digest()
        if self._known.get(key) == user:
            return True
        if not matches(user, password):
            return False
        self._known[key] = user
        while len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
        return True


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


def check(
    users: Users, checks: PasswordChecks, given: tuple[str, str] | None
) -> tuple[str, UserRecord | None]:
    """The user's name and record. Blocks for milliseconds: call it from a worker.

    Raises: DbError BAD_AUTHORIZATION without credentials, BAD_PASSWORD when they are wrong (for an
    unknown user too: the answer must not tell who exists).
    """
    if not users.required:
        return (given[0] if given and given[0] else ANONYMOUS), None
    if given is None:
        raise DbError(ErrorKind.BAD_AUTHORIZATION, "a user name and password are needed")
    user = users.lookup(given[0])
    if user is None or not checks.matches(user, given[1]):
        raise DbError(ErrorKind.BAD_PASSWORD, f"wrong user name or password for {given[0]!r}")
    return user.name, user


async def authenticate(
    request: Request, sent: tuple[str, str] | None = None
) -> tuple[str, UserRecord | None]:
    """The user who sends this request; `sent` is used in place of the headers.

    Raises: DbError BAD_AUTHORIZATION, BAD_PASSWORD.
    """
    context = context_of(request)
    given = sent or credentials(request)
    checks: PasswordChecks = request.app.state.password_checks
    if not context.users.required:
        return check(context.users, checks, given)
    return await context.workers.run(check, context.users, checks, given)
