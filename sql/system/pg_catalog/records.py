"""pg_catalog's relations as the catalog would record them: what a result tells of their columns.

Called by sql/plan/origins.py. Nothing reads rows by these records.
"""

from __future__ import annotations

from functools import cache

from catalog.records import Column, Table, TableKind
from sql.system.pg_catalog.shapes import SHAPES
from sql.types import from_arrow

PG_CATALOG = "pg_catalog"


@cache
def record_of(name: str) -> Table | None:
    """A relation of pg_catalog; a column's `declared` is PostgreSQL's name of its type."""
    shape = SHAPES.get(name)
    if shape is None:
        return None
    columns = tuple(
        Column(field.name, from_arrow(field.type), declared=kind)
        for field, kind in zip(shape.schema, shape.kinds, strict=True)
    )
    return Table(shape.oid, PG_CATALOG, name, TableKind.VIEW, columns)
