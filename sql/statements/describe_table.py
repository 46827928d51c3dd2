"""DESCRIBE table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from sql.plan.tables import find_table
from sql.results import Result
from sql.statements.answers import table_rows
from sql.statements.show import describe

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """The columns of a table. Raises: DbError UNDEFINED_TABLE."""
    assert statement.tree is not None
    node = statement.tree.this
    assert isinstance(node, exp.Table)
    table = find_table(node, session.plan_context(statement.text))
    return table_rows(describe(table), tag="DESCRIBE")
