"""Texts in the client's character set: the server's UTF-8 at one end, SET NAMES at the other.

Called where bytes become text and text becomes bytes, by all of this folder. Clients that speak
UTF-8, nearly all, pay one comparison. What one side has no character for becomes `?`, as MySQL
has it.
Source: MySQL 8.4 reference, "Connection Character Sets and Collations".
"""

from __future__ import annotations

from server.encode.cells import VarCells
from server.encode.encoded import encoded_cells
from server.mysql.constants import CommandCode
from server.mysql.packets import bytes_as_hexadecimal
from sql.charsets import LENIENT, Charset, charset_numbered

_STATEMENTS = frozenset((CommandCode.QUERY, CommandCode.STMT_PREPARE))
_NAMES = frozenset((CommandCode.INIT_DB, CommandCode.FIELD_LIST))


def command_in_utf8(payload: bytes, charset: Charset) -> bytes:
    """A command packet whose text is UTF-8, other commands as they are."""
    if charset.is_utf8 or not payload or payload[0] not in _STATEMENTS | _NAMES:
        return payload
    text = payload[1:]
    if payload[0] in _STATEMENTS:
        text = bytes_as_hexadecimal(text)
    return payload[:1] + text.decode(charset.codec, LENIENT).encode()


def login_charset(collation: int) -> str:
    """The character set a client logs in with; empty for UTF-8 and what cannot be sent."""
    found = charset_numbered(collation)
    return "" if found.is_utf8 or found.is_wide else found.name


def shown(text: str, charset: Charset) -> bytes:
    """A name or message for the client."""
    return text.encode(charset.codec, LENIENT)


def shown_cells(cells: VarCells, charset: Charset) -> VarCells:
    """A column of texts for the client."""
    return cells if charset.is_utf8 else encoded_cells(cells, charset.codec, LENIENT)
