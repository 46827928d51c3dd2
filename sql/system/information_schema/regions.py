"""information_schema tables about regions and their files, of the tables a session can see.

Numbers come from the engine's memory (`Regions.statistics`, `files`); only ssts_index_meta opens
files, and only ssts_storage lists folders. A region that is not there (made by an open transaction,
or just dropped) has no row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import pyarrow as pa

from catalog.records import Table
from catalog.units import format_human
from engine.api import FileInfo, FilterInfo
from engine.datatypes import UNITS_PER_SECOND
from engine.errors import DbError, ErrorKind
from engine.schema import RegionOptions
from sql.system.arrow import fill
from sql.system.facts import catalog_name
from sql.system.information_schema.shapes import SHAPES
from sql.system.table import SystemContext

# A region id is table id << 32 | number; the number is group << 24 | sequence.
_NUMBER = 0xFFFF_FFFF
_SEQUENCE = 0x00FF_FFFF
_GROUP_BITS = 24
_NODE = 0  # the only one
_MS_LIMIT = 2**63 - 1

T = TypeVar("T")


def _regions(context: SystemContext, ask: Callable[[int], T]) -> Iterator[tuple[Table, int, T]]:
    """Every region with what the engine says of it."""
    for table in context.tables:
        for region_id in table.region_ids:
            try:
                answer = ask(region_id)
            except DbError as error:
                if error.kind is not ErrorKind.REGION_NOT_FOUND:
                    raise
                continue
            yield table, region_id, answer


def _identity(found: Sequence[tuple[Table, int, object]]) -> dict[str, Any]:
    """The columns that say which region a row is about."""
    numbers = [region_id & _NUMBER for _, region_id, _ in found]
    return {
        "region_id": [region_id for _, region_id, _ in found],
        "table_id": [table.id for table, _, _ in found],
        "region_number": numbers,
        "region_group": [number >> _GROUP_BITS for number in numbers],
        "region_sequence": [number & _SEQUENCE for number in numbers],
        "node_id": _NODE,
    }


def region_statistics(context: SystemContext) -> pa.Table:
    """Sizes of every region. Query times and read bytes, not counted by region, are 0."""
    found = list(_regions(context, context.statistics))
    facts = [statistics for _, _, statistics in found]
    identity = _identity(found)
    return fill(
        SHAPES["region_statistics"],
        len(found),
        {
            **{name: identity[name] for name in ("region_id", "table_id", "region_number")},
            "region_rows": [region.rows + region.memtable_rows for region in facts],
            "written_bytes_since_open": [region.written_bytes for region in facts],
            **dict.fromkeys(("query_cpu_time_millis", "query_scanned_bytes"), 0),
            "disk_size": [
                region.file_bytes + region.vector_bytes + region.index_bytes + region.manifest_bytes
                for region in facts
            ],
            "memtable_size": [region.memtable_bytes for region in facts],
            "manifest_size": [region.manifest_bytes for region in facts],
            "sst_size": [region.file_bytes for region in facts],
            "sst_num": [region.files for region in facts],
            "index_size": [region.index_bytes for region in facts],  # of text; others are in files
            "engine": [table.engine for table, _, _ in found],
            "region_role": "Leader",
        },
    )


def region_info(context: SystemContext) -> pa.Table:
    """Where every region stands: sequences, manifest, compaction window, options."""
    found = list(_regions(context, context.statistics))
    facts = [statistics for _, _, statistics in found]
    return fill(
        SHAPES["region_info"],
        len(found),
        {
            **_identity(found),
            "state": "Writable",
            "role": "Leader",
            "writable": True,
            "committed_sequence": [region.committed_sequence for region in facts],
            "flushed_sequence": [region.flushed_sequence for region in facts],
            "manifest_version": [region.manifest_version for region in facts],
            "compaction_time_window": [
                None if region.window_ms is None else format_human(region.window_ms)
                for region in facts
            ],
            "region_options": [_options(region.options) for region in facts],
            "sst_format": "flat",
        },
    )


def _options(options: RegionOptions) -> str:
    return json.dumps({**asdict(options), "merge_mode": options.merge_mode.value})


def region_peers(context: SystemContext) -> pa.Table:
    """Where regions are: all on this server."""
    found = [(table, region) for table in context.tables for region in table.region_ids]
    return fill(
        SHAPES["region_peers"],
        len(found),
        {
            "table_catalog": catalog_name(context.session),
            "table_schema": [table.database for table, _ in found],
            "table_name": [table.name for table, _ in found],
            "region_id": [region for _, region in found],
            "peer_id": _NODE,
            "peer_addr": "",
            "is_leader": "Yes",
            "status": "ALIVE",
        },
    )


def ssts_manifest(context: SystemContext) -> pa.Table:
    """Every file that the manifests name."""
    found = [
        (table, region_id, file)
        for table, region_id, files in _regions(context, context.files)
        for file in files
    ]
    files = [file for _, _, file in found]
    units = {table.id: _unit(table) for table in context.tables if table.region_ids}
    return fill(
        SHAPES["ssts_manifest"],
        len(found),
        {
            **_identity(found),
            "table_dir": [_folder(region_id) for _, region_id, _ in found],
            "file_id": [str(file.id) for file in files],
            "index_version": 0,
            "level": [file.level for file in files],
            "file_path": [file.path for file in files],
            "file_size": [file.bytes for file in files],
            "num_rows": [file.rows for file in files],
            "num_row_groups": [file.row_groups for file in files],
            "min_ts": [_milliseconds(file.time_min, units[table.id]) for table, _, file in found],
            "max_ts": [_milliseconds(file.time_max, units[table.id]) for table, _, file in found],
            "sequence": [file.sequence for file in files],
            "origin_region_id": [region_id for _, region_id, _ in found],
            "visible": True,
            "primary_key_min": [_key(file.key_min, table) for table, _, file in found],
            "primary_key_max": [_key(file.key_max, table) for table, _, file in found],
        },
    )


def _folder(region_id: int) -> str:
    return f"regions/{region_id}/"


def _unit(table: Table) -> str:
    """The unit of a table's time index."""
    index = table.column(table.time_index or "")
    assert index is not None, "a table with regions has a time index"
    return index.type.unit


