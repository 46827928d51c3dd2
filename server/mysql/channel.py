"""One client's socket as something to await: bytes in, bytes out, back-pressure both ways.

Used by connection.py only. It knows nothing of MySQL except that a TLS handshake may follow a
packet of known size. It owns the transport; nobody else touches it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import cast

_READ_BYTES = 64 << 10  # one read from the socket, at most
_UNREAD_BYTES_MAX = 1 << 20  # received ahead of what was asked for, before reading pauses
_WRITE_BYTES_MAX = 1 << 20  # unsent, before `drain` waits


class Channel(asyncio.BufferedProtocol):
    """A connected socket.

    `on_made` is called when the socket is there, `on_lost` when it is gone, whoever closed it.
    With `first_read_bytes` nothing beyond that many bytes is taken from the socket until
    `read_freely` or `start_tls`: a client begins its TLS handshake right behind its request for
    it, and those bytes must stay in the socket for the TLS layer.
    """

    def __init__(
        self,
        on_made: Callable[[Channel], None],
        on_lost: Callable[[], None],
        first_read_bytes: int | None = None,
    ) -> None:
        self._on_made = on_made
        self._on_lost = on_lost
        self._allowance = first_read_bytes
        self._transport: asyncio.Transport | None = None
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._received: list[bytes] = []
        self._received_bytes = 0
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._writing_paused = False
        self._lost = False

    # What connection.py calls.

    @property
    def address(self) -> str:
        """The peer as host:port, or the path of a local socket."""
        peer = self._open_transport().get_extra_info("peername")
        return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer or "local")

    async def read(self) -> bytes:
        """The next bytes, empty when the client is gone. Requires: one reader at a time."""
        if not self._received and not self._lost:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        data = b"".join(self._received)
        self._received.clear()
        self._received_bytes = 0
        if self._allowance != 0:
            self._resume()
        return data

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Queues bytes for sending; a lost connection swallows them."""
        if self._transport is not None and not self._transport.is_closing():
            for piece in pieces:
                self._transport.write(piece)

    async def drain(self) -> None:
        """Waits until the client has taken enough. Raises: ConnectionResetError if it is gone."""
        if self._writing_paused and not self._lost:
            self._writer = asyncio.get_running_loop().create_future()
            try:
                await self._writer
            finally:
                self._writer = None
        if self._lost or self._open_transport().is_closing():
            raise ConnectionResetError("the client closed the connection")

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Encrypts everything from here on. Raises: OSError when the handshake fails."""
        self._allowance = None
        transport = await asyncio.get_running_loop().start_tls(
            self._open_transport(), self, context, server_side=True
        )
        if transport is None:
            raise ConnectionResetError("the client left during the TLS handshake")
        self._transport = transport

    def read_freely(self) -> None:
        """Lifts the limit on the first read."""
        if self._allowance is not None:
            self._allowance = None
            self._resume()

    @property
    def cipher(self) -> tuple[str, str]:
        """The name of TLS's cipher and its version; empty on a connection in the clear."""
        found = self._open_transport().get_extra_info("cipher")
        return (found[0], found[1]) if found else ("", "")

    def close(self) -> None:
        """Closes the socket once everything written is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Closes the socket at once."""
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        # A cast, because uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BYTES_MAX)
        self._on_made(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop shall put the next bytes."""
        del sizehint
        return self._buffer if self._allowance is None else self._buffer[: self._allowance]

    def buffer_updated(self, nbytes: int) -> None:
        """`nbytes` have arrived."""
        self._received.append(bytes(self._buffer[:nbytes]))
        self._received_bytes += nbytes
        if self._allowance is not None:
            self._allowance -= nbytes
        if self._allowance == 0 or self._received_bytes > _UNREAD_BYTES_MAX:
            self._open_transport().pause_reading()
        _wake(self._reader)

    def eof_received(self) -> None:
        """The client will send no more: nobody is left to answer, so the socket closes."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        del exc
        self._lost = True
        _wake(self._reader)
        _wake(self._writer)
        self._on_lost()

    def pause_writing(self) -> None:
        """The client takes less than it is sent."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writing_paused = False
        _wake(self._writer)

    def _resume(self) -> None:
        transport = self._open_transport()
        if not transport.is_closing():
            transport.resume_reading()

    def _open_transport(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
