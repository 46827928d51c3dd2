"""Bytes from a PostgreSQL client become messages. No I/O happens here.

connection.py feeds what the socket gave and takes complete messages one by one. A broken frame
raises DbError PROTOCOL (the connection cannot go on, nobody knows where the next message begins);
a sound frame with nonsense inside becomes a BadMessage (it can).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import DbError, ErrorKind
from server.postgres.encoded import decoded
from server.postgres.messages import (
    BadMessage,
    Bind,
    CancelRequest,
    Close,
    CopyData,
    CopyDone,
    CopyFail,
    Describe,
    Exchange,
    Execute,
    Flush,
    Frontend,
    FunctionCall,
    GSSENCRequest,
    Parse,
    Password,
    Query,
    SSLRequest,
    Startup,
    StartupMessage,
    Sync,
    Target,
    Terminate,
)
from sql.encodings import UTF8

_SSL_REQUEST = 80877103
_GSSENC_REQUEST = 80877104
_CANCEL_REQUEST = 80877102


@dataclass(frozen=True, slots=True)
class Limits:
    """The longest messages a client may send, in bytes; PostgreSQL's own numbers by default."""

    startup: int = 10_000  # MAX_STARTUP_PACKET_LENGTH
    password: int = 65_535  # PG_MAX_AUTH_TOKEN_LENGTH
    small: int = 10_000  # PQ_SMALL_MESSAGE_LIMIT: messages without user data
    large: int = (1 << 30) - 1  # PQ_LARGE_MESSAGE_LIMIT


