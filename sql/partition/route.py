"""Which region each row belongs to, by whole columns.

Called by every statement that writes (through sql/statements/target.py) and by repartitioning.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.intervals import stored_rows
from catalog.records import Table
from engine.api import Op, Write
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from engine.schema import RegionSchema
from sql.partition.check import Partitioning, is_exclusive, partitioning_of
from sql.partition.space import Axis

Cells = npt.NDArray[np.int64]

_DICTIONARY_ROWS_MIN = 1_024  # below this the comparisons cost less than the encoding
_COMPARED = frozenset({TypeId.STRING, TypeId.DECIMAL})  # by Arrow; all other keys are numbers


def writes_of(
    table: Table, op: Op, rows: pa.Table, schema: RegionSchema | None = None
) -> list[Write]:
    """The rows as writes to the table's regions, in their order within each.

    `schema` is what the rows are in, the table's own by default. Requires: `rows` has the partition
    columns, unless rows of one identity may be in any region (`is_exclusive`) and are deleted.
    Raises: DbError UNSUPPORTED for rows of a physical table with a series store.
    """
    if table.is_store:
        if rows.num_rows:
            raise DbError(
                ErrorKind.UNSUPPORTED,
                f'"{table.name}" is a physical table: its rows are changed in its logical tables',
            )
        return []
    schema = schema or table.region_schema()
    if not rows.schema.equals(schema.arrow):
        rows = stored_rows(rows)
    partitioning = partitioning_of(table)
    if partitioning is None:
        return [Write(table.region_ids[0], op, rows, schema)]
    if is_exclusive(table):
        return _exclusive(table, partitioning, op, rows, schema)
    parts = divided(partitioning, rows)
    return [Write(table.region_ids[number], op, part, schema) for number, part in parts]


def _exclusive(
    table: Table, partitioning: Partitioning, op: Op, rows: pa.Table, schema: RegionSchema
) -> list[Write]:
    """Rows go to their region, and whatever they replace goes from all others.

    Deletions stand first: when writes are routed again after a change of the partitions, a
    deletion may reach the region that its row is put in.
    """
    keys = list(schema.sort_key)
    if op is Op.DELETE:
        return [Write(region, op, rows.select(keys), schema) for region in table.region_ids]
    numbers = numbers_of(partitioning, rows)
    if len(numbers) and (numbers != numbers[0]).any():
        rows = rows.take(_last_of_each(rows.select(keys)))
        numbers = numbers_of(partitioning, rows)
    deleted, put = [], []
    for number, region in enumerate(table.region_ids):
        mine = pa.array(numbers == number)
        others = rows.select(keys).filter(pc.invert(mine))
        if others.num_rows:
            deleted.append(Write(region, Op.DELETE, others, schema))
        if others.num_rows < rows.num_rows:
            put.append(Write(region, Op.PUT, rows.filter(mine), schema))
    return deleted + put


def _last_of_each(keys: pa.Table) -> pa.Array:
    """The positions of the last row of each key, ascending."""
    names = [str(place) for place in range(keys.num_columns)]
    numbered = keys.rename_columns(names).append_column("at", pa.array(np.arange(keys.num_rows)))
    last = numbered.group_by(names).aggregate([("at", "max")]).column("at_max")
    return pa.array(np.sort(last.to_numpy()))


def divided(partitioning: Partitioning, rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """(partition number, its rows) for every partition that has any, ascending."""
    if rows.num_rows == 0:
        return
    numbers = numbers_of(partitioning, rows)
    if (numbers == numbers[0]).all():
        yield int(numbers[0]), rows
        return
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
        yield int(ordered[start]), rows.take(pa.array(order[start:end]))


def numbers_of(partitioning: Partitioning, rows: pa.Table) -> npt.NDArray[np.int16]:
    """For each row the position of its rule."""
    flat = np.zeros(rows.num_rows, np.int64)
    for axis in partitioning.space.axes:
        flat *= axis.cells
        if axis.keys:
            flat += cells_of(axis, rows.column(axis.column.name))
    found: npt.NDArray[np.int16] = partitioning.numbers.ravel()[flat]
    assert len(found) == 0 or found.min() >= 0, "a value outside its type"
    return found


def cells_of(axis: Axis, column: pa.ChunkedArray) -> Cells:
    """For each row the cell of its value along one axis."""
    array = _one(column)
    if axis.column.type.id in _COMPARED:
        return _compared_cells(axis, array)
    return _numeric_cells(axis, array)


def _numeric_cells(axis: Axis, array: pa.Array) -> Cells:
    values = _numbers(array)
    keys = np.array(axis.keys, values.dtype)
    cells = np.searchsorted(keys, values, "left") + np.searchsorted(keys, values, "right")
    return _without_nulls(cells.astype(np.int64), array)


def _numbers(array: pa.Array) -> npt.NDArray[np.generic]:
    kind = array.type
    if pa.types.is_timestamp(kind):
        array = array.view(pa.int64())
    elif pa.types.is_date32(kind):
        array = array.view(pa.int32())
    elif pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    found: npt.NDArray[np.generic] = pc.fill_null(array, 0).to_numpy(zero_copy_only=False)
    return found


def _compared_cells(axis: Axis, array: pa.Array) -> Cells:
    if len(array) < _DICTIONARY_ROWS_MIN:
        return _without_nulls(_between(axis, array), array)
    encoded = array.dictionary_encode()
    cells = _between(axis, encoded.dictionary)
    if not len(cells):  # nothing but NULLs
        return np.zeros(len(array), np.int64)
    indices = pc.fill_null(encoded.indices, 0).to_numpy()
    return _without_nulls(cells[indices], array)


def _between(axis: Axis, values: pa.Array) -> Cells:
    """Cells by comparing with each literal: how many are below, how many below or equal."""
    cells = np.zeros(len(values), np.int64)
    for key in axis.keys:
        literal = pa.scalar(key, values.type)
        cells += pc.fill_null(pc.greater(values, literal), False).to_numpy(zero_copy_only=False)
        equal_too = pc.greater_equal(values, literal)
        cells += pc.fill_null(equal_too, False).to_numpy(zero_copy_only=False)
    return cells


def _without_nulls(cells: Cells, array: pa.Array) -> Cells:
    """NULL is in cell 0: below every value."""
    if array.null_count:
        cells = np.where(array.is_null().to_numpy(zero_copy_only=False), 0, cells)
    return cells


def _one(column: pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
