"""DROP DATABASE, TABLE, VIEW and MATERIALIZED VIEW.

On PostgreSQL's wire nothing that holds rows is dropped while a view reads it, unless told CASCADE.
Else such a view stays, and its queries fail until what it reads is there again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.records import Table, TableKind
from engine.errors import DbError, ErrorKind
from sql.dialect.nodes import MATERIALIZED
from sql.plan.tables import table_name, undefined_table
from sql.results import Affected, Notice, Result
from sql.session import Wire
from sql.statements import extensions
from sql.statements.dependents import kind_of, views_over
from sql.statements.foreign_keys import keys_left, loosen
from sql.statements.indexes import drop_indexes
from sql.statements.metric_engine import check_unused
from sql.statements.schema_object import drop_object, objects_in
from sql.statements.sequence import drop_sequence_of, drop_sequences
from sql.statements.target import quoted
from sql.statements.user_types import drop_types

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
        kind = MATERIALIZED if tree.args.get("materialized") else kind
        with session.writing() as transaction:
            _drop_named(session, transaction, tree, kind, statement.text)
        return Affected(f"DROP {kind}", 0)
    if kind == "SEQUENCE":
        return drop_sequences(session, tree)
    if kind in ("TYPE", "DOMAIN"):
        return drop_types(session, tree)
    if kind == "EXTENSION":
        return extensions.run_drop(session, tree)
    if kind == "INDEX":
        return drop_indexes(session, tree)
    raise DbError(ErrorKind.UNSUPPORTED, f"DROP {kind} is not supported")


def _drop_databases(session: ClientSession, tree: exp.Drop) -> None:
    with session.writing() as transaction:
        for node in tree.args["tables"]:
            name = node.db
            if session.catalog.database(session.duck.cursor, name) is None:
                if tree.args.get("exists"):
                    session.notice(Notice(f'schema "{name}" does not exist, skipping', errno=1008))
                    continue
                raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'database "{name}" does not exist')
            tables = session.catalog.tables(session.duck.cursor, name)
            held = [*tables, *objects_in(session, name)]
            if held and not _may_cascade(session, tree):
                raise DbError(
                    ErrorKind.DEPENDENT_OBJECTS,
                    f'cannot drop schema "{name}" because other objects depend on it',
                    detail=f'it holds {len(held)} objects, "{held[0].name}" among them',
                    hint="use DROP … CASCADE to drop them too",
                )
            if keys := keys_left(session, tables):
                transaction.change_store()
                loosen(session, keys, cascade=bool(tree.args.get("cascade")))
            over = [view for view, _ in _dependents(session, tables)]
            _drop_all(session, transaction, tables, over if tree.args.get("cascade") else [])
            transaction.change_store()
            for one in objects_in(session, name):
                drop_object(session, one)
            session.catalog.drop_database(session.duck.cursor, name)


def _may_cascade(session: ClientSession, tree: exp.Drop) -> bool:
    """MySQL's DROP DATABASE takes its tables along; PostgreSQL's DROP SCHEMA asks for CASCADE."""
    if session.wire is Wire.POSTGRES and str(tree.args["kind"]).upper() == "SCHEMA":
        return bool(tree.args.get("cascade"))
    return True


def _drop_named(
    session: ClientSession, transaction: Transaction, tree: exp.Drop, kind: str, text: str
) -> None:
    found = {}
    for node in tree.args["tables"]:
        table = _named(session, tree, node, kind, text)
        if table is not None:
            found[table.id] = table
            check_unused(table, session.catalog.tables(session.duck.cursor, table.database))
    over = _dependents(session, found.values())
    if over and not tree.args.get("cascade"):
        if session.wire is Wire.POSTGRES and kind != "VIEW":
            raise _needed(kind, *over[-1])
        over = []
    if keys := keys_left(session, found.values()):
        transaction.change_store()
        loosen(session, keys, cascade=bool(tree.args.get("cascade")))
    _drop_all(session, transaction, [*found.values()], [view for view, _ in over])


def _named(
    session: ClientSession, tree: exp.Drop, node: exp.Table, kind: str, text: str
) -> Table | None:
    """What is to be dropped; None after saying that IF EXISTS found nothing."""
    context = session.plan_context(text)
    database, name = table_name(node, context)
    table = session.lookup(database, name)
    if table is not None and tree.args.get("temporary") and not table.temporary:
        table = None
    if table is None:
        if tree.args.get("exists"):
            message = f'{kind.lower()} "{name}" does not exist, skipping'
            if session.wire is Wire.MYSQL:
                message = f"Unknown table '{database}.{name}'"
            session.notice(Notice(message, errno=1051))
            return None
        raise undefined_table(node, context)
    if (is_ := kind_of(table)) != kind:
        raise DbError(
            ErrorKind.WRONG_OBJECT_TYPE,
            f'"{name}" is not a {kind.lower()}',
            hint=f"use DROP {is_} to remove it",
        )
    return table


def _dependents(session: ClientSession, tables: Iterable[Table]) -> list[tuple[Table, Table]]:
    """(view, table it is over) of the views that would be left over, the outermost first."""
    named = {table.id: table for table in tables}
    found: dict[int, tuple[Table, Table]] = {}
    for table in named.values():
        for view in views_over(session, table):
            if view.id not in named:
                found.setdefault(view.id, (view, table))
    return [*found.values()][::-1]


def _needed(kind: str, view: Table, table: Table) -> DbError:
    this = f"{kind.lower()} {table.name}"
    return DbError(
        ErrorKind.DEPENDENT_OBJECTS,
        f"cannot drop {this} because other objects depend on it",
        detail=f"{kind_of(view).lower()} {view.name} depends on {this}",
        hint="Use DROP ... CASCADE to drop the dependent objects too.",
    )


def _drop_all(
    session: ClientSession, transaction: Transaction, tables: Sequence[Table], views: list[Table]
) -> None:
    """Drops tables, and first the views over them, which the client is told."""
    if len(views) == 1:
        session.notice(Notice(f"drop cascades to {kind_of(views[0]).lower()} {views[0].name}"))
    elif views:
        session.notice(Notice(f"drop cascades to {len(views)} other objects"))
    for table in (*views, *tables):
        drop_table(session, transaction, table)


def drop_table(session: ClientSession, transaction: Transaction, table: Table) -> None:
    """Removes one table or view with its rows, when the transaction commits."""
    transaction.change_store()
    session.remove_table(table)
    if table.metric:
        transaction.drop_metric(table)
    elif table.is_time_series:
        transaction.drop_regions(table.region_ids)
    elif table.kind is TableKind.RELATIONAL:
        session.duck.execute(f"DROP TABLE {quoted(table)}")
        for column in table.columns:
            drop_sequence_of(session, table, column)
