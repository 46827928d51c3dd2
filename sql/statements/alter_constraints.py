"""ALTER TABLE … ADD and DROP CONSTRAINT on relational tables, of every kind.

Called by alter.py. DuckDB can neither add a CHECK nor take any constraint away, so the table is
made again with those it shall have and its rows are brought over, in the statement's transaction:
DuckDB checks every row on the way, and refuses whoever has written to the old table meanwhile.
Foreign keys, which DuckDB is told nothing of, are foreign_keys.py's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.details import Constraint, ConstraintKind
from catalog.records import Column, Table, TableKind
from engine.errors import DbError, ErrorKind
from sql.collations import has_own_keys
from sql.dialect.key_nodes import ConstraintAction
from sql.foreign import unique
from sql.foreign.guard import COME
from sql.foreign.keys import ForeignKey, is_checked, keys_onto
from sql.foreign.reading import is_unique
from sql.results import Notice
from sql.session import Wire
from sql.statements import alter_relational, foreign_keys
from sql.statements.alteration import Alteration
from sql.statements.constraints import NAME, described, stored_constraint
from sql.statements.target import quoted, relational_ddl
from sql.system.pg_catalog.keys import key_name
from sql.temporary import stored_name
from sql.types import quote

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_NONE: Mapping[int, str] = MappingProxyType({})

# --- ADD ------------------------------------------------------------------------------------------


def add(change: Alteration, action: exp.AddConstraint) -> None:
    """ADD [CONSTRAINT name] UNIQUE, PRIMARY KEY, CHECK or FOREIGN KEY; the rows have to keep to it.

    Raises: DbError UNIQUE_VIOLATION, NOT_NULL_VIOLATION, CHECK_VIOLATION, FOREIGN_KEY_VIOLATION,
        DUPLICATE_OBJECT, UNDEFINED_COLUMN, UNSUPPORTED.
    """
    _require_relational(change)
    inner: exp.Expr = action.expressions[0]
    if isinstance(inner, exp.Constraint):
        inner.expressions[0].meta[NAME] = inner.this.name
        inner = inner.expressions[0]
    if isinstance(inner, exp.ForeignKey):
        add_foreign(change, inner)
    elif isinstance(inner, exp.PrimaryKey):
        add_primary(change, inner)
    elif isinstance(inner, exp.UniqueColumnConstraint | exp.CheckColumnConstraint):
        add_other(change, inner)
    else:
        raise DbError(ErrorKind.UNSUPPORTED, "a constraint of that kind cannot be added")


def add_foreign(change: Alteration, tree: exp.ForeignKey) -> None:
    """Raises: DbError UNDEFINED_COLUMN, and what foreign_keys.add_key raises."""
    for one in described(change.table, [tree], "", change.session.next_id, change.session.wire):
        for name in one.columns:
            change.column(name)
        foreign_keys.add_key(change, one)


def add_primary(change: Alteration, tree: exp.PrimaryKey) -> None:
    """PRIMARY KEY. Raises: DbError as `add`."""
    table = change.table
    if table.primary_key:
        raise DbError(
            ErrorKind.INVALID_TABLE_DEFINITION,
            f'multiple primary keys for table "{table.name}" are not allowed',
        )
    names = tuple(change.column(key.name).name for key in tree.expressions)
    name = str(tree.meta.get(NAME) or "") or f"{table.name}_pkey"
    _check_free(table, name)
    columns = [replace(c, nullable=False) if c.name in names else c for c in table.columns]
    constraints = table.constraints
    if name != f"{table.name}_pkey" and change.session.wire is not Wire.MYSQL:
        number = change.session.next_id()
        key = Constraint(number, name, ConstraintKind.PRIMARY_KEY, names)
        constraints = (key, *constraints)
    made = replace(table, columns=tuple(columns), primary_key=names, constraints=constraints)
    _rebuild_for(change, made, name)


def add_other(change: Alteration, tree: exp.Expr) -> None:
    """UNIQUE or CHECK. Raises: DbError as `add`."""
    table = change.table
    (found,) = described(table, [tree], "", change.session.next_id, change.session.wire)
    _check_free(table, found.name)
    named = [node.name for node in tree.find_all(exp.Column)]
    for name in (*found.columns, *named):
        change.column(name)
    made = replace(table, constraints=(*table.constraints, found))
    text = stored_constraint(tree, table)
    if found.deferrable:
        change.session.server.keys.fence(change.transaction.keys.claims, (COME, table.id))
        unique.check(change.session, table, found, unique.everything(table, found))
        change.table = made
        return
    if found.kind is ConstraintKind.UNIQUE and not text:
        change.table = made  # its index is built when the statement ends
        return
    _rebuild_for(change, made, found.name, {found.id: text})


def _check_free(table: Table, name: str) -> None:
    taken = {one.name for one in table.constraints} | {index.name for index in table.indexes}
    if name in taken or (table.primary_key and name == key_name(table)):
        message = f'constraint "{name}" for relation "{table.name}" already exists'
        raise DbError(ErrorKind.DUPLICATE_OBJECT, message)


def _require_relational(change: Alteration) -> None:
    if change.table.kind is not TableKind.RELATIONAL:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "constraints cannot be added to a table with a time index",
            hint="tags and time index already name a row",
        )


# --- DROP -----------------------------------------------------------------------------------------


def run_action(change: Alteration, action: ConstraintAction) -> None:
    """DROP CONSTRAINT of any kind; ALTER, VALIDATE and RENAME are foreign_keys.py's.

    Raises: DbError UNDEFINED_OBJECT, DEPENDENT_OBJECTS if a foreign key needs what is dropped.
    """
    if action.name != "DROP":
        foreign_keys.run_action(change, action)
        return
    kind, name = str(action.args["kind"]), action.text("name")
    found = _found(change.table, name, kind)
    if found is not None:
        _drop(change, found, cascade=bool(action.args.get("cascade")))
        return
    shown = f'constraint "{name or "PRIMARY"}" of relation "{change.table.name}" does not exist'
    if not action.args.get("exists"):
        raise DbError(ErrorKind.UNDEFINED_OBJECT, shown)
    change.session.notice(Notice(f"{shown}, skipping"))


def drop_named(change: Alteration, name: str) -> bool:
    """MySQL's DROP INDEX of a key that is a constraint; False if there is none of that name."""
    kind = "PRIMARY KEY" if name == "PRIMARY" else "UNIQUE"
    found = _found(change.table, name, kind)
    if found is not None:
        _drop(change, found, cascade=False)
    return found is not None


