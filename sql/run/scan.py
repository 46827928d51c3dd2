"""Running a plan: pin snapshots, hand DuckDB files and Arrow tables, stream the rows.

Called by the statement modules with a `QueryPlan`. What it pins and registers is given back when
the result is closed, read to its end or detached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalog.records import Column, Table
from engine.api import Extent, KeyFilter, Regions, ScanRequest, Snapshot, TimeRange, Write
from engine.clock import Clock
from engine.datatypes import DataType, TypeId, list_of
from sql.decode.rows import plain
from sql.dialect.nodes import Tql
from sql.metrics.scans import MetricScans
from sql.partition.prune import wanted_regions
from sql.plan.direct import Direct
from sql.plan.front import Front
from sql.plan.keys import wanted_keys
from sql.plan.latest import is_latest
from sql.plan.mysql_digits import on_clock
from sql.plan.plan import QueryPlan, Shape
from sql.plan.search import wanted_texts
from sql.plan.tables import NOW, Reference
from sql.results import ResultColumn, Rows
from sql.run.bounds import time_ranges
from sql.run.direct import Question, direct_rows
from sql.run.duck import Duck, OpenResult
from sql.run.external import FileScans
from sql.run.front import SEARCHED_ROWS, Narrow, parts
from sql.run.keyed import Copies
from sql.run.pin import Pinned, pin
from sql.run.relation import relation
from sql.system.pg_catalog.shapes import VECTOR_OIDS
from sql.types import from_duckdb

_UNIQUE_ROWS_MAX = 65_536  # of more, to see that keys are unique may cost more than it spares
_INFINITY = 2**63 - 1
_INTEGERS = (TypeId.INT8, TypeId.INT16, TypeId.INT32, TypeId.INT64)
_SAMPLES: dict[TypeId, object] = {
    TypeId.INTERVAL: timedelta(0),
    TypeId.DECIMAL: Decimal(0),
    TypeId.DATE: date(2000, 1, 1),
    **dict.fromkeys((TypeId.FLOAT32, TypeId.FLOAT64), 1.0),
    **dict.fromkeys(_INTEGERS, 1),
}


@dataclass
class ScanStatistics:
    """What the scans of one statement read, for EXPLAIN ANALYZE."""

    regions: int = 0
    regions_pruned: int = 0  # partitions that WHERE rules out
    files_considered: int = 0  # all that the regions have
    pruned_by_time: int = 0
    pruned_by_keys: int = 0
    served: int = 0  # whose rows were found in memory, decoded before
    files: int = 0  # that DuckDB reads
    bytes: int = 0  # of those
    stored_rows: int = 0
    memory_rows: int = 0
    selected_rows: int = 0  # of files that were served from memory
    searched: int = 0  # files that text indexes were asked about
    blocks: int = 0  # of rows in those
    blocks_read: int = 0
    newest: int = 0  # regions that knew the newest row of each series
    scans: dict[str, ScanStatistics] = field(default_factory=dict)  # of each, by placeholder

    def count(self, placeholder: str, pinned: Pinned) -> None:
        """Counts what one of the statement's scans has pinned."""
        self.add(pinned)
        self.scans.setdefault(placeholder, ScanStatistics()).add(pinned)

    def add(self, pinned: Pinned) -> None:
        """Counts what a scan has pinned."""
        self.regions += len(pinned.snapshots)
        self.regions_pruned += pinned.pruned
        for snapshot in pinned.snapshots:
            facts = snapshot.facts
            self.files_considered += facts.files
            self.pruned_by_time += facts.pruned_by_time
            self.pruned_by_keys += facts.pruned_by_keys
            self.served += facts.served
            self.bytes += facts.bytes
            self.newest += facts.newest
            self.searched += facts.searched
            self.blocks += facts.blocks
            self.blocks_read += facts.blocks_read
            self.files += len(snapshot.files)
            self.stored_rows += sum(file.rows for file in snapshot.files)
            self.memory_rows += snapshot.memory.num_rows
            if snapshot.selected is not None:
                self.selected_rows += snapshot.selected.num_rows


