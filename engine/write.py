"""Checks rows before they are logged, so that what is in the log can always be applied.

Called by `engine.regions` on the writer's thread, outside every lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from engine import evolve
from engine.api import Op, Write
from engine.errors import DbError, ErrorKind
from engine.memtable.view import Shape
from engine.wal.payload import RegionRows, size_of

# A slice may be a window into a far larger buffer; beyond this factor it is copied, so that a
# memtable does not hold what it does not count.
_WINDOW_FACTOR = 2


def checked(write: Write, shape: Shape) -> Iterator[RegionRows]:
    """The write as batches of its schema's layout; none if it has no rows.

    Raises: DbError INVALID_ARGUMENT for wrong columns, DATATYPE_MISMATCH for values that do not
    fit, NOT_NULL_VIOLATION.
    """
    if write.schema is not None and write.schema is not shape.schema:
        shape = replace(shape, schema=write.schema)
    schema = shape.schema.arrow
    if write.op is Op.DELETE and not shape.append_mode:
        schema = pa.schema([schema.field(name) for name in shape.identity])
    rows = _conformed(write, schema)
    for name in shape.schema.required:
        if write.op is Op.DELETE and name not in schema.names:
            continue
        if rows.column(name).null_count:
            raise DbError(
                ErrorKind.NOT_NULL_VIOLATION,
                f'NULL value in column "{name}", which does not allow it',
            )
    batches = rows.to_batches()
    if len(batches) > 1:
        batches = rows.combine_chunks().to_batches()
    for batch in batches:
        if batch.num_rows:
            batch = evolve.stamp(_compact(batch), shape.schema.version)
            yield RegionRows(write.region_id, write.op, batch)


def check_size(rows: Sequence[RegionRows], bytes_max: int) -> None:
    """Raises: DbError LIMIT_EXCEEDED if one record would be larger than that."""
    if (size := size_of(rows)) > bytes_max:
        raise DbError(
            ErrorKind.LIMIT_EXCEEDED,
            f"one write of {size} bytes is above the limit of {bytes_max}",
            hint="split it into smaller writes",
        )


def staged(writes: Sequence[Write], shape: Shape) -> list[RegionRows]:
    """All batches of a transaction's writes to one region. Raises: as `checked`."""
    return [rows for write in writes for rows in checked(write, shape)]


def _conformed(write: Write, schema: pa.Schema) -> pa.Table:
    """The rows with exactly the schema's columns, types and order."""
    rows = write.rows
    if rows.schema.equals(schema):
        return rows
    if set(rows.column_names) != set(schema.names) or rows.num_columns != len(schema):
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"{write.op.name} on region {write.region_id} needs the columns "
            f"{', '.join(schema.names)}",
            detail=f"it has {', '.join(rows.column_names) or 'none'}",
        )
    rows = rows.select(schema.names)
    if rows.schema.types == schema.types:
        return pa.Table.from_arrays(rows.columns, schema=schema)
    try:
        # Nullability is checked by the caller, with a message of its own.
        loose = pa.schema([pa.field(f.name, f.type) for f in schema])
        return pa.Table.from_arrays(rows.cast(loose).columns, schema=schema)
    except (pa.ArrowException, ValueError) as error:
        raise DbError(
            ErrorKind.DATATYPE_MISMATCH, f"rows for region {write.region_id} do not fit: {error}"
        ) from error


def _compact(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, copied if it is a small window into large buffers."""
    # As the log would write it: the values and some bytes per column. `nbytes` takes Arrow longer
    # than all the rest of a small write.
    if batch.get_total_buffer_size() <= _WINDOW_FACTOR * pa.ipc.get_record_batch_size(batch):
        return batch
    return batch.take(pa.array(np.arange(batch.num_rows)))
