"""Passwords that arrive in the clear: HTTP Basic, on whichever wire.

Called by server/http and server/flight. The last successful checks are remembered, because a SCRAM
verifier costs milliseconds and an agent sends its password with every request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict

from engine.errors import DbError, ErrorKind
from server.auth.api import UserRecord, Users, is_trusted
from sql import verifiers

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

    def is_quick(self, users: Users, given: tuple[str, str] | None) -> bool:
        """True if `check` takes no time: nothing is to be proven, or it found the same before."""
        user = users.lookup(ANONYMOUS if given is None else given[0])
        if user is None or given is None:
            return not users.required
        return self._knows(user, given[1])

    def _knows(self, user: UserRecord, password: str) -> bool:
        return self._known.get(self._key(user, password)) == user

    def _key(self, user: UserRecord, password: str) -> bytes:
        pair = f"{user.name}\0{password}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(pair, key=self._salt, digest_size=32).digest()

    def matches(self, user: UserRecord, password: str) -> bool:
        """True if the password is the user's."""
        key = self._key(user, password)
        if self._known.get(key) == user:
            return True
        if not matches(user, password):
            return False
        self._known[key] = user
        while len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
        return True


def matches(user: UserRecord, password: str) -> bool:
    """True if the password is the user's, by whichever verifier is the cheapest one kept."""
    if user.caching_sha2 is not None:
        return hmac.compare_digest(verifiers.caching_sha2(password), user.caching_sha2)
    if user.mysql_native is not None:
        return hmac.compare_digest(verifiers.mysql_native(password), user.mysql_native)
    if user.scram is not None:
        iterations, salt = verifiers.parse_scram(user.scram)
        return hmac.compare_digest(verifiers.scram_verifier(password, salt, iterations), user.scram)
    return user.md5 is not None and hmac.compare_digest(
        verifiers.md5(password, user.name), user.md5
    )


def check(
    users: Users, checks: PasswordChecks, given: tuple[str, str] | None
) -> tuple[str, UserRecord | None]:
    """The user's name and record. Blocks for milliseconds: call it from a worker.

    Raises: DbError BAD_AUTHORIZATION without credentials, BAD_PASSWORD when they are wrong (for an
    unknown user too: the answer must not tell who exists).
    """
    name = ANONYMOUS if given is None else given[0]
    user = users.lookup(name)
    if is_trusted(users, user):
        return name or ANONYMOUS, None
    if given is None:
        raise DbError(ErrorKind.BAD_AUTHORIZATION, "a user name and password are needed")
    if user is None or not checks.matches(user, given[1]):
        raise DbError(ErrorKind.BAD_PASSWORD, f"wrong user name or password for {given[0]!r}")
    return user.name, user