@dataclass(frozen=True)
class Runner:
    """Runs plans for one session."""

    duck: Duck
    regions: Regions
    clock: Clock
    staged: Callable[[], Sequence[Write]]
    system_rows: Callable[[str, str, frozenset[str] | None], pa.Table]
    table_of: Callable[[int], Table | None]  # the present record, by id
    tql_rows: Callable[[Tql], pa.Table]  # PromQL's answer
    files: FileScans
    metrics: MetricScans
    copies: Copies
    sees_committed: Callable[[], bool]  # and nothing else, in relational tables
    note: Callable[[QueryPlan], None]  # is told what is going to be read

    def query(
        self, plan: QueryPlan, parameters: Sequence[object], text: str, *, tag: str = "SELECT"
    ) -> Rows:
        """Starts a plan; rows stream from the result. Raises: DbError."""
        self.note(plan)
        if tag == "SELECT":
            found = self._in_memory(plan, parameters)
            if found is not None:
                return found
        if plan.front is not None:
            found = self._front(plan, plan.front, parameters, text, tag)
            if found is not None:
                return found
        with ExitStack() as stack:
            sql = self._fill(plan, parameters, stack)
            result = self.duck.open(sql, plan.arguments(parameters), text)
            stack.callback(result.close)
            shape = _shape(result, plan)
            result.on_release = stack.pop_all().close
        return Rows(shape.columns, _typed(result, shape.arrow), tag=tag, on_close=result.close)

    def table(self, plan: QueryPlan, parameters: Sequence[object], text: str) -> pa.Table:
        """Runs a plan and gives all of its rows, as DuckDB types them."""
        self.note(plan)
        with ExitStack() as stack:
            sql = self._fill(plan, parameters, stack, fine_times=False)
            return self.duck.table(sql, plan.arguments(parameters), text)

    def collect(
        self, plan: QueryPlan, parameters: Sequence[object], text: str, *, tag: str
    ) -> Rows:
        """Runs a plan to its end (it changes rows) and gives what it returned."""
        rows = self.query(plan, parameters, text, tag=tag)
        try:
            batches = self.duck.gather(rows)
        finally:
            rows.close()
        return Rows(rows.columns, iter(batches), tag=tag)

    def run(
        self, plan: QueryPlan, parameters: Sequence[object], text: str
    ) -> list[tuple[Any, ...]]:
        """Runs a plan that changes relational rows; gives DuckDB's own answer (a count)."""
        self.note(plan)
        with ExitStack() as stack:
            sql = self._fill(plan, parameters, stack)
            return self.duck.execute(sql, plan.arguments(parameters), text)

    def describe(self, plan: QueryPlan, text: str) -> tuple[ResultColumn, ...]:
        """The columns a plan will give, without running it."""
        with ExitStack() as stack:
            # A NULL has no type of its own: what is computed with it would be told as text.
            samples = [_SAMPLES.get(type_.id) for type_ in plan.parameter_types]
            sql = self._fill(plan, samples, stack)
            bound = self.duck.relation(sql, plan.arguments(samples), text)
            return result_columns(bound.columns, bound.types, plan)

    def explain(
        self, plan: QueryPlan, parameters: Sequence[object], text: str, prefix: str
    ) -> tuple[list[tuple[Any, ...]], ScanStatistics]:
        """DuckDB's own EXPLAIN rows and what the scans would read."""
        statistics = ScanStatistics()
        with ExitStack() as stack:
            sql = self._fill(plan, parameters, stack, statistics)
            rows = self.duck.execute(f"{prefix} {sql}", plan.arguments(parameters), text)
        return rows, statistics

    def _in_memory(self, plan: QueryPlan, parameters: Sequence[object]) -> Rows | None:
        """The rows of a query that DuckDB has answered before; None if it has to again."""
        shape = plan.learned.shape
        if shape is None:
            return None  # not asked before: DuckDB tells what its columns are
        if plan.direct is not None:
            return self._direct(plan, plan.direct, shape, parameters)
        if plan.keyed is None or not self.sees_committed():
            return None
        row = self.copies.row(plan.keyed, parameters, shape.arrow, self.duck)
        return Rows(shape.columns, iter([row])) if row is not None else None

    def _direct(
        self, plan: QueryPlan, direct: Direct, shape: Shape, parameters: Sequence[object]
    ) -> Rows | None:
        """The rows of a query of rows that are in memory; None if DuckDB has to read them."""
        (reference,) = plan.scans
        asked = Question(direct, reference.table).asked(parameters)
        keys = wanted_keys(reference, parameters)
        if asked is None or self.metrics.scan(reference, keys) is not None:
            return None  # a metric's rows lie elsewhere
        with ExitStack() as stack:
            pinned = self._pin(reference, asked.times, False, keys, parameters, stack)
            batch = direct_rows(direct, asked, reference.table, pinned.snapshots, shape.arrow)
        return Rows(shape.columns, iter([batch])) if batch is not None else None

    def _front(
        self, plan: QueryPlan, front: Front, parameters: Sequence[object], text: str, tag: str
    ) -> Rows | None:
        """The rows of a query of the first moments; None if it has to read everything."""
        counts = front.count(parameters)
        reference = next(r for r in plan.scans if r.placeholder == front.placeholder)
        if counts is None or reference.keys or reference.table.store_id:
            return None  # few series are found quickly in all of the time
        if reference.texts and (found := self._searched(plan, parameters, text, tag)) is not None:
            return found
        table = self.table_of(reference.table.id) or reference.table
        extent = _together([self.regions.extent(region_id) for region_id in table.region_ids])
        ranges, _ = time_ranges(plan, parameters, _now_text(self.clock), self.duck)
        wanted = ranges.get(front.placeholder, TimeRange())
        time = reference.schema.time_index, reference.schema.time_type.unit
        given: list[int] = []
        least = SEARCHED_ROWS if reference.texts else 0
        for narrow in parts(front, sum(counts), extent, wanted, time, given, least):
            with ExitStack() as stack:
                sql = self._fill(plan, parameters, stack, narrow=narrow)
                shape, batches = self._collected(sql, plan, parameters, text)
            given.append(sum(batch.num_rows for batch in batches))
            if given[-1] == counts[0]:
                return Rows(shape.columns, iter(batches), tag=tag)
        return None

    def _searched(
        self, plan: QueryPlan, parameters: Sequence[object], text: str, tag: str
    ) -> Rows | None:
        """The rows of a query if text indexes leave no file to be read whole."""
        statistics = ScanStatistics()
        with ExitStack() as stack:
            sql = self._fill(plan, parameters, stack, statistics)
            if statistics.files:
                return None
            shape, batches = self._collected(sql, plan, parameters, text)
        return Rows(shape.columns, iter(batches), tag=tag)

    def _collected(
        self, sql: str, plan: QueryPlan, parameters: Sequence[object], text: str
    ) -> tuple[Shape, list[pa.RecordBatch]]:
        result = self.duck.open(sql, plan.arguments(parameters), text)
        shape = _shape(result, plan)
        return shape, list(_typed(result, shape.arrow))

    def _fill(
        self,
        plan: QueryPlan,
        parameters: Sequence[object],
        stack: ExitStack,
        statistics: ScanStatistics | None = None,
        *,
        fine_times: bool = True,
        narrow: Narrow | None = None,
    ) -> str:
        """The plan's text with its placeholders filled in."""
        sql = plan.sql
        now = _now_text(self.clock)
        if NOW in sql:
            sql = sql.replace(NOW, now)
        if plan.scans or plan.files:
            ranges, vague = time_ranges(plan, parameters, now, self.duck)
            for reference in plan.scans:
                range_ = ranges.get(reference.placeholder, TimeRange())
                part = narrow if narrow and narrow.placeholder == reference.placeholder else None
                range_ = part.within(range_) if part else range_
                latest = reference.placeholder not in vague and is_latest(reference, parameters)
                metric = self.metrics.scan(reference, keys := wanted_keys(reference, parameters))
                inner = reference if metric is None else metric.reference
                latest = latest and metric is None
                keys = keys if metric is None else metric.keys
                pinned = self._pin(inner, range_, latest, keys, parameters, stack)
                if statistics is not None:
                    statistics.count(reference.placeholder, pinned)
                if latest and plan.plain_sql is not None and _is_unique(pinned, reference):
                    sql = plan.plain_sql.replace(NOW, now)
                register = partial(self._register, stack=stack)
                fine = fine_times and reference.fine_times
                rows = relation(inner, pinned.snapshots, register, fine=fine)
                if metric is not None:
                    rows = metric.wrap(rows, register)
                if part and part.condition:
                    rows = f"(SELECT * FROM {rows} AS f WHERE {part.condition})"
                sql = sql.replace(f'"{reference.placeholder}"', rows)
            for files in plan.files:
                range_ = ranges.get(files.placeholder, TimeRange())
                register = partial(self._register, stack=stack)
                rows = self.files.relation(files, range_, register, stack)
                sql = sql.replace(f'"{files.placeholder}"', rows)
        for placeholder, tql in plan.tqls.items():
            sql = sql.replace(f'"{placeholder}"', self._register(self.tql_rows(tql), stack))
        for placeholder, (database, name) in plan.systems.items():
            registered = self._register(
                self.system_rows(database, name, plan.system_columns), stack
            )
            sql = sql.replace(f'"{placeholder}"', registered)
        return sql

    def _register(self, table: pa.Table, stack: ExitStack) -> str:
        name = self.duck.register(table)
        stack.callback(self.duck.unregister, [name])
        return name

    # Scans.

    def _pin(
        self,
        reference: Reference,
        range_: TimeRange,
        latest: bool,
        keys: Sequence[KeyFilter],
        parameters: Sequence[object],
        stack: ExitStack,
    ) -> Pinned:
        """Snapshots of the regions that may hold wanted rows."""
        staged = self.staged()
        texts = wanted_texts(reference, parameters) if reference.texts else ()

        def scan(region_id: int) -> Snapshot:
            request = ScanRequest(
                columns=reference.columns,
                time_range=range_,
                staged=tuple(w for w in staged if w.region_id == region_id),
                keys=tuple(keys),
                latest=latest,
                schema=reference.schema,
                texts=texts,
            )
            return self.regions.scan(region_id, request)

        def present() -> tuple[int, tuple[int, ...]]:
            table = self.table_of(reference.table.id) or reference.table
            return len(table.row_regions), wanted_regions(table, reference, parameters, range_)

        return pin(present, scan, self.regions.scanning_several, stack)


