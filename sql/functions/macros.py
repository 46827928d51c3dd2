"""What a store needs when it opens; the work is install.py's."""

from __future__ import annotations

import duckdb

from sql.functions.install import install


def install_macros(cursor: duckdb.DuckDBPyConnection) -> None:
    """Makes every function known to the store."""
    install(cursor)
