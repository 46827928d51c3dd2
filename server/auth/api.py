"""What a wire needs to know about users: looked up by name, never changed here.

Called by the PostgreSQL, MySQL and HTTP logins. How users are stored (a file, the catalog) is
server/auth/users.py's business; a wire sees only verifiers, never a password.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class AccessMode(Enum):
    """What a user may do with data."""

    READ_WRITE = "readwrite"
    READ_ONLY = "readonly"
    WRITE_ONLY = "writeonly"


@dataclass(frozen=True, slots=True)
class UserRecord:
    """One user and the verifiers its password left behind; a None verifier refuses that method."""

    name: str
    scram: str | None = None  # `SCRAM-SHA-256$iterations:salt$stored key:server key`, base64 parts
    mysql_native: bytes | None = None  # sha1(sha1(password)), 20 bytes
    caching_sha2: bytes | None = None  # sha256(sha256(password)), 32 bytes
    md5: str | None = None  # `md5` and 32 hexadecimal digits; used if there is no SCRAM verifier
    mode: AccessMode = AccessMode.READ_WRITE


class Users(Protocol):
    """The users a listener knows. Any thread may ask."""

    @property
    def required(self) -> bool:
        """False: names that `lookup` does not know may log in without a password."""

    def lookup(self, name: str) -> UserRecord | None:
        """The user of exactly this name, None when there is none."""


def is_trusted(users: Users, record: UserRecord | None) -> bool:
    """True if who has this record, or none, need not prove anything."""
    return record is None and not users.required


class OpenDoor:
    """No users at all: everybody is trusted. The default for a fresh install and for tests."""

    @property
    def required(self) -> bool:
        """Nobody needs a password."""
        return False

    def lookup(self, name: str) -> UserRecord | None:
        """Knows nobody."""
        del name
        return None
