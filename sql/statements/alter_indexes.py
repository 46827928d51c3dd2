"""ALTER TABLE … ADD INDEX and DROP INDEX, as MySQL writes them; PostgreSQL's ALTER INDEX.

Called by alter.py, which builds and drops what the store keeps of them (indexes.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.details import Constraint, ConstraintKind, Index
from catalog.records import Table, TableKind
from engine.errors import DbError, ErrorKind
from sql.dialect import mysql_nodes
from sql.plan.tables import table_name
from sql.privileges import check_table
from sql.results import Notice
from sql.session import Wire
from sql.statements.alter_constraints import check_unneeded, drop_named
from sql.statements.alteration import Alteration
from sql.statements.constraints import free_key_name
from sql.system.pg_catalog.keys import indexes, key_name
from sql.temporary import PG_TEMP

if TYPE_CHECKING:
    from sql.client_session import ClientSession


def add(change: Alteration, action: mysql_nodes.AddIndex) -> None:
    """Raises: DbError UNDEFINED_COLUMN, DUPLICATE_TABLE, UNSUPPORTED for UNIQUE of a series."""
    session, table = change.session, change.table
    columns = tuple(change.column(node.name).name for node in action.args["columns"])
    unique = bool(action.args.get("unique"))
    if unique and table.is_time_series:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "UNIQUE indexes on time-series tables are not supported",
            hint="tags and time index already name a row",
        )
    taken = {index.name for index in table.indexes} | {one.name for one in table.constraints}
    name = action.name or free_key_name(columns[0], taken)
    if name in taken:
        raise DbError(ErrorKind.DUPLICATE_TABLE, f'index "{name}" already exists')
    number = session.catalog.next_table_id(session.duck.cursor)
    method = str(action.args.get("method") or "btree")
    sizes = tuple(int(c.meta.get(mysql_nodes.PREFIX_LENGTH, 0)) for c in action.args["columns"])
    lengths = sizes if any(sizes) and not unique else ()
    index = Index(number, name, columns, unique, method, lengths=lengths)
    change.table = replace(table, indexes=(*table.indexes, index))


def drop(change: Alteration, action: mysql_nodes.DropIndex) -> None:
    """Raises: DbError UNDEFINED_OBJECT; DEPENDENT_OBJECTS for a key that others point at."""
    table, name = change.table, action.name
    if drop_named(change, name):
        return
    kept = tuple(index for index in table.indexes if index.name != name)
    if len(kept) == len(table.indexes):
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f'index "{name}" does not exist')
    made = replace(table, indexes=kept)
    check_unneeded(change.session, table, made, name)
    change.table = made


def rename(change: Alteration, action: mysql_nodes.RenameIndex) -> None:
    """Raises: DbError UNDEFINED_OBJECT, DUPLICATE_TABLE."""
    old, new = action.name, action.args["to"].name
    table = _with_key(change, old)
    names = [one.name for one in table.indexes] + [one.name for one in table.constraints]
    if old not in names and table.is_time_series:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f'index "{old}" of table "{table.name}" keeps its name',
            hint="it follows from the table's tags and time index",
        )
    if old not in names:
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f'index "{old}" does not exist')
    if old != new and new in names:
        raise DbError(ErrorKind.DUPLICATE_TABLE, f'index "{new}" already exists')
    indexes = (replace(one, name=new) if one.name == old else one for one in table.indexes)
    constraints = (replace(one, name=new) if one.name == old else one for one in table.constraints)
    change.table = replace(table, indexes=tuple(indexes), constraints=tuple(constraints))


def _with_key(change: Alteration, name: str) -> Table:
    """The table; its primary key is one of its constraints if the name is the key's."""
    table = change.table
    own = any(one.kind is ConstraintKind.PRIMARY_KEY for one in table.constraints)
    if own or table.kind is not TableKind.RELATIONAL or not table.primary_key:
        return table
    if name != key_name(table) or change.session.wire is Wire.MYSQL:
        return table
    number, kind = change.session.next_id(), ConstraintKind.PRIMARY_KEY
    key = Constraint(number, name, kind, table.primary_key)
    return replace(table, constraints=(key, *table.constraints))


# --- PostgreSQL's ---------------------------------------------------------------------------------


def of_table(session: ClientSession, tree: exp.Alter) -> exp.Alter | None:
    """`ALTER INDEX i …`, or `ALTER TABLE i RENAME TO j` of an index, as an ALTER of its table.

    All else is given back as it is; None for IF EXISTS of an index that is not there, which the
    client is told. Raises: DbError UNDEFINED_TABLE, WRONG_OBJECT_TYPE, DUPLICATE_TABLE, UNSUPPORTED
    for indexes of time-series tables that nobody created by name.
    """
    is_index = str(tree.args["kind"]).upper() == "INDEX"
    (action, *more) = tree.args["actions"]
    if not is_index and (more or not isinstance(action, exp.AlterRename)):
        return tree
    database, name = table_name(tree.this, session.plan_context())
    if not is_index and session.lookup(database, name) is not None:
        return tree
    table = _owner(session, database, name)
    if table is None:
        return _absent(session, tree, database, name) if is_index else tree
    check_table(session, table, "OWNER")
    home = exp.Table(this=_word(table.name), db=_word(table.database))
    if isinstance(action, exp.AlterRename):
        new = action.this.name
        if _owner(session, database, new) is not None or session.lookup(database, new) is not None:
            raise DbError(ErrorKind.DUPLICATE_TABLE, f'relation "{new}" already exists')
        action = mysql_nodes.RenameIndex(this=_word(name), to=_word(new))
    return exp.Alter(this=home, kind="TABLE", actions=[action])


def _owner(session: ClientSession, database: str, name: str) -> Table | None:
    """The table that has an index of that name, of whatever it is made."""
    cursor, temporary = session.duck.cursor, session.temporary
    tables = temporary.all() if database == PG_TEMP else session.catalog.tables(cursor, database)
    return next((t for t in tables if any(index.name == name for index in indexes([t]))), None)


def _absent(session: ClientSession, tree: exp.Alter, database: str, name: str) -> exp.Alter | None:
    there = session.lookup(database, name) is not None
    if there:
        raise DbError(ErrorKind.WRONG_OBJECT_TYPE, f'"{name}" is not an index')
    if not tree.args.get("exists"):
        raise DbError(ErrorKind.UNDEFINED_TABLE, f'relation "{name}" does not exist')
    session.notice(Notice(f'relation "{name}" does not exist, skipping', sqlstate="42P01"))
    return None


def _word(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=True)
