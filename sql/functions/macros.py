"""DuckDB macros for functions that DuckDB lacks or spells otherwise; made when a store opens."""

from __future__ import annotations

import duckdb

from sql.system.registry import FUNCTIONS


def install_macros(cursor: duckdb.DuckDBPyConnection) -> None:
    """Creates or replaces every macro in the store."""
    for statement in FUNCTIONS:
        cursor.execute(statement)
