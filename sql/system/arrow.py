"""Makes the Arrow tables of system tables from a few columns and many defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa


def fill(schema: pa.Schema, rows: int, columns: Mapping[str, Any]) -> pa.Table:
    """A table of exactly `schema`.

    A list in `columns` is the column, one value per row; any other value is repeated in every
    row; columns not named are NULL.
    """
    unknown = columns.keys() - set(schema.names)
    assert not unknown, f"no such columns: {unknown}"
    return pa.table([_column(field, rows, columns) for field in schema], schema=schema)


def _column(field: pa.Field, rows: int, columns: Mapping[str, Any]) -> pa.Array:
    value = columns.get(field.name)
    if value is None:
        return pa.nulls(rows, field.type)
    if isinstance(value, list):
        assert len(value) == rows, field.name
        return pa.array(value, field.type)
    if isinstance(value, tuple):  # one list value for every row
        return pa.array([list(value)] * rows, field.type)
    return pa.repeat(pa.scalar(value, field.type), rows)


def from_rows(schema: pa.Schema, rows: Sequence[Sequence[Any]]) -> pa.Table:
    """A table of exactly `schema` from whole rows in its column order."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    arrays = [pa.array(list(c), f.type) for c, f in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)


def strings(*names: str) -> list[pa.Field]:
    """String fields of those names."""
    return [pa.field(name, pa.string()) for name in names]


def integers(*names: str) -> list[pa.Field]:
    """Int64 fields of those names."""
    return [pa.field(name, pa.int64()) for name in names]
