"""TRUNCATE: a time-series table gets a new, empty region; a relational one is emptied by DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.options import region_options
from catalog.records import Table
from sql.results import Affected, Result
from sql.statements.target import quoted, writable

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

REGION_BITS = 32  # region id = table id << 32 | region number


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Empties tables, all or none. Raises: DbError."""
    assert isinstance(statement.tree, exp.TruncateTable)
    with session.writing() as transaction:
        transaction.change_store()
        for node in statement.tree.expressions:
            table = writable(session, node, statement.text)
            if table.is_time_series:
                region_ids = tuple(_next_region(r, table) for r in table.region_ids)
                home = session.catalog.database(session.duck.cursor, table.database)
                for region_id in region_ids:
                    transaction.create_region(
                        region_id, table.region_schema(), region_options(table, home)
                    )
                transaction.drop_regions(table.region_ids)
                emptied = replace(table, region_ids=region_ids)
                session.catalog.put_table(session.duck.cursor, emptied)
            else:
                session.duck.execute(f"DELETE FROM {quoted(table)}")
    return Affected("TRUNCATE TABLE", 0)


def _next_region(region_id: int, table: Table) -> int:
    """A region id of the table that was never used: numbers only grow."""
    highest = max(r & ((1 << REGION_BITS) - 1) for r in table.region_ids)
    position = table.region_ids.index(region_id)
    return table.id << REGION_BITS | (highest + 1 + position)
