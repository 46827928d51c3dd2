"""DuckDB text for the rows of pinned snapshots: files by name, Arrow tables by registered names.

Used by sql/run/scan.py, which registers what is asked for here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from catalog.records import Column
from engine.api import ScanFile, Snapshot, TimeRange
from sql.plan.tables import Reference
from sql.run.files import file_columns, file_source, memory_columns
from sql.types import duckdb_name, quote

Register = Callable[[pa.Table], str]

_MAKE = {"s": ("make_timestamp", 1_000_000), "ms": ("make_timestamp", 1_000)}
_MAKE |= {"us": ("make_timestamp", 1), "ns": ("make_timestamp_ns", 1)}


def relation(
    reference: Reference, snapshots: Sequence[Snapshot], register: Register, *, fine: bool
) -> str:
    """A parenthesised query of the wanted columns of all snapshots.

    `fine`: times of seconds and milliseconds may be microseconds.
    """
    columns = [c for c in reference.table.columns if c.name in reference.columns]
    parts: list[str] = []
    for snapshot in snapshots:
        parts += _parts(reference, columns, snapshot, register, fine)
    if not parts:
        parts = [f"SELECT {_empty_columns(columns, fine)} WHERE false"]
    return "(" + " UNION ALL ".join(parts) + ")"


def moment(value: int, unit: str) -> str:
    """A time as DuckDB text."""
    function, factor = _MAKE[unit]
    return f"{function}({value * factor}::BIGINT)"


def _parts(
    reference: Reference,
    wanted: Sequence[Column],
    snapshot: Snapshot,
    register: Register,
    fine: bool,
) -> list[str]:
    where = _range_filter(reference, snapshot.time_range)
    columns = file_columns(wanted, fine=fine)
    shadow = None
    if snapshot.shadow is not None and any(f.shadowed for f in snapshot.files):
        shadow = register(snapshot.shadow)
    parts: list[str] = []
    for files in _groups(snapshot.files):
        join = ""
        if files[0].deleted is not None:
            dead = register(pa.table({"position": files[0].deleted}))
            join += f" ANTI JOIN {dead} AS d ON f.file_row_number = d.position"
        if files[0].shadowed:
            join += _shadow_join(snapshot.identity, shadow)
        source = file_source(files, reference.table)
        needed = "" if all(file.is_covered for file in files) else where
        parts.append(f"SELECT {columns} FROM {source} AS f{join}{needed}")
    arrow = [t for t in (snapshot.memory, snapshot.selected) if t is not None and t.num_rows]
    if arrow:
        names = memory_columns(wanted, fine=fine)
        parts.append(f"SELECT {names} FROM {register(pa.concat_tables(arrow))} AS f")
    return parts


def _range_filter(reference: Reference, range_: TimeRange) -> str:
    index = reference.schema.time_index
    unit = reference.schema.time_type.unit
    conditions = []
    if range_.start is not None:
        conditions.append(f"f.{quote(index)} >= {moment(range_.start, unit)}")
    if range_.end is not None:
        conditions.append(f"f.{quote(index)} < {moment(range_.end, unit)}")
    return " WHERE " + " AND ".join(conditions) if conditions else ""


def _empty_columns(columns: Sequence[Column], fine: bool) -> str:
    nulls = ", ".join(f"CAST(NULL AS {duckdb_name(c.type)}) AS {quote(c.name)}" for c in columns)
    return f"{memory_columns(columns, fine=fine)} FROM (SELECT {nulls}) AS f"


def _shadow_join(identity: Sequence[str], shadow: str | None) -> str:
    assert shadow is not None
    same = " AND ".join(f"f.{quote(n)} IS NOT DISTINCT FROM k.{quote(n)}" for n in identity)
    return f" ANTI JOIN {shadow} AS k ON {same}"


def _groups(files: Sequence[ScanFile]) -> list[list[ScanFile]]:
    """The files that one read serves: alike, and without deleted rows of their own."""
    groups: list[list[ScanFile]] = [[file] for file in files if file.deleted is not None]
    alike: dict[tuple[object, ...], list[ScanFile]] = {}
    for file in files:
        if file.deleted is None:
            alike.setdefault((file.shadowed, file.layout), []).append(file)
    return [*alike.values(), *groups]
