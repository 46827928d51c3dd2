"""What the catalog knows of each thing: frozen records, stored as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any

import pyarrow as pa

from catalog.details import (
    Constraint,
    Grant,
    Index,
    constraints_from,
    details_to_dict,
    grants_from,
    indexes_from,
)
from catalog.intervals import stored_type, stored_value
from engine import datatypes
from engine.datatypes import DataType
from engine.manifest.codec import scalar_from_json, scalar_to_json
from engine.schema import MergeMode, RegionColumn, RegionSchema, Semantic

UNPOPULATED = {"populated": "false"}  # options of a materialized view made WITH NO DATA
UNLOGGED = "unlogged"  # the option of a relational table made so: told only, its rows are logged
REGION_BITS = 32  # region id = table id << 32 | region number
SERIES = "__series"  # the column of a store's samples that says whose they are
WHOLE = "__whole"  # the column of values that are whole numbers; they are not in the DOUBLE one
_COMMENT = "comment"  # in a database's stored options
# What PostgreSQL says of its first schema: dumps leave a comment out that is this one.
BORN_COMMENTS = {"public": "standard public schema"}
_SERIES_ID = 1 << 30  # beyond the ids of the columns that a physical table gets


class TableKind(Enum):
    """Which store holds the rows."""

    TIME_SERIES = "time_series"  # the region engine
    RELATIONAL = "relational"  # the embedded DuckDB file
    VIEW = "view"  # no rows: `definition` is its query
    EXTERNAL = "external"  # files of others, only read: `options` tell where and how


@dataclass(frozen=True, slots=True)
class Column:
    """One table column.

    `default` is SQL text (`'a'`, `0`, `now()`), None without one. `declared` keeps a spelling that
    the type alone forgets (`VARCHAR(20)`), empty when the canonical one is right. `semantic` is
    None in relational tables and views.

    `id` is stable for the column's life and never used again in its table; -1 until the table has
    given it one. `initial` is what rows older than the column read, None for NULL.
    `past` are the types it had before, oldest first. `holds_nulls`: the column was nullable before,
    so stored rows may still hold NULLs. `identity` of an identity column: "always" takes no value
    of clients, "by default" does. `generated`: SQL text that the value is computed by; `virtual` if
    it was declared so (it is stored all the same). `touched`: an UPDATE that gives it no value sets
    it to the statement's time (MySQL's ON UPDATE CURRENT_TIMESTAMP). `spelling`: the name in the
    case a MySQL client wrote it in, which its results show; empty if that is `name`. `collation`:
    by which MySQL collation it compares, in relational tables; empty if by bytes.
    """

    name: str
    type: DataType
    nullable: bool = True
    default: str | None = None
    semantic: Semantic | None = None
    comment: str = ""
    declared: str = ""
    indexes: dict[str, dict[str, str]] = field(default_factory=dict)  # INVERTED/SKIPPING/FULLTEXT
    id: int = -1
    initial: pa.Scalar | None = None
    past: tuple[DataType, ...] = ()
    holds_nulls: bool = False
    identity: str = ""
    generated: str = ""
    virtual: bool = False
    touched: bool = False
    spelling: str = ""
    collation: str = ""


@dataclass(frozen=True)
class Table:
    """One table or view. `id` is stable for its life and never used again.

    `schema_version` grows with every change of the columns; `next_column_id` is the id that the
    next new column gets.

    `store_id`: the physical table whose series store holds the rows (docs/metrics-store.md), itself
    for such a table; 0: none. `metric` is a logical table's number in that store, 0 for all others.
    """

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
    outputs: tuple[str, ...] = ()  # views with `*`: the query's own column names when it was made
    # views made by PostgreSQL's sessions: (database, name, id) of the tables they read
    reads: tuple[tuple[str, str, int], ...] = ()
    temporary: bool = False
    created_ms: int = 0
    schema_version: int = 0
    next_column_id: int = 0
    constraints: tuple[Constraint, ...] = ()  # of relational tables, beside the primary key
    indexes: tuple[Index, ...] = ()  # asked for by name
    grants: tuple[Grant, ...] = ()
    owner: str = ""  # a role; empty: the superuser who owns everything
    store_id: int = 0
    metric: int = 0

    @property
    def is_materialized(self) -> bool:
        """True for a materialized view: a relational table that keeps its query."""
        return self.kind is TableKind.RELATIONAL and bool(self.definition)

    @property
    def is_populated(self) -> bool:
        """False for a materialized view that may not be read before it is refreshed."""
        return self.options != UNPOPULATED

    def __post_init__(self) -> None:
        """Gives ids to columns that have none."""
        if any(column.id < 0 for column in self.columns):
            next_id = max([self.next_column_id, *(c.id + 1 for c in self.columns)])
            columns = []
            for column in self.columns:
                if column.id < 0:
                    column = replace(column, id=next_id)
                    next_id += 1
                columns.append(column)
            object.__setattr__(self, "columns", tuple(columns))
            object.__setattr__(self, "next_column_id", next_id)

    @property
    def is_store(self) -> bool:
        """True for a physical table with a series store: regions for samples and for series."""
        return self.store_id != 0 and self.store_id == self.id

    @property
    def home_id(self) -> int:
        """The table whose regions hold the rows: writers pass its gate."""
        return self.store_id or self.id

    @property
    def row_regions(self) -> tuple[int, ...]:
        """The regions that hold the rows (a store's also hold those of other tables)."""
        return (self.store_id << REGION_BITS,) if self.store_id else self.region_ids

    @property
    def is_time_series(self) -> bool:
        """True if the region engine holds the rows."""
        return self.kind is TableKind.TIME_SERIES

    @cached_property
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

    @property
    def keeps_non_null(self) -> bool:
        """True if a NULL in a new row leaves the older value (merge mode last_non_null)."""
        return self.options.get("merge_mode") == MergeMode.LAST_NON_NULL.value

    @property
    def has_foreign_keys(self) -> bool:
        """True if its rows need rows of other tables."""
        return any(one.references is not None for one in self.constraints)

    def column(self, name: str) -> Column | None:
        """The column of that exact name."""
        return next((c for c in self.columns if c.name == name), None)

    def region_schema(self) -> RegionSchema:
        """The engine's view of the columns. Requires: is_time_series."""
        return self._region_schema

    @cached_property
    def _region_schema(self) -> RegionSchema:
        columns = tuple(
            RegionColumn(
                name=c.name,
                type=stored_type(c.type),
                semantic=c.semantic or Semantic.FIELD,
                nullable=c.nullable or c.holds_nulls,
                id=c.id,
                initial=stored_value(c.initial),
                past=tuple(stored_type(kind) for kind in c.past),
            )
            for c in self.columns
        )
        return RegionSchema(columns, self.primary_key, self.schema_version)

    @cached_property
    def samples(self) -> Table:
        """What a store's first region holds, as a table. Requires: is_store."""
        series = Column(SERIES, datatypes.INT64, False, semantic=Semantic.TAG, id=_SERIES_ID)
        whole = Column(WHOLE, datatypes.INT64, semantic=Semantic.FIELD, id=_SERIES_ID + 1)
        own = (column for column in self.columns if column.semantic is not Semantic.TAG)
        return replace(
            self,
            columns=(series, *own, whole),
            primary_key=(SERIES,),
            region_ids=self.row_regions,
            # Regions made before there was `whole` have the table's own version, which is less.
            schema_version=2 * self.schema_version + 1,
            next_column_id=_SERIES_ID + 2,
            store_id=0,
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
    comment: str = ""


def database_to_json(database: Database) -> str:
    """The options and the comment as stored; `database_from_json` reads them back equal."""
    return json.dumps({**database.options, _COMMENT: database.comment})


def database_from_json(id_: int, name: str, text: str) -> Database:
    """See `database_to_json`; a record without a comment has the one it was born with."""
    options = json.loads(text)
    comment = options.pop(_COMMENT, BORN_COMMENTS.get(name, ""))
    return Database(id_, name, options, comment)


# Around the columns in a record's text. Quotes within strings are escaped, so neither is in one.
_COLUMNS, _AFTER_COLUMNS = '"columns": [', ', "primary_key": '


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
            "outputs": table.outputs,
            "temporary": table.temporary,
            "created_ms": table.created_ms,
            "schema_version": table.schema_version,
            "next_column_id": table.next_column_id,
            **({"reads": table.reads} if table.reads else {}),
            **({"owner": table.owner} if table.owner else {}),
            **({"store_id": table.store_id} if table.store_id else {}),
            **({"metric": table.metric} if table.metric else {}),
            **details_to_dict(table.constraints, table.indexes, table.grants),
        }
    )


