"""DROP DATABASE, TABLE, VIEW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.records import Table, TableKind
from engine.errors import DbError, ErrorKind
from sql.plan.tables import table_name, undefined_table
from sql.results import Affected, Notice, Result
from sql.session import Wire
from sql.statements.dependents import views_over
from sql.statements.indexes import drop_indexes
from sql.statements.metric_engine import check_unused
from sql.statements.target import SEQUENCE, quoted

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement
    from sql.transaction import Transaction


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Drops what the statement names, all or nothing. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, exp.Drop)
    kind = str(tree.args["kind"]).upper()
    if kind in ("DATABASE", "SCHEMA"):
        _drop_databases(session, tree)
        return Affected(f"DROP {kind}", 0)
    if kind in ("TABLE", "VIEW"):
        with session.writing() as transaction:
            for node in tree.args["tables"]:
                _drop_named(session, transaction, tree, node, kind, statement.text)
        return Affected(f"DROP {kind}", 0)
    if kind == "INDEX":
        return drop_indexes(session, tree)
    raise DbError(ErrorKind.UNSUPPORTED, f"DROP {kind} is not supported")


def _drop_databases(session: ClientSession, tree: exp.Drop) -> None:
    with session.writing() as transaction:
        for node in tree.args["tables"]:
            name = node.db
            if session.catalog.database(session.duck.cursor, name) is None:
                if tree.args.get("exists"):
                    session.notice(Notice(f'schema "{name}" does not exist, skipping'))
                    continue
                raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'database "{name}" does not exist')
            tables = session.catalog.tables(session.duck.cursor, name)
            if tables and not _may_cascade(session, tree):
                raise DbError(
                    ErrorKind.DEPENDENT_OBJECTS,
                    f'cannot drop schema "{name}" because other objects depend on it',
                    detail=f'it holds {len(tables)} tables, "{tables[0].name}" among them',
                    hint="use DROP … CASCADE to drop them too",
                )
            for table in tables:
                drop_table(session, transaction, table)
            transaction.change_store()
            session.catalog.drop_database(session.duck.cursor, name)


def _may_cascade(session: ClientSession, tree: exp.Drop) -> bool:
    """MySQL's DROP DATABASE takes its tables along; PostgreSQL's DROP SCHEMA asks for CASCADE."""
    if session.wire is Wire.POSTGRES and str(tree.args["kind"]).upper() == "SCHEMA":
        return bool(tree.args.get("cascade"))
    return True


def _drop_named(
    session: ClientSession,
    transaction: Transaction,
    tree: exp.Drop,
    node: exp.Table,
    kind: str,
    text: str,
) -> None:
    context = session.plan_context(text)
    database, name = table_name(node, context)
    table = session.lookup(database, name)
    if table is not None and tree.args.get("temporary") and not table.temporary:
        table = None
    if table is None:
        if tree.args.get("exists"):
            noun = kind.lower()
            session.notice(Notice(f'{noun} "{name}" does not exist, skipping'))
            return
        raise undefined_table(node, context)
    is_view = table.kind is TableKind.VIEW
    if is_view != (kind == "VIEW"):
        raise DbError(
            ErrorKind.WRONG_OBJECT_TYPE,
            f'"{name}" is not a {kind.lower()}',
            hint=f"use DROP {'VIEW' if is_view else 'TABLE'} to remove it",
        )
    check_unused(table, session.catalog.tables(session.duck.cursor, database))
    if tree.args.get("cascade"):
        for view in views_over(session, table):
            session.notice(Notice(f"drop cascades to view {view.name}"))
            drop_table(session, transaction, view)
    drop_table(session, transaction, table)


def drop_table(session: ClientSession, transaction: Transaction, table: Table) -> None:
    """Removes one table or view with its rows, when the transaction commits."""
    transaction.change_store()
    session.remove_table(table)
    if table.is_time_series:
        transaction.drop_regions(table.region_ids)
    elif table.kind is TableKind.RELATIONAL:
        session.duck.execute(f"DROP TABLE {quoted(table)}")
        for column in table.columns:
            if column.default is not None and column.default.startswith(SEQUENCE):
                session.duck.execute(f"DROP SEQUENCE {column.default[len(SEQUENCE) + 1 : -2]}")
