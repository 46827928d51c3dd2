"""Examines the embedded database file, and whether the catalog and the regions agree.

Called by `gnomon doctor` after the engine's examination. The file is opened for reading only; all
rows of relational tables are read, because DuckDB verifies the checksum of every block it reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb

from catalog.catalog import EmbeddedCatalog
from catalog.records import Table
from catalog.shapes import shapes
from catalog.store import CATALOG_FILE, SCHEMA_VERSION, SYSTEM_SCHEMA
from engine.doctor.examine import EngineFacts
from engine.doctor.regions import RegionFacts
from engine.doctor.report import Report, Severity
from engine.sst.file import region_folder


def examine_catalog(directory: Path, engine: EngineFacts, prefix: str, report: Report) -> None:
    """Examines the catalog of a data directory; `prefix` is where the engine's part lies in it."""
    path = directory / CATALOG_FILE
    if not path.exists():
        if engine.regions:
            report.found(Severity.DAMAGE, CATALOG_FILE, "it is missing, but there are regions")
        return
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        report.found(Severity.DAMAGE, CATALOG_FILE, f"it cannot be opened: {_line(error)}")
        return
    try:
        tables = _tables(connection, report)
        _relational(connection, report)
    finally:
        connection.close()
    if tables is not None:
        _agreement(tables, engine, prefix, report)


def _tables(connection: duckdb.DuckDBPyConnection, report: Report) -> list[Table] | None:
    """All tables of the catalog, None if it cannot be read."""
    try:
        rows = connection.execute(f"SELECT version FROM {SYSTEM_SCHEMA}.format").fetchall()
        if rows and rows[0][0] > SCHEMA_VERSION:
            message = f"a newer version wrote it (format {rows[0][0]}, ours {SCHEMA_VERSION})"
            report.found(Severity.WRONG, CATALOG_FILE, message)
            return None
        tables = list(EmbeddedCatalog(connection).tables(connection))
    except (duckdb.Error, ValueError, KeyError, TypeError) as error:
        report.found(Severity.DAMAGE, CATALOG_FILE, f"it cannot be read: {_line(error)}")
        return None
    report.checked["tables"] += len(tables)
    return tables


def _relational(connection: duckdb.DuckDBPyConnection, report: Report) -> None:
    """Reads every row of every table that DuckDB keeps."""
    found = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal ORDER BY ALL"
    ).fetchall()
    for schema, name in found:
        report.checked["relational_tables"] += 1
        quoted = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name))
        try:
            connection.execute(f"SELECT count(*), bit_xor(hash(t)) FROM {quoted} AS t").fetchall()
        except duckdb.Error as error:
            message = f"the table {schema}.{name} cannot be read: {_line(error)}"
            report.found(Severity.DAMAGE, CATALOG_FILE, message)


def _agreement(tables: list[Table], engine: EngineFacts, prefix: str, report: Report) -> None:
    owners: dict[int, Table] = {}
    for table, region_id in _named(tables):
        path = prefix + region_folder(region_id)
        if region_id in owners:
            message = f"{_full(table)} and {_full(owners[region_id])} both name it"
            report.found(Severity.WRONG, path, message)
        owners[region_id] = table
        region = engine.regions.get(region_id)
        if region is None:
            report.found(Severity.DAMAGE, path, f"the region of {_full(table)} is missing")
        elif region.version is not None:
            _same_columns(table, region_id, region, path, report)
    for region_id in sorted(engine.regions.keys() - owners.keys()):
        _nobodys(region_id, engine, prefix, report)


def _named(tables: list[Table]) -> Iterator[tuple[Table, int]]:
    for table in tables:
        for region_id in table.region_ids:
            yield table, region_id


def _same_columns(
    table: Table, region_id: int, region: RegionFacts, path: str, report: Report
) -> None:
    assert region.version is not None
    wanted, there = shapes(table, None)[region_id][0], region.version.schema
    if wanted == there:
        return
    if wanted.version > there.version:
        message = f"{_full(table)} was altered, the region follows at the next start"
        report.found(Severity.LEFTOVER, path, message)
        return
    told = ", ".join(f"{column.name} {column.type.name}" for column in there.columns)
    message = f"it does not have the columns of {_full(table)}, but {told}"
    report.found(Severity.WRONG, path, message)


def _nobodys(region_id: int, engine: EngineFacts, prefix: str, report: Report) -> None:
    """A region that no table names: the next start removes it, unless it is wanted after all."""
    region = engine.regions[region_id]
    rows = 0 if region.version is None else sum(file.live_rows for file in region.version.files)
    is_empty = region.version is not None and not region.version.files
    is_empty = is_empty and region_id not in engine.log.last_by_region
    message = "no table names it: the next start of the server removes it"
    if is_empty:
        report.found(
            Severity.LEFTOVER, prefix + region_folder(region_id), message, fix=region.remove
        )
        return
    report.found(
        Severity.LEFTOVER,
        prefix + region_folder(region_id),
        f"{message}; copy the folder first if its rows are wanted",
        readable=f"{rows} rows in files",
    )


def _full(table: Table) -> str:
    return f"table {table.database}.{table.name}"


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
