"""What CREATE statements define, read off their trees by create.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from catalog.records import Column
from engine.errors import DbError, ErrorKind


@dataclass(frozen=True)
class TableDefinition:
    """A CREATE TABLE, checked in itself but not yet against the catalog.

    `time_index` is None for a relational table; then every column's `semantic` is None too. With
    `like` or `as_query` the columns may be missing (`as_query`: present ones have declared types).
    `like` is (database or None, table). `constraints` are UNIQUE, CHECK and foreign keys (table
    level trees, with their names as `meta["name"]`), `key_name` is the primary key's name;
    `auto_increment` names SERIAL, IDENTITY and AUTO_INCREMENT columns, `sequence_options` has what
    is said of their sequences. Only relational tables have these.
    """

    database: str | None
    name: str
    columns: tuple[Column, ...] = ()
    if_not_exists: bool = False
    or_replace: bool = False
    temporary: bool = False
    unlogged: bool = False
    drop_on_commit: bool = False
    empty_on_commit: bool = False
    primary_key: tuple[str, ...] = ()
    time_index: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    engine: str = "mito"
    external: bool = False  # its rows are those of files; then columns may be missing
    comment: str = ""
    partition_columns: tuple[str, ...] = ()
    partition_rules: tuple[str, ...] = ()
    like: tuple[str | None, str] | None = None
    as_query: exp.Expr | None = None
    with_data: bool = True
    constraints: tuple[exp.Expr, ...] = ()
    key_name: str = ""
    auto_increment: tuple[str, ...] = ()
    sequence_options: Mapping[str, Sequence[exp.Expr]] = field(default_factory=dict)
    # MySQL's KEY: name or "", columns, "fulltext", "spatial" or "btree", lengths (Index)
    indexes: tuple[tuple[str, tuple[str, ...], str, tuple[int, ...]], ...] = ()
    collation: str = ""  # of columns that say nothing; empty: the database's

    @property
    def is_time_series(self) -> bool:
        """True if the region engine shall hold the rows."""
        return self.time_index is not None


def check_names(definition: TableDefinition) -> None:
    """Names are unique (DuckDB's ignore case), and every name used is defined."""
    seen: set[str] = set()
    for column in definition.columns:
        if column.name.lower() in seen:
            raise DbError(
                ErrorKind.DUPLICATE_COLUMN, f'column "{column.name}" specified more than once'
            )
        seen.add(column.name.lower())
    if definition.as_query is not None or definition.like is not None:
        return
    names = {column.name for column in definition.columns}
    used = [*definition.primary_key, *definition.partition_columns]
    used += [column for _, columns, *_ in definition.indexes for column in columns]
    for name in [*used, *([definition.time_index] if definition.time_index else [])]:
        if name not in names:
            raise DbError(
                ErrorKind.UNDEFINED_COLUMN, f'column "{name}" named in key does not exist'
            )
    if definition.time_index is None and not names and not definition.external:
        raise DbError(ErrorKind.SYNTAX, "a table needs at least one column")
