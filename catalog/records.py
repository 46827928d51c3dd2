"""What the catalog knows of each thing: frozen records, stored as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from engine import datatypes
from engine.datatypes import DataType
from engine.schema import MergeMode, RegionColumn, RegionOptions, RegionSchema, Semantic


class TableKind(Enum):
    """Which store holds the rows."""

    TIME_SERIES = "time_series"  # the region engine
    RELATIONAL = "relational"  # the embedded DuckDB file
    VIEW = "view"  # no rows: `definition` is its query


@dataclass(frozen=True, slots=True)
class Column:
    """One table column.

    `default` is SQL text (`'a'`, `0`, `now()`), None without one. `declared` keeps a spelling that
    the type alone forgets (`VARCHAR(20)`), empty when the canonical one is right. `semantic` is
    None in relational tables and views.
    """

    name: str
    type: DataType
    nullable: bool = True
    default: str | None = None
    semantic: Semantic | None = None
    comment: str = ""
    declared: str = ""
    indexes: dict[str, dict[str, str]] = field(default_factory=dict)  # INVERTED/SKIPPING/FULLTEXT


@dataclass(frozen=True, slots=True)
class Table:
    """One table or view. `id` is stable for its life and never used again."""

    id: int
    database: str
    name: str
    kind: TableKind
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    engine: str = "mito"
    comment: str = ""
    region_ids: tuple[int, ...] = ()
    partition_columns: tuple[str, ...] = ()
    partition_rules: tuple[str, ...] = ()
    definition: str = ""  # views: the query's text
    dialect: str = ""  # views: the wire whose dialect the query is in
    temporary: bool = False
    created_ms: int = 0

    @property
    def is_time_series(self) -> bool:
        """True if the region engine holds the rows."""
        return self.kind is TableKind.TIME_SERIES

    @property
    def time_index(self) -> str | None:
        """Name of the time index column, None in relational tables and views."""
        for column in self.columns:
            if column.semantic is Semantic.TIMESTAMP:
                return column.name
        return None

    @property
    def append_mode(self) -> bool:
        """True if rows have no identity: all are kept."""
        return self.options.get("append_mode") == "true"

    def column(self, name: str) -> Column | None:
        """The column of that exact name."""
        return next((c for c in self.columns if c.name == name), None)

    def region_schema(self) -> RegionSchema:
        """The engine's view of the columns. Requires: is_time_series."""
        columns = tuple(
            RegionColumn(c.name, c.type, c.semantic or Semantic.FIELD, c.nullable)
            for c in self.columns
        )
        return RegionSchema(columns, self.primary_key)

    def region_options(self) -> RegionOptions:
        """The engine's view of the options. Requires: is_time_series."""
        return RegionOptions(
            append_mode=self.append_mode,
            merge_mode=MergeMode(self.options.get("merge_mode", MergeMode.LAST_ROW.value)),
        )

    def renamed(self, database: str, name: str) -> Table:
        """The same table under another name."""
        return replace(self, database=database, name=name)


@dataclass(frozen=True, slots=True)
class Database:
    """A namespace of tables (PostgreSQL calls it a schema)."""

    id: int
    name: str
    options: dict[str, str] = field(default_factory=dict)


def table_to_json(table: Table) -> str:
    """The record as stored; `table_from_json` reads it back equal."""
    return json.dumps(
        {
            "kind": table.kind.value,
            "columns": [_column_to_dict(c) for c in table.columns],
            "primary_key": table.primary_key,
            "options": table.options,
            "engine": table.engine,
            "comment": table.comment,
            "region_ids": table.region_ids,
            "partition_columns": table.partition_columns,
            "partition_rules": table.partition_rules,
            "definition": table.definition,
            "dialect": table.dialect,
            "temporary": table.temporary,
            "created_ms": table.created_ms,
        }
    )


def table_from_json(table_id: int, database: str, name: str, text: str) -> Table:
    """Reads a stored record."""
    data: dict[str, Any] = json.loads(text)
    return Table(
        id=table_id,
        database=database,
        name=name,
        kind=TableKind(data["kind"]),
        columns=tuple(_column_from_dict(c) for c in data["columns"]),
        primary_key=tuple(data["primary_key"]),
        options=data["options"],
        engine=data["engine"],
        comment=data["comment"],
        region_ids=tuple(data["region_ids"]),
        partition_columns=tuple(data["partition_columns"]),
        partition_rules=tuple(data["partition_rules"]),
        definition=data["definition"],
        dialect=data["dialect"],
        temporary=data["temporary"],
        created_ms=data["created_ms"],
    )


def _column_to_dict(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type.name,
        "nullable": column.nullable,
        "default": column.default,
        "semantic": column.semantic.value if column.semantic else None,
        "comment": column.comment,
        "declared": column.declared,
        "indexes": column.indexes,
    }


def _column_from_dict(data: dict[str, Any]) -> Column:
    return Column(
        name=data["name"],
        type=datatypes.from_name(data["type"]),
        nullable=data["nullable"],
        default=data["default"],
        semantic=Semantic(data["semantic"]) if data["semantic"] else None,
        comment=data["comment"],
        declared=data["declared"],
        indexes=data["indexes"],
    )
