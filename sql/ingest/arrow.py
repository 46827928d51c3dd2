"""Arrow record batches as rows of one table, made if it is missing: bulk ingest of Flight SQL.

Called by server/flight. All batches are one statement: they are there together, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.errors import DbError, ErrorKind
from sql.decode.assign import assign
from sql.privileges import check_table
from sql.session import Wire
from sql.statements.target import columns_named, complete, insert_rows
from sql.types import from_arrow, quote, sql_name

if TYPE_CHECKING:
    from catalog.records import Table
    from sql.client_session import ClientSession


@dataclass
class ArrowIngest:
    """A `Task`. `when_missing`: create or fail; `when_there`: append, replace or fail."""

    name: str
    database: str | None
    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]
    when_missing: str = "fail"
    when_there: str = "append"
    text: str = "INGEST"
    writes: bool = True

    def run(self, session: ClientSession) -> int:
        """Writes the rows; returns how many. Raises: DbError; nothing was written then."""
        rows = pa.Table.from_batches(list(self.batches), self.schema)
        database = self.database or session.database
        there = session.lookup(database, self.name)
        if there is None and self.when_missing != "create":
            message = f'table "{database}.{self.name}" does not exist'
            raise DbError(ErrorKind.UNDEFINED_TABLE, message)
        if there is not None and self.when_there == "fail":
            message = f'table "{database}.{self.name}" already exists'
            raise DbError(ErrorKind.DUPLICATE_TABLE, message)
        if there is not None:
            check_table(session, there, "INSERT")
        outer = session.transaction is None
        if outer:
            session.begin(explicit=True)
        try:
            self._write(session, database, there, rows)
        except BaseException:
            if outer:
                session.end_transaction(commit=False)
            raise
        if outer:
            session.end_transaction(commit=True)
        return int(rows.num_rows)

    def _write(
        self, session: ClientSession, database: str, there: Table | None, rows: pa.Table
    ) -> None:
        name = f"{quote(database)}.{quote(self.name)}"
        if there is not None and self.when_there == "replace":
            _execute(session, f"DROP TABLE {name}")
            there = None
        if there is None:
            made = (
                f"{quote(f.name)} {sql_name(from_arrow(f.type), Wire.POSTGRES)}"
                for f in self.schema
            )
            _execute(session, f"CREATE TABLE {name} ({', '.join(made)})")
            there = session.lookup(database, self.name)
        assert there is not None
        table = there
        columns = columns_named(table, self.schema.names, "")
        arrays = [
            assign(rows.column(index), column, session.timezone)
            for index, column in enumerate(columns)
        ]
        given = pa.Table.from_arrays(arrays, [column.name for column in columns])
        with session.writing() as transaction:
            whole = complete(session, table, columns, given)

            def write() -> None:
                insert_rows(session, transaction, table, whole)

            with transaction.step(write):
                write()


def _execute(session: ClientSession, text: str) -> None:
    for statement in session.parse(text):
        session.execute(statement)