def table_from_json(
    table_id: int,
    database: str,
    name: str,
    text: str,
    known: dict[str, tuple[Column, ...]] | None = None,
) -> Table:
    """Reads a stored record. `known`: columns by their text, so that equal ones are shared."""
    start, end = text.find(_COLUMNS), text.find(_AFTER_COLUMNS)
    given = text[start:end] if known is not None and 0 <= start < end else None
    columns = known.get(given) if known is not None and given is not None else None
    if columns is not None:
        text = text[:start] + '"columns": []' + text[end:]
    data: dict[str, Any] = json.loads(text)
    if columns is None:
        columns = tuple(_column_from_dict(c) for c in data["columns"])
        if known is not None and given is not None:
            known[given] = columns
    return Table(
        id=table_id,
        database=database,
        name=name,
        kind=TableKind(data["kind"]),
        columns=columns,
        primary_key=tuple(data["primary_key"]),
        options=data["options"],
        engine=data["engine"],
        comment=data["comment"],
        region_ids=tuple(data["region_ids"]),
        partition_columns=tuple(data["partition_columns"]),
        partition_rules=tuple(data["partition_rules"]),
        definition=data["definition"],
        dialect=data["dialect"],
        outputs=tuple(data.get("outputs", ())),
        reads=tuple((one[0], one[1], one[2]) for one in data.get("reads", ())),
        temporary=data["temporary"],
        created_ms=data["created_ms"],
        schema_version=data.get("schema_version", 0),
        next_column_id=data.get("next_column_id", 0),
        constraints=constraints_from(data),
        indexes=indexes_from(data),
        grants=grants_from(data),
        owner=data.get("owner", ""),
        store_id=data.get("store_id", 0),
        metric=data.get("metric", 0),
    )


