"""Foreign keys in definitions: CREATE TABLE, ALTER TABLE, DROP, SET CONSTRAINTS.

DuckDB is told nothing of them: the key is in the child's record, and sql/foreign/ keeps to it.
https://www.postgresql.org/docs/15/sql-altertable.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.details import Constraint, ConstraintKind, Index
from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.dialect.key_nodes import ConstraintAction, SetConstraints
from sql.foreign.enforce import check_deferred, check_stored
from sql.foreign.guard import COME, GO
from sql.foreign.keys import ForeignKey, foreign_constraints, is_checked, keys_onto, resolved
from sql.foreign.reading import deferral, pointed
from sql.plan.tables import find_table
from sql.results import Affected, Notice, Result
from sql.session import Wire

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement
    from sql.statements.alteration import Alteration
    from sql.transaction import Transaction


def settled_keys(session: ClientSession, transaction: Transaction, table: Table) -> Table:
    """A new table with its foreign keys pointing at tables that are there. Raises: DbError."""
    made = tuple(
        _settled(session, transaction, table, one) if one.references is not None else one
        for one in table.constraints
    )
    table = replace(table, constraints=made)
    for one in made if session.wire is Wire.MYSQL else ():
        if one.references is not None:
            table = _with_index(session, table, one)
    return table


def _with_index(session: ClientSession, table: Table, key: Constraint) -> Table:
    """With the index that MySQL makes for a key, unless another begins with its columns."""
    taken = {index.name for index in table.indexes} | {one.name for one in table.constraints}
    unique = (one.columns for one in table.constraints if one.kind is ConstraintKind.UNIQUE)
    known = [table.primary_key, *unique, *(index.columns for index in table.indexes)]
    if any(columns[: len(key.columns)] == key.columns for columns in known):
        return table
    written = key.name != f"{table.name}_{'_'.join(key.columns)}_fkey"
    name, number = key.name if written else key.columns[0], 1
    while name in taken and name != key.name:
        number += 1
        name = f"{key.columns[0]}_{number}"
    index = Index(session.next_id(), name, key.columns)
    return replace(table, indexes=(*table.indexes, index))


def _settled(
    session: ClientSession, transaction: Transaction, child: Table, key: Constraint
) -> Constraint:
    reference = key.references
    assert reference is not None
    parent = _parent(session, child, key)
    if parent is None:  # MySQL's dumps make children before their parents
        there = replace(reference, database=reference.database or child.database)
        return replace(key, references=there)
    session.server.keys.fence(transaction.keys.claims, (GO, parent.id))
    return pointed(child, key, parent, session.wire)


def _parent(session: ClientSession, child: Table, key: Constraint) -> Table | None:
    reference = key.references
    assert reference is not None
    own = reference.database in ("", child.database)
    if own and reference.table == child.name:
        return child
    database = reference.database or (child.database if session.wire is Wire.MYSQL else "")
    node = exp.table_(reference.table, database or None, quoted=True)
    try:
        return find_table(node, session.plan_context())
    except DbError:
        if is_checked(session):
            raise
        return None


# --- ALTER TABLE ----------------------------------------------------------------------------------


def add_key(change: Alteration, key: Constraint) -> None:
    """A key over rows that are there, which have to keep to it unless it is NOT VALID.

    Raises: DbError FOREIGN_KEY_VIOLATION, DUPLICATE_OBJECT.
    """
    session, table = change.session, change.table
    if any(one.name == key.name for one in table.constraints):
        message = f'constraint "{key.name}" for relation "{table.name}" already exists'
        raise DbError(ErrorKind.DUPLICATE_OBJECT, message)
    session.server.keys.fence(change.transaction.keys.claims, (COME, table.id))
    key = _settled(session, change.transaction, table, key)
    change.table = replace(table, constraints=(*table.constraints, key))
    if session.wire is Wire.MYSQL:
        change.table = _with_index(session, change.table, key)
    if key.valid and is_checked(session):
        _check(change, key)


def _check(change: Alteration, key: Constraint) -> None:
    found = resolved(change.table, key, change.session.table_of, change.session.lookup)
    if found is not None:
        check_stored(change.session, found)


def run_action(change: Alteration, action: ConstraintAction) -> None:
    """ALTER, VALIDATE or RENAME CONSTRAINT. Raises: DbError UNDEFINED_OBJECT, UNSUPPORTED."""
    verb, name = action.name, action.text("name")
    table = change.table
    found = next((one for one in table.constraints if one.name == name), None)
    if verb == "RENAME":
        _rename(change, found, name, action.args["to"].name)
        return
    if found is None and name != f"{table.name}_pkey":
        raise _undefined(table, name)
    if found is None or found.references is None:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f"ALTER TABLE … {verb} CONSTRAINT is supported for foreign keys only",
            detail=f'"{name}" is no foreign key' if name else None,
        )
    if verb == "VALIDATE":
        if not found.valid:
            change.session.server.keys.fence(change.transaction.keys.claims, (COME, table.id))
            _check(change, found)
        _put(change, found, replace(found, valid=True))
    else:
        deferrable, deferred = deferral(action.args.get("options") or (), found.references)
        there = replace(found.references, deferrable=deferrable, deferred=deferred)
        _put(change, found, replace(found, references=there))


def _rename(change: Alteration, found: Constraint | None, name: str, new: str) -> None:
    table = change.table
    if any(one.name == new for one in table.constraints):
        message = f'constraint "{new}" for relation "{table.name}" already exists'
        raise DbError(ErrorKind.DUPLICATE_OBJECT, message)
    if found is not None:
        _put(change, found, replace(found, name=new))
        return
    if name != f"{table.name}_pkey" or not table.primary_key:
        raise _undefined(table, name)
    key = Constraint(change.session.next_id(), new, ConstraintKind.PRIMARY_KEY, table.primary_key)
    change.table = replace(table, constraints=(key, *table.constraints))


def _put(change: Alteration, old: Constraint, new: Constraint) -> None:
    constraints = tuple(new if one is old else one for one in change.table.constraints)
    change.table = replace(change.table, constraints=constraints)


def _undefined(table: Table, name: str) -> DbError:
    message = f'constraint "{name}" of relation "{table.name}" does not exist'
    return DbError(ErrorKind.UNDEFINED_OBJECT, message)


def check_column_free(change: Alteration, name: str) -> None:
    """Before a column is dropped. Raises: DbError DEPENDENT_OBJECTS if a key points at it."""
    for key in keys_onto(change.session, change.table):
        if name in key.parent_columns:
            raise DbError(
                ErrorKind.DEPENDENT_OBJECTS,
                f"cannot drop column {name} of table {change.table.name}"
                " because other objects depend on it",
                detail=f"constraint {key.constraint.name} on table {key.child.name} depends on it",
                hint=f"ALTER TABLE {key.child.name} DROP CONSTRAINT {key.constraint.name} first",
            )


# --- DROP TABLE -----------------------------------------------------------------------------------


def keys_left(session: ClientSession, tables: Iterable[Table]) -> list[ForeignKey]:
    """The keys of other tables that point at these."""
    gone = {table.id: table for table in tables if not table.is_time_series}
    found = (key for table in gone.values() for key in keys_onto(session, table))
    return [key for key in found if key.child.id not in gone]


def loosen(session: ClientSession, keys: Sequence[ForeignKey], *, cascade: bool) -> None:
    """Lets parents be dropped: the keys go with CASCADE, or wait for a table of the same name.

    Raises: DbError DEPENDENT_OBJECTS, STILL_REFERENCED.
    """
    if not keys:
        return
    key = keys[0]
    if cascade:
        told = f"constraint {key.constraint.name} on table {key.child.name}"
        what = told if len(keys) == 1 else f"{len(keys)} other objects"
        session.notice(Notice(f"drop cascades to {what}"))
        for child in _children(keys):
            names = {one.constraint.id for one in keys if one.child.id == child.id}
            kept = tuple(one for one in child.constraints if one.id not in names)
            session.put_table(replace(child, constraints=kept))
    elif is_checked(session):
        raise _refused(session, key)
    else:
        for child in _children(keys):
            _unbind(session, child, {one.constraint.id: one for one in keys})


def _children(keys: Sequence[ForeignKey]) -> list[Table]:
    return [*{key.child.id: key.child for key in keys}.values()]


def _unbind(session: ClientSession, child: Table, keys: dict[int, ForeignKey]) -> None:
    def loose(one: Constraint) -> Constraint:
        if one.id not in keys:
            return one
        return replace(one, references=replace(keys[one.id].reference, table_id=0, column_ids=()))

    session.put_table(replace(child, constraints=tuple(map(loose, child.constraints))))


def _refused(session: ClientSession, key: ForeignKey) -> DbError:
    constraint, child, parent = key.constraint.name, key.child.name, key.parent.name
    if session.wire is Wire.MYSQL:
        return DbError(
            ErrorKind.STILL_REFERENCED,
            f"Cannot drop table '{parent}' referenced by a foreign key constraint"
            f" '{constraint}' on table '{child}'.",
        )
    return DbError(
        ErrorKind.DEPENDENT_OBJECTS,
        f"cannot drop table {parent} because other objects depend on it",
        detail=f"constraint {constraint} on table {child} depends on table {parent}",
        hint="Use DROP ... CASCADE to drop the dependent objects too.",
    )


# --- TRUNCATE -------------------------------------------------------------------------------------


def with_children(session: ClientSession, tables: dict[int, Table], *, cascade: bool) -> None:
    """Adds to tables that are to be emptied those whose rows need theirs.

    Raises: DbError CANNOT_TRUNCATE without CASCADE.
    """
    if not is_checked(session):
        return
    while keys := keys_left(session, tables.values()):
        key = keys[0]
        if not cascade:
            raise DbError(
                ErrorKind.CANNOT_TRUNCATE,
                "cannot truncate a table referenced in a foreign key constraint",
                detail=f'Table "{key.child.name}" references "{key.parent.name}".',
                hint=f'Truncate table "{key.child.name}" at the same time,'
                " or use TRUNCATE ... CASCADE.",
            )
        session.notice(Notice(f'truncate cascades to table "{key.child.name}"'))
        tables[key.child.id] = key.child


# --- SET CONSTRAINTS ------------------------------------------------------------------------------


def run_set(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """SET CONSTRAINTS; IMMEDIATE checks what was deferred so far. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, SetConstraints)
    deferred, transaction = bool(tree.args["deferred"]), session.transaction
    named = [one for node in tree.expressions for one in _named(session, node)]
    if transaction is None or not transaction.explicit:
        message = "SET CONSTRAINTS can only be used in transaction blocks"
        session.notice(Notice(message, sqlstate="25P01"))
        return Affected("SET CONSTRAINTS", 0)
    pending = transaction.keys
    if tree.expressions:
        pending.modes.update({one.id: deferred for one in named})
    else:
        pending.modes.clear()
        pending.all_deferred = deferred
    if not deferred:
        check_deferred(session, transaction, {one.id for one in named} or None)
    return Affected("SET CONSTRAINTS", 0)


def _uniques(session: ClientSession, node: exp.Table) -> list[Constraint]:
    """The UNIQUE constraints of that name."""
    tables = session.catalog.tables(session.duck.cursor, node.db or session.database)
    every = (one for table in (*tables, *session.temporary.all()) for one in table.constraints)
    return [c for c in every if c.kind is ConstraintKind.UNIQUE and c.name == node.name]


def _named(session: ClientSession, node: exp.Table) -> list[Constraint]:
    found = [
        one
        for table in (
            *session.catalog.referring(session.duck.cursor),
            *session.temporary.all(),
        )
        if node.db in ("", table.database)
        for one in foreign_constraints(table)
        if one.name == node.name
    ]
    if not found:
        found = _uniques(session, node)
    if not found:
        message = f'constraint "{node.name}" does not exist'
        raise DbError(ErrorKind.UNDEFINED_OBJECT, message)
    for one in found:
        if not (one.deferrable if one.references is None else one.references.deferrable):
            message = f'constraint "{one.name}" is not deferrable'
            raise DbError(ErrorKind.WRONG_OBJECT_TYPE, message)
    return found
