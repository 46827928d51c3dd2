"""COPY … FROM STDIN: what the client sends reaches the session's sink.

Called by conversation.py. Small CopyData messages (psql sends one per line) are gathered, because
a sink decodes large pieces much faster.
"""

from __future__ import annotations

from server.postgres import replies
from server.postgres.encoded import Stream
from sql.encodings import UTF8
from sql.results import CopyFormat, CopySink

GATHER_BYTES = 1 << 20


class CopyInput:
    """A COPY in progress."""

    def __init__(self, sink: CopySink, is_extended: bool, encoding: str = UTF8) -> None:
        # Constant after construction.
        self.is_extended = is_extended
        self._sink = sink
        own = sink.options.encoding or encoding
        self._stream = Stream(UTF8 if sink.options.format is CopyFormat.BINARY else own)
        # Changed by feed and finish.
        self._gathered: list[bytes] = []
        self._size = 0

    def response(self) -> bytes:
        """CopyInResponse."""
        binary = self._sink.options.format is CopyFormat.BINARY
        return replies.copy_response(b"G", binary, len(self._sink.columns))

    def feed(self, data: bytes) -> None:
        """Takes one CopyData. Raises: DbError for bad data."""
        self._gathered.append(data)
        self._size += len(data)
        if self._size >= GATHER_BYTES:
            self._flush()

    def finish(self) -> int:
        """Writes everything; returns the number of rows. Raises: DbError."""
        self._flush()
        rest = self._stream.feed(b"", final=True)
        if rest:
            self._sink.feed(rest)
        return self._sink.finish()

    def abort(self) -> None:
        """Forgets everything."""
        self._gathered.clear()
        self._sink.abort()

    def _flush(self) -> None:
        if self._gathered:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self._size = 0
            self._sink.feed(self._stream.feed(data))
