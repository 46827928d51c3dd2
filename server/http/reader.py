"""Requests begin when their body is there, if it is small.

Used by the listener in place of uvicorn's own protocol. An endpoint that waits for its body is
woken for every piece of it, and reading is stopped and started meanwhile: for a small write that
took longer than its answer. Larger bodies are read as the endpoint asks for them.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.http.groups import REQUEST_BYTES_MAX

_SMALL_MAX = len(str(REQUEST_BYTES_MAX))  # digits of a length that may be small


class GatheringProtocol(HttpToolsProtocol):
    """One connection. Called by the parser, piece by piece."""

    _pieces: list[bytes] | None = None  # of the body that is being gathered

    def on_headers_complete(self) -> None:
        """A small body is waited for."""
        if self._has_small_body():
            self._pieces = []
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece has come."""
        if self._pieces is None:
            super().on_body(body)
        else:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """The request begins, if it has not begun yet."""
        if self._pieces is not None:
            pieces, self._pieces = self._pieces, None
            super().on_headers_complete()
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self.cycle.body = body  # type: ignore[assignment] # it is only read from here on
        super().on_message_complete()

    def _has_small_body(self) -> bool:
        if self.expect_100_continue or self.parser.should_upgrade():
            return False
        for name, value in self.headers:
            if name == b"content-length":
                return len(value) <= _SMALL_MAX and 0 < int(value) <= REQUEST_BYTES_MAX
        return False
