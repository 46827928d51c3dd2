"""Who may cancel whom: the keys handed out at login and presented by CancelRequest.

One registry per listener, shared by its connections.
"""

from __future__ import annotations

import hmac
import secrets

from sql.session import SessionApi

_SECRET_BYTES = 4  # protocol 3.0 allows no more
_LONG_SECRET_BYTES = 32  # of protocol 3.2, as PostgreSQL 18's


class CancelKeys:
    """Secrets of live sessions. Used on the event loop and by logins in worker threads."""

    def __init__(self) -> None:
        # Guarded by the GIL: single dict operations only.
        self._sessions: dict[int, tuple[bytes, SessionApi]] = {}

    def add(self, session: SessionApi, *, long: bool = False) -> bytes:
        """Registers a session; returns its secret, a long one for who can take it."""
        secret = secrets.token_bytes(_LONG_SECRET_BYTES if long else _SECRET_BYTES)
        self._sessions[session.id] = (secret, session)
        return secret

    def remove(self, session: SessionApi) -> None:
        """Forgets a session."""
        self._sessions.pop(session.id, None)

    def cancel(self, process: int, secret: bytes) -> bool:
        """Ends what a session runs, if the secret is its own; tells nobody whether it was."""
        known = self._sessions.get(process)
        if known is None or not hmac.compare_digest(known[0], secret):
            return False
        known[1].cancel()
        return True