def _column_to_dict(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type.name,
        **({"named": named.tag} if (named := column.type.innermost.named) else {}),
        "nullable": column.nullable,
        "default": column.default,
        "semantic": column.semantic.value if column.semantic else None,
        "comment": column.comment,
        "declared": column.declared,
        "indexes": column.indexes,
        "id": column.id,
        "initial": scalar_to_json(column.initial),
        "past": [type_.name for type_ in column.past],
        "holds_nulls": column.holds_nulls,
        **({"identity": column.identity} if column.identity else {}),
        **({"generated": column.generated} if column.generated else {}),
        **({"virtual": True} if column.virtual else {}),
        **({"touched": True} if column.touched else {}),
        **({"spelling": column.spelling} if column.spelling else {}),
        **({"collation": column.collation} if column.collation else {}),
    }


def _column_from_dict(data: dict[str, Any]) -> Column:
    return Column(
        name=data["name"],
        type=datatypes.from_name(data["type"]).tagged(
            datatypes.from_tag(data["named"]) if "named" in data else None
        ),
        nullable=data["nullable"],
        default=data["default"],
        semantic=Semantic(data["semantic"]) if data["semantic"] else None,
        comment=data["comment"],
        declared=data["declared"],
        indexes=data["indexes"],
        id=data.get("id", -1),  # before there were ids: the position
        initial=scalar_from_json(data.get("initial")),
        past=tuple(datatypes.from_name(name) for name in data.get("past", ())),
        holds_nulls=data.get("holds_nulls", False),
        identity=data.get("identity", ""),
        generated=data.get("generated", ""),
        virtual=data.get("virtual", False),
        touched=data.get("touched", False),
        spelling=data.get("spelling", ""),
        collation=data.get("collation", ""),
    )
