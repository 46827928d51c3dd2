"""DuckDB text that reads SSTs: file lists, and files of an earlier schema shown in today's.

Used by sql/run/scan.py only.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from catalog.records import Column, Table
from engine.api import FileColumn, ScanFile
from engine.datatypes import TypeId
from engine.named import NamedKind
from sql.types import duckdb_name, quote

_WIDER = frozenset({TypeId.TIMESTAMP_SECOND, TypeId.TIMESTAMP_MILLISECOND})


def file_columns(columns: Sequence[Column], *, fine: bool) -> str:
    """The select list over files: Parquet has no seconds, and DuckDB reads millis as micros.

    `fine`: they may stay micros.
    """
    return ", ".join(_column(c, "TIMESTAMP" if fine else duckdb_name(c.type)) for c in columns)


def memory_columns(columns: Sequence[Column], *, fine: bool) -> str:
    """The select list over Arrow tables, which have the declared types."""
    if fine:
        return file_columns(columns, fine=True)
    return ", ".join(_column(c, "") if _is_converted(c) else f"f.{quote(c.name)}" for c in columns)


def _is_converted(column: Column) -> bool:
    """True if a region keeps the column as text, and DuckDB something else."""
    return column.type.id is TypeId.INTERVAL or _is_enum(column)


def _is_enum(column: Column) -> bool:
    named = column.type.innermost.named
    return named is not None and named.kind is NamedKind.ENUM


def _column(column: Column, type_: str) -> str:
    name = quote(column.name)
    if _is_enum(column):
        return f"CAST(f.{name} AS {duckdb_name(column.type)}) AS {name}"
    if column.type.id is TypeId.INTERVAL:
        return f"TRY_CAST(f.{name} AS INTERVAL) AS {name}"
    return f"CAST(f.{name} AS {type_}) AS {name}" if column.type.id in _WIDER else f"f.{name}"


def file_source(files: Sequence[ScanFile], table: Table) -> str:
    """What FROM names: the files as they are, or with their columns renamed, cast and added.

    Requires: all files have the same layout; one alone if it has deleted rows.
    """
    numbered = ", file_row_number = true" if files[0].deleted is not None else ""
    source = f"read_parquet({_paths(files)}{numbered})"
    layout = files[0].layout
    if layout is None:
        return source
    items = [_item(origin, table) for origin in layout]
    if numbered:
        items.append("p.file_row_number")
    return f"(SELECT {', '.join(items)} FROM {source} AS p)"


def _item(origin: FileColumn, table: Table) -> str:
    name = quote(origin.name)
    if origin.source is None:
        column = table.column(origin.name)
        type_ = duckdb_name(column.type) if column is not None else "VARCHAR"
        return f"{literal(origin.initial, type_)} AS {name}"
    item = f"p.{quote(origin.source)}"
    for step in origin.casts:
        item = f"TRY_CAST({item} AS {duckdb_name(step)})"
    return f"{item} AS {name}"


def literal(value: pa.Scalar | None, type_: str) -> str:
    """A scalar as DuckDB text of that type."""
    if value is None or not value.is_valid:
        return f"CAST(NULL AS {type_})"
    if pa.types.is_list(value.type):
        items = ", ".join(literal(item, type_.removesuffix("[]")) for item in value)
        return f"CAST([{items}] AS {type_})"
    if pa.types.is_binary(value.type):
        return f"unhex('{value.as_py().hex()}')"
    if pa.types.is_interval(value.type):
        parts = value.as_py()
        text = f"{parts.months} months {parts.days} days {parts.nanoseconds // 1000} microseconds"
        return f"CAST('{text}' AS {type_})"
    if pa.types.is_string(value.type) and "\0" in value.as_py():
        return f"decode(unhex('{value.as_py().encode().hex()}'))"  # no SQL text may hold that
    text = str(value.cast(pa.string()).as_py()).replace("'", "''")
    return f"CAST('{text}' AS {type_})"


def _paths(files: Sequence[ScanFile]) -> str:
    return "[" + ", ".join("'" + f.path.replace("'", "''") + "'" for f in files) + "]"
