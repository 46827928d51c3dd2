"""Examines the files of a region: every page, the footer, order, identity, what the manifest says.

One row group is in memory at a time. Readers trust the bounds checked here to leave files out, so
a wrong bound loses rows as surely as a lost page.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.doctor.report import Report, Severity
from engine.errors import DbError
from engine.fulltext.codec import verify
from engine.manifest.log import Manifest
from engine.memtable.keys import KeySet
from engine.memtable.order import sort_order
from engine.schema import RegionSchema
from engine.sst.deletion import Positions, decode
from engine.sst.file import FileMeta, KeyBound
from engine.store.store import ObjectStore, reading
from engine.version import Edit, Version

_UNREADABLE = (OSError, pa.ArrowException, ValueError)
_DISTANCE = 1 << 30  # a repair writes no checkpoint


@dataclass
class Facts:
    """What the rows of a file really are, gathered over its row groups."""

    rows: int = 0
    time_min: int | None = None
    time_max: int | None = None
    key_min: KeyBound | None = None
    key_max: KeyBound | None = None
    damaged: list[str] = field(default_factory=list)  # places
    damaged_rows: int = 0
    whole_groups: int = 0


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One file of one version, as it is examined."""

    file: FileMeta
    schema: RegionSchema  # that it was written in
    is_append: bool
    path: str  # a local file
    report: Report

    def problem(self, severity: Severity, message: str, readable: str | None = None) -> None:
        """Notes a finding about the file."""
        self.report.found(severity, self.file.path, message, readable=readable)


def examine_file(
    store: ObjectStore, region_id: int, version: Version, file: FileMeta, report: Report
) -> Positions | None:
    """Checks one file and its deletion vector.

    Returns: the positions of dead rows if the file and its vector can be trusted, else None.
    """
    report.checked["files"] += 1
    report.checked["file_bytes"] += file.bytes
    dead = _vector(store, file, report)
    _index(store, file, report)
    try:
        path = store.local_path(file.path)
        size = os.stat(path).st_size
    except (FileNotFoundError, DbError):
        report.found(Severity.DAMAGE, file.path, "the file is missing", readable="nothing")
        return None
    schema = version.schema_of(file.schema_version)
    check = FileCheck(file, schema, version.options.append_mode, path, report)
    if size != file.bytes:
        check.problem(Severity.DAMAGE, f"it has {size} bytes, the manifest says {file.bytes}")
    facts = _contents(check)
    if facts is None or facts.damaged or size != file.bytes:
        return None
    _compare(store, region_id, check, facts)
    return dead if facts.rows == file.rows else None


def _vector(store: ObjectStore, file: FileMeta, report: Report) -> Positions | None:
    """The dead rows of a file, None if nobody knows them."""
    vector = file.deletion
    if vector is None:
        return np.empty(0, np.int64)
    report.checked["deletion_vectors"] += 1
    data = store.get(vector.path)
    lost = "without it, replaced and deleted rows would come back"
    if data is None:
        message = f"the deletion vector is missing; {lost}"
        report.found(Severity.DAMAGE, vector.path, message)
        return None
    try:
        positions = decode(data, vector.path, file.rows)
    except DbError as error:
        report.found(Severity.DAMAGE, vector.path, f"{error.message}; {lost}")
        return None
    if len(positions) != vector.count:
        message = f"it has {len(positions)} positions, the manifest says {vector.count}"
        report.found(Severity.DAMAGE, vector.path, message)
        return None
    if np.any(positions[1:] <= positions[:-1]):
        report.found(Severity.DAMAGE, vector.path, "its positions are not in order")
        return None
    return positions


def _index(store: ObjectStore, file: FileMeta, report: Report) -> None:
    """Reads the text index; searches do without one that is damaged, so no rows are lost."""
    if file.index is None:
        return
    report.checked["text_indexes"] += 1
    try:
        with reading(store, file.index.path) as path:
            rows = verify(path).header.get("rows")
    except (FileNotFoundError, DbError, OSError, ValueError) as error:
        what = error.message if isinstance(error, DbError) else "the text index is missing"
        message = f"{what}; searches read the whole file until the index is built again"
        report.found(Severity.WRONG, file.index.path, message)
        return
    if rows != file.rows:
        message = f"it is of {rows} rows, the file has {file.rows}: searches do not use it"
        report.found(Severity.WRONG, file.index.path, message)


