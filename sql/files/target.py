"""What rows of a file become: whole rows of one table.

Made by sql/statements/copy_files.py for each COPY FROM, used by the readers beside this module.
Columns that a file lacks take their default, which is evaluated once: one COPY is one statement.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalog.records import Column, Table
from engine.errors import DbError, ErrorKind
from sql.decode.lengths import fitted


@dataclass
class Target:
    """The table, the columns that may come from files, and the values of the others.

    `evaluate` gives that many values of a column's default. `inside` tells which values of the
    time index are within the statement's time bounds, None without any.
    """

    table: Table
    columns: tuple[Column, ...]
    timezone: str
    evaluate: Callable[[Column, int], Any]
    inside: Callable[[Any], Any] | None = None
    skipped: int = 0  # bad records that were passed over so far
    _defaults: dict[str, Any] = field(default_factory=dict)

    def column(self, name: str) -> Column | None:
        """The column of that name, if it may come from files."""
        return next((c for c in self.columns if c.name == name), None)

    def default(self, column: Column, rows: int) -> Any:
        """A column's default for so many rows; NULLs without one."""
        if column.default is None or rows == 0:
            return pa.nulls(rows, column.type.arrow)
        if "nextval(" in column.default:  # another value for every row
            return self.evaluate(column, rows)
        if column.name not in self._defaults:
            self._defaults[column.name] = self.evaluate(column, 1)[0]
        return pa.repeat(self._defaults[column.name], rows)

    def check_columns(self, given: Collection[str], file: str) -> None:
        """Raises: DbError for a file that gives no column, or lacks one that must be given."""
        if not any(column.name in given for column in self.columns):
            names = ", ".join(column.name for column in self.columns)
            raise DbError(
                ErrorKind.UNDEFINED_COLUMN,
                f'no column of "{file}" has the name of a column of table "{self.table.name}"',
                hint=f"the table has {names}",
            )
        for column in self.table.columns:
            if column.name not in given and not column.nullable and column.default is None:
                raise DbError(
                    ErrorKind.NOT_NULL_VIOLATION,
                    f'"{file}" has no column "{column.name}", which may not be NULL and has no'
                    " default",
                )

    def whole(self, rows: Any) -> Any:
        """Rows of some columns as rows of the table, in its order; other columns are ignored.

        Raises: DbError TEXT_TOO_LONG.
        """
        given = set(rows.column_names)
        arrays = [
            fitted(column, rows.column(column.name))
            if column.name in given and self.column(column.name) is not None
            else self.default(column, rows.num_rows)
            for column in self.table.columns
        ]
        fields = [pa.field(c.name, c.type.arrow, c.nullable) for c in self.table.columns]
        table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
        if self.inside is None:
            return table
        return table.filter(self.inside(table.column(str(self.table.time_index))))

    def check_nulls(self, rows: Any, file: str, before: int) -> None:
        """Raises NOT_NULL_VIOLATION with file and row; `before` rows of it were read already."""
        for column in self.table.columns:
            values = rows.column(column.name)
            if not column.nullable and values.null_count:
                row = pc.index(pc.is_null(values), True).as_py() + before + 1
                raise DbError(
                    ErrorKind.NOT_NULL_VIOLATION,
                    f'null value in column "{column.name}" of table "{self.table.name}"'
                    " violates not-null constraint",
                    detail=f'"{file}", row {row}',
                )
