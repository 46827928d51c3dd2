"""For tests of the engine: the live rows of a snapshot, as sql/ gets them; a log that fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import duckdb
import pyarrow as pa

from engine.api import FileColumn, Regions, ScanRequest, Snapshot, TimeRange, Write
from engine.datatypes import FLOAT64, INT64, STRING, TIMESTAMP_MILLISECOND
from engine.schema import RegionColumn, RegionSchema, Semantic
from engine.wal.segments import Buffers, LocalLogFolder, LogFile

CPU = RegionSchema(
    (
        RegionColumn("host", STRING, Semantic.TAG),
        RegionColumn("core", INT64, Semantic.TAG),
        RegionColumn("ts", TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, nullable=False),
        RegionColumn("value", FLOAT64, Semantic.FIELD),
        RegionColumn("note", STRING, Semantic.FIELD),
    ),
    ("host", "core"),
)
ALWAYS = TimeRange()
_DATABASE = duckdb.connect()  # holds nothing: it only saves the time to open one
COLUMNS = tuple(column.name for column in CPU.columns)


def cpu_rows(rows: list[tuple]) -> pa.Table:
    """Rows (host, core, ts, value, note) as a table of the CPU schema."""
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    arrays = [pa.array(list(c), f.type) for c, f in zip(columns, CPU.arrow, strict=True)]
    return pa.Table.from_arrays(arrays, schema=CPU.arrow)


def cpu_keys(rows: list[tuple]) -> pa.Table:
    """Identities (host, core, ts) as a table."""
    schema = pa.schema([CPU.arrow.field(name) for name in CPU.sort_key])
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(list(c), f.type) for c, f in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def materialise(snapshot: Snapshot, columns: tuple[str, ...]) -> pa.Table:
    """All live rows of a snapshot: files less deleted and shadowed rows, plus memory."""
    names = ", ".join(f'"{name}"' for name in columns)
    schema = snapshot.memory.schema
    parts = [snapshot.memory.select(list(columns))]
    if snapshot.selected is not None:
        parts.append(snapshot.selected.select(list(columns)))
    with _DATABASE.cursor() as connection:
        for file in snapshot.files:
            source = f"read_parquet('{file.path}', file_row_number=true)"
            if file.layout is not None:
                items = ", ".join(_item(connection, origin) for origin in file.layout)
                source = f"(SELECT {items}, file_row_number FROM {source})"
            sql = f"SELECT {names} FROM {source} f WHERE TRUE"
            if file.deleted is not None:
                connection.register("dead", pa.table({"position": file.deleted}))
                sql += " AND file_row_number NOT IN (SELECT position FROM dead)"
            if file.shadowed:
                connection.register("shadow", snapshot.shadow)
                same = " AND ".join(
                    f's."{name}" IS NOT DISTINCT FROM f."{name}"' for name in snapshot.identity
                )
                sql += f" AND NOT EXISTS (SELECT 1 FROM shadow s WHERE {same})"
            parts.append(connection.sql(sql).to_arrow_table().cast(schema))
    return pa.concat_tables(parts)


def _item(connection: duckdb.DuckDBPyConnection, origin: FileColumn) -> str:
    """What a column of an older file reads."""
    if origin.source is None:
        value = None if origin.initial is None else origin.initial.as_py()
        if isinstance(value, str):
            return f"decode(unhex('{value.encode().hex()}')) AS \"{origin.name}\""
        item = "NULL" if value is None else f"CAST('{value!r}' AS {_type(connection, origin)})"
        return f'{item} AS "{origin.name}"'
    item = f'"{origin.source}"'
    for type_ in origin.casts:
        name = connection.from_arrow(pa.table({"x": pa.nulls(0, type_.arrow)})).types[0]
        item = f"TRY_CAST({item} AS {name})"
    return f'{item} AS "{origin.name}"'


def _type(connection: duckdb.DuckDBPyConnection, origin: FileColumn) -> str:
    assert origin.initial is not None
    return str(connection.from_arrow(pa.table({"x": pa.nulls(0, origin.initial.type)})).types[0])


@contextmanager
def pinned(
    regions: Regions,
    region_id: int = 1,
    columns: tuple[str, ...] = COLUMNS,
    *,
    time_range: TimeRange = ALWAYS,
    staged: tuple[Write, ...] = (),
    schema: RegionSchema | None = None,
) -> Iterator[Snapshot]:
    """A snapshot that is closed at the end."""
    request = ScanRequest(columns, time_range, staged, schema=schema)
    snapshot = regions.scan(region_id, request)
    try:
        yield snapshot
    finally:
        snapshot.close()


def live_rows(
    regions: Regions,
    region_id: int = 1,
    columns: tuple[str, ...] = COLUMNS,
    *,
    staged: tuple[Write, ...] = (),
) -> list[tuple]:
    """The live rows as tuples with times as integers, in an order that allows comparing."""
    with pinned(regions, region_id, columns, staged=staged) as snapshot:
        table = materialise(snapshot, columns)
    plain = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in table.columns]
    return sorted(zip(*(c.to_pylist() for c in plain), strict=True), key=repr)


def rows_in(
    regions: Regions,
    schema: RegionSchema,
    region_id: int = 1,
    *,
    staged: tuple[Write, ...] = (),
    request: ScanRequest | None = None,
) -> list[tuple]:
    """As `live_rows`, all columns of any schema of the region, within times and time to live."""
    columns = tuple(column.name for column in schema.columns)
    request = request or ScanRequest((), staged=staged)
    snapshot = regions.scan(region_id, replace(request, columns=columns, schema=schema))
    try:
        table = materialise(snapshot, columns)
        alive = snapshot.time_range
    finally:
        snapshot.close()
    at = columns.index(schema.time_index)
    plain = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in table.columns]
    rows = zip(*(c.to_pylist() for c in plain), strict=True)
    shown = (
        row
        for row in rows
        if (alive.start is None or row[at] >= alive.start)
        and (alive.end is None or row[at] < alive.end)
    )
    return sorted(shown, key=repr)


class FaultyLogFolder:
    """A log folder whose changes fail from call number `fail_at` on, for `fail_count` calls.

    `torn`: a failing write leaves its first half in the file.
    """

    def __init__(
        self,
        inner: LocalLogFolder,
        *,
        fail_at: int | None = None,
        fail_count: int = 1,
        torn: bool = False,
        code: int = errno.EIO,
    ) -> None:
        self.inner = inner
        self.fail_at = fail_at
        self.fail_count = fail_count
        self.torn = torn
        self.code = code
        self.calls: list[str] = []

    def fails(self, name: str) -> bool:
        self.calls.append(name)
        at = self.fail_at
        return at is not None and at <= len(self.calls) < at + self.fail_count

    def step(self, name: str) -> None:
        if self.fails(name):
            raise OSError(self.code, os.strerror(self.code))

    def numbers(self) -> list[int]:
        return self.inner.numbers()

    def name(self, number: int) -> str:
        return self.inner.name(number)

    def create(self, number: int, header: bytes) -> LogFile:
        self.step("create")
        return FaultyLogFile(self, self.inner.create(number, header))

    def read(self, number: int) -> memoryview:
        return self.inner.read(number)

    def truncate(self, number: int, length: int) -> None:
        self.inner.truncate(number, length)

    def remove(self, number: int) -> None:
        self.inner.remove(number)


class FaultyLogFile:
    """A segment of a `FaultyLogFolder`."""

    def __init__(self, folder: FaultyLogFolder, inner: LogFile) -> None:
        self.folder = folder
        self.inner = inner

    def write_at(self, offset: int, buffers: Buffers) -> None:
        if self.folder.fails("write"):
            if self.folder.torn:
                data = b"".join(bytes(buffer) for buffer in buffers)
                self.inner.write_at(offset, [data[: len(data) // 2]])
            raise OSError(self.folder.code, os.strerror(self.folder.code))
        self.inner.write_at(offset, buffers)

    def sync(self) -> None:
        self.folder.step("sync")
        self.inner.sync()

    def truncate(self, length: int) -> None:
        self.folder.step("truncate")
        self.inner.truncate(length)

    def close(self) -> None:
        self.inner.close()
