"""What a statement gives back: plain objects that every wire knows how to send."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

import pyarrow as pa

from engine.datatypes import DataType


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """One column of a result; table_id and ordinal are 0 when it is not a plain table column."""

    name: str
    type: DataType
    nullable: bool = True
    table_id: int = 0
    ordinal: int = 0  # 1-based position in that table
    table: str = ""
    database: str = ""
    primary_key: bool = False
    origin: str = ""  # the table column's own name, whatever the result calls it
    alias: str = ""  # what the statement calls that table
    declared: str = ""  # the table column's type as its definition spelled it
    vector_oid: int = 0  # PostgreSQL's type if the text is an int2vector or oidvector of pg_catalog


class Rows:
    """A stream of rows.

    Every batch's arrays have exactly the Arrow types of `columns`. Batches are made as they are
    pulled (from a worker thread, never from the event loop); `close` may be called at any time, any
    number of times, and frees what the statement holds. Requires: whoever takes a `Rows` closes it.
    """

    def __init__(
        self,
        columns: tuple[ResultColumn, ...],
        batches: Iterator[pa.RecordBatch],
        *,
        tag: str = "SELECT",
        on_close: Callable[[], None] | None = None,
        binary: bool = False,
    ) -> None:
        self.columns = columns
        self.binary = binary  # PostgreSQL's clients get them so, whatever they ask for
        self.tag = tag  # PostgreSQL's command tag without the row count: SELECT, SHOW, FETCH, …
        self._batches = batches
        self._on_close = [on_close] if on_close is not None else []

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._batches

    def close(self) -> None:
        """Frees the statement's resources; later pulls end at once."""
        self._batches = iter(())
        while self._on_close:
            self._on_close.pop(0)()

    def first(self, count: int) -> Rows:
        """These rows without those after the first `count`; to be used instead of them."""
        self._batches = _cut(self._batches, count)
        return self

    def and_on_close(self, call: Callable[[], None]) -> None:
        """Adds something to do when the rows are closed, after what is there already."""
        self._on_close.append(call)


