"""Numbers of the MySQL client/server protocol, shared by readers and writers of packets.

Source: MySQL 8.4 source code documentation, "Client/Server Protocol" (capabilities flags, server
status, commands, field types, column definition flags). Nothing here computes anything.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

PACKET_CHUNK_MAX = 0xFFFFFF  # a payload this long is followed by another part
SALT_BYTES = 20  # nonce of both password plugins


class Capability(IntFlag):
    """What a side of the conversation can do; both must say so."""

    LONG_PASSWORD = 1 << 0  # MariaDB reads its absence as "I am MariaDB": always offered
    FOUND_ROWS = 1 << 1
    LONG_FLAG = 1 << 2
    CONNECT_WITH_DB = 1 << 3
    NO_SCHEMA = 1 << 4
    COMPRESS = 1 << 5
    ODBC = 1 << 6
    LOCAL_FILES = 1 << 7
    IGNORE_SPACE = 1 << 8
    PROTOCOL_41 = 1 << 9
    INTERACTIVE = 1 << 10
    SSL = 1 << 11
    IGNORE_SIGPIPE = 1 << 12
    TRANSACTIONS = 1 << 13
    RESERVED = 1 << 14
    SECURE_CONNECTION = 1 << 15
    MULTI_STATEMENTS = 1 << 16
    MULTI_RESULTS = 1 << 17
    PS_MULTI_RESULTS = 1 << 18
    PLUGIN_AUTH = 1 << 19
    CONNECT_ATTRS = 1 << 20
    PLUGIN_AUTH_LENENC = 1 << 21
    CAN_HANDLE_EXPIRED_PASSWORDS = 1 << 22
    SESSION_TRACK = 1 << 23
    DEPRECATE_EOF = 1 << 24


# LOCAL_FILES is always offered, as the setting local_infile may change while clients are here.
OFFERED = (
    Capability.LONG_PASSWORD
    | Capability.FOUND_ROWS
    | Capability.LONG_FLAG
    | Capability.CONNECT_WITH_DB
    | Capability.COMPRESS
    | Capability.ODBC
    | Capability.LOCAL_FILES
    | Capability.IGNORE_SPACE
    | Capability.PROTOCOL_41
    | Capability.INTERACTIVE
    | Capability.IGNORE_SIGPIPE
    | Capability.TRANSACTIONS
    | Capability.SECURE_CONNECTION
    | Capability.MULTI_STATEMENTS
    | Capability.MULTI_RESULTS
    | Capability.PS_MULTI_RESULTS
    | Capability.PLUGIN_AUTH
    | Capability.CONNECT_ATTRS
    | Capability.PLUGIN_AUTH_LENENC
    | Capability.SESSION_TRACK
    | Capability.DEPRECATE_EOF
)


class Status(IntFlag):
    """SERVER_STATUS_*: what a client may rely on after a statement."""

    IN_TRANS = 0x0001
    AUTOCOMMIT = 0x0002
    MORE_RESULTS = 0x0008
    CURSOR_EXISTS = 0x0040
    LAST_ROW_SENT = 0x0080
    NO_BACKSLASH_ESCAPES = 0x0200
    SESSION_STATE_CHANGED = 0x4000


class CommandCode(IntEnum):
    """The first byte of a command packet."""

    QUIT = 0x01
    INIT_DB = 0x02
    QUERY = 0x03
    FIELD_LIST = 0x04
    REFRESH = 0x07
    STATISTICS = 0x09
    PROCESS_INFO = 0x0A
    PROCESS_KILL = 0x0C
    PING = 0x0E
    CHANGE_USER = 0x11
    STMT_PREPARE = 0x16
    STMT_EXECUTE = 0x17
    STMT_SEND_LONG_DATA = 0x18
    STMT_CLOSE = 0x19
    STMT_RESET = 0x1A
    SET_OPTION = 0x1B
    STMT_FETCH = 0x1C
    RESET_CONNECTION = 0x1F


class ColumnType(IntEnum):
    """MYSQL_TYPE_*: how a column or parameter is encoded."""

    DECIMAL = 0
    TINY = 1
    SHORT = 2
    LONG = 3
    FLOAT = 4
    DOUBLE = 5
    NULL = 6
    TIMESTAMP = 7
    LONGLONG = 8
    INT24 = 9
    DATE = 10
    TIME = 11
    DATETIME = 12
    YEAR = 13
    VARCHAR = 15
    BIT = 16
    JSON = 245
    NEWDECIMAL = 246
    ENUM = 247
    SET = 248
    TINY_BLOB = 249
    MEDIUM_BLOB = 250
    LONG_BLOB = 251
    BLOB = 252
    VAR_STRING = 253
    STRING = 254
    GEOMETRY = 255


class ColumnFlag(IntFlag):
    """Column definition flags."""

    NOT_NULL = 0x0001
    PRI_KEY = 0x0002
    BLOB = 0x0010
    UNSIGNED = 0x0020
    BINARY = 0x0080
    ENUM = 0x0100
    TIMESTAMP = 0x0400
    SET = 0x0800
    PART_KEY = 0x4000


class CursorType(IntFlag):
    """Flags of COM_STMT_EXECUTE."""

    NONE = 0
    READ_ONLY = 1
    FOR_UPDATE = 2
    SCROLLABLE = 4


CHARSET_BINARY = 63
CHARSET_DEFAULT = 255  # utf8mb4_0900_ai_ci, the default of MySQL 8
_UTF8_RANGES = ((33, 33), (45, 46), (83, 83), (192, 215), (223, 247), (255, 323))


def is_utf8_charset(charset: int) -> bool:
    """True for the collation ids whose character set is utf8mb3 or utf8mb4.

    >>> is_utf8_charset(45), is_utf8_charset(8)
    (True, False)
    """
    return any(low <= charset <= high for low, high in _UTF8_RANGES)
