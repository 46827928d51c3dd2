"""What a system table is: a name, columns and a function that makes its rows when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from catalog.records import Database, Table
from engine.api import RegionStatistics
from sql.session import SessionApi


@dataclass(frozen=True)
class SystemContext:
    """Everything a system table may look at: the catalog as the asking session sees it."""

    session: SessionApi
    databases: Sequence[Database]
    tables: Sequence[Table]
    sessions: Sequence[SessionApi]
    statistics: Callable[[int], RegionStatistics]  # by region id


@dataclass(frozen=True, slots=True)
class SystemTable:
    """One system table: `rows` gives an Arrow table of exactly `schema`."""

    database: str  # information_schema or pg_catalog
    name: str
    schema: pa.Schema
    rows: Callable[[SystemContext], pa.Table]


SystemTables = Mapping[tuple[str, str], SystemTable]
