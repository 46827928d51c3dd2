"""Writes sorted rows as Parquet. See docs/formats/sst.md.

Called by `engine.flush` (and by compaction). Rows come sorted and deduplicated; nothing is checked
again here but the order of the arguments' shapes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.schema import RegionSchema, Semantic
from engine.sst.file import KEY_BOUND_CHARACTERS_MAX, KeyBound

FORMAT_VERSION = "1"
# One false positive in a hundred row groups costs less than the larger filter would.
_BLOOM_FALSE_POSITIVES = 0.01
# A dictionary pays (size and query time) when values repeat; of 4096 rows spread over the file, a
# column of counters or codes repeats nearly all, one of measurements or ids hardly any.
_SAMPLE_ROWS = 4096
_DISTINCT_SHARE_MAX = 0.5


def write(rows: pa.Table, schema: RegionSchema, path: str, row_group_rows: int) -> None:
    """Writes a new file. Requires: rows in order of `schema.sort_key`. Raises: OSError."""
    metadata = {
        "gnomon.format": FORMAT_VERSION,
        "gnomon.schema_version": str(schema.version),
        "gnomon.time_index": schema.time_index,
        "gnomon.primary_key": "\n".join(schema.primary_key),
    }
    table = rows.replace_schema_metadata(metadata)
    pq.write_table(table, path, row_group_size=row_group_rows, **_layout(table, schema))


def _layout(rows: pa.Table, schema: RegionSchema) -> dict[str, Any]:
    """The writer's options: how each column is encoded."""
    names = [column.name for column in schema.columns]
    order = [pq.SortingColumn(names.index(name)) for name in schema.sort_key]
    return {
        "compression": "zstd",
        "write_statistics": True,
        "use_dictionary": [name for name in names if _repeats(rows.column(name))],
        "sorting_columns": order,
        "bloom_filter_options": _bloom_filters(rows, schema),
        "write_page_checksum": True,
    }


def _repeats(column: pa.ChunkedArray) -> bool:
    """True if a sample suggests that a dictionary pays."""
    if pa.types.is_nested(column.type) or pa.types.is_boolean(column.type):
        return False
    count = len(column)
    if count > _SAMPLE_ROWS:
        column = column.take(pa.array(np.linspace(0, count - 1, _SAMPLE_ROWS).astype(np.int64)))
    distinct = pc.count_distinct(column, mode="all").as_py()
    return bool(distinct <= max(1, len(column) * _DISTINCT_SHARE_MAX))


def _bloom_filters(rows: pa.Table, schema: RegionSchema) -> dict[str, Any] | None:
    """A filter for each text tag, as large as its distinct values in a row group may need."""
    filters = {}
    for column in schema.columns:
        if column.semantic is Semantic.TAG and pa.types.is_string(column.type.arrow):
            distinct = max(1, pc.count_distinct(rows.column(column.name)).as_py())
            filters[column.name] = {"ndv": distinct, "fpp": _BLOOM_FALSE_POSITIVES}
    return filters or None


def key_bounds(rows: pa.Table, column: str) -> tuple[KeyBound | None, KeyBound | None]:
    """Least and greatest value of a text or integer column, (None, None) if not worth keeping."""
    values = rows.column(column)
    if not (pa.types.is_string(values.type) or pa.types.is_integer(values.type)):
        return None, None
    bounds = pc.min_max(values).as_py()
    for bound in bounds.values():
        if isinstance(bound, str) and len(bound) > KEY_BOUND_CHARACTERS_MAX:
            return None, None
    return bounds["min"], bounds["max"]
