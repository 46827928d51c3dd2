"""Users for tests of the logins."""

from __future__ import annotations

from server.auth.api import UserRecord


class Named:
    """Exactly these users, and a password is required."""

    required = True

    def __init__(self, *records: UserRecord) -> None:
        self._records = {record.name: record for record in records}

    def lookup(self, name: str) -> UserRecord | None:
        return self._records.get(name)
