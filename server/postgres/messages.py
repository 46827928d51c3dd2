"""What a PostgreSQL client can say: one immutable class per frontend message.

protocol.py makes them from bytes; startup.py, conversation.py and extended.py act on them.
https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from engine.errors import DbError


class Target(Enum):
    """What Describe and Close are about."""

    STATEMENT = "S"
    PORTAL = "P"


@dataclass(frozen=True, slots=True)
class StartupMessage:
    """The first message: protocol version and session parameters."""

    major: int
    minor: int
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class SSLRequest:
    """May the connection be encrypted with TLS?"""


@dataclass(frozen=True, slots=True)
class GSSENCRequest:
    """May the connection be encrypted with GSSAPI?"""


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """End what another connection runs; sent on a connection of its own."""

    process: int
    secret: bytes


@dataclass(frozen=True, slots=True)
class Password:
    """A password or one step of SASL: only the login knows which."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Query:
    """Run a text of any number of statements."""

    text: str


@dataclass(frozen=True, slots=True)
class Parse:
    """Prepare a statement; a type of 0 asks the server to infer it."""

    statement: str
    text: str
    types: tuple[int, ...]


class Bind(NamedTuple):
    """Give a prepared statement its parameters, which makes a portal."""

    portal: str
    statement: str
    formats: tuple[int, ...]
    parameters: tuple[bytes | None, ...]
    result_formats: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Describe:
    """What does a statement take and give; what does a portal give?"""

    target: Target
    name: str


@dataclass(frozen=True, slots=True)
class Execute:
    """Run a portal for at most `max_rows` rows (0: all)."""

    portal: str
    max_rows: int


@dataclass(frozen=True, slots=True)
class Close:
    """Forget a statement or a portal."""

    target: Target
    name: str


@dataclass(frozen=True, slots=True)
class Sync:
    """The end of a series of extended-protocol messages."""


@dataclass(frozen=True, slots=True)
class Flush:
    """Send what is ready now."""


@dataclass(frozen=True, slots=True)
class CopyData:
    """A piece of COPY FROM STDIN's data."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CopyDone:
    """That was all COPY data."""


@dataclass(frozen=True, slots=True)
class CopyFail:
    """The client gives COPY up."""

    reason: str


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """Call a function by its number: the fast path, which large objects use."""

    oid: int
    formats: tuple[int, ...]
    arguments: tuple[bytes | None, ...]
    result_format: int


@dataclass(frozen=True, slots=True)
class Terminate:
    """Good-bye."""


class Exchange(NamedTuple):
    """All that a driver asks of a prepared statement: Bind, Execute of the unnamed portal, Sync."""

    bind: Bind
    describes: bool  # Describe of the portal is before Execute


@dataclass(frozen=True, slots=True)
class BadMessage:
    """A message whose frame is sound but whose inside is not; the connection may go on."""

    code: str
    error: DbError


Startup = StartupMessage | SSLRequest | GSSENCRequest | CancelRequest
Frontend = (
    Startup
    | Password
    | Query
    | Parse
    | Bind
    | Describe
    | Execute
    | Close
    | Sync
    | Flush
    | CopyData
    | CopyDone
    | CopyFail
    | FunctionCall
    | Terminate
    | BadMessage
)
