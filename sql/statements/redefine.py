"""MySQL's MODIFY and CHANGE COLUMN of a relational table: the definition replaces the old one.

Called by alter_columns.py, which asks for a type alone too (ALTER COLUMN … TYPE). What the
definition leaves out is no more: the default, the comment, NOT NULL, AUTO_INCREMENT; keys stay.
Source: MySQL 8.4 reference, "ALTER TABLE Statement".
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from catalog.details import ConstraintKind
from catalog.records import Column, Table
from engine.errors import DbError, ErrorKind
from sql.dialect.create import ColumnDefinition
from sql.sequences import sequences_of, set_value
from sql.statements import alter_relational
from sql.statements.alter_constraints import add_foreign, add_other, add_primary, rebuild
from sql.statements.alteration import Alteration
from sql.statements.defaults import default_value, settled
from sql.statements.sequence import drop_sequence_of, numbered_column
from sql.statements.target import SEQUENCE, quoted
from sql.types import quote

_KEPT_KINDS = (ConstraintKind.UNIQUE, ConstraintKind.PRIMARY_KEY, ConstraintKind.CHECK)


def redefine(change: Alteration, name: str, wanted: ColumnDefinition) -> None:
    """Gives the column its new definition, under its old name.

    Raises: DbError if a value does not fit, UNSUPPORTED for generated columns.
    """
    old, table = change.column(name), change.table
    if bool(old.generated) != bool(wanted.column.generated):
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f'column "{name}": a generated column is declared with its table',
        )
    is_key = wanted.is_key or name in table.primary_key
    column = replace(
        wanted.column,
        id=old.id,
        name=name,
        nullable=wanted.column.nullable and not is_key,
        generated=old.generated,
    )
    column = _numbered(change, old, column, wanted)
    store(change, old, settled(change.session, column))
    default_value(change.session, change.column(name))
    if wanted.is_key and name not in table.primary_key:
        key = exp.PrimaryKey(expressions=[exp.to_identifier(name, quoted=True)])
        add_primary(change, key)
    for other in wanted.constraints:
        add_other(change, other)
    for foreign in wanted.keys:
        add_foreign(change, foreign)
    if wanted.auto_increment and not (old.default or "").startswith(SEQUENCE):
        _go_on(change, change.column(name))


def _numbered(change: Alteration, old: Column, column: Column, wanted: ColumnDefinition) -> Column:
    """With its sequence, a new one if it had none; the old one goes with AUTO_INCREMENT."""
    had = (old.default or "").startswith(SEQUENCE)
    if wanted.auto_increment and had:
        return replace(column, default=old.default, nullable=False, identity=old.identity)
    if wanted.auto_increment:
        return numbered_column(change.session, change.table, column, wanted.sequence_options)
    if had:
        drop_sequence_of(change.session, change.table, old)
    return column


def store(change: Alteration, old: Column, column: Column) -> None:
    """The column as it shall be; the rows follow.

    DuckDB changes no type of a column of a key or a CHECK: then the table is made again.

    NULL is allowed first and forbidden last, so that nothing in between is refused.
    """
    made = _with(change.table, old, column)
    if _in_key(change.table, old) and _kept(old) != _kept(column):
        rebuild(change, made)
    else:
        if column.nullable and not old.nullable:
            alter_relational.set_nullable(change, old, nullable=True)
        if (column.type, column.collation) != (old.type, old.collation):
            alter_relational.set_type(change, column)
        if old.nullable and not column.nullable:
            alter_relational.set_nullable(change, column, nullable=False)
    change.table = made
    alter_relational.check_length(change, column)


def _kept(column: Column) -> object:
    return column.type, column.nullable, column.collation


def retype(change: Alteration, old: Column, column: Column) -> None:
    """The stored values become the new type's, those of a key too.

    Raises: DbError if a value does not fit, UNIQUE_VIOLATION if two of a key become equal.
    """
    if _in_key(change.table, old):
        rebuild(change, _with(change.table, old, column))
    else:
        alter_relational.set_type(change, column)


def require(change: Alteration, column: Column, *, nullable: bool) -> None:
    """SET and DROP NOT NULL. DuckDB forbids NULL by making keys anew, which it does not do over
    rows that its transaction has updated: then the table is made again.

    Raises: DbError NOT_NULL_VIOLATION.
    """
    table = change.table
    later = change.transaction.has_written(table.id)
    if later and not nullable and (table.primary_key or table.constraints):
        rebuild(change, _with(table, column, replace(column, nullable=False)))
    else:
        alter_relational.set_nullable(change, column, nullable=nullable)


def _with(table: Table, old: Column, column: Column) -> Table:
    return replace(table, columns=tuple(column if c.id == old.id else c for c in table.columns))


def _in_key(table: Table, column: Column) -> bool:
    """True if DuckDB keeps to something that names the column."""
    kept = (one.columns for one in table.constraints if one.kind in _KEPT_KINDS)
    return any(column.name in names for names in (table.primary_key, *kept))


def _go_on(change: Alteration, column: Column) -> None:
    """The column's new sequence begins above the numbers that are there."""
    session = change.session
    sql = f"SELECT max({quote(column.name)}) FROM {quoted(change.table)}"
    highest = session.duck.table(sql, None, change.text).column(0)[0].as_py()
    for one in sequences_of(session, change.table.id):
        if one.owner == (change.table.id, column.id) and highest is not None and highest > 0:
            set_value(session, one, int(highest))
