"""Running a plan: pin snapshots, hand DuckDB files and Arrow tables, stream the rows.

Called by the statement modules with a `QueryPlan`. What it pins and registers is given back when
the result is closed, read to its end or detached.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from sqlglot import exp

from catalog.records import Column, Table
from engine.api import Regions, ScanFile, ScanRequest, Snapshot, TimeRange, Write
from engine.clock import Clock
from engine.datatypes import UNITS_PER_SECOND, DataType
from engine.errors import DbError
from sql.dialect.duckdb import to_duckdb
from sql.partition.prune import wanted_regions
from sql.plan.keys import wanted_keys
from sql.plan.literals import Bound
from sql.plan.parameters import parameter_number
from sql.plan.plan import QueryPlan
from sql.plan.tables import NOW, Reference
from sql.results import ResultColumn, Rows
from sql.run.duck import Duck, OpenResult
from sql.run.files import file_columns, file_source
from sql.run.pin import Pinned, pin
from sql.types import duckdb_name, from_duckdb, quote

_ISO = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d(\.\d{1,9})?)?")
_RANGE_LIMIT = 2**62  # bounds beyond this are as good as none and would overflow in arithmetic


@dataclass
class ScanStatistics:
    """What the scans of one statement read, for EXPLAIN ANALYZE."""

    regions: int = 0
    regions_pruned: int = 0  # partitions that WHERE rules out
    files: int = 0
    stored_rows: int = 0
    memory_rows: int = 0
    selected_rows: int = 0  # of files, read by their place in the sort order


@dataclass(frozen=True)
class Runner:
    """Runs plans for one session."""

    duck: Duck
    regions: Regions
    clock: Clock
    staged: Callable[[], Sequence[Write]]
    system_rows: Callable[[str, str], pa.Table]
    table_of: Callable[[int], Table | None]  # the present record, by id

    def query(
        self, plan: QueryPlan, parameters: Sequence[object], text: str, *, tag: str = "SELECT"
    ) -> Rows:
        """Starts a plan; rows stream from the result. Raises: DbError."""
        with ExitStack() as stack:
            relation = self._bind(plan, parameters, text, stack)
            columns = result_columns(relation.columns, relation.types, plan)
            result = self.duck.open(relation, text)
            result.on_release = stack.pop_all().close
        return Rows(columns, _typed(result, columns), tag=tag, on_close=result.close)

    def table(self, plan: QueryPlan, parameters: Sequence[object], text: str) -> pa.Table:
        """Runs a plan and gives all of its rows, as DuckDB types them."""
        with ExitStack() as stack:
            relation = self._bind(plan, parameters, text, stack)
            result = self.duck.open(relation, text)
            return pa.Table.from_batches(list(result), result.schema)

    def collect(
        self, plan: QueryPlan, parameters: Sequence[object], text: str, *, tag: str
    ) -> Rows:
        """Runs a plan to its end (it changes rows) and gives what it returned."""
        rows = self.query(plan, parameters, text, tag=tag)
        try:
            batches = list(rows)
        finally:
            rows.close()
        return Rows(rows.columns, iter(batches), tag=tag)

    def run(
        self, plan: QueryPlan, parameters: Sequence[object], text: str
    ) -> list[tuple[Any, ...]]:
        """Runs a plan that changes relational rows; gives DuckDB's own answer (a count)."""
        with ExitStack() as stack:
            sql = self._fill(plan, parameters, stack)
            return self.duck.execute(sql, list(parameters) or None, text)

    def describe(self, plan: QueryPlan, text: str) -> tuple[ResultColumn, ...]:
        """The columns a plan will give, without running it."""
        with ExitStack() as stack:
            relation = self._bind(plan, [None] * len(plan.parameter_types), text, stack)
            return result_columns(relation.columns, relation.types, plan)

    def explain(
        self, plan: QueryPlan, parameters: Sequence[object], text: str, prefix: str
    ) -> tuple[list[tuple[Any, ...]], ScanStatistics]:
        """DuckDB's own EXPLAIN rows and what the scans would read."""
        statistics = ScanStatistics()
        with ExitStack() as stack:
            sql = self._fill(plan, parameters, stack, statistics)
            rows = self.duck.execute(f"{prefix} {sql}", list(parameters) or None, text)
        return rows, statistics

    def _bind(
        self, plan: QueryPlan, parameters: Sequence[object], text: str, stack: ExitStack
    ) -> Any:
        sql = self._fill(plan, parameters, stack)
        return self.duck.relation(sql, list(parameters), text)

    def _fill(
        self,
        plan: QueryPlan,
        parameters: Sequence[object],
        stack: ExitStack,
        statistics: ScanStatistics | None = None,
    ) -> str:
        """The plan's text with its placeholders filled in."""
        sql = plan.sql
        now = _now_text(self.clock)
        if NOW in sql:
            sql = sql.replace(NOW, now)
        if plan.scans:
            ranges = self._time_ranges(plan, parameters, now)
            for reference in plan.scans:
                range_ = ranges.get(reference.placeholder, TimeRange())
                pinned = self._pin(reference, range_, parameters, stack)
                relation = self._relation(reference, pinned, stack, statistics)
                sql = sql.replace(f'"{reference.placeholder}"', relation)
        for placeholder, (database, name) in plan.systems.items():
            registered = self._register(self.system_rows(database, name), stack)
            sql = sql.replace(f'"{placeholder}"', registered)
        return sql

    def _register(self, table: pa.Table, stack: ExitStack) -> str:
        name = self.duck.register(table)
        stack.callback(self.duck.unregister, [name])
        return name

    # Time ranges.

    def _time_ranges(
        self, plan: QueryPlan, parameters: Sequence[object], now: str
    ) -> dict[str, TimeRange]:
        units = {r.placeholder: _unit(r) for r in plan.scans}
        ranges: dict[str, TimeRange] = {}
        for bound in plan.bounds:
            value = self._bound_value(bound, parameters, units[bound.placeholder], now)
            if value is None or abs(value) > _RANGE_LIMIT:
                continue
            old = ranges.get(bound.placeholder, TimeRange())
            ranges[bound.placeholder] = _narrowed(old, bound, value)
        return ranges

    def _bound_value(
        self, bound: Bound, parameters: Sequence[object], unit: str, now: str
    ) -> int | None:
        """The bound's value in the column's unit, rounded down; None if it has none."""
        number = parameter_number(bound.value)
        if number is not None:
            return _epoch_of(parameters[number - 1], unit)
        text = _literal_text(bound.value)
        if text is not None and NOW not in text:
            return int(np.array(text, f"datetime64[{unit}]").astype(np.int64))
        if any(parameter_number(node) is not None for node in bound.value.walk()):
            return None
        sql = to_duckdb(bound.value).replace(NOW, now)
        try:
            rows = self.duck.execute(f"SELECT epoch_us(CAST({sql} AS TIMESTAMP))")
        except DbError:
            return None  # the statement itself will say what is wrong with the expression
        micros = rows[0][0]
        if micros is None:
            return None
        return int(micros * UNITS_PER_SECOND[unit] // 1_000_000)

    # Scans.

    def _pin(
        self,
        reference: Reference,
        range_: TimeRange,
        parameters: Sequence[object],
        stack: ExitStack,
    ) -> Pinned:
        """Snapshots of the regions that may hold wanted rows."""
        staged = self.staged()
        keys = wanted_keys(reference, parameters)

        def scan(region_id: int) -> Snapshot:
            request = ScanRequest(
                columns=reference.columns,
                time_range=range_,
                staged=tuple(w for w in staged if w.region_id == region_id),
                keys=keys,
                schema=reference.schema,
            )
            return self.regions.scan(region_id, request)

        def present() -> tuple[int, tuple[int, ...]]:
            table = self.table_of(reference.table.id) or reference.table
            return len(table.region_ids), wanted_regions(table, reference, parameters, range_)

        return pin(present, scan, self.regions.scanning_several, stack)

    def _relation(
        self,
        reference: Reference,
        pinned: Pinned,
        stack: ExitStack,
        statistics: ScanStatistics | None,
    ) -> str:
        table = reference.table
        columns = tuple(c for c in table.columns if c.name in reference.columns)
        parts: list[str] = []
        for snapshot in pinned.snapshots:
            parts += self._parts(reference, columns, snapshot, stack)
            if statistics is not None:
                statistics.files += len(snapshot.files)
                statistics.stored_rows += sum(file.rows for file in snapshot.files)
                statistics.memory_rows += snapshot.memory.num_rows
                statistics.selected_rows += (
                    snapshot.selected.num_rows if snapshot.selected is not None else 0
                )
        if statistics is not None:
            statistics.regions += len(pinned.snapshots)
            statistics.regions_pruned += pinned.pruned
        if not parts:
            parts = [f"SELECT {_empty_columns(columns)} WHERE false"]
        return "(" + " UNION ALL ".join(parts) + ")"

    def _parts(
        self, reference: Reference, wanted: Sequence[Column], snapshot: Snapshot, stack: ExitStack
    ) -> list[str]:
        where = _range_filter(reference, snapshot.time_range)
        columns = file_columns(wanted)
        shadow = None
        if snapshot.shadow is not None and any(f.shadowed for f in snapshot.files):
            shadow = self._register(snapshot.shadow, stack)
        parts: list[str] = []
        for files in _groups(snapshot.files):
            join = ""
            if files[0].deleted is not None:
                dead = self._register(pa.table({"position": files[0].deleted}), stack)
                join += f" ANTI JOIN {dead} AS d ON f.file_row_number = d.position"
            if files[0].shadowed:
                join += _shadow_join(snapshot.identity, shadow)
            parts.append(
                f"SELECT {columns} FROM {file_source(files, reference.table)} AS f{join}{where}"
            )
        arrow = [t for t in (snapshot.memory, snapshot.selected) if t is not None and t.num_rows]
        if arrow:
            name = self._register(pa.concat_tables(arrow), stack)
            names = ", ".join(quote(c.name) for c in wanted)
            parts.append(f"SELECT {names} FROM {name} AS f{where}")
        return parts


def result_columns(
    names: Sequence[str], types: Sequence[object], plan: QueryPlan
) -> tuple[ResultColumn, ...]:
    """The columns of a bound query, with declared types where outputs are plain columns."""
    columns = []
    for position, (name, duck_type) in enumerate(zip(names, types, strict=True)):
        origin = plan.outputs[position] if position < len(plan.outputs) else None
        type_ = from_duckdb(str(duck_type))
        if origin is None:
            columns.append(ResultColumn(name, type_))
            continue
        table, column_name = origin
        column = table.column(column_name)
        assert column is not None
        columns.append(
            ResultColumn(
                name,
                column.type if _same_family(column, type_) else type_,
                nullable=column.nullable,
                table_id=table.id,
                ordinal=table.columns.index(column) + 1,
                table=table.name,
                database=table.database,
                primary_key=column_name in table.primary_key,
            )
        )
    return tuple(columns)


def _same_family(column: Column, found: DataType) -> bool:
    """True if DuckDB's type carries the declared one without loss."""
    return column.type.arrow == found.arrow or (column.type.is_timestamp and found.is_timestamp)


def _typed(result: OpenResult, columns: Sequence[ResultColumn]) -> Iterator[pa.RecordBatch]:
    """The batches with exactly the declared Arrow types."""
    wanted = pa.schema([pa.field(c.name, c.type.arrow) for c in columns])
    same = [w.type == f.type for w, f in zip(wanted, result.schema, strict=True)]
    if all(same):
        return iter(result)
    return (_cast(batch, wanted, same) for batch in result)


def _cast(batch: pa.RecordBatch, wanted: pa.Schema, same: Sequence[bool]) -> pa.RecordBatch:
    arrays = [
        array if fits else array.cast(field.type)
        for array, field, fits in zip(batch.columns, wanted, same, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=wanted)


def _now_text(clock: Clock) -> str:
    moment = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _unit(reference: Reference) -> str:
    return reference.schema.time_type.unit


def _narrowed(old: TimeRange, bound: Bound, value: int) -> TimeRange:
    if bound.is_start:
        return TimeRange(value if old.start is None else max(old.start, value), old.end)
    end = value + 1  # half-open, and bounds finer than the unit were rounded down
    return TimeRange(old.start, end if old.end is None else min(old.end, end))


def _epoch_of(value: object, unit: str) -> int | None:
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
        micros = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
        return micros * UNITS_PER_SECOND[unit] // 1_000_000
    if isinstance(value, str) and _ISO.fullmatch(value):
        return int(np.array(value, f"datetime64[{unit}]").astype(np.int64))
    return None


def _literal_text(node: exp.Expr) -> str | None:
    """The text of a `CAST('…' AS TIMESTAMP…)` as the literal rule makes them."""
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and node.this.is_string:
        return str(node.this.name) if _ISO.fullmatch(node.this.name) else None
    return None


def _range_filter(reference: Reference, range_: TimeRange) -> str:
    index = reference.schema.time_index
    unit = _unit(reference)
    conditions = []
    if range_.start is not None:
        conditions.append(f"f.{quote(index)} >= {_timestamp(range_.start, unit)}")
    if range_.end is not None:
        conditions.append(f"f.{quote(index)} < {_timestamp(range_.end, unit)}")
    return " WHERE " + " AND ".join(conditions) if conditions else ""


_MAKE = {"s": ("make_timestamp", 1_000_000), "ms": ("make_timestamp", 1_000)}
_MAKE |= {"us": ("make_timestamp", 1), "ns": ("make_timestamp_ns", 1)}


def _timestamp(value: int, unit: str) -> str:
    function, factor = _MAKE[unit]
    return f"{function}({value * factor}::BIGINT)"


def _empty_columns(columns: Sequence[Column]) -> str:
    return ", ".join(f"CAST(NULL AS {duckdb_name(c.type)}) AS {quote(c.name)}" for c in columns)


def _shadow_join(identity: Sequence[str], shadow: str | None) -> str:
    assert shadow is not None
    same = " AND ".join(f"f.{quote(n)} IS NOT DISTINCT FROM k.{quote(n)}" for n in identity)
    return f" ANTI JOIN {shadow} AS k ON {same}"


def _groups(files: Sequence[ScanFile]) -> list[list[ScanFile]]:
    """The files that one read serves: alike, and without deleted rows of their own."""
    groups: list[list[ScanFile]] = [[file] for file in files if file.deleted is not None]
    alike: dict[tuple[object, ...], list[ScanFile]] = {}
    for file in files:
        if file.deleted is None:
            alike.setdefault((file.shadowed, file.layout), []).append(file)
    return [*alike.values(), *groups]
