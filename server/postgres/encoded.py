"""Texts in the client's encoding: the server's UTF-8 at one end, `client_encoding` at the other.

Called where bytes become text and text becomes bytes, by all of this folder. Clients that speak
UTF-8, nearly all, pay one comparison.
https://www.postgresql.org/docs/15/multibyte.html#MULTIBYTE-AUTOMATIC-CONVERSION
"""

from __future__ import annotations

import codecs

from engine.errors import DbError, ErrorKind
from server.encode import encoded
from server.encode.cells import VarCells
from sql.encodings import SQL_ASCII, UTF8, codec_of

_TWINS = frozenset({UTF8, SQL_ASCII})  # the same bytes on both sides


def is_utf8(encoding: str) -> bool:
    """True if nothing has to be converted. `encoding` is a name as SHOW client_encoding tells."""
    return encoding in _TWINS


def decoded(data: bytes, encoding: str) -> str:
    """A text the client sent. Raises: DbError INVALID_ENCODING."""
    try:
        return data.decode(codec_of(encoding))
    except UnicodeDecodeError as error:
        raise _invalid(data[error.start : error.end], encoding) from error


def _invalid(data: bytes, encoding: str) -> DbError:
    name = UTF8 if is_utf8(encoding) else encoding
    shown = " ".join(f"0x{byte:02x}" for byte in data)
    return DbError(
        ErrorKind.INVALID_ENCODING, f'invalid byte sequence for encoding "{name}": {shown}'
    )


def in_utf8(data: bytes, encoding: str) -> bytes:
    """What the client sent, in the server's encoding. Raises: DbError INVALID_ENCODING."""
    return data if is_utf8(encoding) else decoded(data, encoding).encode()


class Stream:
    """COPY data in any pieces, brought to UTF-8."""

    def __init__(self, encoding: str) -> None:
        # Constant after construction.
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(codec_of(encoding))()

    def feed(self, data: bytes, *, final: bool = False) -> bytes:
        """The next bytes; half a character waits for the rest. Raises: DbError INVALID_ENCODING."""
        if is_utf8(self._encoding):
            return data
        try:
            return self._decoder.decode(data, final).encode()
        except UnicodeDecodeError as error:
            raise _invalid(error.object[error.start : error.end], self._encoding) from error


def shown(text: str, encoding: str) -> bytes:
    """A name or message for the client: what its encoding has no character for becomes `?`."""
    return text.encode(codec_of(encoding), "replace")


def encoded_cells(cells: VarCells, encoding: str) -> VarCells:
    """UTF-8 cells in the client's encoding. Raises: DbError UNTRANSLATABLE."""
    if is_utf8(encoding):
        return cells
    try:
        return encoded.encoded_cells(cells, codec_of(encoding))
    except UnicodeEncodeError as error:
        raise _untranslatable(str(error.object[error.start]), encoding) from error


def _untranslatable(character: str, encoding: str) -> DbError:
    shown_bytes = " ".join(f"0x{byte:02x}" for byte in character.encode())
    return DbError(
        ErrorKind.UNTRANSLATABLE,
        f'character with byte sequence {shown_bytes} in encoding "UTF8" has no equivalent in '
        f'encoding "{encoding}"',
    )
