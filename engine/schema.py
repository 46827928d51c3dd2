"""What the rows of a region look like: columns, their roles and the options of the region."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

import pyarrow as pa

from engine.datatypes import DataType


class Semantic(Enum):
    """The role of a column in a time-series table."""

    TAG = "TAG"
    FIELD = "FIELD"
    TIMESTAMP = "TIMESTAMP"


class MergeMode(Enum):
    """What happens to an older row with the same (tags, time index)."""

    LAST_ROW = "last_row"
    LAST_NON_NULL = "last_non_null"


@dataclass(frozen=True, slots=True)
class RegionColumn:
    """One column as the engine knows it: no default, no comment.

    `id` is stable for the column's life and never used again in its table; -1 stands for its
    position, which is right as long as a table was never altered. `initial` is what rows older
    than the column read: a scalar of its type, or None for NULL. `past` are the types it had
    before, oldest first: old values are converted step by step, as if each ALTER had done it.
    """

    name: str
    type: DataType
    semantic: Semantic
    nullable: bool = True
    id: int = -1
    initial: pa.Scalar | None = None
    past: tuple[DataType, ...] = ()


@dataclass(frozen=True)
class RegionSchema:
    """The columns of a region, in table order.

    I1. Exactly one column is the TIMESTAMP (the time index) and it is not nullable.
    I2. Column names are unique.
    I3. `primary_key` names exactly the TAG columns; rows are sorted by them in that order, then by
        the time index.
    I4. `version` grows with every change of the table's columns; equal versions of one region are
        equal schemas.
    """

    columns: tuple[RegionColumn, ...]
    primary_key: tuple[str, ...] = ()
    version: int = 0

    def __post_init__(self) -> None:
        names = {column.name for column in self.columns}
        assert len(names) == len(self.columns), "I2"
        times = [c for c in self.columns if c.semantic is Semantic.TIMESTAMP]
        assert len(times) == 1, "I1"
        assert times[0].type.is_timestamp, "I1"
        tags = {c.name for c in self.columns if c.semantic is Semantic.TAG}
        assert set(self.primary_key) == tags, "I3"

    @cached_property
    def sort_key(self) -> tuple[str, ...]:
        """Primary key, then time index: the order of rows and, in upsert mode, their identity."""
        return (*self.primary_key, self.time_index)

    @cached_property
    def time_index(self) -> str:
        """Name of the time index column."""
        return next(c.name for c in self.columns if c.semantic is Semantic.TIMESTAMP)

    @cached_property
    def time_type(self) -> DataType:
        """Type of the time index column."""
        return next(c.type for c in self.columns if c.semantic is Semantic.TIMESTAMP)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that hold no NULL."""
        return tuple(column.name for column in self.columns if not column.nullable)

    @cached_property
    def by_id(self) -> dict[int, RegionColumn]:
        """The columns by their stable id."""
        return {(c.id if c.id >= 0 else i): c for i, c in enumerate(self.columns)}

    @cached_property
    def ids(self) -> dict[str, int]:
        """The stable id of each column, by name."""
        return {column.name: id_ for id_, column in self.by_id.items()}

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Arrow schema of whole rows."""
        return pa.schema([pa.field(c.name, c.type.arrow, c.nullable) for c in self.columns])


@dataclass(frozen=True, slots=True)
class RegionOptions:
    """How a region treats its rows. Times and sizes are in the unit their names end in.

    `ttl_ms`: None keeps rows for ever, 0 lets them vanish at once. `window_ms`: the compaction
    window, None lets the engine infer it. The `None`s of the sizes mean the engine's own defaults.
    """

    append_mode: bool = False
    merge_mode: MergeMode = MergeMode.LAST_ROW
    ttl_ms: int | None = None
    window_ms: int | None = None
    trigger_files: int = 4  # files in one window that start a compaction
    max_output_bytes: int = 512 << 20  # of one file that compaction writes
    write_buffer_bytes: int | None = None
    row_group_rows: int | None = None
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def indexed(self) -> frozenset[str]:
        """Columns whose values are looked up: files get bloom filters of them (extra "bloom")."""
        return frozenset(name for name in self.extra.get("bloom", "").split("\n") if name)
