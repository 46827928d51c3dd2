"""The data of LOAD DATA: bytes in pieces of any size to Arrow tables.

Called by sql/statements/load.py. It knows neither tables nor sockets; which rows are too short or
too long it only tells.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from catalog.records import Column
from engine.errors import DbError, ErrorKind
from sql.charsets import LENIENT
from sql.decode import load_kernels as lk
from sql.decode.copy import MAX_ROW, Adjust, CopyReader
from sql.decode.jit import Bytes
from sql.results import CopyOptions

_PIECE = 4 << 20  # bytes rewritten at once
_ROWS_MAX = 1 << 16  # rows rewritten at once


@dataclass(frozen=True)
class LoadFormat:
    """How a file is written, defaults as MySQL's. Empty `quote` and `escape`: there is none."""

    field_end: str = "\t"
    quote: str = ""
    escape: str = "\\"
    line_start: str = ""
    line_end: str = "\n"
    skip_lines: int = 0
    encoding: str = "utf-8"


class LoadReader:
    """Reads one file. `counts` are the numbers of fields of the rows given so far."""

    def __init__(
        self,
        columns: Sequence[Column],
        form: LoadFormat,
        timezone: str,
        adjust: Adjust | None = None,
    ) -> None:
        self._form = form
        self._width = len(columns)
        self._copy = CopyReader(columns, CopyOptions(), timezone, adjust=adjust)
        self._field_end = _bytes(form.field_end)
        self._line_start = _bytes(form.line_start)
        self._line_end = _bytes(form.line_end)
        self._skip = form.skip_lines
        self._decoder = codecs.getincrementaldecoder(form.encoding)(LENIENT)
        self._rest = b""
        self._waiting: list[bytes] = []
        self._size = 0
        self.counts: list[np.ndarray] = []

    def feed(self, data: bytes) -> list[pa.Table]:
        """Takes more data; the tables that became complete. Raises: DbError as `CopyReader`."""
        self._waiting.append(data)
        self._size += len(data)
        if self._size < max(_PIECE, 2 * len(self._rest)):
            return []
        return self._read(final=False)

    def finish(self) -> list[pa.Table]:
        """Ends the data; the last tables. Raises: as `feed`."""
        return [*self._read(final=True), *self._copy.finish()]

    def _read(self, *, final: bool) -> list[pa.Table]:
        content = self._rest + self._text(b"".join(self._waiting), final=final)
        self._waiting, self._size = [], 0
        content = self._without_skipped(content)
        if self._skip:
            self._rest = content
            return []
        data = np.frombuffer(content, np.uint8)
        at, tables = 0, []
        while at < len(content):
            after, text = self._rewritten(data, at, final=final)
            if after == at:
                break
            at = after
            tables += self._copy.feed(text)
        self._rest = content[at:]
        if len(self._rest) > MAX_ROW:
            raise DbError(ErrorKind.LIMIT_EXCEEDED, "a row of LOAD DATA is longer than 1 GiB")
        return tables

    def _text(self, data: bytes, *, final: bool) -> bytes:
        """The data as UTF-8; half a character waits for the rest."""
        if self._form.encoding == "utf-8":
            return data
        return self._decoder.decode(data, final).encode()

    def _without_skipped(self, content: bytes) -> bytes:
        """The content behind the lines to be ignored."""
        end = self._form.line_end.encode()
        at = 0
        while self._skip:
            found = content.find(end, at)
            if found < 0:
                break
            at = found + len(end)
            self._skip -= 1
        return content[at:]

    def _rewritten(self, data: Bytes, at: int, *, final: bool) -> tuple[int, bytes]:
        """The next rows in COPY's text format, and where they end."""
        stop = min(at + _PIECE, len(data))
        state = np.zeros(lk.STATE_SIZE, np.int64)
        each = 3 * self._width + 1
        while True:
            rows = max(1, min(_ROWS_MAX, _PIECE // each))
            out, fields = (
                np.empty(2 * (stop - at) + rows * each, np.uint8),
                np.empty(rows, np.int32),
            )
            lk.rewrite(
                data,
                at,
                stop,
                int(final and stop == len(data)),
                self._field_end,
                self._line_start,
                self._line_end,
                _code(self._form.quote),
                _code(self._form.escape),
                self._width,
                out,
                fields,
                state,
            )
            if state[lk.NEXT] > at or stop == len(data):
                break
            stop = min(at + 2 * (stop - at), len(data))  # not even one row
        self.counts.append(fields[: state[lk.ROWS]])
        return int(state[lk.NEXT]), out[: state[lk.USED]].tobytes()


def _bytes(text: str) -> Bytes:
    return np.frombuffer(text.encode(), np.uint8)


def _code(text: str) -> int:
    return ord(text) if text else lk.NOWHERE
