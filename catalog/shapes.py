"""What the regions of a table must look like: their columns and options.

Asked whenever regions are made, altered or examined. Most tables have regions of one shape; a
physical metric table with a series store (docs/metrics-store.md) has one region for samples and
one for the definitions of series.
"""

from __future__ import annotations

from dataclasses import replace

from catalog.options import region_options
from catalog.records import REGION_BITS, SERIES, Database, Table
from engine import datatypes
from engine.schema import MergeMode, RegionColumn, RegionOptions, RegionSchema, Semantic

Shape = tuple[RegionSchema, RegionOptions]

LABELS = "labels"  # bytes: engine.series.index.SeriesIndex.load reads them
CREATED = "created"  # always 0: a series is defined once, however often that is written
STORE_REGIONS = 2

SERIES_SCHEMA = RegionSchema(
    (
        RegionColumn(SERIES, datatypes.INT64, Semantic.TAG, nullable=False),
        RegionColumn(CREATED, datatypes.TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, nullable=False),
        RegionColumn(LABELS, datatypes.BINARY, Semantic.FIELD),
    ),
    (SERIES,),
)


def series_region(store_id: int) -> int:
    """The region that holds the definitions of a store's series."""
    return (store_id << REGION_BITS) + 1


def has_store(table: Table) -> bool:
    """True if a new physical table can have a series store."""
    time = next(c for c in table.columns if c.semantic is Semantic.TIMESTAMP)
    plain = not table.append_mode and not table.keeps_non_null and not table.partition_columns
    return plain and time.type == datatypes.TIMESTAMP_MILLISECOND


def shapes(table: Table, database: Database | None) -> dict[int, Shape]:
    """Region id → how the region is to be. Requires: table.is_time_series."""
    options = region_options(table, database)
    if not table.is_store:
        schema = table.region_schema()
        return dict.fromkeys(table.region_ids, (schema, options))
    samples, series = table.region_ids
    lasting = replace(options, ttl_ms=None, merge_mode=MergeMode.LAST_ROW, extra={})
    return {samples: (table.samples.region_schema(), options), series: (SERIES_SCHEMA, lasting)}
