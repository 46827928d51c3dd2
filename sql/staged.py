"""Rows that wait for COMMIT, when their table changes before it does (sql/transaction.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow.compute as pc

from catalog.records import SERIES, Table
from engine import evolve
from engine.api import Op, Write
from engine.errors import DbError, ErrorKind
from engine.series.index import SERIES_BITS


def without_metric(write: Write, metric: int) -> Write:
    """The write to a store's samples without those of one metric."""
    numbers = pc.shift_right(write.rows.column(SERIES), SERIES_BITS)
    return replace(write, rows=write.rows.filter(pc.not_equal(numbers, metric)))


def reshaped(write: Write, table: Table) -> Write:
    """The write in the table's columns of now. Raises: DbError UNSUPPORTED (see `follow`)."""
    schema = table.region_schema()
    assert write.schema is not None
    names: Sequence[str] = schema.arrow.names
    if write.op is Op.DELETE and not table.append_mode:
        names = schema.sort_key
    elif write.op is Op.DELETE and len(write.schema.columns) > write.rows.num_columns:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f'rows of "{table.name}" were deleted in this transaction',
            hint="commit before the table is changed to append mode",
        )
    if write.schema == schema:
        return write
    rows = evolve.conform(write.rows, write.schema, schema, names)
    return replace(write, rows=rows, schema=schema)
