"""The compressed protocol: the stream of packets cut into pieces that zlib has made smaller.

connection.py switches it on when a client has asked for it and its login is answered. Pure: bytes
in, bytes out. Source: MySQL protocol page "Compressed Packet" (zlib; zstd is not offered).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

from engine.errors import DbError
from server.mysql.packets import malformed

_HEADER_BYTES = 7  # length: 3, sequence id, length before compression: 3 (0: it is not)
_LEAST_BYTES = 50  # shorter pieces are sent as they are, as mysqld does
_PIECE_BYTES = 0xFFFFFF  # of plain bytes; clients trust that only greater packets are cut
_LEVEL = 6


class Compression:
    """Both directions of one connection.

    I1. A command starts with sequence id 0; pieces of its answer count on from the client's last.
    """

    def __init__(self) -> None:
        self._received = bytearray()
        self._sequence = 0

    def begin_command(self) -> None:
        """Ends the previous command's pieces."""
        self._sequence = 0  # I1

    def receive(self, data: bytes) -> bytes:
        """The plain bytes of the pieces that are complete now. Raises: DbError PROTOCOL."""
        self._received += data
        return b"".join(self._complete())

    def _complete(self) -> Iterator[bytes]:
        while len(self._received) >= _HEADER_BYTES:
            length = int.from_bytes(self._received[:3], "little")
            end = _HEADER_BYTES + length
            if len(self._received) < end:
                return
            self._sequence = self._received[3] + 1
            plain_length = int.from_bytes(self._received[4:7], "little")
            piece = bytes(self._received[_HEADER_BYTES:end])
            del self._received[:end]
            yield _inflated(piece, plain_length) if plain_length else piece

    def pack(self, pieces: Sequence[bytes | memoryview]) -> list[bytes]:
        """The bytes as the client shall see them."""
        whole = b"".join(pieces)
        return [
            self._packed(whole[start : start + _PIECE_BYTES])
            for start in range(0, len(whole), _PIECE_BYTES)
        ]

    def _packed(self, plain: bytes) -> bytes:
        sent, before = plain, 0
        if len(plain) >= _LEAST_BYTES:
            smaller = zlib.compress(plain, _LEVEL)
            if len(smaller) < len(plain):
                sent, before = smaller, len(plain)
        number, self._sequence = self._sequence & 0xFF, self._sequence + 1
        head = (len(sent).to_bytes(3, "little"), bytes((number,)), before.to_bytes(3, "little"))
        return b"".join((*head, sent))


def _inflated(piece: bytes, length: int) -> bytes:
    """What was compressed, of the length that the header tells. Raises: DbError PROTOCOL."""
    reader = zlib.decompressobj()
    try:
        plain = reader.decompress(piece, length + 1)  # never more memory than announced
    except zlib.error as error:
        raise _broken() from error
    if len(plain) != length:
        raise _broken()
    return plain


def _broken() -> DbError:
    return malformed("a compressed packet cannot be read")
