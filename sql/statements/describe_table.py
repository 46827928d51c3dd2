"""DESCRIBE table, and the table that SHOW COLUMNS and its like name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow.compute as pc
from sqlglot import exp

from catalog.records import Table
from sql.plan.context import PlanContext
from sql.plan.numbers import RECORD as NUMBERS
from sql.plan.numbers import is_numbers
from sql.plan.tables import find_table, system_name, table_name
from sql.results import Result
from sql.session import Wire
from sql.statements.answers import table_rows
from sql.statements.metric_engine import as_shown
from sql.statements.show import describe, mysql_columns
from sql.system.information_schema.records import system_tables

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """The columns of a table. Raises: DbError UNDEFINED_TABLE."""
    assert statement.tree is not None
    node = statement.tree.this
    assert isinstance(node, exp.Table)
    table = described_table(node, session.plan_context(statement.text))
    table = as_shown(
        table, session.catalog.tables(session.duck.cursor, table.database), internal=True
    )
    # As with SHOW CREATE TABLE, tools quote the name that they ask for and want MySQL's columns.
    mysql = session.wire is Wire.MYSQL and "`" in statement.text
    rows = mysql_columns(table) if mysql else describe(table)
    column = statement.tree.args.get("column")
    if column is not None:  # a name, or a pattern as of LIKE
        rows = rows.filter(pc.match_like(rows.column(0), column.name, ignore_case=True))
    return table_rows(rows, tag="DESCRIBE")


def described_table(node: exp.Table, context: PlanContext) -> Table:
    """The record of a table, view or system table. Raises: DbError UNDEFINED_TABLE."""
    database, name = table_name(node, context)
    system = system_name(node, context)
    if system is None or context.lookup(database, name) is not None:
        hidden = context.lookup(database, name) is not None
        return NUMBERS if is_numbers(node, context) and not hidden else find_table(node, context)
    for table in system_tables(context.wire):
        if (table.database, table.name) == system:
            return table
    return find_table(node, context)
