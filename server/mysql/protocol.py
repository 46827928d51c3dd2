"""The command phase without I/O: bytes in, commands out; payloads in, bytes out.

connection.py feeds `ServerProtocol` and acts on what comes out. Every command packet becomes one
frozen dataclass; an unknown one becomes `Unknown`, a broken one raises DbError PROTOCOL.
Source: MySQL protocol page "Command Phase"; each class names its command.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from server.mysql.constants import Capability, CommandCode, CursorType
from server.mysql.packets import Framer, PacketReader, decode_statement, decode_text, malformed

PACKET_BYTES_MAX = 64 << 20  # mysqld's default max_allowed_packet
LOGIN_BYTES_MAX = 1 << 20  # per packet before the password is checked (attributes are < 64 KiB)


@dataclass(frozen=True, slots=True)
class Quit:
    """COM_QUIT."""


@dataclass(frozen=True, slots=True)
class InitDb:
    """COM_INIT_DB."""

    database: str


@dataclass(frozen=True, slots=True)
class Query:
    """COM_QUERY."""

    text: str


@dataclass(frozen=True, slots=True)
class FieldList:
    """COM_FIELD_LIST. `wildcard` is a LIKE pattern, empty for all columns."""

    table: str
    wildcard: str


@dataclass(frozen=True, slots=True)
class Refresh:
    """COM_REFRESH: caches and logs that are always fresh here."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """COM_STATISTICS."""


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """COM_PROCESS_INFO."""


@dataclass(frozen=True, slots=True)
class ProcessKill:
    """COM_PROCESS_KILL."""

    connection_id: int


@dataclass(frozen=True, slots=True)
class Ping:
    """COM_PING."""


@dataclass(frozen=True, slots=True)
class ChangeUser:
    """COM_CHANGE_USER; handshake.py reads the payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class ResetConnection:
    """COM_RESET_CONNECTION."""


@dataclass(frozen=True, slots=True)
class SetOption:
    """COM_SET_OPTION."""

    multi_statements: bool


@dataclass(frozen=True, slots=True)
class Prepare:
    """COM_STMT_PREPARE."""

    text: str


@dataclass(frozen=True, slots=True)
class Execute:
    """COM_STMT_EXECUTE; prepared.py reads the parameters."""

    statement_id: int
    cursor: CursorType
    parameters: bytes


@dataclass(frozen=True, slots=True)
class SendLongData:
    """COM_STMT_SEND_LONG_DATA. It is never answered."""

    statement_id: int
    parameter: int
    data: bytes


@dataclass(frozen=True, slots=True)
class CloseStatement:
    """COM_STMT_CLOSE. It is never answered."""

    statement_id: int


@dataclass(frozen=True, slots=True)
class ResetStatement:
    """COM_STMT_RESET."""

    statement_id: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """COM_STMT_FETCH."""

    statement_id: int
    rows: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A command this server does not have."""

    code: int


Command = (
    Quit
    | InitDb
    | Query
    | FieldList
    | Refresh
    | Statistics
    | ProcessInfo
    | ProcessKill
    | Ping
    | ChangeUser
    | ResetConnection
    | SetOption
    | Prepare
    | Execute
    | SendLongData
    | CloseStatement
    | ResetStatement
    | Fetch
    | Unknown
)


class ServerProtocol:
    """The server's side of one connection's packets.

    I1. A command starts with sequence id 0, and its answers count on from it.
    """

    def __init__(self, packet_bytes_max: int = PACKET_BYTES_MAX) -> None:
        self.capabilities = Capability(0)
        self._packet_bytes_max = packet_bytes_max
        self._framer = Framer(min(packet_bytes_max, LOGIN_BYTES_MAX))

    @property
    def sequence(self) -> int:
        """The id of the next packet in either direction."""
        return self._framer.sequence

    @sequence.setter
    def sequence(self, value: int) -> None:
        """Set by whoever numbered packets itself (the encoders of rows)."""
        self._framer.sequence = value

    @property
    def buffered(self) -> int:
        """Bytes received but not consumed."""
        return self._framer.buffered

    def receive(self, data: bytes) -> None:
        """Takes bytes in pieces of any size."""
        self._framer.receive(data)

    def next_payload(self) -> bytes | None:
        """The next payload of a login, None while bytes are missing.

        Raises: DbError PROTOCOL or LIMIT_EXCEEDED; the stream cannot be read on then.
        """
        return self._framer.next_payload()

    def logged_in(self, capabilities: Capability) -> None:
        """Ends the connection phase: from now on commands come."""
        self.capabilities = capabilities
        self._framer.allow(self._packet_bytes_max)

    def begin_command(self) -> None:
        """Ends the previous command's packets. Requires: it was answered in full."""
        self._framer.sequence = 0  # I1

    def frame(self, *payloads: bytes) -> bytes:
        """The payloads as packets with the next ids."""
        return self._framer.frame(*payloads)


