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
from sql.dialect.show_create import (
    create_database_sql,
    create_foreign_sql,
    create_table_sql,
    create_view_sql,
)
from sql.dialect.show_create_mysql import mysql_table_sql
from sql.foreign.keys import with_present_names
from sql.mysql_errors import MISSING, missing
from sql.results import Result
from sql.routines.definition import shown
from sql.routines.find import find
from sql.session import Wire
from sql.statements import show_server
from sql.statements.answers import table_rows
from sql.statements.describe_table import described_table
from sql.statements.found_flow import create_flow_sql, find_flow
from sql.statements.metric_engine import as_shown
from sql.statements.show import Request, create_statement, show

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
        table = _listed(session, what, tree, statement.text)
        where = tree.args.get("where")
        if where is not None:
            table = _filtered(session, table, where, statement.text)
    return table_rows(table, tag="SHOW")


def _listed(session: ClientSession, what: str, tree: ShowStatement, text: str) -> pa.Table:
    variable = tree.args.get("variable")
    if variable is not None:
        return show_server.variable(session, variable.name, session.timezone)
    return show(what, session.system_context(), _request(session, what, tree, text))


def _request(session: ClientSession, what: str, tree: ShowStatement, text: str) -> Request:
    database_node = tree.args.get("db")
    database = database_node.name if database_node is not None else session.database
    if not session.has_database(database):
        raise DbError(ErrorKind.UNDEFINED_DATABASE, f'database "{database}" does not exist')
    table = None
    if what in _OF_TABLE:
        table = _target(session, tree, text)
        table = as_shown(
            table,
            session.catalog.tables(session.duck.cursor, table.database),
            internal=what != "REGION",
        )
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
    return described_table(node, session.plan_context(text))


def _create(session: ClientSession, kind: str, tree: ShowStatement, text: str) -> pa.Table:
    if kind in ("DATABASE", "SCHEMA"):
        name = tree.args["target"].name
        if not session.has_database(name):
            raise DbError(ErrorKind.UNDEFINED_DATABASE, f'database "{name}" does not exist')
        found = session.catalog.database(session.duck.cursor, name)
        options = found.options if found is not None else {}
        return create_statement("Database", name, create_database_sql(name, options))
    if kind == "FLOW":
        flow = find_flow(session, tree.args["target"].name)
        return create_statement("Flow", flow.name, create_flow_sql(flow))
    if kind in MISSING and session.wire is Wire.MYSQL:
        target = tree.args["target"]
        home, is_function = target.text("db") or session.database, kind == "FUNCTION"
        found_routine = find(session, home, target.name, is_function=is_function)
        if kind not in ("PROCEDURE", "FUNCTION") or found_routine is None:
            raise missing(kind, target.name)
        return shown(found_routine)
    if kind not in ("TABLE", "VIEW"):
        raise DbError(ErrorKind.UNSUPPORTED, f"SHOW CREATE {kind} is not supported")
    table = _target(session, tree, text)
    if table.definition:
        query = session.plan_context(text).parse_view(table)
        return create_statement("View", table.name, create_view_sql(table, query, session.wire))
    if kind == "VIEW":
        raise DbError(ErrorKind.WRONG_OBJECT_TYPE, f'"{table.name}" is not a view')
    if tree.args.get("purpose") == "postgres_foreign_table":
        return create_statement("Table", table.name, create_foreign_sql(table))
    table = as_shown(
        table, session.catalog.tables(session.duck.cursor, table.database), internal=False
    )
    home = session.catalog.database(session.duck.cursor, table.database)
    mark = _mark(session, table, text)
    if session.wire is Wire.MYSQL and table.kind is TableKind.RELATIONAL:
        made = mysql_table_sql(with_present_names(session, table), mark)
    else:
        made = create_table_sql(table, session.wire, home, mark)
    return create_statement("Table", table.name, made)


def _mark(session: ClientSession, table: Table, text: str) -> str:
    """What names are quoted with. On MySQL's wire: as in the question, "double" if it has no say.

    Tools quote the name they ask for and read the answer's backticks (dumpers, SQLAlchemy); they,
    and people with relational tables, get MySQL's form. Either form can be run again.
    """
    if session.wire is not Wire.MYSQL:
        return '"'
    asked = session.settings.is_set("sql_quote_show_create") or "`" in text
    return "`" if asked or table.kind is TableKind.RELATIONAL else '"'


def _filtered(session: ClientSession, table: pa.Table, where: exp.Expr, text: str) -> pa.Table:
    condition = where.this if isinstance(where, exp.Where) else where
    for column in condition.find_all(exp.Column):
        if column.name == "tables" and table.column_names[0].startswith("Tables_in_"):
            column.set("this", exp.to_identifier(table.column_names[0], quoted=True))
    name = session.duck.register(table)
    try:
        return session.duck.table(f"SELECT * FROM {name} WHERE {to_duckdb(condition)}", None, text)
    finally:
        session.duck.unregister([name])
