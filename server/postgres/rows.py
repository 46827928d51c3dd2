"""Result batches become DataRow or COPY messages.

Called by extended.py, conversation.py and copy_out.py; everything here runs in worker threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import pyarrow as pa

from engine.errors import DbError, ErrorKind
from server.encode import assemble
from server.encode.cells import Cells
from server.encode.style import POSTGRES, TextStyle
from server.postgres.types.records import shown_cells
from server.postgres.types.results import column_cells
from sql.results import ResultColumn

Piece = bytes | memoryview

TEXT, BINARY = 0, 1


@lru_cache(maxsize=256)
def style_for(timezone: str, fraction_digits: int = 6) -> TextStyle:
    """PostgreSQL's style in a session's time zone; microseconds are all PostgreSQL knows."""
    return replace(POSTGRES, timezone=timezone, fraction_digits=fraction_digits)


def expand_formats(formats: Sequence[int], columns: int) -> tuple[int, ...]:
    """One format per column from Bind's short forms. Raises: DbError PROTOCOL."""
    if len(formats) == 0:
        return (TEXT,) * columns
    if len(formats) == 1:
        return (formats[0],) * columns
    if len(formats) != columns:
        raise DbError(
            ErrorKind.PROTOCOL,
            f"bind message has {len(formats)} result formats but query has {columns} columns",
        )
    return tuple(formats)


def encode_batch(
    batch: pa.RecordBatch,
    columns: Sequence[ResultColumn],
    formats: Sequence[int],
    style: TextStyle,
) -> Iterator[memoryview]:
    """DataRow messages for a batch, a few MiB at a time. Requires: the batch fits the columns."""
    cells: list[Cells] = []
    for array, column, code in zip(batch.columns, columns, formats, strict=True):
        if code == BINARY:
            cells.append(column_cells(array, column, style))
        else:
            cells.append(shown_cells(array, column.type, style))
    yield from assemble.postgres_rows(cells, batch.num_rows)