def parse_command(payload: bytes) -> Command:
    """The command in one payload.

    Raises: DbError PROTOCOL or INVALID_ENCODING; the stream stays readable.
    """
    if not payload:
        raise malformed("a command packet is empty")
    parser = _PARSERS.get(payload[0])
    return Unknown(payload[0]) if parser is None else parser(PacketReader(payload, 1))


def _parse_field_list(reader: PacketReader) -> FieldList:
    return FieldList(decode_text(reader.null_terminated()), decode_text(reader.rest()))


def _parse_set_option(reader: PacketReader) -> SetOption:
    option = reader.integer(2)
    if option > 1:
        raise malformed(f"unknown option {option}")
    return SetOption(option == 0)


def _parse_execute(reader: PacketReader) -> Execute:
    statement_id = reader.integer(4)
    flags = reader.integer(1)
    if flags > (CursorType.READ_ONLY | CursorType.FOR_UPDATE | CursorType.SCROLLABLE):
        raise malformed(f"unknown cursor flags 0x{flags:02X}")
    reader.fixed(4)  # iteration count: always 1
    return Execute(statement_id, CursorType(flags), reader.rest())


def _parse_long_data(reader: PacketReader) -> SendLongData:
    return SendLongData(reader.integer(4), reader.integer(2), reader.rest())


_PARSERS: dict[int, Callable[[PacketReader], Command]] = {
    CommandCode.QUIT: lambda reader: Quit(),
    CommandCode.INIT_DB: lambda reader: InitDb(decode_text(reader.rest())),
    CommandCode.QUERY: lambda reader: Query(decode_statement(reader.rest())),
    CommandCode.FIELD_LIST: _parse_field_list,
    CommandCode.REFRESH: lambda reader: Refresh(),
    CommandCode.STATISTICS: lambda reader: Statistics(),
    CommandCode.PROCESS_INFO: lambda reader: ProcessInfo(),
    CommandCode.PROCESS_KILL: lambda reader: ProcessKill(reader.integer(4)),
    CommandCode.PING: lambda reader: Ping(),
    CommandCode.CHANGE_USER: lambda reader: ChangeUser(reader.rest()),
    CommandCode.RESET_CONNECTION: lambda reader: ResetConnection(),
    CommandCode.SET_OPTION: _parse_set_option,
    CommandCode.STMT_PREPARE: lambda reader: Prepare(decode_text(reader.rest())),
    CommandCode.STMT_EXECUTE: _parse_execute,
    CommandCode.STMT_SEND_LONG_DATA: _parse_long_data,
    CommandCode.STMT_CLOSE: lambda reader: CloseStatement(reader.integer(4)),
    CommandCode.STMT_RESET: lambda reader: ResetStatement(reader.integer(4)),
    CommandCode.STMT_FETCH: lambda reader: Fetch(reader.integer(4), reader.integer(4)),
}
