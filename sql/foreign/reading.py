"""REFERENCES clauses read into records, and checked against the table they point at.

Used by CREATE TABLE and ALTER TABLE (sql/statements/foreign_keys.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from catalog.details import Constraint, ConstraintKind, KeyAction, Reference
from catalog.records import Column, Table, TableKind
from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from sql.dialect.foreign import SET_COLUMNS
from sql.session import Wire

_ACTIONS = {action.words: action for action in KeyAction}


def read_key(tree: exp.ForeignKey) -> Constraint:
    """The key as it is written, without name and id; the parent is not looked for yet.

    Raises: DbError SYNTAX for options that contradict each other, UNSUPPORTED.
    """
    written = tree.args["reference"]
    columns = tuple(node.name for node in tree.expressions)
    options = [str(option) for option in written.args.get("options") or ()]
    table = written.this.find(exp.Table)
    if "MATCH PARTIAL" in options:
        raise DbError(ErrorKind.UNSUPPORTED, "MATCH PARTIAL is not supported")
    deferrable, deferred = deferral(options, Reference("", ""))
    reference = Reference(
        database=table.db,
        table=table.name,
        columns=tuple(node.name for node in written.this.expressions or ()),
        on_delete=_action(options, "ON DELETE "),
        on_update=_action(options, "ON UPDATE "),
        match_full="MATCH FULL" in options,
        null_columns=_null_columns(written, columns),
        deferrable=deferrable,
        deferred=deferred,
    )
    kind, valid = ConstraintKind.FOREIGN_KEY, "NOT VALID" not in options
    return Constraint(0, "", kind, columns, references=reference, valid=valid)


def deferral(options: Sequence[str], before: Reference) -> tuple[bool, bool]:
    """Whether a key may be deferred, and is at first. Raises: DbError SYNTAX."""
    deferred = "INITIALLY DEFERRED" in options
    if deferred and "NOT DEFERRABLE" in options:
        message = "constraint declared INITIALLY DEFERRED must be DEFERRABLE"
        raise DbError(ErrorKind.SYNTAX, message)
    if "NOT DEFERRABLE" in options:
        return False, False
    if deferred or "INITIALLY IMMEDIATE" in options:
        return deferred or "DEFERRABLE" in options or before.deferrable, deferred
    return "DEFERRABLE" in options or before.deferrable, before.deferred


def _action(options: Sequence[str], event: str) -> KeyAction:
    found = next((one for one in options if one.startswith(event)), None)
    if found is None:
        return KeyAction.NO_ACTION
    return _ACTIONS[found.removeprefix(event).partition(" (")[0]]


def _null_columns(written: exp.Expr, columns: Sequence[str]) -> tuple[str, ...]:
    named = tuple(written.meta.get(SET_COLUMNS) or ())
    for name in named:
        if name not in columns:
            raise DbError(
                ErrorKind.UNDEFINED_COLUMN,
                f'column "{name}" referenced in ON DELETE SET action must be part of foreign key',
            )
    return named


def pointed(child: Table, key: Constraint, parent: Table, wire: Wire) -> Constraint:
    """The key, pointing at that table for good.

    Raises: DbError UNDEFINED_COLUMN, INVALID_FOREIGN_KEY, WRONG_OBJECT_TYPE, DATATYPE_MISMATCH,
    INVALID_TABLE_DEFINITION.
    """
    reference = key.references
    assert reference is not None
    _check_kinds(child, parent)
    names = reference.columns or parent.primary_key
    if not names:
        message = f'there is no primary key for referenced table "{parent.name}"'
        raise DbError(ErrorKind.UNDEFINED_OBJECT, message)
    mine = [_column(child, name, "foreign key") for name in key.columns]
    theirs = [_column(parent, name, "referenced table's key") for name in names]
    if len(mine) != len(theirs):
        message = "number of referencing and referenced columns for foreign key disagree"
        raise DbError(ErrorKind.INVALID_FOREIGN_KEY, message)
    if len(set(names)) < len(names):
        message = "foreign key referenced-columns list must not contain duplicates"
        raise DbError(ErrorKind.INVALID_FOREIGN_KEY, message)
    if not is_unique(parent, names, wire):
        message = "there is no unique constraint matching given keys for referenced table"
        raise DbError(ErrorKind.INVALID_FOREIGN_KEY, f'{message} "{parent.name}"')
    for one, other in zip(mine, theirs, strict=True):
        if not _compatible(one.type, other.type):
            raise DbError(
                ErrorKind.DATATYPE_MISMATCH,
                f'foreign key constraint "{key.name}" cannot be implemented',
                detail=f'Key columns "{one.name}" and "{other.name}" are of incompatible types:'
                f" {one.type.name} and {other.type.name}.",
            )
    there = replace(
        reference,
        database=parent.database,
        table=parent.name,
        columns=names,
        table_id=parent.id,
        column_ids=tuple(column.id for column in theirs),
    )
    return replace(key, references=there)


def _check_kinds(child: Table, parent: Table) -> None:
    if parent.kind in (TableKind.VIEW, TableKind.EXTERNAL) or parent.definition:
        message = f'referenced relation "{parent.name}" is not a table'
        raise DbError(ErrorKind.WRONG_OBJECT_TYPE, message)
    if parent.is_time_series:
        raise DbError(
            ErrorKind.INVALID_FOREIGN_KEY,
            f'"{parent.name}" has a time index: no foreign key can point at it',
            hint="rows of a time-series table replace each other and expire",
        )
    if child.temporary != parent.temporary:
        kind = "temporary" if child.temporary else "permanent"
        raise DbError(
            ErrorKind.INVALID_TABLE_DEFINITION,
            f"constraints on {kind} tables may reference only {kind} tables",
        )


def _column(table: Table, name: str, where: str) -> Column:
    found = table.column(name)
    if found is None:
        message = f'column "{name}" referenced in foreign key constraint does not exist'
        raise DbError(ErrorKind.UNDEFINED_COLUMN, message, detail=f'in the {where} "{table.name}"')
    return found


def is_unique(parent: Table, names: Sequence[str], wire: Wire) -> bool:
    """True if a foreign key may point at these columns; MySQL's need an index only."""
    wanted = set(names)
    keys = [parent.primary_key]
    uniques = (one for one in parent.constraints if one.kind is ConstraintKind.UNIQUE)
    keys += [one.columns for one in uniques if not one.deferrable]
    keys += [index.columns for index in parent.indexes if index.is_key]
    if any(set(key) == wanted for key in keys):
        return True
    if wire is not Wire.MYSQL:
        return False
    # There any index will do that begins with the columns.
    keys += [index.columns for index in parent.indexes]
    return any(set(key[: len(names)]) == wanted for key in keys)


_TEXTS = frozenset({TypeId.STRING, TypeId.JSON})
_MOMENTS = frozenset({TypeId.DATE})


def _compatible(one: DataType, other: DataType) -> bool:
    """True if `=` compares the two as what they are."""
    if one.id is other.id or (one.is_numeric and other.is_numeric):
        return True
    moments = all(kind.is_timestamp or kind.id in _MOMENTS for kind in (one, other))
    return moments or {one.id, other.id} <= _TEXTS
