"""A MySQL client that shows packets as they are, for tests of what drivers hide."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from hashlib import sha1, sha256

from server.mysql.constants import Capability, CommandCode
from server.mysql.packets import PacketReader, lenenc_string

CHUNK = 0xFFFFFF
PLAIN = (
    Capability.LONG_PASSWORD
    | Capability.PROTOCOL_41
    | Capability.SECURE_CONNECTION
    | Capability.PLUGIN_AUTH
    | Capability.PLUGIN_AUTH_LENENC
    | Capability.TRANSACTIONS
    | Capability.MULTI_RESULTS
    | Capability.PS_MULTI_RESULTS
)


def native_proof(password: str, salt: bytes) -> bytes:
    """The client's side of mysql_native_password."""
    if not password:
        return b""
    once = sha1(password.encode()).digest()
    return _xor(once, sha1(salt + sha1(once).digest()).digest())


def sha2_proof(password: str, salt: bytes) -> bytes:
    """The client's side of caching_sha2_password's fast path."""
    if not password:
        return b""
    once = sha256(password.encode()).digest()
    return _xor(once, sha256(sha256(once).digest() + salt).digest())


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


@dataclass
class Greeting:
    version: str
    connection_id: int
    salt: bytes
    capabilities: Capability
    plugin: str


def parse_greeting(payload: bytes) -> Greeting:
    reader = PacketReader(payload)
    assert reader.integer(1) == 10
    version = reader.null_terminated().decode()
    connection_id = reader.integer(4)
    salt = reader.fixed(8)
    assert reader.integer(1) == 0
    low = reader.integer(2)
    reader.fixed(3)
    capabilities = Capability(low | reader.integer(2) << 16)
    assert reader.integer(1) == 21
    assert reader.fixed(10) == bytes(10)
    salt += reader.null_terminated()
    return Greeting(version, connection_id, salt, capabilities, reader.null_terminated().decode())


def handshake_response(
    capabilities: Capability,
    user: str = "root",
    proof: bytes = b"",
    plugin: str = "mysql_native_password",
    database: str = "",
    attributes: dict[str, str] | None = None,
    charset: int = 45,
) -> bytes:
    parts = [
        int(capabilities).to_bytes(4, "little"),
        (1 << 24).to_bytes(4, "little"),
        bytes((charset,)),
        bytes(23),
        user.encode() + b"\0",
        lenenc_string(proof),
    ]
    if Capability.CONNECT_WITH_DB in capabilities:
        parts.append(database.encode() + b"\0")
    if Capability.PLUGIN_AUTH in capabilities:
        parts.append(plugin.encode() + b"\0")
    if Capability.CONNECT_ATTRS in capabilities:
        pairs = (attributes or {}).items()
        body = b"".join(lenenc_string(part.encode()) for pair in pairs for part in pair)
        parts.append(lenenc_string(body))
    return b"".join(parts)


@dataclass
class Ok:
    affected: int
    status: int
    warnings: int
    rest: bytes = b""


@dataclass
class Failure:
    errno: int
    state: str
    message: str


@dataclass
class Table:
    columns: list[bytes]
    rows: list[bytes] = field(default_factory=list)
    end: Ok | None = None


class RawClient:
    """One connection, after login when `log_in` is left on."""

    def __init__(self, port: int, capabilities: Capability = PLAIN, *, log_in: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.sequence = 0
        self.capabilities = capabilities
        self.greeting = parse_greeting(self.read())
        if log_in:
            self.send(handshake_response(capabilities))
            assert self.read()[0] == 0

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *details: object) -> None:
        self.socket.close()

    def start_tls(self) -> None:
        """Asks for TLS in one write with the first bytes of the handshake."""
        request = (int(self.capabilities | Capability.SSL)).to_bytes(4, "little") + bytes(28)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tunnel = context.wrap_bio(incoming, outgoing)
        header = len(request).to_bytes(3, "little") + bytes((self.sequence,))
        self.sequence += 1
        first = header + request
        while True:
            try:
                tunnel.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.socket.sendall(first + outgoing.read())
                first = b""
                incoming.write(self.socket.recv(65536))
        self.socket.sendall(outgoing.read())
        self._tunnel, self._incoming, self._outgoing = tunnel, incoming, outgoing
        self._recv = self._recv_tls  # type: ignore[method-assign]
        self._send = self._send_tls  # type: ignore[method-assign]

    def _recv(self, count: int) -> bytes:
        return self.socket.recv(count)

    def _send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def _recv_tls(self, count: int) -> bytes:
        while True:
            try:
                return self._tunnel.read(count)
            except ssl.SSLWantReadError:
                self._incoming.write(self.socket.recv(65536))

    def _send_tls(self, data: bytes) -> None:
        self._tunnel.write(data)
        self.socket.sendall(self._outgoing.read())

    def send(self, payload: bytes) -> None:
        for start in range(0, len(payload) + 1, CHUNK):
            part = payload[start : start + CHUNK]
            self._send(len(part).to_bytes(3, "little") + bytes((self.sequence,)) + part)
            self.sequence = (self.sequence + 1) & 0xFF

    def read(self) -> bytes:
        """The next payload; fails when the server has closed."""
        payload = b""
        while True:
            header = self._exactly(4)
            assert header[3] == self.sequence, "packets out of order"
            self.sequence = (self.sequence + 1) & 0xFF
            length = int.from_bytes(header[:3], "little")
            payload += self._exactly(length)
            if length < CHUNK:
                return payload

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = self._recv(count - len(data))
            if not piece:
                raise ConnectionResetError("the server closed the connection")
            data += piece
        return bytes(data)

    def is_closed(self) -> bool:
        """True if the server ends the connection without another byte."""
        try:
            return self._recv(1) == b""
        except ConnectionResetError:
            return True

    def command(self, code: int, body: bytes = b"") -> bytes:
        """Sends a command; the first payload of its answer."""
        self.tell(code, body)
        return self.read()

    def tell(self, code: int, body: bytes = b"") -> None:
        """Sends a command that has no answer."""
        self.sequence = 0
        self.send(bytes((code,)) + body)

    def ask(self, code: int, body: bytes = b"") -> Ok | Failure | Table:
        """Sends a command whose answer is OK, ERR or a result set."""
        return self.result(self.command(code, body))

    def result(self, first: bytes) -> Ok | Failure | Table:
        """The rest of an answer after its first payload."""
        if first[0] == 0xFF:
            return failure(first)
        if first[0] == 0x00:
            return ok(first)
        if first[0] == 0xFE and len(first) < 9:
            return eof(first)
        table = Table([self.read() for _ in range(PacketReader(first).lenenc())])
        if Capability.DEPRECATE_EOF not in self.capabilities:
            status = eof(self.read())
            if status.status & 0x40:  # a cursor: rows come later
                table.end = status
                return table
        while table.end is None:
            payload = self.read()
            if payload[0] == 0xFF:
                return failure(payload)
            if payload[0] == 0xFE and len(payload) < CHUNK:
                table.end = ok(payload) if self.deprecates_eof else eof(payload)
            else:
                table.rows.append(payload)
        return table

    @property
    def deprecates_eof(self) -> bool:
        return Capability.DEPRECATE_EOF in self.capabilities


