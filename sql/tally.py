"""What MySQL remembers of the statement before: LAST_INSERT_ID(), ROW_COUNT(), FOUND_ROWS().

Kept by a session; sql/execute.py tells it how each statement ended, INSERT which numbers it gave.
Source: MySQL 8.4 reference, "Information Functions".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from sql.privileges import is_superuser
from sql.results import Affected, Result, Rows, Severity
from sql.session import Wire

if TYPE_CHECKING:
    from sql.client_session import ClientSession

NAMES = frozenset({"last_insert_id", "identity", "row_count", "found_rows"})
_COUNTED = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "SELECT"})


class Tally:
    """Counts and numbers of one session. Used by its one thread."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.last_insert_id = 0  # the first number given by the last INSERT that gave any
        self._row_count = -1
        self._found_rows = 0
        self._insert_id = 0  # of the running statement
        self._matched: int | None = None

    def begin(self) -> None:
        """A statement starts."""
        self._insert_id = 0
        self._matched = None

    def matched(self, rows: int) -> None:
        """The running UPDATE has found that many rows, also such as stay as they are."""
        self._matched = (self._matched or 0) + rows

    def numbered(self, first: int, *, generated: bool) -> None:
        """The statement's rows begin with that number; `generated`: the table gave it."""
        self._insert_id = first
        if generated:
            self.last_insert_id = first

    def told(self, changes: Mapping[str, exp.Expr], rows: pa.Table) -> None:
        """Rows get these values: what LAST_INSERT_ID(x) made of the last one is remembered."""
        for name, value in changes.items():
            if rows.num_rows and self._wire is Wire.MYSQL and is_told(value):
                number = rows.column(name)[-1].as_py()
                self.numbered(int(number or 0), generated=True)

    def end(self, result: Result) -> Result:
        """A statement has ended with that; its answer as the client shall see it."""
        if isinstance(result, Rows):
            self._row_count = -1
            return Rows(
                result.columns, self._counted(iter(result)), tag=result.tag, on_close=result.close
            )
        if isinstance(result, Affected):
            counts = result.tag.split(" ")[0] in _COUNTED
            self._row_count = (result.rows or 0) if counts else 0
            info = self._info(result) if self._wire is Wire.MYSQL else ""
            if self._insert_id or info:
                result = replace(result, insert_id=self._insert_id, info=info)
        return result

    def _info(self, result: Affected) -> str:
        """Counts as MySQL's OK packet words them, the warnings still to be added."""
        rows = result.rows or 0
        if result.tag == "UPDATE":
            matched = rows if self._matched is None else self._matched
            return f"Rows matched: {matched}  Changed: {rows}"
        return f"Records: {rows}  Duplicates: 0" if result.tag == "INSERT" and rows > 1 else ""

    def answered(self, rows: int) -> None:
        """A query was answered with so many rows, without `begin` and `end`."""
        self._row_count, self._found_rows = -1, rows

    def get(self, name: str) -> str:
        """One of `NAMES` as text."""
        if name == "row_count":
            return str(self._row_count)
        return str(self._found_rows if name == "found_rows" else self.last_insert_id)

    def _counted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        self._found_rows = 0
        for batch in batches:
            self._found_rows += batch.num_rows
            yield batch


def is_told(node: exp.Expr | None) -> bool:
    """True for a call of LAST_INSERT_ID with a number."""
    return isinstance(node, exp.Anonymous) and (
        node.name.lower() == "last_insert_id" and len(node.expressions) == 1
    )


def told(session: ClientSession) -> dict[str, Callable[[], str]]:
    """Settings that are no choice of the session's."""
    if session.wire is not Wire.MYSQL:
        return {
            "is_superuser": lambda: "on" if is_superuser(session) else "off",
            "max_connections": lambda: str(session.server.options.max_connections),
            "superuser_reserved_connections": lambda: str(
                session.server.options.reserved_connections
            ),
        }
    return {
        **{name: partial(session.tally.get, name) for name in NAMES},
        "local_infile": lambda: "ON" if session.server.local_infile else "OFF",
        "max_connections": lambda: str(session.server.max_connections),
        "pseudo_thread_id": lambda: str(session.id),
        "error_count": lambda: str(
            sum(one.severity is Severity.ERROR for one in session.last_notices)
        ),
        "warning_count": lambda: str(len(session.last_notices)),
    }