def drop_with_column(change: Alteration, column: Column) -> None:
    """Takes away the constraints that are over this column alone, before it goes."""
    name = column.name
    going = [
        one
        for one in change.table.constraints
        if one.columns == (name,) and one.kind is not ConstraintKind.PRIMARY_KEY
    ]
    for one in going:
        _drop(change, one, cascade=change.cascade)
    if change.table.primary_key == (name,) and change.session.wire is Wire.MYSQL:
        key = Constraint(0, key_name(change.table), ConstraintKind.PRIMARY_KEY, (name,))
        _drop(change, key, cascade=False)


def _found(table: Table, name: str, kind: str) -> Constraint | None:
    """The constraint of that name and MySQL's word for kinds; CONSTRAINT is any."""
    for one in table.constraints:
        if one.name == name and kind in ("CONSTRAINT", one.kind.name.replace("_", " ")):
            return one
    own = kind == "PRIMARY KEY" or (kind == "CONSTRAINT" and name in (key_name(table), "PRIMARY"))
    if own and table.primary_key:
        return Constraint(0, key_name(table), ConstraintKind.PRIMARY_KEY, table.primary_key)
    return None


def _drop(change: Alteration, found: Constraint, *, cascade: bool) -> None:
    table, kind = change.table, found.kind
    is_key = kind is ConstraintKind.PRIMARY_KEY
    kept = tuple(
        one for one in table.constraints if one.kind is not kind or (one.name != found.name)
    )
    made = replace(table, constraints=kept, primary_key=() if is_key else table.primary_key)
    if kind is not ConstraintKind.FOREIGN_KEY:
        if kind is not ConstraintKind.CHECK:
            made = _without_needy(change, made, found.name, cascade=cascade)
        rebuild(change, made)
    change.table = made


def _without_needy(change: Alteration, made: Table, name: str, *, cascade: bool) -> Table:
    """The table once no foreign key points at columns that nothing makes unique any more."""
    needy = list(_needy(change.session, change.table, made))
    if needy and not cascade:
        raise _needed(needy[0], f"constraint {name} on table {made.name}")
    own = {key.constraint.id for key in needy if key.child.id == made.id}
    foreign_keys.loosen(
        change.session, [key for key in needy if key.child.id != made.id], cascade=True
    )
    return replace(made, constraints=tuple(c for c in made.constraints if c.id not in own))


def check_unneeded(session: ClientSession, old: Table, made: Table, name: str) -> None:
    """Before an index goes. Raises: DbError DEPENDENT_OBJECTS if a foreign key needs it."""
    if not made.is_time_series and is_checked(session):
        for key in _needy(session, old, made):
            raise _needed(key, f"index {name}")


