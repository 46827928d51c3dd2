"""Rows of one time-series table as Arrow, without a statement: what PromQL's sources read.

Called by sql/promql. It plans nothing: the caller says which columns, times and keys it wants. What
a session's open transaction has staged is seen; what the time to live has ended is not.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import pyarrow as pa

from catalog.records import Table
from engine.api import ALWAYS, KeyFilter, ScanRequest, Snapshot, TimeRange
from engine.errors import DbError, ErrorKind
from sql.partition.prune import wanted_regions
from sql.plan.tables import Reference
from sql.run.pin import pin
from sql.run.relation import relation
from sql.run.scan import Runner


@dataclass(frozen=True)
class Wanted:
    """What to read of a table.

    `keys` only prune. `condition` is DuckDB text over the columns of `f`, empty for none; rows that
    it is not true of may come as well. Beyond `rows_max` rows is LIMIT_EXCEEDED.
    """

    table: Table
    columns: tuple[str, ...]
    time_range: TimeRange = ALWAYS
    keys: tuple[KeyFilter, ...] = ()
    condition: str = ""
    rows_max: int = 2**62
    distinct: bool = False  # equal rows may come once


def read_rows(runner: Runner, wanted: Wanted) -> pa.Table:
    """The rows, in no order; seconds and milliseconds may come as microseconds.

    Raises: DbError LIMIT_EXCEEDED, CANCELLED, and what scans raise.
    """
    schema = wanted.table.region_schema()
    reference = Reference("", "f", 0, wanted.table, schema, wanted.columns)
    with ExitStack() as stack:
        snapshots = _pinned(runner, wanted, reference, stack)
        if any(snapshot.files for snapshot in snapshots) or _is_converted(wanted):
            return _from_files(runner, wanted, reference, snapshots, stack)
        rows = _in_memory(wanted, snapshots)
    _check(rows.num_rows, wanted)
    return rows


def _is_converted(wanted: Wanted) -> bool:
    """True if a region keeps one of the columns as something else."""
    arrow = wanted.table.region_schema().arrow
    columns = [c for c in wanted.table.columns if c.name in wanted.columns]
    return any(arrow.field(c.name).type != c.type.arrow for c in columns)


def _pinned(
    runner: Runner, wanted: Wanted, reference: Reference, stack: ExitStack
) -> tuple[Snapshot, ...]:
    staged = runner.staged()

    def scan(region_id: int) -> Snapshot:
        request = ScanRequest(
            columns=wanted.columns,
            time_range=wanted.time_range,
            staged=tuple(write for write in staged if write.region_id == region_id),
            keys=wanted.keys,
            schema=reference.schema,
        )
        return runner.regions.scan(region_id, request)

    def present() -> tuple[int, tuple[int, ...]]:
        table = runner.table_of(wanted.table.id) or wanted.table
        regions = wanted_regions(table, reference, (), wanted.time_range)
        return len(table.region_ids), regions

    return pin(present, scan, runner.regions.scanning_several, stack).snapshots


def _in_memory(wanted: Wanted, snapshots: tuple[Snapshot, ...]) -> pa.Table:
    """Rows that need no file: DuckDB would only copy them."""
    found = [t for s in snapshots for t in (s.memory, s.selected) if t is not None]
    tables = [table.select(wanted.columns) for table in found if table.num_rows]
    if tables:
        return pa.concat_tables(tables, promote_options="permissive")
    arrow = wanted.table.region_schema().arrow
    return pa.schema([arrow.field(name) for name in wanted.columns]).empty_table()


def _from_files(
    runner: Runner,
    wanted: Wanted,
    reference: Reference,
    snapshots: tuple[Snapshot, ...],
    stack: ExitStack,
) -> pa.Table:
    duck = runner.duck
    duck.settle()

    def register(table: pa.Table) -> str:
        name = duck.register(table)
        stack.callback(duck.unregister, [name])
        return name

    rows = relation(reference, snapshots, register, fine=True)
    where = f" WHERE {wanted.condition}" if wanted.condition else ""
    select = "SELECT DISTINCT" if wanted.distinct else "SELECT"
    result = duck.open(f"{select} * FROM {rows} AS f{where}")
    stack.callback(result.close)
    batches, count = [], 0
    for batch in result:
        batches.append(batch)
        count += batch.num_rows
        _check(count, wanted)
    return pa.Table.from_batches(batches, result.schema).select(wanted.columns)


def _check(count: int, wanted: Wanted) -> None:
    if count > wanted.rows_max:
        raise DbError(
            ErrorKind.LIMIT_EXCEEDED,
            f'the query would load more than {wanted.rows_max} samples of "{wanted.table.name}"',
            hint="select fewer series or a shorter time",
        )