def _together(extents: Sequence[Extent]) -> Extent:
    """The extent of all regions of a table."""
    return Extent(
        sum(e.rows for e in extents), min(e.first for e in extents), max(e.last for e in extents)
    )


def result_columns(
    names: Sequence[str], types: Sequence[object], plan: QueryPlan
) -> tuple[ResultColumn, ...]:
    """The columns of a bound query, with declared types where outputs are plain columns."""
    columns: list[ResultColumn] = []
    for position, (name, duck_type) in enumerate(zip(names, types, strict=True)):
        origin = plan.outputs[position] if position < len(plan.outputs) else None
        type_ = _shown(plan, position, from_duckdb(str(duck_type)))
        if plan.walls is not None:
            type_ = plan.walls.shown(position, len(names), type_)
        if origin is None or (origin.column.lower() != name.lower() and origin.starred):
            vector = VECTOR_OIDS.get(name, 0) if plan.systems and type_.id is TypeId.STRING else 0
            span = position in plan.clocks
            type_, declared = on_clock(type_, plan.digits.get(position), span=span)
            columns.append(ResultColumn(name, type_, vector_oid=vector, declared=declared))
            continue
        table, column_name = origin.table, origin.column
        column = table.column(column_name)
        assert column is not None
        if plan.spelled and column.spelling and column.spelling.lower() == name:
            name = column.spelling
        columns.append(
            ResultColumn(
                name,
                column.type if _is_plainly(column, type_) else type_,
                nullable=column.nullable,
                table_id=table.id,
                ordinal=table.columns.index(column) + 1,
                table=table.name,
                database=table.database,
                primary_key=column_name in table.primary_key,
                origin=column_name,
                alias=origin.alias,
                declared=column.declared,
            )
        )
    return tuple(columns)