def ok(payload: bytes) -> Ok:
    reader = PacketReader(payload, 1)
    affected = reader.lenenc()
    assert reader.lenenc() == 0
    return Ok(affected, reader.integer(2), reader.integer(2), reader.rest())


def eof(payload: bytes) -> Ok:
    reader = PacketReader(payload, 1)
    warnings = reader.integer(2)
    return Ok(0, reader.integer(2), warnings, reader.rest())


def failure(payload: bytes) -> Failure:
    reader = PacketReader(payload, 1)
    errno = reader.integer(2)
    assert reader.fixed(1) == b"#"
    return Failure(errno, reader.fixed(5).decode(), reader.rest().decode())


def text_row(payload: bytes) -> list[bytes | None]:
    """The cells of a text row."""
    reader = PacketReader(payload)
    cells: list[bytes | None] = []
    while reader.remaining:
        if payload[len(payload) - reader.remaining] == 0xFB:
            reader.fixed(1)
            cells.append(None)
        else:
            cells.append(reader.lenenc_bytes())
    return cells


def u16(value: int) -> bytes:
    """Two bytes, little endian."""
    return value.to_bytes(2, "little")


def u32(value: int) -> bytes:
    """Four bytes, little endian."""
    return value.to_bytes(4, "little")


def query(client: RawClient, text: str) -> Ok | Failure | Table:
    """COM_QUERY."""
    return client.ask(CommandCode.QUERY, text.encode())


def rows_of(answer: Ok | Failure | Table) -> list[list[bytes | None]]:
    """The cells of a text result."""
    assert isinstance(answer, Table), answer
    return [text_row(row) for row in answer.rows]


def prepare(client: RawClient, text: str) -> tuple[int, int, int]:
    """Statement id, columns, parameters."""
    reader = PacketReader(client.command(CommandCode.STMT_PREPARE, text.encode()))
    assert reader.integer(1) == 0
    statement, columns, parameters = reader.integer(4), reader.integer(2), reader.integer(2)
    for count in (parameters, columns):
        for _ in range(count):
            client.read()
        if count and not client.deprecates_eof:
            assert client.read()[0] == 0xFE
    return statement, columns, parameters


def bind(*values: tuple[int, bytes | None], null_bits: bytes | None = None) -> bytes:
    """The parameters of an execution: (type, encoded value or None)."""
    bits = bytearray((len(values) + 7) // 8)
    for index, (_, value) in enumerate(values):
        if value is None:
            bits[index // 8] |= 1 << index % 8
    types = b"".join(u16(code) for code, _ in values)
    data = b"".join(value for _, value in values if value is not None)
    return bytes(null_bits or bits) + b"\x01" + types + data


def execute(
    client: RawClient, statement: int, parameters: bytes = b"", cursor: int = 0
) -> Ok | Failure | Table:
    """COM_STMT_EXECUTE."""
    return client.ask(
        CommandCode.STMT_EXECUTE, u32(statement) + bytes((cursor,)) + u32(1) + parameters
    )


def fetch(client: RawClient, statement: int, count: int) -> Table:
    """COM_STMT_FETCH: rows without a heading."""
    client.tell(CommandCode.STMT_FETCH, u32(statement) + u32(count))
    table = Table([])
    while True:
        payload = client.read()
        if payload[0] == 0xFE:
            reader = PacketReader(payload, 1)
            reader.fixed(2)  # two zero lengths, or the warnings of an EOF packet
            table.end = Ok(0, reader.integer(2), 0)
            return table
        table.rows.append(payload)
