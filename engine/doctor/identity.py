"""Looks for rows of an upsert region that are alive in two files at once.

Deletion vectors should make that impossible; a query would give both rows. DuckDB groups the
identities of files whose times overlap, and spills to disk beyond its memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from engine import evolve
from engine.doctor.report import Report, Severity
from engine.sst.deletion import Positions
from engine.sst.file import FileMeta, region_folder
from engine.store.store import ObjectStore
from engine.version import Version

_MEMORY = "512MB"
_SHOWN_MAX = 3


@dataclass(frozen=True, slots=True)
class SoundFile:
    """A file that was found whole, and its dead rows."""

    file: FileMeta
    dead: Positions


def examine_identities(
    store: ObjectStore,
    region_id: int,
    version: Version,
    sound: Sequence[SoundFile],
    report: Report,
) -> None:
    """Compares the live rows of the region's sound files. Nothing to do in append mode."""
    if version.options.append_mode:
        return
    for cluster in _clusters(sound):
        twice = _twice(store, version, cluster)
        if twice:
            paths = ", ".join(sorted(one.file.path.rsplit("/", 1)[1] for one in cluster)[:4])
            shown = "; ".join(str(row) for row in twice[:_SHOWN_MAX])
            more = " and more" if len(twice) > _SHOWN_MAX else ""
            report.found(
                Severity.WRONG,
                region_folder(region_id),
                f"rows are alive in more than one file ({paths}): {shown}{more}",
            )


def _clusters(sound: Sequence[SoundFile]) -> list[list[SoundFile]]:
    """Files that are linked by overlapping times, two or more together."""
    clusters: list[list[SoundFile]] = []
    end = None
    for one in sorted(sound, key=lambda one: one.file.time_min):
        if end is None or one.file.time_min > end:
            clusters.append([])
        end = one.file.time_max if end is None else max(end, one.file.time_max)
        clusters[-1].append(one)
    return [cluster for cluster in clusters if len(cluster) > 1]


def _twice(
    store: ObjectStore, version: Version, cluster: Sequence[SoundFile]
) -> list[tuple[object, ...]]:
    """Some identities that more than one live row has."""
    with tempfile.TemporaryDirectory() as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY,
            "temp_directory": spill,
        }
        connection = duckdb.connect(config=config)
        try:
            parts = [
                _rows(connection, store, version, one, f"f{number}")
                for number, one in enumerate(cluster)
            ]
            count = len(version.schema.sort_key)
            groups = ", ".join(str(number + 1) for number in range(count))
            sql = (
                f"SELECT * FROM ({' UNION ALL '.join(parts)}) GROUP BY {groups} "
                f"HAVING count(*) > 1 LIMIT {_SHOWN_MAX + 1}"
            )
            return connection.sql(sql).fetchall()
        finally:
            connection.close()


def _rows(
    connection: duckdb.DuckDBPyConnection,
    store: ObjectStore,
    version: Version,
    one: SoundFile,
    name: str,
) -> str:
    """A query of the identities of a file's live rows, in the region's own columns."""
    schema = version.schema
    old = version.schema_of(one.file.schema_version)
    columns: list[str] = []
    for origin in evolve.layout(old, schema, schema.sort_key):
        if origin.source is None:
            value = evolve.constant(origin, schema.arrow.field(origin.name).type, 1)
            register = f"{name}_{len(columns)}"
            connection.register(register, pa.table({"x": value}))
            columns.append(f"(SELECT x FROM {register}) AS {_quoted(origin.name)}")
        else:
            columns.append(f"f.{_quoted(origin.source)} AS {_quoted(origin.name)}")
    path = store.local_path(one.file.path).replace("'", "''")
    sql = f"SELECT {', '.join(columns)} FROM read_parquet('{path}', file_row_number = true) AS f"
    if len(one.dead):
        connection.register(f"{name}_dead", pa.table({"position": one.dead}))
        sql += f" ANTI JOIN {name}_dead AS d ON f.file_row_number = d.position"
    return sql


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