class FrontendReader:
    """Cuts a client's byte stream into messages.

    I1. Only a complete message leaves; until then its bytes wait in the buffer.
    I2. A length is checked against the limits before any of its bytes are waited for.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._buffer = bytearray()
        self._at = 0
        self._started = False
        self.authenticated = False  # set by the login; before, only Password is allowed
        self.encoding = UTF8  # the client's, of texts in messages still to come

    def feed(self, data: bytes | memoryview) -> None:
        """Takes what the socket gave."""
        self._buffer += data

    @property
    def buffered(self) -> int:
        """Bytes taken but not yet part of a message that left."""
        return len(self._buffer) - self._at

    def next_event(self) -> Frontend | None:
        """The next message, None when more bytes are needed. Raises: DbError PROTOCOL."""
        event = self._next_message() if self._started else self._next_startup()
        if event is None or self._at == len(self._buffer):
            self._compact()
        return event

    def exchange(self) -> Exchange | None:
        """What has come, if that is one exchange and nothing else; it stays until it is taken."""
        buffer = self._buffer
        if self._at or not 5 < len(buffer) <= EXCHANGE_BYTES_MAX or buffer[0] != _BIND:
            return None
        end = 1 + int.from_bytes(buffer[1:5], "big")
        describes = _ENDS.get(bytes(buffer[end:]))
        if describes is None or not self.authenticated:
            return None
        bind = _plain_bind(bytes(buffer[5:end]))
        return None if bind is None else Exchange(bind, describes)

    def take(self) -> None:
        """The exchange was answered."""
        self._buffer.clear()

    def _compact(self) -> None:
        if self._at:
            del self._buffer[: self._at]
            self._at = 0

    def _next_startup(self) -> Startup | None:
        if self.buffered < 4:
            return None
        (length,) = _INT32.unpack_from(self._buffer, self._at)
        if not 8 <= length <= self._limits.startup:
            raise _protocol(f"invalid length of startup packet: {length}")
        if self.buffered < length:
            return None
        body = Body(bytes(self._buffer[self._at + 4 : self._at + length]))
        self._at += length
        event = _startup(body)
        self._started = isinstance(event, StartupMessage)
        return event

    def _next_message(self) -> Frontend | None:
        buffer, at = self._buffer, self._at
        there = len(buffer) - at
        if there < 1:
            return None
        code = buffer[at]
        limit = self._limit(code)
        if there < 5:
            return None
        (length,) = _INT32.unpack_from(buffer, at + 1)
        if not 4 <= length <= limit:
            raise _protocol(f"invalid length {length} of message {chr(code)!r}")
        if there < 1 + length:
            return None
        self._at = at + 1 + length
        if length <= _COMMON_BYTES_MAX:
            data = bytes(buffer[at + 5 : self._at])
            if (common := _COMMON.get((code, data))) is not None:
                return common
        else:
            with memoryview(buffer) as view:
                data = bytes(view[at + 5 : self._at])
        return _message(code, Body(data, self.encoding))

    def _limit(self, code: int) -> int:
        """The longest message of this type. Raises: DbError PROTOCOL when it has no place here."""
        if not self.authenticated:
            if code not in b"pX":
                raise _protocol(f"expected a password response, got message type {_shown(code)}")
            return self._limits.password
        if code in _LARGE:
            return self._limits.large
        if code in _READERS:
            return self._limits.small
        raise _protocol(f"invalid frontend message type {_shown(code)}")


class Body:
    """The inside of one message, read front to back. Every reader raises DbError PROTOCOL."""

    def __init__(self, data: bytes, encoding: str = UTF8) -> None:
        self._data = data
        self._encoding = encoding
        self._at = 0

    def string(self) -> str:
        """A text that ends with a zero byte. Raises: DbError INVALID_ENCODING also."""
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise _protocol("a string in the message does not end")
        if end == self._at:
            self._at = end + 1
            return ""
        raw = self._data[self._at : end]
        self._at = end + 1
        return decoded(raw, self._encoding)

    def int16(self) -> int:
        """An unsigned 16-bit integer."""
        return int.from_bytes(self.take(2), "big")

    def int32(self) -> int:
        """A signed 32-bit integer."""
        return int.from_bytes(self.take(4), "big", signed=True)

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise _protocol("insufficient data left in message")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def rest(self) -> bytes:
        """Everything left."""
        return self.take(len(self._data) - self._at)

    def int16s(self) -> tuple[int, ...]:
        """A count and as many 16-bit integers."""
        count = self.int16()
        if not count:
            return ()
        return struct.unpack(f"!{count}H", self.take(2 * count))

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._data):
            raise _protocol("the message is longer than its contents")

    @property
    def finished(self) -> bool:
        """True when nothing is left."""
        return self._at == len(self._data)


_INT32 = struct.Struct("!i")


def _startup(body: Body) -> Startup:
    code = body.int32()
    if code == _SSL_REQUEST:
        body.end()
        return SSLRequest()
    if code == _GSSENC_REQUEST:
        body.end()
        return GSSENCRequest()
    if code == _CANCEL_REQUEST:
        process = body.int32()
        secret = body.rest()
        if not secret:
            raise _protocol("a cancel request without a key")
        return CancelRequest(process, secret)
    major, minor = (code >> 16) & 0xFFFF, code & 0xFFFF
    if major != 3:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f"unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2",
        )
    parameters: dict[str, str] = {}
    try:
        while (name := body.string()) != "":
            parameters[name] = body.string()
        body.end()
    except DbError as error:
        raise _protocol(f"invalid startup packet layout: {error.message}") from error
    return StartupMessage(major, minor, parameters)


# What drivers send again and again, word for word.
_COMMON: dict[tuple[int, bytes], Frontend] = {
    (ord("S"), b""): Sync(),
    (ord("H"), b""): Flush(),
    (ord("E"), b"\0\0\0\0\0"): Execute("", 0),
    (ord("D"), b"P\0"): Describe(Target.PORTAL, ""),
}
_COMMON_BYTES_MAX = 4 + 5
_BIND = ord("B")
_EXECUTE_SYNC = b"E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04"
_ENDS = {_EXECUTE_SYNC: False, b"D\0\0\0\x06P\0" + _EXECUTE_SYNC: True}  # of an exchange
EXCHANGE_BYTES_MAX = 64 << 10


def _message(code: int, body: Body) -> Frontend:
    try:
        event = _READERS[code](body)
        body.end()
    except DbError as error:
        return BadMessage(chr(code), error)
    return event


def _parse(body: Body) -> Parse:
    name, text = body.string(), body.string()
    count = body.int16()
    return Parse(name, text, struct.unpack(f"!{count}I", body.take(4 * count)))


def _bind(body: Body) -> Bind:
    portal, statement = body.string(), body.string()
    formats = body.int16s()
    parameters = _values(body)
    return Bind(portal, statement, _checked(formats), parameters, _checked(body.int16s()))


def _plain_bind(data: bytes) -> Bind | None:
    """As `_bind` of the unnamed portal, sooner; None for whatever may be wrong with it."""
    end = data.find(0, 1)
    if data[:1] != b"\0" or end < 0 or not (name := data[1:end]).isascii():
        return None
    try:
        formats, at = _codes(data, end + 1)
        count, at = (data[at] << 8) + data[at + 1], at + 2
        values: list[bytes | None] = []
        for _ in range(count):
            (length,), at = _INT32.unpack_from(data, at), at + 4
            if length >= 0:
                values.append(data[at : at + length])
                at += length
            elif length == -1:
                values.append(None)
            else:
                return None
        results, at = _codes(data, at)
    except (IndexError, ValueError, struct.error):
        return None
    return Bind("", name.decode(), formats, tuple(values), results) if at == len(data) else None


def _codes(data: bytes, at: int) -> tuple[tuple[int, ...], int]:
    """Format codes and the position after them. Raises: IndexError, ValueError, struct.error."""
    count, at = (data[at] << 8) + data[at + 1], at + 2
    if not count:
        return (), at
    codes = struct.unpack_from(f"!{count}H", data, at)
    if max(codes) > 1:
        raise ValueError(codes)
    return codes, at + 2 * count


def _values(body: Body) -> tuple[bytes | None, ...]:
    take, found = body.take, []
    for _ in range(body.int16()):
        (length,) = _INT32.unpack(take(4))
        found.append(None if length == -1 else take(length))
    return tuple(found)


def _checked(formats: tuple[int, ...]) -> tuple[int, ...]:
    for code in formats:
        if code > 1:
            raise _protocol(f"unsupported format code: {code}")
    return formats


def _target(body: Body) -> Target:
    kind = body.take(1)
    if kind == b"S":
        return Target.STATEMENT
    if kind == b"P":
        return Target.PORTAL
    raise _protocol(f"invalid target {kind!r} of DESCRIBE or CLOSE")


def _execute(body: Body) -> Execute:
    return Execute(body.string(), max(0, body.int32()))


def _function_call(body: Body) -> FunctionCall:
    oid = body.int32() & 0xFFFFFFFF
    formats = _checked(body.int16s())
    arguments = _values(body)
    return FunctionCall(oid, formats, arguments, *_checked((body.int16(),)))


_READERS: dict[int, Callable[[Body], Frontend]] = {
    ord("p"): lambda body: Password(body.rest()),
    ord("Q"): lambda body: Query(body.string()),
    ord("P"): _parse,
    ord("B"): _bind,
    ord("D"): lambda body: Describe(_target(body), body.string()),
    ord("E"): _execute,
    ord("C"): lambda body: Close(_target(body), body.string()),
    ord("S"): lambda _: Sync(),
    ord("H"): lambda _: Flush(),
    ord("d"): lambda body: CopyData(body.rest()),
    ord("c"): lambda _: CopyDone(),
    ord("f"): lambda body: CopyFail(body.string()),
    ord("F"): _function_call,
    ord("X"): lambda _: Terminate(),
}
_LARGE = frozenset(b"QPBdFp")


def _shown(code: int) -> str:
    return repr(chr(code)) if 32 < code < 127 else str(code)


def _protocol(message: str) -> DbError:
    return DbError(ErrorKind.PROTOCOL, message)
