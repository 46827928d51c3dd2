"""One ALTER under work: the table as it was, and as the actions so far have made it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from catalog.records import Column, Table
from engine.errors import DbError, ErrorKind
from sql.run.errors import position_of

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.transaction import Transaction


@dataclass
class Alteration:
    """Actions replace `table`; `cascade`: views that cannot go on are dropped."""

    session: ClientSession
    transaction: Transaction
    text: str
    old: Table
    table: Table
    cascade: bool = False

    def column(self, name: str) -> Column:
        """The column of that name. Raises: DbError UNDEFINED_COLUMN."""
        found = self.table.column(name)
        if found is None:
            raise DbError(
                ErrorKind.UNDEFINED_COLUMN,
                f'column "{name}" of table "{self.table.name}" does not exist',
                position=position_of(name, self.text),
            )
        return found

    def check_free(self, name: str) -> None:
        """Raises: DbError DUPLICATE_COLUMN if a column has the name (letters' case aside)."""
        if any(column.name.lower() == name.lower() for column in self.table.columns):
            raise DbError(
                ErrorKind.DUPLICATE_COLUMN,
                f'column "{name}" of table "{self.table.name}" already exists',
                position=position_of(name, self.text),
            )

    def put(self, column: Column) -> None:
        """Replaces the column with that id."""
        columns = [column if c.id == column.id else c for c in self.table.columns]
        self.table = replace(self.table, columns=tuple(columns))