def _milliseconds(value: int, unit: str) -> int:
    """A time in milliseconds, rounded down, as far as they can tell it."""
    scaled = value * 1_000 // UNITS_PER_SECOND[unit]
    return max(-_MS_LIMIT, min(_MS_LIMIT, scaled))


def _key(bound: str | int | None, table: Table) -> str | None:
    """A bound of the first primary key column."""
    return None if bound is None or not table.primary_key else str(bound)


def ssts_storage(context: SystemContext) -> pa.Table:
    """Every file that lies in the regions' folders, whether a manifest names it or not."""
    found = [file for _, _, files in _regions(context, context.stored) for file in files]
    return fill(
        SHAPES["ssts_storage"],
        len(found),
        {
            "file_path": [file.path for file in found],
            "file_size": [file.bytes for file in found],
            "last_modified_ms": [file.modified_ms for file in found],
            "node_id": _NODE,
        },
    )


def ssts_index_meta(context: SystemContext) -> pa.Table:
    """The bloom filters of tag columns. They are inside the SSTs, so there is no index file."""
    found = [
        (table, region_id, file, index)
        for table, region_id, indexed in _regions(context, _indexed(context))
        for file, index in indexed
    ]
    filters = [index for _, _, _, index in found]
    return fill(
        SHAPES["ssts_index_meta"],
        len(found),
        {
            **_identity([(table, region_id, file) for table, region_id, file, _ in found]),
            "table_dir": [_folder(region_id) for _, region_id, _, _ in found],
            "index_file_path": [file.path for _, _, file, _ in found],
            "file_id": [str(index.file_id) for index in filters],
            "index_file_size": [file.bytes for _, _, file, _ in found],
            "index_type": "bloom_filter",
            "target_type": "column",
            "target_key": [index.column for index in filters],
            "target_json": [json.dumps({"column": index.column}) for index in filters],
            "blob_size": [index.bytes for index in filters],
            "meta_json": [
                json.dumps({"bloom": {"row_group_count": index.row_groups}}) for index in filters
            ],
        },
    )


def _indexed(context: SystemContext) -> Callable[[int], list[tuple[FileInfo, FilterInfo]]]:
    """Gives a region's filters with their files, less those of a file that has just gone."""

    def ask(region_id: int) -> list[tuple[FileInfo, FilterInfo]]:
        filters = context.filters(region_id)
        files = {file.id: file for file in context.files(region_id)}
        return [(files[one.file_id], one) for one in filters if one.file_id in files]

    return ask