def _contents(check: FileCheck) -> Facts | None:
    """Reads everything; None if not even the footer can be read."""
    try:
        opened = pq.ParquetFile(check.path, page_checksum_verification=True)
    except _UNREADABLE as error:
        message = f"the footer cannot be read: {_first_line(error)}"
        check.problem(Severity.DAMAGE, message, "nothing")
        return None
    with opened as file:
        names = file.schema_arrow.names
        if names != check.schema.arrow.names:
            check.problem(Severity.WRONG, f"its columns are {', '.join(names)}")
            return None
        facts = Facts()
        before: pa.Table | None = None
        for group in range(file.num_row_groups):
            before = _group(file, group, check, facts, before)
        if facts.damaged:
            readable = (
                f"{facts.whole_groups} of {file.num_row_groups} row groups: "
                f"{facts.rows - facts.damaged_rows} of {facts.rows} rows"
            )
            places = "; ".join(facts.damaged)
            check.problem(Severity.DAMAGE, f"damaged pages: {places}", readable)
        return facts


def _group(
    file: pq.ParquetFile, group: int, check: FileCheck, facts: Facts, before: pa.Table | None
) -> pa.Table | None:
    """Reads one row group; gives its last row's identity for the next one."""
    count = file.metadata.row_group(group).num_rows
    facts.rows += count
    check.report.checked["rows"] += count
    try:
        rows = file.read_row_group(group, use_threads=False)
        if rows.num_rows != count:
            raise ValueError(f"it has {rows.num_rows} rows, not {count}")
    except _UNREADABLE as error:
        facts.damaged.append(f"row group {group}: {_where(file, group) or _first_line(error)}")
        facts.damaged_rows += count
        return None
    facts.whole_groups += 1
    if not count:
        return before
    _bounds(rows, check, facts)
    _statistics(file, group, rows, check)
    return _order(rows, group, check, before)


def _where(file: pq.ParquetFile, group: int) -> str:
    """The columns of a row group that cannot be read."""
    damaged = []
    for name in file.schema_arrow.names:
        try:
            file.read_row_group(group, columns=[name], use_threads=False)
        except _UNREADABLE:
            damaged.append(name)
    return f"column {', '.join(damaged)}" if damaged else ""


def _bounds(rows: pa.Table, check: FileCheck, facts: Facts) -> None:
    """Widens the file's true bounds by those of some rows."""
    # Parquet has no seconds: such times come as milliseconds.
    times = rows.column(check.schema.time_index).cast(check.schema.time_type.arrow)
    span = pc.min_max(times)
    low, high = span["min"].value, span["max"].value
    facts.time_min = low if facts.time_min is None else min(low, facts.time_min)
    facts.time_max = high if facts.time_max is None else max(high, facts.time_max)
    keys = _plain(rows.column(check.schema.sort_key[0]))
    if pa.types.is_string(keys.type) or pa.types.is_integer(keys.type):
        found = pc.min_max(keys)
        least, greatest = found["min"].as_py(), found["max"].as_py()
        if least is not None:
            facts.key_min = least if facts.key_min is None else min(least, facts.key_min)
            facts.key_max = greatest if facts.key_max is None else max(greatest, facts.key_max)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    is_coded = pa.types.is_dictionary(column.type)
    return column.cast(column.type.value_type) if is_coded else column


def _statistics(file: pq.ParquetFile, group: int, rows: pa.Table, check: FileCheck) -> None:
    """Compares the footer's bounds of times and text keys with the rows: readers prune by them."""
    metadata = file.metadata.row_group(group)
    chunks = [metadata.column(position) for position in range(metadata.num_columns)]
    for chunk in chunks:
        name, statistics = chunk.path_in_schema, chunk.statistics
        if name not in check.schema.sort_key or statistics is None or not statistics.has_min_max:
            continue
        told = _told_bounds(statistics, rows.schema.field(name).type)
        if told is None:
            continue
        column = _plain(rows.column(name))
        real = pc.min_max(column)
        least, greatest = (_raw(real[end]) for end in ("min", "max"))
        if least is not None and (told[0] > least or told[1] < greatest):
            check.problem(
                Severity.WRONG,
                f"row group {group}: the footer's bounds of column {name} leave rows out",
            )


