"""Passwords that arrive in the clear: HTTP Basic, on whichever wire.

Called by server/http and server/flight. The last successful checks are remembered, because a SCRAM
verifier costs milliseconds and an agent sends its password with every request.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict

from engine.errors import DbError, ErrorKind
from server.auth.api import UserRecord, Users
from server.auth.verifiers import matches

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

    def remembers(self, users: Users, given: tuple[str, str] | None) -> bool:
        """True if `check` takes no time: it found the same before."""
        user = None if given is None else users.lookup(given[0])
        return user is not None and given is not None and self._knows(user, given[1])

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
