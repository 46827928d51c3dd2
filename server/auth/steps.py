"""Steps of a MySQL login: what a password exchange asks its driver to do.

A login is a generator of these; server/mysql/connection.py drives it and does the I/O.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ask:
    """Send this payload; the client's next payload is the answer."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Say:
    """Send this payload and go on at once: the client does not answer it."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class StartTls:
    """Switch the socket to TLS; the client's next payload (now encrypted) is the answer."""


Step = Ask | Say | StartTls

# An exchange ends with True when the password was right.
Exchange = Generator[Step, bytes, bool]

AUTH_MORE_DATA = b"\x01"  # first byte of a server payload that continues an exchange