def _told_bounds(statistics: pq.Statistics, type_: pa.DataType) -> tuple[Any, Any] | None:
    """Bounds that can be compared with `_raw`; None for types that are not checked."""
    if pa.types.is_timestamp(type_) or pa.types.is_string(type_):
        return statistics.min_raw, statistics.max_raw
    if pa.types.is_dictionary(type_) and pa.types.is_string(type_.value_type):
        return statistics.min_raw, statistics.max_raw
    return None


def _raw(value: pa.Scalar) -> int | bytes | None:
    """A value as Parquet holds it: times as numbers (seconds as milliseconds), text as bytes."""
    if not value.is_valid:
        return None
    if pa.types.is_timestamp(value.type):
        number = int(value.value)
        return number * 1_000 if value.type.unit == "s" else number
    text: bytes = value.as_buffer().to_pybytes()
    return text


def _order(rows: pa.Table, group: int, check: FileCheck, before: pa.Table | None) -> pa.Table:
    """Checks that rows are sorted, and unique where they have an identity; gives the last one."""
    names = list(check.schema.sort_key)
    keys = rows.select(names)
    keys = pa.Table.from_arrays([_plain(column) for column in keys.columns], names=names)
    last = keys.slice(keys.num_rows - 1)
    if before is not None:
        keys = pa.concat_tables([before, keys])
    positions = sort_order(keys, names)
    if np.any(positions[1:] < positions[:-1]):
        check.problem(Severity.WRONG, f"row group {group}: its rows are not sorted")
    elif not check.is_append:
        distinct = len(KeySet(keys.combine_chunks(), names).last_positions())
        if distinct < keys.num_rows:
            count = keys.num_rows - distinct
            check.problem(Severity.WRONG, f"row group {group}: {count} rows are there twice")
    return last


def _compare(store: ObjectStore, region_id: int, check: FileCheck, facts: Facts) -> None:
    """What the manifest says of the file, with what it holds."""
    file = check.file
    if facts.rows != file.rows:
        message = f"it has {facts.rows} rows, the manifest says {file.rows}"
        check.problem(Severity.DAMAGE, message)
        return
    if facts.time_min is None or facts.time_max is None:
        return  # an empty file
    low, high = min(file.time_min, facts.time_min), max(file.time_max, facts.time_max)
    better = replace(file, time_min=low, time_max=high)
    if file.key_min is not None and _is_below(facts.key_min, file.key_min):
        better = replace(better, key_min=facts.key_min)
    if file.key_max is not None and _is_below(file.key_max, facts.key_max):
        better = replace(better, key_max=facts.key_max)
    names = [n for n in ("time_min", "time_max", "key_min", "key_max") if _differs(file, better, n)]
    if names:
        told = ", ".join(f"{name} {getattr(file, name)!r}" for name in names)
        real = ", ".join(f"{getattr(better, name)!r}" for name in names)
        check.report.found(
            Severity.WRONG,
            file.path,
            f"the manifest says {told}, the file has {real}: rows may be left out",
            fix=lambda: _rewritten(store, region_id, better),
        )


def _differs(file: FileMeta, better: FileMeta, name: str) -> bool:
    return bool(getattr(file, name) != getattr(better, name))


def _is_below(left: KeyBound | None, right: KeyBound | None) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    return isinstance(left, int) and isinstance(right, int) and left < right


def _rewritten(store: ObjectStore, region_id: int, better: FileMeta) -> str:
    """Says the truth about a file in a new action of the manifest."""
    opened = Manifest.open(store, region_id, _DISTANCE)
    assert opened is not None, "it was read a moment ago"
    opened[0].append(Edit(added=(better,), removed=(better.id,)))
    return "the manifest tells the bounds of the file"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
