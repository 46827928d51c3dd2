"""SHOW something: names the statement gives are looked up here, rows are made in show.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.records import Table, TableKind
from engine.errors import DbError, ErrorKind
from sql.dialect.duckdb import to_duckdb
from sql.dialect.nodes import ShowStatement, constant_text
from sql.dialect.show_create import create_database_sql, create_table_sql
from sql.plan.tables import find_table
from sql.results import Result
from sql.statements.answers import table_rows
from sql.statements.show import Request, create_statement, show
from sql.types import quote

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

_OF_TABLE = frozenset({"COLUMNS", "INDEX", "REGION"})


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """SHOW TABLES, COLUMNS, CREATE TABLE, … Raises: DbError UNSUPPORTED, UNDEFINED_TABLE."""
    tree = statement.tree
    assert isinstance(tree, ShowStatement)
    what = str(tree.this)
    if what.startswith("CREATE "):
        table = _create(session, what.removeprefix("CREATE "), tree, statement.text)
    else:
        table = show(what, session.system_context(), _request(session, what, tree, statement.text))
        where = tree.args.get("where")
        if where is not None:
            table = _filtered(session, table, where, statement.text)
    return table_rows(table, tag="SHOW")


def _request(session: ClientSession, what: str, tree: ShowStatement, text: str) -> Request:
    database_node = tree.args.get("db")
    database = database_node.name if database_node is not None else session.database
    if not session.has_database(database):
        raise DbError(ErrorKind.UNDEFINED_DATABASE, f'database "{database}" does not exist')
    table = None
    if what in _OF_TABLE:
        table = _target(session, tree, text)
    pattern = tree.args.get("like")
    return Request(
        database,
        table,
        constant_text(pattern) if pattern is not None else None,
        bool(tree.args.get("full")),
        session.last_notices,
    )


def _target(session: ClientSession, tree: ShowStatement, text: str) -> Table:
    node = tree.args["target"]
    if not isinstance(node, exp.Table):
        node = exp.to_table(node.name)
    database = tree.args.get("db")
    if database is not None and not node.db:
        node = node.copy()
        node.set("db", exp.to_identifier(database.name, quoted=True))
    return find_table(node, session.plan_context(text))


def _create(session: ClientSession, kind: str, tree: ShowStatement, text: str) -> pa.Table:
    if kind in ("DATABASE", "SCHEMA"):
        name = tree.args["target"].name
        if not session.has_database(name):
            raise DbError(ErrorKind.UNDEFINED_DATABASE, f'database "{name}" does not exist')
        found = session.catalog.database(session.duck.cursor, name)
        options = found.options if found is not None else {}
        return create_statement("Database", name, create_database_sql(name, options))
    if kind not in ("TABLE", "VIEW"):
        raise DbError(ErrorKind.UNSUPPORTED, f"SHOW CREATE {kind} is not supported")
    table = _target(session, tree, text)
    if table.kind is TableKind.VIEW:
        ddl = f"CREATE OR REPLACE VIEW {quote(table.name)} AS {table.definition}"
        return create_statement("View", table.name, ddl)
    if kind == "VIEW":
        raise DbError(ErrorKind.WRONG_OBJECT_TYPE, f'"{table.name}" is not a view')
    home = session.catalog.database(session.duck.cursor, table.database)
    return create_statement("Table", table.name, create_table_sql(table, session.wire, home))


def _filtered(session: ClientSession, table: pa.Table, where: exp.Expr, text: str) -> pa.Table:
    condition = where.this if isinstance(where, exp.Where) else where
    name = session.duck.register(table)
    try:
        return session.duck.table(f"SELECT * FROM {name} WHERE {to_duckdb(condition)}", None, text)
    finally:
        session.duck.unregister([name])
