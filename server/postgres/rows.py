"""Result batches become DataRow or COPY messages.

Called by extended.py, conversation.py and copy_out.py; everything here runs in worker threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from server.encode import assemble
from server.encode.cells import Cells, VarCells
from server.encode.style import POSTGRES, BinaryText, DateText, IntervalText, TextStyle
from server.postgres.encoded import encoded_cells
from server.postgres.types.records import shown_cells
from server.postgres.types.results import column_cells
from sql.results import ResultColumn
from sql.session import Output

Piece = bytes | memoryview

TEXT, BINARY = 0, 1


@lru_cache(maxsize=256)
def style_for(output: Output, fraction_digits: int = 6) -> TextStyle:
    """PostgreSQL's style with a session's settings; microseconds are all PostgreSQL knows."""
    dates, _, order = output.dates.partition(", ")
    return replace(
        POSTGRES,
        timezone=output.timezone,
        fraction_digits=fraction_digits,
        interval=IntervalText(output.intervals),
        dates=DateText(dates),
        day_first=order == "DMY",
        binary=BinaryText(output.binary),
        encoding=output.encoding,
    )


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


def is_text(data_type: DataType) -> bool:
    """True if values are text in the binary format too."""
    return data_type.id in (TypeId.STRING, TypeId.JSON) and data_type.named is None


def padded(batch: pa.RecordBatch, columns: Sequence[ResultColumn]) -> list[pa.Array]:
    """The columns; those of CHAR(n) with blanks up to their length."""
    return [
        pc.utf8_rpad(array, column.type.precision)
        if column.type.named is not None and column.type.precision
        else array
        for array, column in zip(batch.columns, columns, strict=True)
    ]


def encode_batch(
    batch: pa.RecordBatch,
    columns: Sequence[ResultColumn],
    formats: Sequence[int],
    style: TextStyle,
) -> Iterator[memoryview]:
    """DataRow messages for a batch, a few MiB at a time. Requires: the batch fits the columns."""
    cells: list[Cells] = []
    for array, column, code in zip(padded(batch, columns), columns, formats, strict=True):
        if code == BINARY:
            packed = column_cells(array, column, style)
            if isinstance(packed, VarCells) and is_text(column.type):
                packed = encoded_cells(packed, style.encoding)
            cells.append(packed)
        else:
            cells.append(encoded_cells(shown_cells(array, column.type, style), style.encoding))
    yield from assemble.postgres_rows(cells, batch.num_rows)