def _needy(session: ClientSession, old: Table, made: Table) -> Iterator[ForeignKey]:
    own = {one.id for one in made.constraints}
    for key in keys_onto(session, old):
        gone = key.child.id == made.id and key.constraint.id not in own
        served = is_unique(made, key.parent_columns, session.wire)
        # One of an older store may never have been over a key.
        if not gone and not served and is_unique(old, key.parent_columns, session.wire):
            yield key


def _needed(key: ForeignKey, what: str) -> DbError:
    return DbError(
        ErrorKind.DEPENDENT_OBJECTS,
        f"cannot drop {what} because other objects depend on it",
        detail=f"constraint {key.constraint.name} on table {key.child.name} depends on it",
        hint=f"ALTER TABLE {key.child.name} DROP CONSTRAINT {key.constraint.name} first",
    )


# --- The table made again -------------------------------------------------------------------------


def _rebuild_for(
    change: Alteration, made: Table, name: str, added: Mapping[int, str] = _NONE
) -> None:
    """With a constraint more, told by its name if a row does not keep to it."""
    try:
        rebuild(change, made, added)
    except DbError as error:
        raise _named(made, name, error) from error
    change.table = made


def _named(table: Table, name: str, error: DbError) -> DbError:
    told = {
        ErrorKind.UNIQUE_VIOLATION: f'could not create unique index "{name}"',
        ErrorKind.CHECK_VIOLATION: (
            f'check constraint "{name}" of relation "{table.name}" is violated by some row'
        ),
        ErrorKind.NOT_NULL_VIOLATION: f'relation "{table.name}" contains null values',
    }.get(error.kind)
    if told is None:
        return error
    about = {"schema": table.database, "table": table.name, "constraint": name}
    return DbError(error.kind, told, detail=error.message, about=about)


def rebuild(change: Alteration, made: Table, added: Mapping[int, str] = _NONE) -> None:
    """DuckDB's table as `made` says: its columns in their order, of their types, its constraints.

    `added` are DuckDB's texts of new CHECKs, by their ids.

    Requires: no unique index of CREATE INDEX is left on it (indexes.without_indexes); the columns
        are those of `change.table`, or some of them, by their names.
    Raises: DbError if a row does not keep to it.
    """
    duck = change.session.duck
    staged = replace(made, id=change.session.next_id(), name=f"__made_again_{made.id}")
    names = ", ".join(quote(column.name) for column in made.columns)
    checks = {**_checks(change), **added}
    duck.execute(relational_ddl(staged, _texts(made, checks)))
    values = ", ".join(alter_relational.value_as(change, column) for column in made.columns)
    duck.execute(f"INSERT INTO {quoted(staged)} ({names}) SELECT {values} FROM {quoted(made)}")
    duck.execute(f"DROP TABLE {quoted(made)}")
    # Without the database, which a temporary table's stored name does not have anyway.
    own = quoted(made).removeprefix(f"{quote(made.database)}.")
    duck.execute(f"ALTER TABLE {quoted(staged)} RENAME TO {own}")


def _texts(table: Table, checks: Mapping[int, str]) -> Iterator[str]:
    """What DuckDB keeps to, as SQL; the primary key is the table's own field."""
    for one in table.constraints:
        if one.kind is ConstraintKind.UNIQUE:
            if one.deferrable or not one.nulls_distinct:
                continue
            if not all(has_own_keys(c) for c in table.columns if c.name in one.columns):
                continue
            yield f"UNIQUE ({', '.join(map(quote, one.columns))})"
        elif one.kind is ConstraintKind.CHECK:
            yield checks[one.id]


def _checks(change: Alteration) -> dict[int, str]:
    """DuckDB's own texts of the CHECKs by their ids: the record's are those that clients are shown.

    Both are in the order they were made in.
    """
    table = change.table
    known = [one for one in table.constraints if one.kind is ConstraintKind.CHECK]
    home = "database_name = 'temp'"
    if not table.temporary:
        home = f"database_name = current_database() AND schema_name = {_word(table.database)}"
    name = stored_name(table) if table.temporary else table.name
    sql = (
        f"SELECT constraint_text FROM duckdb_constraints() WHERE {home}"
        f" AND table_name = {_word(name)} AND constraint_type = 'CHECK' ORDER BY constraint_index"
    )
    texts: list[str] = change.session.duck.table(sql, None, change.text).column(0).to_pylist()
    if len(texts) != len(known):
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f'the constraints of table "{table.name}" cannot be changed',
            detail=f"the store has {len(texts)} CHECK constraints, the catalog {len(known)}",
            hint="make the table again with the constraints it shall have",
        )
    return {one.id: text for one, text in zip(known, texts, strict=True)}


def _word(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
