"""TRUNCATE: a time-series table gets a new, empty region; a relational one is emptied by DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.options import region_options
from sql.partition.layout import new_region_ids
from sql.results import Affected, Result
from sql.statements.target import quoted, writable

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Empties tables, all or none. Raises: DbError."""
    assert isinstance(statement.tree, exp.TruncateTable)
    with session.writing() as transaction:
        transaction.change_store()
        for node in statement.tree.expressions:
            table = writable(session, node, statement.text)
            if table.is_time_series:
                count, existing = len(table.region_ids), session.regions.region_ids()
                region_ids = new_region_ids(table, count, existing)
                home = session.catalog.database(session.duck.cursor, table.database)
                for region_id in region_ids:
                    transaction.create_region(
                        region_id, table.region_schema(), region_options(table, home)
                    )
                transaction.drop_regions(table.region_ids)
                emptied = replace(table, region_ids=region_ids)
                session.catalog.put_table(session.duck.cursor, emptied)
                transaction.follow(emptied)
            else:
                session.duck.execute(f"DELETE FROM {quoted(table)}")
    return Affected("TRUNCATE TABLE", 0)
