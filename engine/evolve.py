"""Rows of one schema shown in another: what makes ALTER TABLE touch no stored row.

Columns are matched by their stable ids. Used by the write path (rows of a writer that planned
before an ALTER), by scans and by everything that reads files (engine.sst.reader). A value that
does not fit a changed type becomes NULL, by DuckDB's TRY_CAST, so that files which DuckDB reads
itself and rows that are converted here agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import duckdb
import pyarrow as pa

from engine.api import FileColumn
from engine.datatypes import DataType
from engine.schema import RegionColumn, RegionSchema

_VERSION = b"gnomon.schema_version"


def layout(old: RegionSchema, new: RegionSchema, names: Sequence[str]) -> tuple[FileColumn, ...]:
    """Where the named columns of the new schema come from in rows of the old one."""
    return tuple(_origin(old, new, name) for name in names)


def is_plain(columns: Sequence[FileColumn]) -> bool:
    """True if every column is there under its own name and type."""
    return all(c.source == c.name and not c.casts for c in columns)


def conform(rows: pa.Table, old: RegionSchema, new: RegionSchema, names: Sequence[str]) -> pa.Table:
    """The named columns of the new schema, from rows that have columns of the old one.

    `rows` has, of the old schema, at least the columns that the named ones come from.
    """
    arrays = []
    for origin in layout(old, new, names):
        target = new.arrow.field(origin.name)
        if origin.source is None:
            arrays.append(pa.chunked_array([constant(origin, target.type, rows.num_rows)]))
        elif origin.casts:
            arrays.append(convert(rows.column(origin.source), origin.casts))
        else:
            arrays.append(rows.column(origin.source))
    fields = [new.arrow.field(name) for name in names]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def constant(column: FileColumn, type_: pa.DataType, count: int) -> pa.Array:
    """What `count` rows without the column read."""
    if column.initial is None:
        return pa.nulls(count, type_)
    return pa.repeat(column.initial.cast(type_), count)


def stamp(rows: pa.RecordBatch, version: int) -> pa.RecordBatch:
    """The rows with the number of their schema, which the log then keeps with them."""
    return _marked(rows, {_VERSION: str(version).encode()} if version else None)


def stamped(rows: pa.RecordBatch) -> int:
    """The inverse of `stamp`; 0 for rows without a number."""
    return int((rows.schema.metadata or {}).get(_VERSION, b"0"))


def unstamped(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows without what `stamp` gave them."""
    return _marked(rows, None)


def _marked(rows: pa.RecordBatch, metadata: dict[bytes, bytes] | None) -> pa.RecordBatch:
    return rows if rows.schema.metadata == metadata else rows.replace_schema_metadata(metadata)


def convert(values: pa.ChunkedArray, types: Sequence[DataType]) -> pa.ChunkedArray:
    """Values in other types, one after the other; NULL where they do not fit."""
    with _connection_lock:
        cursor = _connection().cursor()
    try:
        item = "x"
        for type_ in types:
            name = cursor.from_arrow(pa.table({"x": pa.nulls(0, type_.arrow)})).types[0]
            item = f"TRY_CAST({item} AS {name})"
        found = cursor.from_arrow(pa.table({"x": values})).project(f"{item} AS x").to_arrow_table()
    finally:
        cursor.close()
    return found.column(0).cast(types[-1].arrow)


_connection_lock = Lock()
_connections: list[duckdb.DuckDBPyConnection] = []


def _connection() -> duckdb.DuckDBPyConnection:
    """A database in memory that is only used to compute."""
    if not _connections:
        connection = duckdb.connect(":memory:", config={"threads": 1})
        connection.execute("SET TimeZone = 'UTC'")
        _connections.append(connection)
    return _connections[0]


def _origin(old: RegionSchema, new: RegionSchema, name: str) -> FileColumn:
    id_ = new.ids[name]
    target = new.by_id[id_]
    source: RegionColumn | None = old.by_id.get(id_)
    if source is None:
        return FileColumn(name, None, initial=target.initial)
    return FileColumn(name, source.name, _casts(source, target))


def _casts(source: RegionColumn, target: RegionColumn) -> tuple[DataType, ...]:
    """The types on the way from one to the other."""
    way = (*target.past, target.type)[len(source.past) + 1 :]
    if way or source.type.arrow == target.type.arrow:
        return way
    return (target.type,)  # rows of a newer schema, shown in an older one
