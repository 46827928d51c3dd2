"""Roles that have passwords, behind the users of the users file.

Made by app.py, asked by every wire at login. A role made with PASSWORD must prove it whether or not
there is a users file; a name in the file goes by the file. It stores nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from catalog.details import Role
from engine.clock import Clock
from server.auth.api import UserRecord, Users


class RolesToo:
    """Implements `server.auth.api.Users`."""

    def __init__(self, users: Users, role: Callable[[str], Role | None], clock: Clock) -> None:
        """`role` finds a committed role by its name; any thread calls it."""
        # Constant after construction.
        self._users = users
        self._role = role
        self._clock = clock

    @property
    def required(self) -> bool:
        """As the users file has it."""
        return self._users.required

    def lookup(self, name: str) -> UserRecord | None:
        """The user of the file, or the role if it has a password."""
        found = self._users.lookup(name)
        if found is not None:
            return found
        role = self._role(name)
        if role is None or not role.password:
            return None
        if role.valid_until is not None and self._clock.now_ms() * 1000 >= role.valid_until:
            return UserRecord(name)  # without verifiers nothing is right
        return record_of(role)


def record_of(role: Role) -> UserRecord:
    """What a role's password left behind."""
    kept = role.password
    return UserRecord(
        role.name,
        scram=kept.get("scram"),
        mysql_native=_bytes(kept.get("mysql_native")),
        caching_sha2=_bytes(kept.get("caching_sha2")),
        md5=kept.get("md5"),
    )


def _bytes(digits: str | None) -> bytes | None:
    return None if digits is None else bytes.fromhex(digits)
