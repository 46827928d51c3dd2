"""One SQL request while it runs: session, statements, bytes of the answer.

Made by sql.py, which calls `begin` and `more` from worker threads, one at a time; `cancel` may
come from the event loop at any time. It never touches a socket.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import perf_counter

import pyarrow as pa

from engine.errors import DbError, ErrorKind
from server.http.formats import Format, format_named
from server.http.request import SqlRequest
from sql.results import Affected, CopyIn, CopyOut, Result, Rows
from sql.session import ClientInfo, DatabaseApi, SessionApi, Statement, Wire

# Answers up to this size are sent whole, with their time in a header and any error as a proper
# status; larger ones stream. A dashboard's answer fits, an export does not.
WHOLE_BYTES_MAX = 4 << 20
PIECE_BYTES_MIN = 256 << 10  # a trip to a worker thread per piece should be worth it


class Exchange:
    """Runs the statements of one request and yields the body."""

    def __init__(self, database: DatabaseApi, client: ClientInfo, request: SqlRequest) -> None:
        """Raises: DbError INVALID_ARGUMENT for an unknown format."""
        # Constant after construction.
        self.format: Format = format_named(request.format, request.epoch, request.compression)
        self._database = database
        self._client = client
        self._request = request
        self._started = perf_counter()
        self._lock = threading.Lock()
        # Guarded by _lock.
        self._session: SessionApi | None = None
        self._ended_by: ErrorKind | None = None
        # Used by the worker thread only.
        self._pieces: Iterator[bytes] = iter(())
        self._on_last = False

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the request was understood."""
        return int((perf_counter() - self._started) * 1_000)

    def begin(self) -> tuple[bytes, bool]:
        """Runs until the answer is complete or too large to hold.

        Returns: the bytes so far, and whether they are all. The session is closed unless more is to
        come. Raises: DbError; nothing stays open then.
        """
        try:
            self._pieces = self._run(self._connect())
            body = bytearray()
            for piece in self._pieces:
                body += piece
                if self._on_last and len(body) > WHOLE_BYTES_MAX:
                    return bytes(body), False
        except DbError as error:
            self.close()
            raise self._reason(error) from None
        except BaseException:
            self.close()
            raise
        self.close()
        return bytes(body), True

    def more(self) -> bytes:
        """The next bytes, empty when there are no more (all is closed then). Raises: as `begin`."""
        body = bytearray()
        try:
            for piece in self._pieces:
                body += piece
                if len(body) >= PIECE_BYTES_MIN:
                    break
        except DbError as error:
            raise self._reason(error) from None
        if not body:
            self.close()
        return bytes(body)

    def cancel(self, reason: ErrorKind = ErrorKind.CANCELLED) -> None:
        """Ends what runs; it fails with `reason` (CANCELLED or TIMEOUT). Any thread."""
        with self._lock:
            self._ended_by = self._ended_by or reason
            if self._session is not None:
                self._session.cancel()

    def close(self) -> None:
        """Frees everything. Requires: `begin` and `more` do not run."""
        pieces, self._pieces = self._pieces, iter(())
        if hasattr(pieces, "close"):
            pieces.close()  # closes the rows that are still open
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _connect(self) -> SessionApi:
        session = self._database.connect(Wire.HTTP, self._client)
        with self._lock:
            self._session = session
        if self._request.timezone is not None:
            session.set("timezone", self._request.timezone)
        return session

    def _run(self, session: SessionApi) -> Iterator[bytes]:
        statements = [found for found in session.parse(self._request.sql) if not found.is_empty]
        if len(statements) > 1 and not self.format.several:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f"the format {self.format.name} holds one result, the request has "
                f"{len(statements)} statements",
                hint="send them one by one, or use greptimedb_v1",
            )
        yield self.format.start()
        for index, statement in enumerate(statements):
            self._on_last = index + 1 == len(statements)
            yield from self._answer(index, session, statement)
        yield self.format.finish(self.elapsed_ms)

    def _answer(self, index: int, session: SessionApi, statement: Statement) -> Iterator[bytes]:
        with self._lock:
            if self._ended_by is not None:
                raise DbError(ErrorKind.CANCELLED, "the request was cancelled")
        result: Result = session.execute(statement)
        if isinstance(result, Rows):
            try:
                yield from self.format.rows(index, _limited(result, self._request.limit))
            finally:
                result.close()
        elif isinstance(result, Affected):
            yield self.format.affected(index, result.rows or 0)
        elif isinstance(result, (CopyIn, CopyOut)):
            _refuse_copy(result)

    def _reason(self, error: DbError) -> DbError:
        """A cancelled statement's error says who ended it."""
        if error.kind is ErrorKind.CANCELLED and self._ended_by is ErrorKind.TIMEOUT:
            return DbError(ErrorKind.TIMEOUT, "the statement took longer than x-greptime-timeout")
        return error


def _refuse_copy(result: CopyIn | CopyOut) -> None:
    """There is no second channel for the data."""
    if isinstance(result, CopyIn):
        result.sink.abort()
    else:
        result.rows.close()
    raise DbError(
        ErrorKind.UNSUPPORTED,
        "COPY with STDIN or STDOUT needs the PostgreSQL wire",
        hint="over HTTP, SELECT with format=csv gives the same data",
    )


def _limited(rows: Rows, limit: int | None) -> Rows:
    """The first `limit` rows."""
    if limit is None:
        return rows

    def batches() -> Iterator[pa.RecordBatch]:
        left = limit
        for batch in rows:
            yield batch.slice(0, left)
            left -= batch.num_rows
            if left <= 0:
                return

    return Rows(rows.columns, batches(), tag=rows.tag, on_close=rows.close)
