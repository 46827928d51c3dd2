"""What several system tables say alike: the catalog's name, sizes of tables, the search path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from catalog.records import Table, TableKind
from engine.errors import DbError
from sql.session import Activity, SessionApi, Wire
from sql.system.table import SystemContext

CATALOG = "greptime"
SYSTEM_DATABASES = ("information_schema", "pg_catalog")
SERVER_VERSION = "15.0"  # what pg_settings says if the session cannot tell
ENGINE_NAME = "gnomon"


def catalog_name(session: SessionApi) -> str:
    """The catalog every database is in, as the session's client knows it.

    PostgreSQL's clients compare it with current_database(), which is the name they asked for when
    they connected; all others see the fixed name.
    """
    if session.wire is Wire.POSTGRES:
        return session.client.database or session.database
    return CATALOG


def search_path(session: SessionApi) -> tuple[str, ...]:
    """The schemas where unqualified names are looked up, without pg_catalog (always first): the
    current one, whatever else `search_path` names.
    """
    return (session.database,)


@dataclass(frozen=True, slots=True)
class Size:
    """How much a table holds."""

    rows: int
    bytes: int


def size_of(context: SystemContext, table: Table) -> Size | None:
    """Rows and bytes of a time-series table; None when the store does not know."""
    if table.kind is not TableKind.TIME_SERIES:
        return None
    return size_of_regions(context, table.region_ids)


def size_of_regions(context: SystemContext, region_ids: Sequence[int]) -> Size | None:
    """Rows and bytes of some regions; None when one of them is not there."""
    rows = size = 0
    for region in region_ids:
        try:
            found = context.statistics(region)
        except DbError:  # created in a transaction that is still open, or just dropped
            return None
        rows += found.rows + found.memtable_rows
        size += found.file_bytes + found.memtable_bytes
    return Size(rows, size)


def table_type(table: Table, wire: Wire) -> str:
    """The table's type in information_schema and SHOW FULL TABLES."""
    if table.kind is TableKind.VIEW:
        return "VIEW"
    if table.kind is TableKind.EXTERNAL and wire is Wire.POSTGRES:
        return "FOREIGN"
    return "LOCAL TEMPORARY" if table.temporary else "BASE TABLE"


def activities(context: SystemContext) -> list[tuple[SessionApi, Activity]]:
    """Every session with its activity; who asks is active, whatever it tells."""
    found = [(session, session.activity) for session in context.sessions]
    return [
        (
            session,
            replace(activity, state="active") if session.id == context.session.id else activity,
        )
        for session, activity in found
    ]
