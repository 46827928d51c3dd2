"""What ENGINE=metric asks of tables: GreptimeDB's rules for physical and logical ones.

A physical table has a time index and one DOUBLE; many logical tables name it with
`on_physical_table`. Here each has its rows to itself, but the rules hold, so that statements mean
the same on both. Called where tables are created, written to and dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from catalog.records import Column, Table
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic

PHYSICAL = "physical_metric_table"
LOGICAL = "on_physical_table"


def in_order(columns: tuple[Column, ...], options: dict[str, str]) -> tuple[Column, ...]:
    """The columns as a table of these options has them: those of a logical one go by name."""
    if LOGICAL not in options:
        return columns
    return tuple(sorted(columns, key=lambda column: column.name))


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


def _check_tags(table: Table) -> None:
    for tag in _of(table, Semantic.TAG):
        if tag.type.id is not TypeId.STRING:
            raise _unfit(tag, "tags of a logical table are strings")


def _check_field(table: Table, physical: Table) -> None:
    theirs = _of(physical, Semantic.FIELD)
    for field in _of(table, Semantic.FIELD):
        if field.name not in {column.name for column in theirs}:
            raise _unfit(field, f'the physical table "{physical.name}" has no such field')
        if field.type.id is not TypeId.FLOAT64:
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
