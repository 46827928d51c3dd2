"""pg_cursors and pg_prepared_statements: what the asking session has open, and nobody else's."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from sql.system.arrow import fill
from sql.system.pg_catalog.shapes import SHAPES
from sql.system.table import SystemContext


def pg_cursors(context: SystemContext) -> pa.Table:
    """One row for each cursor that DECLARE has made."""
    cursors = context.cursors
    return fill(
        SHAPES["pg_cursors"].schema,
        len(cursors),
        {
            "name": list(cursors),
            "statement": [cursor.statement for cursor in cursors.values()],
            "is_holdable": [cursor.hold for cursor in cursors.values()],
            "is_binary": [cursor.binary for cursor in cursors.values()],
            "is_scrollable": [cursor.scroll is not False for cursor in cursors.values()],
            "creation_time": [_moment(cursor.made_ms) for cursor in cursors.values()],
        },
    )


def pg_prepared_statements(context: SystemContext) -> pa.Table:
    """One row for each named statement, of PREPARE or of the protocol."""
    statements = context.prepared
    return fill(
        SHAPES["pg_prepared_statements"].schema,
        len(statements),
        {
            "name": list(statements),
            "statement": [one.shown for one in statements.values()],
            "prepare_time": [_moment(one.made_ms) for one in statements.values()],
            "parameter_types": [list(context.parameters(one)) for one in statements.values()],
            "from_sql": [one.from_sql for one in statements.values()],
            "generic_plans": 0,
            "custom_plans": 0,
        },
    )


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