def _is_plainly(column: Column, type_: DataType) -> bool:
    """True unless the result has another type, or one that only results have (jsonb)."""
    called = type_.innermost.named is not None and column.type.innermost.named is None
    return _same_family(column, type_) and not called


def _shown(plan: QueryPlan, position: int, found: DataType) -> DataType:
    """An output's type, called as PostgreSQL calls it where the plan knows a name for it."""
    shown = plan.shown[position] if position < len(plan.shown) else None
    if shown is not None and found.id is TypeId.NULL:
        return shown  # a parameter that has no value yet
    if shown is None or shown.innermost.named is None or found.innermost.named:
        return found
    if found.innermost.id not in _SHOWABLE:
        return found
    if shown.element is None or found.element is None:
        return shown if shown.element is found.element else found
    shown = list_of(shown.innermost)
    while (found := found.element or found).element is not None:
        shown = list_of(shown)  # arrays have one type, whatever their dimensions
    return shown


_SHOWABLE = frozenset({TypeId.STRING, TypeId.INT64, TypeId.INT32, TypeId.JSON})


def _shape(result: OpenResult, plan: QueryPlan) -> Shape:
    """The columns of a result, mostly those of the last one of its plan."""
    types = [str(type_) for type_ in result.types]
    last = plan.learned.shape
    if last is not None and last.types == types and last.names == result.names:
        return last
    columns = result_columns(result.names, types, plan)
    arrow = pa.schema([pa.field(c.name, c.type.arrow) for c in columns])
    plan.learned.shape = Shape(result.names, types, columns, arrow)
    return plan.learned.shape


