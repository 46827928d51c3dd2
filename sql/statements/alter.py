"""ALTER TABLE, VIEW and DATABASE, RENAME TABLE, COMMENT ON.

What a statement does to one table is worked out on its record, action by action; the record is
stored once at the end. Regions follow when the transaction commits (sql/alterations.py), relational
tables are altered in DuckDB on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from catalog import options
from catalog.records import Database, Table, TableKind
from engine.errors import DbError, ErrorKind
from sql import large_objects
from sql.dialect import mysql_nodes, nodes
from sql.dialect.dialects import to_sql
from sql.dialect.key_nodes import ConstraintAction, IdentityAction
from sql.dialect.options import given_options
from sql.dialect.pieces import collation_of
from sql.plan.named_types import resolve_types
from sql.plan.tables import find_table, table_name
from sql.privileges import check_owner
from sql.results import Affected, Notice, Result
from sql.routines import postgres
from sql.sequences import find_sequence
from sql.session import Wire
from sql.statements import (
    alter_columns,
    alter_constraints,
    alter_identity,
    alter_indexes,
    repartition,
)
from sql.statements.alter_relational import rename_table
from sql.statements.alteration import Alteration
from sql.statements.constraints import follow_columns, with_comment
from sql.statements.dependents import kind_of, refresh_views
from sql.statements.found_flow import comment_on_flow
from sql.statements.indexes import without_indexes
from sql.statements.metric_engine import check_alterable, check_still_logical
from sql.statements.sequence import rename

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement
    from sql.transaction import Transaction

Action = Callable[[Alteration, Any], None]


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """ALTER TABLE, VIEW, DATABASE or SCHEMA, all actions or none. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, exp.Alter)
    kind = str(tree.args["kind"]).upper()
    tag = f"ALTER {kind}"
    if kind in ("DATABASE", "SCHEMA"):
        _alter_database(session, tree, kind)
        return Affected(tag, 0)
    if _did_to_sequence(session, tree, statement.text):
        return Affected(tag, 0)
    named = alter_indexes.of_table(session, tree) if session.wire is not Wire.MYSQL else tree
    if named is None:
        return Affected(tag, 0)
    tree = named
    if tree.args.get("exists"):
        database, name = table_name(tree.this, session.plan_context(statement.text))
        if session.lookup(database, name) is None:
            message = f'relation "{name}" does not exist, skipping'
            session.notice(Notice(message, sqlstate="42P01"))
            return Affected(tag, 0)
    if any(isinstance(action, nodes.Repartition) for action in tree.args["actions"]):
        return repartition.run(session, tree, statement.text)
    if session.wire is not Wire.MYSQL:
        tree = resolve_types(tree.copy(), session.plan_context().type_named)
    with session.writing() as transaction:
        _alter(session, transaction, tree, statement.text)
    return Affected(tag, 0)