def _cut(batches: Iterator[pa.RecordBatch], count: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch.slice(0, count)
        count -= batch.num_rows
        if count <= 0:
            return


class Found(NamedTuple):
    """All rows of a query at once, when they are few and in memory; there is nothing to close."""

    columns: tuple[ResultColumn, ...]
    rows: pa.RecordBatch

    def as_rows(self) -> Rows:
        """The same as a stream."""
        return Rows(self.columns, iter((self.rows,)))


class Cursor:
    """Rows read in pieces of any size: an SQL cursor, or a portal of PostgreSQL's protocol."""

    def __init__(self, rows: Rows, *, hold: bool = False) -> None:
        # Constant after construction.
        self.rows = rows
        self.hold = hold  # outlives its transaction
        # Changed by reading only.
        self._batches = iter(rows)
        self._rest: pa.RecordBatch | None = None

    @property
    def columns(self) -> tuple[ResultColumn, ...]:
        """The columns of the rows."""
        return self.rows.columns

    def next_batch(self, limit: int | None = None) -> pa.RecordBatch | None:
        """The next rows, at most `limit`; None when there are no more."""
        batch = self._rest if self._rest is not None else next(self._batches, None)
        self._rest = None
        if batch is not None and limit is not None and batch.num_rows > limit:
            self._rest = batch.slice(limit)
            batch = batch.slice(0, limit)
        return batch

    def take(self, count: int | None) -> list[pa.RecordBatch]:
        """The next `count` rows, all of them for None."""
        taken: list[pa.RecordBatch] = []
        while count is None or count > 0:
            batch = self.next_batch(count)
            if batch is None:
                break
            taken.append(batch)
            if count is not None:
                count -= batch.num_rows
        return taken

    def keep(self) -> None:
        """Reads everything into memory, so that the rows outlive what they come from."""
        self._batches = iter(list(self._batches))

    def close(self) -> None:
        """Frees the result; there are no more rows then."""
        self._batches = iter(())
        self._rest = None
        self.rows.close()


@dataclass(frozen=True, slots=True)
class Affected:
    """A statement without rows. `tag` is PostgreSQL's command tag without the count.

    `rows` is None for statements that count nothing (`CREATE TABLE`, `SET`, `BEGIN`).
    `insert_id` is the number that MySQL's AUTO_INCREMENT gave the first row, 0 if it gave none.
    `info` are counts in MySQL's words, `sets` the rows that the statements of a called procedure
    gave, one result after the other.
    """

    tag: str
    rows: int | None = None
    insert_id: int = 0
    info: str = ""
    sets: tuple[Rows, ...] = ()


@dataclass(frozen=True, slots=True)
class Empty:
    """The text held no statement (only comments, spaces or a semicolon)."""


class CopyFormat(Enum):
    """The layout of COPY data."""

    TEXT = "text"
    CSV = "csv"
    BINARY = "binary"


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """Options of COPY … FROM STDIN / TO STDOUT, defaults as PostgreSQL's for the format."""

    format: CopyFormat = CopyFormat.TEXT
    delimiter: str = "\t"
    null: str = "\\N"
    header: bool = False
    match_header: bool = False
    quote: str = '"'
    escape: str = '"'
    force_quote: frozenset[str] = frozenset()  # CSV output: columns always quoted; {"*"}: all
    force_not_null: frozenset[str] = frozenset()
    force_null: frozenset[str] = frozenset()
    ignore_errors: bool = False  # rows with values that do not fit are passed over …
    reject_limit: int = 0  # … up to so many; 0: any number
    log_verbosity: str = "default"  # how much is told of them: silent, default or verbose
    encoding: str = ""  # as SHOW client_encoding tells it; empty: the client's


class CopySink(Protocol):
    """Takes COPY data in pieces of any size. Nothing is visible until `finish` returns."""

    columns: tuple[ResultColumn, ...]
    options: CopyOptions

    def feed(self, data: bytes) -> None:
        """Takes the next bytes. Raises: DbError BAD_COPY_DATA, INVALID_TEXT, … (then abort)."""

    def finish(self) -> int:
        """Writes all rows durably (or into the open transaction); returns their number."""

    def abort(self) -> None:
        """Forgets everything; nothing was written."""


@dataclass(frozen=True, slots=True)
class CopyIn:
    """The client shall now send data to `sink`: MySQL's the file it knows by that name."""

    sink: CopySink
    file: str = ""


@dataclass(frozen=True, slots=True)
class CopyOut:
    """The rows shall be sent as COPY data."""

    rows: Rows
    options: CopyOptions


Result = Rows | Affected | Empty | CopyIn | CopyOut


class Severity(Enum):
    """How loud a notice is."""

    DEBUG = "DEBUG"
    LOG = "LOG"
    NOTICE = "NOTICE"
    WARNING = "WARNING"
    INFO = "INFO"
    ERROR = "ERROR"  # what SHOW ERRORS tells of the statement before, never sent as a notice


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the client should know that is no error."""

    message: str
    severity: Severity = Severity.NOTICE
    sqlstate: str = "00000"
    errno: int = 1105
    hint: str | None = None
    detail: str | None = None
    about: Mapping[str, str] = field(default_factory=dict)  # as of DbError


@dataclass(frozen=True, slots=True)
class Notification:
    """What another session (or this one) has sent by NOTIFY."""

    sender: int  # its session id
    channel: str
    payload: str


@dataclass(frozen=True, slots=True)
class Description:
    """What a prepared statement takes and gives; `columns` is None when it returns no rows."""

    parameters: tuple[DataType, ...]
    columns: tuple[ResultColumn, ...] | None
    tag: str = ""
    extras: dict[str, str] = field(default_factory=dict)
    # OIDs of domains that parameters are cast to, by place; their values are of the type below.
    domains: dict[int, int] = field(default_factory=dict)
