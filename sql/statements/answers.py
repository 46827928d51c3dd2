"""Small Arrow tables as results: the answers of SHOW, DESCRIBE, EXPLAIN and their kin."""

from __future__ import annotations

import pyarrow as pa

from sql.results import ResultColumn, Rows
from sql.types import from_arrow


def table_rows(table: pa.Table, *, tag: str) -> Rows:
    """A whole table as a result."""
    columns = tuple(ResultColumn(field.name, from_arrow(field.type)) for field in table.schema)
    wanted = pa.schema([pa.field(c.name, c.type.arrow) for c in columns])
    return Rows(columns, iter(table.cast(wanted).to_batches()), tag=tag)