def _same_family(column: Column, found: DataType) -> bool:
    """True if DuckDB's type carries the declared one without loss."""
    return column.type.arrow == found.arrow or (column.type.is_timestamp and found.is_timestamp)


def _typed(result: OpenResult, wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The batches with exactly the declared Arrow types."""
    same = [w.type == f.type for w, f in zip(wanted, result.schema, strict=True)]
    if all(same):
        return iter(result)
    return (_cast(batch, wanted, same) for batch in result)


def _cast(batch: pa.RecordBatch, wanted: pa.Schema, same: Sequence[bool]) -> pa.RecordBatch:
    arrays = [
        array if fits else _as_type(array, field.type)
        for array, field, fits in zip(batch.columns, wanted, same, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=wanted)


def _is_unique(pinned: Pinned, reference: Reference) -> bool:
    """True if DISTINCT ON would leave the rows as they are."""
    if reference.latest is None or any(snapshot.files for snapshot in pinned.snapshots):
        return False
    names = list(reference.latest.distinct)
    tables = [
        table.select(names)
        for snapshot in pinned.snapshots
        for table in (snapshot.memory, snapshot.selected)
        if table is not None and table.num_rows
    ]
    count: int = sum(table.num_rows for table in tables)
    if not 0 < count <= _UNIQUE_ROWS_MAX:
        return count == 0
    rows = pa.concat_tables(tables)
    if len(names) == 1:
        return len(rows.column(0).unique()) == count
    groups = rows.group_by(names, use_threads=False).aggregate([])  # no thread is woken for little
    return bool(groups.num_rows == count)


def _as_type(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    try:
        return plain(array).cast(wanted)
    except pa.ArrowInvalid:
        if not (pa.types.is_timestamp(array.type) and pa.types.is_timestamp(wanted)):
            raise
    # Seconds and milliseconds that microseconds cannot hold came as DuckDB's infinities.
    numbers, coarse = array.view(pa.int64()), array.cast(wanted, safe=False).view(pa.int64())
    ends = pc.is_in(numbers, pa.array([_INFINITY, -_INFINITY]))
    return pc.if_else(ends, numbers, coarse).view(wanted)


def _now_text(clock: Clock) -> str:
    moment = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
