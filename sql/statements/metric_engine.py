"""What ENGINE=metric asks of tables: GreptimeDB's rules for physical and logical ones.

A physical table has a time index and one DOUBLE; many logical tables name it with
`on_physical_table`. Here each has its rows to itself, but the rules hold, so that statements mean
the same on both. Called where tables are created, written to and dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from catalog.records import Column, Table
from engine import datatypes
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from sql.dialect.definitions import TableDefinition
from sql.partition.rules import spelled
from sql.session import Wire

# Values, and native histograms as the messages they came in (a store has a column for them when
# the first one comes).
_FIELD_TYPES = (TypeId.FLOAT64, TypeId.BINARY)
PHYSICAL = "physical_metric_table"
LOGICAL = "on_physical_table"


def in_order(columns: tuple[Column, ...], options: dict[str, str]) -> tuple[Column, ...]:
    """The columns as a table of these options has them: those of a logical one go by name."""
    if LOGICAL not in options:
        return columns
    return tuple(sorted(columns, key=lambda column: column.name))


def fitted(
    definition: TableDefinition, database: str, find: Callable[[str, str], Table | None]
) -> TableDefinition:
    """A logical table's definition with what it has of its physical one: partitions, append mode.

    Raises: DbError INVALID_ARGUMENT for partitions of its own that differ.
    """
    physical = find(database, definition.options.get(LOGICAL, ""))
    if physical is None or PHYSICAL not in physical.options:
        return definition
    rules, theirs = definition.partition_rules, physical.partition_rules
    if rules and _same(rules) != _same(theirs):
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f'the partition rules must be those of the physical table "{physical.name}"',
            hint="leave them out: a logical table is partitioned like its physical one",
        )
    names = {column.name for column in definition.columns}
    added = [
        replace(column, id=-1, initial=None)
        for name in physical.partition_columns
        if name not in names and (column := physical.column(name)) is not None
    ]
    options = {k: v for k, v in physical.options.items() if k == "append_mode"}
    return replace(
        definition,
        columns=(*definition.columns, *added),
        primary_key=tuple(sorted({*definition.primary_key, *(c.name for c in added)})),
        partition_columns=physical.partition_columns,
        partition_rules=theirs,
        options=options | definition.options,
    )


def _same(rules: Sequence[str]) -> list[str]:
    return [spelled(rule, Wire.HTTP).replace('"', "") for rule in rules]


def as_shown(table: Table, others: Sequence[Table], *, internal: bool) -> Table:
    """A physical table with the tags of its logical ones, as if it held their rows.

    `internal`: with the two columns by which the peer tells the series of its tables apart.
    """
    if PHYSICAL not in table.options:
        return table
    logical = [t for t in others if t.options.get(LOGICAL) == table.name]
    logical.sort(key=lambda one: one.id)
    tags = {tag.name: tag for one in logical for tag in _of(one, Semantic.TAG)}
    own = {column.name for column in table.columns}
    added = [replace(tags[name], id=-1, indexes={}) for name in sorted(tags) if name not in own]
    hidden = list(_INTERNAL) if internal and logical else []
    columns = [*table.columns, *hidden, *added]
    if table.options.get("index.type") == "skipping":
        indexes = {"SKIPPING": _skipping(table.options)}
        some = {c.name for c in (*hidden[:1], *added)}
        columns = [replace(c, indexes=indexes) if c.name in some else c for c in columns]
    key = (*table.primary_key, *(c.name for c in hidden), *(c.name for c in added))
    return replace(table, columns=tuple(columns), primary_key=key)


_INTERNAL = (
    Column("__table_id", datatypes.UINT32, nullable=False, semantic=Semantic.TAG),
    Column("__tsid", datatypes.UINT64, nullable=False, semantic=Semantic.TAG),
)


def _skipping(options: Mapping[str, str]) -> dict[str, str]:
    return {
        "false_positive_rate": options.get("index.false_positive_rate", "0.01"),
        "granularity": options.get("index.granularity", "102400"),
        "type": "BLOOM",
    }


def check_alterable(table: Table) -> None:
    """Raises: DbError UNSUPPORTED for columns of a physical table: its logical ones make them."""
    if PHYSICAL in table.options:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f'"{table.name}" is a physical table: its columns cannot be altered',
            hint="alter a logical table",
        )


def check_logical(table: Table, find: Callable[[str, str], Table | None]) -> None:
    """Raises: DbError if the table names a physical one that is missing or that it does not fit."""
    name = table.options.get(LOGICAL)
    if name is None:
        return
    physical = find(table.database, name)
    if physical is None or PHYSICAL not in physical.options:
        raise DbError(ErrorKind.UNDEFINED_TABLE, f'there is no physical table "{name}"')
    _check_tags(table)
    _check_field(table, physical)
    moments, theirs = _of(table, Semantic.TIMESTAMP)[0], _of(physical, Semantic.TIMESTAMP)[0]
    if moments.type != theirs.type:
        raise _unfit(moments, f'the time index of "{name}" is {theirs.type.name}')


def check_still_logical(old: Table, new: Table, find: Callable[[str, str], Table | None]) -> None:
    """After ALTER: a series store keeps labels and one number, nothing else. Raises: DbError."""
    if LOGICAL not in new.options or old.columns == new.columns:
        return
    check_logical(new, find)
    kept = {column.id for column in new.columns}
    for field in _of(old, Semantic.FIELD):
        if field.id not in kept:
            raise _unfit(field, "a logical table keeps its field")


def _check_tags(table: Table) -> None:
    for tag in _of(table, Semantic.TAG):
        if tag.type.id is not TypeId.STRING:
            raise _unfit(tag, "tags of a logical table are strings")


def _check_field(table: Table, physical: Table) -> None:
    theirs = _of(physical, Semantic.FIELD)
    for field in _of(table, Semantic.FIELD):
        if field.name not in {column.name for column in theirs}:
            raise _unfit(field, f'the physical table "{physical.name}" has no such field')
        if field.type.id not in _FIELD_TYPES:
            raise _unfit(field, "the field of a logical table is a DOUBLE")


def check_not_physical(table: Table) -> None:
    """Raises: DbError UNSUPPORTED for rows written to a physical table."""
    if PHYSICAL in table.options:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f'"{table.name}" is a physical table: rows cannot be written to it',
            hint="write to a logical table, created WITH (on_physical_table = …)",
        )


def check_unused(table: Table, others: Sequence[Table]) -> None:
    """Raises: DbError DEPENDENT_OBJECTS for a physical table that logical ones name."""
    if PHYSICAL not in table.options:
        return
    users = [t.name for t in others if t.options.get(LOGICAL) == table.name]
    if users:
        raise DbError(
            ErrorKind.DEPENDENT_OBJECTS,
            f'cannot drop physical table "{table.name}" because logical tables use it',
            detail=f'"{users[0]}" among {len(users)}',
            hint="drop them first",
        )


def _of(table: Table, semantic: Semantic) -> list[Column]:
    return [column for column in table.columns if column.semantic is semantic]


def _unfit(column: Column, why: str) -> DbError:
    return DbError(
        ErrorKind.INVALID_TABLE_DEFINITION, f'column "{column.name}" cannot be so: {why}'
    )
