"""What the extended protocol keeps between messages: prepared statements and portals.

Made by extended.py and, for the rows of simple queries, by conversation.py. Nothing here looks
anything up: names are extended.py's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from server.postgres.few import encoded
from server.postgres.rows import Piece, expand_formats, style_for
from server.postgres.types import oids
from server.postgres.types.parameters import Decoder
from sql.results import Cursor, Description, ResultColumn
from sql.session import SessionApi, Statement

# The first rows go out while the others are being encoded: clients have something to do then.
FIRST_ROWS = 4096


@dataclass(slots=True)
class Prepared:
    """A statement between Parse and Close."""

    statement: Statement
    declared: tuple[DataType | None, ...]  # what Parse said of the parameters
    declared_oids: tuple[int, ...]
    description: Description | None = None  # what the session said, once somebody asked
    # The parameters' types, as long as that description holds.
    oids: tuple[Description | None, tuple[int, ...]] | None = None
    shown: tuple[ResultColumn, ...] | None = None  # what the client was told about its rows
    checked: tuple[ResultColumn, ...] | None = None  # that they are so, lately
    decoder: Decoder | None = None  # of the parameters, as they came last


class Running:
    """A result being sent."""

    def __init__(self, cursor: Cursor, session: SessionApi) -> None:
        # Constant after construction.
        self.cursor = cursor
        self._style = style_for(session.output)
        # Changed by send only.
        self.sent = 0  # by the latest send
        self.is_finished = False

    @property
    def tag(self) -> str:
        """The command tag, without the count."""
        return self.cursor.rows.tag

    def send(self, formats: Sequence[int], max_rows: int) -> Iterator[Piece]:
        """DataRow messages for the next `max_rows` rows (0: all). Sets `sent`, `is_finished`."""
        columns = self.cursor.columns
        codes = expand_formats(formats, len(columns))
        self.sent = 0
        while not self.is_finished:
            if max_rows and self.sent == max_rows:
                return
            wanted = max_rows - self.sent if max_rows else None
            if not self.sent:
                wanted = min(wanted or FIRST_ROWS, FIRST_ROWS)
            batch = self.cursor.next_batch(wanted)
            if batch is None:
                self.is_finished = True
                return
            self.sent += batch.num_rows
            yield from encoded(batch, columns, codes, self._style)

    def close(self) -> None:
        """Frees the statement."""
        self.is_finished = True
        self.cursor.close()


@dataclass(slots=True)
class Portal:
    """A statement with its parameters, and its result once it was executed."""

    prepared: Prepared
    parameters: list[object]
    formats: tuple[int, ...]
    running: Running | None = None
    is_done: bool = False  # executed, and it was no query
    is_light: bool = True  # closing it takes no time

    def close(self) -> None:
        """Frees what it holds."""
        if self.running is not None:
            self.running.close()


def has_shape(columns: Sequence[ResultColumn], shown: Sequence[ResultColumn] | None) -> bool:
    """True if a client can read rows of such columns by what Describe said, if it was asked."""
    if shown is None or shown is columns:
        return True
    before = [oids.read_as(oids.describe_column(column).oid) for column in shown]
    now = [oids.read_as(oids.describe_column(column).oid) for column in columns]
    for place, column in enumerate(columns):
        if column.type.id is TypeId.NULL and place < len(before):
            now[place] = before[place]  # nothing but NULLs reads as any type
    return before == now


def check_shape(prepared: Prepared, columns: Sequence[ResultColumn]) -> None:
    """A changed table must not surprise the client. Raises: DbError PLAN_CHANGED."""
    if not has_shape(columns, prepared.shown):
        prepared.description = prepared.shown = None  # the next Describe looks again
        raise DbError(
            ErrorKind.PLAN_CHANGED,
            "cached plan must not change result type",
            hint="prepare the statement again",
        )