def run_rename(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """MySQL's RENAME TABLE: one after the other, all or none. Raises: DbError."""
    assert isinstance(statement.tree, nodes.RenameTables)
    with session.writing() as transaction:
        for tree in statement.tree.expressions:
            _alter(session, transaction, tree, statement.text)
    return Affected("RENAME TABLE", 0)


def run_comment(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """COMMENT ON whatever there is. Raises: DbError UNSUPPORTED for kinds that are not there."""
    tree = statement.tree
    assert isinstance(tree, exp.Comment)
    kind = str(tree.args["kind"]).upper()
    value = tree.expression
    text = "" if isinstance(value, exp.Null) else value.name
    if kind == nodes.LARGE_OBJECT:
        large_objects.comment(session, int(tree.this.name), text)
        return Affected("COMMENT", 0)
    if kind in ("SCHEMA", "DATABASE"):
        _comment_on_database(session, tree.this.name, kind, text)
        return Affected("COMMENT", 0)
    if kind == "FLOW":
        return comment_on_flow(session, tree.this.name, text)
    if kind in postgres.KINDS and session.wire is not Wire.MYSQL:
        return postgres.comment(session, tree, statement.text)
    node = tree.this
    if kind in ("COLUMN", "CONSTRAINT"):
        node = exp.Table(
            this=tree.this.args.get("table"),
            db=tree.this.args.get("db"),
            catalog=tree.this.args.get("catalog"),
        )
    elif kind not in ("TABLE", "VIEW"):
        raise DbError(ErrorKind.UNSUPPORTED, f"COMMENT ON {kind} is not supported")
    with session.writing() as transaction:
        change = _begin(session, transaction, node, statement.text)
        if kind == "COLUMN":
            alter_columns.comment(change, tree.this.name, text)
        elif kind == "CONSTRAINT":
            change.table = with_comment(change.table, tree.this.name, text)
        else:
            _comment(change, text)
        _store(change)
    return Affected("COMMENT", 0)


# --- One table ------------------------------------------------------------------------------------


def _alter(session: ClientSession, transaction: Transaction, tree: exp.Alter, text: str) -> None:
    change = _begin(session, transaction, tree.this, text)
    kind = str(tree.args["kind"]).upper()
    if kind not in ("TABLE", kind_of(change.old)):
        message = f'"{change.old.name}" is not a {kind.lower()}'
        raise DbError(ErrorKind.WRONG_OBJECT_TYPE, message)
    with without_indexes(session, change.old) as after:
        for action in tree.args["actions"]:
            _perform(change, action)
        check_still_logical(change.old, change.table, session.lookup)
        _store(change)
        after.append(follow_columns(change.old, change.table))


def _perform(change: Alteration, action: exp.Expr) -> None:
    perform = _ACTIONS.get(type(action))
    if perform is None:
        shown = to_sql(action, Wire.HTTP)
        raise DbError(ErrorKind.UNSUPPORTED, f"ALTER TABLE … {shown} is not supported")
    if change.old.kind is TableKind.EXTERNAL and type(action) not in _OF_VIEWS:
        raise DbError(
            ErrorKind.WRONG_OBJECT_TYPE,
            f'"{change.old.name}" is an external table, which can only be renamed',
            hint="DROP TABLE leaves its files alone; create it again with what shall differ",
        )
    if change.old.kind is TableKind.VIEW and type(action) not in _OF_VIEWS:
        raise DbError(
            ErrorKind.WRONG_OBJECT_TYPE,
            f'"{change.old.name}" is a view',
            hint="CREATE OR REPLACE VIEW gives it another query",
        )
    if change.old.is_materialized and type(action) not in _OF_MATERIALIZED:
        raise DbError(
            ErrorKind.WRONG_OBJECT_TYPE,
            f'"{change.old.name}" is a materialized view',
            hint="its columns are those of its query: drop it and create it again",
        )
    if type(action) not in _OF_PHYSICAL and not _is_index(action):
        check_alterable(change.old)
    perform(change, action)


def _is_index(action: exp.Expr) -> bool:
    """True for an index of a column, which changes no column."""
    keys = ("set_index", "unset_index")
    return isinstance(action, nodes.ChangeColumn) and any(action.args.get(key) for key in keys)


def _begin(
    session: ClientSession, transaction: Transaction, node: exp.Table, text: str
) -> Alteration:
    context = session.plan_context(text)
    # Locked before DuckDB's transaction begins, so that it sees what the one waited for has done.
    session.catalog.lock(session.duck.cursor, *table_name(node, context))
    transaction.change_store()
    table = find_table(node, context)
    return Alteration(session, transaction, text, table, table)


def _store(change: Alteration) -> None:
    """The new record; rows that the transaction has staged are shown by it from here on."""
    old, table = change.old, follow_columns(change.old, change.table)
    if table == old:
        return
    if _stored_columns(table) != _stored_columns(old):
        table = replace(table, schema_version=old.schema_version + 1)
    change.session.put_table(table)
    if table.is_time_series:
        change.transaction.follow(table)
    if table.columns != old.columns:
        refresh_views(change.session, table, cascade=change.cascade)


def _stored_columns(table: Table) -> object:
    if not table.is_time_series:
        return table.columns
    schema = table.region_schema()
    return schema.columns, schema.primary_key


# --- Actions on the whole table -------------------------------------------------------------------


def _rename(change: Alteration, action: exp.AlterRename) -> None:
    database, name = table_name(action.this, change.session.plan_context(change.text))
    if not action.this.db:
        database = change.table.database
    _move(change, database, name)


def _set_schema(change: Alteration, action: exp.AlterSet) -> None:
    _move(change, action.expressions[0].db, change.table.name)


def _move(change: Alteration, database: str, name: str) -> None:
    table = change.table
    if (database, name) == (table.database, table.name):
        if name == change.old.name:
            raise DbError(ErrorKind.DUPLICATE_TABLE, f'table "{name}" already exists')
        return
    if change.session.lookup(database, name) is not None:
        raise DbError(ErrorKind.DUPLICATE_TABLE, f'table "{database}.{name}" already exists')
    if table.kind is TableKind.RELATIONAL:
        rename_table(change, database, name)
    change.table = table.renamed(database, name)


def _options(change: Alteration, action: nodes.AlterOptions) -> None:
    table = change.table
    given = given_options(action.expressions, relational=True)  # PostgreSQL's storage parameters
    if not table.is_time_series:
        for key in given:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f'table "{table.name}" has no time index and no option {key}',
            )
        return
    if action.args.get("unset"):
        keys = [str(option.this) for option in action.expressions]
        changed = options.unset_table_options(table.options, keys)
    else:
        changed = options.set_table_options(table.options, given)
    change.table = replace(table, options=changed)


def _comment(change: Alteration, text: str) -> None:
    kept = {key: value for key, value in change.table.options.items() if key != "comment"}
    change.table = replace(change.table, comment=text, options=kept)


def _comment_property(change: Alteration, action: exp.SchemaCommentProperty) -> None:
    _comment(change, action.this.name)


def _ignored(change: Alteration, action: nodes.IgnoredProperty) -> None:
    """COLLATE of an ordinary table; all else that is said of how a table is kept."""
    collation = collation_of([action.name])
    if collation and not change.table.is_time_series:
        alter_columns.collate(change, collation, convert=bool(action.args.get("convert")))


def _nothing(change: Alteration, action: exp.Expr) -> None:
    """OWNER TO, ENGINE = …: there is one owner, and the engine follows from the columns."""


def _utility(change: Alteration, action: nodes.Utility) -> None:
    """Known and refused."""
    raise DbError(ErrorKind.UNSUPPORTED, f"ALTER TABLE … {action.this} is not supported")


_ACTIONS: dict[type[exp.Expr], Action] = {
    exp.ColumnDef: alter_columns.add,
    exp.Drop: alter_columns.drop,
    nodes.ChangeColumn: alter_columns.modify,
    exp.AlterColumn: alter_columns.alter,
    exp.RenameColumn: alter_columns.rename,
    exp.AddConstraint: alter_constraints.add,
    ConstraintAction: alter_constraints.run_action,
    IdentityAction: alter_identity.run,
    exp.AlterRename: _rename,
    exp.AlterSet: _set_schema,
    nodes.AlterOptions: _options,
    exp.SchemaCommentProperty: _comment_property,
    exp.EngineProperty: _nothing,
    nodes.IgnoredProperty: _ignored,
    nodes.Utility: _utility,
    mysql_nodes.AddIndex: alter_indexes.add,
    mysql_nodes.DropIndex: alter_indexes.drop,
    mysql_nodes.RenameIndex: alter_indexes.rename,
}
_OF_PHYSICAL = frozenset({exp.AlterRename, exp.AlterSet, nodes.IgnoredProperty, nodes.AlterOptions})
_OF_VIEWS = frozenset({exp.AlterRename, exp.AlterSet, nodes.IgnoredProperty})
_OF_MATERIALIZED = _OF_VIEWS | {exp.RenameColumn}


# --- Databases ------------------------------------------------------------------------------------


def _did_to_sequence(session: ClientSession, tree: exp.Alter, text: str) -> bool:
    """True for `ALTER TABLE sequence OWNER TO role`, as pg_dump writes it, which changes nothing,
    and for RENAME TO of a sequence, which is done here. Raises: DbError DUPLICATE_TABLE.
    """
    actions = tree.args["actions"]
    known = (nodes.IgnoredProperty, exp.AlterRename)
    if not all(isinstance(action, known) for action in actions):
        return False
    database, name = table_name(tree.this, session.plan_context(text))
    one = find_sequence(session, database, name)
    if one is None or session.lookup(database, name) is not None:
        return False
    if any(isinstance(action, exp.AlterRename) for action in actions):
        check_owner(session, one.role, f"sequence {name}")
        with session.writing() as transaction:
            transaction.change_store()
            rename(session, one, actions[0].this.name)
    return True


def _alter_database(session: ClientSession, tree: exp.Alter, kind: str) -> None:
    name = tree.this.db
    (action,) = tree.args["actions"]
    if isinstance(action, nodes.IgnoredProperty) and session.has_database(name):
        return  # OWNER TO: schemas are everybody's
    if isinstance(action, exp.AlterRename):
        raise DbError(ErrorKind.UNSUPPORTED, f"ALTER {kind} … RENAME TO is not supported")
    with session.writing() as transaction:
        cursor = session.duck.cursor
        found = _locked_database(session, transaction, name, kind)
        if action.args.get("unset"):
            keys = [str(option.this) for option in action.expressions]
            changed = options.unset_database_options(found.options, keys)
        else:
            given = given_options(action.expressions)
            changed = options.set_database_options(found.options, given)
        session.catalog.put_database(cursor, replace(found, options=changed))
        transaction.follow_database(name)


def _comment_on_database(session: ClientSession, name: str, kind: str, text: str) -> None:
    with session.writing() as transaction:
        found = _locked_database(session, transaction, name, kind)
        session.catalog.put_database(session.duck.cursor, replace(found, comment=text))


def _locked_database(
    session: ClientSession, transaction: Transaction, name: str, kind: str
) -> Database:
    """The database, which nobody else changes now. Raises: DbError if it is not there."""
    cursor = session.duck.cursor
    session.catalog.lock(cursor, name)
    transaction.change_store()
    found = session.catalog.database(cursor, name)
    if found is None:
        is_database = kind == "DATABASE"
        missing = ErrorKind.UNDEFINED_DATABASE if is_database else ErrorKind.UNDEFINED_SCHEMA
        raise DbError(missing, f'database "{name}" does not exist')
    return found
