"""Who calls: Basic credentials in the first call, a token of ours in those after it.

https://arrow.apache.org/docs/format/Flight.html#authentication
"""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import pyarrow.flight as flight

from engine.errors import DbError
from server.auth.api import Users
from server.auth.passwords import PasswordChecks, check
from sql.database import DEFAULT_DATABASE

LOGIN = "login"
_TOKENS_MAX = 100_000


@dataclass
class Caller(flight.ServerMiddleware):  # type: ignore[misc]
    """The user of one call, and what the answer tells it."""

    user: str
    database: str
    token: str | None

    def sending_headers(self) -> dict[str, str]:
        """The token, once after a login."""
        return {"authorization": f"Bearer {self.token}"} if self.token is not None else {}


class Logins(flight.ServerMiddlewareFactory):  # type: ignore[misc]
    """Checks every call's `authorization`. Any thread."""

    def __init__(self, users: Users) -> None:
        super().__init__()
        # Constant after construction.
        self._users = users
        self._checks = PasswordChecks()
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._tokens: OrderedDict[str, str] = OrderedDict()  # user of each

    def start_call(self, info: flight.CallInfo, headers: dict[str, list[Any]]) -> Caller:
        """The caller. Raises: FlightUnauthenticatedError."""
        low = {name.lower(): values[0] for name, values in headers.items() if values}
        database = str(low.get("database", DEFAULT_DATABASE))
        scheme, _, value = str(low.get("authorization", "")).partition(" ")
        if scheme.lower() == "bearer":
            with self._lock:
                user = self._tokens.get(value)
            if user is None:
                raise flight.FlightUnauthenticatedError("the token is not known: log in again")
            return Caller(user, database, None)
        try:
            user, _ = check(self._users, self._checks, _basic(value) if scheme else None)
        except DbError as error:
            raise flight.FlightUnauthenticatedError(error.message) from error
        return Caller(user, database, self._new_token(user) if scheme else None)

    def _new_token(self, user: str) -> str:
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens[token] = user
            while len(self._tokens) > _TOKENS_MAX:
                self._tokens.popitem(last=False)
        return token


def _basic(value: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(value + "==").decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise flight.FlightUnauthenticatedError("the Basic authorization is not base64") from None
    return user, password
