"""What a region must show, as plain Python: a list of rows, slow and obviously right."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa
from fix_engine import ALWAYS

from engine.api import Op, TimeRange, Write
from engine.datatypes import DataType
from engine.schema import MergeMode, RegionColumn, RegionOptions, RegionSchema

Row = dict[int, Any]  # column id -> value; times are integers
_COMPUTE = duckdb.connect()


def canonical(value: Any) -> Any:
    """One spelling for values that count as equal."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0
    return value


def cast(value: Any, type_: DataType) -> Any:
    """A value in another type, None where it does not fit."""
    return None if value is None else _cast(repr(value), value, type_)


@lru_cache(maxsize=10_000)
def _cast(spelling: str, value: Any, type_: DataType) -> Any:
    """`spelling` tells 0.0 from -0.0, which are equal keys of the cache."""
    name = _COMPUTE.from_arrow(pa.table({"x": pa.nulls(0, type_.arrow)})).types[0]
    return _COMPUTE.execute(f"SELECT TRY_CAST(? AS {name})", [value]).fetchone()[0]


def initial(column: RegionColumn) -> Any:
    """What rows older than a column read."""
    return None if column.initial is None else column.initial.as_py()


@dataclass
class ModelRegion:
    """The rows of one region in its current schema."""

    schema: RegionSchema
    options: RegionOptions
    rows: list[Row] = field(default_factory=list)

    def copy(self) -> ModelRegion:
        """A state to come back to."""
        return copy.deepcopy(self)

    @property
    def identity(self) -> list[int]:
        """Ids of the columns that tell rows apart."""
        if self.options.append_mode:
            return list(self.schema.by_id)
        return [self.schema.ids[name] for name in self.schema.sort_key]

    def key(self, row: Row) -> tuple[Any, ...]:
        """A row's identity."""
        return tuple(canonical(row[id_]) for id_ in self.identity)

    def apply(self, writes: Iterable[tuple[Op, RegionSchema, Sequence[Row]]]) -> None:
        """Puts and deletes in order, each in the schema it was written in."""
        for op, schema, rows in writes:
            for row in rows:
                shown = conformed(row, schema, self.schema)
                if op is Op.DELETE:
                    gone = self.key(shown)
                    self.rows = [r for r in self.rows if self.key(r) != gone]
                else:
                    self._put(shown)

    def _put(self, row: Row) -> None:
        if self.options.append_mode:
            self.rows.append(row)
            return
        key = self.key(row)
        old = next((r for r in self.rows if self.key(r) == key), None)
        if old is None:
            self.rows.append(row)
            return
        self.rows.remove(old)
        if self.options.merge_mode is MergeMode.LAST_NON_NULL:
            row = {id_: old[id_] if value is None else value for id_, value in row.items()}
        self.rows.append(row)

    def alter(self, schema: RegionSchema, options: RegionOptions) -> None:
        """Shows every row in the new schema from now on."""
        self.rows = [conformed(row, self.schema, schema) for row in self.rows]
        self.schema, self.options = schema, options

    def visible(self, now_ms: int, wanted: TimeRange = ALWAYS) -> list[tuple[Any, ...]]:
        """Rows in the order of the table's columns, sorted to compare."""
        at = self.schema.ids[self.schema.time_index]
        oldest = -math.inf if self.options.ttl_ms is None else now_ms - self.options.ttl_ms
        start = oldest if wanted.start is None else max(oldest, wanted.start)
        end = math.inf if wanted.end is None else wanted.end
        ids = [self.schema.ids[column.name] for column in self.schema.columns]
        shown = (row for row in self.rows if start <= row[at] < end)
        return sorted((tuple(canonical(row[i]) for i in ids) for row in shown), key=repr)


def conformed(row: Row, old: RegionSchema, new: RegionSchema) -> Row:
    """A row of one schema in another; deletions have the identity columns only."""
    return {id_: _value(row, old.by_id.get(id_), column, id_) for id_, column in new.by_id.items()}


def _value(row: Row, old: RegionColumn | None, new: RegionColumn, id_: int) -> Any:
    if old is None:
        return initial(new)
    value = row.get(id_)
    for type_ in (*new.past, new.type)[len(old.past) + 1 :]:
        value = cast(value, type_)
    return value


def to_write(
    region_id: int, op: Op, schema: RegionSchema, options: RegionOptions, rows: Sequence[Row]
) -> Write:
    """The same as the engine takes it."""
    names = [column.name for column in schema.columns]
    if op is Op.DELETE and not options.append_mode:
        names = list(schema.sort_key)
    fields = [schema.arrow.field(name) for name in names]
    arrays = [
        pa.array([row.get(schema.ids[f.name]) for row in rows], _storage(f.type)).cast(f.type)
        for f in fields
    ]
    return Write(region_id, op, pa.Table.from_arrays(arrays, schema=pa.schema(fields)), schema)


def _storage(type_: pa.DataType) -> pa.DataType:
    return pa.int64() if pa.types.is_timestamp(type_) else type_
