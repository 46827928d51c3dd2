"""COPY … ON_ERROR ignore: rows whose values their columns cannot take are passed over.

Called by copy.py once a column did not convert as a whole. The column is halved until what is wrong
stands alone, so that few bad rows among many cost little.
https://www.postgresql.org/docs/18/sql-copy.html (ON_ERROR, REJECT_LIMIT, LOG_VERBOSITY)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from engine.errors import DbError, ErrorKind
from sql.decode.cells import Cells
from sql.decode.kernels import NULL
from sql.results import CopyOptions

Make = Callable[[Cells], Any]

_OF_VALUES = frozenset(
    {
        *(ErrorKind.INVALID_TEXT, ErrorKind.INVALID_DATETIME, ErrorKind.OUT_OF_RANGE),
        *(ErrorKind.DATETIME_OVERFLOW, ErrorKind.TEXT_TOO_LONG, ErrorKind.DATA_EXCEPTION),
    }
)
_REPORTS_MAX = 1000  # rows that are told one by one; of more, only their number


@dataclass(slots=True)
class Rejected:
    """What was passed over so far."""

    options: CopyOptions
    count: int = 0
    reports: list[str] = field(default_factory=list)

    def take(self) -> list[str]:
        """What there is to say of rows since the last call."""
        reports, self.reports = self.reports, []
        return reports

    def add(self, bad: dict[int, DbError]) -> None:
        """Counts rows of a table. Raises: DbError INVALID_TEXT beyond REJECT_LIMIT."""
        self.count += len(bad)
        if self.options.log_verbosity == "verbose":
            room = _REPORTS_MAX - len(self.reports)
            for _, error in sorted(bad.items())[:room]:
                self.reports.append(
                    f"skipping row due to data type incompatibility at {error.detail}"
                )
        limit = self.options.reject_limit
        if limit and self.count > limit:
            raise DbError(
                ErrorKind.INVALID_TEXT,
                f"skipped more than REJECT_LIMIT ({limit}) rows due to data type incompatibility",
            )


def sound_cells(cells: Cells, type_: pa.DataType, make: Make, bad: dict[int, DbError]) -> Any:
    """The column with NULLs where no value could be made; these rows are added to `bad`.

    Raises: DbError for what is wrong with more than single values.
    """
    return pa.chunked_array(_parts(cells, 0, cells.size, type_, make, bad), type_).combine_chunks()


def _parts(
    cells: Cells, low: int, high: int, type_: pa.DataType, make: Make, bad: dict[int, DbError]
) -> list[Any]:
    part = cells._replace(
        first=cells.first + low * cells.step,
        size=high - low,
        place=lambda row: cells.place(low + row),
    )
    if bool(np.all(part.row_kinds() == NULL)):
        return [pa.nulls(high - low, type_)]
    try:
        return [make(part)]
    except DbError as error:
        if error.kind not in _OF_VALUES:
            raise
        if high - low == 1:
            bad[low] = error
            return [pa.nulls(1, type_)]
    middle = (low + high) // 2
    return _parts(cells, low, middle, type_, make, bad) + _parts(
        cells, middle, high, type_, make, bad
    )
